"""Abilities of any shape: the likelihood by hand, and what is fixed exactly."""

import numpy as np
import pytensor
import pytest
from scipy.special import expit

import ilhte_bayes as il
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.models.ability import (
    make_free_plan,
    shape_directions,
    standard_grid,
    standardise,
)
from ilhte_bayes.models.builder import build_pymc

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")


@pytest.mark.parametrize("formula", ["", " + pre + (1 | school)"])
def test_likelihood_is_the_sum_over_nodes_by_person(make_trial, formula):
    trial = make_trial(40, 5)
    text = f"resp ~ treat{formula} + (1 | id) + (treat | item)"
    model = il.Model(text, trial, ability="histogram")
    plan, grid = make_free_plan(model, "id"), Grid(-5.0, 0.25, 41)
    built = build_pymc(model, plan=plan, grid=grid)
    rng = np.random.default_rng(2)
    start = built.initial_point()
    values = [rng.normal(0, 0.6, np.shape(start[v.name])) for v in built.value_vars]
    kept = [*built.free_RVs, *built.deterministics]
    f = pytensor.function(
        built.value_vars,
        [built.logp(vars=built.potentials), *built.replace_rvs_by_values(kept)],
        mode="FAST_COMPILE",
    )
    found, *named = f(*values)
    v = dict(zip([k.name for k in kept], named, strict=True))
    weights, nodes = v["ability_weights"], v["ability_nodes"]
    assert weights.sum() == pytest.approx(1.0)
    assert weights @ nodes == pytest.approx(0.0, abs=1e-12)
    assert weights @ nodes**2 == pytest.approx(1.0)
    assert np.abs(weights - np.exp(-0.5 * grid.nodes**2) * 0.25 / 2.507).max() > 0.01  # no normal
    design = model.design
    eta = design.x[design.pattern] @ v["beta"]
    for group in design.groups:
        if group.name != "id":
            eta = eta + (group.z[design.pattern] * v[f"re_{group.name}"][group.level]).sum(axis=1)
    person, sign = design.group("id").level, 2.0 * design.score - 1.0
    theta = v["sd_id"][0] * nodes
    logs = np.log(expit(sign[:, None] * (eta[:, None] + theta)))
    by_person = np.zeros((40, nodes.size))
    np.add.at(by_person, person, logs * design.count[:, None])
    assert found == pytest.approx(np.log(np.exp(by_person) @ weights).sum(), rel=1e-10)


def test_directions_leave_out_what_normals_differ_by():
    nodes = Grid(-5.0, 0.25, 41).nodes
    directions = shape_directions(nodes)
    quadratics = np.vander(nodes, 3)
    np.testing.assert_allclose(quadratics.T @ directions, 0.0, atol=1e-6)
    spread = np.sqrt((directions**2).sum(axis=1))[np.abs(nodes) <= 2]
    assert spread.min() > 0.3 and spread.max() < 3


def test_without_deviations_the_grid_holds_a_normal():
    nodes = standard_grid(5.0, 1.2).nodes
    weights = np.exp(-0.5 * nodes**2)
    mean, sd = standardise(weights / weights.sum(), nodes)
    # cut at 5 SDs: what is missing of the variance is 1.5e-5
    assert mean == pytest.approx(0.0, abs=1e-12) and sd == pytest.approx(1.0, abs=1e-5)


def test_refused_where_persons_are_not_integrated_out(make_trial):
    trial = make_trial()
    model = il.il_hte(trial, ability="histogram")
    with pytest.raises(il.errors.NotAvailable, match="takes abilities as normal"):
        il.laplace(model)
    with pytest.raises(il.errors.NotAvailable, match="integrate='none'"):
        _ = model.pymc
    with pytest.raises(il.errors.NotAvailable, match="integrate='none'"):
        il.sample(model, integrate="none", progress=False)
    with pytest.raises(il.errors.NotAvailable, match="both at once"):
        il.il_hte(trial, ability="histogram", discrimination=True)
    with pytest.raises(il.errors.NotAvailable, match="same distribution"):
        il.il_hte(trial, ability="histogram", ability_sd="by_arm")
    with pytest.raises(il.errors.ModelError, match="'normal' or 'histogram'"):
        il.il_hte(trial, ability="free")
    assert "free shape" in repr(model)
    assert model.priors["sd_ability_shape"] == il.priors.HalfNormal(1.0)
