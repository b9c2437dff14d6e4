"""Effects summed out of the posterior: of which group, on how many nodes, how exactly."""

import math

from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.likelihood.grid import GRADIENT_TOLERANCE, VALUE_TOLERANCE
from ilhte_bayes.show.words import count_of, number, unit_word


def integrated_group(fit: Fit) -> Group | None:
    """The group that NUTS did not sample; None where it sampled all, or was not used."""
    name = fit.tree["posterior"].attrs.get("integrated") if fit.sampled else None
    return fit.model.design.group(name) if name else None


def in_short(fit: Fit) -> str:
    """Half a sentence: "684 persons integrated out exactly, on 70 nodes"; empty where none were."""
    group = integrated_group(fit)
    if group is None:
        return ""
    nodes = int(_grid(fit)[2])
    return f"{_levels(fit, group)} integrated out exactly, on {nodes} nodes"


def facts(fit: Fit) -> list[tuple[str, str]]:
    """What was integrated out, how exactly, and the way to sample it too, as (label, sentence)."""
    group = integrated_group(fit)
    if group is None:
        return []
    first, step, size = _grid(fit)
    nodes, unit = int(size), unit_word(fit.model, group)
    of = "ability" if unit == "person" else f"the {unit}'s effect"
    last = first + step * (nodes - 1)
    scale = "logits" if fit.model.ability == "normal" else "SDs"
    out = [
        (
            "Integrated out",
            f"The {_levels(fit, group)} ({group.name}), exactly: the likelihood of each one's "
            f"answers is a sum over {nodes} values of {of}, {number(first, 1)} to "
            f"{number(last, 1)} {scale}.",
        )
    ]
    if fit.model.ability != "normal":
        return out
    value, gradient = fit.tree["posterior"].attrs["grid_error"]
    return [
        *out,
        (
            "Exactness",
            f"With twice as many values the log-likelihood changes by {_size(value)} and its "
            f"gradient by {_size(gradient)} posterior SDs at most (less than "
            f"{VALUE_TOLERANCE:g} and {GRADIENT_TOLERANCE:g} are wanted).",
        ),
        (
            "Joint model",
            f"il.sample(model, integrate='none') draws every {unit} too: the same posterior of "
            "all other parameters, more slowly.",
        ),
    ]


def laplace_error(fit: Fit) -> str:
    """What Laplace's approximation of the integrated group had got wrong, for a quadrature fit."""
    found = fit.mode.attrs.get("laplace_loglik")
    if found is None or math.isnan(found):
        return ""
    return (
        f"; {number(fit.loglik - float(found), 3)} above Laplace's, its error for "
        f"{fit.mode.attrs['integrated']}"
    )


def _grid(fit: Fit) -> tuple[float, float, float]:
    """First node, step and number of nodes; in SDs where the shape of ability is free."""
    attrs = fit.tree["posterior"].attrs
    first, step, size = attrs["grid" if fit.model.ability == "normal" else "grid_in_sds"]
    return float(first), float(step), float(size)


def _levels(fit: Fit, group: Group) -> str:
    return count_of(group.n_counted, unit_word(fit.model, group))


def _size(change: float) -> str:
    """A small change as a plain decimal with one digit that counts: "0.000004"."""
    return "less than 0.0000001" if change < 1e-7 else f"{change:.7f}".rstrip("0")


def times(fit: Fit) -> str:
    """How long the pilot and the sampling took: "0.2 s for a Laplace fit, 2.9 s for sampling"."""
    attrs = fit.tree["posterior"].attrs if fit.sampled else {}
    words = {"pilot_seconds": "a Laplace fit to start from", "sample_seconds": "sampling"}
    return ", ".join(
        f"{number(float(attrs[key]), 1)} s for {what}"
        for key, what in words.items()
        if key in attrs
    )
