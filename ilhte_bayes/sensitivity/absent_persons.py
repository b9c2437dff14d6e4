"""Persons without answers: how far their ability would have to be off for the effect to be gone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.ability import ability_sd
from ilhte_bayes.estimands.items import item_effects, treatment_contrasts
from ilhte_bayes.estimands.parameters import parameter_draws
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.contrasts import Contrast
from ilhte_bayes.models.model import Model
from ilhte_bayes.sensitivity.on_other_table import as_fit


@dataclass(frozen=True, repr=False, eq=False)
class AbsentPersons:
    """The average effect if absent persons differ from those present; prints as two tables.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index (contrast, absent, shift in SDs of ability); `shift` (logits), `estimate`, `se`,
        `lower`, `upper` (95 %, logits): average effect over everyone randomised.
    tipping : pandas.DataFrame
        Index (contrast, absent); `share` of the arm's persons who are absent (missing for both),
        `tipping` (logits) and `tipping_sd` (SDs of ability): the shift at which the interval first
        includes 0; missing where it does already, or no shift does it.
    noun : str
    notes : tuple of str
    """

    frame: pd.DataFrame
    tipping: pd.DataFrame
    noun: str
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the table of effects by shift."""
        return self.frame

    def __repr__(self) -> str:
        from ilhte_bayes.show.absent_words import describe_absent

        return describe_absent(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.absent_words import absent_html

        return absent_html(self)


def absent_persons(
    fit: Fit | Model, *, shifts: Sequence[float] = (-1.0, -0.5, 0.5, 1.0)
) -> AbsentPersons:
    """Average effect over everyone randomised, if absent persons' ability is shifted by delta.

    Parameters
    ----------
    fit : Fit or Model
        Of a model made with `roster=` (everyone randomised), or of a table that also lists persons
        without answers. A model is fitted by Laplace, MAP.
    shifts : sequence of float
        In SDs of ability, of absent persons from those present in the same arm.

    Returns
    -------
    AbsentPersons

    Raises
    ------
    ModelError
        If nobody is absent, or who was randomised is not known; if items discriminate differently.

    Notes
    -----
    A pattern-mixture model. With p_a the share of arm a's persons without an answer in the
    analysis and delta_a their ability's distance from that of the others in that arm, the average
    effect over all is beta_1 + p_1 delta_1 - p_0 delta_0. Ignorability is delta_a = 0, which no
    answer can confirm or refute. The interval has beta_1's width: p_a are those of these persons.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> import pandas as pd
    >>> trial = il.load_dataset("mathexam")
    >>> absent = pd.DataFrame({"id": ["x1", "x2", "x3"], "treat": [1, 1, 0]})
    >>> roster = pd.concat([trial[["id", "treat"]].drop_duplicates().astype({"id": str}), absent])
    >>> trial["id"] = trial["id"].astype(str)
    >>> fit = il.laplace(il.il_hte(trial, roster=roster))
    >>> found = il.absent_persons(fit)
    >>> "absent" in repr(found)
    True
    """
    fit = as_fit(fit)
    model = fit.model
    if model.discrimination is not None:
        raise ModelError(
            "items discriminate differently in this model, so a shift of ability is another one "
            "on each item's logits. Use a model without discrimination."
        )
    start = _flow(model)
    averages = item_effects(fit).average
    unit = float(np.median(ability_sd(fit, parameter_draws(fit))))
    frames, tipping = {}, {}
    for contrast in treatment_contrasts(fit):
        scenarios = _scenarios(model, contrast, start)
        own = averages.loc[contrast.label]
        frames[contrast.label] = _shifted(own, scenarios, shifts, unit)
        tipping[contrast.label] = _tipping(own, scenarios, unit)
    noun = model.noun
    return AbsentPersons(
        pd.concat(frames, names=["contrast"]),
        pd.concat(tipping, names=["contrast"]),
        noun,
        _notes(start, unit, noun),
    )


@dataclass(frozen=True, slots=True)
class _Scenario:
    """Whose ability is shifted, and what a logit of it does to the average effect."""

    label: str
    share: float
    slope: float


def _flow(model: Model) -> pd.DataFrame:
    """Persons by arm: `start` and `analysed`."""
    flow = model.flow
    if flow is None:
        raise ModelError(
            "who was randomised is not known: the model has only persons who answered. Build it "
            "with roster=..., a table of everyone randomised with the person and treatment columns."
        )
    start = "randomised" if "randomised" in flow else "in the table"
    out = pd.DataFrame({"start": flow[start], "analysed": flow["in the analysis"]})
    out.attrs["start"] = start
    if not (out["start"] > out["analysed"]).any():
        raise ModelError(
            f"all {int(out['start'].sum()):,} persons {start} are in the analysis, so nobody is "
            "absent. If persons without answers are not listed there, build the model with "
            "roster=..."
        )
    return out


def _share(model: Model, arm: object, flow: pd.DataFrame) -> tuple[str, float]:
    """Name of an arm, and the share of its persons who are absent."""
    treatment = str(model.roles.treatment)
    names = {str(arm)}
    if isinstance(arm, int | float | np.number):
        names.add(f"{float(arm):g}")
        for coding in model.responses.codings:  # yes and no, coded as 0 and 1
            if coding.column == treatment and float(arm) in (0.0, 1.0):
                names.add(coding.levels[int(arm)])
    found = [label for label in flow.index if str(label) in names]
    if not found:
        raise ModelError(
            f"arm {arm} of column {treatment!r} is not in the flow of persons, whose arms are "
            f"{list(flow.index)}. Name arms alike in table and roster; a dose has no arms."
        )
    row = flow.loc[found[0]]
    return str(found[0]), float(1.0 - row["analysed"] / row["start"])


def _scenarios(model: Model, contrast: Contrast, flow: pd.DataFrame) -> list[_Scenario]:
    (low, p_low), (high, p_high) = (
        _share(model, arm, flow) for arm in (contrast.from_arm, contrast.to_arm)
    )
    arm = model.roles.treatment
    return [
        _Scenario(f"{arm} = {high}", p_high, p_high),
        _Scenario(f"{arm} = {low}", p_low, -p_low),
        _Scenario("both arms, alike", np.nan, p_high - p_low),
    ]


def _shifted(
    own: pd.Series, scenarios: list[_Scenario], shifts: Sequence[float], unit: float
) -> pd.DataFrame:
    rows = {("nobody (ignorable)", 0.0): _row(own, 0.0, 0.0)}
    for each in scenarios:
        if each.slope == 0.0:
            continue
        for shift in shifts:
            rows[each.label, float(shift)] = _row(own, shift * unit, each.slope)
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["shifted", "SDs"])
    return frame


