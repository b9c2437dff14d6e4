"""What a prediction averages over: covariates and levels that are named, and all that is not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd

from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.estimands.named_levels import LevelNames
from ilhte_bayes.formulas.cuts import columns_at_cut
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.formulas.logits import columns_of_categories
from ilhte_bayes.formulas.new_values import (
    Values,
    coded_values,
    design_at,
    reference_rows,
    wanted_rows,
)
from ilhte_bayes.models.model import Model

Average = Literal["population", "typical", "observed"]
UNITS: dict[str, str] = {
    "typical": "typical unit",
    "population": "average over units",
    "observed": "answers observed",
}


_TOGETHER = 100_000  # covariate patterns whose columns are made at once


@dataclass(frozen=True, slots=True)
class Setting:
    """Cases whose probabilities are averaged with weights.

    A group stands in `levels` (the effects estimated for these are used), in `integrated` (averaged
    over its normal distribution), or in neither (its effects are 0).
    """

    x: np.ndarray  # (pattern, predictor, term)
    z: Mapping[str, np.ndarray]  # group -> (pattern, predictor, column)
    pattern: np.ndarray  # (case,)
    weight: np.ndarray  # (case,), adds up to 1
    levels: Mapping[str, np.ndarray]  # group -> (case,)
    integrated: tuple[str, ...]


def read_average(average: str) -> Average:
    """Check what the caller asked for."""
    if average not in UNITS:
        raise ModelError(
            f"average={average!r}; it is 'population' (over new units), 'typical' (a unit whose "
            "random effects are 0) or 'observed' (over the answers of the table)."
        )
    return average  # type: ignore[return-value]


def read_each(model: Model, each: str | None, average: Average, named: Sequence[str]) -> None:
    """Check that levels of a group can count alike.

    Raises
    ------
    ModelError
        If it is no group of the formula, all its answers are moved to a level that is named, or
        the average is none over the answers of the table.
    """
    if each is None:
        return
    groups = {group.name: group for group in model.design.groups}
    if each not in groups:
        raise ModelError(f"each={each!r}; it is a group of the formula: {listed(groups, 10)}.")
    if average != "observed":
        raise ModelError(
            f"each={each!r} weights the answers of the table; say average='observed', too."
        )
    if moved := [name for name in groups[each].variables if name in named]:
        raise ModelError(
            f"each={each!r}, and {moved[0]!r} is named: all answers are moved to the level named. "
            "Leave one of them out."
        )


def read_newdata(model: Model, newdata: Values) -> pd.DataFrame:
    """One row for each wanted prediction, with the covariates and groups that are named.

    Raises
    ------
    DataError
        If something else is named.
    """
    covariates = list(map(str, model.responses.patterns.columns))
    groups = dict.fromkeys(name for group in model.design.groups for name in group.variables)
    known = covariates + [name for name in groups if name not in covariates]
    return wanted_rows(newdata, known, "a covariate or a group of the formula", covariates)


def make_settings(
    model: Model,
    rows: Sequence[Mapping[str, Any]],
    average: Average,
    shifts: Sequence[Mapping[str, float]] = (),
    each: str | None = None,
) -> list[Setting]:
    """Put what is not named in rows of `newdata` at what `average` says.

    Parameters
    ----------
    model : Model
    rows : sequence of mapping
        Covariate or group -> value.
    average : {"population", "typical", "observed"}
    shifts : sequence of mapping, optional
        For each row what is added to numeric covariates, for slopes.
    each : str, optional
        Group whose levels count alike, with "observed"; every answer counts alike without it.
    """
    names = LevelNames(model)
    levels = [names.levels(row) for row in rows]
    cases = [
        _covariates(model, row, names.covariates(named), average, each)
        for row, named in zip(rows, levels, strict=True)
    ]
    for case, shift in zip(cases, shifts, strict=False):
        moved = {name: case.frame[name].astype(float) + step for name, step in shift.items()}
        case.frame = case.frame.assign(**moved)
    out: list[Setting] = []
    for part in _batches([len(case.frame) for case in cases]):
        columns = _columns(model, [case.frame for case in cases[part]])
        for case, named, (x, z) in zip(cases[part], levels[part], columns, strict=True):
            known, integrated = _effects(model, named, case.pattern.size, average)
            weight = case.weight / case.weight.sum()
            out.append(Setting(x, z, case.pattern, weight, known, integrated))
    return out


@dataclass(slots=True)
class _Cases:
    """Cases of one average before their columns are made."""

    frame: pd.DataFrame  # (pattern, covariate), coded
    pattern: np.ndarray  # (case,)
    weight: np.ndarray  # (case,)


def _batches(sizes: list[int]) -> list[slice]:
    """Neighbours whose columns are made together, which is quicker, as far as memory bears it."""
    total = np.cumsum(sizes) // _TOGETHER
    starts = [0, *(np.flatnonzero(np.diff(total)) + 1).tolist(), len(sizes)]
    return [slice(a, b) for a, b in pairwise(starts)]


def _columns(
    model: Model, frames: list[pd.DataFrame]
) -> list[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Columns of every predictor for each of several frames."""
    together = pd.concat(frames, ignore_index=True)
    if together.empty and together.shape[1] == 0:  # a model without covariates
        together = pd.DataFrame(index=range(sum(map(len, frames))))
    x, z = predictors(design_at(model.formula, model.responses, model.design, together), model)
    ends = np.cumsum([len(frame) for frame in frames])
    pieces = [slice(end - len(frame), end) for end, frame in zip(ends, frames, strict=True)]
    return [(x[at], {name: own[at] for name, own in z.items()}) for at in pieces]


