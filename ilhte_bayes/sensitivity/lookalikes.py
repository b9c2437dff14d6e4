"""Look-alikes: other things that make effects seem to differ between items, each allowed in turn.

- The treatment widens or narrows abilities: an SD of ability for each arm.
- Abilities are not normal: their distribution left free; or conditioned away with the sum score.
- Items discriminate differently and the treatment moves ability alone: then an item's effect on
  its own logits is a_i beta, and items differ though the effect is one (2PL).
"""

from collections.abc import Callable
from dataclasses import replace
from textwrap import fill
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.stats import chi2

from ilhte_bayes.engines.conditional import conditional
from ilhte_bayes.engines.laplace import laplace
from ilhte_bayes.engines.nuts import sample
from ilhte_bayes.errors import ModelError, NotAvailable
from ilhte_bayes.estimands.distribution import SampledDistribution
from ilhte_bayes.estimands.items import (
    changes_by_item,
    effects_distribution,
    item_effects,
    treatment_contrasts,
)
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.draw_tables import flat, summary
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.fits.intervals import TAILS, p_words
from ilhte_bayes.formulas.term_variables import factors_of, uses
from ilhte_bayes.models.ability import read_ability
from ilhte_bayes.models.discrimination import read_discrimination
from ilhte_bayes.models.model import Model, with_parts
from ilhte_bayes.models.priors import Priors, make_priors
from ilhte_bayes.sensitivity.three_models import one_effect_for_all, rebuilt, with_random

Rows = dict[str, dict[str, float]]
_WIDTH = 98  # of a note as printed
_NAN = float("nan")
_NONE = {"estimate": _NAN, "se": _NAN, "lower": _NAN, "upper": _NAN}


def lookalikes(model: Model, *, draws: int = 500, seed: int = 1, progress: bool = True) -> Result:
    """Ask what else would look like effects that differ between items.

    The model is fitted under one other assumption after another. If sigma_zeta stays, the
    assumption was not what made it; if it falls, the answers cannot tell both apart.

    Parameters
    ----------
    model : Model
        With an effect for each item, `(treat | item)`, and two arms; a moderator's interaction is
        followed too.
    draws : int
        Of each of four chains, for what only NUTS fits (free abilities, discriminations); 0 leaves
        these rows out.
    seed : int
        Of the draws.
    progress : bool
        Whether to show progress bars.

    Returns
    -------
    Result
        Index (assumption, quantity); quantities `sigma_zeta` (logits), `rho` and `beta_3`; estimate,
        se, lower, upper (95 %), missing where an assumption leaves nothing to say. Notes: a sentence
        for each row. Rows by NUTS are posterior means under the model's priors, beside a NUTS row
        of the model itself.

    Raises
    ------
    ModelError
        If the model has no effects by item, or more than two arms.

    Notes
    -----
    In the row "2PL" the treatment moves ability alone, and sigma_zeta and rho are those of a_i beta,
    the effects on the items' own logits that loadings alone make: their share of sigma_zeta^2 is in
    the notes. Item effects of the conditional likelihood need no abilities; their SD is freed of
    sampling error.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> exam = il.il_hte(il.load_dataset("mathexam"))
    >>> table = il.lookalikes(exam, draws=0).frame["estimate"].unstack()
    >>> [round(x, 1) for x in table["sigma_zeta"]]
    [0.8, 0.8, 0.8]
    """
    model = model.without_extensions()
    name, effect = _items_of(model)
    follow = _Followed(name, effect, _interaction(model))
    fit = laplace(model)
    found: dict[str, Rows] = {"as fitted": follow.rows(fit)}
    notes = _tried(found, "SD of ability by arm", lambda: _by_arm(fit, follow))
    notes += _tried(found, "given sum scores", lambda: _conditional(fit))
    if draws:
        options: dict[str, Any] = {"draws": draws, "seed": seed, "progress": progress}
        found["as fitted, NUTS"] = follow.rows(sample(model, **options))
        notes += _tried(found, "free ability, NUTS", lambda: _free(model, follow, options))
        notes += _tried(found, "2PL, one effect, NUTS", lambda: _loadings(fit, follow, options))
    quantities = ["sigma_zeta", "rho"] + (["beta_3"] if follow.interaction else [])
    frame = pd.DataFrame.from_dict(
        {(row, q): cells.get(q, _NONE) for row, cells in found.items() for q in quantities},
        orient="index",
    )
    frame.index = pd.MultiIndex.from_tuples(list(frame.index), names=["assumption", "quantity"])
    title = (
        "What else looks like item-level effects: SD of effects over items, correlation with "
        "easiness\n(logits, 95 % intervals)"
    )
    return Result(
        frame[["estimate", "se", "lower", "upper"]],
        title,
        tuple(notes),
        "quantity",
        topic="assumptions",
    )


