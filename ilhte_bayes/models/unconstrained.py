"""Unconstrained: the vector a sampler moves in <-> a model's named parameters."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.likelihood.answers import (
    Categories,
    Counted,
    binary_answers,
    category_answers,
    gaps,
)
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.likelihood.plan import Plan, Units, sum_scores
from ilhte_bayes.likelihood.predictor import Predictor
from ilhte_bayes.models import structure
from ilhte_bayes.models.distributions import (
    LKJ,
    Exponential,
    Flat,
    Gamma,
    HalfNormal,
    HalfStudentT,
    Normal,
    Prior,
    StudentT,
)
from ilhte_bayes.models.priors import Priors, correlated


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is in the vector.

    Coefficients first (of thresholds the lowest, then logarithms of the gaps), then for each group
    log SDs, partial correlations on the logit scale, and effects (none for the integrated group).
    """

    design: Design
    integrated: str  # "" where nothing is
    size: int
    sd_at: tuple[int, ...]
    pair_at: tuple[int, ...]
    raw_at: tuple[int, ...]
    centred: tuple[tuple[bool, ...], ...]  # (group) (column)
    carried: tuple[tuple[int, ...], ...]  # coefficient sampled with the column's effects, or -1

    def levels(self, group: Group) -> int:
        """Levels whose effects are sampled."""
        return 0 if group.name == self.integrated else group.n_levels


def pairs_of(group: Group) -> list[tuple[int, int, int, int]]:
    """Correlated columns: size of their block, row, column, and the column's place in the block."""
    return [
        (len(block), block[i], block[j], j)
        for block in group.blocks
        for i in range(len(block))
        for j in range(i)
    ]


def make_layout(design: Design, integrated: str, centred: frozenset[str]) -> Layout:
    """Number the unknowns.

    `centred` names columns, "item[treat]". A centred column whose name is also a fixed term
    carries it: what is sampled is coefficient plus effect, since the answers say more about the
    sum than about either. Each coefficient is carried once, by the first group that can.
    """
    at = len(design.terms)
    sd_at, pair_at, raw_at, flags, carried = [], [], [], [], []
    free = set(design.terms)
    for group in design.groups:
        own = tuple(f"{group.name}[{column}]" in centred for column in group.columns)
        own = own if group.name != integrated else (False,) * group.n_columns
        terms = []
        for column, yes in zip(group.columns, own, strict=True):
            take = yes and column in free
            terms.append(design.terms.index(column) if take else -1)
            free -= {column} if take else set()
        sd_at.append(at)
        at += group.n_columns
        pair_at.append(at)
        at += len(pairs_of(group))
        raw_at.append(at)
        at += 0 if group.name == integrated else group.n_levels * group.n_columns
        flags.append(own)
        carried.append(tuple(terms))
    return Layout(
        design, integrated, at, tuple(sd_at), tuple(pair_at), tuple(raw_at), tuple(flags),
        tuple(carried),
    )  # fmt: skip


def make_structure(
    layout: Layout, priors: Priors, plan: Plan | None, grid: Grid | None, rows: Design
) -> structure.Structure:
    """Collect a model's arrays for the compiled log-density.

    Parameters
    ----------
    layout : Layout
    priors : Priors
    plan, grid : Plan and Grid, or None
        None where nothing is integrated out.
    rows : Design
        The model's rows.
    """
    design = layout.design
    answers, between, choices = binary_answers(rows), gaps(rows), category_answers(rows)
    if plan is not None:
        answers = Counted(_NOWHERE, np.zeros(0), np.zeros(0))
        choices = Categories(_NOWHERE, np.zeros(0))
    places = (
        _NOWHERE if plan is None else plan.cells,
        _NOWHERE if plan is None else plan.means,
        answers.predictor,
        between.predictor,
        choices.predictor,
    )
    groups = design.groups
    beta = [_numbers(priors[design.parameter(term)]) for term in design.terms]
    sd = [_numbers(priors[f"sd_{g.name}[{c}]"]) for g in groups for c in g.columns]
    effects = np.cumsum([0, *(layout.levels(g) * g.n_columns for g in groups)])
    pairs = [pairs_of(group) for group in groups]
    shapes = [
        _eta(priors, group) + (d - 2 - j) / 2
        for group, own in zip(groups, pairs, strict=True)
        for d, _, _, j in own
    ]
    names = [group.name for group in groups]
    return structure.Structure(
        n_cuts=np.array([design.n_ordered]),
        beta_kind=np.array([kind for kind, *_ in beta]),
        beta_numbers=np.array([numbers for _, *numbers in beta]),
        column_start=np.cumsum([0, *(g.n_columns for g in groups)]),
        group_levels=np.array([layout.levels(g) for g in groups]),
        sd_at=np.array(layout.sd_at),
        pair_at=np.array(layout.pair_at),
        raw_at=np.array(layout.raw_at),
        effect_at=effects[:-1],
        sd_kind=np.array([kind for kind, *_ in sd]),
        sd_numbers=np.array([numbers for _, *numbers in sd]),
        centred=np.array([yes for own in layout.centred for yes in own]),
        carried=np.array([term for own in layout.carried for term in own]),
        pair_start=np.cumsum([0, *(len(own) for own in pairs)]),
        pair_row=np.array([i for own in pairs for _, i, _, _ in own]),
        pair_column=np.array([j for own in pairs for _, _, j, _ in own]),
        pair_shape=np.array(shapes),
        integrated=np.array([names.index(layout.integrated) if plan is not None else -1]),
        **_places(names, *places),
        answer_ones=answers.ones,
        answer_count=answers.count,
        gap_count=between.count,
        **_integral(plan, grid),
        origin=np.zeros(0),
        root=np.zeros(0),
        category_count=choices.count,
        n_categories=np.array([design.n_categories]),
    )


