"""A saved fit examined again: nothing it says of itself is taken on trust."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from ilhte_bayes.engines.diagnostics import LARGEST_RHAT, SMALLEST_ESS, convergence
from ilhte_bayes.engines.laplace import compile_loops, kept_inside
from ilhte_bayes.engines.marginal.integrated import IntegratedObjective
from ilhte_bayes.engines.marginal.log_prior import log_prior
from ilhte_bayes.engines.marginal.maximise import MarginalObjective, flat_prior
from ilhte_bayes.engines.marginal.objective import LaplaceObjective
from ilhte_bayes.engines.nuts_integrated import doubling_error
from ilhte_bayes.engines.quadrature import grid_error_at
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.storage import load_fit, record_of, versions
from ilhte_bayes.likelihood.grid import GridError

# Evaluated anew, a log-likelihood may differ by this: two searches for the mode of the random
# effects end within 1e-6 of each other.
_SAME = 1e-4
_FLAT = 0.05  # largest slope at a maximum, in log-likelihood per standard error

_TITLE = "Audit of {name}: {formula}"


@dataclass(frozen=True, repr=False, eq=False)
class Audit(Result):
    """What was examined, found and concluded; prints as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index check; `found`, `verdict` ("good", "LOOK", or "-" where nothing is judged).
    fit : Fit
        The fit.
    """

    fit: Fit | None = None

    @property
    def good(self) -> bool:
        """Whether nothing asks for a look."""
        return not (self.frame["verdict"] == "LOOK").any()


def audit(path: str | PathLike[str]) -> Audit:
    """Examine a saved fit: its seal, its data, its diagnostics and the exactness of its integral.

    Parameters
    ----------
    path : str or path
        A file that `fit.save` wrote.

    Returns
    -------
    Audit
        All numbers are computed anew from what the file holds: the SHA-256 sums of the file and of
        the coded data; of a maximum, the log-likelihood and its largest slope; of draws, R-hat,
        effective sample sizes and divergences; where a group is integrated out on a grid, what
        twice as many nodes would change.

    Raises
    ------
    DataError
        If the file is none of ours, is cut short, or was changed in any byte.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> fit = il.laplace(il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria")))
    >>> il.audit(fit.save("bacteria.nc")).good  # doctest: +SKIP
    True
    """
    fit = load_fit(path)  # checks the seal
    record = record_of(path)
    data = fit.model.responses.fingerprint()
    rows = {
        "file": ("SHA-256 of all bytes is that of the seal", True),
        "data": (f"SHA-256 {data[:16]}...", data == record["fingerprint"]),
        "versions": _versions(record["made_with"]),
    }
    with threadpool_limits(limits=1, user_api="blas"):
        rows |= _of_draws(fit) if fit.sampled else _of_maximum(fit)
    rows["problems"] = (f"{len(fit.problems)} named by the fit", not fit.problems)
    words = {True: "good", False: "LOOK", None: "-"}
    frame = pd.DataFrame(
        {"found": [found for found, _ in rows.values()],
         "verdict": [words[good] for _, good in rows.values()]},
        index=pd.Index(list(rows), name="check"),
    )  # fmt: skip
    title = _TITLE.format(name=Path(path).name, formula=fit.model.formula.text)
    return Audit(frame, title, tuple(fill(text, 98) for text in fit.problems), fit=fit)


_Row = tuple[str, bool | None]


def _versions(made: dict[str, str]) -> _Row:
    here = versions(made)
    other = [f"{name} {made[name]}" for name in made if made[name] != here.get(name)]
    text = f"as here, ilhte_bayes {made.get('ilhte_bayes', '?')}"
    return ("made with " + ", ".join(other[:4]) if other else text), None


def _of_maximum(fit: Fit) -> dict[str, _Row]:
    compile_loops()
    target, mode = _objective(fit), fit.mode
    psi = mode["psi"].to_numpy()
    prior = flat_prior if fit.objective == "ml" else log_prior(target, fit.model.priors)
    at = target.evaluate(psi)
    change = float(at.value) - fit.loglik
    scale = np.sqrt(np.maximum(np.diag(mode["psi_cov"].to_numpy()), 0.0))
    free = ~mode["psi_held"].to_numpy().astype(bool)
    slope = float(np.max(np.abs((target.gradient(at) + prior(psi)[1]) * scale)[free], initial=0.0))
    rows: dict[str, _Row] = {
        "log-likelihood": (
            f"{at.value:.4f}, {abs(change):.1e} from what is kept",
            abs(change) < _SAME,
        ),
        "maximum": (f"largest slope {slope:.1e} per standard error", slope < _FLAT),
    }
    if isinstance(target, IntegratedObjective):
        grid, error = grid_error_at(target, psi, mode["psi_cov"].to_numpy())
        rows["integral"] = _doubling(error, int(grid[2]))
    return rows


def _objective(fit: Fit) -> MarginalObjective:
    """The function that the fit maximised, in its coordinates."""
    model = fit.model
    inside = kept_inside(model, fit.objective)  # type: ignore[arg-type]
    if fit.engine == "laplace":
        return LaplaceObjective(model.rows, model.family, inside)
    return IntegratedObjective(model.rows, model.family, str(fit.mode.attrs["integrated"]), inside)


def _of_draws(fit: Fit) -> dict[str, _Row]:
    found = convergence(fit.tree)
    rhat, least = found["max_rhat"], min(found["min_ess_bulk"], found["min_ess_tail"])
    rows: dict[str, _Row] = {
        "R-hat": (f"{rhat:.3f} at most", bool(rhat <= LARGEST_RHAT)),
        "effective sample": (f"{least:,.0f} draws at least", bool(least >= SMALLEST_ESS)),
        "divergences": (f"{int(found['divergences'])}", not found["divergences"]),
    }
    attrs = fit.tree["posterior"].attrs
    if not attrs.get("integrated"):
        return rows
    if fit.model.discrimination is None and fit.model.ability == "normal":
        rows["integral"] = _doubling(doubling_error(fit), int(attrs["grid"][2]))
    elif "grid_error" in attrs:
        rows["integral"] = ("of this model not computed anew: see the page", None)
    return rows


def _doubling(error: GridError, nodes: int) -> _Row:
    text = f"doubling {nodes} nodes: log-likelihood {error.value:.1e}, slope {error.gradient:.1e}"
    return text, bool(error.small)
