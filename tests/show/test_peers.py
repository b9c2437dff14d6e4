"""Code for other programs: codings, signs and terms as they are here; what they lack is said.

That glmer and clmm give our numbers when the code is run is recorded by benchmarks/peers_code.py.
"""

import ast
import re

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.show.peer_formulas import dummies


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "y": rng.choice(["no", "yes"], 240),
            "rating": rng.choice(["low", "mid", "high"], 240),
            "score": rng.integers(0, 4, 240),
            "arm": rng.choice(["drug", "placebo", 'a "new" one'], 240),
            "pre": rng.normal(size=240),
            "id": np.arange(240) % 40,
            "school": np.arange(240) % 40 // 4,
            "item": [f"q{k // 40}" for k in range(240)],
        }
    )


def model(table, formula, family="bernoulli", **options):
    reference = {"arm": "placebo"} if "arm" in formula else None
    return il.Model(formula, table, family, reference=reference, **options)


def test_glmer_gets_answer_reference_and_dummies(table):
    code = il.as_code(model(table, "y ~ arm + I(pre^2) + (arm || item) + (1 | school/id)"), "glmer")
    assert 'd$y_is_1 <- as.integer(d$y == "yes")' in code
    assert r'd$arm <- factor(d$arm, levels = c("placebo", "a \"new\" one", "drug"))' in code
    assert 'd$arm_drug <- as.integer(d$arm == "drug")' in code
    assert (
        "y_is_1 ~ arm + I(pre^2) + (1 | item) + (0 + arm_a__new__one | item) + "
        "(0 + arm_drug | item) + (1 | school) + (1 | school:id)" in code
    )
    assert code.count("family = binomial") == 1


def test_correlated_terms_stay_together_and_zero_one_answers_as_they_are(table):
    code = il.as_code(
        il.Model("t ~ pre + (pre | item)", table.assign(t=(table["y"] == "yes").astype(int))),
        "glmer",
    )
    assert "t ~ pre + (pre | item), data = d" in code and "as.integer" not in code


def test_comparisons_and_texts_are_kept(table):
    code = il.as_code(model(table, "score >= 2 ~ pre + (1 | item)"), "glmer")
    assert "d$score_is_1 <- as.integer(d$score >= 2)" in code
    sas = il.as_code(model(table, "rating == 'high' ~ pre + (1 | item)"), "glimmix")
    assert "rating_is_1 = (rating = 'high');" in sas and "(event='1')" in sas


def test_an_sd_for_each_arm_is_a_term_for_each(table):
    code = il.as_code(model(table, "y ~ arm + (0 + C(arm) || id) + (1 | item)"), "glmer")
    assert code.count("| id)") == 3 and "(1 | id)" not in code
    sas = il.as_code(model(table, "y ~ arm + (0 + C(arm) || id) + (1 | item)"), "glimmix")
    assert "random intercept / subject=id group=arm;" in sas


def test_sas_has_its_own_signs_stars_and_dummies(table):
    ordinal = il.Model(
        "rating ~ arm*pre + I(pre^2) + (arm | item)", table, "cumulative",
        levels=["low", "mid", "high"], reference={"arm": "placebo"},
    )  # fmt: skip
    sas = il.as_code(ordinal, "glimmix")
    assert "every slope has the other sign" in sas
    assert "class item arm(ref='placebo');" in sas
    assert "model rating_score = arm|pre pre*pre / dist=multinomial link=clogit solution;" in sas
    assert "arm_drug = (arm = 'drug');" in sas
    assert "random intercept arm_a__new__one arm_drug / subject=item type=un;" in sas
    clmm = il.as_code(ordinal, "clmm")
    assert 'levels = c("low", "mid", "high"), ordered = TRUE' in clmm
    assert "d$item <- factor(d$item)" in clmm and "(arm | item)" in clmm


def scores_by_the_data_step(code: str) -> dict[str, int]:
    """What the generated `select` makes of each answer."""
    return {text: int(k) for text, k in re.findall(r"when \('?(.*?)'?\) \w+ = (\d+);", code)}


@pytest.mark.parametrize("as_levels", [True, False])
def test_sas_gets_words_in_their_order_not_the_alphabets(table, as_levels):
    order = ["never", "sometimes", "don't know", "always"]
    words = pd.Categorical.from_codes(table["score"], order, ordered=True)
    answers = table.assign(rating=words.astype(str) if as_levels else words)
    given = {"levels": order} if as_levels else {}
    code = il.as_code(
        il.Model("rating ~ pre + (1 | id)", answers, "cumulative", **given), "glimmix"
    )
    assert scores_by_the_data_step(code.replace("''", "'")) == {w: k for k, w in enumerate(order)}
    assert "when ('don''t know')" in code and "model rating_score = pre /" in code


