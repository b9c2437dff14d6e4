"""Plans: written, read back, sealed; each result is planned or it is not."""

import json
import re
from dataclasses import replace
from datetime import date

import pytest

import ilhte_bayes as il


@pytest.fixture(scope="module")
def model():
    trial = il.blinded(il.load_dataset("caffeine"), categories=range(4))
    return il.il_hte(trial, response="resp >= 2", clusters=["study"])


@pytest.fixture(scope="module")
def plan(model):
    return il.analysis_plan(
        model,
        primary="item population, logits",
        secondary=["these 10 items, SDs of ability", "item effects", "SD of effects"],
        tests="boundary_test",
        exclusions="Persons with fewer than five answers.",
        title="Caffeine",
        on=date(2026, 1, 2),
    )


def test_what_is_planned_has_a_label(plan):
    assert plan.label("effect", "item population") == "primary"
    assert plan.label("effect", "item population", "SDs of ability") == "exploratory"
    assert plan.label("effect", "these 10 items", "SDs of ability") == "secondary"
    assert plan.label("effect", "these items", "SDs of ability") == "secondary"
    assert plan.label("item effects") != "exploratory" != plan.label("test", "boundary_test")
    assert plan.label("effect", "a new 10-item test") == plan.label("test", "loo") == "exploratory"


def test_a_plan_is_read_back_as_it_was(plan, tmp_path):
    back = il.load(plan.save(tmp_path / "plan.md"))
    assert replace(back, sha256="") == plan and not back.changed and len(back.sha256) == 64
    assert (back.title, back.date) == ("Caffeine", "2026-01-02")
    assert back.priors["beta[treat]"] == "Normal(0, 2.5)"
    assert back.answers.startswith("blinded")


def test_a_plan_is_told_by_its_content_not_its_name(plan, tmp_path):
    assert il.load(plan.save(tmp_path / "plan.json")).title == "Caffeine"


def test_people_can_read_the_file(plan, tmp_path):
    plan.save(tmp_path / "plan.md")
    text = (tmp_path / "plan.md").read_text()
    for line in (
        "- Primary: effect on item population, logits",
        "- Secondary: test boundary_test",
        "- Formula: `resp >= 2 ~ treat + (1 | study/id) + (treat | item)`",
        "| `sd_item[treat]` | HalfNormal(1) |",
        "- Persons with fewer than five answers.",
    ):
        assert line in text.splitlines()
    assert (
        json.loads(re.search(r"```json\n(.*)\n```", text, re.S).group(1))["family"] == "bernoulli"
    )


@pytest.mark.parametrize(
    "change", [("item population", "these items"), ("five", "six"), ("SHA-256 of", "Sum of")]
)
def test_a_changed_file_is_said_to_be(plan, tmp_path, change):
    path = tmp_path / "plan.md"
    plan.save(path)
    path.write_text(path.read_text().replace(*change))
    with pytest.warns(il.errors.IlhteWarning, match="was changed after it was saved"):
        back = il.load(path)
    assert back.changed and "CHANGED" in repr(back)


def test_a_plan_is_not_written_over(plan, tmp_path):
    plan.save(tmp_path / "plan.md")
    with pytest.raises(il.errors.DataError, match="not written over"):
        plan.save(tmp_path / "plan.md")
    with pytest.raises(il.errors.DataError, match="in a folder there is"):
        plan.save(tmp_path / "none" / "plan.md")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(il.errors.DataError, match="there is no file"):
        il.load(tmp_path / "none.md")
    for text in ("words", "```json\n{}\n```", "```json\n[1]\n```", "```json\n{broken\n```"):
        (tmp_path / "other.md").write_text(text)
        with pytest.raises(il.errors.DataError, match="holds no plan"):
            il.load(tmp_path / "other.md")


@pytest.mark.parametrize(
    "primary, sentence",
    [
        ("item populaton, logits", "targets are 'these items'"),
        ("item population, points", "scale='points'"),
        ({"kind": "coefficient", "target": "age"}, "no coefficient 'age'"),
        ({"what": "effect"}, "kind, target and scale, not 'what'"),
        ({"kind": "guess"}, "kind='guess'"),
        ([], "names its primary result"),
        (3.5, None),
    ],
)
def test_results_that_do_not_exist_are_refused(model, primary, sentence):
    if sentence is None:
        with pytest.raises(il.errors.ModelError, match="is no planned result"):
            il.analysis_plan(model, primary=[primary])
        return
    with pytest.raises(il.errors.ModelError, match=sentence):
        il.analysis_plan(model, primary=primary)


def test_one_result_is_primary_or_secondary(model):
    with pytest.raises(il.errors.ModelError, match="Name it once"):
        il.analysis_plan(model, secondary="item population, logits")
    with pytest.raises(il.errors.ModelError, match="engine='stan'"):
        il.analysis_plan(model, engine="stan")


def test_it_prints_within_a_page(plan):
    assert max(map(len, repr(plan).splitlines())) <= 100
    assert "not read from its file" in repr(plan)
