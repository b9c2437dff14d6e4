"""Likelihood without random effects, against closed forms and Stata."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.engines.fixed_only import fixed_only_loglik


def test_one_predictor_of_two_values_reproduces_their_shares(make_trial):
    table = make_trial()
    model = il.Model("resp ~ treat + (1 | id)", table)
    cells = table.groupby("treat")["resp"].agg(["sum", "size"])
    p = cells["sum"] / cells["size"]
    exact = (cells["sum"] * np.log(p) + (cells["size"] - cells["sum"]) * np.log1p(-p)).sum()
    assert fixed_only_loglik(model) == pytest.approx(exact, abs=1e-9)


def test_thresholds_alone_reproduce_the_shares_of_categories(make_trial):
    table = make_trial()
    model = il.Model("rate ~ 1 + (1 | id)", table, family="cumulative")
    counts = table["rate"].value_counts()
    exact = (counts * np.log(counts / counts.sum())).sum()
    assert fixed_only_loglik(model) == pytest.approx(exact, abs=1e-9)


def test_statas_single_level_ordinal_model(table):
    model = il.Model("thk ~ prethk + cc * tv + (1 | school)", table("tvsfp"), family="cumulative")
    assert fixed_only_loglik(model) == pytest.approx(-2125.1032, abs=1e-4)


def test_separated_answers_approach_certainty():
    x = np.repeat([0, 1], 20)
    table = pd.DataFrame({"y": x, "x": x, "g": np.tile(np.arange(4), 10)})
    model = il.Model("y ~ x + (1 | g)", table)
    assert fixed_only_loglik(model) == pytest.approx(0.0, abs=1e-8)  # P of every answer is 1
