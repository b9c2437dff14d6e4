"""The average effect under other anchors: what separates an effect on ability from item effects."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import chi2

from ilhte_bayes.engines.quadrature import quadrature
from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.estimands.distribution import (
    Distribution,
    NormalDistribution,
    SampledDistribution,
    linear,
)
from ilhte_bayes.estimands.item_sample import few_treated
from ilhte_bayes.estimands.items import item_effects
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.fits.intervals import p_words
from ilhte_bayes.models.model import Model
from ilhte_bayes.sensitivity.deviations import Deviations, draw_deviations
from ilhte_bayes.sensitivity.unpooled import unpooled_effects

_CROWDED = 0.4  # share of items that deviate, of a half at most

IDENTIFICATION = (
    "What identifies what. {source} the expected answers by item and arm, and "
    "with them the {noun} on each item, beta_1 + zeta_i: adding a constant to beta_1 and taking it "
    "from every zeta_i changes no expected answer. E(zeta) = 0 adds a definition: beta_1 is the "
    "mean {noun} on items of this kind, whatever it consists of. That it is a change in ability, "
    "and that zeta_i is the item's own, only invariance adds: that answers to the anchors depend "
    "on treatment through ability alone. No answers after treatment can test that for all items at "
    "once; anchors can only be seen to agree with each other."
)


@dataclass(frozen=True, repr=False, eq=False)
class Anchors:
    """The average effect under several anchoring assumptions; prints as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index (contrast, assumption); `effect`, `se`, `lower`, `upper` (95 %, logits),
        `p_positive`, `change` from the model's own.
    items : pandas.DataFrame
        Index (contrast, item); `effect`, `se` of the item on its own; `deviation`, `lower`,
        `upper` (95 %, logits) and `p_differs`, the probability that it is another than 0, where
        most items do not differ; where anchors are named `from_anchors`, `from_anchors_lower`,
        `from_anchors_upper`.
    noun : str
        "effect", or "difference" where arms were not randomised.
    text : str
        What assignment to arms identifies, what E(zeta) = 0 adds, what only invariance adds.
    notes : tuple of str
    """

    frame: pd.DataFrame
    items: pd.DataFrame
    noun: str
    text: str
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the table of average effects."""
        return self.frame

    def __repr__(self) -> str:
        from ilhte_bayes.show.anchor_words import describe_anchors

        return describe_anchors(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.anchor_words import anchors_html

        return anchors_html(self)


def anchors(fit: Fit | Model, *, items: Sequence | str = (), df: float = 4.0) -> Anchors:
    """Average effect under other assumptions on the items' deviations zeta.

    Mean zero (the model's own); median zero; the mean effect on named anchor items; sparse (most
    items do not deviate at all); heavy tails (Student's t).

    Parameters
    ----------
    fit : Fit or Model
        With `(treat | item)`. A model is fitted by `il.quadrature`, MAP.
    items : sequence, optional
        Labels of anchor items: those believed to depend on treatment through ability alone.
    df : float
        Degrees of freedom of the heavy tails, above 2.

    Returns
    -------
    Anchors

    Raises
    ------
    ModelError
        If effects do not differ by item in the model, or an anchor is none of its items.

    Notes
    -----
    All rows but the first start from items' effects estimated each on its own (`unpooled_effects`)
    and their joint covariance. Named anchors: their mean, so zeta averages 0 over them; that they
    also agree with each other is tested (chi2, one degree of freedom less than anchors). Sparse: a
    spike at 0 for at least half of the items, a normal for the rest. Median: of these items'
    effects, with normal zeta. See `second_stage` for the model of each.

    References
    ----------
    Doebler (2019), Appl. Psychol. Meas. 43(4), 303-321 (anchoring and its assumptions); Chen, Li,
    Ouyang & Xu (2023), Psychometrika 88, 1097-1122 (few items with an effect of their own).

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> fit = il.laplace(il.il_hte(trial, response="resp >= 2", clusters=["study"]))
    >>> found = il.anchors(fit)
    >>> len(found.frame)
    4
    """
    if isinstance(fit, Model):
        fit = quadrature(fit, objective="map")
    if not df > 2:
        raise ModelError(f"df={df}: t's SD exists for df above 2 only. Give df=4, say.")
    name = require_group(fit, "item")
    labels = list(fit.model.design.group(name).labels)
    chosen = _positions(items, labels, name)
    own = item_effects(fit)
    frames, tables, notes = {}, {}, []
    for contrast, effects in unpooled_effects(fit).items():
        sparse = draw_deviations(effects, "sparse")
        heavy, normal = (draw_deviations(effects, kind, df=df) for kind in ("heavy", "normal"))
        rows: dict[str, Distribution] = {
            "median zero": _drawn(np.median(normal.beta[:, None] + normal.zeta, axis=1), effects)
        }
        if chosen.size:
            rows[f"anchors: {_named(labels, chosen)}"] = _mean_of(effects, chosen)
            notes += _agreement(effects, chosen, contrast)
        rows["sparse: most items zero"] = _drawn(sparse.beta, effects)
        rows[f"heavy tails: t, {df:g} df"] = _drawn(heavy.beta, effects)
        notes.append(_how_sparse(sparse, contrast))
        frames[contrast] = _averages(own.average.loc[contrast], rows)
        tables[contrast] = _items_table(effects, sparse, chosen, pd.Index(labels, name=name))
    frame = pd.concat(frames, names=["contrast", "assumption"])
    table = pd.concat(tables, names=["contrast", name])
    notes = [*_notes(fit, own.noun), *notes]
    return Anchors(frame, table, own.noun, _identification(fit, own.noun), tuple(notes))


def _identification(fit: Fit, noun: str) -> str:
    """The paragraph, claiming randomisation only where somebody stated it."""
    kind = fit.model.assignment.kind if fit.model.assignment else None
    source = {
        "randomised": "Randomisation identifies",
        "observational": "The table identifies",
    }.get(str(kind), "Randomisation, if arms were randomised, identifies")
    return IDENTIFICATION.format(source=source, noun=noun)


def _positions(items: Sequence | str, labels: list, name: str) -> np.ndarray:
    """Where the anchors are among the items; numbers may be written as text."""
    wanted = [items] if isinstance(items, str) else list(items)
    texts = [str(label) for label in labels]
    if unknown := [item for item in wanted if str(item) not in texts]:
        raise ModelError(
            f"items={listed(unknown)}: no such {name}; the model's are {listed(labels, 10)}. Name "
            "anchors among these."
        )
    found = np.unique([texts.index(str(item)) for item in wanted]).astype(int)
    if found.size == len(labels):
        raise ModelError(
            f"all {len(labels)} items are named as anchors: that is the mean over these items, "
            "which il.effect_card(fit) has. Name some of them."
        )
    return found


def _named(labels: list, chosen: np.ndarray) -> str:
    names = [str(labels[k]) for k in chosen]
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} items"


