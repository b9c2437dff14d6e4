"""NUTS with persons integrated out, through numpyro: the plain `pymc.Model` on a grid.

The grid is chosen, and what doubling its nodes changes is measured, by the compiled density, as for
nutpie: the two are the same function.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ilhte_bayes.engines.nuts_integrated import Compiled, vectors
from ilhte_bayes.engines.nuts_joint import kept_names, start_values
from ilhte_bayes.engines.nuts_numpyro import draw_numpyro
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.models.builder import build_pymc


@dataclass(frozen=True, slots=True)
class OnJax(Compiled):
    """A posterior that JAX compiles for each model."""

    pilot: Fit
    centred: frozenset[str]

    def sample(self, grid: Grid) -> tuple[Any, np.ndarray]:
        model, group = self.pilot.model, self.layout.integrated
        built = build_pymc(model, centred=self.centred, plan=self.plan, grid=grid)
        start = start_values(self.pilot, self.centred, without=group)
        keep = kept_names(model, without=group)
        raw = draw_numpyro(built, start, keep, self.run)
        posterior = raw["posterior"].to_dataset()[keep]
        lead = (self.run.chains, self.run.draws)
        x = vectors(self.layout, posterior, np.arange(lead[0] * lead[1]))
        return raw, x.reshape(*lead, -1)
