"""The door: complete rows are coded, counted and frozen as `Responses`."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ilhte_bayes.data.coding import Coding, code_covariate
from ilhte_bayes.data.integer_codes import cross
from ilhte_bayes.data.needed import Needed
from ilhte_bayes.data.rows import Dropped, Rows
from ilhte_bayes.errors import DataError, listed

_BLOCK = 65_536  # rows worked on at a time


@dataclass(frozen=True, slots=True)
class Responses:
    """Scored answers in long form; identical rows are kept once, with their count.

    Covariates are kept once for each distinct combination of their values (a *pattern*). The
    order of the table's rows leaves no trace.
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
    # group name -> (level,) persons that each of its levels stands for, where persons who differ
    # in nothing that counts were counted together (see `data.reduction`)
    multiplicity: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def n_categories(self) -> int:
        """Number of response categories, K."""
        return len(self.response_coding.levels)

    @property
    def references(self) -> dict[str, str]:
        """Level of each factor that its others are compared with."""
        kinds = self.patterns.dtypes
        return {
            coding.column: coding.levels[0]
            for coding in self.codings
            if isinstance(kinds.get(coding.column), pd.CategoricalDtype)
        }

    def fingerprint(self) -> str:
        """SHA-256 of the coded data: equal data give equal fingerprints."""
        digest = hashlib.sha256()
        arrays = (self.score, self.count, self.pattern, *self.levels.values())
        for array in (*arrays, *self.multiplicity.values()):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(pd.util.hash_pandas_object(self.patterns, index=False).to_numpy().tobytes())
        names = [list(labels) for labels in self.coords.values()]
        for labels in (*names, *(coding.levels for coding in self.codings)):
            digest.update("\x1f".join(map(str, labels)).encode())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Counts:
    """Of rows that stand for several answers, and persons for several persons: how many."""

    answers: np.ndarray  # (row,) int
    person: str  # column of the persons
    persons: np.ndarray  # (row,) int, persons that the row's person stands for


def read_responses(
    rows: Rows,
    needed: Needed,
    scored: tuple[np.ndarray, Coding],
    *,
    dropped: Dropped,
    reference: Mapping[str, str] | None = None,
    counts: Counts | None = None,
) -> Responses:
    """Code the complete rows of a table.

    Parameters
    ----------
    rows : Rows
        Without missing values in the needed columns (see `complete_rows`).
    needed : Needed
        The columns a formula uses.
    scored : tuple of np.ndarray and Coding
        Score of each row (see `code_response`).
    dropped : Dropped
        What was left out, for the record.
    reference : mapping, optional
        Column -> level that the others are compared with.
    counts : Counts, optional
        Of a reduced table.

    Returns
    -------
    Responses

    Raises
    ------
    DataError
        If a column cannot be coded, or a covariate is the same in every row, or infinite.
    """
    reference = dict(reference or {})
    _check_reference(reference, needed)
    score, response_coding = scored
    columns, codings = _code_covariates(rows, needed, reference)
    pattern, at = _patterns(rows, needed.covariates)
    patterns = pd.DataFrame(
        {name: columns[name].take(at[name]) for name in columns}, index=range(_size(pattern))
    )
    codes, coords = _code_groups(rows, needed.groups)
    times = None if counts is None else counts.answers
    order, count = _sorted_distinct(list(codes.values()), [pattern, score], times)
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
        n_obs=score.size if counts is None else int(counts.answers.sum()),
        multiplicity={} if counts is None else _multiplicity(needed.groups, codes, counts),
    )


def _multiplicity(
    groups: Sequence[tuple[str, ...]], codes: Mapping[str, np.ndarray], counts: Counts
) -> dict[str, np.ndarray]:
    """Persons that each level stands for, of the groups of persons."""
    out = {}
    for name in (":".join(group) for group in groups if group[-1] == counts.person):
        out[name] = np.zeros(_size(codes[name]), dtype=np.int64)
        out[name][codes[name]] = counts.persons
    return out


def _check_reference(reference: Mapping[str, str], needed: Needed) -> None:
    codable = (needed.response.column, *needed.covariates)
    if unknown := [name for name in reference if name not in codable]:
        raise DataError(
            f"reference names {listed(unknown)}, which is neither the response nor a covariate of "
            f"the formula; these are {listed(codable, 10)}. Correct the name, or drop it from "
            "reference."
        )
    if needed.response.comparison is not None and needed.response.column in reference:
        raise DataError(
            f"reference names {needed.response.column!r}, which the response compares with a "
            f"value ('{needed.response.text}'). Drop it from reference."
        )


