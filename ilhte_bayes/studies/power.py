"""Power of planned trials: simulated over a grid of sizes, with closed forms beside."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from ilhte_bayes.errors import ModelError, is_whole_number, require_whole
from ilhte_bayes.estimands.card_notes import TOO_OFTEN, VERY_FEW_ITEMS
from ilhte_bayes.fits.progress import steps
from ilhte_bayes.studies.closed_form import average_df, closed_form
from ilhte_bayes.studies.power_trials import Chunk, Engine, run_chunk
from ilhte_bayes.studies.trial import Trial
from ilhte_bayes.studies.workers import in_processes

_CHUNK = 50  # trials that one process takes at a time; models are built anew for each
_SIZES = ("persons", "items", "clusters")
_ENOUGH = 0.8  # power that planners ask for
_CURVE = 60  # points of a curve


@dataclass(frozen=True, repr=False, eq=False)
class Power:
    """Power of each design; prints as tables.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index (design); its sizes and what else differs between designs, then

        - `n`, `failed`: trials fitted, and not;
        - `power` of the average effect and `power_items`, that sigma_zeta > 0 is found;
        - `se`: SD of the estimates over trials; `mean_se`: what fits say it is (root mean square);
        - `bias` and `coverage` (95 % interval) of the average effect;
        - `width`: median of the 95 % interval of one new item's effect, `coverage_new`: how often
          it holds it; `at_zero`: share of trials with sigma_zeta estimated at 0;
        - `<name>_mc`: Monte Carlo standard errors;
        - `se_closed`, `power_closed`, `power_items_closed`, `width_closed`, and `floor`
          (sigma_zeta / sqrt(items)), `limit` and `highest` (SE and power with persons without
          number), see `studies.closed_form`.

        Effects, SEs and widths in logits.
    trials : pandas.DataFrame
        One row for each simulated trial.
    failures : pandas.DataFrame
        Index (design, reason); `trials`.
    plans : tuple of Trial
    alpha : float
        Of both tests.
    engine : str
    seed : int
    seconds : float
    """

    frame: pd.DataFrame
    trials: pd.DataFrame
    failures: pd.DataFrame
    plans: tuple[Trial, ...]
    alpha: float
    engine: str
    seed: int
    seconds: float

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers."""
        return self.frame

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def differing(self) -> list[str]:
        """Sizes, and the fields in which plans differ."""
        own = {name: [getattr(plan, name) for plan in self.plans] for name in _fields()}
        some = [name for name, values in own.items() if len(set(values)) > 1]
        return ["persons", "items", *(name for name in some if name not in ("persons", "items"))]

    def curves(self) -> pd.DataFrame:
        """Closed forms at every number of persons, for each set of plans that differ in it alone.

        Returns
        -------
        pandas.DataFrame
            `curve` (number), `words`, `persons`, `se`, `floor`, `power`, `power_items`.
        """
        rows = []
        for number, (words, designs) in enumerate(self.lines().items()):
            plans = [self.plans[k] for k in designs]
            plan = plans[0]
            sizes = [p.persons for p in plans]
            first = max(min(sizes) // 2, 2 * plan.clusters, 8)
            for n in np.unique(np.geomspace(first, 2 * max(sizes), _CURVE).astype(int)):
                try:
                    at = closed_form(plan.changed(persons=int(n)), alpha=self.alpha)
                except ModelError:  # so few that an arm is empty
                    continue
                rows.append(
                    {"curve": number, "words": words, "persons": n, "se": at.se,
                     "floor": at.limit, "power": at.power, "power_items": at.power_items}
                )  # fmt: skip
        return pd.DataFrame(rows)

    def lines(self) -> dict[str, list[int]]:
        """Designs that differ in persons alone, under what they share."""
        names = [name for name in self.differing if name != "persons"]
        out: dict[str, list[int]] = {}
        for k, plan in enumerate(self.plans):
            words = ", ".join(_in_words(name, getattr(plan, name)) for name in names)
            out.setdefault(words, []).append(k)
        return out

    @property
    def notes(self) -> tuple[str, ...]:
        """How to read the tables, and what persons cannot buy."""
        return tuple(_persons_cannot(self) + _reading(self))

    def __repr__(self) -> str:
        from ilhte_bayes.show.power_words import describe_power

        return describe_power(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.power_words import power_html

        return power_html(self)


def power(
    trial: Trial | Sequence[Trial],
    *,
    persons: Sequence[int] | int | None = None,
    items: Sequence[int] | int | None = None,
    clusters: Sequence[int] | int | None = None,
    n: int = 200,
    alpha: float = 0.05,
    engine: Engine = "quadrature",
    seed: int = 1,
    workers: int | None = None,
    progress: bool = True,
) -> Power:
    """Simulate planned trials and count what they find.

    Parameters
    ----------
    trial : Trial or sequence of Trial
        True parameters, and sizes where the next arguments do not give them.
    persons, items, clusters : int or sequence of int, optional
        Sizes; all combinations are tried.
    n : int
        Trials of each design.
    alpha : float
        Of both tests.
    engine : {"quadrature", "laplace"}
        Maximum likelihood with persons integrated out exactly, or by Laplace as glmer's.
    seed : int
        Of everything random: trial k of a design depends on the seed, k and the design alone, not
        on the grid or on `workers`.
    workers : int, optional
        Processes; one for each core by default.
    progress : bool
        Whether to say on standard error how far it is, with the time left.

    Returns
    -------
    Power

    Raises
    ------
    ModelError
        If a design is impossible.

    Notes
    -----
    The model is that which made the answers, `(treat | item)` with covariates, clusters and item
    features where the plan has any; discriminations are left out of it. The average effect is
    tested by t with the degrees of freedom of `il.effect_card`'s interval for the item population
    (Satterthwaite's; where clusters are treated at most clusters - 2). sigma_zeta > 0 is tested by the likelihood ratio against `(1 | item)`, with the boundary
    mixture 1/2 chi2_1 + 1/2 chi2_2. A new item's interval is `il.effect_card`'s: where sigma_zeta
    is estimated at 0 it leaves the spread out. Arms, clusters, covariate and who answers what are
    drawn once a design; items, persons and answers for every trial.

    Each answer adds to what is known of a person, each person to the average over *these* items;
    the average over items like these, and so its SE, ends at sigma_zeta / sqrt(items). The closed
    forms, with that floor, are derived in `studies.closed_form`.

    References
    ----------
    Self & Liang (1987), J. Am. Stat. Assoc. 82, 605-610; Westfall, Kenny & Judd (2014), J. Exp.
    Psychol. Gen. 143, 2020-2045, on power where stimuli are sampled.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> plan = il.Trial(persons=60, items=6, effect=0.6)
    >>> found = il.power(plan, n=4, engine="laplace", workers=1, progress=False)
    >>> found.frame[["persons", "items", "n"]].iloc[0].tolist()
    [60, 6, 4]
    """
    require_whole(n=n, workers=1 if workers is None else workers)
    require_whole(0, seed=seed)
    if engine not in ("quadrature", "laplace"):
        raise ModelError(f"engine={engine!r}; it is 'quadrature' or 'laplace'.")
    if not 0 < alpha < 1:
        raise ModelError(f"alpha={alpha!r}; it is a probability, such as 0.05.")
    began = time.perf_counter()
    plans = tuple(_grid(trial, {"persons": persons, "items": items, "clusters": clusters}))
    # the dearest first, so that no process is left with it at the end
    order = sorted(range(len(plans)), key=lambda k: -plans[k].persons * plans[k].items)
    chunks = [
        Chunk(k, plans[k], seed, engine, range(first, min(first + _CHUNK, n)))
        for k in order
        for first in range(0, n, _CHUNK)
    ]
    words = f"{len(plans)} designs of {n} trials"
    trials = pd.concat(
        list(_results(chunks, workers, words if progress else "")), ignore_index=True
    )
    trials = trials.sort_values(["design", "trial"], ignore_index=True)
    failed = trials[trials["failed"] != ""]
    return Power(
        frame=_summary(plans, trials, alpha),
        trials=trials,
        failures=failed.groupby(["design", "failed"]).size().rename("trials").to_frame()
        .rename_axis(["design", "reason"]),
        plans=plans,
        alpha=alpha,
        engine=engine,
        seed=seed,
        seconds=time.perf_counter() - began,
    )  # fmt: skip


def _grid(trial: Trial | Sequence[Trial], sizes: dict) -> list[Trial]:
    """Every trial at every size."""
    trials = [trial] if isinstance(trial, Trial) else list(trial)
    if not trials or not all(isinstance(one, Trial) for one in trials):
        raise ModelError(
            "il.power takes a Trial, or several. Write il.power(il.Trial(effect=0.3, "
            "sigma_zeta=0.2), persons=[250, 500, 1000], items=[10, 20, 40])."
        )
    lists = {
        name: [int(values)] if is_whole_number(values, 0) else [int(v) for v in values]
        for name, values in sizes.items()
        if values is not None
    }
    out = [
        one.changed(**dict(zip(lists, each, strict=True)))
        for one in trials
        for each in product(*lists.values())
    ]
    return list(dict.fromkeys(out))


def _results(chunks: Sequence[Chunk], workers: int | None, words: str) -> Iterator[pd.DataFrame]:
    """Results as they come."""
    results = in_processes(run_chunk, chunks, workers)
    yield from steps(results, len(chunks), words) if words else results


def _summary(plans: Sequence[Trial], trials: pd.DataFrame, alpha: float) -> pd.DataFrame:
    rows = []
    for k, plan in enumerate(plans):
        own = trials[trials["design"] == k]
        fitted = own[own["failed"] == ""]
        sizes = {name: getattr(plan, name) for name in _fields() if _shown(plans, name)}
        simulated = _simulated(plan, fitted, alpha) if len(fitted) else {}
        planned = closed_form(plan, alpha=alpha)
        closed = {
            "se_closed": planned.se, "power_closed": planned.power,
            "power_items_closed": planned.power_items, "width_closed": planned.width,
            "floor": planned.floor, "limit": planned.limit, "highest": planned.highest,
        }  # fmt: skip
        failed = len(own) - len(fitted)
        rows.append(sizes | {"n": len(fitted), "failed": failed} | simulated | closed)
    return pd.DataFrame(rows, index=pd.RangeIndex(len(plans), name="design"))


def _simulated(plan: Trial, fitted: pd.DataFrame, alpha: float) -> dict[str, float]:
    """What the trials of one design say, each number with its Monte Carlo standard error."""
    n = len(fitted)
    estimate, se = fitted["estimate"].to_numpy(float), fitted["se"].to_numpy(float)
    out: dict[str, float] = {}
    for name, hits in (
        ("power", fitted["p"] < alpha),
        ("power_items", fitted["p_items"] < alpha),
        ("coverage", fitted["covers"]),
    ):
        share = float(np.mean(hits.to_numpy(float)))
        out |= {name: share, f"{name}_mc": share_error(share, n)}
    sd = float(np.std(estimate, ddof=1)) if n > 1 else math.nan
    new = fitted["covers_new"].to_numpy(float)
    return out | {
        "se": sd,
        "se_mc": sd / math.sqrt(2 * max(n - 1, 1)),
        "mean_se": float(np.sqrt(np.mean(se**2))),
        "bias": float(estimate.mean() - plan.effect),
        "bias_mc": sd / math.sqrt(n),
        "width": float(fitted["width"].median()),
        "width_mc": 1.2533 * float(fitted["width"].std()) / math.sqrt(n),
        "coverage_new": float(new.mean()),
        "coverage_new_mc": float(new.std() / math.sqrt(n)),
        "at_zero": float((fitted["sigma_zeta"] < 1e-3).mean()),
    }


def share_error(share: float, n: int) -> float:
    """Monte Carlo standard error of a share; of 0 and 1 too (Agresti & Coull's two of each)."""
    middle = (share * n + 2.0) / (n + 4.0)
    return math.sqrt(middle * (1.0 - middle) / (n + 4.0))


def _fields() -> list[str]:
    return list(Trial.__dataclass_fields__)


def _shown(plans: Sequence[Trial], name: str) -> bool:
    always = name in ("persons", "items", "effect", "sigma_zeta")
    return always or len({getattr(plan, name) for plan in plans}) > 1


def _in_words(name: str, value: object) -> str:
    return f"{value} {name}" if name in _SIZES else f"{name.replace('_', ' ')} {value}"


def _persons_cannot(found: Power) -> list[str]:
    """A sentence for each set of designs in which more persons would not do."""
    groups: dict[tuple[float, float], list[int]] = {}
    for k, row in enumerate(found.frame.itertuples()):
        groups.setdefault((round(row.limit, 6), round(row.highest, 4)), []).append(k)
    notes = []
    for (limit, highest), designs in groups.items():
        plan, rows = found.plans[designs[0]], found.frame.iloc[designs]
        share = float((limit / rows["se_closed"].min()) ** 2)
        if limit == 0.0 or (highest >= _ENOUGH and share < 0.5):
            continue
        where = f"{plan.items} items" + (f", {plan.clusters} clusters" if plan.by_cluster else "")
        cure = "items, or clusters," if plan.by_cluster else "items"
        text = (
            f"{where}: more persons cannot bring the SE of the average effect below {limit:.3f}; its "
            f"power is then {highest:.2f} at most, by {_tested_by(plan, limit)}"
        )
        text += f": add {cure} instead." if highest < _ENOUGH else (
            f"; {100 * share:.0f} % of the variance is of items already with "
            f"{int(rows['persons'].max()):,} persons."
        )  # fmt: skip
        notes.append(text)
    return notes


def _tested_by(plan: Trial, limit: float) -> str:
    """The average effect's test with persons without number."""
    df = average_df(plan, plan.sigma_zeta**2, limit)
    return f"t with {df:.0f} degrees of freedom" if math.isfinite(df) else "z"


def _reading(found: Power) -> list[str]:
    notes = [
        f"Tests at {found.alpha:g}: the average effect by t, sigma_zeta > 0 by likelihood ratio "
        "(boundary mixture). ± is the Monte Carlo standard error; in brackets the closed form.",
        "floor: sigma_zeta / sqrt(items), below which no number of persons brings the SE; at most: "
        "power with persons without number, by t with the degrees of freedom that are then left.",
    ]
    if any(plan.items <= VERY_FEW_ITEMS and plan.sigma_zeta for plan in found.plans):
        notes.append(
            f"With {VERY_FEW_ITEMS} items or fewer the test of maximum likelihood exceeds its level, since "
            f"sigma_zeta is often estimated too small ({TOO_OFTEN}): simulated power is too high, and "
            "may be above the most that t allows. Intervals of draws, il.sample(model), are not too "
            "short for the item population."
        )
    for whole in sorted({plan.by_cluster for plan in found.plans if plan.clusters}):
        notes.append(
            "Whole clusters are treated (by_cluster=True)."
            if whole
            else "Persons are randomised within clusters; by_cluster=True treats whole ones."
        )
    if any(plan.sd_discrimination for plan in found.plans):
        notes.append(
            "Items discriminate differently in truth and alike in the model: what is found of "
            "sigma_zeta may be that, and `bias` is against the effect on ability."
        )
    if found.frame.get("at_zero") is not None and found.frame["at_zero"].max() > 0.1:
        notes.append(
            f"sigma_zeta is estimated at 0 in up to {100 * found.frame['at_zero'].max():.0f} % of "
            "trials; a new item's interval is too narrow in these. MAP or NUTS avoids that."
        )
    for (design, reason), count in found.failures["trials"].items():
        notes.append(f"Design {design}: {count} trials left out: {reason}.")
    return notes
