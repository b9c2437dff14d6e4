"""The door: a long table is checked once, coded, and frozen as `Responses`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.data.coding import Coding, code_covariate, natural_order
from ilhte_bayes.errors import DataError, listed
from ilhte_bayes.formulas.grammar import ResponseTerm


@dataclass(frozen=True, slots=True)
class Needed:
    """What a formula needs of the table."""

    response: ResponseTerm
    covariates: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]  # grouping variables, outermost first

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column used, each once."""
        inside = (name for group in self.groups for name in group)
        return tuple(dict.fromkeys((self.response.column, *self.covariates, *inside)))


@dataclass(frozen=True, slots=True)
class Dropped:
    """Rows left out because a column that the formula uses was missing."""

    n_rows: int
    by_column: Mapping[str, int]
    by_item: Mapping[str, int]
    by_arm: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Responses:
    """Scored answers in long form; identical rows are kept once, with their count.

    Covariates are kept once for each distinct combination of their values (a *pattern*).
    """

    score: np.ndarray  # (row,) int8, 0..K-1
    count: np.ndarray  # (row,) int32, answers this row stands for
    pattern: np.ndarray  # (row,) int32, row of `patterns`
    patterns: pd.DataFrame  # (pattern, covariate), coded
    levels: Mapping[str, np.ndarray]  # group name -> (row,) int32, position in coords[name]
    coords: Mapping[str, np.ndarray]  # group name -> labels
    codings: tuple[Coding, ...]
    response_coding: Coding
    dropped: Dropped
    n_obs: int

    @property
    def n_categories(self) -> int:
        """Number of response categories, K."""
        return len(self.response_coding.levels)

    def fingerprint(self) -> str:
        """SHA-256 of the coded data: equal data give equal fingerprints."""
        digest = hashlib.sha256()
        for array in (self.score, self.count, self.pattern, *self.levels.values()):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(pd.util.hash_pandas_object(self.patterns, index=False).to_numpy().tobytes())
        for labels in self.coords.values():
            digest.update("\x1f".join(map(str, labels)).encode())
        return digest.hexdigest()


def complete_rows(
    table: pd.DataFrame, needed: Needed, item: str | None, treatment: str | None
) -> tuple[pd.DataFrame, Dropped]:
    """Drop the rows in which a needed column is missing, once, and count them.

    Raises
    ------
    DataError
        If a needed column is not there, or no complete row is left.
    """
    if absent := [name for name in needed.columns if name not in table.columns]:
        raise DataError(_absent(absent, list(map(str, table.columns))))
    used = table[list(needed.columns)]
    missing = {name: used[name].isna().to_numpy() for name in needed.columns}
    by_column = {name: int(gaps.sum()) for name, gaps in missing.items() if gaps.any()}
    if not by_column:
        return table, Dropped(0, {}, {}, {})
    gone = np.logical_or.reduce([missing[name] for name in by_column])
    if gone.all():
        worst = max(by_column, key=lambda name: by_column[name])
        raise DataError(
            f"no row is complete: column {worst!r} is missing in {by_column[worst]} of {len(table)} "
            "rows. Check how missing values are written, or leave the column out of the formula."
        )

    def tally(column: str | None) -> dict[str, int]:
        if column is None or column not in table.columns:
            return {}
        counts = table.loc[gone, column].astype(str).value_counts()
        return {str(level): int(n) for level, n in counts.items()}

    dropped = Dropped(int(gone.sum()), by_column, tally(item), tally(treatment))
    return table.loc[~gone], dropped


