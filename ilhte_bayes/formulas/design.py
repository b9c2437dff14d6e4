"""Design: the numbers of a formula on a checked table, with every column and level named."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ilhte_bayes.data.responses import Needed, Responses
from ilhte_bayes.errors import FormulaError, ModelError, listed
from ilhte_bayes.formulas.columns import build_columns, variables
from ilhte_bayes.formulas.grammar import Formula


@dataclass(frozen=True, slots=True)
class Group:
    """The random effects of one grouping factor.

    Columns within a block are correlated; blocks are independent of each other.
    """

    name: str
    variables: tuple[str, ...]
    columns: tuple[str, ...]
    blocks: tuple[tuple[int, ...], ...]  # positions in `columns`, consecutive
    z: np.ndarray  # (pattern, column)
    level: np.ndarray  # (row,) int32
    labels: np.ndarray  # (level,)

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return len(self.labels)

    @property
    def n_columns(self) -> int:
        """Number of random effects of each level."""
        return len(self.columns)


@dataclass(frozen=True, slots=True)
class Design:
    """Linear predictor of row r: x[pattern[r]] @ beta + sum over groups z[pattern[r]] @ re[level[r]]."""

    terms: tuple[str, ...]
    x: np.ndarray  # (pattern, term)
    pattern: np.ndarray  # (row,) int32
    score: np.ndarray  # (row,) int8
    count: np.ndarray  # (row,) int32
    groups: tuple[Group, ...]
    n_obs: int

    @property
    def n_rows(self) -> int:
        """Number of distinct rows."""
        return self.score.size

    def group(self, name: str) -> Group:
        """Return the group of this name, or of this innermost variable (`teacher`)."""
        for group in self.groups:
            if group.name == name:
                return group
        inner = [group for group in self.groups if group.variables[-1] == name]
        if len(inner) == 1:
            return inner[0]
        raise ModelError(
            f"no random effects for {name!r}; the model has them for "
            f"{listed([group.name for group in self.groups])}. Name one of these."
        )


def needed_columns(formula: Formula, columns: list[str]) -> Needed:
    """List the table's columns that a formula uses."""
    sides = [formula.fixed, *(term.columns for term in formula.random)]
    covariates = dict.fromkeys(name for side in sides for name in variables(side, columns))
    return Needed(
        response=formula.response,
        covariates=tuple(covariates),
        groups=tuple(dict.fromkeys(term.group for term in formula.random)),
    )


def build_design(formula: Formula, responses: Responses, *, intercept: bool = True) -> Design:
    """Evaluate a formula on checked responses.

    Parameters
    ----------
    formula : Formula
    responses : Responses
    intercept : bool
        Ordinal families have thresholds instead: columns are built with an intercept, which is
        then dropped, so that factors keep their reference level.

    Raises
    ------
    ModelError
        If a fixed column is constant, infinite or a combination of others, a group has one level,
        or a random column stands twice in one group.
    """
    answers = np.repeat(responses.pattern, responses.count)
    terms, x = build_columns(formula.fixed, responses.patterns, answers)
    if not intercept and "Intercept" in terms:
        keep = [at for at, name in enumerate(terms) if name != "Intercept"]
        terms, x = tuple(terms[at] for at in keep), x[:, keep]
    _check_fixed(terms, x, has_cuts=not intercept)
    parts: dict[str, list[tuple[tuple[str, ...], np.ndarray, bool]]] = {}
    for term in formula.random:
        built = build_columns(term.columns, responses.patterns, answers)
        parts.setdefault(term.name, []).append((*built, term.correlated))
    paths = {term.name: term.group for term in formula.random}
    groups = tuple(
        _build_group(name, paths[name], pieces, responses) for name, pieces in parts.items()
    )
    return Design(
        terms=terms,
        x=x,
        pattern=responses.pattern,
        score=responses.score,
        count=responses.count,
        groups=groups,
        n_obs=responses.n_obs,
    )


