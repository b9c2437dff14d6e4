"""Expected answers if everybody were in one arm: of these items, of new ones, of all of their kind.

Persons, clusters and covariates are averaged over as they are in the table ("population"), or held
at their mean ("typical": the median person, of average covariates).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import norm, qmc

from ilhte_bayes.estimands.ability_averages import Shape, average_logistic, average_steps
from ilhte_bayes.estimands.expected_draws import Draw, of_items
from ilhte_bayes.estimands.thresholds import thresholds_by_item
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.contrasts import Contrast, fixed_in_arm, group_in_arm
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.likelihood.integrable import choose_group
from ilhte_bayes.models.discrimination import Loading, find_loading
from ilhte_bayes.models.roots import root_of

Average = Literal["population", "typical"]

_HERMITE, _WEIGHT = np.polynomial.hermite_e.hermegauss(21)  # of log discriminations
_WEIGHT = _WEIGHT / _WEIGHT.sum()
_ROUNDING = 1e-12  # shares that are equal agree to this
_LOG2_ITEMS = 8  # new items that stand for all where no integral does (see `Arm.population`)


@dataclass(frozen=True, slots=True)
class Deviate:
    """Random effects of a group that are averaged over."""

    name: str
    z: np.ndarray  # (place, column)
    loaded: np.ndarray  # (column,) whether discriminations multiply it


@dataclass(frozen=True, slots=True)
class Arm:
    """All answers as they would be in one arm; called with a draw, P(Y >= c) by item."""

    n_cuts: int
    adjacent: bool
    x: np.ndarray  # (place, term), a place being a combination of covariates
    item: np.ndarray  # (cell,) of the different answers: the item,
    place: np.ndarray  # (cell,) their covariates,
    share: np.ndarray  # (cell,) and their share of the item's answers
    groups: tuple[tuple[Group, np.ndarray, np.ndarray], ...]  # of items: z, level of each item
    others: tuple[Deviate, ...]  # everything else; nothing for the typical person
    shaped: bool  # whether ability has a free shape, which is none of `others`
    loading: Loading | None
    by_item: np.ndarray | None  # (item, place) share; nothing where it is the same for all items

    @staticmethod
    def of(
        fit: Fit, name: str, contrast: Contrast, arm: object, average: Average = "population"
    ) -> "Arm":
        """Set the treatment of every answer to an arm, and covariates to what a contrast holds."""
        model = fit.model
        design, patterns = model.design, model.responses.patterns
        same = (model.formula, patterns, design.pattern_of_answers())
        where = (str(model.roles.treatment), arm)
        own = design.group(name)
        cell = own.level.astype(np.int64) * len(patterns) + design.pattern
        used, at = np.unique(cell, return_inverse=True)
        item, pattern = np.divmod(used, len(patterns))
        count = np.bincount(at, weights=design.count)
        share = count / np.bincount(item, weights=count)[item]
        x = fixed_in_arm(*same, *where, design.terms, contrast.held)
        z = {g.name: group_in_arm(*same, *where, g, contrast.held) for g in design.groups}
        ends = np.cumsum([x.shape[1], *(values.shape[1] for values in z.values())])
        rows = np.hstack([x, *z.values()])
        if average == "typical":  # of average covariates, item by item
            mean = np.zeros((own.n_levels, rows.shape[1]))
            np.add.at(mean, item, share[:, None] * rows[pattern])
            rows, item = mean, np.arange(own.n_levels)
            pattern, share = item, np.ones(own.n_levels)
        rows, place = np.unique(rows, axis=0, return_inverse=True)
        item, place, share = _merged(item, place.ravel()[pattern], share)
        x, *pieces = np.split(rows, ends[:-1], axis=1)
        z = dict(zip(z, pieces, strict=True))
        mine, first = of_items(fit, name), np.unique(own.level, return_index=True)[1]
        loading = find_loading(model) if model.discrimination is not None else None
        left = {g.name for g in mine}
        shaped = model.ability != "normal" and average == "population"
        if shaped:
            left.add(str(choose_group(design, "auto", person=model.roles.person)))
        rest = [g for g in design.groups if g.name not in left and average == "population"]
        return Arm(
            n_cuts=design.n_cuts,
            adjacent=bool(design.n_categories),
            x=x,
            item=item,
            place=place,
            share=share,
            groups=tuple((g, z[g.name], g.level[first]) for g in mine),
            others=tuple(Deviate(g.name, z[g.name], _loaded(g, loading)) for g in rest),
            shaped=shaped,
            loading=loading,
            by_item=_by_item(own.n_levels, len(x), item, place, share),
        )

    def __call__(self, draw: Draw) -> np.ndarray:
        """(item, cut) P(Y >= c) of these items."""
        own, loaded = (part[self.place] for part in self._fixed(draw))
        for group, z, level in self.groups:
            each = z[self.place] * draw.effects[group.name][level[self.item]]
            mask = _loaded(group, self.loading)
            own, loaded = own + each[:, ~mask].sum(axis=1), loaded + each[:, mask].sum(axis=1)
        a = np.ones(own.size) if draw.discrimination is None else draw.discrimination[self.item]
        group = self.groups[0][0]
        cuts = thresholds_by_item(group, self.n_cuts, draw.beta, draw.effects[group.name])
        variance = _quadratic(self.others, draw, self.place, a)
        each = self._chances((own + a * loaded)[:, None] - cuts[self.item], variance, draw)
        return np.stack([np.bincount(self.item, self.share * p, len(cuts)) for p in each.T], axis=1)

    def new_items(
        self,
        draw: Draw,
        effects: np.ndarray,
        logs: np.ndarray | None = None,
        like: np.ndarray | None = None,
    ) -> np.ndarray:
        """(new item, cut) for items with these effects (item, column) and log discriminations.

        `like` (new item,) says whose features and answering persons each has, an item of the table;
        without it they are averaged over all items.
        """
        group, z, _ = self.groups[0]
        logs = np.zeros(len(effects)) if logs is None else logs
        own, loaded = self._fixed(draw, others=True)
        n, mask = len(effects), _loaded(group, self.loading)
        own = np.add.outer(own, np.zeros(n)) + z[:, ~mask] @ effects[:, ~mask].T
        loaded = np.add.outer(loaded, np.zeros(n)) + z[:, mask] @ effects[:, mask].T
        a = np.tile(np.exp(logs), (len(z), 1))
        cuts = thresholds_by_item(group, self.n_cuts, draw.beta, effects)
        places = (own + a * loaded)[:, :, None] - cuts
        at = np.repeat(np.arange(len(z)), n)
        variance = _quadratic(self.others, draw, at, a.ravel())
        each = self._chances(places.reshape(at.size, -1), variance, draw)
        if like is None or self.by_item is None:
            return np.einsum("p,pic->ic", self._weight(), each.reshape(places.shape))
        return np.einsum("ip,pic->ic", self.by_item[like], each.reshape(places.shape))

    def population(self, draw: Draw) -> np.ndarray:
        """(cut,) average over the population of items, by integrals.

        Of adjacent categories with thresholds by item the average over 256 items, spread evenly
        (a scrambled Sobol sequence): no integral over one variable gives it.
        """
        group, z, _ = self.groups[0]
        if self.adjacent and group.cut_z is not None:
            effects = _even_normals(group.n_columns) @ root_of(draw.covariance[group.name]).T
            return np.asarray(self.new_items(draw, effects).mean(axis=0))
        own, loaded = self._fixed(draw, others=True)
        logs = draw.sd_discrimination * _HERMITE if self.loading else np.zeros(1)
        weights = _WEIGHT if self.loading else np.ones(1)
        at = np.arange(len(z))
        kappa = draw.beta[: self.n_cuts] if self.n_cuts else np.zeros(1)
        shift = np.zeros((kappa.size, group.n_columns)) if group.cut_z is None else group.cut_z
        out = np.zeros(kappa.size)
        for log, weight in zip(logs, weights, strict=True):
            a = np.full(at.size, np.exp(log))
            places = (own + a * loaded)[:, None] - kappa
            around = _quadratic(self.others, draw, at, a)
            mask = _loaded(group, self.loading)
            spreads = [
                around + _quadratic((Deviate(group.name, z + s, mask),), draw, at, a) for s in shift
            ]
            if self.adjacent:
                each = self._chances(places, spreads[0], draw)
            else:
                pairs = zip(places.T, spreads, strict=True)
                each = np.hstack([self._chances(p[:, None], v, draw) for p, v in pairs])
            out += weight * (self._weight() @ each)
        return out

    def _weight(self) -> np.ndarray:
        """(place,) share of answers, items counting alike."""
        total = np.bincount(self.place, self.share, minlength=len(self.x))
        return np.asarray(total / total.sum())

    def _fixed(self, draw: Draw, others: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """(place,) fixed parts: the items' own, and what discriminations multiply.

        `others` adds the average effect of further groups that items belong to.
        """
        own, loaded = np.zeros(len(self.x)), np.zeros(len(self.x))
        if self.loading is None:
            own = self.x @ draw.beta
        else:
            terms, centre = self.loading.terms, self.loading.centre
            own = self.x[:, ~terms] @ draw.beta[~terms] + centre @ draw.beta
            loaded = (self.x - centre)[:, terms] @ draw.beta[terms]
        for group, z, level in self.groups[1:] if others else ():
            each = z * draw.effects[group.name][level].mean(axis=0)
            mask = _loaded(group, self.loading)
            own, loaded = own + each[:, ~mask].sum(axis=1), loaded + each[:, mask].sum(axis=1)
        return own, loaded

    def _chances(self, places: np.ndarray, variance: np.ndarray, draw: Draw) -> np.ndarray:
        """(cell, cut) probabilities over deviates of these variances (cell,), and over ability."""
        average = average_steps if self.adjacent else average_logistic
        shape: Shape = draw.shape if self.shaped else None
        if variance.min() == variance.max():
            return average(places, float(np.sqrt(variance[0])), shape)
        kinds, kind = np.unique(variance, return_inverse=True)
        out = np.empty(places.shape)
        for k, value in enumerate(kinds):
            out[kind == k] = average(places[kind == k], float(np.sqrt(value)), shape)
        return out


def new_items(
    arm: Arm, draw: Draw, k: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Effects (item, column) and log discriminations (item,) of k items from their population."""
    group = arm.groups[0][0]
    effects = rng.standard_normal((k, group.n_columns)) @ root_of(draw.covariance[group.name]).T
    return effects, draw.sd_discrimination * rng.standard_normal(k)


