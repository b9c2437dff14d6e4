"""Discriminations sampled: recovered, the same with persons sampled, and what they explain away.

Minutes each, mostly compiling. Run with:
uv run pytest -m slow tests/engines/test_discrimination_slow.py -s
The last result is recorded in tests/slow_results.md.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import ilhte_bayes as il

pytestmark = pytest.mark.slow
QUIET = {"progress": False, "seed": 4}


def a_trial(seed, persons, items, *, sd_log, sd_effect, kind="loaded"):
    """Simulated 2PL trial with an average effect of .4; with it the true discriminations."""
    rng = np.random.default_rng(seed)
    a, b = np.exp(sd_log * rng.normal(size=items)), rng.normal(size=items)
    zeta = sd_effect * rng.normal(size=items)
    person, item = np.repeat(np.arange(persons), items), np.tile(np.arange(items), persons)
    treat, ability = person % 2, rng.normal(size=persons)[person]
    effect = (0.4 + zeta[item]) * treat
    eta = a[item] * ability + b[item] + effect * (a[item] if kind == "loaded" else 1.0)
    resp = (rng.random(person.size) < expit(eta)).astype(int)
    return pd.DataFrame({"id": person, "item": item, "treat": treat, "resp": resp}), a


@pytest.mark.parametrize("kind", ["loaded", "additive"])
def test_discriminations_are_recovered(kind, capsys):
    table, a = a_trial(1, 1500, 15, sd_log=0.4, sd_effect=0.3, kind=kind)
    fit = il.sample(il.il_hte(table, discrimination=kind), **QUIET)
    drawn = fit.tree["posterior"]["discrimination"].to_numpy().reshape(-1, a.size)
    sd = fit.tree["posterior"]["sd_discrimination"].to_numpy().ravel()
    z = (np.log(a) - np.log(drawn).mean(axis=0)) / np.log(drawn).std(axis=0)
    own = np.log(a).std()
    table = fit.coefficients
    with capsys.disabled():
        print(f"\n{kind}: SD of log a {sd.mean():.3f} (SD {sd.std():.3f}), these items' {own:.3f}; "
              f"z of log a: mean {z.mean():.2f}, SD {z.std():.2f}; effect "
              f"{table.loc['treat', 'estimate']:.3f} ({table.loc['treat', 'se']:.3f}); "
              f"{fit.problems}, {fit.seconds:.0f} s + compiling {fit.compile_seconds:.0f} s")  # fmt: skip
    # truth drawn from the model: z of 15 items (correlated through the scale) rarely beyond 3.5
    assert np.abs(z).max() < 3.5 and 0.4 < z.std() < 1.6
    # the SD of these 15 items, known to about its posterior SD; 3 of them
    assert abs(sd.mean() - own) < 3 * sd.std()
    assert abs(table.loc["treat", "estimate"] - 0.4) < 3 * table.loc["treat", "se"]
    assert fit.tree["posterior"].attrs["divergences"] < 5


@pytest.mark.parametrize("kind", ["loaded", "additive"])
def test_same_posterior_with_persons_sampled(kind, capsys):
    import arviz as az

    table, _ = a_trial(2, 250, 8, sd_log=0.5, sd_effect=0.4, kind=kind)
    model = il.il_hte(table, discrimination=kind)
    fits = [il.sample(model, integrate=how, **QUIET) for how in ("auto", "none")]
    z = {}
    for name in ("beta", "sd_id", "sd_item", "sd_discrimination", "discrimination"):
        a, b = (f.tree["posterior"][name].transpose("chain", "draw", ...) for f in fits)
        sizes = [az.ess(values)[name] if hasattr(az.ess(values), "data_vars") else az.ess(values)
                 for values in (a, b)]  # fmt: skip
        over = ("chain", "draw")
        error = np.sqrt(a.var(over) / sizes[0] + b.var(over) / sizes[1])
        z[name] = np.asarray((a.mean(over) - b.mean(over)) / error).round(2).tolist()
    with capsys.disabled():
        print(f"\n{kind}: z of the difference in means", z)
    values = np.hstack([np.ravel(v) for v in z.values()])
    assert np.abs(values).max() < 4  # 14 z values, ESS estimated


def test_unequal_discrimination_looks_like_unequal_effects(capsys):
    """One effect on ability: the model with equal discriminations invents a spread of effects."""
    rows = []
    for seed in range(3):
        table, _ = a_trial(100 + seed, 2000, 12, sd_log=0.4, sd_effect=0.0)
        plain = il.sample(il.il_hte(table), **QUIET).variance_components.loc["item"]
        loaded = il.sample(il.il_hte(table, discrimination="loaded"), **QUIET)
        loaded = loaded.variance_components.loc["item"]
        rows.append([*plain.loc["sd[treat]", ["estimate", "lower", "upper"]],
                     *loaded.loc["sd[treat]", ["estimate", "lower", "upper"]]])  # fmt: skip
    names = ["plain", "lower", "upper", "2PL", "lower", "upper"]
    with capsys.disabled():
        print("\nSD of effects (truth 0)\n", pd.DataFrame(rows, columns=names).round(3))
    mean = np.mean(rows, axis=0)
    # .4 * sd(a) is about .16 with all else known. Twelve items cannot show a spread to be 0: what
    # must go is the evidence for one, the lower end of the interval.
    assert mean[0] > 0.1
    assert mean[3] < mean[0] and mean[4] < 0.5 * mean[1]
