"""Tables of a maximised fit, from a mode and a curvature that we write down."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from ilhte_bayes.fits import mode_tables
from ilhte_bayes.formulas.design import Group

COLUMNS = ("Intercept", "treat")
QUANTITIES = ["sd[Intercept]", "sd[treat]", "corr[Intercept,treat]"]
ITEM = Group(
    name="item",
    variables=("item",),
    columns=COLUMNS,
    blocks=((0, 1),),
    z=np.ones((1, 2)),
    level=np.zeros(1, dtype=np.int32),
    labels=np.array(["q1", "q2", "q3"], dtype=object),
)


def mode_of(sd=(0.8, 0.3), corr=0.5, se=(0.2, 0.1, 0.25)) -> xr.Dataset:
    """Three items, two columns; parameters psi are the two coefficients alone."""
    natural = np.array([*sd, corr])
    return xr.Dataset(
        {
            "beta": ("term", [1.0, -0.4]),
            "beta_cov": (("term", "term_"), [[0.04, 0.01], [0.01, 0.09]]),
            "natural_item": ("item_quantity", natural),
            "natural_cov_item": (("item_quantity", "item_quantity_"), np.diag(np.square(se))),
            "re_item": (("item", "item_column"), np.arange(6.0).reshape(3, 2)),
            "re_item_cov": (("item", "item_column", "item_column_"), [[[4.0, 9], [9, 25]]] * 3),
            "re_item_by_psi": (("psi", "item", "item_column"), [[[3.0, 0], [0, 1], [2, 2]],
                                                                [[0.0, 0], [0, 0], [1, 1]]]),
            "psi_cov": (("psi", "psi_"), [[1.0, 0.5], [0.5, 2.0]]),
        },
        {
            "term": ["Intercept", "treat"],
            "item": ["q1", "q2", "q3"],
            "item_column": list(COLUMNS),
            "item_quantity": QUANTITIES,
        },
    )  # fmt: skip


def test_coefficients_have_wald_intervals():
    table = mode_tables.coefficients(mode_of())
    assert list(table.index) == ["Intercept", "treat"]
    np.testing.assert_allclose(table["se"], [0.2, 0.3])
    for at, (mean, se) in enumerate([(1.0, 0.2), (-0.4, 0.3)]):
        exact = stats.norm(mean, se).interval(0.95)
        np.testing.assert_allclose(table.iloc[at][["lower", "upper"]], exact, rtol=1e-12)


def test_components_have_intervals_on_the_log_and_atanh_scales():
    table = mode_tables.variance_components(mode_of(), [ITEM]).loc["item"]
    assert list(table.index) == QUANTITIES
    np.testing.assert_allclose(table["estimate"], [0.8, 0.3, 0.5])
    np.testing.assert_allclose(table["se"], [0.2, 0.1, 0.25])
    bounds = table[["lower", "upper"]].to_numpy()
    np.testing.assert_allclose(bounds[0], stats.lognorm(0.2 / 0.8, scale=0.8).interval(0.95))
    np.testing.assert_allclose(bounds[1], stats.lognorm(0.1 / 0.3, scale=0.3).interval(0.95))
    exact = stats.norm(np.arctanh(0.5), 0.25 / 0.75).interval(0.95)
    np.testing.assert_allclose(bounds[2], np.tanh(exact))


@pytest.mark.parametrize("zero", [0, 1])
def test_an_sd_of_0_has_no_interval_and_takes_its_correlation_with_it(zero):
    sd = [0.8, 0.3]
    sd[zero] = 0.0
    table = mode_tables.variance_components(mode_of(sd=sd), [ITEM]).loc["item"]
    assert table["estimate"].iloc[zero] == 0.0
    assert table.iloc[zero][["se", "lower", "upper"]].isna().all()
    assert table.loc["corr[Intercept,treat]"].isna().all()
    assert table.iloc[1 - zero].notna().all()


@pytest.mark.parametrize("corr", [1.0, -1.0, 1.0 - 1e-9])
def test_a_correlation_at_its_edge_has_no_interval(corr):
    table = mode_tables.variance_components(mode_of(corr=corr), [ITEM]).loc["item"]
    row = table.loc["corr[Intercept,treat]"]
    assert row["estimate"] == np.sign(corr)
    assert row[["se", "lower", "upper"]].isna().all()
    assert table.iloc[:2].notna().all(axis=None)


def test_random_effects_add_the_uncertainty_of_the_parameters():
    """Var(u) = Var(u | psi) + (du/dpsi)' Cov(psi) (du/dpsi)."""
    table = mode_tables.random_effects(mode_of(), "item")
    assert table.index.names == ["item", "term"]
    assert list(table.loc["q2"].index) == ["Intercept", "treat"]
    np.testing.assert_array_equal(table["estimate"], np.arange(6.0))
    np.testing.assert_allclose(table["sd"], [2.0, 5.0] * 3)
    # (3, 0) -> 9; (0, 0) and (1, 0) -> 0, 1; (2, 1) -> 4 + 2 * 2 * .5 + 2 = 8
    added = [9, 0, 0, 1, 8, 8]
    np.testing.assert_allclose(table["se"] ** 2, np.add([4, 25] * 3, added))
