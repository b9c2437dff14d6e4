"""The page says of each result whether it was planned."""

import pytest

import ilhte_bayes as il
from ilhte_bayes.show.page import page_html
from ilhte_bayes.show.sections.plan import results_table


@pytest.fixture(scope="module")
def plan(fit_of):
    return il.analysis_plan(
        fit_of("caffeine_map").model,
        secondary="item effects",
        tests="boundary_test",
        engine="laplace",
        objective="map",
    )


def test_each_result_is_planned_or_exploratory(fit_of, plan):
    fit = fit_of("caffeine_map")
    table = results_table(plan, fit, il.effect_card(fit), None)["plan"]
    assert table["effect on item population, logits"] == "planned, primary"
    assert table["item effects, logits"] == "planned, secondary"
    assert table["effect on one new item, logits"] == "exploratory"
    assert table["test boundary_test"] == "planned, secondary; not on this page"
    assert table.iloc[0] == "planned, primary"


def test_the_page_has_plan_and_differences(fit_of, plan, tmp_path):
    fit = fit_of("caffeine_map")
    html = page_html(fit, plan=plan)
    assert "Planned and done" in html and "Done as planned" in html
    assert "Planned and done" not in page_html(fit)
    path = tmp_path / "plan.md"
    plan.save(path)
    path.write_text(path.read_text().replace("HalfNormal(1)", "HalfNormal(3)"))
    with pytest.warns(il.errors.IlhteWarning):
        changed = il.load(path)
    html = page_html(fit, plan=changed)
    assert "was changed after it was saved" in html and "prior of sd_item" in html
    assert "1 part(s) of the analysis differ" in html
