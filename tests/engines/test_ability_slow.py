"""A free shape of ability: two humps are found, and a normal stays one (minutes each).

Run with: uv run pytest -m slow tests/engines/test_ability_slow.py -s
The last result is recorded in tests/slow_results.md.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm

import ilhte_bayes as il

pytestmark = pytest.mark.slow


def a_trial(shape, persons=1500, items=12):
    rng = np.random.default_rng(1)
    ability = rng.normal(size=persons)
    if shape == "two humps":
        ability = 1.2 * rng.choice([-1.0, 1.0], persons) + 0.5 * rng.normal(size=persons)
    person, item = np.repeat(np.arange(persons), items), np.tile(np.arange(items), persons)
    treat, easiness = person % 2, rng.normal(size=items)
    chance = expit(ability[person] + 0.4 * treat + easiness[item])
    return pd.DataFrame(
        {"id": person, "item": item, "treat": treat, "resp": (rng.random(person.size) < chance) * 1}
    )


def density(fit, at):
    """Posterior mean of the density of ability, in SDs, at some places."""
    posterior = fit.tree["posterior"]
    nodes = posterior["ability_nodes"].transpose("chain", "draw", ...).to_numpy()
    weights = posterior["ability_weights"].transpose("chain", "draw", ...).to_numpy()
    nodes, weights = nodes.reshape(-1, nodes.shape[-1]), weights.reshape(-1, nodes.shape[-1])
    step = nodes[:, 1] - nodes[:, 0]
    drawn = [np.interp(at, x, w / h) for x, w, h in zip(nodes, weights, step, strict=True)]
    return np.mean(drawn, axis=0)


@pytest.mark.parametrize("shape", ["two humps", "normal"])
def test_shape_is_found(shape, capsys):
    table = a_trial(shape)
    free = il.sample(il.il_hte(table, ability="histogram"), progress=False)
    usual = il.sample(il.il_hte(table), progress=False)
    at = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    found = density(free, at)
    sd = 1.3 if shape == "two humps" else 1.0
    truth = norm.pdf(at)
    if shape == "two humps":
        truth = sd * (norm.pdf(sd * at, 1.2, 0.5) + norm.pdf(sd * at, -1.2, 0.5)) / 2
    rows = pd.concat(
        {name: pd.concat([fit.coefficients, fit.variance_components.droplevel("group")])
         [["estimate", "se"]] for name, fit in (("free", free), ("normal", usual))}, axis=1,
    )  # fmt: skip
    with capsys.disabled():
        print(f"\n{shape}: density at {at} SDs {found.round(3)}, truth {truth.round(3)}")
        print(rows.round(3), free.problems, f"{free.seconds:.0f} + {free.compile_seconds:.0f} s")
    component = free.variance_components.loc[("id", "sd[Intercept]")]
    assert abs(component["estimate"] - sd) < 3 * component["se"]
    if shape == "two humps":
        assert found[2] < 0.6 * min(found[1], found[3])  # the valley is seen
        return
    # 1,500 persons known to .6 of an SD each: the density scatters by some hundredths
    np.testing.assert_allclose(found, truth, atol=0.06)
    assert abs(rows["free", "estimate"]["treat"] - rows["normal", "estimate"]["treat"]) < (
        0.5 * rows["normal", "se"]["treat"]
    )
