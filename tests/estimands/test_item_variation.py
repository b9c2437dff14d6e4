"""SD of effects over items: Bayes factors by brute force, bounds by other ways to hold an SD."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import simpson
from scipy.special import expit
from scipy.stats import chi2

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
        priors={"sd": il.HalfStudentT(3, 1)},
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
    flat = {"beta": il.Flat(), "sd": il.Flat()}
    if any(len(block) > 1 for group in model.design.groups for block in group.blocks):
        flat["corr"] = il.Flat()
    pull = il.Gamma(1e4, 1e4 / sd)  # its SD is 1 % of its mean
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
    with pytest.raises(il.ModelError, match="no random column of id"):
        il.sd_upper_bound(fit, "id", "treat")


def test_a_column_coded_by_halves_counts_once(trial):
    """Treatment as -1/2 and 1/2, or as 0 and 2: the effect, and its bound, stay the same."""
    halves = trial.assign(treat=trial["treat"] - 0.5)
    twice = trial.assign(treat=trial["treat"] * 2)
    bounds = []
    for table in (trial, halves, twice):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", il.IlhteWarning)
            model = il.Model("resp ~ treat + (1 | id) + (treat | item)", table)
        bounds.append(il.item_variation(il.laplace(model)).frame["upper_bound"].iloc[0])
    assert bounds == pytest.approx([bounds[0]] * 3, rel=2e-3)


def test_sentences_for_what_has_no_sd_of_effects(trial, caffeine):
    same = il.laplace(il.Model("resp ~ treat + (1 | id) + (1 | item)", trial))
    with pytest.raises(il.ModelError, match="the same effect, by assumption"):
        il.item_variation(same)
    with pytest.raises(il.ModelError, match="this fit is MAP"):
        il.item_variation(caffeine)
    with pytest.raises(il.ModelError, match="an SD in logits"):
        il.item_variation(same, negligible=0.0)


def test_it_prints(trial):
    model = il.Model("resp ~ treat + (1 | id) + (treat | item)", trial)
    found = il.item_variation(il.laplace(model))
    assert "upper bound" in repr(found)
    assert "<table" in found._repr_html_()
