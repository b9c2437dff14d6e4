"""The Laplace engine: maximum likelihood or MAP estimates with glmer's numbers."""

import contextlib
import subprocess
import sys
import time
from functools import cache
from typing import Literal

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from ilhte_bayes.engines import foreign_arguments
from ilhte_bayes.engines.marginal.covariance import Coordinates
from ilhte_bayes.engines.marginal.log_prior import log_prior
from ilhte_bayes.engines.marginal.maximise import (
    MarginalObjective,
    Maximum,
    flat_prior,
    maximise,
    start,
)
from ilhte_bayes.engines.marginal.objective import LaplaceObjective
from ilhte_bayes.engines.marginal.summarise import laplace_levels, mode_and_curvature
from ilhte_bayes.errors import ModelError, listed, names_arguments
from ilhte_bayes.families.bernoulli import Bernoulli
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.cuts import GAP
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.models.ability import require_plain
from ilhte_bayes.models.distributions import LKJ, Exponential, Gamma
from ilhte_bayes.models.model import Model, require_model
from ilhte_bayes.models.reduced import require_persons

Objective = Literal["ml", "map"]
_DENSITY = "ilhte_bayes.models.posterior"  # what NUTS compiles


@names_arguments(foreign_arguments.LAPLACE)
def laplace(model: Model, *, objective: Objective = "ml") -> Fit:
    """Fit a model by Laplace's approximation to the marginal likelihood.

    Maximises log p(y, u | psi) - log|H| / 2 at the joint mode u of all random effects: what glmer
    (nAGQ = 1), clmm, glmmTMB and PROC GLIMMIX METHOD=LAPLACE maximise. Gradients are exact, H is
    factorised in an order made for nested and crossed groups, and boundary estimates (an SD of 0,
    a correlation of +-1) are reached and named.

    Parameters
    ----------
    model : Model
    objective : {"ml", "map"}
        Maximum likelihood; or the maximum of likelihood times prior, the density of coefficients,
        SDs and correlations on these scales (no Jacobian: flat priors give "ml" exactly).

    Returns
    -------
    Fit
        With standard errors from the Hessian over all parameters jointly.

    Raises
    ------
    ModelError
        If the model has no random term, or the objective is unknown.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    >>> fit = il.laplace(model)
    >>> round(fit.loglik, 2)
    -96.13
    """
    require_model(model, "laplace")
    if objective not in ("ml", "map"):
        raise ModelError(f"objective={objective!r}; it is {listed(['ml', 'map'])}.")
    require_plain(model, "laplace")
    require_persons(model, "il.laplace")
    if not model.design.groups:
        raise ModelError(
            f"the formula has no random term: {model.formula.text!r}. Item-level models need "
            "persons and items, for example ... + (1 | id) + (1 | item)."
        )
    compile_seconds = compile_loops()
    began = time.perf_counter()
    # BLAS threads cost more than they give on blocks of this size.
    with threadpool_limits(limits=1, user_api="blas"):
        target = LaplaceObjective(model.rows, model.family, kept_inside(model, objective))
        prior = flat_prior if objective == "ml" else log_prior(target, model.priors)
        maximum = maximise(target, start(target), prior)
        levels = laplace_levels(target, maximum.psi, jointly=item_group(model))
        mode = mode_and_curvature(target, maximum, levels)
    return Fit(
        model=model,
        engine="laplace",
        objective=objective,
        tree=xr.DataTree.from_dict({"fit": mode}),
        problems=maximum_problems(target, maximum, objective),
        seconds=model.build_seconds + time.perf_counter() - began,
        compile_seconds=compile_seconds,
    )


def item_group(model: Model) -> str | None:
    """Name of the items' group, if the model has one."""
    if model.roles.item is None:
        return None
    with contextlib.suppress(ModelError):
        return model.design.group(model.roles.item).name
    return None


def kept_inside(model: Model, objective: Objective) -> list[str]:
    """Groups whose correlations a prior keeps off +-1; refuses priors without a maximum."""
    if objective == "ml":
        return []
    for entry in model.priors:
        prior = entry.prior
        if isinstance(prior, LKJ) and prior.eta < 1.0:
            raise ModelError(
                f"{entry.parameter} has prior {prior}, whose density is infinite at +-1: "
                "it has no maximum. Use eta of 1 or more for MAP, or sample with NUTS."
            )
        peaked = isinstance(prior, Exponential) or (isinstance(prior, Gamma) and prior.shape <= 1)
        if peaked:
            raise ModelError(
                f"{entry.parameter} has prior {prior}, whose density is highest, with an edge, at "
                "0: a MAP estimate would stick there. Use a HalfNormal, or sample with NUTS."
            )
    return [group.name for group in model.design.groups if model.priors.keeps_inside(group)]


@cache
def compile_loops() -> float:
    """Compile the loops, or load them from disk, on a tiny design; returns the seconds it took.

    If it takes long, nothing of this package was compiled here before. Another process then
    compiles the sampler's density at the same time, and leaves it on disk.
    """
    from threading import Timer

    began = time.perf_counter()
    beside: list[subprocess.Popen] = []

    def first_time() -> None:
        _tell_compiling()
        with contextlib.suppress(OSError):
            beside.append(subprocess.Popen([sys.executable, "-c", f"import {_DENSITY}"]))

    told = Timer(3.0, first_time)  # loading from disk takes less than a second
    told.daemon = True
    told.start()
    try:
        design = _tiny_design()
        with threadpool_limits(limits=1, user_api="blas"):
            tiny = LaplaceObjective(design, Bernoulli())
            maximise(tiny, start(tiny))
    finally:
        told.cancel()
    for process in beside:
        process.wait()
    return time.perf_counter() - began


