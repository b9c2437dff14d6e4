"""Bands that hold for all items at once, and how likely each effect has the other sign."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.distribution import (
    N_DRAWS,
    SEED,
    Distribution,
    NormalDistribution,
    SampledDistribution,
)
from ilhte_bayes.estimands.item_sample import few_treated
from ilhte_bayes.estimands.items import (
    beyond_the_edge,
    changes_by_item,
    effects_at_zero,
    effects_distribution,
    treatment_contrasts,
)
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.estimands.t_parts import in_order_of
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.models.roots import root_of


def simultaneous(fit: Fit, *, prob: float = 0.9) -> Result:
    """Effects by item with bands that cover all of them at once with this probability.

    Parameters
    ----------
    fit : Fit
        Of a model with treatment and item roles.
    prob : float
        Probability that every item's effect is within its band; with more than two arms, of every
        contrast. .9, since of all bands together a tenth part wrong is strict already.

    Returns
    -------
    Result
        Index item (and contrast, with more than two arms); `effect`, `se`, `lower_all`,
        `upper_all` (logits), `p_other_sign` (probability that the effect has the other sign than
        estimated, the local false sign rate). Missing where all effects are equal by estimate.

    Raises
    ------
    ModelError
        If `prob` is not between 0 and 1, or treatment or items are not known.

    Notes
    -----
    The band is estimate -+ c se, with c the quantile of the largest abs(t) over items in draws of all
    effects together, so that items which are known together are not counted twice. With several
    contrasts the share that is missed is divided by their number (Bonferroni), which is cautious.

    Effects that shrink towards their average need less correction than separate estimates, and
    `p_other_sign` needs none: it is a probability given the answers, of maximised fits
    approximately (normal), by maximum likelihood an empirical-Bayes approximation, with the
    estimated spread of effects in place of a prior.

    References
    ----------
    Gelman, Hill & Yajima (2012), J. Res. Educ. Eff. 5, 189-211; Stephens (2017), Biostatistics 18,
    275-294, on false sign rates.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> fit = il.laplace(il.il_hte(il.load_dataset("caffeine"), response="resp >= 2"))
    >>> il.simultaneous(fit).frame.columns.tolist()
    ['effect', 'se', 'lower_all', 'upper_all', 'p_other_sign']
    """
    if not 0.0 < prob < 1.0:
        raise ModelError(f"prob={prob!r}; it is a probability, such as 0.9.")
    name = require_group(fit, "item")
    contrasts = treatment_contrasts(fit)
    each = 1.0 - (1.0 - prob) / len(contrasts)
    frames, notes = {}, []
    for contrast in contrasts:
        weights = changes_by_item(fit, name, contrast)
        joint = effects_distribution(fit, name, weights)
        items = pd.Index(fit.model.design.group(name).labels, name=name)
        critical = np.nan if effects_at_zero(fit, name, weights) else largest_t(joint, each)
        frames[contrast.label] = _table(joint, critical, items)
        notes += _note(fit, contrast.label, joint, critical, each)
    frame = next(iter(frames.values()))
    if len(frames) > 1:
        frame = pd.concat(frames, names=["contrast"])
    noun = fit.model.noun
    wrong = frame["p_other_sign"].sum()
    if frame["p_other_sign"].notna().any():
        notes.append(
            f"p other sign: probability that the {noun} has the other sign than estimated; of all "
            f"{len(frame)} signs, {wrong:.1f} are expected to be wrong."
        )
    if fit.objective == "ml":
        notes.append(
            "By maximum likelihood that probability is an empirical-Bayes approximation: the "
            f"estimated spread of {noun}s over items stands in for a prior."
        )
    title = f"{noun.capitalize()}s by item (logits), {100 * prob:g} % band for all at once"
    return Result(frame, title, tuple(notes), topic="items")


def largest_t(joint: Distribution, prob: float) -> float:
    """Quantile of the largest |draw - mean| / sd over quantities that vary."""
    away = distances(joint)
    return float(np.quantile(away.max(axis=1), prob)) if np.isfinite(away).all() else np.nan


def distances(joint: Distribution) -> np.ndarray:
    """(draw, quantity) |draw - mean| / sd of quantities that vary; missing if nothing is known."""
    varies = joint.sd > 0.0
    if isinstance(joint, SampledDistribution) or np.isinf(joint.few).all():
        return np.asarray(np.abs(joint.draws()[:, varies] - joint.mean[varies]) / joint.sd[varies])
    # an error that all share, by t, and normal ones on top of it
    few = float(np.min(joint.few))
    shared = np.broadcast_to(joint.shared, joint.mean.shape)[varies]
    rest = joint.covariance[np.ix_(varies, varies)] - np.outer(shared, shared)
    rng = np.random.default_rng(SEED + 1)
    t = in_order_of(rng.standard_normal(N_DRAWS), 0.0, 1.0, few)
    noise = rng.standard_normal((N_DRAWS, shared.size)) @ root_of(rest).T
    return np.asarray(np.abs(np.outer(t, shared) + noise) / joint.sd[varies])


def _table(joint: Distribution, critical: float, items: pd.Index) -> pd.DataFrame:
    positive = joint.positive()
    known = np.isfinite(critical)
    return pd.DataFrame(
        {
            "effect": joint.mean,
            "se": joint.sd,
            "lower_all": joint.mean - critical * joint.sd,
            "upper_all": joint.mean + critical * joint.sd,
            "p_other_sign": np.minimum(positive, 1.0 - positive) if known else np.nan,
        },
        index=items,
    )


def _note(fit: Fit, label: str, joint: Distribution, critical: float, prob: float) -> list[str]:
    units = few_treated(fit)
    if units and units.confounded:
        return [f"{label}: {units.confounded} There are no bands."]
    if not np.isfinite(critical):
        here, cure = beyond_the_edge(fit)
        return [
            f"{label}: the SD of effects over items is estimated at 0, and bands are not available "
            f"by {here}. Use {cure}."
        ]
    one = float(norm.isf((1.0 - prob) / 2.0))
    if isinstance(joint, NormalDistribution) and np.isfinite(joint.few).any():
        one = float(np.quantile(distances(joint), prob, axis=0).max())
    return [
        f"{label}: a family of {joint.mean.size} items; band = estimate -+ {critical:.2f} SE (one item alone: "
        f"{one:.2f})."
    ]