def _items_of(model: Model) -> tuple[str, str]:
    """The items' group and its column that moves with the arm."""
    if model.roles.item is None or model.roles.treatment is None:
        raise ModelError(
            "which columns are treatment and item is not known. Say roles={...} when building the "
            "model."
        )
    group = model.design.group(model.roles.item)
    flat_design = rebuilt(model, one_effect_for_all(model)).design
    more = [c for c in group.columns if c not in flat_design.group(group.name).columns]
    if len(more) != 1:
        raise ModelError(
            f"items have {len(more)} effects ({', '.join(more) or 'none'}), and one is followed. "
            f"Keep two arms, and write ({model.roles.treatment} | {group.name})."
        )
    return group.name, more[0]


def _interaction(model: Model) -> str | None:
    """The one term of treatment with another variable; None if there is none, or several."""
    treatment, columns = str(model.roles.treatment), model.responses.patterns.columns.tolist()
    found = []
    for term in model.design.terms:
        if len(factors_of(term, columns)) > 1 and uses(term, treatment, columns):
            found.append(term)
    return found[0] if len(found) == 1 else None


class _Followed:
    """Quantities that are followed from assumption to assumption."""

    def __init__(self, group: str, effect: str, interaction: str | None) -> None:
        self.group, self.effect, self.interaction = group, effect, interaction

    def rows(self, fit: Fit) -> Rows:
        """sigma_zeta, rho and beta_3 of a fit with effects by item."""
        table = fit.variance_components.loc[self.group]
        corr = [name for name in table.index if name in self._pairs()]
        return {
            "sigma_zeta": dict(table.loc[f"sd[{self.effect}]"]),
            "rho": dict(table.loc[corr[0]]) if corr else _NONE,
        } | self.beta(fit)

    def beta(self, fit: Fit) -> Rows:
        """The interaction."""
        if self.interaction is None:
            return {}
        return {"beta_3": dict(fit.coefficients.loc[self.interaction])}

    def _pairs(self) -> tuple[str, str]:
        return f"corr[Intercept,{self.effect}]", f"corr[{self.effect},Intercept]"


def _tried(found: dict[str, Rows], name: str, row: Callable[[], tuple[Rows, str]]) -> list[str]:
    """Add a row and return its sentence; where a model cannot have it, why not."""
    try:
        found[name], said = row()
    except (ModelError, NotAvailable) as error:
        said = f"left out. {error}"
    return [fill(f"{name}: {said}", _WIDTH)]


def _by_arm(fit: Fit, follow: _Followed) -> tuple[Rows, str]:
    model = fit.model
    person, treatment = str(model.roles.person), str(model.roles.treatment)
    quoted = treatment if treatment.isidentifier() else f"`{treatment}`"
    terms = [term for term in model.formula.random if term.group[-1] == person]
    if len(terms) != 1 or terms[0].columns != "1":
        raise ModelError(
            f"persons have other random terms than one intercept, which an SD for each arm would "
            f"replace. Ask of the model with (1 | {person}) as its only term for persons."
        )
    by_arm = replace(terms[0], columns=f"0 + C({quoted})", correlated=False)
    random = [by_arm if term is terms[0] else term for term in model.formula.random]
    other = laplace(rebuilt(model, with_random(model, random)))
    sd = other.sd(person).to_numpy()
    p = _p_of(other, fit)
    return follow.rows(other), (
        f"SDs of ability are {sd[0]:.2f} and {sd[1]:.2f} logits in the two arms (likelihood ratio "
        f"against one SD, {p})."
    )


