"""The flow of persons by arm, and the roster of everyone randomised."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.errors import DataError


def test_flow_counts_persons_by_arm(make_trial):
    trial = make_trial()
    trial["resp"] = trial["resp"].mask(trial["id"].isin([0, 1, 2]))
    roster = pd.DataFrame({"id": np.arange(45), "treat": np.arange(45) % 2})
    flow = il.il_hte(trial, roster=roster).flow
    assert flow is not None
    assert flow.to_dict("list") == {
        "randomised": [23, 22],
        "in the table": [20, 20],
        "in the analysis": [18, 19],
    }


def test_a_roster_may_write_ids_in_another_way(make_trial):
    roster = pd.DataFrame({"id": [str(k) for k in range(40)], "treat": np.arange(40) % 2})
    flow = il.il_hte(make_trial(), roster=roster).flow
    assert flow is not None and flow["randomised"].tolist() == [20, 20]


@pytest.mark.parametrize(
    "roster, said",
    [
        (pd.DataFrame({"id": [1, 2], "treat": [0, 1]}), r"38 person\(s\).*not on the roster, first 0"),
        (pd.DataFrame({"id": [1, 2]}), "column 'treat' not found.*The roster names"),
    ],
)  # fmt: skip
def test_a_roster_lists_everyone(make_trial, roster, said):
    with pytest.raises(DataError, match=said):
        il.il_hte(make_trial(), roster=roster)
