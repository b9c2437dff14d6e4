"""The compiled posterior against the PyMC model of the same structure, and against differences."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.plan import make_plan
from ilhte_bayes.models import posterior, structure
from ilhte_bayes.models.builder import build_pymc
from ilhte_bayes.models.unconstrained import (
    make_layout,
    make_structure,
    to_posterior,
    to_vector,
)

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")

GRID = Grid(-9.0, 0.4, 46)
CASES = {
    "non-centred": ("y ~ treat + pre + (1 | id) + (treat | item)", ()),
    "centred": ("y ~ treat + pre + (1 | id) + (treat | item)", ("item[Intercept]", "item[treat]")),
    "partly": ("y ~ treat + pre + (1 | id) + (treat | item)", ("item[treat]",)),
    "three columns": (
        "y ~ treat + (1 + pre | school) + (1 | id) + (treat * half | item)",
        ("item[Intercept]", "item[half]"),
    ),
    "by arm": ("y ~ treat + (0 + C(treat) || id) + (treat || item)", ("item[Intercept]",)),
}
PRIORS = {
    "beta[treat]": il.StudentT(4, 0.1, 0.7),
    "sd_item": il.HalfStudentT(3, 0.8),
    "sd_id": il.Gamma(2.0, 1.5),
    "sd_item[Intercept]": il.Exponential(0.9),
    "beta[Intercept]": il.Flat(),
}


@pytest.fixture(scope="module")
def trial():
    rng = np.random.default_rng(4)
    person, item = np.repeat(np.arange(40), 8), np.tile(np.arange(8), 40)
    table = pd.DataFrame({"id": person, "item": item, "treat": person % 2, "school": person // 8})
    table["pre"], table["half"] = rng.normal(size=40).round(2)[person], item // 4 - 0.5
    table["y"] = rng.integers(0, 2, len(table))
    return table[rng.random(len(table)) > 0.1]


def parts(trial, case, priors=None):
    formula, centred = CASES[case]
    changes = {k: v for k, v in (priors or {}).items()}
    model = il.Model(formula, trial, roles={"treatment": "treat"}, priors=changes)
    layout = make_layout(model.design, "id", frozenset(centred))
    plan = make_plan(model.design, "id")
    return model, layout, plan, on_grid(model, layout, plan, GRID)


def on_grid(model, layout, plan, grid):
    words = structure.pack(make_structure(layout, model.priors, plan, grid, model.rows))
    return posterior.unpack(words, words.view(np.float64))


def density(arrays, x):
    gradient = np.empty(x.size)
    return posterior.log_density(arrays, x, gradient), gradient


@pytest.mark.parametrize("case", CASES)
def test_gradient_is_that_of_the_value(trial, case):
    _, layout, _, arrays = parts(trial, case, PRIORS)
    x = np.random.default_rng(2).normal(0, 0.6, layout.size)
    _, gradient = density(arrays, x)
    step = 1e-5
    for k in range(layout.size):
        e = np.zeros(layout.size)
        e[k] = step
        slope = (density(arrays, x + e)[0] - density(arrays, x - e)[0]) / (2 * step)
        # central differences of a value near 200: rounding 1e-13 * 200 / 1e-5, and step squared
        assert gradient[k] == pytest.approx(slope, rel=1e-6, abs=1e-5), k


@pytest.mark.parametrize("case", CASES)
def test_differs_from_the_pymc_model_by_a_constant(trial, case):
    """Two points: the differences of both log-densities agree, Jacobians included."""
    model, layout, plan, arrays = parts(trial, case, PRIORS)
    built = build_pymc(model, plan=plan, grid=GRID)  # non-centred: another parametrisation
    logp = built.compile_logp(jacobian=False, mode="FAST_COMPILE")
    rng = np.random.default_rng(3)
    found = []
    for _ in range(2):
        x = rng.normal(0, 0.5, layout.size)
        named = to_posterior(layout, x[None, None])
        point = natural_point(built, model, named)
        found.append(density(arrays, x)[0] - log_jacobian(layout, x) - float(logp(point)))
    assert found[0] == pytest.approx(found[1], abs=1e-8)


def natural_point(built, model, named):
    """Values of the PyMC model's (non-centred) variables for one draw."""
    values = {"beta": named["beta"].to_numpy()[0, 0]}
    for group in model.design.groups:
        name = group.name
        sd = named[f"sd_{name}"].to_numpy()[0, 0]
        values[f"sd_{name}"] = sd
        corr = np.eye(group.n_columns)
        if f"corr_{name}" in named:
            corr = named[f"corr_{name}"].to_numpy()[0, 0]
            values[f"unit_corr_{name}"] = partials(group, np.linalg.cholesky(corr))
        if f"re_{name}" in named:
            effects = named[f"re_{name}"].to_numpy()[0, 0]
            values[f"z_{name}"] = np.linalg.solve(np.linalg.cholesky(corr), (effects / sd).T).T
    out = {}
    for variable in built.free_RVs:
        value = built.rvs_to_values[variable]
        transform = built.rvs_to_transforms[variable]
        own = values_of(variable.name, values, model)
        if transform is not None:
            own = transform.forward(own, *variable.owner.inputs).eval()
        out[value.name] = own
    return out


