"""The four targets on the scale of the answers: probability, and expected score points.

Of a new item and a new test, easiness and effect are drawn together for every draw of the
parameters: an effect of one size in logits moves the answers to a hard item less.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ilhte_bayes.estimands.card_targets import stretched, target_names
from ilhte_bayes.estimands.distribution import SEED
from ilhte_bayes.estimands.expected import Arm, Average, new_items
from ilhte_bayes.estimands.expected_draws import Draw, expected_draws, mode_draw
from ilhte_bayes.estimands.item_sample import ItemSample
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.contrasts import Contrast

N_DRAWS = 1000  # of the parameters
_MOST_ITEMS = 200  # of a new test drawn one by one; larger ones differ as much less as theory says

# (target, scale) -> draws, and the estimate
Rows = dict[tuple[str, str], tuple[np.ndarray, float]]


def answer_rows(
    fit: Fit,
    name: str,
    contrast: Contrast,
    drawn: list[Draw],
    k: int,
    sample: ItemSample,
    average: Average,
) -> Rows:
    """Effects on the probability of a binary answer, and on the expected score of a test.

    Parameters
    ----------
    drawn : list of Draw
        See `draws_of`.
    sample : ItemSample
        For the degrees of freedom of ML intervals.

    Returns
    -------
    dict
        Probabilities are averages over a target's items; score points are sums over them, of the
        population over k items on average.
    """
    arms = [Arm.of(fit, name, contrast, a, average) for a in (contrast.from_arm, contrast.to_arm)]
    n_items = len(arms[0].groups[0][0].labels)
    answers = expected_answers(fit, name, arms, drawn, k)
    out: Rows = {}
    for j, (target, size) in enumerate(
        zip(target_names(n_items, k), (n_items, k, 1, k), strict=True)
    ):
        effect, centre = effects(answers, j, sample.df[j])
        one, middle = effect.sum(axis=1), float(centre.sum())
        if arms[0].n_cuts <= 1:
            out[target, "probability"] = one, middle
        out[target, "score points"] = size * one, size * middle
    return out


@dataclass(frozen=True, slots=True)
class Answers:
    """P(Y >= c) in both arms, averaged over the items of each target, in the card's order."""

    draws: np.ndarray  # (draw, target, arm, cut)
    centre: np.ndarray  # (target, arm, cut); of new items the population's


def expected_answers(
    fit: Fit, name: str, arms: list[Arm], drawn: Iterable[Draw], k: int
) -> Answers:
    """Draws, and estimates: a maximised fit's own, or means of draws."""
    estimates = mode_draw(fit, name) if not fit.sampled else None
    # t knows what the uncertainty of items' SDs does (ML); else they are each draw's own
    usual = estimates if fit.objective == "ml" else None
    rng = np.random.default_rng(SEED + 5)
    draws = np.array([_answers(arms, one, k, usual, rng) for one in drawn])
    if estimates is None:
        these, population = draws[:, :2].mean(axis=0)
    else:
        these, population = _these_and_all(arms, estimates)
    return Answers(draws, np.stack([these, population, population, population]))


def effects(answers: Answers, target: int, df: float) -> tuple[np.ndarray, np.ndarray]:
    """(draw, cut) effects on one target, by t about its estimate (cut,)."""
    values, centre = answers.draws[:, target], answers.centre[target]
    middle = centre[1] - centre[0]
    return stretched(values[:, 1] - values[:, 0], middle, df), middle


def draws_of(fit: Fit, name: str) -> list[Draw]:
    """Parameter values to average over."""
    return expected_draws(fit, name, N_DRAWS)


def why_not(fit: Fit, name: str) -> str | None:
    """Why there are no probabilities and score points, in a sentence."""
    if fit.model.design.has_own_slopes:
        return (
            "No probabilities or score points: slopes differ by threshold. Fit the model with the "
            "same slopes at every threshold for them."
        )
    if not fit.sampled and f"re_{name}_joint" not in fit.mode:
        return "No probabilities or score points: too many items to keep their joint distribution."
    return None


def _answers(
    arms: list[Arm], draw: Draw, k: int, usual: Draw | None, rng: np.random.Generator
) -> np.ndarray:
    """(target, arm, cut) probabilities of these items, all, a new one, the mean of k new ones.

    New items are drawn with the covariance of `usual`, if given.
    """
    these, population = _these_and_all(arms, draw)
    from_where = draw if usual is None else replace(draw, covariance=usual.covariance)
    drawn = min(k, _MOST_ITEMS)
    items = new_items(arms[0], from_where, drawn, rng)
    like = None  # features of new items are those of items asked
    if any(arm.by_item is not None for arm in arms):
        like = rng.integers(len(arms[0].groups[0][0].labels), size=drawn)
    new = np.stack([arm.new_items(draw, *items, like) for arm in arms])  # (arm, item, cut)
    test = population + (new.mean(axis=1) - population) * np.sqrt(drawn / k)
    return np.stack([these, population, new[:, 0], test])


def _these_and_all(arms: list[Arm], draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """(arm, cut) each."""
    these = np.stack([arm(draw).mean(axis=0) for arm in arms])
    return these, np.stack([arm.population(draw) for arm in arms])
