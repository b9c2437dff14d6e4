"""Do the effect card's 90 % intervals hold the truth 90 times in a hundred?

Two studies, a row for each engine, target and scale in coverage_of_card.csv.

prior   Parameters and items drawn from the model's priors, persons too; NUTS with persons
        integrated out. Every target on every scale must be covered .90, within Monte Carlo error.
fixed   One truth (effect .3, SDs of ability 1, of easiness 1, of effects .4, correlation -.3), by
        engine and number of items. Items are drawn anew for the population, a new item and a new
        test; for "these items" they are held, at one set a design.

Truths are worked out here, by Gauss-Hermite sums, not by the package. Rows of an earlier run with
the same study, engine, items and persons are replaced.

    uv run python benchmarks/coverage_of_card.py prior --trials 200
    uv run python benchmarks/coverage_of_card.py fixed --trials 400 --nuts-trials 50 --items 8 20
"""

from __future__ import annotations

import argparse
import datetime
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from laplace_vs_glmer import our_versions
from scipy.special import expit

TABLE = Path(__file__).with_suffix(".csv")
LEVEL = 0.9
KEYS = ["study", "engine", "items", "persons"]
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(61)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
FIXED = {"intercept": 0.2, "effect": 0.3, "ability": 1.0, "easiness": 1.0, "zeta": 0.4, "rho": -0.3}
ENGINES = ("laplace ml", "quadrature ml", "laplace map", "nuts")


class Truth(NamedTuple):
    """Parameters, and the items' (easiness, deviation)."""

    intercept: float
    effect: float
    ability: float
    covariance: np.ndarray  # (2, 2)
    items: np.ndarray  # (item, 2)


def chance(eta: np.ndarray, sd: float) -> np.ndarray:
    """Probability averaged over a normal ability."""
    return expit(np.asarray(eta)[..., None] + sd * NODES) @ WEIGHTS


def effects_on(truth: Truth, items: np.ndarray) -> tuple[float, float]:
    """Mean effect on items, in logits and in probabilities."""
    before = truth.intercept + items[:, 0]
    change = truth.effect + items[:, 1]
    raised = chance(before + change, truth.ability) - chance(before, truth.ability)
    return float(change.mean()), float(raised.mean())


def effect_on_all(truth: Truth) -> tuple[float, float]:
    """The same over the population of items."""
    own, both = truth.covariance[0, 0], float(truth.covariance.sum())
    before = chance(np.array(truth.intercept), np.sqrt(truth.ability**2 + own))
    after = chance(np.array(truth.intercept + truth.effect), np.sqrt(truth.ability**2 + both))
    return truth.effect, float(after - before)


def truths(truth: Truth, rng: np.random.Generator) -> dict[tuple[str, str], float]:
    """What the card estimates; a new item and a new test are drawn."""
    n = len(truth.items)
    value, vector = np.linalg.eigh(truth.covariance)
    coming = rng.standard_normal((n + 1, 2)) @ (vector * np.sqrt(np.maximum(value, 0.0))).T
    found = {
        f"these {n} items": (effects_on(truth, truth.items), n),
        "item population": (effect_on_all(truth), n),
        "one new item": (effects_on(truth, coming[:1]), 1),
        f"a new {n}-item test": (effects_on(truth, coming[1:]), n),
    }
    out = {}
    for target, ((logits, probability), size) in found.items():
        out[target, "logits"] = logits
        out[target, "SDs of ability"] = logits / truth.ability
        out[target, "probability"] = probability
        out[target, "score points"] = size * probability
    return out


def base_model(persons: int, items: int):
    """A trial's design with sensible priors; its answers are replaced."""
    import ilhte_bayes as il

    rng = np.random.default_rng(1)
    person, item = (grid.ravel() for grid in np.indices((persons, items)))
    table = pd.DataFrame(
        {"id": person, "item": item, "treat": person % 2, "resp": rng.integers(0, 2, person.size)}
    )
    priors = {
        "beta[Intercept]": il.priors.Normal(0, 0.5),
        "beta[treat]": il.priors.Normal(0.3, 0.3),
        "sd_id[Intercept]": il.priors.Gamma(8, 8),
        "sd_item[Intercept]": il.priors.Gamma(8, 8),
        "sd_item[treat]": il.priors.HalfNormal(0.4),
        "corr_item": il.priors.LKJ(2),
    }
    return il.il_hte(table, priors=priors, assignment="randomised")


def fixed_truth(items: int, rng: np.random.Generator) -> Truth:
    """The one truth, with these items drawn."""
    cross = FIXED["rho"] * FIXED["easiness"] * FIXED["zeta"]
    covariance = np.array([[FIXED["easiness"] ** 2, cross], [cross, FIXED["zeta"] ** 2]])
    drawn = rng.standard_normal((items, 2)) @ np.linalg.cholesky(covariance).T
    return Truth(FIXED["intercept"], FIXED["effect"], FIXED["ability"], covariance, drawn)


def as_parameters(truth: Truth) -> dict[str, np.ndarray]:
    """Named as the model names them; persons are drawn anew."""
    sd = np.sqrt(np.diag(truth.covariance))
    return {
        "beta": np.array([truth.intercept, truth.effect]),
        "sd_id": np.array([truth.ability]),
        "sd_item": sd,
        "corr_item": truth.covariance / np.outer(sd, sd),
        "re_item": truth.items,
    }