def _p_of(larger: Fit, smaller: Fit) -> str:
    return p_words(float(chi2.sf(max(2.0 * (larger.loglik - smaller.loglik), 0.0), 1)))


def _conditional(fit: Fit) -> tuple[Rows, str]:
    found = conditional(fit.model)
    spread = found.sigma_zeta
    row = {"estimate": spread.estimate, "se": _NAN, "lower": spread.lower, "upper": spread.upper}
    return {"sigma_zeta": row}, (
        "item effects that no distribution of ability can make; the SD is freed of their error, "
        "and has neither rho nor beta_3."
    )


def _free(model: Model, follow: _Followed, options: dict[str, Any]) -> tuple[Rows, str]:
    fit = sample(_extended(model, ability="histogram"), **options)
    return follow.rows(fit), "the distribution of ability is left free, the same in both arms."


def _loadings(fit: Fit, follow: _Followed, options: dict[str, Any]) -> tuple[Rows, str]:
    """What a 2PL with one effect on ability makes of items' effects."""
    plain = rebuilt(fit.model, one_effect_for_all(fit.model))
    loaded = sample(_extended(plain, discrimination="loaded"), **options)
    effects = implied_effects(loaded)
    at = loaded.model.design.group(follow.group).columns.index("Intercept")
    easiness = flat(loaded.tree, f"re_{follow.group}")[:, :, at]
    spread = effects.std(axis=1, ddof=1)
    rows = {
        "sigma_zeta": _summary(spread),
        "rho": _summary(_correlations(effects, easiness)),
    } | follow.beta(loaded)
    total = float(fit.sd(follow.group)[follow.effect])
    if total == 0.0:
        return rows, "sigma_zeta is estimated at 0: there is nothing for loadings to explain."
    share = spread**2 / total**2
    low, high = np.quantile(share, TAILS)
    seen = item_effects(fit).frame["effect"].to_numpy()
    alike = float(np.corrcoef(effects.mean(axis=0), seen)[0, 1])
    return rows, (
        f"loadings alone, with one effect on ability, would make items' effects differ with this SD: "
        f"{share.mean():.0%} of sigma_zeta^2 (95 % interval {low:.0%} to {high:.0%}); the effects so made correlate "
        f"{alike:+.2f} with those found."
    )


def implied_effects(fit: Fit) -> np.ndarray:
    """(draw, item) a_i beta: effects on the items' own logits of one effect on ability."""
    name = require_group(fit, "item")
    weights = changes_by_item(fit, name, treatment_contrasts(fit)[0])
    found = effects_distribution(fit, name, weights)
    assert isinstance(found, SampledDistribution)
    return found.values


def _correlations(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(draw,) correlation over items."""
    one, other = (x - x.mean(axis=1, keepdims=True) for x in (one, other))
    return np.asarray(
        (one * other).sum(axis=1) / np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    )


def _summary(draws: np.ndarray) -> dict[str, float]:
    return {name: float(value) for name, value in summary(draws).items()}


def _extended(
    model: Model,
    *,
    discrimination: Literal["loaded"] | None = None,
    ability: Literal["normal", "histogram"] = "normal",
) -> Model:
    """The model with discriminations, or abilities of free shape; its own priors stay."""
    design = model.design
    kind = read_discrimination(discrimination, design, model.roles)
    shape = read_ability(ability, design, model.roles, kind)
    kept = {entry.parameter: entry for entry in model.priors}
    fresh = make_priors(design, discrimination=kind, ability=shape)
    priors = Priors(tuple(kept.get(entry.parameter, entry) for entry in fresh))
    return with_parts(model, discrimination=kind, ability=shape, priors=priors)
