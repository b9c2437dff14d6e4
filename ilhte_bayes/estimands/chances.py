"""Chances of each answer in a setting, and the quantities that tables show of them."""

from dataclasses import dataclass

import numpy as np

from ilhte_bayes.estimands.averages import categories_from, needs_points
from ilhte_bayes.estimands.functionals import Link
from ilhte_bayes.estimands.joint_draws import JointDraws
from ilhte_bayes.estimands.settings import Setting
from ilhte_bayes.models.model import Model

_BLOCK = 4_000_000  # predictors worked on at a time
_SEEDS = range(1, 9)  # by whose spread the error of random points is judged


@dataclass(frozen=True, slots=True)
class Quantities:
    """Linear functions of the categories' chances."""

    names: tuple[str, ...]
    weights: np.ndarray  # (quantity, category)
    links: tuple[Link, ...]


def quantities_of(model: Model) -> Quantities:
    """Probability of each category; of ordered ones also of this or less, and the expected score."""
    name, levels = model.formula.response.text, model.responses.response_coding.levels
    if not model.design.n_cuts and model.design.logit is None:
        return Quantities((f"P({_event(model)})",), np.array([[0.0, 1.0]]), ("logit",))
    size = len(levels)
    names = [f"P({name} = {level})" for level in levels]
    weights: list[np.ndarray] = [np.eye(size)]
    if model.family.ordinal:
        # P(Y <= lowest) is P(Y = lowest), and P(Y <= highest) is 1
        names += [f"P({name} <= {level})" for level in levels[1:-1]]
        weights += [np.tri(size)[1:-1], np.arange(size, dtype=float)[None]]
        names.append("expected score")
    stacked = np.vstack(weights)
    links: list[Link] = ["logit"] * (len(names) - 1)
    return Quantities(
        tuple(names), stacked, (*links, "identity" if model.family.ordinal else "logit")
    )


def logit_names(model: Model) -> list[str]:
    """What the logits of a typical unit compare."""
    name, levels = model.formula.response.text, model.responses.response_coding.levels
    if model.design.logit is not None:
        return [f"log P({name} = {c}) / P({name} = {levels[0]})" for c in levels[1:]]
    if model.design.n_categories:
        pairs = zip(levels[1:], levels[:-1], strict=True)
        return [f"log P({name} = {c}) / P({name} = {below})" for c, below in pairs]
    if model.design.n_cuts:
        return [f"logit P({name} <= {level})" for level in levels[:-1]]
    return ["logit"]


def _event(model: Model) -> str:
    """What the probability is of: "use = Y", "resp >= 2"."""
    response = model.formula.response
    if response.comparison is not None:
        return response.text
    return f"{response.text} = {model.responses.response_coding.levels[1]}"


def chances(model: Model, setting: Setting, draws: JointDraws, *, seed: int = 1) -> np.ndarray:
    """(draw, category) probabilities, averaged over the setting's cases and what it integrates."""
    n_draws, size = len(draws.beta), setting.x.shape[1]
    step = max(1, _BLOCK // (setting.pattern.size * size**2))
    out = np.empty((n_draws, max(2, size + 1)))
    for start in range(0, n_draws, step):
        part = slice(start, start + step)
        location = _location(setting, draws, part)
        covariance = _covariance(setting, draws, part)
        if covariance is not None:
            covariance = covariance[:, setting.pattern].reshape(-1, size, size)
        flat = location.reshape(-1, size)
        found = categories_from(model, flat, covariance, seed=seed)
        found = found.reshape(*location.shape[:2], -1)
        out[part] = np.einsum("dnc,n->dc", found, setting.weight)
    return out


def logits(model: Model, setting: Setting, draws: JointDraws) -> np.ndarray:
    """(draw, logit) of a typical unit, as `logit_names` has them."""
    eta = _location(setting, draws, slice(None))[:, 0]
    if model.design.n_categories and model.design.n_cuts:
        return np.asarray(np.diff(eta, axis=1, prepend=0.0))
    return -eta if model.design.n_cuts else eta


def _location(setting: Setting, draws: JointDraws, part: slice) -> np.ndarray:
    """(draw, case, predictor) what is not averaged over normal distributions."""
    eta = np.einsum("dt,kpt->dkp", draws.beta[part], setting.x, optimize=True)[:, setting.pattern]
    for name, level in setting.levels.items():
        effects = draws.effects[name][part][:, level]
        eta = eta + np.einsum("npc,dnc->dnp", setting.z[name][setting.pattern], effects)
    return np.asarray(eta)


def _covariance(setting: Setting, draws: JointDraws, part: slice) -> np.ndarray | None:
    """(draw, pattern, predictor, predictor) of what is averaged over; None for nothing."""
    if not setting.integrated:
        return None
    total: np.ndarray | float = 0.0
    for name in setting.integrated:
        z, covariance = setting.z[name], draws.covariance[name][part]
        total = total + np.einsum("kpc,dce,kqe->dkpq", z, covariance, z, optimize=True)
    return np.asarray(total)


def integration_error(model: Model, settings: list[Setting], draws: JointDraws) -> float:
    """Largest standard error of the mean of `chances` at its random points; 0 where it has none.

    `draws` of one draw, the estimates. Judged by the spread over eight sets of points.
    """
    worst = 0.0
    for setting in settings:
        covariance = _covariance(setting, draws, slice(None))
        if covariance is None or not model.design.n_categories:
            continue
        if needs_points(covariance.reshape(-1, *covariance.shape[2:])):
            again = [chances(model, setting, draws, seed=seed) for seed in _SEEDS]
            worst = max(worst, float(np.std(again, axis=0, ddof=1).max()))
    return worst
