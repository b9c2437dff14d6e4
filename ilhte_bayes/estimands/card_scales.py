"""The four targets on the scale of the answers: probability, and expected score points.

Of a new item and a new test, easiness and effect are drawn together for every draw of the
parameters: an effect of one size in logits moves the answers to a hard item less.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ilhte_bayes.estimands.card_targets import (
    Row,
    item_sds,
    own_estimates,
    se_of_mean,
    target_names,
)
from ilhte_bayes.estimands.distribution import SEED
from ilhte_bayes.estimands.expected import Arm, Average, new_items
from ilhte_bayes.estimands.expected_draws import Draw, expected_draws, mode_draw
from ilhte_bayes.estimands.item_sample import ItemSample
from ilhte_bayes.estimands.items import ItemWeights
from ilhte_bayes.estimands.t_parts import in_order_of
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.contrasts import Contrast

N_DRAWS = 1000  # of the parameters
_MOST_ITEMS = 200  # of a new test drawn one by one; larger ones differ as much less as theory says

Rows = dict[tuple[str, str], Row]  # by target and scale


def answer_rows(
    fit: Fit,
    name: str,
    contrast: Contrast,
    weights: ItemWeights,
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
    by_target = draws_by_target(fit, name, weights, drawn, sample)
    answers = expected_answers(fit, name, arms, by_target, k)
    out: Rows = {}
    for j, (target, size) in enumerate(
        zip(target_names(n_items, k), (n_items, k, 1, k), strict=True)
    ):
        effect, centre = effects(answers, j)
        one, middle = effect.sum(axis=1), float(centre.sum())
        if arms[0].n_cuts <= 1:
            out[target, "probability"] = Row(one, middle)
        out[target, "score points"] = Row(size * one, size * middle)
    return out


class TargetDraw(NamedTuple):
    """One set of parameter values for the average over these items, and for their population."""

    these: Draw
    population: Draw
    longer: float  # what SDs of new items are multiplied with
    known: bool  # whether anything is known of the effect


def draws_by_target(
    fit: Fit, name: str, weights: ItemWeights, drawn: list[Draw], sample: ItemSample
) -> list[TargetDraw]:
    """Draws in which the average effect has its degrees of freedom, as in logits.

    What makes t of a normal draw of the average effect moves the other coefficients along with it,
    as the normal approximation does: beta + difference * Cov(beta, effect) / Var(effect).
    """
    if fit.sampled or not sample.se > 0.0:
        return [TargetDraw(one, one, 1.0, True) for one in drawn]
    here, beyond = own_estimates(fit, name, weights)
    se = se_of_mean(fit, name, weights)
    average = weights.fixed.mean(axis=0)
    beta = np.array([one.beta for one in drawn])
    own = np.array([_mean_effect(one, name, weights) for one in drawn])
    population = in_order_of(beta @ average, beyond, sample.se, sample.df)
    moves = np.stack([in_order_of(own, here, se, sample.df_these) - own,
                      population - beta @ average], axis=1)  # fmt: skip
    known = bool(np.isfinite(moves).all())
    moves = np.nan_to_num(moves)
    along = _along(fit, average, sample)
    sds = item_sds(population, beyond, sample) if fit.objective == "ml" else None
    longer = np.ones(len(drawn)) if sds is None or not sample.sd > 0.0 else sds / sample.sd
    return [
        TargetDraw(
            replace(one, beta=one.beta + own_move * along),
            replace(one, beta=one.beta + move * along),
            float(times),
            known,
        )
        for one, (own_move, move), times in zip(drawn, moves, longer, strict=True)
    ]


def _mean_effect(draw: Draw, name: str, weights: ItemWeights) -> float:
    """The average effect over these items, logits."""
    own = weights.fixed @ draw.beta + (weights.random * draw.effects[name]).sum(axis=1)
    return float(own.mean())


def _along(fit: Fit, average: np.ndarray, sample: ItemSample) -> np.ndarray:
    """(term,) what coefficients change by with the average effect; thresholds all alike."""
    along = fit.mode["beta_cov"].to_numpy() @ average / sample.se**2
    n_cuts = fit.model.design.n_cuts
    along[:n_cuts] = along[:n_cuts].mean() if n_cuts else 0.0
    return np.asarray(along)


@dataclass(frozen=True, slots=True)
class Answers:
    """P(Y >= c) in both arms, averaged over the items of each target, in the card's order."""

    draws: np.ndarray  # (draw, target, arm, cut)
    centre: np.ndarray  # (target, arm, cut); of new items the population's


def expected_answers(
    fit: Fit, name: str, arms: list[Arm], drawn: Iterable[TargetDraw], k: int
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
        these, population = _of_these(arms, estimates), _of_all(arms, estimates)
    return Answers(draws, np.stack([these, population, population, population]))


def effects(answers: Answers, target: int) -> tuple[np.ndarray, np.ndarray]:
    """(draw, cut) effects on one target, and their estimates (cut,)."""
    values, centre = answers.draws[:, target], answers.centre[target]
    return values[:, 1] - values[:, 0], centre[1] - centre[0]


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
    arms: list[Arm], one: TargetDraw, k: int, usual: Draw | None, rng: np.random.Generator
) -> np.ndarray:
    """(target, arm, cut) probabilities of these items, all, a new one, the mean of k new ones.

    New items are drawn with the covariance of `usual`, if given.
    """
    draw = one.population
    these, population = _of_these(arms, one.these), _of_all(arms, draw)
    from_where = draw if usual is None else _lengthened(draw, usual, arms, one.longer)
    drawn = min(k, _MOST_ITEMS)
    items = new_items(arms[0], from_where, drawn, rng)
    like = None  # features of new items are those of items asked
    if any(arm.by_item is not None for arm in arms):
        like = rng.integers(len(arms[0].groups[0][0].labels), size=drawn)
    new = np.stack([arm.new_items(draw, *items, like) for arm in arms])  # (arm, item, cut)
    test = population + (new.mean(axis=1) - population) * np.sqrt(drawn / k)
    out = np.stack([these, population, new[:, 0], test])
    return out if one.known else np.full_like(out, np.nan)


def _lengthened(draw: Draw, usual: Draw, arms: list[Arm], longer: float) -> Draw:
    """A draw with the estimates' covariances, that of the items' effects so many times longer.

    Columns that differ between arms alone: how hard items are is as it was estimated.
    """
    group, here, _ = arms[0].groups[0]
    moves = np.any(here != arms[1].groups[0][1], axis=0)
    times = np.where(moves, longer, 1.0)
    covariance = usual.covariance[group.name] * np.outer(times, times)
    return replace(draw, covariance=usual.covariance | {group.name: covariance})


def _of_these(arms: list[Arm], draw: Draw) -> np.ndarray:
    """(arm, cut)."""
    return np.stack([arm(draw).mean(axis=0) for arm in arms])


def _of_all(arms: list[Arm], draw: Draw) -> np.ndarray:
    """(arm, cut)."""
    return np.stack([arm.population(draw) for arm in arms])
