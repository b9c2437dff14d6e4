"""Predictive check: would the model give answers like these? By arm, item, pair and person."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ilhte_bayes.checks.answer_tables import AnswerTables, answer_tables
from ilhte_bayes.checks.discrepancies import discrepancies
from ilhte_bayes.checks.predictive_tests import (
    QUESTIONS,
    item_slopes,
    judged,
    near_normal,
    share_as_large,
    standardised,
)
from ilhte_bayes.checks.quantile_residuals import residual_classes
from ilhte_bayes.checks.replicates import Who, replicate
from ilhte_bayes.errors import ModelError, is_whole_number
from ilhte_bayes.fits.fit import Fit

# Share of the model's own tables below which answers count as unexpected. Predictive p-values are
# conservative, since the model was fitted to the same answers: benchmarks/predictive_checks.py has
# the share of well-specified trials that this flags.
UNEXPECTED = 0.1
_MOST_CELLS = 150_000_000
_FEWEST = 50


@dataclass(frozen=True, repr=False, eq=False)
class PredictiveCheck:
    """Observed answers against those of the fitted model; prints as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index: statistic. `p`: share of tables, the observed one included, that are at least as
        unusual; `surprise`: the statistic's root, in SDs from its mean over tables; `what`: what
        is looked at.
    overall : float
        The same for all statistics together.
    items : pandas.DataFrame
        Index: item. `slope`: how much more strongly than expected it goes with the sum score, in
        SDs of replicated tables; `share`, `expected`: of its points, by arm.
    pairs : pandas.DataFrame
        Index (item, item), most dependent first: `together`, association given the sum score in
        SDs of replicated tables.
    people : pandas.DataFrame
        Index: person, oddest first: `misfit`, mean squared residual of their answers; `p`, share
        of replicated persons at least as odd.
    persons : {"same", "new"}
    n_tables : int
        Replicated tables.
    tables : AnswerTables
        Points by table, person and item, the observed table first.
    counted : dict
        What was counted in each table, as `checks.discrepancies` names it; figures draw it.
    """

    frame: pd.DataFrame
    overall: float
    items: pd.DataFrame
    pairs: pd.DataFrame
    people: pd.DataFrame
    persons: Who
    n_tables: int
    tables: AnswerTables = field(repr=False)
    counted: dict[str, np.ndarray] = field(repr=False)

    @property
    def unexpected(self) -> bool:
        """Whether the answers are flagged as unlike the model's."""
        return self.overall <= UNEXPECTED

    @property
    def n_odd(self) -> tuple[int, float]:
        """Persons odder than 99 % of replicated ones, and how many there should be."""
        return int((self.people["p"] <= 0.01).sum()), 0.01 * len(self.people)

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.frame

    def __repr__(self) -> str:
        from ilhte_bayes.show.check_words import describe_predictive

        return describe_predictive(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.check_words import predictive_html

        return predictive_html(self)


def predictive_check(
    fit: Fit, *, persons: Who = "new", draws: int = 200, seed: int = 1
) -> PredictiveCheck:
    """Compare the observed answers with tables that the fitted model gives to the same questions.

    Parameters
    ----------
    fit : Fit
        By any engine, of binary or ordered answers.
    persons : {"new", "same"}
        Replicates of new persons from the population (is it described well?), or of those who
        answered, with their abilities from the posterior.
    draws : int
        About how many replicated tables; fewer where answers are many.
    seed : int

    Returns
    -------
    PredictiveCheck

    Raises
    ------
    ModelError
        If it is not known which column is the person or the item.
    NotAvailable
        If answers have no order, items discriminate differently, or abilities have a free shape.

    References
    ----------
    Sinharay, Johnson & Stern (2006), Appl. Psych. Meas. 30(4): statistics that find misfit of item
    response models. Gelman, Meng & Stern (1996), Statistica Sinica 6: predictive p-values.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> fit = il.laplace(il.il_hte(trial, response="resp >= 2", clusters=["study"]))
    >>> found = il.predictive_check(fit, draws=50)
    >>> found.n_tables, found.persons
    (50, 'new')
    """
    if not is_whole_number(draws, _FEWEST):
        raise ModelError(
            f"draws={draws!r}: a p-value of .02 needs a whole number of at least {_FEWEST}. Use "
            "draws=200."
        )
    draws = max(_FEWEST, min(draws, _MOST_CELLS // fit.n_obs))
    replicated = replicate(fit, persons=persons, draws=draws, seed=seed)
    tables = answer_tables(fit, replicated)
    found = discrepancies(tables)
    if tables.top > 1:
        found["residuals"] = residual_classes(tables, seed=seed)
    result = judged(found)
    frame = pd.DataFrame(
        {
            "p": result.p,
            "surprise": {n: float(v[0]) for n, v in near_normal(result.statistic).items()},
            "what": {name: QUESTIONS[name][0] for name in result.p},
        }
    ).rename_axis("statistic")
    return PredictiveCheck(
        frame=frame,
        overall=result.overall,
        items=_items(tables, found),
        pairs=_pairs(tables, found),
        people=_people(tables, found),
        persons=persons,
        n_tables=tables.n_tables - 1,
        tables=tables,
        counted=found,
    )


def _items(tables: AnswerTables, found: dict[str, np.ndarray]) -> pd.DataFrame:
    columns = {"slope": item_slopes(found)[0]}
    for a, arm in enumerate(tables.arms):
        columns[f"share, {arm}"] = found["items"][0, a]
        columns[f"expected, {arm}"] = found["items"][1:, a].mean(axis=0)
    return pd.DataFrame(columns, index=pd.Index(tables.items, name="item"))


def _pairs(tables: AnswerTables, found: dict[str, np.ndarray]) -> pd.DataFrame:
    one = np.triu_indices(tables.items.size, 1)
    index = pd.MultiIndex.from_arrays(
        [tables.items[one[0]], tables.items[one[1]]], names=["item", "with"]
    )
    z = standardised(found["pairs"][:, *one])[0]
    return pd.DataFrame({"together": z}, index=index).sort_values("together", ascending=False)


def _people(tables: AnswerTables, found: dict[str, np.ndarray]) -> pd.DataFrame:
    """Each person's misfit among replicated persons of the same class of sum scores."""
    odd, p = found["odd persons"], np.empty(len(tables.arm))
    for g in np.unique(tables.bin[0]):
        pooled = np.sort(odd[1:][tables.bin[1:] == g])
        here = tables.bin[0] == g
        below = np.searchsorted(pooled, odd[0][here] * (1.0 - 1e-9))
        p[here] = (pooled.size - below + 1) / (pooled.size + 1)
    frame = pd.DataFrame({"misfit": odd[0], "p": p}, index=pd.Index(tables.person, name="person"))
    return frame.sort_values("p", kind="stable")


def odd_persons_p(check: PredictiveCheck) -> float:
    """Share of tables with at least as large an average misfit among their oddest 1 %."""
    odd = np.sort(check.counted["odd persons"], axis=1)
    most = max(1, odd.shape[1] // 100)
    return share_as_large(odd[:, -most:].mean(axis=1))
