"""Would the effect change if missing answers were wrong ones? Refits under each assumption."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from ilhte_bayes.data.coding import code_response
from ilhte_bayes.data.integer_codes import cross, encode
from ilhte_bayes.data.open_table import Table, open_table, require_columns
from ilhte_bayes.engines.refit import refit
from ilhte_bayes.errors import DataError, ModelError, listed
from ilhte_bayes.estimands.items import item_effects
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.formulas.design import needed_columns
from ilhte_bayes.models.model import Model
from ilhte_bayes.sensitivity.on_other_table import answer_order, as_fit, model_on, moving_columns

AbsentRows = Literal["not asked", "missing"]

_MEANING = {
    "ignorable": (
        "Ignorable: whether an answer is missing depends on what was observed (arm, covariates, "
        "other answers), not on what the answer would have been."
    ),
    "all wrong": "All wrong: who did not answer would not have known ({worst}).",
    "not reached wrong": (
        "Not reached wrong: missing answers after a person's last one are {worst}, those before it "
        "are ignorable."
    ),
    "omitted wrong": (
        "Omitted wrong: missing answers before a person's last one are {worst}, those after it "
        "were not reached and are ignorable."
    ),
}


def missing_answers(
    fit: Fit | Model,
    table: Table,
    *,
    order: str | Sequence | None = None,
    absent_rows: AbsentRows = "not asked",
) -> Result:
    """Refit with missing answers as ignorable, as wrong, and not-reached (or omitted) ones as wrong.

    Parameters
    ----------
    fit : Fit or Model
        Of the answers as they are, which leaves missing ones out. A model is fitted by Laplace, MAP.
    table : DataFrame or path
        The table the model was made of: the model no longer knows which answers are missing.
    order : str or sequence, optional
        Order in which items were presented: a column of positions, or item labels, first to last.
        Without it nothing is known of answers that were not reached.
    absent_rows : {"not asked", "missing"}
        What it means that a person has no row at all for an item: it was not asked (booklets), or
        the answer is missing (tables that leave such rows out).

    Returns
    -------
    Result
        Index (assumption, contrast, quantity): average effect and SD of effects over items
        (logits): `estimate`, `se`, `lower`, `upper` (95 %), `answers` used, `recoded` among them.

    Raises
    ------
    DataError
        If the table is not the model's, no answer is missing, or the order leaves items out.

    Notes
    -----
    A wrong answer is the lowest category (score 0). Persons without a single answer are left out
    under every assumption: see `absent_persons`.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> table = il.load_dataset("mathexam")
    >>> table["resp"] = table["resp"].astype(float).mask(table.index % 50 == 0)
    >>> found = il.missing_answers(il.laplace(il.il_hte(table)), table)
    >>> found.frame.index.unique("assumption").tolist()
    ['ignorable', 'all wrong']
    """
    fit = as_fit(fit)
    model = fit.model
    require_group(fit, "item")
    if model.family.nominal:
        raise ModelError(
            "with family='multinomial' no answer is a wrong one. Missing answers can be made a "
            "category of their own: table['resp'].fillna('missing')."
        )
    if absent_rows not in ("not asked", "missing"):
        raise DataError(f"absent_rows={absent_rows!r}; it is 'not asked' or 'missing'.")
    if model.roles.person is None:
        raise ModelError(
            "who is a person is not known. Say roles={'person': ...} when building the model."
        )
    rows = _complete_grid(model, open_table(table), absent_rows)
    _check_same(model, rows)
    missing = _missing(model, rows)
    wrong, worst = _lowest(model, rows)
    late = None if order is None else _not_reached(model, rows, order, missing)
    recodings = {"all wrong": missing}
    if late is not None:
        recodings |= {"not reached wrong": late, "omitted wrong": missing & ~late}
    pieces = {"ignorable": _quantities(fit, 0)}
    for label, recoded in recodings.items():
        if label != "all wrong" and not recoded.any():
            continue
        filled = rows.copy()
        filled.loc[recoded, model.formula.response.column] = wrong
        again = refit(fit, model_on(model, filled))
        pieces[label] = _quantities(again, int(recoded.sum()))
    frame = pd.concat(pieces, names=["assumption"])
    if frame.index.get_level_values("contrast").nunique() == 1:
        frame = frame.droplevel("contrast")
    notes = [
        *_rates(model, rows, missing, late),
        *(_MEANING[k].format(worst=worst) for k in pieces),
    ]
    if order is None:
        notes.append(
            "The order of items was not given (order='position', or labels from first to last), so "
            "answers that were not reached are not told from those left out."
        )
    noun = model.noun
    title = f"The {noun} under assumptions on missing answers (logits)"
    return Result(frame, title, tuple(notes), topic="assumptions")


def _complete_grid(model: Model, table: pd.DataFrame, absent_rows: AbsentRows) -> pd.DataFrame:
    """The table's rows; with a row of a missing answer for every pair that has none, if asked."""
    table = table.reset_index(drop=True)
    if absent_rows == "not asked":
        return table
    keys, item = _person_columns(model, table), str(model.roles.item)
    persons, items = table[keys].drop_duplicates(), table[[item]].drop_duplicates()
    grid = persons.merge(items, how="cross")
    extra = grid.merge(table[[*keys, item]].drop_duplicates(), how="left", indicator=True)
    extra = extra[extra.pop("_merge") == "left_only"]
    response = model.formula.response.column
    for column in needed_columns(model.formula, table.columns.tolist()).columns:
        if column in extra or column == response:
            continue
        for by in (keys, [item]):
            values = table[[*by, column]].dropna().drop_duplicates()
            if not values.duplicated(by).any():
                extra = extra.merge(values, on=by, how="left")
                break
        else:
            raise DataError(
                f"column {column!r} varies within persons and within items, so what it would be in "
                "rows that are not there is unknown. Add these rows, with a missing answer."
            )
    out = pd.concat([table, extra], ignore_index=True)
    out.attrs = table.attrs
    return out


