"""Integration cost: whether summing a group out costs less than sampling its effects.

Persons on a test share items, and their sum over nodes costs little. Classrooms whose students
differ in covariates share next to nothing: every student's probability is needed at every node,
and sampling a few thousand effects is faster.
"""

import numpy as np

from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.likelihood.answers import binary_answers, category_answers
from ilhte_bayes.likelihood.grid import grid_for
from ilhte_bayes.likelihood.plan import make_plan, most_information

# Nanoseconds on one core of 2023, measured on the models of benchmarks/nuts_vs_peers.
_ENTRY, _ENTRY_SHARED, _UNIT, _ANSWER = 3.0, 1.2, 1.8, 15.0
_LITTLE = 2e6  # nanoseconds: below this integrating is cheap whatever sampling costs
_TIMES = 5.0  # a gradient may cost so many times more without thousands of effects to explore
_REACH, _FINER = 6.0, 1.0  # of the nodes that will be needed, about


def worth_integrating(pilot: Fit, group: str) -> bool:
    """Whether a gradient with the group summed out costs little, or little more than without.

    Parameters
    ----------
    pilot : Fit
        Maximised.
    group : str
        A group that can be integrated out.
    """
    model, mode = pilot.model, pilot.mode
    plan = make_plan(model.rows, group)
    effects = {g.name: mode[f"re_{g.name}"].to_numpy() for g in model.design.groups}
    mean = plan.means.value(mode["beta"].to_numpy(), effects)
    sd = np.maximum(mode[f"sd_{group}"].to_numpy(), 0.1)
    nodes = grid_for(mean, sd, most_information(plan), reach=_REACH, finer=_FINER).size
    entries = plan.units.entry_cell.size
    entry = _ENTRY_SHARED if entries > 2 * plan.n_cells else _ENTRY * plan.n_steps
    integrated = nodes * (entry * entries + _UNIT * plan.n_units)
    rows = model.rows
    sampled = _ANSWER * (binary_answers(rows).count.size + category_answers(rows).count.size)
    return bool(integrated < max(_LITTLE, _TIMES * sampled))
