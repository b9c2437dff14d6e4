"""Answers in words: what an error says to type works, and models the answers, not the gaps."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.data.answer_words import affirmative, missing_words


def table(words):
    words = np.resize(np.array(words, dtype=object), 240)
    return pd.DataFrame({"resp": words, "id": np.arange(240) // 6, "item": np.arange(240) % 6})


def followed(table, formula="resp ~ 1 + (1 | id)"):
    """The share of ones after everything that the error says was typed."""
    with pytest.raises(il.errors.DataError) as refused:
        il.Model(formula, table)
    said = str(refused.value)
    for line in re.findall(r"table\['resp'\] = (.*?)(?:\. | makes)", f"{said} "):
        table["resp"] = eval(line, {"table": table})
    if typed := re.search(r'"(resp == .*?) ~ \.\.\."', said):
        formula = f"{typed[1]} ~ 1 + (1 | id)"
    model = il.Model(formula, table)
    responses = model.responses
    return said, float(responses.score @ responses.count) / responses.n_obs


@pytest.mark.parametrize("code", ["n/a", "N/A ", ".", " ", "missing", "-", "none given", "refused"])
@pytest.mark.parametrize("yes, no", [("yes", "no"), ("Yes", "no"), ("right", "wrong"), ("1", "0")])
def test_a_code_of_missing_answers_is_taken_out_and_yes_is_1(code, yes, no):
    said, share = followed(table([yes, no, yes, yes, code]))
    assert f"{code!r} looks like a code for missing answers" in said
    assert share == pytest.approx(3 / 4)


def test_several_codes_and_spellings_at_once():
    said, share = followed(table(["Yes", "yes ", "no", ".", " ", "yes"]))
    assert "look like codes" in said and ".str.strip().str.lower()" in said
    assert share == pytest.approx(3 / 4)


def test_spellings_become_one_and_yes_is_proposed():
    said, share = followed(table(["Yes", "no", "yes", "maybe"]))
    assert "'Yes', 'yes' are one answer, perhaps" in said and "\"resp == 'yes' ~" in said
    assert share == pytest.approx(1 / 2)


def test_a_categorical_is_mended_as_well():
    words = table(["yes", "no", "yes", "n/a"])
    words["resp"] = pd.Categorical(words["resp"], ["n/a", "no", "yes"])
    assert followed(words)[1] == pytest.approx(2 / 3)


@pytest.mark.parametrize("answers", [["+", "-"], ["no", "don't know", "yes"], ["8", "9"], ["none"]])
def test_what_can_be_an_answer_is_no_code(answers):
    assert missing_words(answers) == []


def test_numbers_are_codes_among_words_and_below_zero_among_numbers():
    assert missing_words(["no", "yes", "99"]) == ["99"]
    assert missing_words(["0", "1", "9"]) == []  # a score, as far as the words can tell
    assert missing_words(["-9", "0", "1"]) == ["-9"]


def test_yes_is_found_in_any_spelling():
    assert affirmative(["No", "YES ", "perhaps"]) == "YES "
    assert affirmative(["often", "never"]) is None


@pytest.mark.parametrize("formula", ["resp ~ 1 + (1 | id)", "resp == 'yes' ~ 1 + (1 | id)"])
def test_a_code_that_counts_as_an_answer_is_warned_of(formula):
    words = table(["yes", "n/a"])
    with pytest.warns(il.errors.IlhteWarning, match=r"counts every word.*mask\(table\['resp'\] =="):
        il.Model(formula, words)
    with warnings.catch_warnings():
        warnings.simplefilter("error", il.errors.IlhteWarning)
        il.Model(formula, table(["yes", "no"]))


def test_ordered_words_are_listed_without_codes_and_spellings():
    words = table(["Agree", "neutral", "n/a", "disagree", "agree"])
    with pytest.raises(
        il.errors.DataError, match="levels=\\['agree', 'disagree', 'neutral'\\]"
    ) as said:
        il.Model("resp ~ 1 + (1 | id)", words, "cumulative")
    assert "'n/a' looks like a code" in str(said.value) and ".str.lower()" in str(said.value)
    stated = {"levels": ["disagree", "neutral", "agree"]}
    with pytest.raises(il.errors.DataError, match=r"leaves out 'n/a'.*mask.*Otherwise name every"):
        words["resp"] = words["resp"].str.lower()
        il.Model("resp ~ 1 + (1 | id)", words, "cumulative", **stated)
