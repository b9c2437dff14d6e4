"""Effects on the scale of the answers: expected score, and probability of each category or higher.

Averaged over persons, clusters and covariates as they are in the table, not at a typical person:
each arm's probabilities are those expected if everybody were in it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from ilhte_bayes.errors import ModelError, NotAvailable
from ilhte_bayes.estimands.items import beyond_the_edge, changes_by_item, effects_at_zero
from ilhte_bayes.estimands.items import treatment_contrasts as contrasts_of
from ilhte_bayes.estimands.persons import effect_draws
from ilhte_bayes.estimands.thresholds import thresholds_by_item
from ilhte_bayes.families.categories import shares
from ilhte_bayes.fits.draw_tables import TAILS, flat
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.fits.spread_draws import spread_positions, steps
from ilhte_bayes.formulas.contrasts import Contrast, fixed_in_arm, group_in_arm
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.models.ability import require_plain

_SEED = 20231020  # of the new items, so that a table never changes by itself
_Z = np.arange(-8.0, 8.01, 0.25)  # trapezoid nodes: exact to 1e-11 up to an SD of 3 logits
_MASS = np.exp(-0.5 * _Z**2) / np.exp(-0.5 * _Z**2).sum()
_DIRECT = 2_000  # more places than this are read off a table
_SPACE = 0.01  # logits between entries of the table; straight lines are off by 1e-6


@dataclass(frozen=True, repr=False)
class ScoreEffects:
    """Effects in score points and in probabilities; prints as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index (contrast, item, outcome): "expected score", and "P(Y >= low)" for every category
        but the lowest. Columns `reference` and `treated`, what is expected if everybody were in
        that arm; `effect`, their difference, with `lower`, `upper` (95 %) and `p_positive`.
        Categories score 0, 1, ..., K - 1.
    test : pandas.DataFrame
        The same by (contrast, test, outcome) for the test of these items and for a test of new
        ones: "score points", the sum of expected scores; and the average probabilities.
    noun : str
        "effect", or "difference" where arms were not randomised.
    notes : tuple of str
        How to read the table.
    """

    frame: pd.DataFrame
    test: pd.DataFrame
    noun: str
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the table by item."""
        return self.frame

    def to_latex(self) -> str:
        """Return a LaTeX table (package booktabs)."""
        from ilhte_bayes.show.tables import to_latex

        return to_latex(self)

    def __repr__(self) -> str:
        from ilhte_bayes.show.score_tables import describe_scores

        return describe_scores(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.score_tables import scores_html

        return scores_html(self)


def score_effects(fit: Fit, *, k: int | None = None, draws: int = 1000) -> ScoreEffects:
    """Effect of treatment on the expected score and on P(Y >= k), by item and for a test.

    Parameters
    ----------
    fit : Fit
        Of a model with treatment and item roles; binary or ordinal answers.
    k : int, optional
        Items of the new test; as many as were asked, by default.
    draws : int
        Of the parameters to average over, spread evenly over the chains.

    Returns
    -------
    ScoreEffects
        Probabilities, and scores from 0 to K - 1 an item.

    Raises
    ------
    ModelError
        If the treatment or item column is not known, or k or draws is below 1.
    NotAvailable
        For other families, and for models with discriminations, abilities of a free shape, or
        slopes by threshold.

    Notes
    -----
    For item i in arm a, P(Y >= c) = E[1 / (1 + exp(kappa_ic - eta))] (of family "adjacent" what its
    categories' probabilities add up to), where eta holds the fixed
    part and the item's effects, with the arm set to a for every answer to the item, and a normal
    deviate whose variance is that of persons, clusters and all other groups. The integral is a
    trapezoid sum. A new item's effects are drawn from the population of items.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.il_hte(il.load_dataset("caffeine"), clusters=["study"], family="cumulative")
    >>> scores = il.score_effects(il.laplace(model, objective="map"), draws=200)
    >>> list(scores.test.loc["caffeine v placebo", "these 10 items"].index[:2])
    ['score points', 'P(Y >= 1)']
    """
    require_plain(fit.model, "score_effects")
    if fit.model.family.nominal:
        raise NotAvailable(
            "answers without an order have no score, family='multinomial': the effects on each "
            "category are in fit.coefficients and fit.random_effects(group)."
        )
    if fit.model.design.has_own_slopes:
        raise NotAvailable(
            "scores of models whose slopes differ by threshold are not there. Fit the model with "
            "the same slopes at every threshold."
        )
    name = require_group(fit, "item")
    n_items = fit.model.design.group(name).n_levels
    k = n_items if k is None else k
    for word, value in (("k", k), ("draws", draws)):
        if not isinstance(value, int) or value < 1:
            raise ModelError(f"{word}={value!r}: it is a whole number of at least 1.")
    contrasts = contrasts_of(fit)
    drawn = _draws(fit, name, draws)
    points = [_mode(fit, name)] if not fit.sampled else []
    by_item, tests = {}, {}
    for contrast in contrasts:
        arms = [_Arm.of(fit, name, contrast, arm) for arm in (contrast.from_arm, contrast.to_arm)]
        values = np.stack([[arm(one) for arm in arms] for one in steps(drawn, draws, "scores")])
        at_mode = np.array([[arm(one) for arm in arms] for one in points])
        rng = np.random.default_rng(_SEED)
        new = np.stack([_new_test(arms, one, k, rng) for one in drawn])
        by_item[contrast.label] = _item_frame(fit, name, values, at_mode)
        tests[contrast.label] = _test_frame(fit, values, at_mode, new, k)
    noun = fit.model.assignment.noun if fit.model.assignment else "effect"
    frame, test = (pd.concat(tables, names=["contrast"]) for tables in (by_item, tests))
    return ScoreEffects(frame, test, noun, _notes(fit, name, contrasts, noun))


@dataclass(frozen=True, slots=True)
class _Draw:
    """One set of parameter values."""

    beta: np.ndarray  # (term,)
    effects: dict[str, np.ndarray]  # of groups of items: (level, column)
    covariance: dict[str, np.ndarray]  # (column, column), all groups


def _draws(fit: Fit, name: str, n: int) -> list[_Draw]:
    posterior = fit.draws["posterior"].to_dataset()
    at = spread_positions(posterior, n)
    chains, size = posterior.sizes["chain"], posterior.sizes["draw"]
    chosen = (np.arange(chains)[:, None] * size + at).ravel()
    groups = fit.model.design.groups
    if name in posterior.attrs.get("left_out", ()):
        raise ModelError(f"the draws leave out the {name} effects, of which there are too many.")
    beta = np.zeros((chains * size, 0))
    if "beta" in posterior:
        beta = flat(fit.draws, "beta")
    effects = {g.name: effect_draws(fit, g.name)[chosen] for g in _of_items(fit, name)}
    covariance = {}
    for group in groups:
        sd = flat(fit.draws, f"sd_{group.name}")[chosen]
        corr: np.ndarray = np.eye(group.n_columns)
        if f"corr_{group.name}" in posterior:
            corr = flat(fit.draws, f"corr_{group.name}")[chosen]
        covariance[group.name] = sd[:, :, None] * sd[:, None, :] * corr
    return [
        _Draw(
            beta[draw],
            {name: values[at] for name, values in effects.items()},
            {name: values[at] for name, values in covariance.items()},
        )
        for at, draw in enumerate(chosen)
    ]


def _mode(fit: Fit, name: str) -> _Draw:
    """The estimates themselves, of a maximised fit."""
    table, covariance = fit.variance_components["estimate"], {}
    for group in fit.model.design.groups:
        corr = np.eye(group.n_columns)
        for block in group.blocks:
            for at, i in enumerate(block):
                for j in block[:at]:
                    value = table[group.name, f"corr[{group.columns[j]},{group.columns[i]}]"]
                    corr[i, j] = corr[j, i] = np.nan_to_num(value)
        sd = fit.sd(group.name).to_numpy()
        covariance[group.name] = sd[:, None] * sd * corr
    effects = {g.name: fit.mode[f"re_{g.name}"].to_numpy() for g in _of_items(fit, name)}
    return _Draw(fit.mode["beta"].to_numpy(), effects, covariance)


def _of_items(fit: Fit, name: str) -> list[Group]:
    """Groups whose level is the same in all answers to an item, that of the items first."""
    groups = fit.model.design.groups
    own = next(group for group in groups if group.name == name)
    first = np.unique(own.level, return_index=True)[1]
    same = [
        group
        for group in groups
        if group.name != name and np.array_equal(group.level, group.level[first][own.level])
    ]
    return [own, *same]


@dataclass(frozen=True, slots=True)
class _Arm:
    """All answers as they would be in one arm; called with a draw, P(Y >= c) by item."""

    n_cuts: int
    average: Callable[[np.ndarray, float], np.ndarray]  # P(Y >= c) over a normal deviate
    x: np.ndarray  # (pattern, term)
    item: np.ndarray  # (cell,) of the different answers: the item,
    pattern: np.ndarray  # (cell,) their covariates,
    share: np.ndarray  # (cell,) and their share of the item's answers
    groups: tuple[tuple[Group, np.ndarray, np.ndarray], ...]  # of items: z, level of each item
    kind: np.ndarray  # (pattern,) by how all other groups enter
    others: tuple[tuple[str, np.ndarray], ...]  # their names and z (kind, column)

    @staticmethod
    def of(fit: Fit, name: str, contrast: Contrast, arm: object) -> "_Arm":
        model = fit.model
        design, patterns = model.design, model.responses.patterns
        same = (model.formula, patterns, np.repeat(design.pattern, design.count))
        treatment = str(model.roles.treatment)
        own = design.group(name)
        code = own.level.astype(np.int64) * len(patterns) + design.pattern
        used, where = np.unique(code, return_inverse=True)
        count = np.bincount(where, weights=design.count)
        item, pattern = np.divmod(used, len(patterns))
        first = np.unique(own.level, return_index=True)[1]
        mine = _of_items(fit, name)
        z = {g.name: group_in_arm(*same, treatment, arm, g) for g in design.groups}
        rest = [g for g in design.groups if all(g is not other for other in mine)]
        stacked = np.hstack([z[g.name] for g in rest] or [np.zeros((len(patterns), 1))])
        kinds, kind = np.unique(stacked, axis=0, return_inverse=True)
        ends = np.cumsum([g.n_columns for g in rest])
        others = [
            (g.name, kinds[:, end - g.n_columns : end]) for g, end in zip(rest, ends, strict=True)
        ]
        return _Arm(
            design.n_cuts,
            average_steps if design.n_categories else average_logistic,
            fixed_in_arm(*same, treatment, arm, design.terms),
            item,
            pattern,
            count / np.bincount(item, weights=count)[item],
            tuple((g, z[g.name], g.level[first]) for g in mine),
            kind.ravel(),
            tuple(others),
        )

    def __call__(self, draw: _Draw) -> np.ndarray:
        """(item, cut)"""
        eta = (self.x @ draw.beta)[self.pattern]
        for group, z, level in self.groups:
            eta = eta + np.sum(z[self.pattern] * draw.effects[group.name][level[self.item]], axis=1)
        own = self.groups[0][0]
        cuts = thresholds_by_item(own, self.n_cuts, draw.beta, draw.effects[own.name])
        each = self._chances(eta[:, None] - cuts[self.item], draw)
        n = len(cuts)
        return np.stack([np.bincount(self.item, self.share * p, n) for p in each.T], axis=1)

    def new_items(self, draw: _Draw, effects: np.ndarray) -> np.ndarray:
        """(new item, cut) for items with these effects (new item, column), on average answers."""
        group, z, _ = self.groups[0]
        weight = np.bincount(self.pattern, self.share, minlength=len(z)) / len(group.labels)
        used = np.flatnonzero(weight)
        fixed = (self.x @ draw.beta)[used]
        for other, own, level in self.groups[1:]:  # a new item's own level there: the average's
            fixed = fixed + own[used] @ draw.effects[other.name][level].mean(axis=0)
        eta = fixed[:, None] + z[used] @ effects.T
        cuts = thresholds_by_item(group, self.n_cuts, draw.beta, effects)
        wide = np.repeat(used, len(effects))
        shape = (len(used) * len(effects), cuts.shape[1])
        places = (eta[:, :, None] - cuts[None]).reshape(shape)
        each = self._chances(places, draw, wide).reshape(len(used), *cuts.shape)
        return np.einsum("p,pic->ic", weight[used], each)

    def _chances(
        self, places: np.ndarray, draw: _Draw, pattern: np.ndarray | None = None
    ) -> np.ndarray:
        """(cell, cut) probabilities, everything but the items' effects averaged over."""
        kind = self.kind[self.pattern if pattern is None else pattern]
        variance = np.zeros(int(self.kind.max()) + 1)
        for name, z in self.others:
            variance += np.einsum("ki,ij,kj->k", z, draw.covariance[name], z)
        out = np.empty(places.shape)
        for at in np.unique(kind):
            out[kind == at] = self.average(places[kind == at], float(np.sqrt(variance[at])))
        return out


def average_logistic(place: np.ndarray, sd: float) -> np.ndarray:
    """E[1 / (1 + exp(-(place + sd Z)))], Z standard normal; same shape as `place`."""
    if place.size <= _DIRECT:
        return np.asarray(expit(place[..., None] + sd * _Z) @ _MASS)
    low, high = place.min(), place.max()
    known = np.linspace(low, high, int((high - low) / _SPACE) + 2)
    return np.interp(place, known, expit(known[:, None] + sd * _Z) @ _MASS)


def average_steps(place: np.ndarray, sd: float) -> np.ndarray:
    """E[P(Y >= c)] of adjacent categories whose log-odds, one by one, are place (cell, cut) + sd Z."""
    out = np.zeros(place.shape)
    for z, mass in zip(_Z, _MASS, strict=True):
        chance = shares(np.cumsum(place + sd * z, axis=1))
        out += mass * np.cumsum(chance[:, :0:-1], axis=1)[:, ::-1]
    return out


def _new_test(arms: list[_Arm], draw: _Draw, k: int, rng: np.random.Generator) -> np.ndarray:
    """(arm, cut) probabilities averaged over k new items."""
    group = arms[0].groups[0][0]
    values, vectors = np.linalg.eigh(draw.covariance[group.name])
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    effects = rng.standard_normal((k, group.n_columns)) @ root.T
    return np.stack([arm.new_items(draw, effects).mean(axis=0) for arm in arms])


def _outcomes(fit: Fit, first: str) -> list[str]:
    levels = fit.model.responses.response_coding.levels
    return [first, *(f"P(Y >= {level})" for level in levels[1:])]


def _with_score(values: np.ndarray, times: float = 1.0) -> np.ndarray:
    """Put the expected score, the sum over cuts, before the probabilities (..., cut)."""
    return np.concatenate([times * values.sum(axis=-1, keepdims=True), values], axis=-1)


def _item_frame(fit: Fit, name: str, values: np.ndarray, mode: np.ndarray) -> pd.DataFrame:
    """`values` (draw, arm, item, cut)"""
    labels, outcomes = fit.model.design.group(name).labels, _outcomes(fit, "expected score")
    shape = (2, len(labels) * len(outcomes))
    flat_values = _with_score(values).reshape(len(values), *shape)
    middle = _with_score(mode).reshape(-1, *shape) if mode.size else flat_values
    index = pd.MultiIndex.from_product([labels, outcomes], names=[name, "outcome"])
    return _frame(flat_values, middle, index)


def _test_frame(
    fit: Fit, values: np.ndarray, mode: np.ndarray, new: np.ndarray, k: int
) -> pd.DataFrame:
    """These items together, and k new ones."""
    n = values.shape[2]
    outcomes = _outcomes(fit, "score points")
    these = _with_score(values.mean(axis=2), n)
    middle = _with_score(mode.mean(axis=2), n) if mode.size else these
    coming = _with_score(new, k)
    targets = [f"these {n} items", f"a new {k}-item test"]
    index = [
        pd.MultiIndex.from_product([[t], outcomes], names=["test", "outcome"]) for t in targets
    ]
    return pd.concat([_frame(these, middle, index[0]), _frame(coming, coming, index[1])])


def _frame(values: np.ndarray, middle: np.ndarray, index: pd.MultiIndex) -> pd.DataFrame:
    """Arms, difference and its interval; `values`, `middle` (draw, arm, quantity)."""
    change = values[:, 1] - values[:, 0]
    lower, upper = np.quantile(change, TAILS, axis=0)
    reference, treated = middle.mean(axis=0)
    return pd.DataFrame(
        {
            "reference": reference,
            "treated": treated,
            "effect": treated - reference,
            "lower": lower,
            "upper": upper,
            "p_positive": (change > 0).mean(axis=0),
        },
        index=index,
    )


def _notes(fit: Fit, name: str, contrasts: tuple[Contrast, ...], noun: str) -> tuple[str, ...]:
    levels = fit.model.responses.response_coding.levels
    scored = ", ".join(f"{k} = {level}" for k, level in enumerate(levels))
    if levels == tuple(str(k) for k in range(len(levels))):
        scored = f"0 to {levels[-1]}"
    notes = [
        f"Scores: {scored}. Averages over persons, clusters and covariates: what is expected if "
        "everybody were in an arm, not of a typical person."
    ]
    (here, cure), weights = beyond_the_edge(fit), [changes_by_item(fit, name, c) for c in contrasts]
    if any(effects_at_zero(fit, name, w) for w in weights):
        notes.append(
            f"The SD of {noun}s over items is estimated at 0: intervals of single items are too "
            f"narrow by {here}. Use {cure}."
        )
    if noun == "difference":
        notes.append("Arms were not randomised: these are differences between groups.")
    return tuple(notes)
