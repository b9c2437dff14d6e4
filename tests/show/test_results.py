"""Tables of results as text and HTML: intervals in one cell, dashes for what is missing."""

import numpy as np
import pandas as pd
import pytest

from ilhte_bayes.estimands.result import Result
from ilhte_bayes.show.results import digits_of, p_value, result_table


@pytest.mark.parametrize(
    "p, text",
    [(0.0509, ".051"), (0.0004, "< .001"), (0.9999, "> .999"), (1.0, "> .999"), (np.nan, "-")],
)
def test_probabilities(p, text):
    assert p_value(p) == text


def test_digits_follow_the_standard_error():
    assert [digits_of(se) for se in (2.0, 0.089, 0.00041, np.nan)] == [3, 3, 5, 3]


def test_long_tables():
    frame = pd.DataFrame(
        {
            "estimate": [-0.1759, np.nan],
            "se": [0.08933, np.nan],
            "df": [139.0, np.inf],
            "p": [0.0509, np.nan],
            "lower": [-0.3526, np.nan],
            "upper": [0.0007, np.nan],
        },
        index=["Intercept", "x"],
    )
    shown = result_table(Result(frame, "t tests"))
    assert shown.loc["Intercept"].tolist() == ["-0.176", "0.089", "139", ".051", "-0.353 to 0.001"]
    assert shown.loc["x"].tolist() == ["-", "-", "inf", "-", "-"]


def test_wide_tables_and_notes():
    index = pd.MultiIndex.from_product(
        [["school", "answer"], ["variance", "share"]], names=["level", "quantity"]
    )
    frame = pd.DataFrame(
        {
            "estimate": [0.9, 0.2, 3.29, 0.8],
            "se": [0.1, 0.02, 0.0, 0.02],
            "lower": [0.7, np.nan, np.nan, 0.75],
            "upper": [1.1, np.nan, np.nan, 0.85],
        },
        index=index,
    ).iloc[:3]
    result = Result(frame, "Variance <by> level", ("a note",), across="quantity")
    shown = result_table(result)
    assert shown.loc["school"].tolist() == ["0.900 [0.700, 1.100]", "0.200 [-]"]
    assert shown.loc["answer"].tolist() == ["3.290", "-"]
    assert repr(result).endswith("a note")
    assert "Variance &lt;by&gt; level" in result._repr_html_()
    assert result.to_frame() is frame and len(result) == 3
