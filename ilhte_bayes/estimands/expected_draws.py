"""Parameter values, one set at a time, as expected answers need them."""

from dataclasses import dataclass

import numpy as np

from ilhte_bayes.estimands.ability_averages import Shape
from ilhte_bayes.estimands.distribution import SEED
from ilhte_bayes.estimands.items import joint_covariance
from ilhte_bayes.estimands.parameters import parameter_draws, parameters_at
from ilhte_bayes.estimands.persons import effect_draws
from ilhte_bayes.fits.draw_tables import covariance_draws, flat, no_draws
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.spread_draws import spread_samples
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.likelihood.integrable import choose_group
from ilhte_bayes.models.roots import root_of


@dataclass(frozen=True, slots=True)
class Draw:
    """One set of parameter values."""

    beta: np.ndarray  # (term,)
    effects: dict[str, np.ndarray]  # of groups of items: (level, column)
    covariance: dict[str, np.ndarray]  # (column, column), all groups
    discrimination: np.ndarray | None = None  # (item,), 2PL
    sd_discrimination: float = 0.0  # of its log
    shape: Shape = None  # of ability, in logits, where it is not normal


def expected_draws(fit: Fit, name: str, n: int) -> list[Draw]:
    """About n draws, spread evenly: of the posterior, or of the normal approximation at the mode.

    Parameters
    ----------
    fit : Fit
    name : str
        Group of the items.
    n : int

    Raises
    ------
    ModelError
        If there are so many items that their effects are not kept.
    """
    # Of one group of items the approximation needs no draws of persons, which may be many.
    if not fit.sampled and len(of_items(fit, name)) == 1 and f"re_{name}_joint" in fit.mode:
        return _approximate(fit, name, n)
    posterior = fit.draws["posterior"].to_dataset()
    chosen = spread_samples(posterior, n)
    if name in posterior.attrs.get("left_out", ()):
        raise no_draws(name)
    beta = flat(fit.draws, "beta") if "beta" in posterior else np.zeros((chosen.max() + 1, 0))
    effects = {g.name: effect_draws(fit, g.name)[chosen] for g in of_items(fit, name)}
    covariance = {g.name: covariance_draws(posterior, g)[chosen] for g in fit.model.design.groups}
    more = _extensions(fit, chosen)
    return [
        Draw(
            beta[draw],
            {key: values[k] for key, values in effects.items()},
            {key: values[k] for key, values in covariance.items()},
            *more[k],
        )
        for k, draw in enumerate(chosen)
    ]


def mode_draw(fit: Fit, name: str) -> Draw:
    """The estimates themselves, of a maximised fit."""
    at = parameters_at(fit, fit.mode["psi"].to_numpy()[None])
    effects = {g.name: fit.mode[f"re_{g.name}"].to_numpy() for g in of_items(fit, name)}
    return Draw(at.beta[0], effects, {key: value[0] for key, value in at.covariance.items()})


def of_items(fit: Fit, name: str) -> list[Group]:
    """Groups whose level is the same in all answers to an item, that of the items first."""
    groups = fit.model.design.groups
    own = next(group for group in groups if group.name == name)
    first = np.unique(own.level, return_index=True)[1]
    same = [
        group
        for group in groups
        if group.name != name and np.array_equal(group.level, group.level[first][own.level])
    ]
    return [own, *same]


def _approximate(fit: Fit, name: str, n: int) -> list[Draw]:
    """Draws of a maximised fit with one group of items: its effects follow the parameters."""
    drawn, mode = parameter_draws(fit), fit.mode
    assert drawn.moved is not None
    chosen = np.unique(np.linspace(0, len(drawn.beta) - 1, n).round().astype(int))
    modes = mode[f"re_{name}"].to_numpy()
    root = root_of(joint_covariance(fit, name).reshape(modes.size, modes.size))
    noise = np.random.default_rng(SEED + 3).standard_normal((len(chosen), modes.size)) @ root.T
    by_psi = mode[f"re_{name}_by_psi"].to_numpy()
    effects = modes + np.tensordot(drawn.moved[chosen], by_psi, 1) + noise.reshape(-1, *modes.shape)
    return [
        Draw(
            drawn.beta[at],
            {name: effects[k]},
            {key: value[at] for key, value in drawn.covariance.items()},
        )
        for k, at in enumerate(chosen)
    ]


def _extensions(fit: Fit, chosen: np.ndarray) -> list[tuple[np.ndarray | None, float, Shape]]:
    """Discriminations, their SD and the shape of ability, for each draw chosen."""
    model = fit.model
    if model.discrimination is not None:
        own = flat(fit.tree, "discrimination")[chosen]
        return [
            (a, float(sd), None)
            for a, sd in zip(own, flat(fit.tree, "sd_discrimination")[chosen], strict=True)
        ]
    if model.ability == "normal":
        return [(None, 0.0, None)] * len(chosen)
    group = choose_group(model.design, "auto", person=model.roles.person)
    sd = flat(fit.tree, f"sd_{group}")[chosen]
    nodes, weights = (flat(fit.tree, f"ability_{key}")[chosen] for key in ("nodes", "weights"))
    return [(None, 0.0, (s * x, w)) for s, x, w in zip(sd[:, :1], nodes, weights, strict=True)]