def _mean_of(effects: NormalDistribution, chosen: np.ndarray) -> Distribution:
    weight = np.zeros((1, effects.mean.size))
    weight[0, chosen] = 1.0 / chosen.size
    return linear(effects, weight)


def _drawn(values: np.ndarray, effects: NormalDistribution) -> Distribution:
    """Draws of an average; where few clusters were treated, by t what all items' effects share."""
    if np.isinf(effects.few).all():
        return SampledDistribution(values[:, None])
    variance = np.array([[values.var(ddof=1)]])
    return NormalDistribution(values.mean(keepdims=True), variance, effects.shared, effects.few)


def _agreement(effects: NormalDistribution, chosen: np.ndarray, contrast: str) -> list[str]:
    """Whether the anchors' effects may be equal: chi2 of their differences."""
    if chosen.size < 2:
        return [
            "A single anchor cannot be checked against others: its whole effect is taken for one "
            "on ability."
        ]
    differences = np.eye(chosen.size)[1:] - np.eye(chosen.size)[:1]
    gap = differences @ effects.mean[chosen]
    spread = differences @ effects.covariance[np.ix_(chosen, chosen)] @ differences.T
    statistic = float(gap @ np.linalg.solve(spread, gap))
    p = float(chi2.sf(statistic, chosen.size - 1))
    verdict = "they do not agree: not all are anchors" if p < 0.05 else "no sign that they disagree"
    return [
        f"Do the {chosen.size} anchors have one effect ({contrast})? chi2({chosen.size - 1}) = "
        f"{statistic:.2f}, {p_words(p)}: {verdict}."
    ]


