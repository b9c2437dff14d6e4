"""Answers before treatment as a placebo: the same model must find no effect in them."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ilhte_bayes.data.assignment import AssignmentKind
from ilhte_bayes.data.integer_codes import encode, used
from ilhte_bayes.data.open_table import Table, open_table, require_columns
from ilhte_bayes.data.roles import IRW_WAVE
from ilhte_bayes.engines.laplace import laplace
from ilhte_bayes.engines.refit import refit
from ilhte_bayes.errors import DataError, ModelError, listed
from ilhte_bayes.estimands.boundary import likelihood_ratio_p
from ilhte_bayes.estimands.items import item_effects
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.estimands.variance_tests import without_column
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.fits.intervals import p_words
from ilhte_bayes.models.model import Model
from ilhte_bayes.sensitivity.on_other_table import as_fit, model_on, moving_columns

_FEW = 0.05  # p-values below this are said to be a sign
_EXPECTED: dict[AssignmentKind | None, str] = {
    "observational": "how far the groups differed already",
}
_REASONS: dict[AssignmentKind | None, str] = {
    "randomised": "by chance, or because assignment failed",
    "observational": "by selection, since nobody randomised them, or by chance",
    None: "by chance, because assignment failed or, if arms were not randomised, by selection",
}


def placebo(
    fit: Fit | Model,
    table: Table,
    *,
    occasion: str | None = None,
    before: object = None,
) -> Result:
    """Fit the same model to answers given before treatment, where no effect can be.

    Parameters
    ----------
    fit : Fit or Model
        Of the answers after treatment; says formula, family, priors and engine. A model is fitted
        by Laplace, MAP.
    table : DataFrame or path
        Answers before treatment, with the columns of the model; or all answers, with a column that
        tells the occasions apart. Where arms are not in these rows they are taken from the same
        persons' later rows, or from the model.
    occasion : str, optional
        Column of the occasion; the model's, or the Item Response Warehouse's `wave`, by default.
        Without any, all rows of the table are taken for answers before treatment.
    before : value or list of values, optional
        Occasions before treatment; by default the first of numbers, dates or an ordered
        Categorical.

    Returns
    -------
    Result
        Index (contrast, quantity): the average effect and the SD of effects over items (logits);
        `estimate`, `se`, `lower`, `upper` (95 %) before treatment, `p` (average: two-sided, from
        estimate and interval's distribution; SD: likelihood ratio, 50:50 mixture of chi2_1 and
        chi2_2, by maximum likelihood), `after`, the estimate after treatment.

    Raises
    ------
    DataError
        If there are no such rows, they are those that the model was made of, or a person's arm is
        nowhere to be found.

    Notes
    -----
    A sign of an average effect before treatment is chance imbalance or failed randomisation; where
    arms were not randomised, selection: who came into which group. A sign of effects that differ by
    item says that the arms' answers differed item by item already: such differences after treatment
    are then not all due to it.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> import pandas as pd
    >>> after = il.load_dataset("mathexam")
    >>> before = after.assign(wave=0, resp=after["resp"].sample(frac=1, random_state=1).to_numpy())
    >>> both = pd.concat([before, after.assign(wave=1)])
    >>> model = il.il_hte(both.query("wave == 1"))
    >>> found = il.placebo(model, both, occasion="wave", before=0)
    >>> len(found.frame) > 0
    True
    """
    fit = as_fit(fit)
    model, name = fit.model, require_group(fit, "item")
    if model.roles.person is None or model.roles.treatment is None:
        raise ModelError(
            "a placebo needs to know persons and arms. Say roles={'treatment': ..., 'person': ...} "
            "when building the model."
        )
    rows, where = _rows_before(model, open_table(table), occasion, before)
    rows, taken = _with_arms(model, rows, where.later)
    before_treatment = model_on(model, rows)
    _refuse_same(model, before_treatment, where)
    earlier = refit(fit, before_treatment)
    parts = [_averages(earlier, fit), _spreads(earlier, fit, name)]
    frame = pd.concat([part for part in parts if len(part)])
    frame = frame.sort_index(level="contrast", sort_remaining=False, kind="stable")
    kind = model.assignment.kind if model.assignment else None
    notes = [f"{where.sentence} {earlier.n_obs:,} answers. {taken}".strip(), *_words(frame, kind)]
    if frame.index.get_level_values("contrast").nunique() == 1:
        frame = frame.droplevel("contrast")
    title = f"Before treatment, {_EXPECTED.get(kind, 'where no effect can be')} (logits)"
    return Result(frame, title, tuple(notes), topic="assumptions")


class _Where(NamedTuple):
    """Which rows are before treatment, in words; and the others, for their arms."""

    sentence: str
    later: pd.DataFrame | None


def _refuse_same(model: Model, before_treatment: Model, where: _Where) -> None:
    """The answers after treatment cannot show what there was before it."""
    if before_treatment.responses.fingerprint() != model.responses.fingerprint():
        return
    if where.later is None:
        raise DataError(
            "the table holds the answers that the model was made of, and no column tells occasions "
            "apart: an effect in them is the one already found. Give the table of answers before "
            "treatment; or all answers, with the column of the occasion: occasion='...'."
        )
    raise DataError(
        f"{where.sentence.rstrip('.')}: these are the answers that the model was made of, so its "
        "effect is the one already found. Fit the model to the answers after treatment, and give "
        "that."
    )


def _rows_before(
    model: Model, table: pd.DataFrame, occasion: str | None, before: object
) -> tuple[pd.DataFrame, _Where]:
    if occasion is not None:
        require_columns(table, [occasion], cure="Name the column of the occasion: occasion='...'.")
    known = [c for c in (occasion, model.roles.occasion, IRW_WAVE) if c and c in table.columns]
    if not known:
        if before is not None:
            raise DataError(
                f"before={before!r} says which occasions are before treatment, and the table has "
                "no column of occasions. Name it: occasion='...'; or leave before out, if all rows "
                "are answers before treatment."
            )
        return table, _Where("All rows of the table are taken for answers before treatment.", None)
    column = known[0]
    coded = used(encode(table[column]))
    there = list(pd.unique(table[column].dropna()))
    if before is None:
        if not coded.ordered and coded.kind not in ("number", "bool", "time"):
            raise DataError(
                f"column {column!r} has {listed(there, 8)}: words, so which came first is not known. "
                f"Say which occasions are before treatment: before={there[0]!r}, say."
            )
        first = pd.Series(coded.code == 0, index=table.index)
    else:
        chosen = list(before) if isinstance(before, list | tuple | set) else [before]
        if absent := [value for value in chosen if value not in there]:
            raise DataError(
                f"before={listed(absent)}: column {column!r} has {listed(there, 8)}. Name occasions "
                "before treatment among these."
            )
        first = table[column].isin(chosen)
    shown = ", ".join(map(str, pd.unique(table.loc[first, column])))
    return table[first], _Where(f"Before treatment: {column} = {shown}.", table[~first])


def _with_arms(
    model: Model, rows: pd.DataFrame, later: pd.DataFrame | None
) -> tuple[pd.DataFrame, str]:
    """The rows, with each person's arm where the table says nothing of it."""
    arm, person = str(model.roles.treatment), str(model.roles.person)
    require_columns(rows, [person], cure="The table names persons as the model's does.")
    if arm in rows and rows[arm].nunique() > 1:
        return rows, ""
    keys = [c for c in model.roles.clusters if c in rows and c != person] + [person]
    if later is not None and arm in later and later[arm].nunique() > 1:
        source, said = later, "later rows"
    else:
        source, said, keys = _arms_in_model(model, arm, person), "the model's table", [person]
    arms = source[[*keys, arm]].dropna().drop_duplicates()
    twice = arms.duplicated(keys)
    if twice.any():
        raise DataError(
            f"{int(twice.sum()):,} person(s) are in more than one arm later on, so which arm they "
            f"were to be in is unclear. Add the arm to the rows before treatment: column {arm!r}."
        )
    out = rows.drop(columns=arm, errors="ignore").merge(arms, on=keys, how="left")
    lost = int(out.loc[out[arm].isna(), person].nunique())
    if out[arm].nunique() < 2:
        raise DataError(
            f"none of these persons' arms can be found in {said}. Add column {arm!r} to the rows "
            "before treatment, or mend the ids."
        )
    also = f" {lost:,} person(s) without one are left out." if lost else ""
    return out, f"Arms are taken from {said}.{also}"


