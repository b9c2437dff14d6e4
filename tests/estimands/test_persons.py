"""Persons' abilities against SciPy's quadrature, against sampled persons, and against themselves."""

import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import brentq

import ilhte_bayes as il
from ilhte_bayes.estimands.persons import effect_draws


@pytest.fixture(scope="module")
def bacteria():
    """220 answers of 50 children, sampled with children integrated out and without."""
    model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    numbers = {"draws": 600, "tune": 400, "chains": 4, "progress": False}
    return (
        il.sample(model, integrate="ID", seed=1, **numbers),
        il.sample(model, integrate="none", seed=2, **numbers),
    )


def one_draw(fit_of_draws, trial_table, *, persons=30, items=5):
    """A fit of a single draw, so that everything is known but abilities."""
    table = trial_table(3, persons=persons, items=items)
    model = il.il_hte(table[(table["id"] + table["item"]) % 7 > 0])
    rng = np.random.default_rng(5)
    effects = rng.normal(0, 0.7, (1, items, 2))
    sd = {"id": [[1.3]], "item": [[1.0, 0.5]]}
    fit = fit_of_draws(model, [[0.2, 0.6]], sd, {"item": [np.eye(2)]}, {"item": effects})
    return fit, effects[0], table


def density_of(fit, effects, person):
    """Ability's density for one person, from the rows of the design."""
    design = fit.model.design
    rows = np.flatnonzero(design.group("id").level == person)
    arm = design.x[design.pattern[rows], 1]
    item = effects[design.group("item").level[rows]]
    mean = 0.2 + 0.6 * arm[0]
    own, score = item[:, 0] + item[:, 1] * arm, design.score[rows]

    def joint(theta):
        eta = own + theta
        log_p = np.sum(score * eta - np.logaddexp(0.0, eta)) - 0.5 * ((theta - mean) / 1.3) ** 2
        return np.exp(log_p)

    return joint, mean


def share_below(x, density, whole, p):
    return quad(density, -12, x, epsrel=1e-9)[0] / whole - p


def test_moments_and_limits_equal_adaptive_quadrature(fit_of_draws, trial_table):
    """Tolerances as documented: moments 1e-6, limits 0.005 SD."""
    fit, effects, _ = one_draw(fit_of_draws, trial_table)
    found = il.persons(fit).frame
    options = {"epsabs": 0, "epsrel": 1e-10, "limit": 200}
    for person in (0, 7):
        joint, mean = density_of(fit, effects, person)
        whole = quad(joint, -12, 12, **options)[0]
        first = quad(lambda x, f=joint: x * f(x), -12, 12, **options)[0] / whole
        second = quad(lambda x, f=joint, m=first: (x - m) ** 2 * f(x), -12, 12, **options)[0]
        sd = np.sqrt(second / whole)
        row = found.iloc[person]
        assert row["ability"] == pytest.approx(first, abs=1e-6)
        assert row["ability_sd"] == pytest.approx(sd, rel=1e-6)
        assert row["deviation"] == pytest.approx(first - mean, abs=1e-6)
        for name, p in (("lower", 0.025), ("upper", 0.975)):
            limit = brentq(share_below, -8, 8, args=(joint, whole, p), xtol=1e-6)
            assert row[f"ability_{name}"] == pytest.approx(limit, abs=0.005 * sd)
            assert row[f"deviation_{name}"] == pytest.approx(limit - mean, abs=0.005 * sd)


def test_plausible_values_follow_the_exact_density(fit_of_draws, trial_table):
    """1,500 draws of one person: Kolmogorov-Smirnov against SciPy's integral."""
    fit, effects, _ = one_draw(fit_of_draws, trial_table)
    drawn = il.persons(fit).plausible_values(1500, seed=4)
    assert drawn.shape == (30, 1500)
    for person in (2, 18):
        joint, _ = density_of(fit, effects, person)
        grid = np.linspace(-9, 9, 2001)
        below = np.cumsum([joint(x) for x in grid])
        test = stats.kstest(
            drawn.iloc[person], lambda x, b=below, g=grid: np.interp(x, g, b / b[-1])
        )
        assert test.pvalue > 1e-3  # false alarm 1 in 500, and the seed is fixed


def test_agree_with_persons_who_were_sampled(bacteria):
    """Differences in Monte Carlo standard errors of the sampled persons, and of the parameters."""
    integrated, joint = bacteria
    found = integrated.persons().frame
    draws = joint.tree["posterior"]["re_ID"].isel(ID_column=0)
    import arviz as az

    ess = az.ess(joint.tree["posterior"].to_dataset()[["re_ID"]])["re_ID"].to_numpy()[:, 0]
    mean, sd = draws.mean(("chain", "draw")).to_numpy(), draws.std(("chain", "draw")).to_numpy()
    z = (found["deviation"] - mean) / (sd * np.sqrt(1 / ess + 1 / 500))
    # 50 values, correlated through the SD of persons: 4 leaves room for that
    assert np.abs(z).max() < 4
    ratio = np.log(found["deviation_sd"] / sd)
    # the SE of a log SD is sqrt(kurtosis - 1) / 2 / sqrt(n): about .05 with 500 draws of the
    # parameters, which all persons share; 3 of them
    assert np.abs(ratio).max() < 0.15
    lower, upper = np.quantile(draws, [0.025, 0.975], axis=(0, 1))
    # the SE of a 97.5 % quantile from 400 effective draws is .13 SD: 3 of them
    np.testing.assert_array_less(np.abs(found["deviation_lower"] - lower), 0.4 * sd)
    np.testing.assert_array_less(np.abs(found["deviation_upper"] - upper), 0.4 * sd)