def _row(own: pd.Series, shift: float, slope: float) -> dict[str, float]:
    moved = slope * shift
    return {
        "shift": shift,
        "estimate": float(own["effect"]) + moved,
        "se": float(own["se"]),
        "lower": float(own["lower"]) + moved,
        "upper": float(own["upper"]) + moved,
    }


def _tipping(own: pd.Series, scenarios: list[_Scenario], unit: float) -> pd.DataFrame:
    """Where the bound of the interval that is nearer to 0 reaches it."""
    lower, upper = float(own["lower"]), float(own["upper"])
    bound = lower if lower > 0 else upper if upper < 0 else np.nan
    rows = {}
    for each in scenarios:
        at = -bound / each.slope if each.slope else np.nan
        rows[each.label] = {"share": each.share, "tipping": at, "tipping_sd": at / unit}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("shifted")


def _notes(flow: pd.DataFrame, unit: float, noun: str) -> tuple[str, ...]:
    start = flow.attrs["start"]
    who = "randomised" if start == "randomised" else "in the table"
    counts = ", ".join(
        f"{int(row['start'] - row['analysed']):,} of {int(row['start']):,} (arm {arm})"
        for arm, row in flow.iterrows()
    )
    notes = [
        f"Absent: persons {who} and not in the analysis, {counts}.",
        f"Average {noun} over all of them if absent persons' ability lies a shift away from that "
        "of persons present in the same arm. No answer says what the shift is: 0 is the assumption "
        "that their absence is ignorable. Intervals hold the uncertainty of answers, not of the "
        "shift.",
        f"Tipping point: the shift at which the 95 % interval first includes 0; beyond 3 SDs no "
        f"group of persons is likely to lie. One SD of ability is {unit:.2f} logits.",
    ]
    if start != "randomised":
        notes.append(
            "The model was made without a roster: persons who were randomised and are not in the "
            "table are unknown here. Build it with roster=..."
        )
    return tuple(notes)
