"""Variables of terms, whatever is done to them; and who asks."""

import numpy as np
import pytest

import ilhte_bayes as il
from ilhte_bayes.formulas.term_variables import factors_of, uses

COLUMNS = ["treat", "pre", "site", "open.ended"]


@pytest.mark.parametrize(
    ("term", "factors"),
    [
        ("treat", [("treat",)]),
        ("C(treat)[T.1]", [("treat",)]),
        ("C(treat)[T.1]:pre", [("treat",), ("pre",)]),
        ("mid: treat:np.log(pre)", [("treat",), ("pre",)]),
        ("I(treat * pre)", [("treat", "pre")]),
        ("site[T.treat]", [("site",)]),
        ("treat:open.ended", [("treat",), ("open.ended",)]),
        ("treat, > 1", [("treat",)]),
        ("Intercept", [()]),
    ],
)
def test_factors(term, factors):
    assert factors_of(term, COLUMNS) == factors
    assert uses(term, "treat", COLUMNS) == any("treat" in factor for factor in factors)
    assert not uses(term, None, COLUMNS)


def test_few_clusters_count_however_the_arm_is_written(make_trial):
    """Eight schools, treated as a whole: 8 less 2 columns, also of C(treat)."""
    trial = make_trial(160, 4)
    trial["school"] = trial["id"] % 8
    trial["treat"] = trial["school"] % 2
    for arm in ("treat", "C(treat)"):
        model = il.Model(
            f"resp ~ {arm} + (1 | school/id) + (1 | item)",
            trial,
            roles={"treatment": "treat", "person": "id", "item": "item"},
        )
        frame = il.fixed_tests(il.laplace(model)).frame
        assert frame["df"].iloc[-1] == 6, arm
    assert np.isfinite(frame["p"]).all()
