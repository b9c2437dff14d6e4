"""Item effects given the sum score: free of what abilities are like in either arm."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ilhte_bayes.engines.answers_by_person import answered_again, cells_of, read_answers
from ilhte_bayes.engines.effect_spread import EffectSpread, spread_of_effects
from ilhte_bayes.engines.linked_items import usable_items
from ilhte_bayes.engines.symmetric import Maximum, maximise
from ilhte_bayes.fits.intervals import normal_interval
from ilhte_bayes.models.discrimination import require_equal_discrimination
from ilhte_bayes.models.model import Model, require_model
from ilhte_bayes.models.reduced import require_persons


@dataclass(frozen=True, slots=True)
class AndersenTest:
    """Likelihood ratio test that the effect is the same on all items; prints as a sentence."""

    statistic: float
    df: int
    p: float

    def sentence(self, noun: str = "effect") -> str:
        """Say what was found."""
        from ilhte_bayes.show.conditional_words import andersen_sentence

        return andersen_sentence(self, noun)

    def __str__(self) -> str:
        return self.sentence()


@dataclass(frozen=True, repr=False, eq=False)
class ConditionalFit:
    """What sum scores leave to be said about item effects; prints as a table.

    Attributes
    ----------
    items : pandas.DataFrame
        Index item. `easiness`: in the first arm, logits, mean zero over items. `estimate`, `se`,
        `lower`, `upper` (95 %): how much more than the average item this one is moved by
        treatment, logits, mean zero over items.
    andersen : AndersenTest
        Of equal effects: `statistic`, `df`, `p`.
    sigma_zeta : EffectSpread
        SD of the effects over the item population: `estimate`, `lower`, `upper` (logits).
    loglik : pandas.Series
        Conditional log-likelihood of each arm, and of both with one easiness (`pooled`).
    contrast : str
        Which arm is compared with which, "caffeine v placebo".
    noun : str
        "effect", or "difference" where arms were not randomised.
    n_informative : int
        Persons who gave both answers, one item at least each: only these are used.
    n_left_out : int
        All other persons.
    problems : tuple of str
        What a reader must know before using the numbers, in sentences.
    """

    items: pd.DataFrame
    andersen: AndersenTest
    sigma_zeta: EffectSpread
    loglik: pd.Series
    contrast: str
    noun: str
    n_informative: int
    n_left_out: int
    problems: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the table of items."""
        return self.items

    def __repr__(self) -> str:
        from ilhte_bayes.show.conditional_words import describe_conditional

        return describe_conditional(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.conditional_words import conditional_html

        return conditional_html(self)


def conditional(model: Model) -> ConditionalFit:
    """Compare item effects by the conditional likelihood given each person's sum score.

    P(answers of person j | sum S_j) = exp(sum_i y_ij b_i) / gamma_{S_j}(b), with gamma_s the
    elementary symmetric function of the items that j answered. Abilities cancel: nothing is
    assumed about how they are distributed, in either arm, nor about covariates and clusters that
    shift a person's answers alike. What remains is whether items keep their distances between
    arms. The average effect is not in this likelihood.

    Parameters
    ----------
    model : Model
        Of family "bernoulli", with person, item and two arms. Only who answered, which item, in
        which arm and the score are used. Each person may have answered other items (booklets,
        missing answers); an item answered twice counts as two items of the same easiness.

    Returns
    -------
    ConditionalFit
        All in logits. Contrasts are b_treated - b_control, each with mean zero over the items;
        the SD of item effects maximises the likelihood of the contrasts, N(0, sd^2 C + V), with C
        the centring matrix and V their sampling covariance.

    Raises
    ------
    ModelError
        If family or roles do not fit, a person is in two arms, items cannot be compared, or fewer
        than two are left.

    Notes
    -----
    Assumes that all items have the same discrimination: if they have not, an item that reacts
    more to ability moves more with any average effect, and shows here as an item effect. Answers
    are taken as independent given ability and item: differences between schools in single items
    are not in the standard errors.

    References
    ----------
    Andersen (1973), Psychometrika 38(1), 123-140. Verhelst, Glas & van der Sluis (1984),
    Computational Statistics Quarterly 1(3), 245-262.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> model = il.il_hte(trial, response="resp >= 2", clusters=["study"])
    >>> fit = il.conditional(model)
    >>> fit.andersen.df
    9
    """
    require_model(model, "conditional")
    require_equal_discrimination(model, "conditional")
    require_persons(model, "il.conditional")
    answers = read_answers(model)
    keep, problems = usable_items(answers)
    cells, n_informative = cells_of(answers, keep)
    pooled = maximise(cells, [0, 1])
    arms = [maximise(cells, [arm], pooled.easiness) for arm in (0, 1)]
    statistic = 2 * (arms[0].loglik + arms[1].loglik - pooled.loglik)
    df = int(keep.sum()) - 1
    shift = arms[1].easiness - arms[0].easiness
    covariance = arms[0].covariance + arms[1].covariance
    if not all(fit.converged for fit in (pooled, *arms)):
        problems.append(
            "The search for the maximum stopped early: some item is nearly always right, or nearly "
            "always wrong, in one arm. Drop it from the table."
        )
    problems += answered_again(answers)
    return ConditionalFit(
        items=_table(answers.items[keep], answers.item_name, arms[0], shift, covariance),
        andersen=AndersenTest(statistic, df, float(stats.chi2.sf(statistic, df))),
        sigma_zeta=spread_of_effects(shift, covariance),
        loglik=pd.Series(
            [fit.loglik for fit in (*arms, pooled)], index=[*answers.arms, "pooled"], name="loglik"
        ),
        contrast=answers.contrast,
        noun=model.noun,
        n_informative=n_informative,
        n_left_out=answers.start.size - 1 - n_informative,
        problems=tuple(problems),
    )


def _table(
    items: np.ndarray, name: str, control: Maximum, shift: np.ndarray, covariance: np.ndarray
) -> pd.DataFrame:
    se = np.sqrt(np.diag(covariance))
    lower, upper = normal_interval(shift, se)
    return pd.DataFrame(
        {
            "easiness": control.easiness,
            "estimate": shift,
            "se": se,
            "lower": lower,
            "upper": upper,
        },
        index=pd.Index(items, name=name),
    )