def _person_columns(model: Model, table: pd.DataFrame) -> list[str]:
    """Columns that together tell persons (and their occasions) apart."""
    person = str(model.roles.person)
    paths = [g.variables for g in model.design.groups if g.variables[-1] == person]
    path = max(paths, key=len, default=(person,))
    also = [c for c in (model.roles.occasion,) if c and c in table]
    if model.roles.crossover and model.roles.treatment:
        also.append(model.roles.treatment)
    return [*path, *also]


def _check_same(model: Model, rows: pd.DataFrame) -> None:
    require_columns(rows, [model.formula.response.column, str(model.roles.item)])
    if model_on(model, rows).responses.fingerprint() != model.responses.fingerprint():
        raise DataError(
            "this is not the table that the model was made of: complete rows differ. Give the same "
            "table, with the rows whose answer is missing."
        )


def _missing(model: Model, rows: pd.DataFrame) -> np.ndarray:
    """(row,) missing answers of persons who gave at least one."""
    gone = encode(rows[model.formula.response.column]).code < 0
    person = _person_code(model, rows)
    answered = np.zeros(int(person.max()) + 1, dtype=bool)
    answered[person[~gone & (person >= 0)]] = True
    found = gone & (person >= 0) & answered[person]
    if not found.any():
        raise DataError(_nothing_missing(model, rows, person, answered))
    return np.asarray(found)


def _nothing_missing(
    model: Model, rows: pd.DataFrame, person: np.ndarray, answered: np.ndarray
) -> str:
    """What to type where the table has no row of a missing answer."""
    item = encode(rows[str(model.roles.item)]).code
    known = (person >= 0) & (item >= 0)
    known[known] = answered[person[known]]
    pairs = int(answered.sum()) * np.unique(item[item >= 0]).size
    absent = pairs - cross(person[known], item[known].astype(np.int64))[1].size
    if not absent:
        return (
            "no answer is missing: every person who gave one answered every item. Persons without "
            "any are a matter for il.absent_persons(fit)."
        )
    return (
        f"no row has an empty answer of a person who gave others, but {absent:,} of {pairs:,} pairs "
        "of a person and an item have no row. If these are answers that were not given, say "
        "absent_rows='missing'; 'not asked', the default, takes them for items that the person "
        "never saw, and nothing is missing."
    )


