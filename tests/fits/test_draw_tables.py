"""Tables of a sampled fit, from draws whose mean, SD and quantiles are known."""

import numpy as np
import pytest
import xarray as xr

from ilhte_bayes.errors import ModelError
from ilhte_bayes.fits import draw_tables
from ilhte_bayes.formulas.design import Group

# 0, 1, ..., 400 over 100: quantile p is 4 p, the mean 2, the variance n (n + 1) / 12 / 100**2.
STEPS = np.arange(401.0) / 100
SD = np.sqrt(401 * 402 / 12) / 100
KNOWN = {"estimate": 2.0, "se": SD, "lower": 0.1, "upper": 3.9}


def group(name, columns, blocks) -> Group:
    labels = np.array([1, 2], dtype=object)
    level = np.zeros(1, dtype=np.int32)
    return Group(name, (name,), columns, blocks, np.ones((1, len(columns))), level, labels)


ITEM = group("item", ("Intercept", "treat", "age"), ((0, 1), (2,)))
PERSON = group("id", ("Intercept",), ((0,),))


@pytest.fixture
def tree() -> xr.DataTree:
    """One chain; draws in shuffled order, each entry with a factor of its own."""
    steps = np.random.default_rng(4).permutation(STEPS)[None, :]
    ones = np.ones((3, 3))
    effects = np.array([[1.0, 10, 100], [2, 20, 200]])
    posterior = xr.Dataset(
        {
            "beta": (("chain", "draw", "term"), steps[..., None] * [1.0, -1.0]),
            "sd_item": (("chain", "draw", "item_column"), steps[..., None] * [1.0, 2.0, 3.0]),
            "corr_item": (
                ("chain", "draw", "item_column", "item_column_"),
                steps[..., None, None] / 4 * ones,
            ),
            "re_item": (("chain", "draw", "item", "item_column"), steps[..., None, None] * effects),
            "sd_id": (("chain", "draw", "id_column"), steps[..., None]),
        },
        {"term": ["Intercept", "treat"], "item": [1, 2], "item_column": list(ITEM.columns)},
    )
    return xr.DataTree.from_dict({"posterior": posterior})


def test_chains_are_put_one_after_the_other_whatever_the_order_of_dims():
    values = np.arange(24.0).reshape(2, 3, 4)  # chain, draw, term
    given = xr.DataArray(values, dims=("chain", "draw", "term")).transpose("term", "draw", "chain")
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"beta": given})})
    np.testing.assert_array_equal(draw_tables.flat(tree, "beta"), values.reshape(6, 4))


def test_coefficients_are_means_and_equal_tailed_intervals(tree):
    table = draw_tables.coefficients(tree)
    assert list(table.index) == ["Intercept", "treat"]
    np.testing.assert_allclose(table.loc["Intercept"][list(KNOWN)], list(KNOWN.values()))
    np.testing.assert_allclose(table.loc["treat"][list(KNOWN)], [-2.0, SD, -3.9, -0.1])


def test_components_are_those_of_each_block(tree):
    """Three columns in blocks of two and one have one correlation."""
    table = draw_tables.variance_components(tree, [ITEM, PERSON])
    assert list(table.index) == [
        ("item", "sd[Intercept]"), ("item", "sd[treat]"), ("item", "sd[age]"),
        ("item", "corr[Intercept,treat]"), ("id", "sd[Intercept]"),
    ]  # fmt: skip
    factors = [1.0, 2.0, 3.0, 0.25, 1.0]
    expected = np.outer(factors, list(KNOWN.values()))
    np.testing.assert_allclose(table[list(KNOWN)], expected)


def test_random_effects_are_posterior_means_and_sds(tree):
    table = draw_tables.random_effects(tree, "item")
    assert table.index.names == ["item", "term"]
    assert table.index[0] == (1, "Intercept")
    factors = np.array([1.0, 10, 100, 2, 20, 200])
    np.testing.assert_allclose(table["estimate"], 2.0 * factors)
    np.testing.assert_allclose(table["sd"], SD * factors)
    np.testing.assert_array_equal(table["se"], table["sd"])


def test_effects_without_draws_are_refused_with_what_to_type(tree):
    with pytest.raises(ModelError, match=r"no draws of the effects of id.*integrate='none'"):
        draw_tables.flat(tree, "re_id")
