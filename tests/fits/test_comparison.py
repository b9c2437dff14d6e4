"""Fits side by side: known draws give known cells, and what differs between fits is said."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import ilhte_bayes as il
from ilhte_bayes.show.comparison_words import comparison_table

FORMULA = "resp >= 2 ~ treat + (1 | study/id) + (treat | item)"


@pytest.fixture(scope="module")
def trial() -> pd.DataFrame:
    return il.load_dataset("caffeine")


@pytest.fixture(scope="module")
def ml(trial) -> il.Fit:
    return il.laplace(il.Model(FORMULA, trial))


@pytest.fixture(scope="module")
def null(trial) -> il.Fit:
    return il.laplace(il.Model("resp >= 2 ~ 1 + (1 | study/id) + (1 | item)", trial))


def drawn(model: il.Model, shift: float, scale: float = 1.0) -> il.Fit:
    """A fit of two chains of 50 draws: every parameter is shift + scale * (0, 1, ... 99)."""
    steps = (shift + scale * np.arange(100.0)).reshape(2, 50)
    variables, coords = {}, {"term": list(model.design.terms)}
    shape = {"beta": [("term", len(model.design.terms))]}
    for group in model.design.groups:
        column = f"{group.name}_column"
        coords |= {column: list(group.columns), f"{column}_": list(group.columns)}
        shape[f"sd_{group.name}"] = [(column, group.n_columns)]
        if group.n_columns > 1:
            shape[f"corr_{group.name}"] = [(column, 2), (f"{column}_", 2)]
    for name, dims in shape.items():
        values = np.broadcast_to(
            steps[(...,) + (None,) * len(dims)], (2, 50, *(n for _, n in dims))
        )
        variables[name] = (("chain", "draw", *(d for d, _ in dims)), values)
    posterior = xr.Dataset(variables, coords)
    tree = xr.DataTree.from_dict({"posterior": posterior})
    return il.Fit(model, "nuts", "posterior", tree, (), 1.0, 0.0)


def test_known_draws_give_known_cells(ml):
    found = il.compare(drawn(ml.model, 0.0, 0.01), drawn(ml.model, 0.5, 0.03), names=["a", "b"])
    frame = found.to_frame()
    assert list(frame.index) == [
        "beta[Intercept]", "beta[treat]", "sd_study[Intercept]", "sd_study:id[Intercept]",
        "sd_item[Intercept]", "sd_item[treat]", "corr_item[Intercept,treat]",
    ]  # fmt: skip
    # 0, ..., 99: mean 49.5, SD sqrt(100 * 101 / 12), quantiles 99 p
    sd = np.sqrt(100 * 101 / 12)
    for parameter in frame.index:
        row = frame.loc[parameter]
        np.testing.assert_allclose(
            row["a"].loc[["estimate", "se", "lower", "upper"]],
            [0.495, 0.01 * sd, 0.01 * 99 * 0.025, 0.01 * 99 * 0.975],
            rtol=1e-12,
        )
        np.testing.assert_allclose(row["b", "estimate"], 0.5 + 0.03 * 49.5, rtol=1e-12)
        np.testing.assert_allclose(row["b", "difference"], (0.5 + 0.99) / (0.01 * sd), rtol=1e-12)
    assert "difference" not in frame["a"]
    assert found.unit == "posterior SDs"
    assert not found.notes


def test_columns_are_the_fits_own_tables(ml, null):
    frame = il.compare(ml, null).frame
    own = frame["Laplace ML 1"].iloc[:2]
    np.testing.assert_array_equal(own, ml.coefficients)
    np.testing.assert_array_equal(frame["Laplace ML 1"].iloc[2:], ml.variance_components)


def test_differences_are_in_standard_errors_of_the_first_fit_that_has_one(ml):
    """The correlation is at its edge in ML, which has no standard error there."""
    draws = drawn(ml.model, 0.0, 0.01)
    found = il.compare(ml, draws)
    frame, edge = found.frame, "corr_item[Intercept,treat]"
    assert np.isnan(frame.loc[edge, ("Laplace ML", "se")])
    expected = (0.495 - frame.loc[edge, ("Laplace ML", "estimate")]) / frame.loc[
        edge, ("NUTS", "se")
    ]
    np.testing.assert_allclose(frame.loc[edge, ("NUTS", "difference")], expected, rtol=1e-12)
    expected = (0.495 - ml.coefficients.loc["treat", "estimate"]) / ml.coefficients.loc[
        "treat", "se"
    ]
    np.testing.assert_allclose(frame.loc["beta[treat]", ("NUTS", "difference")], expected)
    assert any(f"has no standard errors for {edge}" in note for note in found.notes)
    assert any("posterior means" in note for note in found.notes)


def test_fits_of_different_models_leave_gaps(ml, null):
    found = il.compare(null, ml, names=["M0", "M_A"])
    table = comparison_table(found)
    assert list(table.columns) == ["M0", "M_A", "diff."]
    assert table.loc["beta[treat]", "M0"] == "-"
    assert table.loc["beta[treat]", "diff."] == "-"
    assert table.loc["beta[treat]", "M_A"] == "1.78 [1.24, 2.32]"
    assert table.loc["corr_item[Intercept,treat]", "M_A"] == "1.00 [-]"
    assert list(found.frame.index)[:2] == ["beta[Intercept]", "beta[treat]"]
    (models,) = [note for note in found.notes if note.startswith("The models differ.")]
    assert f"M_A: {FORMULA}." in models
    assert not any("different data" in note for note in found.notes)


def test_thresholds_are_called_thresholds(trial):
    fits = [
        il.laplace(il.Model(f"resp ~ {x} + (1 | study/id)", trial, "cumulative"))
        for x in ("treat", "1")
    ]
    table = comparison_table(il.compare(*fits))
    assert list(table.index[:4]) == [
        "threshold[0|1]", "threshold[1|2]", "threshold[2|3]", "beta[treat]"
    ]  # fmt: skip
    assert table.loc["beta[treat]", "diff."] == "-" != table.loc["threshold[0|1]", "diff."]


def test_other_data_are_named(trial, ml):
    fewer = il.laplace(il.Model(FORMULA, trial.iloc[:5000]))
    (note,) = [n for n in il.compare(ml, fewer).notes if "different data" in n]
    assert note.startswith(
        "Laplace ML 1 and Laplace ML 2 are fits of different data: 6,811 answers"
    )
    assert fewer.model.responses.fingerprint()[:8] in note


@pytest.mark.parametrize(
    "formula, change, alike",
    [
        ("resp >= 2 ~ 1 + (1 | id)", {}, True),
        ("resp >= 2 ~ 1 + (1 | id)", {"impulsivity": lambda t: t["impulsivity"] + 1}, True),
        ("resp >= 2 ~ C(treat) + (1 | id) + (1 | item)", {}, True),
        ("resp >= 2 ~ treat + (1 | id) + (1 | item)", {"treat": lambda t: 1 - t["treat"]}, False),
        ("resp >= 2 ~ 1 + (1 | item)", {"resp": lambda t: t["resp"].to_numpy()[::-1]}, False),
        ("resp >= 1 ~ treat + (1 | id) + (1 | item)", {}, False),
    ],
)
def test_data_are_compared_in_what_both_models_use(trial, ml, formula, change, alike):
    other = il.laplace(il.Model(formula, trial.assign(**change)))
    notes = il.compare(ml, other).notes
    assert alike == (not any("different data" in note for note in notes))


def test_other_priors_are_named(ml):
    narrow = ml.model.with_priors({"beta[treat]": il.priors.Normal(0, 0.1)})
    fits = [il.laplace(model, objective="map") for model in (ml.model, narrow)]
    notes = il.compare(ml, *fits).notes
    (note,) = [note for note in notes if "other priors" in note]
    assert note == (
        "Laplace MAP 2 has other priors than Laplace MAP 1: beta[treat] Normal(0, 0.1) "
        "(there Normal(0, 2.5))."
    )


def test_problems_are_shown_with_the_fit_they_belong_to(ml):
    troubled = dataclasses.replace(drawn(ml.model, 0.0), problems=("7 draws diverged.",))
    assert "NUTS: 7 draws diverged." in il.compare(ml, troubled).notes


def test_names_are_made_unique_or_checked(ml, null):
    assert il.compare(ml, drawn(ml.model, 0.0)).names == ("Laplace ML", "NUTS")
    assert il.compare(ml, null, ml).names == ("Laplace ML 1", "Laplace ML 2", "Laplace ML 3")
    for names in (["one"], ["one", "one"], "ab"):
        with pytest.raises(
            il.errors.ModelError, match=r"Give each fit a name .* names=\['M0', 'M1'\]"
        ):
            il.compare(ml, null, names=names)


def test_what_is_no_fit_or_alone_is_refused(ml):
    with pytest.raises(il.errors.ModelError, match=r"1 fit\(s\) to compare; it takes two or more"):
        il.compare(ml)
    with pytest.raises(il.errors.ModelError, match="argument 2 is a Model, not a fit"):
        il.compare(ml, ml.model)


def test_text_is_one_line_a_parameter(ml):
    found = il.compare(ml, drawn(ml.model, 0.0, 0.01))
    _, unit, header, *lines = repr(found).splitlines()
    assert unit == "diff.: from Laplace ML, in its standard errors"
    assert header.split() == ["Laplace", "ML", "NUTS", "diff."]
    assert [line.split()[0] for line in lines[:7]] == list(found.frame.index)
    assert "1.78 [1.24, 2.32]" in lines[1]
    said = " ".join(" ".join(lines[7:]).split())
    assert all(" ".join(note.split()) in said for note in found.notes)
    assert max(map(len, lines)) <= 100


def test_html_is_escaped(ml):
    html = il.compare(ml, ml, names=["<b>", "b&c"])._repr_html_()
    assert "<th>&lt;b&gt;</th>" in html
    assert "<th>b&amp;c</th>" in html
    assert "1.78 [1.24, 2.32]" in html
    assert html.count("<tr") == 8


def test_digits_follow_the_standard_error(ml):
    small, large = drawn(ml.model, 0.0, 2e-4), drawn(ml.model, 0.0, 2.0)
    assert comparison_table(il.compare(small, small))["NUTS 1"].iloc[0] == "0.0099 [0.0005, 0.0193]"
    assert comparison_table(il.compare(large, large))["NUTS 1"].iloc[0] == "99.00 [4.95, 193.05]"
