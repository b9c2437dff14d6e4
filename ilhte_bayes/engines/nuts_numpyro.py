"""NUTS through numpyro: the `pymc.Model` of a path, compiled by JAX for processors and accelerators.

What is sampled, on which grid, from which start is decided by the other modules as for nutpie; here
the draws are made. JAX compiles within the run, so that seconds of sampling include it.
"""

import warnings
from importlib.metadata import version
from importlib.util import find_spec

import numpy as np
import pymc as pm
import xarray as xr

from ilhte_bayes.engines.drawn import Run
from ilhte_bayes.errors import ModelError


def require_numpyro() -> None:
    """Refuse where JAX or numpyro is not installed.

    Raises
    ------
    ModelError
    """
    missing = [name for name in ("jax", "numpyro") if find_spec(name) is None]
    if missing:
        raise ModelError(
            f"sampler='numpyro' needs {' and '.join(missing)}, not installed here. Type: pip install "
            "'ilhte-bayes[jax]' (for a GPU also JAX's own build, 'jax[cuda12]'); or use "
            "sampler='nutpie'."
        )


def draw_numpyro(
    built: pm.Model, start: dict[str, np.ndarray], keep: list[str], run: Run
) -> xr.DataTree:
    """Draw from the posterior of a `pymc.Model`.

    Parameters
    ----------
    built : pm.Model
    start : mapping
        Values of its free variables where chains start, each as it is (an SD, not its log).
    keep : list of str
        Variables wanted; the unconstrained ones of free variables ("sd_item_log__") are there too.
    run : Run

    Returns
    -------
    xr.DataTree
        Groups `posterior` and `sample_stats`, as nutpie's.
    """
    import jax
    from pymc.sampling.jax import sample_numpyro_nuts

    from ilhte_bayes.likelihood import operation_jax  # noqa: F401 - tells PyTensor how

    # On one device chains go side by side in one program; with a device for each, apart.
    apart = jax.local_device_count() >= run.chains
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of PyMC, about its own defaults
        found = sample_numpyro_nuts(
            draws=run.draws,
            tune=run.tune,
            chains=run.chains,
            target_accept=run.target_accept,
            random_seed=run.seed,
            initvals=start,
            jitter=False,
            model=built,
            keep_untransformed=True,
            progressbar=run.progress,
            chain_method="parallel" if apart else "vectorized",
            compute_convergence_checks=False,
        )
    names = [*keep, *(value.name for value in built.value_vars if value.name not in keep)]
    return xr.DataTree.from_dict(
        {
            "posterior": found["posterior"].to_dataset()[names],
            "sample_stats": found["sample_stats"].to_dataset(),
        }
    )


def numpyro_attrs() -> dict[str, str]:
    """What a fit keeps of the sampler: versions, and on what it ran."""
    import jax

    return {
        "sampler": "NUTS (numpyro)",
        "numpyro": version("numpyro"),
        "jax": version("jax"),
        "device": jax.default_backend(),
    }
