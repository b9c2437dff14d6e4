"""Answers of several categories as rows of pairs: columns, blocks, and the information they hold."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ilhte_bayes as il
from ilhte_bayes.families.categories import InCategories, fill_pairs, weight_changes
from ilhte_bayes.formulas.logits import columns_of_categories, pairs_of_categories

pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")


@pytest.fixture(scope="module")
def trial():
    rng = np.random.default_rng(3)
    person, item = np.repeat(np.arange(30), 6), np.tile(np.arange(6), 30)
    table = pd.DataFrame({"id": person, "item": item, "treat": person % 2})
    table["y"] = rng.integers(0, 4, len(table))
    return table


def model(trial, family, **options):
    return il.Model("y ~ treat + (1 | id) + (treat | item)", trial, family, **options)


def test_pairs_begin_with_those_of_the_first_category():
    assert pairs_of_categories(4) == [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1), (3, 2)]


def differences(eta):
    """(answer, pair) eta_k - eta_l from (answer, category)."""
    return np.column_stack(
        [eta[:, k] - eta[:, low] for k, low in pairs_of_categories(eta.shape[1])]
    )


@settings(deadline=None)  # the first call compiles
@given(st.integers(2, 6), st.integers(0, 10_000))
def test_pairs_hold_the_gradient_and_information_of_the_answer(n_categories, seed):
    rng = np.random.default_rng(seed)
    n = 5
    eta = np.column_stack([np.zeros(n), rng.normal(0, 2, (n, n_categories - 1))])
    answer, count = rng.integers(0, n_categories, n), rng.integers(1, 4, n)
    pairs = pairs_of_categories(n_categories)
    rows = differences(eta)
    score, times = np.repeat(answer, len(pairs)), np.repeat(count, len(pairs))
    slope, weight, mean = (np.empty(rows.size) for _ in range(3))
    value = fill_pairs(rows.ravel(), score, times, n_categories, slope, weight, mean)
    mu = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    expected = count @ np.log(mu[np.arange(n), answer])
    assert value == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert InCategories(n_categories).log_probability(rows.ravel(), score, times) == pytest.approx(
        expected
    )
    across = np.array([np.eye(n_categories)[k] - np.eye(n_categories)[low] for k, low in pairs])
    for r in range(n):
        own = slice(r * len(pairs), (r + 1) * len(pairs))
        gradient = count[r] * (np.eye(n_categories)[answer[r]] - mu[r])
        np.testing.assert_allclose(slope[own] @ across, gradient, atol=1e-12)
        information = count[r] * (np.diag(mu[r]) - np.outer(mu[r], mu[r]))
        np.testing.assert_allclose((across.T * weight[own]) @ across, information, atol=1e-12)


@settings(deadline=None)  # the first call compiles
@given(st.integers(2, 5), st.integers(0, 10_000))
def test_weight_changes_are_derivatives_of_the_weights(n_categories, seed):
    rng = np.random.default_rng(seed)
    eta = np.append(0.0, rng.normal(0, 1.5, n_categories - 1))
    size = len(pairs_of_categories(n_categories))
    variance, score, count = rng.gamma(1, size=size), np.zeros(size, int), np.full(size, 3)

    def weighted(eta):
        slope, weight, mean = (np.empty(size) for _ in range(3))
        fill_pairs(differences(eta[None]).ravel(), score, count, n_categories, slope, weight, mean)
        return weight @ variance, weight, mean

    _, weight, mean = weighted(eta)
    found = variance.copy()
    weight_changes(weight, mean, found, n_categories)
    step = 1e-5
    for k in range(1, n_categories):
        e = step * np.eye(n_categories)[k]
        slope = (weighted(eta + e)[0] - weighted(eta - e)[0]) / (2 * step)
        # a central difference errs by about step squared, and by rounding 1e-16 / step
        assert found[k - 1] == pytest.approx(slope, rel=1e-6, abs=1e-8)
    assert not found[n_categories - 1 :].any()


def test_steps_add_up_to_categories(trial):
    design = model(trial, "adjacent").design
    x = [x for x, _ in columns_of_categories(design)]
    beta = np.array([0.3, -0.2, 0.5, 0.7])  # three thresholds and the effect
    treated = design.x[:, 3]
    for k, thresholds in enumerate(([0.3], [0.3, -0.2], [0.3, -0.2, 0.5])):
        np.testing.assert_allclose(x[k] @ beta, (k + 1) * 0.7 * treated - sum(thresholds))


def test_terms_and_blocks_of_multinomial_answers(trial):
    design = model(trial, "multinomial").design
    assert design.terms[:3] == ("1: Intercept", "1: treat", "2: Intercept")
    item = design.group("item")
    assert item.columns == tuple(f"{c}: {t}" for c in "123" for t in ("Intercept", "treat"))
    assert item.blocks == ((0, 1), (2, 3), (4, 5))
    correlated = model(trial, "multinomial", logits="correlated").design
    assert correlated.group("item").blocks == ((0, 1, 2, 3, 4, 5),)
    assert correlated.group("id").blocks == ((0, 1, 2),)


def test_correlated_logits_of_independent_columns(trial):
    """`||` keeps intercepts and slopes apart; each is correlated across categories."""
    text = "y ~ treat + (1 | id) + (treat || item)"
    item = il.Model(text, trial, "multinomial", logits="correlated").design.group("item")
    assert item.columns[:3] == ("1: Intercept", "2: Intercept", "3: Intercept")
    assert item.blocks == ((0, 1, 2), (3, 4, 5))
    assert item.logit.tolist() == [0, 1, 2, 0, 1, 2]


def test_correlated_logits_need_several_predictors(trial):
    with pytest.raises(il.errors.ModelError, match="is about family='multinomial'"):
        model(trial, "adjacent", logits="correlated")
    with pytest.raises(il.errors.ModelError, match="it is 'independent'"):
        model(trial, "multinomial", logits="free")
