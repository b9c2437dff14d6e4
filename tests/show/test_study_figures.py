"""The figures of a study from the published table: its points, and what it says of them."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.errors import DataError


def points(ax):
    """(x, y) of every series of points."""
    return [line.get_xydata() for line in ax.lines if line.get_linestyle() == "None"]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_forty_of_seventy_are_significant(published):
    table, items = published
    ax = il.plot.study_effects(table, items)
    assert any(text.startswith("40 of 70 trials") for text in legend(ax))
    strong, other, average = points(ax)
    assert len(strong) + len(other) == len(items) and len(average) == 70
    assert np.array_equal(average[:, 0], np.sort(table["ate_std"]))
    order = table.sort_values("ate_std")["tab"].tolist()
    assert [text.get_text() for text in ax.get_yticklabels()] == order
    significant = table.loc[table["sig_il_hte"], "tab"]
    assert len(strong) == items["tab"].isin(significant).sum()
    found = {(round(x, 12), order[int(y)]) for x, y in np.vstack([strong, other])}
    wanted = zip(items["total_std"].round(12), items["tab"], strict=True)
    assert found == set(wanted)


def test_interactions_differ_where_the_ratio_is_not_1(published):
    table, _ = published
    ax = il.plot.study_interactions(table)
    drawn = np.vstack(points(ax))
    known = table.dropna(subset=["delta_beta3"])
    assert len(drawn) == len(known) == 66
    wanted = known[["sd_ratio", "delta_beta3"]].to_numpy()
    assert np.allclose(drawn[np.lexsort(drawn.T)], wanted[np.lexsort(wanted.T)])
    assert "66 trials" in ax.get_title() and ".455" in ax.get_title()


@pytest.mark.parametrize("name", ["study_effects", "study_interactions"])
def test_plotly_draws_the_same_points(published, name):
    table, items = published
    more = {"items": items} if name == "study_effects" else {}
    ax = getattr(il.plot, name)(table, **more)
    figure = getattr(il.plot, name)(table, **more, backend="plotly")
    theirs = [t for t in figure.data if t.mode and "markers" in t.mode and len(t.x) > 1]
    ours = points(ax)
    assert len(theirs) == len(ours)
    for trace, own in zip(theirs, ours, strict=True):
        assert np.allclose(np.asarray(trace.x, dtype=float), own[:, 0])


def test_a_table_without_results_is_refused():
    empty = pd.DataFrame({"ate_std": [], "lrt_pval": []})
    with pytest.raises(DataError, match="nothing to draw"):
        il.plot.study_effects(empty)
    with pytest.raises(DataError, match="M_B"):
        il.plot.study_interactions(pd.DataFrame({"ate_std": [0.1], "sd_ratio": [1.0]}))