def test_a_fit_of_sampled_persons_has_the_same_exact_summaries(bacteria):
    """Their own draws are not needed: the average over all draws of everything else agrees."""
    _, joint = bacteria
    found = joint.persons(draws=4000).frame
    draws = joint.tree["posterior"]["re_ID"].to_numpy().reshape(-1, 50)
    # the same draws of the parameters, so that only the scatter of persons given them differs:
    # 4 standard errors, for draws of persons whose effective number is above 600
    error = found["deviation_sd"].to_numpy() / np.sqrt(600)
    np.testing.assert_array_less(np.abs(draws.mean(axis=0) - found["deviation"]), 4 * error)


def test_plausible_values_agree_with_means_and_sds(bacteria):
    people = bacteria[0].persons()
    drawn = people.plausible_values(1000, seed=3)
    error = people["ability_sd"] / np.sqrt(1000)
    # parameters are drawn anew for both (500 and 1,000): twice the plain standard error, 4 of them
    assert (np.abs(drawn.mean(axis=1) - people["ability"]) < 4 * 2 * error).all()
    np.testing.assert_allclose(drawn.std(axis=1), people["ability_sd"], rtol=0.15)
    pd.testing.assert_frame_equal(drawn, people.plausible_values(1000, seed=3))


def test_random_effects_of_an_integrated_group(bacteria):
    integrated, joint = bacteria
    found, other = integrated.random_effects("ID"), joint.random_effects("ID")
    assert found.index.equals(other.index)
    assert list(found) == ["estimate", "sd", "se"]
    np.testing.assert_allclose(found["estimate"], other["estimate"], atol=0.15)


def test_prints_with_how_to_get_the_rest(bacteria):
    people = bacteria[0].persons(draws=20)
    text, html = repr(people), people._repr_html_()
    assert "50 levels of ID" in text and ".plausible_values(10)" in text
    assert "<table>" in html and "Averages over 20 draws" in html
    assert len(people) == 50 and people.frame["answers"].sum() == 220


def test_maximised_fits_say_that_parameters_are_approximate(caffeine):
    people = caffeine.persons(draws=40)
    assert people.group == "study:id"
    assert "normal approximation" in people.notes[0]
    modes = caffeine.random_effects("study:id")["estimate"].to_numpy()
    # posterior means of skewed densities lie further out than modes, never in another order
    assert np.corrcoef(modes, people["deviation"])[0, 1] > 0.99


def test_groups_with_several_effects_are_refused_with_what_to_do(caffeine):
    with pytest.raises(
        il.errors.ModelError, match=r"2 random effects a level.*random_effects\('item'\)"
    ):
        caffeine.persons("item")
    with pytest.raises(il.errors.ModelError, match="draws=0"):
        caffeine.persons(draws=0)
    with pytest.raises(il.errors.ModelError, match="n=0"):
        caffeine.persons(draws=2).plausible_values(0)


def a_large_fit(fit_of_draws, persons, draws):
    """Every person has a covariate value of their own: as many units as persons."""
    rng = np.random.default_rng(1)
    id_, item = np.repeat(np.arange(persons), 4), np.tile(np.arange(4), persons)
    table = pd.DataFrame({"id": id_, "item": item, "treat": id_ % 2})
    table["pre"] = rng.normal(size=persons)[id_]
    table["resp"] = rng.integers(0, 2, len(table))
    model = il.il_hte(table, covariates=["pre"], effects="constant")
    beta = rng.normal([0.0, 0.3, 0.5], 0.05, (draws, 3))
    sd = {"id": np.full((draws, 1), 1.0), "item": np.full((draws, 1), 1.0)}
    fit = fit_of_draws(model, beta, sd, re={"id": np.zeros((draws, persons, 1), dtype="f2")})
    return fit


def peak_of(work) -> float:
    """Most memory in use at a time, in MB."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def test_memory_does_not_grow_with_draws(fit_of_draws):
    fit = a_large_fit(fit_of_draws, 3000, 60)
    il.persons(fit, draws=2)  # compiled, imported
    few, many = (peak_of(lambda n=n: il.persons(fit, draws=n)) for n in (6, 60))
    assert many < 1.1 * few


@pytest.mark.slow
def test_200_000_persons(fit_of_draws):
    """1.5 GB would be needed for 200,000 persons x 1,000 draws of one number."""
    persons = 200_000
    fit = a_large_fit(fit_of_draws, persons, 20)
    began = time.perf_counter()
    peak = peak_of(lambda: il.persons(fit, draws=20))
    print(f"20 draws: {time.perf_counter() - began:.1f} s, peak {peak:.0f} MB")
    assert peak < 1000


def test_effects_of_items_that_were_integrated_out(trial_table):
    """Tables and figures of items draw their effects, which agree with the exact summaries."""
    model = il.Model(
        "resp ~ treat + (1 | item) + (1 | id)", trial_table(1, persons=30, items=6),
        roles={"treatment": "treat", "person": "id", "item": "item"},
    )  # fmt: skip
    fit = il.sample(model, integrate="item", draws=300, tune=300, progress=False)
    drawn = effect_draws(fit, "item")
    exact = fit.random_effects("item")
    assert drawn.shape == (1200, 6, 1)
    # 1,200 and 500 draws of the parameters: 4 standard errors, some of them autocorrelated
    np.testing.assert_array_less(
        np.abs(drawn[:, :, 0].mean(axis=0) - exact["estimate"]), 0.25 * exact["se"]
    )
    effects = il.item_effects(fit)
    np.testing.assert_allclose(effects["easiness"], exact["estimate"], atol=1e-9)
    assert il.plot.item_curves(fit).figure is not None
