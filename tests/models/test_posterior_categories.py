"""The compiled density of answers with a predictor for each category, against PyMC's."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.likelihood.answers import category_answers
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.plan import make_plan
from ilhte_bayes.models import posterior, structure
from ilhte_bayes.models.builder import build_pymc
from ilhte_bayes.models.unconstrained import make_layout, make_structure, to_posterior, to_vector

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")

CASES = {
    "adjacent": {"family": "adjacent"},
    "adjacent, thresholds of items": {"family": "adjacent", "thresholds": "item"},
    "multinomial": {"family": "multinomial"},
    "multinomial, correlated": {"family": "multinomial", "logits": "correlated"},
    "adjacent, persons integrated": {"family": "adjacent"},
    "adjacent, thresholds of items, persons integrated": {
        "family": "adjacent",
        "thresholds": "item",
    },
}
GRID = Grid(-9.0, 0.25, 73)


@pytest.fixture(scope="module")
def trial():
    rng = np.random.default_rng(4)
    person, item = np.repeat(np.arange(20), 6), np.tile(np.arange(6), 20)
    table = pd.DataFrame({"id": person, "item": item, "treat": person % 2})
    table["pre"] = rng.normal(size=20).round(2)[person]
    table["y"] = rng.integers(0, 3, len(table))
    return pd.concat([table, table.sample(30, random_state=1)], ignore_index=True)


def parts(trial, case):
    text = "y ~ treat + pre + (1 | id) + (treat | item)"
    roles = {"treatment": "treat", "item": "item"}
    model = il.Model(text, trial, roles=roles, **CASES[case])
    integrated = "id" if "integrated" in case else ""
    layout = make_layout(model.design, integrated, frozenset())
    plan = make_plan(model.rows, "id") if integrated else None
    grid = GRID if integrated else None
    words = structure.pack(make_structure(layout, model.priors, plan, grid, model.rows))
    return model, layout, posterior.unpack(words, words.view(np.float64))


def density(arrays, x):
    gradient = np.empty(x.size)
    return posterior.log_density(arrays, x, gradient), gradient


@pytest.mark.parametrize("case", CASES)
def test_gradient_is_that_of_the_value(trial, case):
    _, layout, arrays = parts(trial, case)
    x = np.random.default_rng(2).normal(0, 0.6, layout.size)
    _, gradient = density(arrays, x)
    step = 1e-5
    for k in range(layout.size):
        e = step * np.eye(layout.size)[k]
        slope = (density(arrays, x + e)[0] - density(arrays, x - e)[0]) / (2 * step)
        # central differences of a value near 200: rounding 1e-13 * 200 / 1e-5, and step squared
        assert gradient[k] == pytest.approx(slope, rel=1e-6, abs=1e-5), k


@pytest.mark.parametrize("case", CASES)
def test_differs_from_the_pymc_model_by_a_constant(trial, case):
    """Where only coefficients and standardised effects move, no Jacobian changes."""
    model, layout, arrays = parts(trial, case)
    integrated = "integrated" in case
    plan = make_plan(model.rows, "id") if integrated else None
    built = build_pymc(model, plan=plan, grid=GRID if integrated else None)
    logp = built.compile_logp(jacobian=False, mode="FAST_COMPILE")
    names = [variable.name for variable in built.free_RVs]
    rng = np.random.default_rng(3)
    sds = {g.name: rng.gamma(4, 0.2, g.n_columns) for g in model.design.groups}
    found = []
    for _ in range(2):
        point, values = {}, {"beta": rng.normal(0, 0.5, len(model.design.terms))}
        point["beta"] = values["beta"]
        for group in model.design.groups:
            name, shape = group.name, (group.n_levels, group.n_columns)
            values |= {f"sd_{name}": sds[name]}
            if integrated and name == "id":
                point |= {f"sd_{name}": sds[name]}
                continue
            z = rng.normal(size=shape)
            point |= {f"z_{name}": z, f"sd_{name}": sds[name]}
            if f"unit_corr_{name}" in names:
                size = sum(len(b) * (len(b) - 1) // 2 for b in group.blocks)
                point[f"unit_corr_{name}"] = np.full(size, 0.5)  # correlations of 0
            values |= {f"re_{name}": z * sds[name], f"sd_{name}": sds[name]}
            values[f"corr_{name}"] = np.eye(group.n_columns)
        x = to_vector(layout, values)
        built_at = {built.rvs_to_values[built[k]].name: built_value(built, k, v)
                    for k, v in point.items()}  # fmt: skip
        found.append(density(arrays, x)[0] - float(logp(built_at)))
        named = to_posterior(layout, x[None, None])
        np.testing.assert_allclose(named["beta"][0, 0], values["beta"])
        np.testing.assert_allclose(named["re_item"][0, 0], values["re_item"])
    assert found[0] == pytest.approx(found[1], abs=1e-8)


def built_value(built, name, value):
    """A value on the scale that the PyMC model's transform has it."""
    transform = built.rvs_to_transforms[built[name]]
    if transform is None:
        return value
    return transform.forward(value, *built[name].owner.inputs).eval()


def test_equal_questions_are_counted_together(trial):
    model, *_ = parts(trial, "multinomial")
    answers = category_answers(model.rows)
    assert answers.count.sum() == len(trial)
    assert len(answers.count) == 20 * 6
    assert answers.predictor.n_places == 2 * 20 * 6


def test_draws_agree_with_laplace(trial):
    """A simple model: the posterior's middle is near the MAP estimate."""
    model = il.Model("y ~ treat + (1 | id)", trial, "multinomial")
    drawn = il.sample(model, draws=250, tune=250, chains=2, progress=False)
    assert drawn.tree["posterior"].attrs["integrated"] == ""
    found = il.laplace(model, objective="map")
    apart = drawn.coefficients["estimate"] - found.coefficients["estimate"]
    # skewness moves a mean by a part of an SD, and 500 draws have an error of a tenth
    assert np.abs(apart / found.coefficients["se"]).max() < 0.5
