"""Contrasts: what another value of a predictor changes in the probabilities of the answers."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from ilhte_bayes.errors import DataError, ModelError, listed
from ilhte_bayes.estimands.chances import Quantities, chances, quantities_of
from ilhte_bayes.estimands.functionals import Link
from ilhte_bayes.estimands.item_sample import normal_words
from ilhte_bayes.estimands.joint_draws import JointDraws, joint_estimates
from ilhte_bayes.estimands.predict import draw_words, draws_wanted
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.estimands.settings import (
    Average,
    Setting,
    make_settings,
    read_average,
    read_each,
    read_newdata,
    setting_words,
)
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.new_values import Values
from ilhte_bayes.models.ability import require_plain
from ilhte_bayes.models.model import Model

SLOPE = "slope"
_STEP = 1e-3  # of slopes, in SDs of the covariate: central differences of it err by about 1e-7

_COMPARE: dict[str, tuple[Callable, Link]] = {
    "difference": (lambda a, b: b - a, "identity"),
    "ratio": (lambda a, b: b / a, "log"),
    "odds ratio": (lambda a, b: b / (1.0 - b) / (a / (1.0 - a)), "log"),
}


def contrasts(
    fit: Fit,
    change: Mapping[str, Any],
    newdata: Values = None,
    *,
    average: Average = "population",
    compare: str | Sequence[str] = "difference",
    each: str | None = None,
) -> Result:
    """Differences (or ratios) of predicted answers between values of one predictor.

    Parameters
    ----------
    fit : Fit
        By any engine and of any family; items that discriminate alike, normal abilities.
    change : mapping
        One predictor, `{"treat": [0, 1]}` or `{"trt": ["placebo", "drug", "drug+"]}`: each value
        against the first; or `{"tchexp": "slope"}`: change for one unit more, as a derivative. A
        group may be named too, `{"item": ["q1", "q7"]}`.
    newdata : mapping or pandas.DataFrame, optional
        Values of others, as in `il.predict`: contrasts are made at each.
    average : {"population", "typical", "observed"}
        What happens to all that is not named, as in `il.predict`. "population" and "observed"
        predict every answer of the table (its covariates, and new units or its own) under each
        value, and compare the means: counterfactual arms (g-computation).
    compare : {"difference", "ratio", "odds ratio"}, or several of these
        Of probabilities, and of the expected score (no odds). Slopes have only differences.
    each : str, optional
        With average="observed", a group of the formula whose levels count alike: "school" gives
        the effect in a school drawn at random (cluster average), "id" that on a person drawn at
        random (person average). Without it every answer counts alike: persons who answered more
        items, and schools with more pupils, count more.

    Returns
    -------
    Result
        Index (columns of newdata, contrast, quantity, comparison); `estimate`, `se`, `lower`,
        `upper` (95 %). Probabilities and score points; a slope's are per unit of the predictor.

    Raises
    ------
    DataError
        If something else is named than covariates, groups and levels of the table.
    ModelError
        For several predictors, a single value, or a comparison that is not there; for `each`
        without average="observed".
    NotAvailable
        If items discriminate differently, or the shape of abilities was left free.

    Notes
    -----
    An odds ratio is that of the averaged probabilities; it lies nearer to 1 than the one within a
    unit, exp of the coefficient, which `il.odds_ratios` gives. Slopes are derivatives of the average,
    by central differences.

    Person and cluster average differ where the size of a cluster goes with its effect (informative
    cluster size). They are averages of the model's effects: a model needs a random effect of
    treatment by cluster, or an interaction, for clusters to differ.

    References
    ----------
    Kahan, Li, Copas & Harhay (2023), Int. J. Epidemiol. 52(1), 107-118 (person and cluster average).

    Arel-Bundock, Greifer & Heiss (2024), J. Stat. Softw. 111(9), whose `avg_comparisons` and
    `avg_slopes` are average="observed" of a model without random effects.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> fit = il.laplace(il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria")))
    >>> len(il.contrasts(fit, {"trt": ["placebo", "drug"]}, average="typical"))
    1

    Six schools of 20 pupils gain (shares of .2 and .8), six of 100 do not (.6 in both arms):

    >>> import numpy as np
    >>> import pandas as pd
    >>> size, share = np.repeat([20, 100], 6), np.repeat([[0.2, 0.8], [0.6, 0.6]], 6, axis=0)
    >>> table = pd.DataFrame({"school": np.repeat(np.arange(12), size)})
    >>> place = table.groupby("school").cumcount()
    >>> table["treat"] = place % 2
    >>> half = size[table["school"]] / 2
    >>> table["y"] = (place // 2 < share[table["school"], table["treat"]] * half).astype(int)
    >>> fit = il.laplace(il.Model("y ~ treat + (treat | school)", table), objective="map")
    >>> how = {"change": {"treat": [0, 1]}, "average": "observed"}
    >>> pupils, schools = il.contrasts(fit, **how), il.contrasts(fit, **how, each="school")
    >>> [round(found.frame["estimate"].item(), 1) for found in (pupils, schools)]
    [0.1, 0.2]
    """
    model = fit.model
    require_plain(model, "contrasts")
    read_average(average)
    name, values = _change(model, change)
    comparisons = _comparisons(compare, values)
    given = read_newdata(model, newdata)
    if name in given:
        raise DataError(f"{name!r} stands in newdata, too: its values are those of the contrast.")
    read_each(model, each, average, [name, *given])
    pairs, labels, per = _pairs(model, name, values)
    wanted_settings = [
        (row | named, shift)
        for row in given.to_dict("records")
        for pair in pairs
        for named, shift in pair
    ]
    every, shifts = zip(*wanted_settings, strict=True)
    settings = make_settings(model, every, average, shifts, each)
    made = quantities_of(model)
    frame = _estimates(fit, settings, made, comparisons, per)
    rows = given.itertuples(index=False, name=None)
    wanted = [(q, c) for q, c in product(made.names, comparisons) if _has(q, c)]
    index = [(*row, label, *both) for row, label, both in product(list(rows), labels, wanted)]
    names = [*map(str, given.columns), "contrast", "quantity", "comparison"]
    frame.index = pd.MultiIndex.from_tuples(index, names=names)
    notes = [*_words(model, name, values, given, average, settings, fit, each)]
    if "odds ratio" in comparisons and average != "typical":
        notes.append(
            "Odds ratios are those of averaged probabilities: nearer to 1 than within a unit."
        )
    notes += normal_words(fit)
    return Result(
        frame, "Contrasts of predicted answers, 95 % intervals", tuple(notes), topic="effects"
    )


def _estimates(
    fit: Fit,
    settings: list[Setting],
    made: Quantities,
    comparisons: list[str],
    per: float,
) -> pd.DataFrame:
    """Estimates of all comparisons; settings come in pairs, from and to."""

    def values(draws: JointDraws) -> np.ndarray:
        found = [chances(fit.model, s, draws) @ made.weights.T for s in settings]
        columns = []
        for before, after in zip(found[::2], found[1::2], strict=True):
            for k, name in enumerate(made.names):
                columns += [
                    _COMPARE[how][0](before[:, k], after[:, k]) / per
                    for how in comparisons
                    if _has(name, how)
                ]
        return np.stack(columns, axis=1)

    links = [_COMPARE[how][1] for q in made.names for how in comparisons if _has(q, how)]
    return joint_estimates(fit, values, links * (len(settings) // 2), *draws_wanted(settings))


def _has(quantity: str, comparison: str) -> bool:
    """An expected score has no odds."""
    return quantity != "expected score" or comparison != "odds ratio"


def _levels(model: Model, name: str) -> list:
    """Values of a predictor, the first few of a number."""
    for coding in model.responses.codings:
        if coding.column == name:
            return list(coding.levels)
    patterns = model.responses.patterns
    return sorted(patterns[name].unique().tolist())[:2] if name in patterns else []


def _change(model: Model, change: Mapping[str, Any]) -> tuple[str, list | str]:
    """The predictor and its values, or the word "slope"."""
    if not isinstance(change, Mapping) or len(change) != 1:
        raise ModelError(
            "a contrast changes one predictor: {'treat': [0, 1]}, or {'age': 'slope'}. Values of "
            "others go into newdata."
        )
    (name, values), *_ = change.items()
    read_newdata(model, {name: [0] if values is SLOPE or isinstance(values, str) else values})
    if isinstance(values, str):
        numeric = name in model.responses.patterns and not isinstance(
            model.responses.patterns[name].dtype, pd.CategoricalDtype
        )
        if values != SLOPE or not numeric:
            raise ModelError(
                f"{{{name!r}: {values!r}}}: give two values or more, [first, second], or 'slope' "
                "for a numeric covariate."
            )
        return name, values
    if len(values := list(values)) < 2:
        other = [x for x in _levels(model, name) if x not in values][:1] or ["..."]
        raise ModelError(
            f"{name!r} has one value; a contrast needs two, {{{name!r}: {[*values, *other]!r}}}."
        )
    return name, values


def _comparisons(compare: str | Sequence[str], values: list | str) -> list[str]:
    chosen = [compare] if isinstance(compare, str) else list(compare)
    if wrong := [c for c in chosen if c not in _COMPARE]:
        raise ModelError(f"compare={wrong[0]!r}; it is {listed(_COMPARE)}.")
    if values == SLOPE and chosen != ["difference"]:
        raise ModelError("a slope is a difference per unit: compare='difference'.")
    return chosen


def _pairs(
    model: Model, name: str, values: list | str
) -> tuple[list[list[tuple[dict, dict]]], list[str], float]:
    """From and to of each contrast, (named values, shifts); labels; what to divide by."""
    if values == SLOPE:
        column = model.responses.patterns[name].to_numpy(dtype=float)
        step = _STEP * (float(column.std()) or 1.0)
        pair: list[tuple[dict, dict]] = [({}, {name: -step}), ({}, {name: step})]
        return [pair], [f"{name}, per unit"], 2.0 * step
    first, *others = list(values)
    pairs: list[list[tuple[dict, dict]]] = [
        [({name: first}, {}), ({name: other}, {})] for other in others
    ]
    return pairs, [f"{name} {other} v {first}" for other in others], 1.0


def _words(
    model: Model,
    name: str,
    values: list | str,
    given: pd.DataFrame,
    average: Average,
    settings: list[Setting],
    fit: Fit,
    each: str | None,
) -> list[str]:
    """What was averaged over, and whether contrasts may be called effects."""
    named = given
    if values != SLOPE:
        named = given.merge(pd.DataFrame({name: values}), how="cross")
    words = [*setting_words(model, named, average, each), *draw_words(fit, settings)]
    if each:
        words.append(
            f"Estimated effects of small levels of {each} are drawn towards the average of all: "
            "where size and effect go together, add their interaction to the formula."
        )
    noun = model.noun
    if name == model.roles.treatment and noun == "difference":
        words.append("Arms were not randomised: these are differences between groups.")
    return words
