"""Does one column vary within the levels of another? Answered on codes, in one pass."""

import numpy as np

from ilhte_bayes.data.integer_codes import cross


def varies_within(group: np.ndarray, value: np.ndarray) -> np.ndarray:
    """(level of `group`,) whether it holds more than one value; -1 in either is passed over."""
    n_groups = int(group.max(initial=-1)) + 1
    group, value = _known(group, value)
    last = np.full(n_groups, -1, dtype=value.dtype)
    last[group] = value
    varies = np.zeros(n_groups, dtype=bool)
    varies[group[last[group] != value]] = True
    return varies


def share_of_several(outer: np.ndarray, inner: np.ndarray) -> float:
    """Share of inner ids that appear in more than one level of `outer`."""
    return float(varies_within(inner, outer).mean()) if inner.size else 0.0


def restarts(outer: np.ndarray, inner: np.ndarray) -> bool:
    """Whether inner ids are numbered anew in each outer level (teacher 1, 2, 3 in every school).

    Then most ids appear in several outer levels, and those of one level lie close together; ids
    of units that moved, or were given to the wrong level, are scattered.
    """
    if share_of_several(outer, inner) <= 0.5:
        return False
    _, outer_at, inner_at = cross(*_known(outer, inner))
    starts = np.flatnonzero(np.append(True, outer_at[1:] != outer_at[:-1]))
    n_ids = np.diff(starts, append=outer_at.size)
    # pairs are sorted, so the first and last id of each outer level are its lowest and highest
    span = inner_at[np.append(starts[1:], outer_at.size) - 1] - inner_at[starts] + 1
    # a few may be absent: persons 1 to 20 without 7 and 12 were still numbered from 1
    return bool((span <= 1.25 * n_ids + 1).mean() >= 0.9)


def _known(group: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if group.min(initial=0) >= 0 and value.min(initial=0) >= 0:
        return group, value
    known = (group >= 0) & (value >= 0)
    return group[known], value[known]