def _code_covariates(
    rows: Rows, needed: Needed, reference: Mapping[str, str]
) -> tuple[dict[str, np.ndarray | pd.Categorical], tuple[Coding, ...]]:
    columns: dict[str, np.ndarray | pd.Categorical] = {}
    codings = []
    for name in needed.covariates:
        column = rows.coded(name)
        if column.n_values == 1:
            raise DataError(
                f"column {name!r} is {listed(column.labels())} in all {len(rows):,} "
                f"{'rows' if rows.kept is None else 'complete rows'}, so its coefficient cannot "
                "be told from the intercept (or the thresholds). Leave it out of the formula, or check that the "
                "table holds both arms."
            )
        as_factor = name in needed.factors
        columns[name], coding = code_covariate(column, reference.get(name), as_factor=as_factor)
        if coding is not None:
            codings.append(coding)
        elif not (finite := np.isfinite(column.values)).all():
            bad = int((~finite)[column.code].sum())
            raise DataError(
                f"column {name!r} is infinite in {bad:,} row(s). Drop these rows or mend the values."
            )
    return columns, tuple(codings)


def _patterns(rows: Rows, names: Sequence[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Pattern of each row, and for each pattern the position of every covariate's value."""
    if not names:
        return np.zeros(len(rows), dtype=np.int32), {}
    first = rows.coded(names[0])
    pattern = first.code
    at = {names[0]: np.arange(first.n_values)}
    for name in names[1:]:
        pattern, outer, inner = cross(pattern, rows.coded(name).code)
        at = {done: places[outer] for done, places in at.items()} | {name: inner}
    return pattern, at


def _size(pattern: np.ndarray) -> int:
    return int(pattern.max(initial=0)) + 1


def _code_groups(
    rows: Rows, groups: Sequence[tuple[str, ...]]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Levels of every group (`school:teacher` joined by a colon), outer variables varying slowest."""
    codes: dict[str, np.ndarray] = {}
    coords: dict[str, np.ndarray] = {}
    for group in groups:
        first = rows.coded(group[0])
        code, labels = first.code, first.labels()
        for name in group[1:]:
            inner = rows.coded(name)
            code, outer_at, inner_at = cross(code, inner.code)
            pairs = zip(labels[outer_at], inner.labels()[inner_at], strict=True)
            labels = np.array([f"{a}:{b}" for a, b in pairs], dtype=object)
        if len(group) > 1 and len(set(labels)) < len(labels):
            raise DataError(
                f"two levels of {':'.join(group)} would have the same name, because ids hold a "
                f"colon. Replace it: table[{group[-1]!r}].str.replace(':', '-')."
            )
        codes[":".join(group)] = code
        coords[":".join(group)] = labels
    return codes, coords


def _increasing(codes: Sequence[np.ndarray]) -> bool:
    """Whether rows are sorted and distinct, told in blocks: a key for every row takes memory."""
    sizes = [_size(code) for code in codes]
    if math.prod(sizes) > np.iinfo(np.int64).max:
        return False
    for start in range(0, codes[0].size, _BLOCK):
        rows = slice(start, start + _BLOCK + 1)  # one row of the next block
        key = np.zeros(codes[0][rows].size, dtype=np.int64)
        for code, size in zip(codes, sizes, strict=True):
            key *= size
            key += code[rows]
        if (key[1:] <= key[:-1]).any():
            return False
    return True


def _sorted_distinct(
    codes: Sequence[np.ndarray], rest: Sequence[np.ndarray], times: np.ndarray | None = None
) -> tuple[np.ndarray | slice, np.ndarray]:
    """Rows sorted by group levels (largest group first), each distinct row once, and its count."""
    by_size = sorted(codes, key=lambda code: -int(code.max(initial=0)))
    if times is None and _increasing([*by_size, *rest]):
        return slice(None), np.ones(rest[0].size, dtype=np.int32)
    key = np.zeros(rest[0].size, dtype=np.int64)
    largest = 1  # one more than the largest key there can be
    for code in (*by_size, *rest):
        size = _size(code)
        if largest > np.iinfo(np.int64).max // size:
            key = np.unique(key, return_inverse=True)[1]  # squeeze before it overflows
            largest = _size(key)
        key *= size
        key += code
        largest *= size
    order: np.ndarray | slice = slice(None)
    if (key[1:] < key[:-1]).any():
        order = np.argsort(key, kind="stable")
        key = key[order]
    new = np.append(True, key[1:] != key[:-1])
    if times is not None:
        starts = np.flatnonzero(new)
        order = np.arange(key.size)[order]
        return order[starts], np.add.reduceat(times[order], starts).astype(np.int32)
    if new.all():
        return order, np.ones(key.size, dtype=np.int32)
    starts = np.flatnonzero(new)
    count = np.diff(starts, append=key.size).astype(np.int32)
    return (starts if isinstance(order, slice) else order[starts]), count
