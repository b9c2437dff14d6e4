"""Who took part, arm by arm, and how alike the arms were at the start."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.errors import ModelError, plural
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.models.model import Model
from ilhte_bayes.show.words import answer_words, arm_words, number, signed, unit_word

_MOST_ARMS = 10
_MOST_CATEGORIES = 7  # with a share each


@dataclass(frozen=True, slots=True)
class Arms:
    """The arm of every row."""

    words: tuple[str, ...]  # the reference first
    of_row: np.ndarray  # (row,) position in `words`


def arms_of(model: Model) -> Arms | None:
    """The arms, or None without a treatment in the formula, or for a dose of many values."""
    treatment, patterns = model.roles.treatment, model.responses.patterns
    if treatment is None or treatment not in patterns:
        return None
    column = patterns[treatment]
    if isinstance(column.dtype, pd.CategoricalDtype):
        values, codes = list(column.cat.categories), column.cat.codes.to_numpy()
    else:
        found, codes = np.unique(column.to_numpy(), return_inverse=True)
        values = found.tolist()
    if len(values) > _MOST_ARMS:
        return None
    words = tuple(arm_words(model, value) for value in values)
    return Arms(words, np.asarray(codes)[model.design.pattern])


def group_of_role(model: Model, role: str) -> Group | None:
    """The group of persons or items, or None where the model has none."""
    column = getattr(model.roles, role)
    if column is None:
        return None
    try:
        return model.design.group(column)
    except ModelError:
        return None


def arms_table(model: Model) -> pd.DataFrame:
    """Levels of every group, answers, and raw shares of answers, by arm and in all."""
    arms, design = arms_of(model), model.design
    everyone = np.ones(design.n_rows, dtype=bool)
    rows = [] if arms is None else [(w, arms.of_row == k) for k, w in enumerate(arms.words)]
    out = {}
    for words, here in [*rows, ("all", everyone)]:
        count = design.count[here]
        groups = {plural(unit_word(model, group)): _counted(group, here) for group in design.groups}
        total = {"answers": int(count.sum())}
        out[words] = groups | total | _shares(model, design.score[here], count)
    frame = pd.DataFrame.from_dict(out, orient="index")
    frame.index.name = "arm" if rows else ""
    return frame


def _counted(group: Group, here: np.ndarray) -> int:
    """Levels of these rows, or the persons that they stand for."""
    levels = np.unique(group.level[here])
    return levels.size if group.multiplicity is None else int(group.multiplicity[levels].sum())


def _shares(model: Model, score: np.ndarray, count: np.ndarray) -> dict[str, str]:
    """Share of the answer; of ordinal answers of each category, or the mean score if many."""
    levels = model.responses.response_coding.levels
    if not (model.family.ordinal or model.family.nominal):
        named = {f"share of {answer_words(model)}": 1}
    elif len(levels) > _MOST_CATEGORIES and model.family.ordinal:
        mean = float(np.average(score, weights=count))
        return {f"mean score (0 to {len(levels) - 1})": number(mean)}
    else:
        named = {f"share of {answer_words(model)} = {level}": k for k, level in enumerate(levels)}
    return {
        words: f"{100 * float(np.average(score == k, weights=count)):.0f} %"
        for words, k in named.items()
    }


def balance_table(model: Model) -> pd.DataFrame | None:
    """Covariates of persons by arm: mean (SD) or share, and standardised differences.

    Returns
    -------
    pandas.DataFrame or None
        One row for each covariate of the formula that is constant within persons, or for each of
        its levels. None where there is nothing to compare: no person or arm, persons who were in
        several arms, or a reduced table.

    Notes
    -----
    The difference of means from the reference arm over sqrt((s0^2 + s1^2) / 2), s the SDs of the
    two arms; of shares, with s^2 = p (1 - p).
    """
    person, arms = group_of_role(model, "person"), arms_of(model)
    if person is None or arms is None or model.design.reduced:
        return None
    first = _first_rows(person)
    arm = arms.of_row[first]
    if np.any(arm[person.level] != arms.of_row):
        return None
    rows = {}
    for name in model.responses.patterns.columns:
        if name == model.roles.treatment:
            continue
        for label, values, is_share in _measures(model, person, first, name):
            rows[label] = _compare(values, arm, arms.words, is_share=is_share)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("covariate")


def _first_rows(person: Group) -> np.ndarray:
    """(person,) the first row of each."""
    out = np.zeros(person.n_levels, dtype=np.int64)
    out[person.level[::-1]] = np.arange(person.level.size)[::-1]
    return out


def _measures(
    model: Model, person: Group, first: np.ndarray, name: str
) -> Iterator[tuple[str, np.ndarray, bool]]:
    """(label, values by person, whether they are 0 and 1) of a covariate constant within persons."""
    column = model.responses.patterns[name]
    categorical = isinstance(column.dtype, pd.CategoricalDtype)
    values = (column.cat.codes if categorical else column).to_numpy()[model.design.pattern]
    own = values[first]
    if np.any(own[person.level] != values):
        return
    if categorical:
        levels = column.cat.categories
        kept = range(1, 2) if len(levels) == 2 else range(len(levels))
        for k in kept:
            yield f"{name} = {levels[k]}", (own == k).astype(float), True
    else:
        yield name, own.astype(float), bool(np.isin(own, (0.0, 1.0)).all())


def _compare(
    values: np.ndarray, arm: np.ndarray, words: tuple[str, ...], *, is_share: bool
) -> dict[str, str]:
    parts = [values[arm == k] for k in range(len(words))]
    row = {}
    for word, part in zip(words, parts, strict=True):
        mean, sd = _moments(part, is_share=is_share)
        row[word] = f"{100 * mean:.0f} %" if is_share else f"{number(mean)} ({number(sd)})"
    for word, part in zip(words[1:], parts[1:], strict=True):
        title = "Standardised difference" + (f", {word}" if len(words) > 2 else "")
        row[title] = _difference(parts[0], part, is_share=is_share)
    return row


def _moments(part: np.ndarray, *, is_share: bool) -> tuple[float, float]:
    if part.size < 2:
        return float(part.mean()) if part.size else float("nan"), float("nan")
    mean = float(part.mean())
    return mean, float(np.sqrt(mean * (1 - mean))) if is_share else float(part.std(ddof=1))


def _difference(reference: np.ndarray, other: np.ndarray, *, is_share: bool) -> str:
    (m0, s0), (m1, s1) = (_moments(part, is_share=is_share) for part in (reference, other))
    pooled = float(np.sqrt((s0**2 + s1**2) / 2))
    return signed((m1 - m0) / pooled) if pooled > 0 else "-"
