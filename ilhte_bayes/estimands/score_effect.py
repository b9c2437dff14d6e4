"""The effect on sum scores, naive and corrected for their unreliability: no model of answers needed.

A sum score holds error, which widens its SD and shrinks a standardised difference. Divided by the
root of the scores' reliability within arms, it is in SDs of what the items have in common.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student

from ilhte_bayes.errors import ModelError, NotAvailable
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.intervals import LEVEL
from ilhte_bayes.formulas.contrasts import arm_contrasts
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.reduced import require_persons

NAIVE = "d of sum scores"
ALPHA = "reliability within arms (alpha)"
CORRECTED = "d over the root of the reliability"
_FEWEST = 0.5  # share of persons with all answers; with less, items were handed out in booklets


def sum_score_effect(fit: Fit | Model) -> Result:
    """Standardised mean difference of sum scores, and the same corrected for attenuation.

    Parameters
    ----------
    fit : Fit or Model
        Of which only the answers count, as the model scores them (`resp >= 2` is 0 or 1): formula,
        covariates and engine change nothing.

    Returns
    -------
    Result
        Index (contrast, quantity); `estimate`, `se`, `lower`, `upper` (95 %). Quantities: "d of sum
        scores", difference of means over the pooled within-arm SD; "reliability within arms
        (alpha)", Cronbach's; "d over the root of the reliability", in SDs of true scores.

    Raises
    ------
    ModelError
        If roles are not known, persons are in several arms or answered items more than once, or
        fewer than half of them answered all items.
    NotAvailable
        For answers without an order.

    Notes
    -----
    Covariances between items are pooled within the two arms; alpha = k / (k - 1) (1 - trace / sum).
    It understates the reliability of items that measure in different measure (are not
    tau-equivalent), and the corrected d is then too large. Standard errors are those of influence
    functions, summed over the units that arms were assigned to, so that d and alpha may depend on
    each other; intervals have t with the number of units less 2, alpha's on the scale log(1 - alpha).

    References
    ----------
    Gilbert, Himmelsbach, Soland, Joshi & Domingue (2025), J. Policy Anal. Manag. 44(4), 1417-1449.
    Cronbach (1951), Psychometrika 16, 297-334.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.il_hte(il.load_dataset("verbagg"), response="resp != 'no'")
    >>> found = il.sum_score_effect(model).frame["estimate"]
    >>> bool(abs(found.iloc[2]) > abs(found.iloc[0]))
    True
    """
    model = fit.model if isinstance(fit, Fit) else fit
    if model.family.nominal:
        raise NotAvailable(
            "answers without an order have no sum score, family='multinomial'. Compare the "
            "response with a value, 'resp >= 2', with family='bernoulli'."
        )
    require_persons(model, "il.sum_score_effect")
    scores = _scores(model)
    treatment = str(model.roles.treatment)
    contrasts = arm_contrasts(model.responses, treatment)
    if len(contrasts) != scores.n_arms - 1:
        raise ModelError(
            f"{treatment!r} is a dose of {scores.n_arms} values, and sum scores are compared "
            f"between two arms. Write C({treatment}) in the formula."
        )
    tables = {c.label: _compare(scores, arm) for arm, c in enumerate(contrasts, start=1)}
    frame = pd.concat(tables, names=["contrast"])
    noun = model.noun
    title = f"{noun.capitalize()} on sum scores, 95 % intervals"
    if len(tables) == 1:
        frame, title = frame.droplevel("contrast"), f"{title} ({contrasts[0].label})"
    return Result(frame, title, _notes(scores, frame, noun), topic="effects")


@dataclass(frozen=True, slots=True)
class _Scores:
    """Persons who answered all items."""

    answers: np.ndarray  # (person, item)
    arm: np.ndarray  # (person,) 0 for the reference
    n_arms: int
    unit: np.ndarray  # (person,) what was assigned: the person, or a cluster
    unit_name: str
    left_out: dict[str, int]  # persons of each arm who miss an answer


def _scores(model: Model) -> _Scores:
    design, roles = model.design, model.roles
    columns = {"person": roles.person, "item": roles.item, "treatment": roles.treatment}
    if missing := [role for role, column in columns.items() if column is None]:
        raise ModelError(
            f"which column is the {missing[0]} is not known. Say roles={{{missing[0]!r}: ...}} when "
            "building the model."
        )
    persons, items = design.group(str(roles.person)), design.group(str(roles.item))
    shape = (persons.n_levels, items.n_levels)
    total, count = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    np.add.at(total, (persons.level, items.level), design.score * design.count)
    np.add.at(count, (persons.level, items.level), design.count)
    _refuse_repeated(count)
    codes = _codes(model)
    arm = np.full(persons.n_levels, -1)
    arm[persons.level] = codes[design.pattern]
    if np.any(arm[persons.level] != codes[design.pattern]):
        raise ModelError(
            "persons are in more than one arm (a crossover), and sum scores are compared between "
            "persons. Use il.effect_card(fit)."
        )
    complete = _complete(count)
    unit, unit_name = _assigned_units(model, persons)
    return _Scores(
        total[complete],
        arm[complete],
        int(codes.max()) + 1,
        unit[complete],
        unit_name,
        dict(
            zip(_arm_names(model), np.bincount(arm[~complete], minlength=2).tolist(), strict=False)
        ),
    )


def _arm_names(model: Model) -> list[str]:
    """Arms in the order of their codes."""
    contrasts = arm_contrasts(model.responses, str(model.roles.treatment))
    arms = [contrasts[0].from_arm, *(c.to_arm for c in contrasts)]
    return [f"{arm:g}" if isinstance(arm, float) else str(arm) for arm in arms]


def _refuse_repeated(count: np.ndarray) -> None:
    if count.max() > 1:
        raise ModelError(
            f"{int((count > 1).any(axis=1).sum())} persons answered an item more than once, and a "
            "sum score counts each once. Keep one occasion: table[table['wave'] == 1]."
        )


def _complete(count: np.ndarray) -> np.ndarray:
    """(person,) whether all items were answered; `count` is (person, item) answers."""
    complete = (count == 1).all(axis=1)
    if complete.mean() < _FEWEST or count.shape[1] < 2:
        raise ModelError(
            f"{int(complete.sum()):,} of {complete.size:,} persons answered all {count.shape[1]} "
            "items: sums over different items do not compare, and reliability needs two items or "
            "more. Use il.effect_card(fit), which takes items into account."
        )
    return np.asarray(complete)


def _assigned_units(model: Model, persons: Group) -> tuple[np.ndarray, str]:
    """(person,) the unit that was put into an arm as a whole, and what it is called."""
    assigned = None if model.assignment is None else model.assignment.unit
    by_column = {group.variables[-1]: group for group in model.design.groups}
    unit = np.arange(persons.n_levels)
    if assigned is None or assigned == model.roles.person or assigned not in by_column:
        return unit, "person"
    unit[persons.level] = by_column[assigned].level
    return unit, assigned


def _codes(model: Model) -> np.ndarray:
    """(pattern,) arms as numbers from 0, in order of their values."""
    treatment = str(model.roles.treatment)
    arm_contrasts(model.responses, treatment)  # refuses a formula without treatment
    column = model.responses.patterns[treatment]
    if isinstance(column.dtype, pd.CategoricalDtype):
        return np.asarray(column.cat.codes, dtype=np.int64)
    return np.unique(column.to_numpy(), return_inverse=True)[1]


def _compare(scores: _Scores, arm: int) -> pd.DataFrame:
    """d, alpha and corrected d of one arm against the reference."""
    here = (scores.arm == 0) | (scores.arm == arm)
    answers, treated = scores.answers[here], scores.arm[here] == arm
    unit = np.unique(scores.unit[here], return_inverse=True)[1]
    values, influence = _estimates(answers, treated)
    units = int(unit.max()) + 1
    summed = np.stack([np.bincount(unit, column) for column in influence.T])
    # n persons less the 2 means, as in the pooled SD; of clusters their number less 2
    se = np.sqrt((summed**2).sum(axis=1) * units / max(units - 2, 1))
    width = float(student.ppf((1 + LEVEL) / 2, max(units - 2, 1))) * se
    lower, upper = values - width, values + width
    left = 1.0 - values[1]  # alpha is at most 1
    lower[1], upper[1] = 1.0 - left * np.exp(np.array([1.0, -1.0]) * width[1] / left)
    return pd.DataFrame(
        {"estimate": values, "se": se, "lower": lower, "upper": upper},
        index=pd.Index([NAIVE, ALPHA, CORRECTED], name="quantity"),
    )


def _estimates(answers: np.ndarray, treated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(3,) d, alpha, corrected d; and (person, 3) what each person adds to them."""
    n, k = answers.shape
    size = np.array([np.sum(~treated), np.sum(treated)])
    own = treated.astype(int)
    means = np.stack([answers[~treated].mean(axis=0), answers[treated].mean(axis=0)])
    deviation = answers - means[own]
    total = deviation.sum(axis=1)
    parts = np.stack([total**2, (deviation**2).sum(axis=1)])  # of the sum, and item by item
    variance, trace = parts.sum(axis=1) / (n - 2)
    by_arm = np.stack([parts[:, own == a].mean(axis=1) for a in (0, 1)], axis=1)
    d_variance, d_trace = (parts - by_arm[:, own]) / (n - 2)
    difference = float((means[1] - means[0]).sum())
    d_difference = total / size[own] * np.where(treated, 1.0, -1.0)
    sd = np.sqrt(variance)
    d, alpha = difference / sd, k / (k - 1) * (1.0 - trace / variance)
    d_d = d_difference / sd - 0.5 * d / variance * d_variance
    d_alpha = k / (k - 1) * (trace / variance * d_variance - d_trace) / variance
    if alpha <= 0.0:
        corrected, d_corrected = np.nan, np.full(n, np.nan)
    else:
        corrected = d / np.sqrt(alpha)
        d_corrected = d_d / np.sqrt(alpha) - 0.5 * corrected / alpha * d_alpha
    return np.array([d, alpha, corrected]), np.stack([d_d, d_alpha, d_corrected], axis=1)


def _notes(scores: _Scores, frame: pd.DataFrame, noun: str) -> tuple[str, ...]:
    persons, items = scores.answers.shape
    notes = [
        f"{persons:,} persons with answers to all {items} items; "
        f"{sum(scores.left_out.values()):,} with missing answers are left out"
        + (
            f" ({', '.join(f'{arm}: {n}' for arm, n in scores.left_out.items())})."
            if any(scores.left_out.values())
            else "."
        )
    ]
    if scores.unit_name != "person":
        units = len(np.unique(scores.unit))
        notes.append(f"Standard errors count {units} assigned units ({scores.unit_name}).")
    notes.append(
        "d: difference of mean sum scores in pooled within-arm SDs. Over the root of alpha it is in "
        "SDs of true scores, if all items measure the same in the same measure."
    )
    if frame["estimate"].isna().any():
        notes.append("Alpha is not above 0, so that there is nothing to correct with.")
    if noun == "difference":
        notes.append("Arms were not randomised: these are differences between groups.")
    return tuple(notes)
