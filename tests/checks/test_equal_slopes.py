"""Equal slopes: likelihood ratio against direct optimisation, crossing curves, size and power."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats

import ilhte_bayes as il

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")
CUTS = np.array([-1.0, 0.2, 1.2])


def simulated(rng, *, clusters=40, size=10, slopes=(0.5, 0.5, 0.5), sd=0.7):
    """Ordinal answers in clusters; x has these slopes at the three thresholds."""
    school = np.repeat(np.arange(clusters), size)
    x = rng.integers(0, 2, school.size)
    eta = sd * rng.normal(size=clusters)[school]
    above = special.expit(eta[:, None] + x[:, None] * np.array(slopes) - CUTS)
    y = (rng.random(school.size)[:, None] < above).sum(axis=1)
    return pd.DataFrame({"school": school, "x": x, "z": rng.normal(size=school.size), "y": y})


@pytest.fixture(scope="module")
def table():
    return simulated(np.random.default_rng(3), slopes=(1.2, 0.5, 0.0))


@pytest.fixture(scope="module")
def tested(table):
    model = il.Model("y ~ x + z + (1 | school)", table, "cumulative")
    return il.equal_slopes(il.quadrature(model))


def direct_loglik(table, own):
    """Largest log-likelihood, schools integrated by Gauss-Hermite, category by category."""
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    x, z, y = (table[name].to_numpy() for name in ("x", "z", "y"))
    school = table["school"].to_numpy()

    def negative(p):
        cuts, b, g, sd = p[:3], p[3], p[4], np.exp(p[5])
        slope = b + (np.concatenate([[0.0], p[6:8]]) if own else 0.0) + np.zeros(3)
        fixed = x[:, None] * slope + (z * g)[:, None] - cuts
        above = special.expit(fixed[:, :, None] + sd * node)
        edges = np.concatenate(
            [np.ones_like(above[:, :1]), above, np.zeros_like(above[:, :1])], axis=1
        )
        chance = edges[np.arange(y.size), y] - edges[np.arange(y.size), y + 1]
        if (chance <= 0).any():
            return 1e10
        logs = np.zeros((school.max() + 1, node.size))
        np.add.at(logs, school, np.log(chance))
        return -np.log(np.exp(logs) @ weight / weight.sum()).sum()

    start = np.concatenate([CUTS, [0.5, 0.0, -0.5], [0.0, 0.0] if own else []])
    found = optimize.minimize(negative, start, method="BFGS", options={"gtol": 1e-6})
    return -found.fun


def test_likelihood_ratio_is_that_of_direct_optimisation(table, tested):
    chi2 = 2.0 * (direct_loglik(table, True) - direct_loglik(table, False))
    # both are maxima found to a gradient of 1e-6, the integral is exact to more
    assert tested.frame.loc["x", "chi2"] == pytest.approx(chi2, abs=1e-4)
    assert tested.frame.loc["x", "df"] == 2
    assert tested.frame.loc["x", "p"] == pytest.approx(stats.chi2.sf(chi2, 2), abs=1e-5)


def test_slopes_by_threshold_and_the_common_one(tested):
    own = tested.slopes.loc["x"]
    assert list(own.index) == ["0|1", "1|2", "2|3"]
    # planted 1.2, .5, 0; standard errors are about .2 to .3
    np.testing.assert_array_less(np.abs(own["estimate"] - [1.2, 0.5, 0.0]), 3.0 * own["se"])
    assert own["common"].nunique() == 1
    assert own["estimate"].min() < own["common"].iloc[0] < own["estimate"].max()


def test_a_factor_is_tested_as_one(table):
    arms = table.assign(arm=np.array(["a", "b", "c"])[np.arange(len(table)) % 3])
    fit = il.laplace(il.Model("y ~ arm + (1 | school)", arms, "cumulative"))
    found = il.equal_slopes(fit)
    assert list(found.frame.index) == ["arm"] and found.frame.loc["arm", "df"] == 4


def test_curves_that_cross_are_reported():
    """At extreme x nobody is in the middle, and slopes of their own may leave it less than nobody."""
    rng = np.random.default_rng(8)
    table = simulated(rng, clusters=60, size=10)
    table["x"] = rng.normal(size=len(table)).round(2)
    eta = table["x"].to_numpy()[:, None] * np.array([2.5, 1.0, 0.5]) - CUTS
    u = rng.random(len(table))
    table["y"] = (u[:, None] < special.expit(eta)).sum(axis=1)
    found = il.equal_slopes(il.laplace(il.Model("y ~ x + (1 | school)", table, "cumulative")))
    own = found.fits["x"].coefficients["estimate"]
    slope = own["x"] + np.array([0.0, own["x, 1|2"], own["x, 2|3"]])
    at = table["x"].to_numpy()[:, None] * slope - own.to_numpy()[:3]
    crossed = ((at[:, :-1] - at[:, 1:]) <= 0).any(axis=1).mean()
    assert crossed > 0
    assert found.frame.loc["x", "crossing"] == pytest.approx(crossed, abs=1e-12)
    assert any("curves cross" in note for note in found.notes)


def test_draws_have_slopes_and_a_gain(table):
    model = il.Model("y ~ x + (1 | school)", table, "cumulative")
    fit = il.sample(model, draws=300, tune=300, chains=2, seed=2, progress=False)
    found = il.equal_slopes(fit, "x")
    ml = il.equal_slopes(il.laplace(model), "x").slopes
    # shrunken towards each other by the prior; Monte Carlo error adds to it
    assert np.abs(found.slopes["estimate"] - ml["estimate"]).max() < 0.3
    assert {"elpd_gain", "se", "crossing"} == set(found.frame.columns)


def test_what_cannot_be_tested_is_refused(table):
    fit = il.laplace(il.Model("y ~ x + (1 | school)", table, "cumulative"))
    with pytest.raises(il.errors.ModelError, match="no slope of 'w'"):
        il.equal_slopes(fit, "w")
    binary = il.laplace(il.Model("y >= 1 ~ x + (1 | school)", table))
    with pytest.raises(il.errors.ModelError, match="family='cumulative'"):
        il.equal_slopes(binary)
    adjacent = il.laplace(il.Model("y ~ x + (1 | school)", table, "adjacent"))
    with pytest.raises(il.errors.ModelError, match="this model is 'adjacent'"):
        il.equal_slopes(adjacent)
    own = il.Model("y ~ x + (1 | school)", table, "cumulative", own_slopes="x")
    with pytest.raises(il.errors.ModelError, match="already"):
        il.equal_slopes(il.laplace(own))
    mode = il.laplace(il.Model("y ~ x + (1 | school)", table, "cumulative"), objective="map")
    with pytest.raises(il.errors.ModelError, match="MAP"):
        il.equal_slopes(mode)


def test_prints_and_draws(tested):
    assert "chi-squared" in repr(tested) and "<table" in tested._repr_html_()
    first = il.plot.slopes(tested)
    assert [panel.get_title() for panel in first.figure.axes] == ["x", "z"]


@pytest.mark.slow
def test_size_and_power():
    """500 simulations each: a true null at .05, and a violation with the power it should have.

    The power expected is that of a noncentral chi-squared whose noncentrality is the likelihood
    ratio per cluster of one huge data set.
    """
    rng, n = np.random.default_rng(11), 500

    def rejected(slopes):
        count = 0
        for _ in range(n):
            model = il.Model("y ~ x + (1 | school)", simulated(rng, slopes=slopes), "cumulative")
            count += il.equal_slopes(il.laplace(model)).frame.loc["x", "p"] < 0.05
        return count / n

    size = rejected((0.5, 0.5, 0.5))
    violated = (0.9, 0.5, 0.1)
    huge = simulated(rng, clusters=8000, slopes=violated)
    fit = il.laplace(il.Model("y ~ x + (1 | school)", huge, "cumulative"))
    shift = (il.equal_slopes(fit).frame.loc["x", "chi2"] - 2.0) / 200.0
    expected = stats.ncx2.sf(stats.chi2.ppf(0.95, 2), 2, shift)
    power = rejected(violated)
    print(f"size {size:.3f}, power {power:.3f}, expected {expected:.3f}")
    # binomial error of 500: .0097 at .05, .022 at .5; three of them
    assert abs(size - 0.05) < 0.03
    assert abs(power - expected) < 0.07
