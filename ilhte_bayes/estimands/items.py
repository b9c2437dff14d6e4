"""The effect on every item, with its interval, beside the item's easiness."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.distribution import (
    Distribution,
    NormalDistribution,
    SampledDistribution,
    rank_interval,
)
from ilhte_bayes.estimands.item_sample import few_treated, item_sample
from ilhte_bayes.estimands.parameters import mean_discrimination
from ilhte_bayes.estimands.persons import effect_draws
from ilhte_bayes.estimands.t_parts import t_and_normal
from ilhte_bayes.fits.draw_tables import flat
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.formulas.contrasts import Contrast, arm_contrasts, fixed_change, group_change

_LOADING = {
    "loaded": (
        "Items discriminate differently: each item's {noun} is on its own logits, its "
        "discrimination times the {noun} on ability, a_i (beta + zeta_i); the average over the "
        "item population is E(a) beta."
    ),
    "additive": (
        "Items discriminate differently; {noun}s are on the items' own logits, beta + zeta_i, "
        "whatever an item's discrimination."
    ),
}
_ROUNDING = 1e-9  # effects that the model makes equal agree to this


@dataclass(frozen=True, repr=False)
class ItemEffects:
    """Effects on the items of a test; prints as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index item (and contrast, with more than two arms); `effect`, `se`, `lower`, `upper`
        (95 %, logits), `p_positive` (probability that the effect is above 0; by maximum likelihood
        an empirical-Bayes approximation, the average's one minus a one-sided p-value), `rank_lower`,
        `rank_upper` (95 %, 1 for the largest effect), `easiness` b_i, the item's random
        intercept: its deviation, where the treatment column is 0, from what the fixed part says (so
        without the share of item features); `difficulty` -b_i (logits). Missing
        where an estimate at the edge of its range leaves nothing to say.
    average : pandas.DataFrame
        Index contrast; effect, se, lower, upper of the average over the item population, as on
        the effect card: by maximum likelihood with t's degrees of freedom of few items, or of few
        clusters treated as a whole.
    noun : str
        "effect", or "difference" where arms were not randomised.
    notes : tuple of str
        How to read the table.
    """

    frame: pd.DataFrame
    average: pd.DataFrame
    noun: str
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.frame

    def to_latex(self) -> str:
        """Return a LaTeX table (package booktabs)."""
        from ilhte_bayes.show.export import to_latex

        return to_latex(self)

    def false_signs(self, items: list) -> float:
        """Expected number of these items whose effect has the other sign than estimated.

        Parameters
        ----------
        items : list
            Labels of items, for example those picked for their large effects; with more than
            two arms, pairs of contrast and item.
        """
        positive = self.frame.loc[items, "p_positive"].to_numpy()
        return float(np.minimum(positive, 1.0 - positive).sum())

    def __getitem__(self, column: str) -> pd.Series:
        return self.frame[column]

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        from ilhte_bayes.show.text import describe_item_effects

        return describe_item_effects(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.page import item_effects_html

        return item_effects_html(self)


def item_effects(fit: Fit) -> ItemEffects:
    """Effect of treatment on every item: the average effect plus the item's own deviation.

    Parameters
    ----------
    fit : Fit
        Of a model with treatment and item roles.

    Returns
    -------
    ItemEffects
        In logits. Where the model has interactions of treatment with other variables, each item's
        effect is averaged over the answers to that item. Standard errors hold the uncertainty of
        fixed effects, deviations and variance parameters, and their correlation.

    Raises
    ------
    ModelError
        If the treatment or item column is not known, or the formula lacks it.

    Notes
    -----
    With discriminations that multiply the effect (`discrimination="loaded"`) an item's effect is
    a_i (beta_1 + zeta_i), the change of its own logits; the average over the item population is
    E(a) beta_1 = exp(sd_discrimination^2 / 2) beta_1, a and zeta being independent.

    For a maximised fit, with u the items' deviations, d their weights and c those of the fixed
    effects, the variance is d' Var(u | psi) d + g' Cov(psi) g with g = c + (du/dpsi)' d: what
    glmmTMB's joint precision gives.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> fit = il.laplace(il.il_hte(trial, response="resp >= 2", clusters=["study"]))
    >>> effects = il.item_effects(fit)
    >>> len(effects)
    10
    """
    name = require_group(fit, "item")
    contrasts = treatment_contrasts(fit)
    weights = [changes_by_item(fit, name, contrast) for contrast in contrasts]
    pieces = [_table(fit, name, w) for w in weights]
    labels = [contrast.label for contrast in contrasts]
    frame = pd.concat(pieces, keys=labels, names=["contrast"]) if len(labels) > 1 else pieces[0]
    average = pd.DataFrame(
        [average_over_population(fit, name, w) for w in weights],
        index=pd.Index(labels, name="contrast"),
    )
    noun = fit.model.noun
    return ItemEffects(frame, average, noun, _notes(fit, name, weights, noun))


@dataclass(frozen=True, slots=True)
class ItemWeights:
    """How an item's effect is made of coefficients and of the item's random effects."""

    fixed: np.ndarray  # (item, term)
    random: np.ndarray  # (item, column)
    constant: bool  # whether the fixed part is the same for all answers


def treatment_contrasts(fit: Fit) -> tuple[Contrast, ...]:
    """Each arm against the reference."""
    if fit.model.design.logit is not None:
        raise ModelError(
            "with family='multinomial' an item has an effect for each category: they are in "
            "fit.coefficients and fit.random_effects(group). One effect for each item needs ordered "
            "answers: family='cumulative' or 'adjacent'."
        )
    treatment = fit.model.roles.treatment
    if treatment is None:
        raise ModelError(
            "which column is the treatment is not known. Say roles={'treatment': ...} when "
            "building the model."
        )
    return arm_contrasts(fit.model.responses, treatment)


def changes_by_item(fit: Fit, name: str, contrast: Contrast) -> ItemWeights:
    """Changes of the columns from arm to arm, averaged over the answers to each item."""
    model = fit.model
    design, patterns = model.design, model.responses.patterns
    group, treatment = design.group(name), str(model.roles.treatment)
    answers = design.pattern_of_answers()
    fixed = fixed_change(model.formula, patterns, answers, treatment, contrast, design.terms)
    random = group_change(model.formula, patterns, answers, treatment, contrast, group)
    cell = group.level.astype(np.int64) * len(patterns) + design.pattern
    used, where = np.unique(cell, return_inverse=True)
    count = np.bincount(where, weights=design.count)
    level, pattern = np.divmod(used, len(patterns))
    total = np.bincount(level, weights=count, minlength=group.n_levels)

    def by_item(change: np.ndarray) -> np.ndarray:
        sums = [np.bincount(level, count * c[pattern], group.n_levels) for c in change.T]
        return np.stack(sums, axis=1) / total[:, None]

    return ItemWeights(
        by_item(fixed), by_item(random), bool(np.ptp(fixed, axis=0).max(initial=0.0) == 0)
    )


def effects_distribution(fit: Fit, name: str, weights: ItemWeights) -> Distribution:
    """Joint distribution of the effects on all items."""
    if fit.sampled:
        drawn = effects_before_loading(fit, name, weights)
        if fit.model.discrimination == "loaded":
            drawn = drawn * flat(fit.tree, "discrimination")
        return SampledDistribution(drawn)
    mode = fit.mode
    beta, modes = mode["beta"].to_numpy(), mode[f"re_{name}"].to_numpy()
    mean = weights.fixed @ beta + np.einsum("ic,ic->i", weights.random, modes)
    slope = np.einsum("pic,ic->ip", mode[f"re_{name}_by_psi"].to_numpy(), weights.random)
    slope[:, : beta.size] += weights.fixed
    given = np.einsum(
        "ic,icjd,jd->ij",
        weights.random,
        joint_covariance(fit, name),
        weights.random,
        optimize=True,
    )
    covariance = given + slope @ mode["psi_cov"].to_numpy() @ slope.T
    # what few treated clusters leave open moves all items alike: the error of their mean
    units = few_treated(fit)
    few = np.inf if units is None else float(units.df)
    return NormalDistribution(mean, covariance, float(np.sqrt(covariance.mean())), few)


def effects_before_loading(fit: Fit, name: str, weights: ItemWeights) -> np.ndarray:
    """(draw, item) effects as coefficients plus deviations: on ability, if loaded."""
    beta, effects = flat(fit.tree, "beta"), effect_draws(fit, name)
    return np.asarray(beta @ weights.fixed.T + np.einsum("sic,ic->si", effects, weights.random))


def joint_covariance(fit: Fit, name: str) -> np.ndarray:
    """(level, column, level, column) covariance of one group's effects given the parameters."""
    key = f"re_{name}_joint"
    if key not in fit.mode:
        raise ModelError(
            f"{name} has {fit.model.design.group(name).n_levels:,} levels: the covariances between "
            "so many effects are not kept. Use fewer items, or draws: fit.draws."
        )
    return np.asarray(fit.mode[key].to_numpy())


def _table(fit: Fit, name: str, weights: ItemWeights) -> pd.DataFrame:
    distribution = effects_distribution(fit, name, weights)
    lower, upper = distribution.interval()
    rank_low, rank_high = rank_interval(distribution.draws())
    frame = pd.DataFrame(
        {
            "effect": distribution.mean,
            "se": distribution.sd,
            "lower": lower,
            "upper": upper,
            "p_positive": distribution.positive(),
            "rank_lower": pd.array(rank_low, dtype="Int64"),
            "rank_upper": pd.array(rank_high, dtype="Int64"),
        },
        index=pd.Index(fit.model.design.group(name).labels, name=name),
    )
    zero = effects_at_zero(fit, name, weights)
    if zero:
        frame[["lower", "upper", "p_positive"]] = np.nan
    equal = np.ptp(distribution.mean) < _ROUNDING
    if zero or equal or effects_follow_easiness(fit, name, weights):
        frame[["rank_lower", "rank_upper"]] = pd.NA
    easiness = _easiness(fit, name, frame.index)
    return frame.assign(easiness=easiness, difficulty=-easiness)


def _easiness(fit: Fit, name: str, items: pd.Index) -> np.ndarray:
    if "Intercept" not in fit.model.design.group(name).columns:
        return np.full(len(items), np.nan)
    table = fit.random_effects(name)["estimate"]
    return table.xs("Intercept", level="term").to_numpy()


def average_over_population(fit: Fit, name: str, weights: ItemWeights) -> dict[str, float]:
    """Average effect over the item population: fixed effects, times the mean discrimination.

    By maximum likelihood with an interval of t, see `item_sample`.
    """
    weight = weights.fixed.mean(axis=0)
    if fit.sampled:
        drawn = flat(fit.tree, "beta") @ weight * mean_discrimination(fit)
        distribution = SampledDistribution(drawn[:, None])
        lower, upper = (float(end[0]) for end in distribution.interval())
        effect, se = float(distribution.mean[0]), float(distribution.sd[0])
        positive = float(distribution.positive()[0])
    else:
        effect = float(weight @ fit.mode["beta"].to_numpy())
        se = float(np.sqrt(max(weight @ fit.mode["beta_cov"].to_numpy() @ weight, 0.0)))
        df = item_sample(fit, name, weights).df
        lower, upper, positive = t_and_normal(effect, se, df, 0.0)
    return {"effect": effect, "se": se, "lower": lower, "upper": upper, "p_positive": positive}


def effects_at_zero(fit: Fit, name: str, weights: ItemWeights) -> bool:
    """Whether every SD that lets effects differ between items is estimated at 0."""
    sd = fit.sd(name).to_numpy()
    moving = np.any(weights.random != 0, axis=0)
    return bool(moving.any() and np.all(sd[moving] == 0.0))


def effects_follow_easiness(fit: Fit, name: str, weights: ItemWeights) -> bool:
    """Whether the correlation of easiness and effect is estimated at its edge, +1 or -1."""
    table = fit.variance_components.loc[name]
    columns = fit.model.design.group(name).columns
    moving = {columns[k] for k in np.flatnonzero(np.any(weights.random != 0, axis=0))}
    pairs = {f"corr[Intercept,{c}]" for c in moving} | {f"corr[{c},Intercept]" for c in moving}
    found = table[table.index.isin(pairs)]
    return bool((found["lower"].isna() & found["estimate"].abs().eq(1.0)).any())


def beyond_the_edge(fit: Fit) -> tuple[str, str]:
    """What a maximised fit is called, and what gives intervals where it has none."""
    return ("ML", "objective='map' or NUTS") if fit.objective == "ml" else ("MAP", "NUTS")


def _notes(fit: Fit, name: str, weights: list[ItemWeights], noun: str) -> tuple[str, ...]:
    notes, (here, cure) = [], beyond_the_edge(fit)
    if not any(np.any(w.random) for w in weights):
        notes.append(
            f"The model gives every item the same {noun}, by assumption: write "
            f"({fit.model.roles.treatment} | {name}) to let them differ."
        )
    elif any(effects_at_zero(fit, name, w) for w in weights):
        notes.append(
            f"The {noun}s are equal by estimate, not by evidence: their SD over items is "
            f"estimated at 0, and intervals for single items are not available by {here}. "
            f"Use {cure}."
        )
    if any(effects_follow_easiness(fit, name, w) for w in weights):
        notes.append(
            f"The {noun}s follow easiness exactly, by estimate: their correlation is at the edge "
            f"of its range. Ranks are not available by {here}, and intervals are somewhat too "
            f"narrow. Use {cure}."
        )
    if fit.model.discrimination is not None:
        notes.append(_LOADING[fit.model.discrimination].format(noun=noun))
    if fit.model.design.has_own_slopes:
        notes.append(
            f"Slopes differ by threshold: where the treatment's do, {noun}s are those at the lowest "
            "threshold."
        )
    if not all(w.constant for w in weights):
        notes.append(
            f"The model lets the {noun} vary with other variables: each item's is averaged over "
            "the answers to that item, as they are in the table."
        )
    if fit.objective == "ml" and not any(effects_at_zero(fit, name, w) for w in weights):
        differ = any(np.any(w.random) for w in weights)
        kind = "an empirical-Bayes approximation" if differ else "one minus a one-sided p-value"
        notes.append(f"P({noun} > 0): by maximum likelihood {kind}, no posterior probability.")
    if fit.sampled and fit.problems:
        notes.append(f"Read this first: {fit.problems[0]}")
    if units := few_treated(fit):
        notes.append(
            units.confounded + " There are no intervals."
            if units.confounded
            else "Few clusters were treated: intervals hold an error that all items share, by t "
            f"with {units.df} degrees of freedom, {units.words}."
        )
    if noun == "difference":
        notes.append("Arms were not randomised: these are differences between groups.")
    return tuple(notes)