_NOWHERE = Predictor((), np.zeros((0, 0)), (), 0)


def _integral(plan: Plan | None, grid: Grid | None) -> dict[str, np.ndarray]:
    """Arrays of the integral; all empty where there is none."""
    if plan is None or grid is None:
        names = ("grid", "slopes", "score", *Units._fields)
        return {name: np.zeros(0) for name in names}
    return {
        "grid": np.array([grid.first, grid.step, grid.size, grid.smallest_sd]),
        "slopes": plan.slopes,
        "score": sum_scores(plan, plan.slopes),
        **plan.units._asdict(),
    }


def _numbers(prior: Prior) -> tuple[int, float, float, float]:
    """Kind and numbers of a prior, as the compiled density wants them."""
    match prior:
        case Normal():
            return structure.NORMAL, prior.mean, prior.sd, 0.0
        case HalfNormal():
            return structure.NORMAL, 0.0, prior.sd, 0.0
        case StudentT():
            return structure.STUDENT, prior.mean, prior.sd, prior.df
        case HalfStudentT():
            return structure.STUDENT, 0.0, prior.sd, prior.df
        case Exponential():
            return structure.EXPONENTIAL, prior.mean, 1.0, 0.0
        case Gamma():
            return structure.GAMMA, prior.shape, prior.rate, 0.0
        case Flat():
            return structure.FLAT, 0.0, 1.0, 0.0
    raise TypeError(f"no compiled density for {prior}")


def _eta(priors: Priors, group: Group) -> float:
    prior = priors[f"corr_{group.name}"] if correlated(group) else None
    return prior.eta if isinstance(prior, LKJ) else 1.0


def _places(names: list[str], *predictors: Predictor) -> dict[str, np.ndarray]:
    """Arrays of the linear predictors of cells and means."""
    columns = [column for predictor in predictors for column in predictor.columns]
    sizes = [column.level.size for column in columns]
    z_sizes = [0 if column.z is None else column.z.size for column in columns]
    z_start = np.cumsum([0, *z_sizes])[:-1]
    return {
        "place_terms_start": np.cumsum([0, *(len(p.terms) for p in predictors)]),
        "place_terms": np.array([t for p in predictors for t in p.terms]),
        "place_x_start": np.cumsum([0, *(p.x.size for p in predictors)]),
        "place_x": np.concatenate([p.x.ravel() for p in predictors]),
        "place_size": np.array([p.n_places for p in predictors]),
        "part_start": np.cumsum([0, *(len(p.columns) for p in predictors)]),
        "part_group": np.array([names.index(column.group) for column in columns]),
        "part_position": np.array([column.position for column in columns]),
        "part_level_start": np.cumsum([0, *sizes])[:-1],
        "part_level": _joined([column.level for column in columns]),
        "part_z_start": np.where(np.array(z_sizes) > 0, z_start, -1),
        "part_z": _joined([column.z for column in columns if column.z is not None]),
    }


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros(0)