def _build_group(
    name: str,
    path: tuple[str, ...],
    pieces: list[tuple[tuple[str, ...], np.ndarray, bool]],
    responses: Responses,
) -> Group:
    columns = [column for names, _, _ in pieces for column in names]
    if repeated := sorted({column for column in columns if columns.count(column) > 1}):
        raise FormulaError(
            f"random column {listed(repeated)} stands twice for group {name}. An intercept is "
            f"implied: write (0 + x | {name}) beside (1 | {name}), or (1 + x || {name})."
        )
    z = np.hstack([matrix for _, matrix, _ in pieces])
    _check_random(name, columns, z)
    blocks: list[tuple[int, ...]] = []
    at = 0
    for names, _, correlated in pieces:
        here = tuple(range(at, at + len(names)))
        blocks.extend([here] if correlated else [(k,) for k in here])
        at += len(names)
    labels = responses.coords[name]
    if len(labels) < 2:
        raise ModelError(
            f"group {name} has one level, {labels[0]!r}: a spread between levels cannot be "
            f"estimated from one. Drop the term ( ... | {name}), or check the column."
        )
    return Group(
        name=name,
        variables=path,
        columns=tuple(columns),
        blocks=tuple(blocks),
        z=np.ascontiguousarray(z),
        level=responses.levels[name],
        labels=labels,
    )


def _check_random(name: str, columns: list[str], z: np.ndarray) -> None:
    bad = [column for column, values in zip(columns, z.T, strict=True) if not _usable(values)]
    if bad:
        raise ModelError(
            f"random column {listed(bad)} of group {name} is zero in every row, infinite or not a "
            f"number. Drop it from ( ... | {name}), or mend the values."
        )


def _usable(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all() and np.any(values))


def _check_fixed(terms: tuple[str, ...], x: np.ndarray, *, has_cuts: bool) -> None:
    for name, values in zip(terms, x.T, strict=True):
        if not np.isfinite(values).all():
            raise ModelError(
                f"fixed column {name!r} is infinite or not a number for "
                f"{int((~np.isfinite(values)).sum())} covariate pattern(s). Mend the values, or "
                "change the transform (log of zero?)."
            )
        if name != "Intercept" and np.ptp(values) == 0:
            raise ModelError(
                f"fixed column {name!r} is {values[0]:g} in every row: its coefficient cannot be "
                "told from the intercept. Drop it, or check that the table holds both arms."
            )
    columns = np.column_stack([np.ones(len(x)), x]) if has_cuts else x
    names = ("thresholds", *terms) if has_cuts else terms
    if columns.shape[1]:
        _check_rank(names, columns)


def _check_rank(terms: tuple[str, ...], x: np.ndarray) -> None:
    """Refuse a column that is a linear combination of the columns before it, by name."""
    scaled = x / np.maximum(np.abs(x).max(axis=0), np.finfo(float).tiny)
    r = np.linalg.qr(scaled, mode="r") if len(x) >= x.shape[1] else None
    size = np.abs(np.diag(r)) / np.linalg.norm(scaled, axis=0) if r is not None else np.zeros(1)
    if r is not None and (size > 1e-9).all():
        return
    for at in range(x.shape[1]):
        before = scaled[:, :at]
        weights, *_ = np.linalg.lstsq(before, scaled[:, at], rcond=None)
        if np.linalg.norm(scaled[:, at] - before @ weights) <= 1e-8 * np.linalg.norm(scaled[:, at]):
            others = [terms[k] for k in np.flatnonzero(np.abs(weights) > 1e-8)]
            raise ModelError(
                f"fixed column {terms[at]!r} is a combination of {listed(others)}: their "
                "coefficients cannot be told apart. Drop one of them from the formula."
            )


def group_sizes(design: Design) -> Mapping[str, int]:
    """Number of levels by group."""
    return {group.name: group.n_levels for group in design.groups}