def values_of(name, values, model):
    if name in values:
        return values[name]
    whole, element = name.rstrip("]").split("[")
    names = list(model.design.terms)
    if whole.startswith("sd_"):
        names = list(model.design.group(whole[3:]).columns)
    return values[whole][names.index(element)]


def partials(group, root):
    """(1 + r) / 2 of the canonical partial correlations."""
    out = []
    for block in group.blocks:
        for i in range(len(block)):
            left = 1.0
            for j in range(i):
                entry = root[block[i], block[j]]
                out.append((1 + entry / np.sqrt(left)) / 2)
                left -= entry**2
    return np.array(out)


def log_jacobian(layout, x):
    """Of SDs and partial correlations, and from sampled effects to standard normal ones."""
    total = 0.0
    named = to_posterior(layout, x[None, None])
    for g, group in enumerate(layout.design.groups):
        d = group.n_columns
        log_sd = x[layout.sd_at[g] : layout.sd_at[g] + d]
        total += log_sd.sum()
        n_pairs = sum(len(b) * (len(b) - 1) // 2 for b in group.blocks)
        pair = x[layout.pair_at[g] : layout.pair_at[g] + n_pairs]
        total += np.sum(-np.abs(pair) - 2 * np.log1p(np.exp(-np.abs(pair))))
        corr = np.eye(d)
        if f"corr_{group.name}" in named:
            corr = named[f"corr_{group.name}"].to_numpy()[0, 0]
        left = np.diag(np.linalg.cholesky(corr))
        for k in range(d):
            if layout.centred[g][k]:
                total -= layout.levels(group) * (log_sd[k] + np.log(left[k]))
    return total


@pytest.mark.parametrize("sd", [0.3, 0.1, 0.02])
def test_an_sd_far_below_the_grids_step_keeps_its_integral(trial, sd):
    """Against a grid 64 times as fine; where nodes lay too far apart there was a wall."""
    model, layout, plan, arrays = parts(trial, "non-centred")
    finer = Grid(GRID.first, GRID.step / 64, 64 * (GRID.size - 1) + 1)
    x = np.zeros(layout.size)
    x[layout.sd_at[[g.name for g in model.design.groups].index("id")]] = np.log(sd)
    value, gradient = density(arrays, x)
    exact, slope = density(on_grid(model, layout, plan, finer), x)
    assert value == pytest.approx(exact, abs=1e-4)  # the tolerance of a grid, likelihood.grid
    np.testing.assert_allclose(gradient, slope, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_vector_and_names_are_inverse(trial, case):
    _, layout, _, _ = parts(trial, case)
    x = np.random.default_rng(5).normal(0, 0.7, layout.size)
    named = to_posterior(layout, x[None, None])
    values = {str(name): named[name].to_numpy()[0, 0] for name in named}
    for group in layout.design.groups:
        values.setdefault(f"corr_{group.name}", np.eye(group.n_columns))
    np.testing.assert_allclose(to_vector(layout, values), x, atol=1e-9)


def test_the_buffer_gives_every_array_back(trial):
    model, layout, plan, arrays = parts(trial, "three columns")
    made = make_structure(layout, model.priors, plan, GRID, model.rows)
    for name, own in made._asdict().items():
        found = np.asarray(getattr(arrays, name))
        np.testing.assert_array_equal(found, np.ravel(own), err_msg=name)
        assert (found.dtype == np.float64) == (name in structure.FLOATS)
