"""Can the numbers be trusted? A verdict in words, and the figures behind it."""

import math

from ilhte_bayes.engines.diagnostics import LARGEST_RHAT, SMALLEST_ESS
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.show import integration
from ilhte_bayes.show.words import count_of, number

_COMPUTED = "nothing speaks against the computation. Whether the model fits the answers is another question."
_TINY = 1e-6  # of a log-likelihood


def verdict(fit: Fit) -> str:
    """One sentence: what the engine's own checks say."""
    if fit.problems:
        notes = count_of(len(fit.problems), "note")
        return f"Read the {notes} at the top of this page before using the numbers."
    if fit.sampled:
        return f"The chains agree, and no draw diverged: {_COMPUTED}"
    return (
        "The search ended at a maximum, and no SD or correlation lies at the edge of its range: "
        f"{_COMPUTED}"
    )


def checks(fit: Fit) -> list[tuple[str, str]]:
    """What was looked at, as (label, sentence)."""
    return _sampled(fit) if fit.sampled else _maximised(fit)


def _maximised(fit: Fit) -> list[tuple[str, str]]:
    attrs = fit.mode.attrs
    converged = bool(attrs["converged"])
    left = float(attrs["gain_left"])
    more = f"{left:.2g}" if left >= _TINY else "less than 0.000001"
    out = [
        (
            "Search",
            f"{'Converged' if converged else 'Not converged'} after "
            f"{count_of(int(attrs['n_evaluations']), 'evaluation')}; one more step would add "
            f"{more} to the log-likelihood.",
        ),
        (
            "Log-likelihood",
            f"{number(fit.loglik, 3)} ({fit.engine}), {fit.n_parameters} parameters.",
        ),
    ]
    if fit.objective == "ml":
        out.append(("AIC, BIC", f"{number(fit.aic, 1)}, {number(fit.bic(), 1)} (n = answers)."))
    edges = [p for p in fit.problems if "edge of its range" in p]
    found = f"{count_of(len(edges), 'estimate')} there" if edges else "None there"
    out.append(("Edges (SD 0, correlation ±1)", f"{found}."))
    return out


def _sampled(fit: Fit) -> list[tuple[str, str]]:
    posterior = fit.tree["posterior"]
    attrs, sizes = posterior.attrs, posterior.sizes
    out = [
        (
            "Draws",
            f"{count_of(sizes['chain'], 'chain')} of {sizes['draw']:,} draws"
            + (f", after {attrs['tune']:,} warm-up steps each" if "tune" in attrs else "")
            + ".",
        )
    ]
    rhat = float(attrs.get("max_rhat", math.nan))
    if math.isfinite(rhat):
        agree = "chains agree" if rhat <= LARGEST_RHAT else "chains disagree"
        out.append(("Largest R-hat", f"{rhat:.3f}: {agree} (at most {LARGEST_RHAT} is wanted)."))
    for key, words in (("min_ess_bulk", "of the middle"), ("min_ess_tail", "of the tails")):
        if key in attrs:
            least = float(attrs[key])
            enough = "enough" if least >= SMALLEST_ESS else "too few"
            label = f"Smallest effective sample {words}"
            out.append(
                (label, f"{least:,.0f} draws: {enough} (at least {SMALLEST_ESS} are wanted).")
            )
    if "divergences" in attrs:
        n = int(attrs["divergences"])
        out.append(("Divergences", "None." if n == 0 else f"{n:,} of the draws; 0 are wanted."))
    return out + integration.facts(fit)
