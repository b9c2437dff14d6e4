"""The operation `IntegratedPersons` in JAX: for samplers on accelerators, which derive it themselves.

Plainly the sum of `reference`, over all units and nodes at once: more memory than the compiled loops
need (8 bytes for each unit and node, times a few), and all of it parallel. What is one for many is
handed out by products with matrices of 0 and 1: the derivative of taking elements by number, adding
where numbers repeat, is done one by one on processors. Importing this module tells PyTensor of it.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import softplus
from jax.ops import segment_sum
from jax.scipy.special import logsumexp
from pytensor.link.jax.dispatch import jax_funcify

from ilhte_bayes.likelihood.operation import IntegratedPersons
from ilhte_bayes.likelihood.plan import Units

_DENSE = 4_000_000  # elements of a matrix of 0 and 1; above it elements are taken by number


@jax_funcify.register(IntegratedPersons)
def _funcify(op: IntegratedPersons, **options: Any) -> Any:
    """Value and gradients, as the operation gives them; what a graph does not use is not computed."""

    def integrated_persons(log_weight, tau, d, slope, score, mean, first, step, *arrays):
        def value(*parameters):
            log_weight, tau, d, slope, score, mean = parameters
            units = Units(*arrays)
            return log_likelihood(log_weight, tau, d, slope, score, mean, first, step, units)

        parameters = (log_weight, tau, d, slope, score, mean)
        return value(*parameters), *jax.grad(value, argnums=tuple(range(6)))(*parameters)

    return integrated_persons


def log_likelihood(
    log_weight: Any, tau: Any, d: Any, slope: Any, score: Any, mean: Any,
    first: Any, step: Any, units: Units,
) -> Any:  # fmt: skip
    """Log-likelihood of all answers, each person's theta summed over the nodes.

    Parameters
    ----------
    log_weight : (class, node), tau : (class,), d : (cell,), slope : (slope,), score : (unit,), mean : (mean,)
        See `kernel.value_and_gradient`.
    first, step : scalars
        Node q is at first + q * step.
    units : Units
    """
    nodes = first + step * jnp.arange(log_weight.shape[1])
    n_tables = units.table_class.shape[0]
    eta = d[:, None] + _picked(slope[:, None], units.cell_slope) * nodes
    normaliser = _administered(units, n_tables, softplus(eta))  # (table, node)
    table = _owner(units.unit_start, n_tables)
    kind = np.asarray(units.table_class)[table]
    away = nodes - _picked(mean[:, None], units.unit_mean)
    log_integrand = (
        _picked(log_weight, kind)
        + score[:, None] * nodes
        - _picked(normaliser, table)
        - 0.5 * _picked(tau[:, None], kind) * away**2
    )
    return units.unit_count @ logsumexp(log_integrand, axis=1) + units.cell_total @ d


def _administered(units: Units, n_tables: int, curve: Any) -> Any:
    """(table, node) sum over the cells of each table."""
    cell, count = np.asarray(units.entry_cell), np.asarray(units.entry_count)
    table = _owner(units.table_start, n_tables)
    if n_tables * curve.shape[0] <= _DENSE:
        matrix = np.zeros((n_tables, curve.shape[0]))
        np.add.at(matrix, (table, cell), count)
        return matrix @ curve
    terms = count[:, None] * curve[cell]
    return segment_sum(terms, table, num_segments=n_tables, indices_are_sorted=True)


def _picked(values: Any, index: Any) -> Any:
    """Rows of a matrix; as a product with a matrix of 0 and 1 where that is small."""
    index = np.asarray(index)
    if values.shape[0] == 1:
        return values
    if values.shape[0] * index.size > _DENSE:
        return values[index]
    return np.eye(values.shape[0])[index] @ values


def _owner(start: Any, n: int) -> np.ndarray:
    """(element,) which of n consecutive runs each element belongs to; start is (n + 1,)."""
    return np.repeat(np.arange(n), np.diff(np.asarray(start)))
