"""Probabilities averaged over normal random effects, without simulation where it can be helped.

Whatever the levels, random effects add up to one normal vector of predictors. Of binary answers, and
of each threshold of a cumulative logit, it is one number, so that the average is an integral over
one dimension; of other families there are as many as the predictors' covariance has directions.

The trapezoid rule with step h, in SDs of a direction, errs by about 2 exp(-2 pi^2 / (R h)): R is the
range over the categories of what one SD adds to their predictors (0 for the first), and the
integrand has no pole nearer than pi / R to the real axis, since until there all exponentials point
into one half-plane. Gauss-Hermite with as many nodes errs by 1e-4 at SDs of 10 logits.
"""

import itertools

import numpy as np
from scipy.special import expit, ndtri
from scipy.stats import qmc

from ilhte_bayes.models.model import Model

_EDGE = 6.8  # SDs; beyond it lie 1e-11 of a normal, and 4e-10 of a normal in four dimensions
_SHARP = 0.9  # step times range: error below 1e-9
_WIDEST_STEP = 0.8  # of the normal density itself: error 1e-13
_MOST_NODES = 40_000  # of a product rule; where more are needed, points are spread at random
_POINTS = 4_096
_BLOCK = 2_000_000  # numbers worked on at a time
_TINY = 1e-10  # SD in logits that counts as 0


def categories_from(
    model: Model, location: np.ndarray, covariance: np.ndarray | None, *, seed: int = 1
) -> np.ndarray:
    """Mean probability of each category over normal predictors.

    Parameters
    ----------
    model : Model
    location : (case, predictor) array
        In logits: of the upper answer; of being above each threshold; or of each category but the
        first against it.
    covariance : (case, predictor, predictor) array, optional
        Of what is averaged over; None for nothing.
    seed : int
        Of the points, where there are too many directions for a rule (see `needs_points`).

    Returns
    -------
    (case, category) array
    """
    if model.design.n_categories:
        return average_shares(location, covariance, seed=seed)
    if covariance is None:
        above = expit(location)
    else:
        variance = np.einsum("npp->np", covariance)
        above = average_probability(location, variance)
    ends = np.ones((len(above), 1))
    return np.asarray(-np.diff(np.hstack([ends, above, 0.0 * ends]), axis=1))


def average_probability(logit: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Mean of expit(logit + u) over u ~ N(0, variance); arrays of one shape."""
    sd = np.sqrt(np.maximum(variance, 0.0)).ravel()
    if sd.max(initial=0.0) <= _TINY:
        return np.asarray(expit(logit))
    nodes, weights = trapezoid(float(sd.max()))
    place, out = logit.ravel(), np.empty(logit.size)
    for part in _parts(place.size, nodes.size):
        out[part] = expit(place[part, None] + sd[part, None] * nodes) @ weights
    return out.reshape(logit.shape)


def trapezoid(slopes: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in SDs and weights for a standard normal, given the range of slopes R in logits."""
    half = int(np.ceil(_EDGE / min(_WIDEST_STEP, _SHARP / max(slopes, _TINY))))
    nodes = np.linspace(-_EDGE, _EDGE, 2 * half + 1)
    weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()


def average_shares(eta: np.ndarray, covariance: np.ndarray | None, *, seed: int = 1) -> np.ndarray:
    """Mean of the shares exp(eta_k) / sum_l exp(eta_l), eta_0 = 0, over normal predictors.

    `eta` (case, category - 1), `covariance` (case, category - 1, category - 1).
    """
    if covariance is None:
        return _shares(eta[:, None, :])[:, 0]
    directions = _directions(covariance)
    rule = _product_rule(directions)
    if rule is None:
        normal = ndtri(qmc.Sobol(eta.shape[1], rng=seed).random(_POINTS))
        rule = normal, np.full(_POINTS, 1.0 / _POINTS)
        directions = _symmetric_root(covariance)  # moves smoothly with the covariance
    nodes, weights = rule
    out = np.empty((len(eta), eta.shape[1] + 1))
    for part in _parts(len(eta), weights.size * out.shape[1]):
        moved = np.einsum("npr,mr->nmp", directions[part], nodes)
        out[part] = np.einsum("nmk,m->nk", _shares(eta[part, None, :] + moved), weights)
    return out


def needs_points(covariance: np.ndarray) -> bool:
    """Whether `average_shares` uses points spread at random for such a covariance."""
    return _product_rule(_directions(covariance)) is None


def _directions(covariance: np.ndarray) -> np.ndarray:
    """(case, predictor, direction) root of each covariance, without directions of SD 0."""
    values, vectors = np.linalg.eigh(covariance)
    sd = np.sqrt(np.maximum(values, 0.0))
    used = sd.max(axis=0) > max(_TINY, 1e-7 * float(sd.max()))
    return np.asarray(vectors[:, :, used] * sd[:, None, used])


def _symmetric_root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))[:, None]) @ vectors.mT)


def _product_rule(directions: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Nodes (node, direction) and weights; None where they would be too many."""
    high = np.maximum(directions.max(axis=1), 0.0)
    slopes = (high - np.minimum(directions.min(axis=1), 0.0)).max(axis=0)
    rules = [trapezoid(float(slope)) for slope in slopes]
    sizes = [nodes.size for nodes, _ in rules]
    if np.prod(sizes, dtype=float) > 4 * _MOST_NODES:
        return None
    nodes = np.array(list(itertools.product(*(nodes for nodes, _ in rules))), dtype=float)
    weights = np.ones(1)
    for _, own in rules:
        weights = np.multiply.outer(weights, own).ravel()
    near = (nodes**2).sum(axis=1) <= _EDGE**2
    if near.sum() > _MOST_NODES:
        return None
    return nodes[near], weights[near] / weights[near].sum()


def _shares(eta: np.ndarray) -> np.ndarray:
    """(..., category) from predictors (..., category - 1)."""
    highest = np.maximum(eta.max(axis=-1, keepdims=True), 0.0)
    odds = np.exp(np.concatenate([-highest, eta - highest], axis=-1))
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))


def _parts(n: int, width: int) -> list[slice]:
    """Cut n cases into parts of a size that memory bears."""
    step = max(1, _BLOCK // width)
    return [slice(start, start + step) for start in range(0, n, step)]