def _person_code(model: Model, rows: pd.DataFrame) -> np.ndarray:
    first, *rest = _person_columns(model, rows)
    code = encode(rows[first]).code.astype(np.int64)
    for column in rest:
        inner = encode(rows[column]).code
        known = (code >= 0) & (inner >= 0)
        joint = np.full(code.size, -1, dtype=np.int64)
        joint[known] = cross(code[known], inner[known])[0]
        code = joint
    return code


def _lowest(model: Model, rows: pd.DataFrame) -> tuple[object, str]:
    """An answer of the table that is scored 0, and how to call it."""
    term = model.formula.response
    answers = rows[term.column].dropna()
    levels = model.responses.response_coding.levels
    order = answer_order(model, answers)
    score, _ = code_response(encode(answers), term, order, None, ordinal=model.family.ordinal)
    lowest = answers.iloc[int(np.argmax(score == 0))]
    if term.comparison is not None:
        return lowest, f"{term.text} does not hold"
    return lowest, f"{term.column} = {levels[0]}"


def _not_reached(
    model: Model, rows: pd.DataFrame, order: str | Sequence, missing: np.ndarray
) -> np.ndarray:
    """(row,) missing answers after the person's last one."""
    position = _positions(model, rows, order)
    person = _person_code(model, rows)
    gone = encode(rows[model.formula.response.column]).code < 0
    last = np.full(int(person.max()) + 1, -np.inf)
    given = ~gone & (person >= 0)
    np.maximum.at(last, person[given], position[given])
    return np.asarray(missing & (position > last[person]))


def _positions(model: Model, rows: pd.DataFrame, order: str | Sequence) -> np.ndarray:
    item = str(model.roles.item)
    if isinstance(order, str):
        require_columns(rows, [order], cure="order names the column of items' positions.")
        position = pd.to_numeric(rows[order], errors="coerce")
        if position.isna().any() and position.notna().any():
            # rows that were added have the position of their item, where it has one for all
            known = pd.DataFrame({"item": rows[item], "at": position}).dropna().drop_duplicates()
            if not known["item"].duplicated().any():
                position = position.fillna(rows[item].map(known.set_index("item")["at"]))
        if position.isna().any():
            raise DataError(
                f"order={order!r}: the position is missing, or no number, in "
                f"{int(position.isna().sum()):,} row(s). Give each row the item's position."
            )
        return position.to_numpy(dtype=float)
    place = {str(label): k for k, label in enumerate(order)}
    texts = rows[item].astype(str)
    if absent := sorted(set(texts) - set(place)):
        raise DataError(
            f"order leaves out {listed(absent)}. List every item, from first to last, or name a "
            "column of positions."
        )
    return texts.map(place).to_numpy(dtype=float)


def _quantities(fit: Fit, recoded: int) -> pd.DataFrame:
    """Average effects and SDs over items of one fit."""
    noun = fit.model.noun
    averages = item_effects(fit).average
    columns, name = moving_columns(fit), require_group(fit, "item")
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for k, (contrast, row) in enumerate(averages.iterrows()):
        rows[str(contrast), f"average {noun}"] = {
            "estimate": row["effect"],
            **{key: row[key] for key in ("se", "lower", "upper")},
        }
        if len(columns) == len(averages):
            found = fit.variance_components.loc[(name, f"sd[{columns[k]}]")]
            rows[str(contrast), f"SD of {noun}s"] = {
                key: found[key] for key in ("estimate", "se", "lower", "upper")
            }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["contrast", "quantity"])
    return frame.assign(answers=fit.n_obs, recoded=recoded)


def _rates(
    model: Model, rows: pd.DataFrame, missing: np.ndarray, late: np.ndarray | None
) -> list[str]:
    """Missing answers by arm, of persons who gave any."""
    gone = encode(rows[model.formula.response.column]).code < 0
    counted = missing | ~gone
    said = f"Missing answers: {int(missing.sum()):,} of {int(counted.sum()):,}"
    arm = model.roles.treatment
    if arm is not None and arm in rows:
        shares = pd.Series(missing[counted]).groupby(rows[arm].to_numpy()[counted]).mean()
        by_arm = ", ".join(f"{100 * share:.1f} % where {arm} = {k}" for k, share in shares.items())
        said += f" ({by_arm})"
    if late is not None:
        said += f"; {int(late.sum()):,} of them not reached"
    return [f"{said}. Persons without any answer are left out throughout."]
