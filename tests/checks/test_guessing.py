"""Expected changes of slopes are those of simulated guessing, and a few guessed items are found."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit
from test_discrepancies import made_tables

from ilhte_bayes.checks.discrepancies import _easiness, _one_table
from ilhte_bayes.checks.expected_points import expected_points
from ilhte_bayes.checks.guessing import CHANCE, slopes_if_guessed
from ilhte_bayes.checks.predictive_tests import _as_if_guessed

EASINESS = np.linspace(-1.0, 2.0, 20)
X, W = np.polynomial.hermite_e.hermegauss(61)


def answers(rng, n_tables, persons, easiness, guessed):
    """Answers of persons N(0, 1); some items right by chance, too."""
    p = expit(rng.normal(size=(n_tables, persons, 1)) + easiness)
    p = np.where(guessed, CHANCE + (1 - CHANCE) * p, p)
    return (rng.random(p.shape) < p).astype(int)


def with_bins_of(plain, tables):
    """The same classes of scores in both."""
    edges = np.unique(np.quantile(plain.score, np.linspace(0, 1, 26)[:-1]))
    return replace(tables, bin=np.searchsorted(edges, tables.score, side="right").clip(1) - 1)


def same_share(easiness):
    """Easiness with which an item that is guessed is right as often, over abilities N(0, 1)."""
    share = (W * expit(X + easiness)).sum() / W.sum()
    return brentq(
        lambda b: (W * (CHANCE + (1 - CHANCE) * expit(X + b))).sum() / W.sum() - share, -12.0, 5.0
    )


@pytest.mark.parametrize("item", [0, 4, 10, 19])
def test_expected_change_is_that_of_simulated_guessing(item):
    rng = np.random.default_rng(1)
    plain = made_tables(answers(rng, 60, 2000, EASINESS, np.zeros(20, bool)))
    expected = expected_points(plain)
    guessed = np.arange(20) == item
    easiness = np.where(guessed, same_share(EASINESS[item]), EASINESS)
    tables = made_tables(answers(rng, 60, 2000, easiness, guessed))
    edges, easy = np.array([10.0]), _easiness(plain)
    counted = [
        [_one_table(t, expected, edges, easy, k)["item-rest"][item] for k in range(60)]
        for t in (plain, tables)
    ]
    found = np.mean(counted[1]) - np.mean(counted[0])
    # Two arms of about SD 1 each, 60 tables: Monte Carlo SE of a difference .26. Shares of D are
    # taken as without the change of easiness: 8 % (5 % for the hardest item, which moves most).
    assert slopes_if_guessed(expected)[item] == pytest.approx(found, rel=0.08, abs=0.6)


def test_expected_change_where_persons_answer_different_items():
    """A third of the answers missing at random: the same change as above, smaller by fewer answers."""
    rng = np.random.default_rng(4)
    asked = (rng.random((2000, 20)) < 2 / 3).astype(np.float32)
    item, none = 4, np.zeros(20, bool)
    guessed = np.arange(20) == item
    easiness = np.where(guessed, same_share(EASINESS[item]), EASINESS)
    plain = made_tables(answers(rng, 60, 2000, EASINESS, none) * asked, asked)
    tables = made_tables(answers(rng, 60, 2000, easiness, guessed) * asked, asked)
    expected = expected_points(plain)
    counted = [
        [
            _one_table(t, expected, np.array([0.0]), _easiness(plain), k)["item-rest"][item]
            for k in range(60)
        ]
        for t in (plain, with_bins_of(plain, tables))
    ]
    found = np.mean(counted[1]) - np.mean(counted[0])
    # classes of scores are wider than a point: 20 %
    assert slopes_if_guessed(expected)[item] == pytest.approx(found, rel=0.2)


def test_an_item_that_is_right_less_often_than_by_chance_is_not_guessed():
    rng = np.random.default_rng(2)
    easiness = np.append(EASINESS[5:], -3.0)
    expected = expected_points(made_tables(answers(rng, 60, 500, easiness, np.zeros(16, bool))))
    change = slopes_if_guessed(expected)
    assert change[-1] == 0.0
    assert (change[:-1] < 0).all()


def test_likelihood_ratio_of_guessed_or_not_at_even_odds():
    """Against every pattern of guessed items written out, and blind to what slopes share."""
    rng = np.random.default_rng(3)
    slopes, change = rng.normal(size=(400, 3)), np.array([-3.0, -1.0, 0.0])
    z = slopes / slopes.std(axis=0)
    z = z - z.mean(axis=1, keepdims=True)
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    shift = change / slopes.std(axis=0)
    patterns = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    means = patterns * shift - shift.mean() / 2  # (pattern, item)
    density = np.exp(-((z[:, None] - means) ** 2 - z[:, None] ** 2).sum(axis=2) / 2)
    found = _as_if_guessed(slopes, change)
    np.testing.assert_allclose(found, np.log(density.mean(axis=1)), atol=1e-10)
    scale = slopes.std(axis=0)
    common = slopes + rng.normal(size=(400, 1)) * scale
    again = _as_if_guessed(common / common.std(axis=0), change / scale)
    np.testing.assert_allclose(np.corrcoef(found, again)[0, 1], 1.0, atol=0.01)
