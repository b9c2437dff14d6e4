"""Effects on the scale of the answers: expected score, and probability of each category or higher.

Averaged over persons, clusters and covariates as they are in the table, not at a typical person:
each arm's probabilities are those expected if everybody were in it (where arms were not randomised:
the model's, with the arm's column set to each value).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.errors import NotAvailable, require_whole
from ilhte_bayes.estimands.card_notes import standardised
from ilhte_bayes.estimands.card_scales import (
    Answers,
    draws_by_target,
    effects,
    expected_answers,
)
from ilhte_bayes.estimands.card_targets import target_names
from ilhte_bayes.estimands.expected import Arm
from ilhte_bayes.estimands.expected_draws import expected_draws, mode_draw
from ilhte_bayes.estimands.item_sample import few_treated, item_sample
from ilhte_bayes.estimands.items import beyond_the_edge, changes_by_item, effects_at_zero
from ilhte_bayes.estimands.items import treatment_contrasts as contrasts_of
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.fits.intervals import TAILS
from ilhte_bayes.fits.progress import steps
from ilhte_bayes.formulas.contrasts import Contrast


@dataclass(frozen=True, repr=False)
class ScoreEffects:
    """Effects in score points and in probabilities; prints as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index (contrast, item, outcome): "expected score", and "P(Y >= low)" for every category
        but the lowest. Columns `reference` and `treated`, what is expected if everybody were in
        that arm; `effect`, their difference, with `lower`, `upper` (95 %) and `p_positive`.
        Categories score 0, 1, ..., K - 1.
    test : pandas.DataFrame
        The same by (contrast, test, outcome) for the test of these items and for a test of new
        ones: "score points", the sum of expected scores; and the average probabilities.
    noun : str
        "effect", or "difference" where arms were not randomised.
    notes : tuple of str
        How to read the table.
    """

    frame: pd.DataFrame
    test: pd.DataFrame
    noun: str
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the table by item."""
        return self.frame

    def to_latex(self) -> str:
        """Return a LaTeX table (package booktabs)."""
        from ilhte_bayes.show.export import to_latex

        return to_latex(self)

    def __repr__(self) -> str:
        from ilhte_bayes.show.score_tables import describe_scores

        return describe_scores(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.score_tables import scores_html

        return scores_html(self)


def score_effects(fit: Fit, *, k: int | None = None, draws: int = 1000) -> ScoreEffects:
    """Effect of treatment on the expected score and on P(Y >= k), by item and for a test.

    Parameters
    ----------
    fit : Fit
        Of a model with treatment and item roles; binary or ordinal answers.
    k : int, optional
        Items of the new test; as many as were asked, by default.
    draws : int
        Of the parameters to average over, spread evenly over the chains.

    Returns
    -------
    ScoreEffects
        Probabilities, and scores from 0 to K - 1 an item.

    Raises
    ------
    ModelError
        If the treatment or item column is not known, or k or draws is below 1.
    NotAvailable
        For answers without an order, and for slopes that differ by threshold.

    Notes
    -----
    For item i in arm a, P(Y >= c) = E[1 / (1 + exp(kappa_ic - eta))] (of family "adjacent" what its
    categories' probabilities add up to), where eta holds the fixed
    part and the item's effects, with the arm set to a for every answer to the item, and a normal
    deviate whose variance is that of persons, clusters and all other groups. The integral is a
    trapezoid sum. A new item's effects are drawn from the population of items; the tests' rows are
    those of the effect card, with its degrees of freedom.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.il_hte(il.load_dataset("caffeine"), clusters=["study"], family="cumulative")
    >>> scores = il.score_effects(il.laplace(model, objective="map"), draws=200)
    >>> list(scores.test.loc["caffeine v placebo", "these 10 items"].index[:2])
    ['score points', 'P(Y >= 1)']
    """
    if fit.model.family.nominal:
        raise NotAvailable(
            "answers without an order have no score, family='multinomial': the effects on each "
            "category are in fit.coefficients and fit.random_effects(group)."
        )
    if fit.model.design.has_own_slopes:
        raise NotAvailable(
            "scores of models whose slopes differ by threshold are not there. Fit the model with "
            "the same slopes at every threshold."
        )
    name = require_group(fit, "item")
    n_items = fit.model.design.group(name).n_levels
    k = n_items if k is None else k
    require_whole(k=k, draws=draws)
    contrasts = contrasts_of(fit)
    drawn = expected_draws(fit, name, draws)
    points = [mode_draw(fit, name)] if not fit.sampled else []
    by_item, tests = {}, {}
    for contrast in contrasts:
        arms = [Arm.of(fit, name, contrast, arm) for arm in (contrast.from_arm, contrast.to_arm)]
        weights = changes_by_item(fit, name, contrast)
        sample = item_sample(fit, name, weights)
        by_target = draws_by_target(fit, name, weights, drawn, sample)
        values = np.stack([[arm(one.these) for arm in arms] for one in by_target])
        values = values if all(one.known for one in by_target) else np.full_like(values, np.nan)
        at_mode = np.array([[arm(one) for arm in arms] for one in points])
        by_item[contrast.label] = _item_frame(fit, name, values, at_mode)
        answers = expected_answers(fit, name, arms, steps(by_target, draws, "scores"), k)
        tests[contrast.label] = _test_frame(fit, answers, n_items, k)
    noun = fit.model.noun
    frame, test = (pd.concat(tables, names=["contrast"]) for tables in (by_item, tests))
    return ScoreEffects(frame, test, noun, _notes(fit, name, contrasts, noun))


def _outcomes(fit: Fit, first: str) -> list[str]:
    levels = fit.model.responses.response_coding.levels
    return [first, *(f"P(Y >= {level})" for level in levels[1:])]


def _with_score(values: np.ndarray, times: float = 1.0) -> np.ndarray:
    """Put the expected score, the sum over cuts, before the probabilities (..., cut)."""
    return np.concatenate([times * values.sum(axis=-1, keepdims=True), values], axis=-1)


def _item_frame(fit: Fit, name: str, values: np.ndarray, mode: np.ndarray) -> pd.DataFrame:
    """`values` (draw, arm, item, cut)"""
    labels, outcomes = fit.model.design.group(name).labels, _outcomes(fit, "expected score")
    shape = (2, len(labels) * len(outcomes))
    flat_values = _with_score(values).reshape(len(values), *shape)
    middle = _with_score(mode).reshape(-1, *shape) if mode.size else flat_values
    index = pd.MultiIndex.from_product([labels, outcomes], names=[name, "outcome"])
    return _frame(flat_values[:, 1] - flat_values[:, 0], middle.mean(axis=0), index)


def _test_frame(fit: Fit, answers: Answers, n_items: int, k: int) -> pd.DataFrame:
    """These items together, and k new ones: on the card the first target and the last."""
    names, outcomes = target_names(n_items, k), _outcomes(fit, "score points")
    pieces = []
    for target, size in ((0, n_items), (3, k)):
        change, _ = effects(answers, target)
        index = pd.MultiIndex.from_product([[names[target]], outcomes], names=["test", "outcome"])
        middle = _with_score(answers.centre[target], size)
        frame = _frame(_with_score(change, size), middle, index)
        if target == 3 and not fit.sampled:  # as on the card, see `card._no_better`
            within = np.quantile(_with_score(effects(answers, 1)[0], size), TAILS, axis=0)
            frame["lower"] = np.minimum(frame["lower"], within[0])
            frame["upper"] = np.maximum(frame["upper"], within[1])
        pieces.append(frame)
    return pd.concat(pieces)


def _frame(change: np.ndarray, middle: np.ndarray, index: pd.MultiIndex) -> pd.DataFrame:
    """Arms, difference and its interval; `change` (draw, quantity), `middle` (arm, quantity)."""
    lower, upper = np.quantile(change, TAILS, axis=0)
    reference, treated = middle
    return pd.DataFrame(
        {
            "reference": reference,
            "treated": treated,
            "effect": treated - reference,
            "lower": lower,
            "upper": upper,
            "p_positive": np.where(np.isnan(lower), np.nan, (change > 0).mean(axis=0)),
        },
        index=index,
    )


def _notes(fit: Fit, name: str, contrasts: tuple[Contrast, ...], noun: str) -> tuple[str, ...]:
    levels = fit.model.responses.response_coding.levels
    scored = ", ".join(f"{k} = {level}" for k, level in enumerate(levels))
    if levels == tuple(str(k) for k in range(len(levels))):
        scored = f"0 to {levels[-1]}"
    notes = [
        f"Scores: {scored}. Averages over persons, clusters and covariates: {standardised(noun)}, "
        "not of a typical person."
    ]
    (here, cure), weights = beyond_the_edge(fit), [changes_by_item(fit, name, c) for c in contrasts]
    if any(effects_at_zero(fit, name, w) for w in weights):
        notes.append(
            f"The SD of {noun}s over items is estimated at 0: intervals of single items are too "
            f"narrow by {here}. Use {cure}."
        )
    if units := few_treated(fit):
        notes.append(
            f"{units.confounded} There are no intervals."
            if units.confounded
            else "Few clusters were treated: intervals hold an error that all items share, by t "
            f"with {units.df} degrees of freedom, {units.words}."
        )
    if noun == "difference":
        notes.append("Arms were not randomised: these are differences between groups.")
    return tuple(notes)
