"""What lies within what, told from the data."""

import numpy as np
import pandas as pd

import ilhte_bayes as il
from ilhte_bayes.estimands.levels import levels_above, top_level


def design(formula):
    rng = np.random.default_rng(3)
    student = np.arange(240)
    table = pd.DataFrame(
        {"student": student, "teacher": student // 10, "school": student // 60}
    ).loc[lambda t: t.index.repeat(5)]
    table["item"] = np.tile(np.arange(5), 240)
    return il.Model(formula, table.assign(y=rng.integers(0, 2, len(table)))).design


def test_nested_outermost_first():
    nested = design("y ~ 1 + (1 | student) + (1 | teacher) + (1 | school)")
    above = levels_above(nested)
    assert above == {"school": (), "teacher": ("school",), "student": ("school", "teacher")}
    assert top_level(nested) == "school"


def test_crossed_groups_are_above_nothing_of_each_other():
    crossed = design("y ~ 1 + (1 | school/student) + (1 | item)")
    assert levels_above(crossed)["school:student"] == ("school",)
    assert levels_above(crossed)["item"] == ()
    assert top_level(crossed) is None


def test_items_in_schools_lie_in_both():
    both = design("y ~ 1 + (1 | school) + (1 | item) + (1 | school:item)")
    assert set(levels_above(both)["school:item"]) == {"school", "item"}
