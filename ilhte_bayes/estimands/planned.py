"""What was planned and what was done, side by side."""

import re

import pandas as pd

from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.models.analysis_plan import AnalysisPlan, described


def plan_differences(plan: AnalysisPlan, fit: Fit) -> pd.DataFrame:
    """Compare a plan with a fit.

    Parameters
    ----------
    plan : AnalysisPlan
    fit : Fit

    Returns
    -------
    pandas.DataFrame
        Index part; `planned`, `done`, `same` (bool). Formula, family, engine and exclusions always;
        choices, roles, codings and priors where they differ.
    """
    done = described(fit.model)
    engine = fit.engine if fit.sampled else f"{fit.engine}, {fit.objective}"
    rows = [
        ("formula", plan.formula, done["formula"], _bare(plan.formula) == _bare(done["formula"])),
        _same("family", plan.family, done["family"]),
        _same("engine", plan.engine, engine),
    ]
    also = [
        _same(name, plan.choices.get(name, "not there"), v) for name, v in done["choices"].items()
    ]
    roles = done["roles"].items()
    also += [_same(f"role {name}", plan.roles.get(name), list_or(value)) for name, value in roles]
    also += _codings(plan, done["codings"])
    if fit.objective != "ml":
        also += _priors(plan, fit)
    rows += [row for row in also if not row[3]]
    rows.append(_exclusions(plan, fit))
    frame = pd.DataFrame(rows, columns=["part", "planned", "done", "same"])
    return frame.set_index("part")


def _bare(formula: str) -> str:
    return re.sub(r"\s+", "", formula)


def list_or(value: object) -> object:
    """A tuple as the list that a file has in its place."""
    return list(value) if isinstance(value, tuple) else value


def _same(part: str, planned: object, done: object) -> tuple[str, str, str, bool]:
    return part, _text(planned), _text(done), planned == done


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _codings(plan: AnalysisPlan, done: tuple[str, ...]) -> list[tuple[str, str, str, bool]]:
    """Codings by column; a column that only one of the two codes is a difference of formulas."""
    before = {text.partition(":")[0]: text for text in plan.codings}
    after = {text.partition(":")[0]: text for text in done}
    return [
        _same(f"coding of {name}", before[name], after[name]) for name in before if name in after
    ]


def _priors(plan: AnalysisPlan, fit: Fit) -> list[tuple[str, str, str, bool]]:
    done = {entry.parameter: str(entry.prior) for entry in fit.model.priors}
    names = list(dict.fromkeys([*plan.priors, *done]))
    return [
        _same(f"prior of {name}", plan.priors.get(name, "not in the model"),
              done.get(name, "not in the model"))
        for name in names
    ]  # fmt: skip


def _exclusions(plan: AnalysisPlan, fit: Fit) -> tuple[str, str, str, bool]:
    """Planned in words; of what was done the fit knows the incomplete rows alone."""
    planned = " ".join(plan.exclusions) or "none beyond incomplete rows"
    dropped = fit.model.responses.dropped
    by = ", ".join(f"{name} {n:,}" for name, n in dropped.by_column.items())
    done = f"{dropped.n_rows:,} incomplete rows left out ({by})" if by else "no incomplete rows"
    return "exclusions", planned, f"{done}; {fit.n_obs:,} answers analysed", True