def _effects(
    model: Model, named: Mapping[str, int], size: int, average: Average
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Levels whose estimated effects are used, and groups that are averaged over."""
    levels, integrated = {}, []
    for group in model.design.groups:
        level = named.get(group.name)
        if level is not None and level >= 0:
            levels[group.name] = np.full(size, level)
        elif average == "observed" and level is None:
            levels[group.name] = group.level
        elif average != "typical":
            integrated.append(group.name)
    return levels, tuple(integrated)


def _covariates(
    model: Model,
    row: Mapping[str, Any],
    known: Mapping[str, int],
    average: Average,
    each: str | None,
) -> _Cases:
    """Covariate values, and each case's row of them and weight."""
    design, responses = model.design, model.responses
    patterns = responses.patterns
    given = [name for name in patterns.columns if name in row]
    named = {name: coded_values(responses, name, pd.Series([row[name]])) for name in given}
    for name, at in known.items():
        if name not in named:
            named[name] = patterns[name].iloc[[at]].reset_index(drop=True)
    if average == "typical":
        frame, _ = reference_rows(responses, 1)
        return _Cases(frame.assign(**named), np.zeros(1, dtype=int), np.ones(1))
    rest = patterns.drop(columns=list(named))
    kind = np.zeros(len(patterns), dtype=int)
    if rest.shape[1]:
        kind = rest.groupby(list(rest.columns), observed=True, sort=False).ngroup().to_numpy()
    first = np.unique(kind, return_index=True)[1]
    frame = patterns.iloc[first].reset_index(drop=True)
    frame = frame.assign(**{name: _repeated(value, len(frame)) for name, value in named.items()})
    own = kind[design.pattern]
    if average == "observed":
        return _Cases(frame, own, _weights(design, each))
    return _Cases(frame, np.arange(len(frame)), np.bincount(own, design.count, len(frame)))


def _weights(design: Design, each: str | None) -> np.ndarray:
    """(row,) answers that a row stands for; as a share of its level's where levels count alike."""
    count = design.count.astype(float)
    if each is None:
        return count
    level = design.group(each).level
    return np.asarray(count / np.bincount(level, count)[level])


def _repeated(value: pd.Series, n: int) -> pd.Series:
    return value.iloc[np.zeros(n, dtype=int)].reset_index(drop=True)


def predictors(design: Design, model: Model) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Columns of every predictor of an answer, (pattern, predictor, ...).

    One of binary answers; of cumulative logits one for each threshold, of being above it; of other
    families one for each category but the first, against it.
    """
    if design.n_categories:
        columns = columns_of_categories(design)
    elif design.n_cuts:
        columns = [columns_at_cut(design, k) for k in range(design.n_cuts)]
    else:
        columns = [(design.x, [group.z for group in design.groups])]
    z = {
        group.name: np.stack([own[g] for _, own in columns], axis=1)
        for g, group in enumerate(model.design.groups)
    }
    return np.stack([x for x, _ in columns], axis=1), z


def setting_words(
    model: Model, given: pd.DataFrame, average: Average, each: str | None = None
) -> list[str]:
    """What was averaged over, or held, in sentences."""
    design = model.design
    names = LevelNames(model)
    rows = [names.levels(row) for row in given.to_dict("records")]
    own = [g.name for g in design.groups if any(row.get(g.name, -1) >= 0 for row in rows)]
    new = [g.name for g in design.groups if any(row.get(g.name, 0) < 0 for row in rows)]
    others = [g.name for g in design.groups if g.name not in own]
    first = next((row for row in rows if any(level >= 0 for level in row.values())), {})
    fixed = [name for name in names.covariates(first) if name not in given]
    covariates = [str(c) for c in model.responses.patterns if c not in given and c not in fixed]
    words = [_average_words(model, covariates, others, average, each)]
    if own:
        effects = f"{_plain(own)}: effects as estimated for the levels named"
        words.append(f"{effects}{f'; {_plain(fixed)} as theirs' if fixed else ''}.")
    if new:
        what = "0" if average == "typical" else "averaged over as those of new units"
        words.append(f"{_plain(new)}: effects of levels that are not in the table are {what}.")
    return words


def _average_words(
    model: Model, covariates: list[str], others: list[str], average: Average, each: str | None
) -> str:
    n = f"{model.design.n_obs:,}"
    if average == "typical":
        held = [
            w for name, w in reference_rows(model.responses, 1)[1].items() if name in covariates
        ]
        zero = f"random effects of {_plain(others)} are 0" if others else "nothing is left open"
        return f"Typical unit: {zero}." + (f" Held: {', '.join(held)}." if held else "")
    if average == "observed":
        keep = [*covariates, *others]
        as_is = f", each with its own {_plain(keep)}" if keep else ""
        effects = f" (effects of {_plain(others)} as estimated)" if others else ""
        mean = f"the mean over the table's {n} answers"
        if each:
            levels = model.design.group(each).n_levels
            mean = f"the mean over {levels:,} levels of {each}, each of the mean over its answers"
        return f"Answers observed: {mean}{as_is}{effects}."
    parts = [f"new units of {_plain(others)} (normal random effects)"] if others else []
    if covariates:
        parts.append(f"{_plain(covariates)} as in the table's {n} answers")
    if not parts:
        return "Average over units: nothing is left to average over."
    return f"Average over units: the mean probability over {' and '.join(parts)}."


def _plain(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
