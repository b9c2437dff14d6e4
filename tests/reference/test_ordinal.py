"""Ordinal models against published numbers, brute force and the values data were simulated with.

TVSFP (Flay et al.; 1,600 students, 135 classes, 28 schools): a PROC GLIMMIX METHOD=LAPLACE listing
(D. Hall, University of Georgia, STAT 8630) and Stata's `meologit thk prethk cc##tv || school: ||
class:`. The simulated district has SD173's ordinal Model 6 as its truth.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import expit

import ilhte_bayes as il

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")

STUDENTS = "thk ~ prethk + cc * tv"


def tvsfp(formula: str, frame: pd.DataFrame) -> il.Model:
    return il.Model(formula, frame, family="cumulative", levels=[1, 2, 3, 4])


def test_glimmix_listing_of_tvsfp_to_every_printed_digit(table):
    """`thk = cc|tv|prethk`, last level of a class variable as reference; slopes change sign.

    Half of the last digit printed. Two of the 17 numbers are out by one in that digit, since
    GLIMMIX stops where relative gains fall below 1e-8 (up to .006 standard errors short): cc0*tv0
    is .026569 at the maximum (printed .02656, 2e-5 standard errors less), and the standard error
    of the third intercept .20414978 (printed .2042).
    """
    frame = table("tvsfp").assign(cc0=lambda t: 1 - t["cc"], tv0=lambda t: 1 - t["tv"])
    fit = il.laplace(tvsfp("thk ~ cc0 * tv0 * prethk + (1 | school)", frame))
    assert -2 * fit.loglik == pytest.approx(4233.05, abs=0.005)
    assert fit.aic == pytest.approx(4255.05, abs=0.005)
    ours = fit.coefficients
    intercepts = [(-1.1232, 0.2040), (0.1219, 0.2009), (1.3025, 0.2042)]
    for term, (value, se) in zip(["1|2", "2|3", "3|4"], intercepts, strict=True):
        assert ours.loc[term, "estimate"] == pytest.approx(value, abs=5.05e-5)
        assert ours.loc[term, "se"] == pytest.approx(se, abs=5.05e-5)
    slopes = {
        "cc0": (0.8076, 5e-5, 0.2903, 5e-5),
        "tv0": (0.2974, 5e-5, 0.2928, 5e-5),
        "cc0:tv0": (0.02656, 5e-6, 0.4224, 5e-5),
        "prethk": (-0.2449, 5e-5, 0.07446, 5e-6),
        "cc0:prethk": (-0.1826, 5e-5, None, None),
    }
    for term, (value, digit, se, se_digit) in slopes.items():
        assert -ours.loc[term, "estimate"] == pytest.approx(
            value, abs=digit + 3e-5 * ours.loc[term, "se"]
        ), term
        if se is not None:
            assert ours.loc[term, "se"] == pytest.approx(se, abs=1.01 * se_digit), term
    sd = fit.variance_components.loc["school"].iloc[0]
    assert sd["estimate"] ** 2 == pytest.approx(0.07520, abs=5.05e-6)
    assert 2 * sd["estimate"] * sd["se"] == pytest.approx(0.03896, abs=5.05e-6)


def test_stata_single_level_log_likelihood_of_tvsfp(table):
    """No random term: the rows' log-likelihood, maximised by SciPy from the family's start."""
    model = tvsfp(STUDENTS, table("tvsfp"))
    rows, family = model.rows, model.family
    slope, weight, third = (np.empty(rows.n_rows) for _ in range(3))

    def minus_loglik(beta):
        eta = (rows.x @ beta)[rows.pattern]
        value = family.derivatives(eta, rows.score, rows.count, slope, weight, third)
        by_pattern = np.bincount(rows.pattern, weights=slope, minlength=len(rows.x))
        return -value, -rows.x.T @ by_pattern

    found = minimize(minus_loglik, family.start(rows), jac=True, method="BFGS")
    assert -found.fun == pytest.approx(-2125.1032, abs=1e-4)


def test_stata_and_laplace_values_of_tvsfp_with_classes_in_schools(table):
    model = tvsfp(f"{STUDENTS} + (1 | school/class)", table("tvsfp"))
    laplace = il.laplace(model)
    assert laplace.loglik == pytest.approx(-2114.77, abs=0.005)
    ours = laplace.coefficients
    printed = {
        "prethk": (0.40858, 0.03961),
        "cc": (0.88507, 0.20904),
        "tv": (0.23743, 0.20397),
        "cc:tv": (-0.37355, 0.29460),
    }
    for term, (value, se) in printed.items():
        assert ours.loc[term, "estimate"] == pytest.approx(value, abs=1e-4), term
        assert ours.loc[term, "se"] == pytest.approx(se, abs=1e-4), term
    cuts = ours.loc[["1|2", "2|3", "3|4"], "estimate"]
    np.testing.assert_allclose(cuts, [-0.09542, 1.17737, 2.38301], atol=1e-4)
    variances = laplace.variance_components["estimate"].groupby("group").first() ** 2
    assert variances["school:class"] == pytest.approx(0.14364, abs=1e-4)
    assert variances["school"] == pytest.approx(0.04474, abs=1e-4)
    # Stata integrates classes and schools adaptively; ours classes exactly, schools by Laplace
    assert il.quadrature(model).loglik == pytest.approx(-2114.5881, abs=3e-3)


def children(n: int = 25) -> pd.DataFrame:
    """Ordinal growth: four occasions, some missed, and a covariate that varies by row."""
    rng = np.random.default_rng(12)
    table = pd.DataFrame({"child": np.repeat(np.arange(n), 4), "month": np.tile([0, 8, 12, 20], n)})
    table["sleep"] = rng.normal(size=len(table)).round(3)
    eta = 1.3 * rng.normal(size=n)[table["child"]] + 0.1 * table["month"] + 0.4 * table["sleep"]
    table["stage"] = np.searchsorted([-0.5, 1.0, 2.5], eta + rng.logistic(size=len(table)))
    return table[rng.random(len(table)) > 0.15].reset_index(drop=True)


def test_growth_by_quadrature_is_the_brute_force_maximum():
    """Each child's integral by SciPy over the whole line, maximised by Nelder and Mead."""
    table = children()
    fit = il.quadrature(il.Model("stage ~ month + sleep + (1 | child)", table, family="cumulative"))

    def loglik(psi):
        cuts = np.concatenate([[-np.inf], psi[:3], [np.inf]])
        fixed = psi[3] * table["month"] + psi[4] * table["sleep"]
        total = 0.0
        for _, rows in table.groupby("child"):
            y, own = rows["stage"].to_numpy(), fixed[rows.index].to_numpy()

            def integrand(u, y=y, own=own):
                eta = own + psi[5] * u
                return np.prod(expit(cuts[y + 1] - eta) - expit(cuts[y] - eta)) * np.exp(-u * u / 2)

            total += np.log(quad(integrand, -8, 8, epsabs=0, epsrel=1e-9)[0] / np.sqrt(2 * np.pi))
        return total

    ours = fit.coefficients
    psi = np.append(ours["estimate"], fit.variance_components["estimate"].iloc[0])
    assert fit.loglik == pytest.approx(loglik(psi), abs=1e-6)  # the same density
    se = np.append(ours["se"], fit.variance_components["se"].iloc[0])
    for k in range(psi.size):  # and its maximum: a twentieth of an SE either way is lower
        step = np.zeros(psi.size)
        step[k] = 0.05 * se[k]
        assert loglik(psi + step) < fit.loglik
        assert loglik(psi - step) < fit.loglik
        # half of (step / conditional SE)^2, which is at most the SE: curvature is the SE's, or more
        assert fit.loglik - loglik(psi + step) > 0.9 * 0.05**2 / 2


