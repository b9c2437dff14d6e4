"""Ability of any shape: free weights on a grid, that shrink towards the normal's.

log weights = log phi(x) + delta with x standard nodes and delta = tau B z: B spans what third
differences see, that is everything but the quadratics by which normals differ from each other, each
direction scaled as in a third-order random walk; z is standard normal. With tau = 0 ability is
normal. Mean 0 and the SD are fixed exactly: nodes are shifted and stretched, theta = sd (x - m) / s
with m and s the weights' own mean and SD.
"""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ilhte_bayes.data.roles import Roles
from ilhte_bayes.errors import ModelError, NotAvailable
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.integrable import choose_group, require_integrable
from ilhte_bayes.likelihood.plan import Plan, make_plan
from ilhte_bayes.models.discrimination import require_equal_discrimination

if TYPE_CHECKING:
    from ilhte_bayes.models.model import Model

Ability = Literal["normal", "histogram"]

SENTENCE = "a free shape (weights on a grid that shrink towards the normal's), mean 0, SD as given"
_EDGE = 5.0  # of the nodes, in SDs
_STEP = 0.5  # in SDs of the narrowest person's posterior: the trapezoid rule's error is e^-79
_DIRECTIONS = 15  # of log weights; the random walk's spread falls with their number cubed
_MOST_CELLS = 60_000


def read_ability(value: str, design: Design, roles: Roles, discrimination: str | None) -> Ability:
    """Check what the caller asked for."""
    if value == "normal":
        return "normal"
    if value != "histogram":
        raise ModelError(f"ability={value!r}; it is 'normal' or 'histogram' (a free shape).")
    if discrimination is not None:
        raise NotAvailable(
            "ability='histogram' together with discrimination: both at once are not there. Fit one "
            "after the other, ability='normal' with discrimination, and compare."
        )
    require_integrable(design, "ability='histogram'")
    if design.n_categories:
        raise NotAvailable(
            "ability='histogram' with family='adjacent' is not there; families 'bernoulli' and "
            "'cumulative' have it. Use ability='normal'."
        )
    group = choose_group(design, "auto", person=roles.person)
    if group is None or design.group(group).columns != ("Intercept",):
        raise NotAvailable(
            "ability='histogram' needs 30 persons or more with one random intercept, (1 | id), the same "
            "distribution for all. Use ability='normal'."
        )
    return "histogram"


def require_normal_ability(model: "Model", name: str) -> None:
    """Refuse a free shape, for an engine `name` that takes abilities as normal."""
    if model.ability != "normal":
        raise NotAvailable(
            f"il.{name} takes abilities as normal, and this model leaves their shape free. "
            "il.sample(model), which integrates persons out, knows of it; for this, build the model "
            "with ability='normal'."
        )


def require_plain(model: "Model", name: str) -> None:
    """Refuse discriminations and free shapes, for a function `name` that knows of neither."""
    require_equal_discrimination(model, name)
    require_normal_ability(model, name)


def make_free_plan(model: "Model", integrated: str) -> Plan:
    """Plan with everything in the cells, so that all persons share one distribution.

    Raises
    ------
    NotAvailable
        If there would be too many cells: covariates and clusters make one for each answer.
    """
    plan = make_plan(model.rows, integrated, fold=True)
    if plan.slopes.size != 1 or plan.n_cells > _MOST_CELLS:
        raise NotAvailable(
            f"ability='histogram' with {plan.n_cells:,} distinct predictors (persons by items, "
            f"where covariates or clusters differ): {_MOST_CELLS:,} is the most. Leave out "
            "covariates and clusters, or use ability='normal'."
        )
    return plan


def standard_grid(information: float, sd: float) -> Grid:
    """Nodes in SDs of ability, fine enough for the person about whom answers say most."""
    step = _STEP / np.sqrt(1.0 + information * sd**2)
    size = int(np.ceil(2 * _EDGE / step)) + 1
    return Grid(-_EDGE, 2 * _EDGE / (size - 1), size)


def shape_directions(nodes: np.ndarray) -> np.ndarray:
    """(node, direction) B: deviations of log weights, of SD about 1 within 2 SDs of the middle."""
    third = np.diff(np.eye(nodes.size), 3, axis=0)
    values, vectors = np.linalg.eigh(third.T @ third)
    keep = slice(3, 3 + min(_DIRECTIONS, nodes.size - 3))
    out = vectors[:, keep] / np.sqrt(values[keep])
    spread = np.sqrt((out**2).sum(axis=1))[np.abs(nodes) <= 2.0]
    return np.asarray(out / np.exp(np.log(spread).mean()))


def standardise(weights: Any, nodes: np.ndarray) -> tuple[Any, Any]:
    """Mean and SD of a distribution on nodes, arrays of NumPy or PyTensor alike."""
    mean = (weights * nodes).sum()
    return mean, ((weights * (nodes - mean) ** 2).sum()) ** 0.5
