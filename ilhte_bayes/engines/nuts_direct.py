"""NUTS with nothing integrated out, on the compiled density: models without persons to integrate.

Students who answered once, in classrooms with random slopes, say: the classrooms' effects are all
sampled. Answers with equal predictors count together.
"""

import time

from ilhte_bayes.engines.drawn import Drawn, Run, warmup_share
from ilhte_bayes.engines.nuts_integrated import rough_scale, sample_whitened, start_near_mode
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.models.unconstrained import make_layout, make_structure, to_posterior, to_vector


def draw_direct(pilot: Fit, centred: frozenset[str], run: Run) -> Drawn:
    """Draw from the posterior of all parameters and random effects.

    Parameters
    ----------
    pilot : Fit
        Maximised: chains start there.
    centred : set of str
        Columns, "item[treat]", sampled as they are.
    run : Run
    """
    began = time.perf_counter()
    import nutpie  # noqa: F401

    from ilhte_bayes.models import posterior  # noqa: F401 - loads the density, or compiles it

    compiled = time.perf_counter()
    model = pilot.model
    layout = make_layout(model.design, "", centred)
    structure = make_structure(layout, model.priors, None, None, model.rows)
    start = to_vector(layout, start_near_mode(pilot, layout))
    scale = rough_scale(pilot, layout, start)
    sampling = time.perf_counter()
    raw, x = sample_whitened(structure, layout, start, scale, run)
    return Drawn(
        posterior=to_posterior(layout, x),
        sample_stats=raw["sample_stats"].to_dataset(),
        compile_seconds=compiled - began,
        sample_seconds=time.perf_counter() - sampling,
        warmup_share=warmup_share(raw),
        attrs={"integrated": "", "centred": sorted(centred)},
    )
