"""The maximum alone is that of a whole fit; an SD that is held keeps its value."""

import numpy as np
import pytest

import ilhte_bayes as il
from ilhte_bayes.engines.marginal.warm import (
    HeldSD,
    _by_free,
    _on,
    highest,
    objective_like,
    point,
    scale_of,
)

FORMULA = "{} ~ treat + (treat | item) + (1 | id)"


@pytest.fixture(scope="module")
def fits(make_trial):
    table = make_trial(persons=80)
    out = {
        "bernoulli": il.laplace(il.Model(FORMULA.format("resp"), table)),
        "quadrature": il.quadrature(il.Model(FORMULA.format("resp"), table)),
    }
    for family in ("cumulative", "adjacent"):
        out[family] = il.laplace(il.Model(FORMULA.format("rate"), table, family))
    small = il.Model("rate ~ treat + (1 | item) + (1 | id)", table, "multinomial")
    return out | {"multinomial": il.laplace(small)}


@pytest.mark.parametrize(
    "kind", ["bernoulli", "quadrature", "cumulative", "adjacent", "multinomial"]
)
def test_the_maximum_is_that_of_the_fit(fits, kind):
    """From the estimates, and from a start half a logit away; SDs of 0 among them."""
    fit = fits[kind]
    target = objective_like(fit, fit.model)
    begin, scale = point(target, fit.mode), scale_of(target, fit.mode)
    moved = begin.copy()
    moved[target.parts[0].stop :] += 0.3
    for psi in (begin, moved):
        found = highest(target, psi, scale)
        assert found.converged
        # the search ends 1e-6 short of the maximum for each unknown, by its tolerance
        assert found.value == pytest.approx(fit.loglik, abs=2e-5)


def test_a_start_at_a_saddle_is_left(trial_with_effects):
    """At an SD of exactly 0 the gradient is 0 too, whatever the answers say."""
    fit = il.laplace(il.Model("resp ~ treat + (treat || item) + (1 | id)", trial_with_effects))
    assert fit.sd("item")["treat"] > 0.2
    target = objective_like(fit, fit.model)
    psi = point(target, fit.mode)
    names = [c.group for c in target.coordinates]
    part = target.parts[names.index("item") + 1]
    psi[part.start + 1] = 0.0  # the slope's SD
    found = highest(target, psi, scale_of(target, fit.mode))
    assert found.value == pytest.approx(fit.loglik, abs=2e-5)


@pytest.fixture(scope="module")
def trial_with_effects():
    import pandas as pd

    rng = np.random.default_rng(8)
    persons, items = 120, 10
    arm = np.arange(persons) % 2
    effect = rng.normal(0.5, 0.8, items)
    logit = rng.normal(size=persons)[:, None] + rng.normal(size=items) + np.outer(arm, effect)
    score = (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(int)
    person, item = (grid.ravel() for grid in np.indices(score.shape))
    return pd.DataFrame({"resp": score.ravel(), "id": person, "item": item, "treat": arm[person]})


@pytest.mark.parametrize("kind", ["bernoulli", "quadrature"])
def test_a_held_sd_keeps_its_value_and_its_gradient_is_exact(fits, kind):
    fit = fits[kind]
    target = objective_like(fit, fit.model)
    k = [c.group for c in target.coordinates].index("item")
    held = HeldSD(k, 1, 0.37)
    free = point(target, fit.mode) + 0.1
    there = _on(target, free, held)
    natural = target.coordinates[k].natural(there[target.parts[k + 1]])
    assert natural[1] == pytest.approx(0.37)
    at = target.evaluate(there)
    slope = _by_free(target, free, target.gradient(at), held)
    for j in range(free.size):
        step = np.zeros(free.size)
        step[j] = 1e-4
        up, down = (target.evaluate(_on(target, free + s * step, held)).value for s in (1, -1))
        # a central difference of values known to 1e-9 or so
        assert slope[j] == pytest.approx((up - down) / 2e-4, abs=2e-4)
