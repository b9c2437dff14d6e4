"""Item effects that borrow nothing from each other: what every anchoring assumption starts from."""

from ilhte_bayes.engines.quadrature import quadrature
from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.distribution import NormalDistribution
from ilhte_bayes.estimands.items import (
    ItemWeights,
    changes_by_item,
    effects_distribution,
    treatment_contrasts,
)
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.models.distributions import LKJ, Flat, Gamma, Prior
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.priors import correlated

WIDE = 5.0  # logits: SD of items' effects that hardly pulls any of them, and keeps all finite
_FIRM = 1e4  # shape of a prior that holds an SD within 1 %, LKJ's eta that holds correlations at 0


def unpooled_effects(fit: Fit) -> dict[str, NormalDistribution]:
    """Effect of treatment on each item, estimated from its own answers, and their covariance.

    Parameters
    ----------
    fit : Fit
        Of a model in which effects differ between items, `(treat | item)`.

    Returns
    -------
    dict of str to NormalDistribution
        By contrast; effects in logits, in the order of the items.

    Raises
    ------
    ModelError
        If the model has one effect for all items, items that discriminate differently, or a family
        or persons that `il.quadrature` does not know of.

    Notes
    -----
    The model is fitted once more with the items' effects free: their SD held at 5 logits,
    independent of easiness, their mean with a flat prior. (Free coefficients for each item would be
    the same, but infinite where all answers of an item in an arm agree.) An effect with standard
    error .3 is pulled towards the others by .4 %. By quadrature whatever the engine of `fit`: joint
    modes of items and persons, Laplace's, are too small where abilities vary much (1.46 for 1.75
    logits in the caffeine experiments, whose persons have an SD of 3).
    """
    model, name = fit.model, require_group(fit, "item")
    if model.discrimination is not None:
        raise ModelError(
            "items discriminate differently in this model, and il.quadrature, by which items' "
            "effects are estimated each on its own, does not know of it. Use a model "
            "without discrimination."
        )
    contrasts = treatment_contrasts(fit)
    weights = [changes_by_item(fit, name, contrast) for contrast in contrasts]
    wide = model.without_extensions().with_priors(_wide_priors(model, name, weights))
    free = quadrature(wide, objective="map")
    found = {}
    for contrast, each in zip(contrasts, weights, strict=True):
        distribution = effects_distribution(free, name, each)
        assert isinstance(distribution, NormalDistribution)
        found[contrast.label] = distribution
    return found


def _wide_priors(model: Model, name: str, weights: list[ItemWeights]) -> dict[str, Prior]:
    """Flat for the effects' mean, SDs held at `WIDE`, no correlation with easiness."""
    design = model.design
    group = design.group(name)
    moving = [any(w.random[:, k].any() for w in weights) for k in range(group.n_columns)]
    if not any(moving):
        raise ModelError(
            f"the model gives every item the same effect, so there is no {name} to anchor on. "
            f"Write ({model.roles.treatment} | {name}) in the formula."
        )
    out: dict[str, Prior] = {
        f"sd_{name}[{column}]": Gamma(_FIRM, _FIRM / WIDE)
        for column, moves in zip(group.columns, moving, strict=True)
        if moves
    }
    for k, term in enumerate(design.terms):
        if any(w.fixed[:, k].any() for w in weights):
            out[design.parameter(term)] = Flat()
    if correlated(group):
        out[f"corr_{name}"] = LKJ(_FIRM)
    return out
