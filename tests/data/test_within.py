"""Does one column vary within another; do ids restart?"""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from ilhte_bayes.data.within import restarts, share_of_several, varies_within


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=40))
def test_varies_within_agrees_with_pandas(pairs):
    group, value = (np.array(part, dtype=np.int32) for part in zip(*pairs, strict=True))
    expected = pd.Series(value).groupby(group).nunique() > 1
    assert varies_within(group, value)[np.unique(group)].tolist() == expected.tolist()


def test_missing_codes_are_passed_over():
    group, value = np.array([0, 0, -1, 1, 1]), np.array([0, -1, 1, 2, 3])
    assert varies_within(group, value).tolist() == [False, True]


def test_share_of_ids_in_several_places():
    school, person = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    assert share_of_several(school, person) == 1 / 3  # person 1 of three


def test_ids_numbered_anew_restart_and_scattered_ones_do_not():
    school = np.repeat(np.arange(10), 20)
    assert restarts(school, np.tile(np.arange(20), 10))
    absent = np.random.default_rng(1).random(200) < 0.95  # one in twenty is not there
    assert restarts(school[absent], np.tile(np.arange(20), 10)[absent])
    assert not restarts(school, np.arange(200))  # unique
    moved = np.random.default_rng(1).integers(0, 60, 200)  # given to schools at random
    assert not restarts(school, moved)
