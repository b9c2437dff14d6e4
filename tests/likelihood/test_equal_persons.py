"""Equal persons by brute force: who answered the same cells, and one person for each kind."""

import numpy as np
import pytest

from ilhte_bayes.likelihood.equal_persons import Answers, one_of_each, slopes_of_ones, sort_persons


def answers_of(persons: list[list[tuple[int, int, int]]]) -> Answers:
    """Persons as lists of (cell, times, score)."""
    rows = [row for person in persons for row in person]
    start = np.cumsum([0, *map(len, persons)])
    cell, times, score = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return Answers(np.arange(len(rows)), start, cell, times, score)


def test_one_of_each_kind_has_its_cells_and_its_sum():
    """Two persons of the first kind answered cells 0, 1 and 2, with one yes each; three of the
    second cells 1 (twice) and 3, with two yes each."""
    kinds = answers_of(
        [
            [(0, 1, 1), (0, 1, 0), (1, 1, 1), (1, 1, 0), (2, 2, 0)],
            [(1, 4, 1), (1, 2, 0), (3, 2, 1), (3, 1, 0)],
        ]
    )
    one = one_of_each(kinds, np.array([2, 3]), 4)
    for kind, (cells, ones) in enumerate([({0: 1, 1: 1, 2: 1}, 1), ({1: 2, 3: 1}, 2)]):
        at = slice(one.start[kind], one.start[kind + 1])
        counted: dict[int, int] = {}
        for cell, times in zip(one.cell[at], one.times[at], strict=True):
            counted[int(cell)] = counted.get(int(cell), 0) + int(times)
        assert counted == cells
        assert (one.times[at] * one.score[at]).sum() == ones and (one.times[at] > 0).all()


@pytest.mark.parametrize(
    "kind",
    [
        [(0, 2, 1), (1, 3, 0)],  # cell 1 was answered three times by two persons
        [(0, 1, 1), (0, 1, 0), (1, 2, 0)],  # one yes of two persons
    ],
)
def test_a_kind_that_is_no_multiple_of_its_persons_is_refused(kind):
    with pytest.raises(AssertionError, match="no multiple"):
        one_of_each(answers_of([kind]), np.array([2]), 2)


@pytest.mark.parametrize("weighted", [False, True])
def test_persons_are_sorted_as_by_brute_force(weighted):
    """Tables: same class and cells; units: same table, mean, sum and, if answers weigh differently,
    the same answers."""
    rng = np.random.default_rng(1)
    n, cells = 400, 4
    persons = []
    for _ in range(n):
        chosen = np.flatnonzero(rng.random(cells) < 0.7)
        chosen = chosen if chosen.size else np.array([0])
        persons.append([(int(c), 1, int(rng.random() < 0.5)) for c in rng.permutation(chosen)])
    own, mean = rng.integers(0, 2, n), rng.integers(0, 2, n)
    found = sort_persons(answers_of(persons), own, mean, n_cells=cells, weighted=weighted)
    asked = [(own[j], tuple(sorted(c for c, _, _ in p))) for j, p in enumerate(persons)]
    unit = [
        (asked[j], sum(s for _, _, s in p), mean[j], tuple(sorted(p)) if weighted else ())
        for j, p in enumerate(persons)
    ]
    for keys, code, first in (
        (asked, found.table, found.table_person),
        (unit, found.unit, found.unit_person),
    ):
        assert len(set(zip(keys, code.tolist(), strict=True))) == len(set(keys)) == len(set(code))
        np.testing.assert_array_equal(code[first], np.arange(len(first)))
    np.testing.assert_array_equal(found.score, [sum(s for _, _, s in p) for p in persons])


def test_slopes_of_the_cells_answered_yes_are_listed_as_often_as_answered():
    answers = answers_of([[(0, 2, 1), (1, 1, 0)], [(1, 1, 1), (2, 3, 1)]])
    where, slopes = slopes_of_ones(answers, np.array([5, 6, 7]), np.array([1, 0]))
    assert where.tolist() == [0, 4, 6] and slopes.tolist() == [6, 7, 7, 7, 5, 5]
