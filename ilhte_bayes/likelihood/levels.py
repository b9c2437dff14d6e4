"""Levels: the rows of each level of a group, and what is the same in all of them."""

from typing import NamedTuple

import numba
import numpy as np

from ilhte_bayes.formulas.design import Group


class ByLevel(NamedTuple):
    """Rows of a design sorted by level of a group."""

    rows: np.ndarray  # (row,)
    start: np.ndarray  # (level + 1,) where each level's rows begin

    @property
    def first(self) -> np.ndarray:
        """(level,) a row of each level."""
        return self.rows[self.start[:-1]]


def rows_by_level(group: Group) -> ByLevel:
    """Sort rows by level; in their own order within one."""
    level = group.level
    start = _level_starts(level, group.n_levels)
    if (level[1:] >= level[:-1]).all():
        return ByLevel(np.arange(level.size, dtype=np.int32), start)
    return ByLevel(np.argsort(level, kind="stable"), start)


@numba.njit(cache=True, nogil=True)
def _level_starts(level, n_levels):
    start = np.zeros(n_levels + 1, dtype=np.int64)
    for r in range(level.size):
        start[level[r] + 1] += 1
    return start.cumsum()


def constant_within(levels: ByLevel, values: np.ndarray, pattern: np.ndarray | None = None) -> bool:
    """Whether values of rows (of their patterns, if these are given) are the same in each level."""
    if values.size and (values == values[0]).all():
        return True
    if pattern is None:
        pattern = np.arange(values.size, dtype=np.int32)
    return bool(_constant_loop(np.ascontiguousarray(values), pattern, levels.rows, levels.start))


@numba.njit(cache=True, nogil=True)
def _constant_loop(values, pattern, rows, start):
    for j in range(start.size - 1):
        if start[j + 1] == start[j]:
            continue
        own = values[pattern[rows[start[j]]]]
        for r in range(start[j] + 1, start[j + 1]):
            if values[pattern[rows[r]]] != own:
                return False
    return True


def column_in_use(group: Group) -> np.ndarray:
    """(pattern,) which of the group's columns is not 0, where there is one such in each row."""
    if group.n_columns == 1:
        return np.zeros(len(group.z), dtype=np.int64)
    return np.asarray(np.argmax(group.z != 0, axis=1))
