"""Answers drawn from parameters, on a model's design.

The design (persons, items, arms, covariates, who answered what) stays; only scores are new.
Nothing is refused: items that everyone solves stay in, as they would have to for calibration.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import xarray as xr

from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.formulas.design import Design
from ilhte_bayes.formulas.logits import columns_of_categories
from ilhte_bayes.models.ability import require_plain
from ilhte_bayes.models.model import Model, with_parts
from ilhte_bayes.models.priors import correlated
from ilhte_bayes.models.reduced import require_persons
from ilhte_bayes.models.roots import root_of


class Simulated(NamedTuple):
    """Answers, and the parameters and random effects they came from."""

    truth: xr.Dataset
    model: Model


def simulate_answers(
    model: Model, parameters: xr.Dataset | Mapping[str, np.ndarray], rng: np.random.Generator
) -> Simulated:
    """Draw new answers to the same questions by the same persons.

    Parameters
    ----------
    model : Model
        Its design is kept, and its priors, even where defaults were made for other answers.
    parameters : xr.Dataset or mapping
        Named like one posterior draw (see `prior_draws`), such as
        `fit.draws["posterior"].isel(chain=0, draw=0)`. Random effects `re_g` that are missing are
        drawn anew from their SDs and correlations.
    rng : numpy.random.Generator

    Returns
    -------
    Simulated
        `truth`, the parameters with all random effects; `model`, with the new answers.

    Raises
    ------
    ModelError
        If a parameter is missing, or has another shape than the model's.
    """
    require_plain(model, "simulate")
    require_persons(model, "drawing answers")
    design = model.design
    truth = with_effects(design, _named(design, parameters), rng)
    first, total = questions(design)
    eta = linear_predictor(design, truth)[first]
    counts = model.family.draw(eta, thresholds(design, truth, first), total, rng)
    rows = np.repeat(first, counts.shape[1])
    score = np.tile(np.arange(counts.shape[1], dtype=design.score.dtype), first.size)
    count = counts.ravel().astype(design.count.dtype)
    given = count > 0
    return Simulated(truth, _with_answers(model, rows[given], score[given], count[given]))


def linear_predictor(
    design: Design, parameters: xr.Dataset | Mapping[str, np.ndarray]
) -> np.ndarray:
    """(row,) logits of each row of a design, for one set of parameters with all random effects.

    Of nominal answers (row, category - 1).
    """
    if design.logit is not None:
        return np.column_stack(
            [_one_predictor(design, x, z, parameters) for x, z in columns_of_categories(design)]
        )
    return _one_predictor(design, design.x, [group.z for group in design.groups], parameters)


def _one_predictor(
    design: Design,
    x: np.ndarray,
    z: list[np.ndarray],
    parameters: xr.Dataset | Mapping[str, np.ndarray],
) -> np.ndarray:
    eta = np.zeros(design.n_rows)
    if design.terms:
        eta += (x @ np.asarray(parameters["beta"]))[design.pattern]
    for group, own in zip(design.groups, z, strict=True):
        effects = np.asarray(parameters[f"re_{group.name}"])
        eta += np.einsum("rk,rk->r", own[design.pattern], effects[group.level])
    return eta


def thresholds(
    design: Design, parameters: xr.Dataset | Mapping[str, np.ndarray], rows: np.ndarray
) -> np.ndarray:
    """(row, cut) thresholds of an ordinal response at some rows, in logits; none otherwise."""
    if design.by_cut is None:
        return np.zeros((rows.size, 0))
    pattern, n_cuts = design.pattern[rows], design.n_cuts
    out = np.empty((rows.size, n_cuts))
    for k in range(n_cuts):
        own = np.flatnonzero(design.by_cut.cut == k)
        out[:, k] = -design.by_cut.x[pattern][:, own] @ np.asarray(parameters["beta"])[own]
        for group in design.groups:
            if group.cut_z is not None:
                effects = np.asarray(parameters[f"re_{group.name}"])[group.level[rows]]
                out[:, k] -= effects @ group.cut_z[k]
    return out


def with_effects(design: Design, parameters: xr.Dataset, rng: np.random.Generator) -> xr.Dataset:
    """Add the random effects that are missing, drawn given SDs and correlations."""
    for group in design.groups:
        name = group.name
        if f"re_{name}" in parameters:
            continue
        standard = rng.normal(size=(group.n_levels, group.n_columns))
        if correlated(group):
            standard = standard @ root_of(parameters[f"corr_{name}"].to_numpy()).T
        effects = standard * parameters[f"sd_{name}"].to_numpy()
        coords = {name: list(group.labels), f"{name}_column": list(group.columns)}
        parameters = parameters.assign(
            {f"re_{name}": xr.DataArray(effects, coords, (name, f"{name}_column"))}
        )
    return parameters


def _named(design: Design, parameters: xr.Dataset | Mapping[str, np.ndarray]) -> xr.Dataset:
    """Parameters with names, dims and shapes as the design has them."""
    wanted = _shapes(design)
    found: dict[str, xr.DataArray] = {}
    for name, (dims, coords, optional) in wanted.items():
        if name not in parameters:
            if optional:
                continue
            raise ModelError(
                f"parameter {name!r} is missing; answers are simulated from "
                f"{listed([n for n, (*_, extra) in wanted.items() if not extra], 12)}. Add it."
            )
        given = parameters[name]
        values = given.transpose(*dims).to_numpy() if isinstance(given, xr.DataArray) else given
        shape = tuple(len(labels) for labels in coords.values())
        if np.shape(values) != shape:
            raise ModelError(
                f"parameter {name!r} has shape {np.shape(values)}; the model's is {shape}, "
                f"{' x '.join(dims)}. Give one value for each."
            )
        found[name] = xr.DataArray(np.asarray(values, dtype=float), coords, dims)
    return xr.Dataset(found)


def _shapes(design: Design) -> dict[str, tuple[tuple[str, ...], dict[str, list], bool]]:
    """Dims and labels of every parameter, and whether it can be drawn if it is missing."""
    out: dict[str, tuple[tuple[str, ...], dict[str, list], bool]] = {}
    if design.terms:
        out["beta"] = ("term",), {"term": list(design.terms)}, False
    for group in design.groups:
        name, column = group.name, f"{group.name}_column"
        labels = list(group.columns)
        out[f"sd_{name}"] = (column,), {column: labels}, False
        if correlated(group):
            out[f"corr_{name}"] = (
                (column, f"{column}_"),
                {column: labels, f"{column}_": labels},
                False,
            )
        out[f"re_{name}"] = (name, column), {name: list(group.labels), column: labels}, True
    return out


def questions(design: Design) -> tuple[np.ndarray, np.ndarray]:
    """First row and number of answers of each distinct question: all but the score alike.

    Rows are sorted by everything else before the score, so those of a question are neighbours.
    """
    keys = [design.pattern, *(group.level for group in design.groups)]
    new = np.append(True, np.any([key[1:] != key[:-1] for key in keys], axis=0))
    first = np.flatnonzero(new)
    return first, np.add.reduceat(design.count.astype(np.int64), first)


def _with_answers(model: Model, rows: np.ndarray, score: np.ndarray, count: np.ndarray) -> Model:
    """The model with these rows of its design, scored and counted anew."""
    responses, design = model.responses, model.design
    levels = {name: level[rows] for name, level in responses.levels.items()}
    groups = tuple(replace(group, level=group.level[rows]) for group in design.groups)
    changed = {"score": score, "count": count, "pattern": responses.pattern[rows]}
    return with_parts(
        model,
        responses=replace(responses, levels=levels, **changed),
        design=replace(design, groups=groups, **changed),
        notes=(),  # about the answers of the table
        source="",
        build_seconds=0.0,
    )
