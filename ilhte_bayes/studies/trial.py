"""A planned trial: its sizes and true parameters, and answers drawn from them.

Everything is drawn here from the equation, apart from `models.simulated`, which draws answers from
a model's design; tests hold the two against each other.
"""

from dataclasses import dataclass, fields, replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from ilhte_bayes.errors import ModelError, is_whole_number
from ilhte_bayes.families import get_family

Family = Literal["bernoulli", "cumulative", "adjacent"]
_CUTS = (-1.0, 0.0, 1.0)  # of ordinal answers, where none are given


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial of persons who answer items, as it is planned; all parameters in logits.

    eta_ij = a_i (theta_j + (effect + interaction x_j) T_j) + b_i + zeta_i T_j, where
    theta_j ~ N(slope x_j + cluster_c, sigma_theta^2) and (b_i, zeta_i) ~ N2 with SDs sigma_b and
    sigma_zeta and correlation rho.

    Parameters
    ----------
    persons, items : int
    effect : float
        Average treatment effect, beta_1.
    sigma_zeta : float
        SD of the effects over items.
    rho : float
        Correlation of an item's easiness and its effect.
    sigma_theta : float
        SD of ability, within arm, cluster and covariate.
    sigma_b : float
        SD of easiness.
    intercept : float
        Logit of the average person on the average item without treatment; binary answers.
    share_treated : float
        Of persons, or of clusters with `by_cluster`.
    family : {"bernoulli", "cumulative", "adjacent"}
    thresholds : sequence of float
        kappa of ordinal answers; -1, 0, 1 by default, which makes four categories.
    sd_discrimination : float
        SD of log discriminations a_i (2PL, binary answers); 0: all items discriminate alike. The
        effect is then on ability, zeta_i too: a_i (theta_j + (effect + zeta_i) T_j) + b_i.
    clusters : int
        Groups of persons, of nearly equal size; 0 for none.
    sigma_cluster : float
        SD of ability between clusters.
    by_cluster : bool
        Whether whole clusters are treated.
    slope, interaction : float
        Of a covariate x ~ N(0, 1) of persons: how ability rises with it, and how the effect does
        (persons for whom the treatment works better). Both 0: no covariate.
    feature : float
        How much larger the effect is on half of the items, marked by the item feature `feature`
        (-1/2 or 1/2), beside zeta. 0: no feature.
    booklets : int
        Items are dealt into as many booklets, and each person answers one (missing by design).
    missing : float
        Share of the answers asked for that are missing at random.

    Raises
    ------
    ModelError
        If a value is impossible.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> plan = il.Trial(persons=200, items=10, effect=0.3, sigma_zeta=0.2)
    >>> il.simulate(plan, seed=1).table.shape
    (2000, 4)
    """

    persons: int = 500
    items: int = 20
    effect: float = 0.3
    sigma_zeta: float = 0.2
    rho: float = 0.0
    sigma_theta: float = 1.0
    sigma_b: float = 1.0
    intercept: float = 0.0
    share_treated: float = 0.5
    family: Family = "bernoulli"
    thresholds: tuple[float, ...] = ()
    sd_discrimination: float = 0.0
    clusters: int = 0
    sigma_cluster: float = 0.3
    by_cluster: bool = False
    slope: float = 0.0
    interaction: float = 0.0
    feature: float = 0.0
    booklets: int = 1
    missing: float = 0.0

    def __post_init__(self) -> None:
        if self.family in ("cumulative", "adjacent"):
            cuts = tuple(float(k) for k in self.thresholds) or _CUTS
            object.__setattr__(self, "thresholds", cuts)
        for rule, found, cure in _rules(self):
            if not rule:
                raise ModelError(f"Trial({found}): {cure}")

    def changed(self, **changes: object) -> "Trial":
        """Return the same trial with some fields replaced."""
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise ModelError(
                    f"a trial has no {name!r}; it has {', '.join(known)}. Name one of these."
                )
        return replace(self, **changes)  # type: ignore[arg-type]

    @property
    def covariate(self) -> bool:
        """Whether persons have a covariate."""
        return bool(self.slope or self.interaction)

    @property
    def options(self) -> dict:
        """What `il.il_hte` is told of a table of this trial."""
        return {
            "family": self.family,
            "clusters": ["cluster_id"] if self.clusters else [],
            "covariates": ["x"] if self.slope and not self.interaction else [],
            "moderators": ["x"] if self.interaction else [],
            "item_features": ["feature"] if self.feature else [],
            "discrimination": bool(self.sd_discrimination),
        }

    def __repr__(self) -> str:
        shown = [f.name for f in fields(self) if getattr(self, f.name) != f.default]
        first = ["persons", "items", "effect", "sigma_zeta"]
        names = first + [name for name in shown if name not in first]
        return f"Trial({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


def _rules(t: Trial) -> list[tuple[bool, str, str]]:
    """What must hold, what was found, and what to do."""
    sds = ("sigma_zeta", "sigma_theta", "sigma_b", "sd_discrimination", "sigma_cluster")
    units = t.clusters if t.by_cluster else t.persons
    treated = round(t.share_treated * units)
    ordinal = t.family in ("cumulative", "adjacent")
    return [
        *((_whole(getattr(t, n), low), f"{n}={getattr(t, n)!r}",
           f"it is a whole number of at least {low}.")
          for n, low in (("persons", 4), ("items", 2), ("clusters", 0), ("booklets", 1))),
        *((getattr(t, n) >= 0, f"{n}={getattr(t, n)!r}", "an SD is 0 or more.") for n in sds),
        (-1 <= t.rho <= 1, f"rho={t.rho!r}", "a correlation lies between -1 and 1."),
        (0 < t.share_treated < 1, f"share_treated={t.share_treated!r}",
         "it is a share between 0 and 1, such as 0.5."),
        (0 <= t.missing < 1, f"missing={t.missing!r}", "it is a share of answers, such as 0.1."),
        (t.booklets <= t.items, f"booklets={t.booklets}", f"there are {t.items} items to deal."),
        (t.family == "bernoulli" or ordinal, f"family={t.family!r}",
         "it is 'bernoulli' (yes or no), 'cumulative' or 'adjacent' (ordered categories). For "
         "others simulate from a model: il.simulate(model)."),
        (not (t.thresholds and not ordinal), f"thresholds={t.thresholds}",
         "binary answers have an intercept in their place. Add family='cumulative', or use "
         "intercept=."),
        (not (t.intercept and ordinal), f"intercept={t.intercept}",
         "ordinal answers have thresholds in its place; move those."),
        (t.family != "cumulative" or list(t.thresholds) == sorted(set(t.thresholds)),
         f"thresholds={t.thresholds}", "thresholds of a cumulative logit rise: write the lowest first."),
        (not (t.sd_discrimination and ordinal), f"sd_discrimination={t.sd_discrimination}",
         "discriminations of ordinal items are not there. Use family='bernoulli', or 0."),
        (not (t.sd_discrimination and t.feature), f"feature={t.feature}",
         "an item feature beside discriminations is not there. Drop one of them."),
        (t.clusters != 1 and t.clusters * 2 <= t.persons, f"clusters={t.clusters}",
         f"with {t.persons} persons it is 0 (none), or 2 to {t.persons // 2}."),
        (not (t.by_cluster and not t.clusters), "by_cluster=True",
         "say how many clusters=... there are."),
        (0 < treated < units, f"share_treated={t.share_treated!r}",
         f"of {units} {'clusters' if t.by_cluster else 'persons'} it leaves an arm empty."),
    ]  # fmt: skip


def _whole(value: object, low: int) -> bool:
    return is_whole_number(value, low)


class Layout(NamedTuple):
    """Who is where and is asked what; not the answers."""

    arm: np.ndarray  # (person,) 0 or 1
    cluster: np.ndarray  # (person,)
    x: np.ndarray  # (person,) covariate
    feature: np.ndarray  # (item,) -1/2 or 1/2
    asked: np.ndarray  # (person, item) bool: and answered


class Drawn(NamedTuple):
    """True effects of items, persons and clusters, in logits."""

    easiness: np.ndarray  # (item,)
    zeta: np.ndarray  # (item,)
    discrimination: np.ndarray  # (item,)
    ability: np.ndarray  # (person,) deviation from what covariate and cluster say
    cluster: np.ndarray  # (cluster,)


def lay_out(trial: Trial, rng: np.random.Generator) -> Layout:
    """Draw arms, clusters, covariate, and who is asked what."""
    n, k = trial.persons, trial.items
    cluster = np.arange(n) * max(trial.clusters, 1) // n
    units = trial.clusters if trial.by_cluster else n
    treated = rng.permutation(units) < round(trial.share_treated * units)
    arm = (treated[cluster] if trial.by_cluster else treated).astype(np.int64)
    x = rng.normal(size=n)
    feature = np.where(np.arange(k) % 2, 0.5, -0.5)
    booklet = rng.permutation(n) % trial.booklets
    asked = booklet[:, None] == np.arange(k) % trial.booklets
    return Layout(arm, cluster, x, feature, asked & (rng.random((n, k)) >= trial.missing))


def draw_effects(trial: Trial, rng: np.random.Generator) -> Drawn:
    """Draw items, persons and clusters."""
    standard = rng.normal(size=(2, trial.items))
    rest = np.sqrt(1.0 - trial.rho**2)
    return Drawn(
        easiness=trial.sigma_b * standard[0],
        zeta=trial.sigma_zeta * (trial.rho * standard[0] + rest * standard[1]),
        discrimination=np.exp(trial.sd_discrimination * rng.normal(size=trial.items)),
        ability=trial.sigma_theta * rng.normal(size=trial.persons),
        cluster=trial.sigma_cluster * rng.normal(size=max(trial.clusters, 1)),
    )


def draw_answers(
    trial: Trial, layout: Layout, drawn: Drawn, rng: np.random.Generator
) -> np.ndarray:
    """(person, item) answers, 0 to K - 1, also to what is not asked."""
    theta = drawn.ability + trial.slope * layout.x
    if trial.clusters:
        theta = theta + drawn.cluster[layout.cluster]
    arm = layout.arm[:, None]
    effect = trial.effect + trial.interaction * layout.x[:, None] + drawn.zeta
    effect = effect + trial.feature * layout.feature
    eta = drawn.discrimination * (theta[:, None] + effect * arm) + drawn.easiness
    flat = (eta + trial.intercept).ravel()
    family = get_family(trial.family).of(len(trial.thresholds) + 1 if trial.thresholds else 2)
    cuts = np.tile(np.asarray(trial.thresholds), (flat.size, 1))
    counts = family.draw(flat, cuts, np.ones(flat.size, dtype=np.int64), rng)
    return counts.argmax(axis=1).astype(np.int8).reshape(eta.shape)


def labels(trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Ids of persons, and names of items whose order is that of their numbers."""
    width = len(str(trial.items))
    names = [f"q{k:0{width}d}" for k in range(1, trial.items + 1)]
    return np.arange(1, trial.persons + 1), np.array(names)


def long_table(trial: Trial, layout: Layout, answers: np.ndarray) -> pd.DataFrame:
    """One row for each answer, columns named as `il.il_hte` reads them."""
    person, item = np.nonzero(layout.asked)
    ids, names = labels(trial)
    columns: dict[str, np.ndarray] = {
        "id": ids[person],
        "item": names[item],
        "treat": layout.arm[person],
        "resp": answers[person, item],
    }
    if trial.clusters:
        columns["cluster_id"] = layout.cluster[person] + 1
    if trial.covariate:
        columns["x"] = layout.x[person]
    if trial.feature:
        columns["feature"] = layout.feature[item]
    return pd.DataFrame(columns)
