"""Answer sets: answers taken out of persons' posteriors, and predicted again at shifted predictors.

A set is what one kind of person answered to what is left out (an item): persons of one unit with
equal answers are one set, counted.
"""

from typing import NamedTuple

import numpy as np

from ilhte_bayes.likelihood.compiled import jit


class AnswerSets(NamedTuple):
    """Sets of answers; arrays only. Each answer is of a kind, by how the left-out effects enter."""

    unit: np.ndarray  # (set,) whose masses
    weight: np.ndarray  # (set,) persons
    start: np.ndarray  # (set + 1,) first answer of each set
    cell: np.ndarray  # (answer,)
    score: np.ndarray  # (answer,)
    times: np.ndarray  # (answer,) how often it was given
    slope: np.ndarray  # (answer,) position in the slopes
    kind: np.ndarray  # (answer,)


def masses_without(
    sets: AnswerSets, mass: np.ndarray, d: np.ndarray, by_slope: np.ndarray
) -> np.ndarray:
    """Posterior masses given a person's other answers, (set, node).

    Parameters
    ----------
    sets : AnswerSets
    mass : (unit, node) array
        Given all answers.
    d : (answer, step) predictors without theta
    by_slope : (slope, node) exp(slope * theta)
    """
    out = mass[sets.unit]
    _divide_out(sets, out, np.exp(d), by_slope)
    return np.asarray(out)


def predict_sets(
    sets: AnswerSets, left: np.ndarray, d: np.ndarray, by_slope: np.ndarray, shift: np.ndarray
) -> np.ndarray:
    """Log-probability of the sets, (place, kind): a set counts for the kind of its first answer.

    Parameters
    ----------
    sets : AnswerSets
    left : (set, node) masses without these answers
    d : (answer, step)
    by_slope : (slope, node)
    shift : (place, kind) added to the predictor; k times at step k
    """
    out = np.zeros(shift.shape)
    _predict(sets, left, np.exp(d), by_slope, np.exp(shift), out)
    return out


def predict_derivatives(
    sets: AnswerSets, left: np.ndarray, d: np.ndarray, by_slope: np.ndarray, shift: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """At one place, shift (kind,): log-probability of all sets, its gradient and Hessian."""
    gradient, hessian = np.zeros(shift.size), np.zeros((shift.size, shift.size))
    lifted = np.exp(d + np.multiply.outer(shift[sets.kind], np.arange(1, d.shape[1] + 1)))
    value = _derivatives(sets, left, lifted, by_slope, gradient, hessian)
    return float(value), gradient, hessian


@jit
def _chances(odds, x, score, out):
    """Fill `out` (node,) with P(score): odds_y x^y over 1 + the sum of odds_k x^k, odds (step,)."""
    if odds.size == 1:
        for q in range(out.size):
            high = odds[0] * x[q]
            out[q] = (high if score > 0 else 1.0) / (1.0 + high)
        return
    for q in range(out.size):
        total, power, own = 1.0, 1.0, 1.0
        for m in range(odds.size):
            power *= x[q]
            total += odds[m] * power
            if m + 1 == score:
                own = odds[m] * power
        out[q] = own / total


@jit
def _divide_out(sets: AnswerSets, out, odds, by_slope):
    own = np.empty(out.shape[1])
    for s in range(out.shape[0]):
        for e in range(sets.start[s], sets.start[s + 1]):
            _chances(odds[e], by_slope[sets.slope[e]], sets.score[e], own)
            for _ in range(sets.times[e]):
                for q in range(out.shape[1]):
                    out[s, q] /= own[q]
        total = 0.0
        for q in range(out.shape[1]):
            total += out[s, q]
        for q in range(out.shape[1]):
            out[s, q] /= total


@jit
def _predict(sets: AnswerSets, left, odds, by_slope, lifted, out):
    n_nodes = left.shape[1]
    own, chance, x = np.empty(n_nodes), np.empty(n_nodes), np.empty(n_nodes)
    for s in range(left.shape[0]):
        for p in range(out.shape[0]):
            own[:] = left[s]
            for e in range(sets.start[s], sets.start[s + 1]):
                more, slope = lifted[p, sets.kind[e]], by_slope[sets.slope[e]]
                for q in range(n_nodes):
                    x[q] = more * slope[q]
                _chances(odds[e], x, sets.score[e], chance)
                for _ in range(sets.times[e]):
                    for q in range(n_nodes):
                        own[q] *= chance[q]
            total = 0.0
            for q in range(n_nodes):
                total += own[q]
            out[p, sets.kind[sets.start[s]]] += sets.weight[s] * np.log(total)


@jit
def _derivatives(sets: AnswerSets, left, odds, by_slope, gradient, hessian):
    n_nodes, n_kinds = left.shape[1], gradient.size
    value = 0.0
    own, chance = np.empty(n_nodes), np.empty(n_nodes)
    steep, flat = np.empty((n_kinds, n_nodes)), np.empty((n_kinds, n_nodes))
    first = np.empty(n_kinds)
    for s in range(left.shape[0]):
        own[:] = left[s]
        steep[:], flat[:] = 0.0, 0.0
        for e in range(sets.start[s], sets.start[s + 1]):
            k, slope = sets.kind[e], by_slope[sets.slope[e]]
            _chances(odds[e], slope, sets.score[e], chance)
            for q in range(n_nodes):
                total, first_moment, second_moment, power = 1.0, 0.0, 0.0, 1.0
                for m in range(odds.shape[1]):
                    power *= slope[q]
                    x = odds[e, m] * power
                    total += x
                    first_moment += (m + 1) * x
                    second_moment += (m + 1) * (m + 1) * x
                mean = first_moment / total
                for _ in range(sets.times[e]):
                    own[q] *= chance[q]
                steep[k, q] += sets.times[e] * (sets.score[e] - mean)
                flat[k, q] += sets.times[e] * (second_moment / total - mean * mean)
        total = 0.0
        for q in range(n_nodes):
            total += own[q]
        value += sets.weight[s] * np.log(total)
        for a in range(n_kinds):
            first[a] = 0.0
            bend = 0.0
            for q in range(n_nodes):
                first[a] += own[q] * steep[a, q]
                bend += own[q] * flat[a, q]
            first[a] /= total
            gradient[a] += sets.weight[s] * first[a]
            hessian[a, a] -= sets.weight[s] * bend / total
            for b in range(a + 1):
                both = 0.0
                for q in range(n_nodes):
                    both += own[q] * steep[a, q] * steep[b, q]
                both = sets.weight[s] * (both / total - first[a] * first[b])
                hessian[a, b] += both
                if a != b:
                    hessian[b, a] += both
    return value
