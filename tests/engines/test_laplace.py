"""The Laplace engine: edges, separation, invariances, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

import ilhte_bayes as il
from ilhte_bayes.engines.laplace import laplace


def rasch(seed: int, n_person: int = 150, n_item: int = 8, sd_effect: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "id": np.repeat(np.arange(n_person), n_item),
            "item": np.tile([f"q{k}" for k in range(n_item)], n_person),
        }
    )
    frame["treat"] = frame["id"] % 2
    at = frame["item"].str.slice(1).astype(int).to_numpy()
    b, zeta = rng.normal(size=n_item), sd_effect * rng.normal(size=n_item)
    eta = rng.normal(size=n_person)[frame["id"]] + b[at] + (0.4 + zeta[at]) * frame["treat"]
    frame["resp"] = rng.binomial(1, special.expit(eta))
    return frame


def test_no_spread_is_reached_and_said():
    """Answers that differ less between groups than chance would: the SD is 0 exactly."""
    frame = pd.DataFrame({"y": [0, 1] * 60, "g": np.repeat(np.arange(30), 4)})
    fit = laplace(il.Model("y ~ 1 + (1 | g)", frame))
    assert fit.sd("g").tolist() == [0.0]
    assert any("estimated at 0" in problem for problem in fit.problems)
    row = fit.variance_components.loc[("g", "sd[Intercept]")]
    assert row["estimate"] == 0 and np.isnan(row[["se", "lower", "upper"]].to_numpy()).all()
    # With no spread the model is a single proportion: known log-likelihood and standard error.
    assert fit.loglik == pytest.approx(120 * np.log(0.5), abs=1e-9)
    assert fit.coefficients.loc["Intercept", "se"] == pytest.approx(1 / np.sqrt(120 / 4), rel=1e-6)
    # The likelihood is flat beside the edge: the search must not stop short of it.
    assert fit.mode.attrs["converged"]


def test_equal_effects_say_so_without_an_interval():
    """Find a trial whose SD of effects is estimated at 0: its item intervals are withheld."""
    for seed in range(20):
        fit = laplace(il.Model("resp ~ treat + (1 | id) + (treat || item)", rasch(seed)))
        if fit.sd("item")["treat"] == 0:
            break
    else:
        pytest.fail("no trial of 20 with equal true effects had an estimate at 0; half should")
    effects = il.item_effects(fit)
    assert np.ptp(effects["effect"]) < 1e-10
    assert effects["lower"].isna().all()
    assert "equal by estimate, not by evidence" in " ".join(effects.notes)


def test_separated_coefficient_is_named():
    frame = rasch(3)
    frame.loc[frame["treat"] == 1, "resp"] = 1
    with pytest.warns(il.errors.IlhteWarning, match="every answer is the same"):
        model = il.Model("resp ~ treat + (1 | id) + (1 | item)", frame)
    fit = laplace(model)
    assert np.isfinite(fit.loglik)
    assert any("separation" in problem for problem in fit.problems)
    assert abs(laplace(model, objective="map").coefficients.loc["treat", "estimate"]) < 15


def test_one_extreme_value_of_a_covariate_is_no_separation():
    """A steep slope that many answers pin down, and one student far out: 20 logits, known well."""
    rng = np.random.default_rng(2)
    x = np.append(rng.normal(size=4_000), 10.0)
    school = np.arange(x.size) % 40
    y = (2.0 * x + rng.normal(size=40)[school] + rng.logistic(size=x.size) > 0).astype(int)
    fit = laplace(
        il.Model("y ~ x + (1 | school)", pd.DataFrame({"x": x, "school": school, "y": y}))
    )
    assert not any("separation" in problem for problem in fit.problems)


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_scale_of_a_covariate_does_not_matter(scale):
    frame = rasch(5)
    rng = np.random.default_rng(1)
    frame["x"] = rng.normal(size=150)[frame["id"]]
    formula = "resp ~ treat + x + (1 | id) + (treat | item)"
    one = laplace(il.Model(formula, frame))
    other = laplace(il.Model(formula, frame.assign(x=scale * frame["x"])))
    assert other.loglik == pytest.approx(one.loglik, abs=1e-7)
    ratio = one.coefficients.loc["x"] / other.coefficients.loc["x"]
    np.testing.assert_allclose(ratio[["estimate", "se"]].to_numpy(), scale, rtol=1e-4)


def test_shifted_covariate_only_moves_the_intercept():
    frame = rasch(6)
    frame["year"] = 2000 + frame["id"] % 7
    one = laplace(il.Model("resp ~ year + (1 | id) + (1 | item)", frame))
    moved = frame.assign(year=frame["year"] - 2003)
    other = laplace(il.Model("resp ~ year + (1 | id) + (1 | item)", moved))
    assert one.loglik == pytest.approx(other.loglik, abs=1e-6)
    assert one.coefficients.loc["year", "se"] == pytest.approx(
        other.coefficients.loc["year", "se"], rel=1e-4
    )


def test_swapping_arms_turns_the_effect_around():
    frame = rasch(7, sd_effect=0.8)
    one = il.item_effects(laplace(il.il_hte(frame)))
    other = il.item_effects(laplace(il.il_hte(frame.assign(treat=1 - frame["treat"]))))
    np.testing.assert_allclose(one["effect"], -other["effect"], atol=1e-5)
    np.testing.assert_allclose(one["se"], other["se"], rtol=1e-4)


def test_counts_stand_for_repeated_rows():
    """Doubling every row, persons kept, equals the same table written twice."""
    frame = rasch(8, n_person=60)
    twice = pd.concat([frame, frame])
    model = il.Model("resp ~ treat + (1 | id) + (1 | item)", twice, roles={})
    assert model.design.n_rows == len(frame) and model.design.n_obs == 2 * len(frame)
    doubled = laplace(model)
    jittered = twice.assign(copy=np.repeat([0.0, 1.0], len(frame)))
    separate = il.Model("resp ~ treat + copy + (1 | id) + (1 | item)", jittered, roles={})
    assert separate.design.n_rows == len(twice)
    # copy has no effect by construction, so the two fits are the same likelihood
    assert laplace(separate).loglik == pytest.approx(doubled.loglik, abs=1e-7)


@pytest.mark.parametrize("n_person, n_item", [(4, 3), (2, 40), (400, 2)])
def test_tiny_and_lopsided_tables_give_finite_numbers_or_a_sentence(n_person, n_item):
    frame = rasch(9, n_person=n_person, n_item=n_item)
    fit = laplace(il.Model("resp ~ treat + (1 | id) + (treat | item)", frame, roles={}))
    assert np.isfinite(fit.loglik)
    assert np.isfinite(fit.coefficients["estimate"]).all()
    assert fit.mode.attrs["converged"] or fit.problems


def test_one_huge_group_among_small_ones():
    rng = np.random.default_rng(10)
    sizes = [5000, *([3] * 40)]
    frame = pd.DataFrame({"g": np.repeat(np.arange(41), sizes)})
    u = rng.normal(size=41)
    frame["y"] = rng.binomial(1, special.expit(u[frame["g"]]))
    fit = laplace(il.Model("y ~ 1 + (1 | g)", frame))
    modes = fit.random_effects("g")
    share = frame.groupby("g")["y"].mean()[0]
    at = fit.coefficients.loc["Intercept", "estimate"] + modes["estimate"].iloc[0]
    # 5,000 answers leave no room for shrinkage: the level's own log-odds, to .01
    assert at == pytest.approx(special.logit(share), abs=0.01)


def test_refuses_what_it_cannot_fit():
    frame = rasch(11)
    model = il.il_hte(frame)
    with pytest.raises(il.errors.ModelError, match="no random term"):
        laplace(il.Model("resp ~ item", frame.drop(columns="treat"), roles={}))
    with pytest.raises(il.errors.ModelError, match="'ml', 'map'"):
        laplace(model, objective="reml")
    with pytest.raises(il.errors.ModelError, match="infinite"):
        laplace(model.with_priors({"corr": il.priors.LKJ(0.5)}), objective="map")
    fit = laplace(model, objective="map")
    with pytest.raises(il.errors.ModelError, match="AIC belongs to maximum likelihood"):
        fit.aic  # noqa: B018
    with pytest.raises(il.errors.ModelError, match="no random effects for 'school'"):
        fit.random_effects("school")


def test_bic_counts_what_it_is_told_to():
    fit = laplace(il.il_hte(rasch(12)))
    penalty = fit.bic() + 2 * fit.loglik
    assert penalty == pytest.approx(np.log(1200) * 6)
    assert fit.bic("id") + 2 * fit.loglik == pytest.approx(np.log(150) * 6)


def test_draws_of_ordinal_fits_have_the_errors_of_their_effects():
    model = il.Model("rating ~ temp + contact + (1 | judge)", il.load_dataset("wine"), "cumulative")
    fit = il.laplace(model)
    drawn = fit.draws["posterior"]["re_judge"].std(("chain", "draw")).to_numpy().ravel()
    # 2,000 draws: an SD is known to 1.6 %; four of these
    np.testing.assert_allclose(drawn, fit.random_effects("judge")["se"], rtol=0.064)


def test_draws_have_the_covariance_they_claim():
    fit = laplace(il.il_hte(rasch(13, sd_effect=0.8)))
    posterior = fit.draws["posterior"]
    beta = posterior["beta"].to_numpy()[0]
    se = fit.coefficients["se"].to_numpy()
    # 2,000 draws: an SD is known to 1.6 %, a mean to .022 SD; five of these
    np.testing.assert_allclose(beta.std(axis=0), se, rtol=0.08)
    np.testing.assert_allclose(
        beta.mean(axis=0), fit.coefficients["estimate"], atol=0.11 * se.max()
    )
    effects = il.item_effects(fit)
    drawn = posterior["beta"].sel(term="treat") + posterior["re_item"].sel(item_column="treat")
    np.testing.assert_allclose(drawn.std(("chain", "draw")), effects["se"], rtol=0.08)
    person = fit.random_effects("id")
    np.testing.assert_allclose(
        posterior["re_id"].std(("chain", "draw")).to_numpy()[:, 0], person["se"], rtol=0.1
    )
    assert (posterior["sd_item"] >= 0).all()


def test_a_model_may_have_no_fixed_part():
    frame = rasch(14)
    fit = laplace(il.Model("resp ~ 0 + (1 | id) + (1 | item)", frame, roles={}))
    assert fit.coefficients.empty and np.isfinite(fit.loglik)
    # without an intercept the items' spread takes up the mean, so the fit cannot be better
    assert fit.loglik <= laplace(il.Model("resp ~ 1 + (1 | id) + (1 | item)", frame)).loglik


@pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")
def test_an_sd_known_no_better_than_zero_has_no_absurd_interval():
    """Near 0 the log-scale interval would reach to 1e16 logits: withheld, and said."""
    told = 0
    for seed in range(12):
        fit = laplace(il.il_hte(rasch(seed, n_person=60, n_item=6)))
        spread = fit.variance_components
        sds = spread[spread.index.get_level_values("parameter").str.startswith("sd[")]
        poor = sds[sds["se"] >= sds["estimate"]]
        assert poor[["lower", "upper"]].isna().all().all()
        assert (sds["upper"].dropna() < 100).all()
        assert len(poor) == sum("hardly say how large" in problem for problem in fit.problems)
        told += len(poor)
    assert told > 0  # such trials are common with six items: the branch was taken


def test_an_sd_that_runs_off_is_said():
    """Everybody answers always yes or always no: the spread between persons has no maximum."""
    frame = pd.DataFrame({"id": np.repeat(np.arange(40), 10), "y": np.repeat([0, 1], 200)})
    fit = laplace(il.Model("y ~ 1 + (1 | id)", frame, roles={}))
    assert any("gave the same answer every time" in problem for problem in fit.problems)