def from_prior(model, rng: np.random.Generator) -> Truth:
    """Parameters and items from the priors."""
    from ilhte_bayes.models.prior_draws import draw_from_prior

    drawn = draw_from_prior(model, rng)
    sd = drawn["sd_item"].to_numpy()
    return Truth(
        *map(float, drawn["beta"].to_numpy()),
        float(drawn["sd_id"].to_numpy()[0]),
        drawn["corr_item"].to_numpy() * np.outer(sd, sd),
        drawn["re_item"].to_numpy(),
    )


def fitted(model, engine: str, seed: int):
    """Fit by an engine."""
    import ilhte_bayes as il

    if engine == "nuts":
        return il.sample(model, draws=500, tune=500, chains=2, seed=seed, progress=False)
    name, objective = engine.split()
    return getattr(il, name)(model, objective=objective)


def trial(seed: int, *, study: str, engine: str, persons: int, items: int) -> list[dict]:
    """One simulated trial: which intervals held the truth, and how long they were."""
    from ilhte_bayes.errors import IlhteWarning
    from ilhte_bayes.estimands.card import card_draws
    from ilhte_bayes.estimands.items import treatment_contrasts
    from ilhte_bayes.estimands.t_parts import mixture_interval
    from ilhte_bayes.models.simulated import simulate_answers

    rng = np.random.default_rng([seed, items, persons])
    model = base_model(persons, items)
    if study == "prior":
        truth = from_prior(model, rng)
    else:  # items held: the same whatever the seed
        drawn_by = np.random.default_rng(items) if study == "fixed, items held" else rng
        truth = fixed_truth(items, drawn_by)
    answered = simulate_answers(model, as_parameters(truth), rng).model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IlhteWarning)
        fit = fitted(answered, engine, seed)
    (contrast,) = treatment_contrasts(fit)
    (rows,) = card_draws(fit, "item", [contrast], items, "within_arm", "population").rows
    out, tails = [], [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    for key, true in truths(truth, rng).items():
        if study != "prior" and key[0].startswith("these") != (study == "fixed, items held"):
            continue
        lower, upper = mixture_interval(rows[key].values, rows[key].sd, tuple(tails))
        target = "these items" if key[0].startswith("these") else key[0]
        target = "a new test" if target.startswith("a new") else target
        out.append(
            {
                "target": target,
                "scale": key[1],
                "covered": lower <= true <= upper,
                "width": upper - lower,
                "missed": rows[key].middle - true,
            }
        )
    return out


def study_rows(study: str, engine: str, persons: int, items: int, trials: int, workers: int):
    """Coverage by target and scale, one row each."""
    run = partial(trial, study=study, engine=engine, persons=persons, items=items)
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            found = [row for rows in pool.map(run, range(trials), chunksize=2) for row in rows]
    else:
        found = [row for seed in range(trials) for row in run(seed)]
    by = pd.DataFrame(found).groupby(["target", "scale"], sort=False)
    table = by.agg(
        coverage=("covered", "mean"), mean_width=("width", "mean"), bias=("missed", "mean")
    ).reset_index()
    table["monte_carlo_se"] = np.sqrt(LEVEL * (1 - LEVEL) / trials)
    where = dict(zip(KEYS, (study, engine, items, persons), strict=True))
    for at, (key, value) in enumerate(where.items()):
        table.insert(at, key, value)
    return table.assign(trials=trials, versions=our_versions(), date=str(datetime.date.today()))


def write(table: pd.DataFrame, path: Path) -> None:
    """Add to the file, in place of earlier rows of the same kind."""
    if path.exists():
        old = pd.read_csv(path)
        new = table[KEYS].drop_duplicates().apply(tuple, axis=1).tolist()
        keep = [tuple(row) not in new for row in old[KEYS].itertuples(index=False)]
        table = pd.concat([old[keep], table])
    table.round(4).to_csv(path, index=False)


def main() -> None:
    """Run one of the studies."""
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    ask.add_argument("study", choices=["prior", "fixed"])
    ask.add_argument("--trials", type=int, default=200)
    ask.add_argument("--nuts-trials", type=int, default=0, help="of study 'fixed'")
    ask.add_argument("--persons", type=int, default=200)
    ask.add_argument("--items", type=int, nargs="+", default=None, help="10; of 'fixed' 8 and 20")
    ask.add_argument("--engines", nargs="+", choices=ENGINES[:3], default=ENGINES[:3])
    ask.add_argument("--workers", type=int, default=2)
    ask.add_argument("--out", type=Path, default=TABLE)
    given = ask.parse_args()
    if given.study == "prior":
        runs = [("prior", "nuts", items, given.trials) for items in given.items or [10]]
    else:
        engines = [(engine, given.trials) for engine in given.engines if given.trials]
        engines += [("nuts", given.nuts_trials)] if given.nuts_trials else []
        runs = [
            (f"fixed, items {how}", engine, items, trials)
            for items in given.items or [8, 20]
            for engine, trials in engines
            for how in ("drawn anew", "held")
        ]
    for study, engine, items, trials in runs:
        table = study_rows(study, engine, given.persons, items, trials, given.workers)
        write(table, given.out)
        shown = table.pivot(index="target", columns="scale", values="coverage")
        print(f"\n{study}, {engine}, {items} items, {trials} trials\n{shown.round(3)}", flush=True)


if __name__ == "__main__":
    main()
