"""Quadrature: against glmer with many points, an independent dense computation, and simulation."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import ilhte_bayes as il
from ilhte_bayes.engines.marginal.integrated import IntegratedObjective

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "quadrature.json").read_text())
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
FORMULAS = {
    "bacteria": "yy ~ trt + late + (1 | ID)",
    "toenail_100": "y ~ treatment * time + (1 | patientID)",
    "contraception": "y ~ age + I(age^2) + urban + livch + (1 | district)",
    "contraception_place_25": "y ~ age + I(age^2) + urban + livch + (1 | urban:district)",
}
TRIAL = "y ~ treat + pre + (1 | id) + (treat | item)"


def reference(tag):
    return next(fit for fit in REFERENCE["fits"] if fit["tag"] == tag)


@pytest.fixture(scope="module")
def fits():
    return {
        tag: il.quadrature(il.Model(formula, DATA / f"{tag.split('_')[0]}.csv.gz"))
        for tag, formula in FORMULAS.items()
    }


@pytest.mark.parametrize("tag", FORMULAS)
def test_gives_the_numbers_of_glmer_with_many_points(fits, tag):
    """Toenail needs 100 points: with 25, glmer is still .018 off its own limit (SD 4)."""
    fit, peer = fits[tag], reference(tag)
    assert fit.loglik == pytest.approx(peer["logLik"], abs=1e-4)
    sd = fit.variance_components["estimate"].iloc[0]
    assert sd == pytest.approx(peer["sd"], rel=1e-4)
    ours = np.sort(np.abs(fit.coefficients["estimate"].to_numpy()))
    theirs = np.sort(np.abs(list(peer["beta"].values())))
    if tag != "bacteria":  # whose reference level differs
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_gives_the_published_seven_point_value(fits):
    """MixedModels.jl: deviance 2360.876088 with 7 points, which is .00002 from many points."""
    assert fits["contraception_place_25"].loglik == pytest.approx(-2360.876088 / 2, abs=1e-3)


def test_standard_errors_are_those_of_glmer(fits):
    peer = reference("toenail_100")
    ours = np.sort(fits["toenail_100"].coefficients["se"])
    np.testing.assert_allclose(ours, np.sort(list(peer["se"].values())), rtol=0.01)


def test_says_how_exact_the_integral_is(fits):
    for fit in fits.values():
        value, gradient = fit.mode.attrs["grid_error"]
        assert value < 1e-4
        assert gradient < 1e-3
        assert fit.mode.attrs["laplace_loglik"] != fit.loglik


@pytest.fixture(scope="module")
def trial():
    rng = np.random.default_rng(11)
    n, items = 80, 7
    person, item = np.repeat(np.arange(n), items), np.tile(np.arange(items), n)
    pre = rng.normal(size=n).round(2)
    theta = 0.3 * (np.arange(n) % 2) + 0.5 * pre + rng.normal(size=n)
    b, zeta = rng.normal(0, 1, items), rng.normal(0, 0.5, items)
    eta = theta[person] + b[item] + zeta[item] * (person % 2)
    y = (rng.random(eta.size) < 1 / (1 + np.exp(-eta))).astype(int)
    table = pd.DataFrame({"id": person, "item": item, "treat": person % 2, "pre": pre[person]})
    return table.assign(y=y)[rng.random(len(y)) > 0.1]


def objective(trial):
    model = il.Model(TRIAL, trial)
    return IntegratedObjective(model.design, model.family, "id")


PSI = np.array([0.1, 0.3, 0.5, 0.9, -0.1, 0.4, 1.1])  # beta; Cholesky of items; SD of persons


def test_the_likelihood_is_that_of_a_dense_computation(trial):
    """Gauss-Hermite over persons, a general optimiser over items, a differenced Hessian."""
    target = objective(trial)
    design = target.design
    item, person = design.group("item"), design.group("id")
    node, weight = np.polynomial.hermite_e.hermegauss(61)
    factor = np.array([[PSI[3], 0.0], [PSI[4], PSI[5]]])
    fixed = design.x[design.pattern] @ PSI[:3]

    def minus_joint(v):
        u = v.reshape(-1, 2) @ factor.T
        eta = fixed + np.sum(item.z[design.pattern] * u[item.level], axis=1)
        eta = eta[:, None] + PSI[6] * node
        log_p = design.count[:, None] * (design.score[:, None] * eta - np.logaddexp(0, eta))
        by_person = np.zeros((person.n_levels, node.size))
        np.add.at(by_person, person.level, log_p)
        likelihood = np.log(np.exp(by_person) @ (weight / np.sqrt(2 * np.pi)))
        return 0.5 * v @ v - likelihood.sum()

    n = 2 * item.n_levels
    found = minimize(minus_joint, np.zeros(n), method="BFGS", options={"gtol": 1e-7})
    step = 1e-3
    unit = np.eye(n) * step
    hessian = np.array(
        [
            [
                minus_joint(found.x + a + b)
                - minus_joint(found.x + a - b)
                - minus_joint(found.x - a + b)
                + minus_joint(found.x - a - b)
                for b in unit
            ]
            for a in unit
        ]
    ) / (4 * step**2)
    expected = -found.fun - 0.5 * np.linalg.slogdet(hessian)[1]
    # the differenced Hessian errs by about step^2 for each of 14 directions
    assert target.evaluate(PSI).value == pytest.approx(expected, abs=2e-4)


def test_gradient_is_that_of_the_value(trial):
    target = objective(trial)
    gradient = target.gradient(target.evaluate(PSI))
    for k in range(PSI.size):
        e = np.zeros(PSI.size)
        e[k] = 1e-3
        slope = (target.evaluate(PSI + e).value - target.evaluate(PSI - e).value) / 2e-3
        # both are central differences somewhere: errors of about their steps squared
        assert gradient[k] == pytest.approx(slope, abs=2e-4)


def test_flat_priors_give_maximum_likelihood(trial):
    flat = {"beta": il.priors.Flat(), "sd": il.priors.Flat(), "corr": il.priors.LKJ(1.0)}
    model = il.Model(TRIAL, trial, priors=flat)
    ml, posterior_mode = il.quadrature(model), il.quadrature(model, objective="map")
    np.testing.assert_allclose(
        ml.coefficients["estimate"], posterior_mode.coefficients["estimate"], atol=1e-4
    )


def test_persons_modes_are_their_posterior_means(trial):
    fit = il.quadrature(il.Model(TRIAL, trial))
    table = fit.random_effects("id")
    assert len(table) == trial["id"].nunique()
    assert (table["sd"] < fit.sd("id")["Intercept"]).all()
    assert (table["se"] >= table["sd"] - 1e-12).all()


def test_everything_after_a_fit_works(trial, tmp_path):
    fit = il.quadrature(il.Model(TRIAL, trial))
    loaded = il.load(fit.save(tmp_path / "fit.nc"))
    for one in (fit, loaded):
        assert len(il.item_effects(one).frame) == 7
        assert "integrated exactly" in repr(one)
    a, b = il.effect_card(fit).frame, il.effect_card(loaded).frame
    pd.testing.assert_frame_equal(a, b)
    assert "re_item" in fit.draws["posterior"]
    assert fit.draws["posterior"].attrs["left_out"] == ["id"]


def test_no_spread_between_persons_is_an_ordinary_estimate():
    """Answers independent of who gave them: the SD is estimated at 0, and is said to be."""
    rng = np.random.default_rng(3)
    person = np.repeat(np.arange(60), 5)
    y = np.tile([0, 1, 1, 0, 1], 60)  # every person the same total: less spread than by chance
    table = pd.DataFrame({"id": person, "item": np.tile(np.arange(5), 60)})
    table["y"] = np.concatenate([rng.permutation(y[:5]) for _ in range(60)])
    fit = il.quadrature(il.Model("y ~ 1 + (1 | id)", table))
    assert fit.sd("id")["Intercept"] == 0.0
    assert any("estimated at 0" in problem for problem in fit.problems)
    share = 0.6
    assert fit.loglik == pytest.approx(300 * (share * np.log(share) + 0.4 * np.log(0.4)), abs=1e-3)


def test_nothing_to_integrate_is_said():
    model = il.Model(
        "y ~ 1 + (1 + week | ID)", il.load_dataset("bacteria").assign(y=lambda t: t.yy)
    )
    with pytest.raises(il.errors.ModelError, match="can be integrated out"):
        il.quadrature(model)
    with pytest.raises(il.errors.ModelError, match="2 random effects"):
        il.quadrature(model, integrate="ID")
