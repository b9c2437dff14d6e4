"""SD of effects over items: Bayes factors by brute force, bounds by other ways to hold an SD."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import simpson
from scipy.special import expit, logsumexp
from scipy.stats import beta, chi2, halfnorm, multivariate_t, norm

import ilhte_bayes as il
from ilhte_bayes.estimands.profile_sd import Profile

PER_CELL = 60
ITEMS = 6


def counts(spread, seed):
    """Right answers to each item in each arm, of PER_CELL each."""
    rng = np.random.default_rng(seed)
    effect = 0.5 + spread * rng.normal(size=ITEMS)
    chance = expit(np.column_stack([np.zeros(ITEMS), effect]))
    return rng.binomial(PER_CELL, chance)


def table_of(right):
    """One row for each answer; every person answers one item, so that no person effect is needed."""
    rows = [
        (f"q{i}", arm, int(k < right[i, arm]))
        for i in range(ITEMS)
        for arm in (0, 1)
        for k in range(PER_CELL)
    ]
    return pd.DataFrame(rows, columns=["item", "treat", "resp"])


def likelihood_by_sd(right):
    """(SDs, p(answers | SD)) of resp ~ treat + (0 + treat | item), by brute force.

    Each item's effect is summed out over Gauss-Hermite nodes, coefficients over a grid.
    """
    sd, step = np.linspace(0.0, 4.0, 101), 0.05
    b0 = step * np.arange(-24, 25)
    b1 = step * np.arange(-50, 71)
    node, weight = np.polynomial.hermite_e.hermegauss(31)
    weight = weight / weight.sum()

    def binomial(k, eta):
        return np.exp(k * eta - PER_CELL * (np.logaddexp(0.0, eta) - np.log(2.0)))

    control = np.prod([binomial(right[i, 0], b0) for i in range(ITEMS)], axis=0)
    prior = np.exp(-0.5 * (b0[:, None] / 2.5) ** 2 - 0.5 * (b1 / 2.5) ** 2)
    levels = step * np.arange(-74, 95)  # b0 + b1, each value once
    place = np.arange(49)[:, None] + np.arange(121)
    out = []
    for s in sd:
        eta = levels[:, None] + s * node
        treated = np.prod([binomial(right[i, 1], eta) @ weight for i in range(ITEMS)], axis=0)
        out.append(np.sum(prior * control[:, None] * treated[place]))
    return sd, np.array(out)


def bayes_factor(sd, likelihood, scale):
    """P(answers | SD = 0) / p(answers), SD half-normal."""
    prior = np.exp(-0.5 * (sd / scale) ** 2) * np.sqrt(2 / np.pi) / scale
    return likelihood[0] / simpson(likelihood * prior, x=sd)


@pytest.fixture(scope="module")
def fitted():
    """Draws of one small table, enough for a density at 0 to some per cent."""
    right = counts(0.3, 6)
    roles = {"item": "item", "treatment": "treat"}
    model = il.Model("resp ~ treat + (0 + treat | item)", table_of(right), roles=roles)
    return right, il.sample(model, draws=4000, seed=3, progress=False)


def test_the_bayes_factor_is_the_ratio_of_marginal_likelihoods(fitted):
    """For the prior of the fit and for half and twice its scale, without a refit, to 10 %."""
    right, fit = fitted
    frame = il.item_variation(fit).frame
    curve = likelihood_by_sd(right)
    for scale in (0.5, 1.0, 2.0):
        row = frame.loc[f"HalfNormal({scale:g})"]
        assert row["bf_zero"] == pytest.approx(bayes_factor(*curve, scale), rel=0.10)
        assert row["bf_error"] < 0.05


def test_the_fits_own_prior_gives_the_plain_summary(fitted):
    _, fit = fitted
    row = il.item_variation(fit, negligible=0.2).frame.loc["HalfNormal(1)"]
    draws = fit.tree["posterior"]["sd_item"].to_numpy().ravel()
    assert row["estimate"] == pytest.approx(draws.mean())
    assert row["upper_bound"] == pytest.approx(np.quantile(draws, 0.95), rel=1e-3)
    assert row["p_negligible"] == pytest.approx((draws < 0.2).mean())


def test_too_few_draws_near_0_are_refused_with_a_bound():
    right = np.column_stack([np.full(ITEMS, 30), [5, 15, 25, 35, 45, 55]])
    roles = {"item": "item", "treatment": "treat"}
    model = il.Model("resp ~ treat + (0 + treat | item)", table_of(right), roles=roles)
    fit = il.sample(model, draws=500, seed=3, progress=False)
    found = il.item_variation(fit)
    assert found.frame["bf_zero"].isna().all()
    (note,) = [text for text in found.notes if "no Bayes factor" in text]
    told = float(note.split("It is below ")[1].split(":")[0])
    assert bayes_factor(*likelihood_by_sd(right), 1.0) < told < 0.2


def test_another_prior_has_no_bayes_factor(fitted):
    right, _ = fitted
    model = il.Model(
        "resp ~ treat + (0 + treat | item)",
        table_of(right),
        roles={"item": "item", "treatment": "treat"},
        priors={"sd": il.priors.HalfStudentT(3, 1)},
    )
    found = il.item_variation(il.sample(model, draws=250, chains=2, seed=3, progress=False))
    assert "bf_zero" not in found.frame
    assert "half-normal" in "".join(found.notes)


# -- maximum likelihood ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trial(trial_table):
    return trial_table(3, persons=120, items=8, spread=0.5)


def near(model, sd):
    """MAP with a prior that pulls the SD of effects to a value, and flat ones for the rest.

    Given the SD it ends at, everything else is at its maximum likelihood.
    """
    flat = {"beta": il.priors.Flat(), "sd": il.priors.Flat()}
    if any(len(block) > 1 for group in model.design.groups for block in group.blocks):
        flat["corr"] = il.priors.Flat()
    pull = il.priors.Gamma(1e4, 1e4 / sd)  # its SD is 1 % of its mean
    model = model.with_priors(flat).with_priors({"sd_item[treat]": pull})
    return il.laplace(model, objective="map")


@pytest.mark.parametrize("formula", ["(treat | item)", "(treat || item)"])
def test_the_bound_is_where_the_likelihood_has_dropped(trial, formula):
    model = il.Model(f"resp ~ treat + (1 | id) + {formula}", trial)
    fit = il.laplace(model)
    row = il.item_variation(fit).frame.iloc[0]
    assert row["upper_bound"] > row["estimate"] == fit.sd("item")["treat"]
    check_drop(fit, row["upper_bound"])


def check_drop(fit, bound):
    """At the bound, and beside it against fits whose prior pulls the SD there."""
    profile = Profile(fit, "item", "treat")
    # the bound is found to 1e-4 logits, where twice the log-likelihood falls by 10 a logit or so
    assert profile.drop(bound) == pytest.approx(chi2.isf(0.10, 1), abs=5e-3)
    for sd in (0.8 * bound, bound):
        pulled = near(fit.model, sd)
        lost = 2 * (fit.loglik - pulled.loglik)
        assert profile.drop(pulled.sd("item")["treat"]) == pytest.approx(lost, abs=1e-4)


def test_quadrature_has_its_own_bound(trial):
    model = il.Model("resp ~ treat + (1 | id) + (treat | item)", trial)
    exact, approximate = (
        il.item_variation(engine(model)).frame["upper_bound"].iloc[0]
        for engine in (il.quadrature, il.laplace)
    )
    assert exact == pytest.approx(approximate, rel=0.05)
    assert exact != approximate


def test_an_sd_estimated_at_0_has_a_bound(trial_table):
    table = trial_table(5, persons=120, items=8, spread=0.0)
    model = il.Model("resp ~ treat + (1 | id) + (treat || item)", table)
    fit = il.laplace(model)
    assert fit.sd("item")["treat"] == 0.0
    found = il.item_variation(fit)
    bound = found.frame["upper_bound"].iloc[0]
    check_drop(fit, bound)
    assert "does not show that effects are equal" in "".join(found.notes)


def test_any_sd_has_a_bound(trial):
    fit = il.laplace(il.Model("resp ~ treat + (1 | id) + (1 | item)", trial))
    bound = il.sd_upper_bound(fit, "id")
    assert Profile(fit, "id", "Intercept").drop(bound) == pytest.approx(2.7055, abs=5e-3)
    # the profile is steeper than a normal's below and flatter above, but near it
    row = fit.variance_components.loc[("id", "sd[Intercept]")]
    assert bound == pytest.approx(row["estimate"] + 1.645 * row["se"], rel=0.03)
    with pytest.raises(il.errors.ModelError, match="no random column of id"):
        il.sd_upper_bound(fit, "id", "treat")


def test_a_column_coded_by_halves_counts_once(trial):
    """Treatment as -1/2 and 1/2, or as 0 and 2: the effect, and its bound, stay the same."""
    halves = trial.assign(treat=trial["treat"] - 0.5)
    twice = trial.assign(treat=trial["treat"] * 2)
    bounds = []
    for table in (trial, halves, twice):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", il.errors.IlhteWarning)
            model = il.Model("resp ~ treat + (1 | id) + (treat | item)", table)
        bounds.append(il.item_variation(il.laplace(model)).frame["upper_bound"].iloc[0])
    assert bounds == pytest.approx([bounds[0]] * 3, rel=2e-3)


def test_sentences_for_what_has_no_sd_of_effects(trial, caffeine):
    same = il.laplace(il.Model("resp ~ treat + (1 | id) + (1 | item)", trial))
    with pytest.raises(il.errors.ModelError, match="the same effect, by assumption"):
        il.item_variation(same)
    with pytest.raises(il.errors.ModelError, match="this fit is MAP"):
        il.item_variation(caffeine)
    with pytest.raises(il.errors.ModelError, match="an SD in logits"):
        il.item_variation(same, negligible=0.0)


def test_it_prints(trial):
    model = il.Model("resp ~ treat + (1 | id) + (treat | item)", trial)
    found = il.item_variation(il.laplace(model))
    assert "upper bound" in repr(found)
    assert "<table" in found._repr_html_()


def log_marginal(right, known, points, log_proposal, *, spread):
    """Log of p(answers) of resp ~ treat + (treat | item) by importance sampling, and its error.

    Each item's easiness and effect are summed out over a grid of 45 x 35 (Gauss-Hermite nodes would
    be too far apart for 60 answers). `points` are (b0, b1, log SD of easiness[, log SD of effects, atanh rho]); `known` holds the priors' scales.
    Without `spread` the SD of effects is 0.
    """
    b0, b1, log_sd = points[:, :3].T
    sd_zeta = np.exp(points[:, 3]) if spread else np.zeros(len(points))
    rho = np.tanh(points[:, 4]) if spread else np.zeros(len(points))
    log_prior = norm.logpdf(b0, 0, known["Intercept"]) + norm.logpdf(b1, 0, known["treat"])
    log_prior += halfnorm.logpdf(np.exp(log_sd), scale=known["sd"]) + log_sd
    if spread:
        log_prior += halfnorm.logpdf(sd_zeta, scale=known["sd_zeta"]) + points[:, 3]
        # LKJ of two columns: (1 + rho) / 2 is Beta(eta, eta); and d rho / d atanh rho
        log_prior += beta.logpdf((1 + rho) / 2, known["eta"], known["eta"]) - np.log(2)
        log_prior += np.log1p(-(rho**2))
    x, y = (at.ravel() for at in np.meshgrid(np.linspace(-5, 5, 45), np.linspace(-5, 5, 35)))
    log_weight = -0.5 * (x**2 + y**2) - logsumexp(-0.5 * (x**2 + y**2))
    easiness = np.exp(log_sd)[:, None] * x
    effect = sd_zeta[:, None] * (rho[:, None] * x + np.sqrt(1 - rho[:, None] ** 2) * y)
    log = log_prior - log_proposal
    for r0, r1 in right:
        eta = b0[:, None] + easiness
        treated = eta + b1[:, None] + effect
        each = r0 * eta - PER_CELL * np.logaddexp(0, eta)
        each += r1 * treated - PER_CELL * np.logaddexp(0, treated)
        log += logsumexp(each + log_weight, axis=1)
    relative = np.exp(log - log.max())
    error = relative.std() / relative.mean() / np.sqrt(len(log))
    return log.max() + np.log(relative.mean()), error


def test_slopes_correlated_with_easiness_have_the_same_ratio():
    """(treat | item), the usual model; marginal likelihoods by importance sampling, to 10 %."""
    rng, easiness = np.random.default_rng(2), np.linspace(-1, 1, ITEMS)
    effect = 0.5 + 0.2 * rng.normal(size=ITEMS)
    right = rng.binomial(PER_CELL, expit(np.column_stack([easiness, easiness + effect])))
    roles = {"item": "item", "treatment": "treat"}
    model = il.Model("resp ~ treat + (treat | item)", table_of(right), roles=roles)
    fit = il.sample(model, draws=4000, seed=3, progress=False)
    priors = model.priors
    known = {
        "Intercept": priors["beta[Intercept]"].sd, "treat": priors["beta[treat]"].sd,
        "sd": priors["sd_item[Intercept]"].sd, "sd_zeta": priors["sd_item[treat]"].sd,
        "eta": priors["corr_item"].eta,
    }  # fmt: skip
    post = fit.tree["posterior"].to_dataset().stack(d=("chain", "draw"))
    sd, rho = post["sd_item"].to_numpy(), post["corr_item"].to_numpy()[1, 0]
    draws = np.vstack([post["beta"].to_numpy(), np.log(sd), np.arctanh(rho)])
    found = {}
    for spread, k in ((True, 5), (False, 3)):
        proposal = multivariate_t(
            draws[:k].mean(axis=1), 1.5 * np.cov(draws[:k]), df=4, seed=np.random.default_rng(1)
        )
        points = proposal.rvs(2_000)
        found[spread], error = log_marginal(
            right, known, points, proposal.logpdf(points), spread=spread
        )
        assert error < 0.04
    row = il.item_variation(fit).frame.loc[f"HalfNormal({known['sd_zeta']:g})"]
    assert row["bf_zero"] == pytest.approx(np.exp(found[False] - found[True]), rel=0.10)