def _arms_in_model(model: Model, arm: str, person: str) -> pd.DataFrame:
    """Person and arm of the model's rows; for persons whose ids stand alone."""
    group = next((g for g in model.design.groups if g.variables[-1] == person), None)
    if group is None or len(group.variables) > 1:
        raise DataError(
            f"column {arm!r} does not vary in the answers before treatment, and persons' ids lie "
            f"within clusters, so their arms cannot be looked up. Add column {arm!r} to the table."
        )
    responses = model.responses
    labels = np.asarray(group.labels)[group.level]
    values = responses.patterns[arm].to_numpy()[responses.pattern]
    return pd.DataFrame({person: labels, arm: values}).drop_duplicates()


def _averages(earlier: Fit, fit: Fit) -> pd.DataFrame:
    before, after = item_effects(earlier).average, item_effects(fit).average
    noun = fit.model.noun
    out = before[["effect", "se", "lower", "upper"]].rename(columns={"effect": "estimate"})
    positive = before["p_positive"].to_numpy()
    out = out.assign(p=2.0 * np.minimum(positive, 1.0 - positive))
    out = out.assign(after=after["effect"].reindex(out.index))
    index = [(contrast, f"average {noun}") for contrast in out.index]
    return out.set_axis(pd.MultiIndex.from_tuples(index, names=["contrast", "quantity"]))