def to_vector(layout: Layout, values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Vector of named parameters: `beta`, and for each group `sd_g`, `corr_g`, `re_g`."""
    out = np.zeros(layout.size)
    n_cuts = layout.design.n_ordered
    out[: len(layout.design.terms)] = values["beta"]
    out[1:n_cuts] = np.log(np.diff(values["beta"][:n_cuts]))
    for g, group in enumerate(layout.design.groups):
        name, d = group.name, group.n_columns
        sd = np.asarray(values[f"sd_{name}"], dtype=float)
        out[layout.sd_at[g] : layout.sd_at[g] + d] = np.log(sd)
        root = np.linalg.cholesky(values[f"corr_{name}"]) if correlated(group) else np.eye(d)
        partial = _partials(group, root)
        out[layout.pair_at[g] : layout.pair_at[g] + partial.size] = 2.0 * np.arctanh(partial)
        if n := layout.levels(group):
            effects = np.asarray(values[f"re_{name}"], dtype=float)
            raw = np.linalg.solve(root, (effects / sd).T).T
            for k in range(d):
                if layout.centred[g][k]:
                    term = layout.carried[g][k]
                    raw[:, k] = effects[:, k] + (values["beta"][term] if term >= 0 else 0.0)
            out[layout.raw_at[g] : layout.raw_at[g] + n * d] = raw.ravel()
    return out


def _partials(group: Group, root: np.ndarray) -> np.ndarray:
    """Canonical partial correlations of a correlation matrix's Cholesky factor."""
    out = []
    for _, i, j, place in pairs_of(group):
        before = next(block for block in group.blocks if i in block)[:place]
        out.append(root[i, j] / np.sqrt(1.0 - np.sum(root[i, list(before)] ** 2)))
    return np.array(out)


def to_posterior(layout: Layout, x: np.ndarray) -> xr.Dataset:
    """Name the draws (chain, draw, unknown): `beta`, `sd_g`, `corr_g`, `re_g`, in logits."""
    terms = layout.design.terms
    lead = x.shape[:2]
    beta = x[..., : len(terms)]
    if n_cuts := layout.design.n_ordered:
        steps = np.exp(x[..., 1:n_cuts])
        thresholds = np.cumsum(np.concatenate([x[..., :1], steps], axis=-1), axis=-1)
        beta = np.concatenate([thresholds, beta[..., n_cuts:]], axis=-1)
    variables: dict[str, tuple] = {}
    coords: dict[str, object] = {}
    if terms:
        variables["beta"] = (("chain", "draw", "term"), beta)
        coords["term"] = list(terms)
    for g, group in enumerate(layout.design.groups):
        name, d = group.name, group.n_columns
        column, other = f"{name}_column", f"{name}_column_"
        coords[column] = list(group.columns)
        sd = np.exp(x[..., layout.sd_at[g] : layout.sd_at[g] + d])
        variables[f"sd_{name}"] = (("chain", "draw", column), sd)
        root = _roots(layout, g, x)
        if correlated(group):
            corr = root @ np.swapaxes(root, -1, -2)
            variables[f"corr_{name}"] = (("chain", "draw", column, other), corr)
            coords[other] = list(group.columns)
        if n := layout.levels(group):
            raw = x[..., layout.raw_at[g] : layout.raw_at[g] + n * d].reshape(*lead, n, d)
            effects = np.empty(raw.shape)
            standard = np.empty(raw.shape)
            for k in range(d):
                mean = np.einsum("cdlj,cdj->cdl", standard[..., :k], root[..., k, :k])
                own, left = sd[..., None, k], root[..., None, k, k]
                if layout.centred[g][k]:
                    term = layout.carried[g][k]
                    shift = beta[..., None, term] if term >= 0 else 0.0
                    effects[..., k] = raw[..., k] - shift
                    standard[..., k] = (effects[..., k] / own - mean) / left
                else:
                    standard[..., k] = raw[..., k]
                    effects[..., k] = own * (mean + left * raw[..., k])
            variables[f"re_{name}"] = (("chain", "draw", name, column), effects)
            coords[name] = list(group.labels)
    return xr.Dataset(variables, coords | {"chain": np.arange(lead[0]), "draw": np.arange(lead[1])})


def _roots(layout: Layout, g: int, x: np.ndarray) -> np.ndarray:
    """(chain, draw, column, column) Cholesky factors of a group's correlation matrix."""
    group = layout.design.groups[g]
    d = group.n_columns
    root = np.zeros((*x.shape[:2], d, d))
    left = np.ones((*x.shape[:2], d))
    for pair, (_, i, j, _) in enumerate(pairs_of(group)):
        partial = np.tanh(x[..., layout.pair_at[g] + pair] / 2.0)
        root[..., i, j] = partial * np.sqrt(left[..., i])
        left[..., i] *= 1.0 - partial**2
    for k in range(d):
        root[..., k, k] = np.sqrt(left[..., k])
    return root
