"""The compiled posterior against the PyMC model of the same structure, and against differences."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.formulas.cuts import with_own_slopes
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.plan import make_plan
from ilhte_bayes.models import posterior, structure
from ilhte_bayes.models.builder import build_pymc
from ilhte_bayes.models.model import with_parts
from ilhte_bayes.models.priors import make_priors
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
ITEM_EFFECTS = "rate ~ treat + pre + (1 | id) + (treat | item)"
# Of ordinal answers: how thresholds may differ, and what is sampled centred.
ORDINAL = {
    "ordinal": ("common", ()),
    "ordinal, centred": ("common", ("item[treat]",)),
    "ordinal, thresholds by item": ("item", ("item[Intercept]",)),
    "ordinal, own slopes": ("slopes", ()),
}
ALL = [*CASES, *ORDINAL]
INTEGRATED = [pytest.param("id", id="integrated"), pytest.param("", id="direct")]
PRIORS = {
    "beta[treat]": il.priors.StudentT(4, 0.1, 0.7),
    "sd_item": il.priors.HalfStudentT(3, 0.8),
    "sd_id": il.priors.Gamma(2.0, 1.5),
    "sd_item[Intercept]": il.priors.Exponential(0.9),
    "beta[Intercept]": il.priors.Flat(),
}


@pytest.fixture(scope="module")
def trial():
    rng = np.random.default_rng(4)
    person, item = np.repeat(np.arange(40), 8), np.tile(np.arange(8), 40)
    table = pd.DataFrame({"id": person, "item": item, "treat": person % 2, "school": person // 8})
    table["pre"], table["half"] = rng.normal(size=40).round(2)[person], item // 4 - 0.5
    table["y"] = rng.integers(0, 2, len(table))
    table["rate"] = rng.integers(0, 4, len(table))
    return table[rng.random(len(table)) > 0.1]


def parts(trial, case, priors=None, integrated="id"):
    """Model, layout, plan and arrays; nothing is integrated out where `integrated` is ""."""
    changes = {k: v for k, v in (priors or {}).items()}
    roles = {"treatment": "treat", "item": "item"}
    if case in CASES:
        formula, centred = CASES[case]
        model = il.Model(formula, trial, roles=roles, priors=changes)
    else:
        kind, centred = ORDINAL[case]
        changes.pop("beta[Intercept]", None)
        model = ordinal(trial, kind, changes, roles)
    layout = make_layout(model.design, integrated, frozenset(centred))
    plan = make_plan(model.rows, integrated) if integrated else None
    return model, layout, plan, on_grid(model, layout, plan, GRID if integrated else None)


def ordinal(trial, kind, changes, roles):
    thresholds = "item" if kind == "item" else "common"
    if changes:
        changes = changes | {
            "threshold": il.priors.StudentT(5, 0.2, 1.5),
            "threshold[1|2]": il.priors.Flat(),
        }
    options = {"family": "cumulative", "thresholds": thresholds, "roles": roles}
    model = il.Model(ITEM_EFFECTS, trial, priors=changes, **options)
    if kind != "slopes":
        return model
    design = with_own_slopes(model.design, ["pre", "treat"])
    changes = changes | {"beta[treat, 2|3]": il.priors.Normal(0.1, 0.3)}
    own = make_priors(design, changes, discrimination=None, ability="normal")
    return with_parts(model, design=design, priors=own)


def on_grid(model, layout, plan, grid):
    words = structure.pack(make_structure(layout, model.priors, plan, grid, model.rows))
    return posterior.unpack(words, words.view(np.float64))


def some_point(layout, seed, scale):
    """Thresholds half a logit apart or more, so that slopes of their own do not cross them."""
    x = np.random.default_rng(seed).normal(0, scale, layout.size)
    x[1 : layout.design.n_cuts] = np.abs(x[1 : layout.design.n_cuts]) + 0.3
    for at, term in enumerate(layout.design.terms):
        if ", " in term:
            x[at] *= 0.1
    for group, raw_at in zip(layout.design.groups, layout.raw_at, strict=True):
        if group.cut_z is not None:
            raw = x[raw_at : raw_at + group.n_levels * group.n_columns]
            raw.reshape(group.n_levels, -1)[:, group.cut_z.any(axis=0)] *= 0.2
    return x


def density(arrays, x):
    gradient = np.empty(x.size)
    return posterior.log_density(arrays, x, gradient), gradient


@pytest.mark.parametrize("integrated", INTEGRATED)
@pytest.mark.parametrize("case", ALL)
def test_gradient_is_that_of_the_value(trial, case, integrated):
    _, layout, _, arrays = parts(trial, case, PRIORS, integrated)
    x = some_point(layout, 2, 0.6)
    assert np.isfinite(density(arrays, x)[0])
    _, gradient = density(arrays, x)
    step = 1e-5
    for k in range(layout.size):
        e = np.zeros(layout.size)
        e[k] = step
        slope = (density(arrays, x + e)[0] - density(arrays, x - e)[0]) / (2 * step)
        # central differences of a value near 200: rounding 1e-13 * 200 / 1e-5, and step squared
        assert gradient[k] == pytest.approx(slope, rel=1e-6, abs=1e-5), k


@pytest.mark.parametrize("integrated", INTEGRATED)
@pytest.mark.parametrize("case", ALL)
def test_differs_from_the_pymc_model_by_a_constant(trial, case, integrated):
    """Two points: the differences of both log-densities agree, Jacobians included.

    Directly, ordinal answers are PyMC's own OrderedLogistic.
    """
    model, layout, plan, arrays = parts(trial, case, PRIORS, integrated)
    grid = GRID if integrated else None
    built = build_pymc(model, plan=plan, grid=grid)  # non-centred: another parametrisation
    logp = built.compile_logp(jacobian=False, mode="FAST_COMPILE")
    found = []
    for seed in (3, 4):
        x = some_point(layout, seed, 0.5)
        named = to_posterior(layout, x[None, None])
        point = natural_point(built, model, named)
        found.append(density(arrays, x)[0] - log_jacobian(layout, x) - float(logp(point)))
    assert found[0] == pytest.approx(found[1], abs=1e-8)


def natural_point(built, model, named):
    """Values of the PyMC model's (non-centred) variables for one draw."""
    beta, n_cuts = named["beta"].to_numpy()[0, 0], model.design.n_cuts
    values = {"beta": beta}
    if n_cuts:
        values |= {"gaps": np.diff(beta[:n_cuts]), "lowest_threshold": beta[0]}
        values["slopes"] = beta[n_cuts:]
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
    if whole == "slopes":
        names = names[model.design.n_cuts :]
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
    """Of gaps, SDs and partial correlations, and from sampled effects to standard normal ones."""
    total = x[1 : layout.design.n_cuts].sum()
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


@pytest.mark.parametrize("case", ALL)
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


@pytest.mark.parametrize("integrated", INTEGRATED)
def test_two_categories_have_the_binary_density(trial, integrated):
    """The only threshold is the intercept with its sign changed, under flat priors for both."""
    options = {"roles": {"treatment": "treat"}}
    formula = CASES["non-centred"][0]
    binary = il.Model(formula, trial, priors={"beta[Intercept]": il.priors.Flat()}, **options)
    options |= {"family": "cumulative", "priors": {"threshold": il.priors.Flat()}}
    ordinal = il.Model(formula, trial, **options)
    found = []
    for model in (binary, ordinal):
        layout = make_layout(model.design, integrated, frozenset())
        plan = make_plan(model.rows, integrated) if integrated else None
        arrays = on_grid(model, layout, plan, GRID if integrated else None)
        x = np.random.default_rng(6).normal(0, 0.5, layout.size)
        sign = -1.0 if model is ordinal else 1.0
        x[0] *= sign
        value, gradient = density(arrays, x)
        gradient[0] *= sign
        found.append((value, gradient))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-13)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-10, atol=1e-10)
