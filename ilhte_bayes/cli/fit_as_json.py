"""A fit as JSON: what `ilhte fit --json` writes."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from ilhte_bayes.fits.fit import Fit
    from ilhte_bayes.models.model import Model


def as_json(result: "Fit") -> dict[str, Any]:
    """Everything a script needs of a fit, as plain numbers and text; what it lacks is null."""
    model: Model = result.model
    n_cuts = model.design.n_cuts
    sd = {
        g.name: {c: _number(v) for c, v in result.sd(g.name).items()} for g in model.design.groups
    }
    ml = result.objective == "ml"
    return {
        "engine": result.engine,
        "objective": result.objective,
        "family": model.family.name,
        "formula": model.formula.text,
        "n_obs": result.n_obs,
        "groups": {group.name: group.n_counted for group in model.design.groups},
        "loglik": None if result.sampled else _number(result.loglik),
        "aic": _number(result.aic) if ml else None,
        "bic": _number(result.bic()) if ml else None,
        "coefficients": _with_se(result.coefficients.iloc[n_cuts:]),
        "thresholds": _with_se(result.thresholds),
        "sd": sd,
        "corr": _correlations(result),
        "seconds": result.seconds,
        "compile_seconds": result.compile_seconds,
        "problems": list(result.problems),
        "notes": list(model.notes),
        "diagnostics": _diagnostics(result),
    }


def _with_se(table: "pd.DataFrame") -> dict[str, dict[str, float | None]]:
    return {
        str(term): {"estimate": _number(row["estimate"]), "se": _number(row["se"])}
        for term, row in table.iterrows()
    }


def _correlations(result: "Fit") -> dict[str, dict[str, float | None]]:
    corr: dict[str, dict[str, float | None]] = {}
    for (group, parameter), value in result.variance_components["estimate"].items():
        if parameter.startswith("corr["):
            corr.setdefault(group, {})[parameter[5:-1]] = _number(value)
    return corr


def _diagnostics(result: "Fit") -> dict[str, Any]:
    """How the search or the sampler fared."""
    if not result.sampled:
        found = result.mode.attrs
        return {
            "converged": bool(found["converged"]),
            "n_evaluations": int(found["n_evaluations"]),
        }
    found = result.tree["posterior"].attrs
    names = ("max_rhat", "min_ess_bulk", "min_ess_tail")
    numbers = {name: _number(found[name]) for name in names} | {
        "divergences": int(found["divergences"]),
        "compile_seconds": result.compile_seconds,
        "pilot_seconds": _number(found["pilot_seconds"]),
        "sample_seconds": _number(found["sample_seconds"]),
    }
    return numbers | _integration(found)


def _integration(found: Mapping[Any, Any]) -> dict[str, Any]:
    """Which group was integrated out, on how many nodes, and what twice as many would change."""
    if not found["integrated"]:
        return {"integrated": None}
    value, gradient = found["grid_error"]
    return {
        "integrated": found["integrated"],
        "nodes": int(found["grid"][2]),
        "doubling_changes": {"loglik": _number(value), "gradient": _number(gradient)},
    }


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(float(value)) else float(value)