def _spreads(earlier: Fit, fit: Fit, name: str) -> pd.DataFrame:
    """SDs of effects over items, in the order of the contrasts."""
    columns = moving_columns(fit)
    contrasts = list(item_effects(fit).average.index)
    noun = fit.model.noun
    rows = {}
    for k, column in enumerate(columns):
        found = earlier.variance_components.loc[(name, f"sd[{column}]")]
        label = contrasts[k] if len(columns) == len(contrasts) else column
        rows[label, f"SD of {noun}s over items"] = {
            **{key: float(found[key]) for key in ("estimate", "se", "lower", "upper")},
            "p": _spread_p(earlier.model, name, column) if len(columns) == 1 else np.nan,
            "after": float(fit.variance_components.loc[(name, f"sd[{column}]"), "estimate"]),
        }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    if len(frame):
        frame.index = pd.MultiIndex.from_tuples(list(rows), names=["contrast", "quantity"])
    return frame


def _spread_p(model: Model, name: str, column: str) -> float:
    """Likelihood ratio of equal effects, both models by Laplace, maximum likelihood."""
    plain = model.without_extensions()
    smaller, dropped = without_column(plain, name, plain.design.group(name).columns.index(column))
    statistic = 2.0 * (laplace(plain).loglik - laplace(smaller).loglik)
    return likelihood_ratio_p(statistic, dropped, 1)


def _words(frame: pd.DataFrame, kind: AssignmentKind | None) -> list[str]:
    noun = "difference" if kind == "observational" else "effect"
    averages = frame[[q.startswith("average") for q in frame.index.get_level_values("quantity")]]
    spreads = frame.drop(averages.index)
    out = []
    if (averages["p"] < _FEW).any():
        out.append(
            f"The arms differed before treatment ({p_words(averages['p'].min())}): {_REASONS[kind]}. "
            "Adjust for answers before treatment, covariates=[...], and say so."
        )
    else:
        widest = float(np.nanmax(averages[["lower", "upper"]].abs().to_numpy()))
        out.append(
            f"No sign that the arms differed before treatment; an average difference of up to "
            f"{widest:.2f} logits is not excluded."
        )
    if (spreads["p"] < _FEW).any():
        out.append(
            f"Items differed between arms before treatment ({p_words(spreads['p'].min())}): "
            f"{noun}s that differ by item after it are then not all due to treatment."
        )
    elif spreads["p"].notna().any():
        out.append("No sign that single items differed between arms before treatment.")
    return out