def test_sas_sorts_numbers_by_itself_unless_they_are_turned_round(table):
    up = il.as_code(il.Model("score ~ pre + (1 | id)", table, "cumulative"), "glimmix")
    assert "model score = pre" in up and "select" not in up
    text = table.assign(score=table["score"].astype(str))
    down = il.Model("score ~ pre + (1 | id)", text, "cumulative", levels=["3", "2", "1", "0"])
    code = il.as_code(down, "glimmix")
    assert scores_by_the_data_step(code) == {"3": 0, "2": 1, "1": 2, "0": 3}


@pytest.mark.parametrize("program", ["glmer", "glimmix", "brms", "bambi"])
def test_words_compared_by_their_order_are_not_left_to_the_alphabet(table, program):
    words = pd.Categorical(table["rating"], ["low", "mid", "high"], ordered=True)
    own = il.Model("rating >= 'mid' ~ pre + (1 | id)", table.assign(rating=words))
    with pytest.raises(il.errors.NotAvailable, match=r"by the alphabet.*isin\(\[...\]\)"):
        il.as_code(own, program)


def test_sas_forms_groups_of_classes_only(table):
    """A number that is no class starts a new group wherever it differs from the row before."""
    trial = table.assign(treat=table["id"] % 2)
    code = il.as_code(il.il_hte(trial, response="y", ability_sd="by_arm"), "glimmix")
    classes = re.search(r"class (.*);", code)[1].split()
    groups = re.findall(r"group=(\w+)", code)
    assert groups == ["treat_group"] and set(groups) <= set(classes)
    assert "data d; set d; treat_group = treat; run;" in code
    assert "= treat /" in code  # the slope stays that of a number


def test_bambi_code_is_python_and_says_that_it_has_no_correlations(table):
    code = il.as_code(model(table, "y ~ arm + (arm | item) + (1 | id)"), "bambi")
    assert "no correlations" in code
    names = [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)]
    assert "y_is_1 ~ arm + (arm | item) + (1 | id)" in names
    # run up to the fit: the columns are made as they are here
    there = {"d": table.copy()}
    made = [line for line in code.splitlines() if line.startswith("d[")]
    exec("import pandas as pd\n" + "\n".join(made), there)
    assert list(there["d"]["arm"].cat.categories) == ["placebo", 'a "new" one', "drug"]
    assert set(there["d"]["y_is_1"]) == {0, 1}


def test_dummies_are_the_designs_columns(table):
    """What R computes by the generated tests, computed here."""
    own = model(table, "y ~ arm*pre + (arm:pre || item)")
    made = dummies(own)
    group = own.design.group("item")
    assert len(made) == sum("[" in column for column in group.columns) > 1
    rows = table[["arm", "pre"]]
    computed = []
    for pieces in made.values():
        column = np.ones(len(rows))
        for name, level in pieces:
            column = column * (rows[name] == level if level is not None else rows[name])
        computed.append(np.sort(column))
    weights = np.repeat(np.arange(len(group.z)), np.bincount(own.design.pattern))
    for k, column in enumerate(c for c in group.columns if "[" in c):
        at = group.columns.index(column)
        np.testing.assert_allclose(computed[k], np.sort(group.z[weights, at]))


@pytest.mark.parametrize(
    ("family", "program"),
    [("cumulative", "glmer"), ("adjacent", "clmm"), ("multinomial", "glmer"),
     ("adjacent", "bambi"), ("bernoulli", "clmm")],
)  # fmt: skip
def test_what_a_program_cannot_do_is_a_sentence(table, family, program):
    response = "y" if family == "bernoulli" else "score"
    with pytest.raises(il.errors.NotAvailable, match=f"{program} has no family like '{family}'"):
        il.as_code(model(table, f"{response} ~ arm + (1 | id)", family), program)


def test_unknown_programs_and_parts_without_code(table):
    own = model(table, "y ~ arm + (1 | id)")
    with pytest.raises(il.errors.ModelError, match="'glmer', 'clmm', 'glimmix', 'brms', 'bambi'"):
        il.as_code(own, "stata")
    slopes = il.Model("score ~ pre + (1 | id)", table, "cumulative", own_slopes=["pre"])
    with pytest.raises(il.errors.NotAvailable, match="at each threshold"):
        il.as_code(slopes, "brms")


def test_code_is_shown_as_it_is_written(table):
    code = il.as_code(model(table, "y ~ arm + (1 | id)"), "brms")
    assert isinstance(code, str) and repr(code) == str(code) and "\n" in repr(code)
    assert re.search(r"brms::brm\(y_is_1 ~ arm \+ \(1 \| id\), data = d", code)
    assert "&lt;-" in code._repr_html_()
