"""Operation: the compiled likelihood as part of a PyTensor graph, with its gradient."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from ilhte_bayes.likelihood.kernel import value_and_gradient
from ilhte_bayes.likelihood.plan import Units

_N_CONTINUOUS = 6  # log_weight, tau, d, slope, score, mean


class IntegratedPersons(Op):
    """Log-likelihood with one random effect summed out; outputs the value and its gradients.

    Inputs: log_weight (class, node), tau (class,), d (cell,), slope (slope,), score (unit,),
    mean (mean,); then the grid (first, step) and the arrays of `plan.Units`, all data, so that a
    compiled sampler serves any table of the same structure.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        """Check the inputs' types."""
        variables = [pt.as_tensor_variable(x) for x in inputs]
        wanted = 2 + _N_CONTINUOUS + len(Units._fields)
        if len(variables) != wanted:
            raise TypeError(f"IntegratedPersons takes {wanted} inputs, got {len(variables)}")
        floats = [pt.cast(x, "float64") for x in variables[: _N_CONTINUOUS + 2]]
        floats += variables[_N_CONTINUOUS + 2 :]
        gradients = [pt.tensor(dtype="float64", shape=x.type.shape) for x in floats[:_N_CONTINUOUS]]
        return Apply(self, floats, [pt.dscalar(), *gradients])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        """Evaluate outside a compiled graph."""
        arrays = [np.asarray(x) for x in inputs]
        first, step = float(arrays[_N_CONTINUOUS]), float(arrays[_N_CONTINUOUS + 1])
        units = Units(*arrays[_N_CONTINUOUS + 2 :])
        found = value_and_gradient(units, first, step, *arrays[:_N_CONTINUOUS])
        outputs[0][0] = np.asarray(found[0])
        for slot, gradient in zip(outputs[1:], found[1:], strict=True):
            slot[0] = gradient

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list:
        """Gradient of the value: the other outputs, which are already there."""
        by_value, *by_gradients = cotangents
        if any(not isinstance(x.type, DisconnectedType) for x in by_gradients):
            raise NotImplementedError("second derivatives of the integrated likelihood")
        found = [by_value * gradient for gradient in outputs[1:]]
        return found + [disconnected_type() for _ in inputs[_N_CONTINUOUS:]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Data inputs have no gradient."""
        n_out = len(node.outputs)
        connected = [True] + [False] * (n_out - 1)
        return [
            connected if k < _N_CONTINUOUS else [False] * n_out for k in range(len(node.inputs))
        ]


@register_funcify_default_op_cache_key(IntegratedPersons)
def _funcify(op: IntegratedPersons, node: Apply, **options: Any) -> Any:
    """Compile it into a graph: no Python between the sampler and the loops."""

    @numba_njit
    def integrated_persons(
        log_weight, tau, d, slope, score, mean, first, step,
        table_start, entry_cell, entry_count, table_class, unit_start, unit_mean, unit_count,
        cell_slope, cell_total,
    ):  # fmt: skip
        units = Units(
            table_start, entry_cell, entry_count, table_class, unit_start, unit_mean, unit_count,
            cell_slope, cell_total,
        )  # fmt: skip
        # a graph may hand over views with strides, which the loops do not take
        value, g_weight, g_tau, g_d, g_slope, g_score, g_mean = value_and_gradient(
            units, first.item(), step.item(), np.ascontiguousarray(log_weight),
            np.ascontiguousarray(tau), np.ascontiguousarray(d), np.ascontiguousarray(slope),
            np.ascontiguousarray(score), np.ascontiguousarray(mean),
        )  # fmt: skip
        return np.array(value), g_weight, g_tau, g_d, g_slope, g_score, g_mean

    return integrated_persons, 3  # version: other loops, another number, or old ones are reused


integrated_persons = IntegratedPersons()
