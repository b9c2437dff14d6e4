"""Answers averaged over abilities: normal, or of a free shape, or both."""

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import expit

from ilhte_bayes.estimands.averages import trapezoid
from ilhte_bayes.families.categories import shares

_DIRECT = 500  # more places than this are read off a spline
_MOST = 200_000  # numbers worked on at a time
_SPACE = 0.05  # logits between its knots; it is off by 1e-8

# Values (logits) and probabilities of a deviate that is not normal, such as ability of a free shape.
type Shape = tuple[np.ndarray, np.ndarray] | None


def average_logistic(place: np.ndarray, sd: float, shape: Shape = None) -> np.ndarray:
    """E[1 / (1 + exp(-(place + sd Z + U)))], Z standard normal, U of a shape; as `place`."""
    nodes, mass = _nodes(sd, shape)
    if place.size <= _DIRECT:
        return np.asarray(expit(place[..., None] + nodes) @ mass)
    low, high = place.min(), place.max()
    known = np.linspace(low, high, int((high - low) / _SPACE) + 4)
    return np.asarray(CubicSpline(known, expit(known[:, None] + nodes) @ mass)(place))


def average_steps(place: np.ndarray, sd: float, shape: Shape = None) -> np.ndarray:
    """E[P(Y >= c)] of adjacent categories whose log-odds, one by one, are place (cell, cut) + sd Z + U."""
    nodes, mass = _nodes(sd, shape, place.shape[1])
    out, each = np.zeros(place.shape), max(1, _MOST // place.size)
    for start in range(0, nodes.size, each):
        some = slice(start, start + each)
        rows = (place + nodes[some, None, None]).reshape(-1, place.shape[1])
        chance = shares(np.cumsum(rows, axis=1))
        at_least = np.cumsum(chance[:, :0:-1], axis=1)[:, ::-1]
        out += np.tensordot(mass[some], at_least.reshape(-1, *place.shape), 1)
    return out


def _nodes(sd: float, shape: Shape, steps: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Values of the deviate, counted in so many steps, and their probabilities."""
    if sd == 0.0:
        return shape if shape is not None else (np.zeros(1), np.ones(1))
    nodes, weights = trapezoid(sd * steps)
    if shape is None:
        return sd * nodes, weights
    values, mass = shape
    return np.add.outer(values, sd * nodes).ravel(), np.outer(mass, weights).ravel()