# shared/reference/scripts/data.R; SD173's Table 4, Model 6, in the sign of P(Y <= k) =
# logistic(kappa_k - eta); schl_frl is centred at .42, which moves the cuts -1.04 and .12.
TRUTH = {
    "0|1": -0.036,
    "1|2": 1.124,
    "lep": -0.15,
    "ec": -0.98,
    "tchexp": 0.03,
    "treatment": 0.29,
    "schl_frl": -2.39,
}
VARIANCES = {
    "schoolid": {"Intercept": 0.22, "lep": 0.19, "ec": 0.30},
    "teacherid": {"Intercept": 0.68, "lep": 0.14, "ec": 0.37},
}
SLOPES = "(lep + ec || schoolid) + (lep + ec || teacherid)"
MODELS = {
    3: f"score_p ~ lep + ec + {SLOPES}",
    4: f"score_p ~ lep + ec + tchexp + {SLOPES}",
    5: "score_p ~ lep + ec + tchexp + (lep + ec + tchexp || schoolid) + (lep + ec || teacherid)",
    6: f"score_p ~ lep + ec + tchexp + treatment + schl_frl + {SLOPES}",
}


@pytest.fixture(scope="module")
def district(table):
    frame = table("glimmix_sim_73671")
    levels = {"family": "cumulative", "levels": [0, 1, 2]}
    return {k: il.laplace(il.Model(formula, frame, **levels)) for k, formula in MODELS.items()}


def test_ordinal_model_6_finds_what_was_simulated(district):
    fit = district[6]
    ours = fit.coefficients
    z = [(ours.loc[t, "estimate"] - value) / ours.loc[t, "se"] for t, value in TRUTH.items()]
    sds = fit.variance_components
    for group, columns in VARIANCES.items():
        for column, value in columns.items():
            row = sds.loc[(group, f"sd[{column}]")]
            z.append((row["estimate"] - np.sqrt(value)) / row["se"])
    assert len(z) == 13
    # 13 z of a unit normal: two or more beyond 2.5 happen once in a hundred
    assert np.sum(np.abs(z) < 2.5) >= 12, np.round(z, 2)


def test_ordinal_models_of_the_district_are_in_their_order(district):
    """A predictor more, or a random slope more, never loses; what schools explain leaves theirs."""
    loglik = {k: fit.loglik for k, fit in district.items()}
    assert loglik[3] < loglik[4] <= loglik[5] + 1e-6
    assert loglik[4] < loglik[6]
    school = {
        k: fit.variance_components.loc[("schoolid", "sd[Intercept]"), "estimate"] ** 2
        for k, fit in district.items()
    }
    assert min(school[3], school[4], school[5]) > school[6]
    assert not any(fit.problems for k, fit in district.items() if k != 5)  # its slope of tchexp: 0