def _loaded(group: Group, loading: Loading | None) -> np.ndarray:
    """(column,) whether discriminations multiply it."""
    columns = frozenset() if loading is None else loading.columns
    return np.array([(group.name, k) in columns for k in range(group.n_columns)], dtype=bool)


def _quadratic(
    parts: tuple[Deviate, ...], draw: Draw, place: np.ndarray, a: np.ndarray
) -> np.ndarray:
    """(cell,) variance of groups' effects together, at places, for items of discriminations a."""
    pure, mixed, twice = (np.zeros(1) for _ in range(3))  # by power of a
    for part in parts:
        covariance = draw.covariance[part.name]
        own, loaded = part.z * ~part.loaded, part.z * part.loaded
        pure = pure + ((own @ covariance) * own).sum(axis=1)
        if part.loaded.any():
            mixed = mixed + ((own @ covariance) * loaded).sum(axis=1)
            twice = twice + ((loaded @ covariance) * loaded).sum(axis=1)
    n = max(pure.size, mixed.size)
    pure, mixed, twice = (np.broadcast_to(v, n)[place * (n > 1)] for v in (pure, mixed, twice))
    return np.maximum(pure + 2.0 * a * mixed + a**2 * twice, 0.0).round(12)


def _by_item(
    n_items: int, n_places: int, item: np.ndarray, place: np.ndarray, share: np.ndarray
) -> np.ndarray | None:
    """(item, place) share of an item's answers; None where items do not differ in it."""
    out = np.zeros((n_items, n_places))
    out[item, place] = share
    return None if np.ptp(out, axis=0).max() < _ROUNDING else out


def _merged(
    item: np.ndarray, place: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells of one item and one place put together."""
    size = int(place.max()) + 1
    used, at = np.unique(item.astype(np.int64) * size + place, return_inverse=True)
    return used // size, used % size, np.bincount(at, weights=share)


def _even_normals(n_columns: int) -> np.ndarray:
    """(item, column) standard normals spread evenly, the same whenever called."""
    uniform = qmc.Sobol(n_columns, rng=np.random.default_rng(20231021)).random_base2(_LOG2_ITEMS)
    return np.asarray(norm.ppf(np.clip(uniform, 1e-12, 1.0 - 1e-12)))