def _absent(absent: Sequence[str], present: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(absent[0], present, n=1)
    cure = f"Did you mean {near[0]!r}?" if near else "Write the name as it stands in the table."
    return f"column(s) {listed(absent)} not found; the table has {listed(present, 20)}. {cure}"


def read_responses(
    table: pd.DataFrame,
    needed: Needed,
    scored: tuple[np.ndarray, Coding],
    *,
    dropped: Dropped,
    reference: Mapping[str, str] | None = None,
) -> Responses:
    """Code the complete rows of a table.

    Parameters
    ----------
    table : pd.DataFrame
        Without missing values in the needed columns (see `complete_rows`).
    needed : Needed
        The columns a formula uses.
    scored : tuple of np.ndarray and Coding
        Score of each row (see `code_response`).
    dropped : Dropped
        What was left out, for the record.
    reference : mapping, optional
        Column -> level that the others are compared with.

    Returns
    -------
    Responses

    Raises
    ------
    DataError
        If a column cannot be coded or the response is the same in every row.
    """
    reference = dict(reference or {})
    _check_reference(reference, needed)
    response, (score, response_coding) = needed.response, scored
    if (score == score[0]).all():
        raise DataError(
            f"the response {response.text!r} is {response_coding.levels[int(score[0])]} in all "
            f"{score.size} rows. Nothing can be estimated from a constant answer: check the "
            "column, or the value it is compared with."
        )
    columns, codings = _code_covariates(table, needed.covariates, reference)
    pattern, patterns = _distinct_rows(columns, len(table))
    codes, coords = _code_groups(table, needed.groups)
    order, count = _sorted_distinct([*codes.values()], [pattern, score])
    return Responses(
        score=score[order],
        count=count,
        pattern=pattern[order],
        patterns=patterns,
        levels={name: code[order] for name, code in codes.items()},
        coords=coords,
        codings=codings,
        response_coding=response_coding,
        dropped=dropped,
        n_obs=len(table),
    )


def _check_reference(reference: Mapping[str, str], needed: Needed) -> None:
    codable = (needed.response.column, *needed.covariates)
    if unknown := [name for name in reference if name not in codable]:
        raise DataError(
            f"reference names {listed(unknown)}, which the formula does not use as a covariate; "
            f"it uses {listed(codable, 10)}. Correct the name, or drop it from reference."
        )


def _code_covariates(
    table: pd.DataFrame, names: Sequence[str], reference: Mapping[str, str]
) -> tuple[dict[str, pd.Series], tuple[Coding, ...]]:
    columns, codings = {}, []
    for name in names:
        column, coding = code_covariate(table[name], reference.get(name))
        columns[name] = column
        if coding is not None:
            codings.append(coding)
        elif not np.isfinite(column.to_numpy(dtype=float)).all():
            bad = int((~np.isfinite(column.to_numpy(dtype=float))).sum())
            raise DataError(
                f"column {name!r} is infinite in {bad} row(s). Drop these rows or mend the values."
            )
    return columns, tuple(codings)


def _distinct_rows(columns: Mapping[str, pd.Series], n: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Distinct combinations of the covariates, and which of them each row has."""
    pattern = np.zeros(n, dtype=np.int32)
    if not columns:
        return pattern, pd.DataFrame(index=range(1))
    for column in columns.values():
        codes, values = pd.factorize(column, sort=False)
        if len(values) > 1:
            pattern = pd.factorize(pattern * np.int64(len(values)) + codes)[0].astype(np.int32)
    first = _first_rows(pattern)
    frame = pd.DataFrame({name: column.iloc[first].array for name, column in columns.items()})
    return pattern, frame


def _first_rows(pattern: np.ndarray) -> np.ndarray:
    """Row in which each pattern appears first (patterns are numbered by first appearance)."""
    highest = np.maximum.accumulate(pattern)
    return np.flatnonzero(np.diff(highest, prepend=-1))


def _code_groups(
    table: pd.DataFrame, groups: Sequence[tuple[str, ...]]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Levels of every group (`school:teacher` joined by a colon), outer variables varying slowest."""
    single: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    codes: dict[str, np.ndarray] = {}
    coords: dict[str, np.ndarray] = {}
    for group in groups:
        for name in group:
            if name not in single:
                single[name] = _code_group(table[name])
        code, labels = single[group[0]]
        for name in group[1:]:
            inner, inner_labels = single[name]
            joint = code.astype(np.int64) * len(inner_labels) + inner
            distinct, code = np.unique(joint, return_inverse=True)
            outer_at, inner_at = np.divmod(distinct, len(inner_labels))
            labels = np.array(
                [f"{labels[a]}:{inner_labels[b]}" for a, b in zip(outer_at, inner_at, strict=True)],
                dtype=object,
            )
        codes[":".join(group)] = code.astype(np.int32)
        coords[":".join(group)] = labels
    return codes, coords


def _code_group(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        used = column.cat.remove_unused_categories().cat
        return used.codes.to_numpy(), np.asarray(used.categories, dtype=object)
    if pd.api.types.is_float_dtype(column.dtype) and (column % 1 == 0).all():
        column = column.astype("int64")  # ids read as 1.0, 2.0 because of a gap elsewhere
    codes, values = pd.factorize(column, sort=False)
    labels = np.asarray(values, dtype=object)
    position = {label: at for at, label in enumerate(natural_order(labels.tolist()))}
    rank = np.array([position[label] for label in labels], dtype=np.int32)
    ordered = np.empty_like(labels)
    ordered[rank] = labels
    return rank[codes], ordered


def _sorted_distinct(
    codes: Sequence[np.ndarray], rest: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows sorted by group levels (largest group first), each distinct row once, and its count."""
    by_size = sorted(codes, key=lambda code: -int(code.max(initial=0)))
    key = np.zeros(rest[0].size, dtype=np.int64)
    for code in (*by_size, *rest):
        size = int(code.max(initial=0)) + 1
        if key.max(initial=0) > np.iinfo(np.int64).max // (2 * size):
            key = np.unique(key, return_inverse=True)[1]  # squeeze before it overflows
        key *= size
        key += code
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(np.diff(key, prepend=key[0] - 1))
    count = np.diff(starts, append=key.size).astype(np.int32)
    return (order if starts.size == key.size else order[starts]), count
