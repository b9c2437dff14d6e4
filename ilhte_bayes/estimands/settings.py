"""What a prediction averages over: covariates and levels that are named, and all that is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from ilhte_bayes.errors import DataError, ModelError, listed
from ilhte_bayes.estimands.levels import levels_above
from ilhte_bayes.formulas.cuts import columns_at_cut
from ilhte_bayes.formulas.design import Design, Group
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


def read_newdata(model: Model, newdata: Values) -> pd.DataFrame:
    """One row for each wanted prediction, with the covariates and groups that are named.

    Raises
    ------
    DataError
        If something else is named.
    """
    known = list(map(str, model.responses.patterns.columns))
    groups = dict.fromkeys(name for group in model.design.groups for name in group.variables)
    known += [name for name in groups if name not in known]
    given = wanted_rows(newdata, known, "a covariate or a group of the formula")
    if isinstance(newdata, pd.DataFrame) and not given.shape[1]:
        raise DataError(
            f"newdata has none of the formula's columns, {listed(known, 10)}. Name its columns as "
            "the table's."
        )
    return given


def make_setting(
    model: Model, row: Mapping[str, Any], average: Average, shift: Mapping[str, float] | None = None
) -> Setting:
    """Put what is not named in a row of `newdata` at what `average` says.

    Parameters
    ----------
    model : Model
    row : mapping
        Covariate or group -> value.
    average : {"population", "typical", "observed"}
    shift : mapping, optional
        Added to numeric covariates, for slopes.
    """
    design, responses = model.design, model.responses
    named = named_levels(design, row)
    frame, pattern, weight = _covariates(model, row, named, average)
    for name, step in (shift or {}).items():
        frame = frame.assign(**{name: frame[name].astype(float) + step})
    x, z = predictors(design_at(model.formula, responses, design, frame), model)
    levels, integrated = {}, []
    for group in design.groups:
        level = named.get(group.name)
        if level is not None and level >= 0:
            levels[group.name] = np.full(pattern.size, level)
        elif average == "observed" and level is None:
            levels[group.name] = group.level
        elif average != "typical":
            integrated.append(group.name)
    return Setting(x, z, pattern, weight / weight.sum(), levels, tuple(integrated))


def _covariates(
    model: Model, row: Mapping[str, Any], levels: Mapping[str, int], average: Average
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Covariate values, and each case's row of them and weight."""
    design, responses = model.design, model.responses
    patterns = responses.patterns
    given = [name for name in patterns.columns if name in row]
    named = {name: coded_values(responses, name, pd.Series([row[name]])) for name in given}
    for name, at in _known_by_level(model, levels).items():
        if name not in named:
            named[name] = patterns[name].iloc[[at]].reset_index(drop=True)
    if average == "typical":
        frame, _ = reference_rows(responses, 1)
        return frame.assign(**named), np.zeros(1, dtype=int), np.ones(1)
    rest = patterns.drop(columns=list(named))
    kind = np.zeros(len(patterns), dtype=int)
    if rest.shape[1]:
        kind = rest.groupby(list(rest.columns), observed=True, sort=False).ngroup().to_numpy()
    first = np.unique(kind, return_index=True)[1]
    frame = patterns.iloc[first].reset_index(drop=True)
    frame = frame.assign(**{name: _repeated(value, len(frame)) for name, value in named.items()})
    own = kind[design.pattern]
    if average == "observed":
        return frame, own, design.count.astype(float)
    return frame, np.arange(len(frame)), np.bincount(own, design.count, len(frame))


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


def named_levels(design: Design, row: Mapping[str, Any]) -> dict[str, int]:
    """Group -> position of the level that a row names, or -1 for one that is not in the data.

    What a named level lies in, a person's school, is known with it.
    """
    found = {group.name: _named_level(group, row) for group in design.groups}
    named = {name: level for name, level in found.items() if level is not None}
    if not named:
        return {}
    above = levels_above(design)
    for name, level in list(named.items()):
        for outer in above[name]:
            if outer not in named and level >= 0:
                at = int(np.argmax(design.group(name).level == level))
                named[outer] = int(design.group(outer).level[at])
    return named


def _known_by_level(model: Model, levels: Mapping[str, int]) -> dict[str, int]:
    """Covariates that belong to named levels, an item's features or a person's arm: their pattern."""
    design, patterns = model.design, model.responses.patterns
    out: dict[str, int] = {}
    for group in design.groups:
        at = levels.get(group.name, -1)
        if at < 0:
            continue
        first = np.unique(group.level, return_index=True)[1]
        for name in map(str, patterns.columns):
            code = pd.factorize(patterns[name])[0][design.pattern]
            if np.array_equal(code, code[first][group.level]):
                out.setdefault(name, int(design.pattern[first[at]]))
    return out


def _named_level(group: Group, row: Mapping[str, Any]) -> int | None:
    """Position of a named level; -1 for one that is not in the data, None for none named.

    Of nested groups, `school:id`, all variables are named, or the innermost alone if its ids say
    which level it is.
    """
    inner = group.variables[-1]
    if inner not in row or pd.isna(row[inner]):
        return None
    labels = [str(label) for label in group.labels]
    given = [row.get(name) for name in group.variables]
    if not any(pd.isna(value) for value in given):
        wanted = ":".join(_text(value) for value in given)
        return labels.index(wanted) if wanted in labels else -1
    found = [k for k, label in enumerate(labels) if label.endswith(f":{_text(row[inner])}")]
    if len(found) > 1:
        raise DataError(
            f"{inner} = {row[inner]!r} is found in {len(found)} levels of {group.name}, first "
            f"{labels[found[0]]!r}. Name {_plain([v for v in group.variables if v not in row])} too."
        )
    return found[0] if found else -1


def _text(value: object) -> str:
    """A level's name: whole numbers without a point."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def setting_words(model: Model, given: pd.DataFrame, average: Average) -> list[str]:
    """What was averaged over, or held, in sentences."""
    design = model.design
    rows = [named_levels(design, row) for row in given.to_dict("records")]
    own = [g.name for g in design.groups if any(row.get(g.name, -1) >= 0 for row in rows)]
    new = [g.name for g in design.groups if any(row.get(g.name, 0) < 0 for row in rows)]
    others = [g.name for g in design.groups if g.name not in own]
    first = next((row for row in rows if any(level >= 0 for level in row.values())), {})
    fixed = [name for name in _known_by_level(model, first) if name not in given]
    covariates = [str(c) for c in model.responses.patterns if c not in given and c not in fixed]
    words = [_average_words(model, covariates, others, average)]
    if own:
        effects = f"{_plain(own)}: effects as estimated for the levels named"
        words.append(f"{effects}{f'; {_plain(fixed)} as theirs' if fixed else ''}.")
    if new:
        what = "0" if average == "typical" else "averaged over as those of new units"
        words.append(f"{_plain(new)}: effects of levels that are not in the table are {what}.")
    return words


def _average_words(model: Model, covariates: list[str], others: list[str], average: Average) -> str:
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
        return f"Answers observed: the mean over the table's {n} answers{as_is}{effects}."
    parts = [f"new units of {_plain(others)} (normal random effects)"] if others else []
    if covariates:
        parts.append(f"{_plain(covariates)} as in the table's {n} answers")
    if not parts:
        return "Average over units: nothing is left to average over."
    return f"Average over units: the mean probability over {' and '.join(parts)}."


def _plain(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