def _how_sparse(sparse: Deviations, contrast: str) -> str:
    """How many items deviate if at least half do not."""
    differing, n = float(sparse.differs.sum(axis=1).mean()), sparse.differs.shape[1]
    said = f"Sparse ({contrast}): {differing:.1f} of {n} items are expected to deviate"
    if differing > _CROWDED * n:
        return f"{said}, close to the most allowed: few deviations do not describe these items."
    return f"{said}."


def _averages(own: pd.Series, rows: dict[str, Distribution]) -> pd.DataFrame:
    out = {"mean zero (the model's)": own}
    for label, distribution in rows.items():
        lower, upper = distribution.interval()
        out[label] = pd.Series(
            {
                "effect": distribution.mean[0],
                "se": distribution.sd[0],
                "lower": lower[0],
                "upper": upper[0],
                "p_positive": distribution.positive()[0],
            }
        )
    frame = pd.DataFrame(out).T
    return frame.assign(change=frame["effect"] - float(own["effect"])).rename_axis("assumption")


def _items_table(
    effects: NormalDistribution, sparse: Deviations, chosen: np.ndarray, index: pd.Index
) -> pd.DataFrame:
    lower, upper = SampledDistribution(sparse.zeta).interval()
    frame = pd.DataFrame(
        {
            "effect": effects.mean,
            "se": effects.sd,
            "deviation": sparse.zeta.mean(axis=0),
            "lower": lower,
            "upper": upper,
            "p_differs": sparse.differs.mean(axis=0),
        },
        index=index,
    )
    if not chosen.size:
        return frame
    less = np.eye(len(index))
    less[:, chosen] -= 1.0 / chosen.size
    beyond = linear(effects, less)
    low, high = beyond.interval()
    return frame.assign(from_anchors=beyond.mean, from_anchors_lower=low, from_anchors_upper=high)


def _notes(fit: Fit, noun: str) -> list[str]:
    notes = [
        f"Change: from the model's own average {noun}. All other rows start from the {noun} on "
        "each item estimated on its own; a clear change says that the answer rests on which items "
        "are taken as anchors.",
        "Median zero: half of these items gain more, half less. Sparse: at least half of the items "
        "have no deviation, the others' are normal. Heavy tails: a few may deviate far. The last "
        "three hold if deviations are as described, which few items can hardly show.",
    ]
    notes.append(
        f"Rows differ in what they are about: mean zero and heavy tails are the average {noun} over "
        "the population of items, so their intervals allow for the sampling of items; "
        f"median zero and named anchors are about these items; sparse is the {noun} on items that do "
        "not deviate."
    )
    if len(fit.model.responses.patterns.columns) > 1:
        notes.append(
            f"Where the model lets the {noun} vary with other variables, or with features of items, "
            "an item's deviation holds that too: items are compared by their whole "
            f"{noun}, averaged over the answers to them."
        )
    if units := few_treated(fit):
        notes.append(
            f"{units.confounded} There is no interval of an average {noun}."
            if units.confounded
            else f"Few clusters were treated ({units.n_units} levels of {units.unit}): average "
            f"{noun}s hold an error that all items share, by t with {units.df} degrees of freedom."
        )
    if fit.model.ability != "normal":
        notes.append("Items on their own were estimated with normal abilities.")
    if noun == "difference":
        notes.append("Arms were not randomised: these are differences between groups.")
    return notes
