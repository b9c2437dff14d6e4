"""t tests: SD173's printed lines, the normal reference, and treatments of few clusters."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.estimands.fixed_tests import wald_t


# estimate, SE, df, t, p, lower, upper as printed. Half a last digit of an SE of .5548 is 1e-4 of a
# limit; half a digit of the estimate and of the printed limit make 2e-4.
@pytest.mark.parametrize(
    "estimate, se, df, t, p, lower, upper",
    [
        (-0.1759, 0.08933, 139, -1.97, 0.0509, -0.3526, 0.000681),
        (-0.01631, 0.08756, 139, -0.19, 0.8525, -0.1894, 0.1568),
        (-0.1944, 0.06168, 129, -3.15, 0.0020, -0.3165, -0.07240),
        (0.1818, 0.08880, 139, 2.05, 0.0425, 0.006255, 0.3574),
        (0.003678, 0.3305, 119, 0.01, 0.9911, -0.6507, 0.6580),
        (-0.01022, 0.01790, 359, -0.57, 0.5681, -0.04542, 0.02497),
        (0.7034, 0.5548, 359, 1.27, 0.2057, -0.3876, 1.7943),
    ],
)
def test_sd173_lines(estimate, se, df, t, p, lower, upper):
    found = wald_t(*(pd.Series([value]) for value in (estimate, se, df))).iloc[0]
    assert found["t"] == pytest.approx(t, abs=6e-3)
    assert found["p"] == pytest.approx(p, abs=4e-4)
    assert found["lower"] == pytest.approx(lower, abs=2e-4)
    assert found["upper"] == pytest.approx(upper, abs=2e-4)


def test_the_line_everybody_looks_up():
    found = wald_t(pd.Series([-0.1759]), pd.Series([0.08933]), pd.Series([139])).iloc[0]
    assert round(found["p"], 4) == 0.0509
    assert round(found["upper"], 4) == 0.0007


@pytest.fixture(scope="module")
def bacteria():
    return il.laplace(il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria")))


def test_inf_is_the_wald_interval(bacteria):
    found, own = il.fixed_tests(bacteria, df="inf").frame, bacteria.coefficients
    np.testing.assert_allclose(found[own.columns], own)
    assert np.isinf(found["df"]).all()


def test_containment_is_wider(bacteria):
    exact, normal = (il.fixed_tests(bacteria, df=df).frame for df in ("containment", "inf"))
    assert (exact["lower"] < normal["lower"]).all()
    # 50 children less intercept and two arms, constant within each; 220 answers less 4 and these
    assert exact["df"].tolist() == [47, 169, 169, 169]


def clusters(n, seed=1):
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(n), 12)
    table = pd.DataFrame({"school": school, "treat": school % 2, "x": rng.normal(size=12 * n)})
    eta = rng.normal(0, 0.8, n)[school] + 0.4 * table["treat"]
    table["y"] = (rng.random(12 * n) < 1 / (1 + np.exp(-eta))).astype(int)
    table["id"] = np.arange(12 * n)
    return table


def cluster_fit(n, formula="y ~ treat + x + (1 | school)"):
    roles = {"treatment": "treat", "person": "id", "clusters": ["school"]}
    return il.laplace(il.Model(formula, clusters(n), roles=roles))


def test_treatment_of_few_clusters_has_clusters_less_2():
    result = il.fixed_tests(cluster_fit(10))
    assert result.frame.loc["treat", "df"] == 8
    assert result.frame.loc["x", "df"] == 120 - 3 - 8  # answers less the rank of all columns
    assert "treat: 8 degrees of freedom, 10 levels of school less 2 columns" in repr(result)
    assert "too many" not in repr(result)


def test_treatment_of_40_clusters_has_containment():
    result = il.fixed_tests(cluster_fit(40))
    assert result.frame.loc["treat", "df"] == result.frame.loc["x", "df"] == 480 - 3 - 38


def test_other_predictors_of_few_clusters_are_named(table):
    """TVSFP: 28 schools; which column is the treatment is not said."""
    model = il.Model("thk ~ prethk + cc * tv + (1 | school)", table("tvsfp"), family="cumulative")
    text = repr(il.fixed_tests(il.laplace(model)))
    assert "cc, tv, cc:tv: constant within the 28 levels of school" in text
    assert "Read them with 24" in text  # 28 less the intercept and three columns


def test_refusals(bacteria, fit_of_draws):
    with pytest.raises(il.errors.ModelError, match="it is 'containment'"):
        il.fixed_tests(bacteria, df="kenward-roger")
    drawn = fit_of_draws(bacteria.model, np.zeros((4, 4)), {"ID": np.ones((4, 1))})
    with pytest.raises(il.errors.ModelError, match="this fit is a posterior"):
        il.fixed_tests(drawn)


def test_prints(bacteria):
    text = repr(il.fixed_tests(bacteria))
    assert "95 % interval" in text and "containment" in text
    assert "<table>" in il.fixed_tests(bacteria)._repr_html_()
