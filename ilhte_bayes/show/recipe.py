"""How to repeat a fit: code, versions, seed, fingerprint of the data."""

import platform
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from ilhte_bayes.engines.refit import sampling_settings
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.storage import made_by
from ilhte_bayes.models.model import Model

_PACKAGES = ("numpy", "scipy", "pandas", "xarray", "formulaic", "numba")
_OF_DRAWS = ("pymc", "pytensor", "nutpie", "arviz")


def code(fit: Fit, beside: Sequence[Fit] = ()) -> str:
    """Python that builds the model, fits it and writes the page.

    Fits of other models beside it are left out: their code is on their own pages.
    """
    model = fit.model
    arguments = [repr(model.formula.text), _table(model)]
    if model.family.name != "bernoulli":
        arguments.append(f"family={model.family.name!r}")
    named = {
        "roles": {} if model.design.reduced else _roles(model),
        "levels": _levels(model),
        "reference": model.responses.references,
        "thresholds": None if model.thresholds == "common" else model.thresholds,
        "own_slopes": list(model.own_slopes),
        "logits": None if model.logits == "independent" else model.logits,
        "discrimination": model.discrimination,
        "ability": None if model.ability == "normal" else model.ability,
        "assignment": model.assignment.kind
        if model.assignment and not is_bundled(model.source)
        else None,
    }
    arguments += [f"{key}={value!r}" for key, value in named.items() if value]
    if model.flow is not None and "randomised" in model.flow:
        arguments.append("roster=roster")
    if priors := _priors(model):
        arguments.append(f"priors={{{priors}}}")
    inside = "".join(f"    {argument},\n" for argument in arguments)
    others = ", ".join(_fit_call(other) for other in beside if other.model is model)
    last = f", beside=[{others}]" if others else ""
    counts = "reduced = il.reduce(...)  # or il.load(...) of what reduced.save(...) wrote\n"
    first = counts if model.design.reduced else ""
    return (
        f"import ilhte_bayes as il\n\n{first}model = il.Model(\n{inside})\n"
        f"fit = {_fit_call(fit)}\nil.report(fit, 'report.html'{last})"
    )


def _fit_call(fit: Fit) -> str:
    if not fit.sampled:
        return f"il.{fit.engine}(model, objective={fit.objective!r})"
    inside = ", ".join(f"{key}={value!r}" for key, value in sampling_settings(fit).items())
    return f"il.sample(model, {inside})"


def is_bundled(source: str) -> bool:
    """Whether a table came with the package."""
    from ilhte_bayes.data.bundled import REGISTRY

    return source in REGISTRY


def _table(model: Model) -> str:
    if model.design.reduced:
        return "reduced"
    if is_bundled(model.source):
        return f"il.load_dataset({model.source!r})"
    return repr(model.source) if model.source else "table"


def _roles(model: Model) -> dict[str, Any]:
    roles = model.roles
    if not roles.given:
        return {}
    out: dict[str, Any] = {
        key: value
        for key in ("treatment", "person", "item", "occasion")
        if (value := getattr(roles, key))
    }
    out |= {"clusters": list(roles.clusters)} if roles.clusters else {}
    return out | ({"crossover": True} if roles.crossover else {})


def _levels(model: Model) -> list[str] | None:
    coding = model.responses.response_coding
    numbers = tuple(str(k) for k in range(len(coding.levels)))
    if model.formula.response.comparison is not None or coding.levels == numbers:
        return None
    return list(coding.levels)


def _priors(model: Model) -> str:
    changed = [entry for entry in model.priors if entry.reason == "set by you"]
    return ", ".join(f"{entry.parameter!r}: il.priors.{entry.prior!r}" for entry in changed)


def versions(fit: Fit) -> str:
    """Versions of what made the fit; of what reads it, if nobody wrote them down."""
    names = _PACKAGES + (_OF_DRAWS + made_by(fit) if fit.sampled else ())
    made_with = fit.tree.attrs.get("made_with")
    if isinstance(made_with, dict):
        return ", ".join(f"{name} {found}" for name, found in made_with.items())
    return _installed(names)


@cache
def _installed(names: tuple[str, ...]) -> str:
    import ilhte_bayes

    own = [f"ilhte_bayes {ilhte_bayes.__version__}", f"Python {platform.python_version()}"]
    return ", ".join([*own, *(f"{name} {version(name)}" for name in names)])


def seed(fit: Fit) -> str:
    """The seed of everything random, in words."""
    attrs = fit.tree["posterior"].attrs if fit.sampled else {}
    if "seed" in attrs:
        return f"Seed of the draws: {attrs['seed']}."
    return "The estimates hold nothing random; summaries made by simulation have a fixed seed."