def _tell_compiling() -> None:
    text = "ilhte: compiling numerical loops, half a minute, the first time on this machine only"
    print(text, file=sys.stderr, flush=True)


def _tiny_design() -> Design:
    """Persons in sites answering items: every kind of elimination at once."""
    rng = np.random.default_rng(1)
    person, item = np.repeat(np.arange(12), 4), np.tile(np.arange(4), 12)
    ones = np.ones((1, 1))
    groups = tuple(
        Group(
            name, (name,), ("Intercept",), ((0,),), ones, level.astype(np.int32), np.unique(level)
        )
        for name, level in (("person", person), ("site", person // 3), ("item", item))
    )
    n = person.size
    return Design(
        terms=("Intercept",),
        x=ones,
        pattern=np.zeros(n, dtype=np.int32),
        score=rng.integers(0, 2, n).astype(np.int8),
        count=np.ones(n, dtype=np.int32),
        groups=groups,
        n_obs=n,
    )


def maximum_problems(
    target: MarginalObjective, maximum: Maximum, objective: Objective
) -> tuple[str, ...]:
    """What a reader must know of this maximum, in words."""
    out = []
    if not maximum.converged:
        out.append(
            f"the search stopped before its end: one more step would still raise the "
            f"log-likelihood by {maximum.gain_left:.2g}. Rescale large covariates, or drop a "
            "random term."
        )
    for group, c, part in zip(
        target.plan.groups, target.coordinates, target.parts[1:], strict=True
    ):
        slopes = c.natural_derivatives(maximum.psi[part])
        variance = np.einsum("ki,kl,li->i", slopes, maximum.covariance[part, part], slopes)
        out += _problems_of_group(
            group,
            c,
            c.natural(maximum.psi[part]),
            np.sqrt(np.maximum(variance, 0.0)),
            objective,
            np.abs(group.z).max(axis=0) / steps_of(target.design),
        )
    if (beyond := _runs_off(target, maximum)) > 0.0:
        out.append(
            f"some answers are predicted at {beyond:.0f} logits: a group of answers is probably "
            "all alike (separation), and a coefficient runs off. Use objective='map', or check "
            "the scale of the covariates."
        )
    return tuple(out)


def _runs_off(target: MarginalObjective, maximum: Maximum) -> float:
    """Largest prediction by the coefficients alone that the answers do not pin down; 0 if none.

    Beyond 15 logits an answer says next to nothing about its own prediction (information e^-15).
    If the standard error is small all the same, other answers say it: a covariate with a few
    extreme values, and no separation.
    """
    x, part = target.design.x / steps_of(target.design), target.parts[0]
    if target.design.n_ordered:  # gaps between thresholds may be as wide as they like
        x = x[np.unique(target.design.pattern[target.design.score != GAP])]
    predicted = np.abs(x @ maximum.psi[part])
    x, predicted = x[predicted > 15.0], predicted[predicted > 15.0]
    variance = np.einsum("ni,ij,nj->n", x, maximum.covariance[part, part], x)
    known = (variance > 0.0) & (variance < (predicted / 4.0) ** 2)
    return float(predicted[~known].max(initial=0.0))


def steps_of(design: Design) -> int:
    """Steps between the lowest and the highest of adjacent categories; 1 of other answers."""
    return design.n_cuts if design.n_categories and design.n_cuts else 1


def _problems_of_group(
    group: Group,
    c: Coordinates,
    natural: np.ndarray,
    errors: np.ndarray,
    objective: Objective,
    largest: np.ndarray,
) -> list[str]:
    """Estimates at an edge of their range, or running off."""
    out = []
    cure = (
        "There is no interval by maximum likelihood; MAP with the default priors, or NUTS, has one."
        if objective == "ml"
        else "There is no interval at an edge; NUTS has one."
    )
    sd, corr = natural[: len(c.columns)], natural[len(c.columns) :]
    for column, value, se, size in zip(
        c.columns, sd, errors[: len(c.columns)], largest, strict=True
    ):
        if 0.0 < value <= se:
            out.append(
                f"the SD of {column} over {group.name} is estimated at {value:.2g} with a standard "
                f"error of {se:.2g}: the answers hardly say how large it is, and no interval is "
                f"given. {'MAP or NUTS has one.' if objective == 'ml' else 'NUTS has one.'}"
            )
        if value == 0.0:
            out.append(
                f"the SD of {column} over {group.name} is estimated at 0, the edge of its "
                "range: a spread of 0 fits best, which does not show that there is none. There is no "
                "interval at an edge; NUTS has one"
                + (
                    f", and il.sd_upper_bound(fit, {group.name!r}, {column!r}) says how large it "
                    "may be."
                    if objective == "ml"
                    else "."
                )
            )
        if value * float(size) > 15:
            out.append(
                f"the SD of {column} over {group.name} is estimated at {value:.3g}: most of its "
                "levels probably gave the same answer every time, and the estimate runs off. "
                "Use objective='map' or NUTS, and read no probability off this fit."
            )
    for (i, j), value in zip(c.pairs, corr, strict=True):
        if abs(value) > 1.0 - 1e-6 and sd[i] > 0 and sd[j] > 0:
            out.append(
                f"the correlation of {c.columns[j]} and {c.columns[i]} over {group.name} is "
                f"estimated at {value:+.0f}, the edge of its range: {group.n_levels} levels "
                f"say too little about it. {cure}"
            )
    return out
