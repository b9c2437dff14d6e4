"""Whitened coordinates: the posterior's curvature in them is near the unit matrix."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.engines import whitening
from ilhte_bayes.engines.nuts_integrated import rough_scale, start_near_mode
from ilhte_bayes.models import posterior, structure
from ilhte_bayes.models.unconstrained import make_layout, make_structure, to_vector

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")


@pytest.fixture(scope="module")
def target():
    """Students in classrooms in schools, nothing integrated out; some effects centred."""
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"room": rng.integers(0, 40, 3000), "lep": rng.integers(0, 2, 3000)})
    table["school"] = table["room"] // 5
    table["size"] = rng.normal(size=8).round(2)[table["school"]]
    eta = rng.normal(0, 0.6, 8)[table["school"]] + rng.normal(0, 0.8, 40)[table["room"]]
    eta += 0.4 * table["lep"] + rng.logistic(size=len(table))
    table["y"] = np.searchsorted([-1, 1], eta)
    formula = "y ~ lep + size + (lep || school) + (1 | room)"
    model = il.Model(formula, table, family="cumulative")
    fit = il.laplace(model, objective="map")
    layout = make_layout(model.design, "", frozenset(["school[Intercept]", "room[Intercept]"]))
    made = make_structure(layout, model.priors, None, None, model.rows)
    start = to_vector(layout, start_near_mode(fit, layout))
    return layout, made, start, rough_scale(fit, layout, start)


def arrays_of(made):
    words = structure.pack(made)
    return posterior.unpack(words, words.view(np.float64))


def minus_hessian(made, start, at):
    arrays, out = arrays_of(made), []
    up, down = np.empty(start.size), np.empty(start.size)
    for k in at:
        step = np.zeros(start.size)
        step[k] = 1e-4
        posterior.log_density(arrays, start + step, up)
        posterior.log_density(arrays, start - step, down)
        out.append((down - up)[at] / 2e-4)
    return np.array(out)


def as_matrix(root, n):
    return whitening.unwhiten(root, np.eye(n)).T


@pytest.mark.parametrize("dense", [True, False], ids=["dense", "led by coefficients"])
def test_the_density_is_that_of_the_unwhitened_point(target, dense, monkeypatch):
    layout, made, start, scale = target
    monkeypatch.setattr(whitening, "_worth_dense", lambda *_: dense)
    root = whitening.whitening_root(made, layout, start, scale)
    whitened = arrays_of(made._replace(origin=start, root=root.ravel()))
    y, by_y, by_x = np.random.default_rng(1).normal(0, 0.5, start.size), *np.empty((2, start.size))
    value = posterior.log_density_whitened(whitened, y, by_y)
    x = start + whitening.unwhiten(root, y)
    assert value == pytest.approx(posterior.log_density(arrays_of(made), x, by_x), rel=1e-12)
    np.testing.assert_allclose(by_y, as_matrix(root, start.size).T @ by_x, rtol=1e-9, atol=1e-9)


def test_every_effect_has_its_own_curvature(target, monkeypatch):
    """All levels of a column are probed at once: no answer belongs to two."""
    layout, made, start, scale = target
    monkeypatch.setattr(whitening, "_worth_dense", lambda *_: False)
    root = whitening.whitening_root(made, layout, start, scale)
    free = whitening._nearly_normal(layout)
    n_fixed = len(layout.design.terms)
    own = np.diag(minus_hessian(made, start, free))[n_fixed:]
    # the curvature comes from differences of a gradient of about 1, over 1e-4
    np.testing.assert_allclose(root[0, free[n_fixed:]] ** -2, own, rtol=1e-6)


def test_coefficients_are_independent_of_effects_and_of_each_other(target, monkeypatch):
    layout, made, start, scale = target
    free = whitening._nearly_normal(layout)
    n_fixed = len(layout.design.terms)
    information = minus_hessian(made, start, free)
    dense = as_matrix(whitening.whitening_root(made, layout, start, scale), start.size)
    monkeypatch.setattr(whitening, "_worth_dense", lambda *_: False)
    led = as_matrix(whitening.whitening_root(made, layout, start, scale), start.size)
    for root, tolerance in ((dense, 1e-6), (led, 0.02)):
        own = root[np.ix_(free, free)]
        white = own.T @ information @ own
        # the conjugate gradients stop at a thousandth
        np.testing.assert_allclose(white[:n_fixed, :n_fixed], np.eye(n_fixed), atol=tolerance)
        np.testing.assert_allclose(white[:n_fixed, n_fixed:], 0, atol=tolerance)
        np.testing.assert_allclose(np.diag(white), 1, atol=tolerance)
    own = led[np.ix_(free, free)]
    scaled = information / np.sqrt(np.outer(np.diag(information), np.diag(information)))
    # what the diagonal alone would leave is far from a sphere: 93 against 9
    assert np.linalg.cond(own.T @ information @ own) < 0.3 * np.linalg.cond(scaled)


def test_a_large_root_is_dense_where_the_integral_costs_as_much():
    """By what is multiplied: the square of the unknowns against nodes times answers and units."""

    def worth(unknowns, nodes, answers, integrated="id"):
        layout = SimpleNamespace(size=unknowns, integrated=integrated)
        made = SimpleNamespace(
            grid=np.array([0.0, 0.1, nodes, 0.1]),
            entry_cell=np.zeros(answers),
            unit_count=np.zeros(0),
        )
        return whitening._worth_dense(made, layout)

    assert worth(600, 1, 1) and worth(1328, 256, 1400)
    assert not worth(1328, 20, 1400) and not worth(10_000, 1000, 10_000)
    assert not worth(1328, 256, 1400, integrated=None)
