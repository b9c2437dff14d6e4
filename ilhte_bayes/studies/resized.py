"""A model's design with other persons or items: as many, more or fewer, in the places of the old."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ilhte_bayes.errors import ModelError
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.models.model import Model, with_parts

Size = Literal["same", "new"] | int


def resize(
    model: Model, sizes: Mapping[str, Size], rng: np.random.Generator
) -> tuple[Model, list[str]]:
    """Repeat or leave out persons and items.

    Parameters
    ----------
    model : Model
    sizes : mapping
        "person" and "item": "same", "new", or a number of new ones. Each of a number takes the place
        of one of the old: all of them as often as they go into the number, the rest drawn.
    rng : numpy.random.Generator

    Returns
    -------
    (Model, list of str)
        The model, answers of the old in it; names of the groups whose levels are new. Clusters are
        new where persons are.
    """
    renewed, sources = [], {}
    for role, size in sizes.items():
        if size not in ("same", "new") and not (isinstance(size, int) and size > 1):
            raise ModelError(
                f"{role}s={size!r}; it is 'same', 'new' or a whole number of at least 2."
            )
        if size == "same":
            continue
        group = _group(model, role, needed=isinstance(size, int))
        if group is None:
            continue
        renewed.append(group.name)
        if isinstance(size, int):
            sources[group.name] = _places(group.n_levels, size, rng)
        if role == "person":  # new persons are in new clusters
            renewed += [g.name for g in model.design.groups if g.variables[-1] != model.roles.item]
    return (_repeated(model, sources) if sources else model), renewed


def _group(model: Model, role: str, *, needed: bool) -> Group | None:
    column = getattr(model.roles, role)
    names = [group.name for group in model.design.groups]
    found = [group for group in model.design.groups if group.variables[-1] == column]
    if len(found) == 1:
        return found[0]
    if not needed:
        return None
    raise ModelError(
        f"{role}s=...: the model has {len(found)} groups of {role}s (column {column!r}; its groups "
        f"are {', '.join(names)}); one is needed. Say roles={{{role!r}: ...}} when building it, or "
        f"use {role}s='new'."
    )


def _places(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """(size,) old level whose place each new one takes, in order."""
    rest = rng.permutation(n)[: size % n]
    return np.sort(np.concatenate([np.tile(np.arange(n), size // n), rest]))


def _repeated(model: Model, sources: Mapping[str, np.ndarray]) -> Model:
    """Rows of the design once for each combination of copies of their levels."""
    design, responses = model.design, model.responses
    _require_apart(model, list(sources))
    rows = np.arange(design.n_rows)
    own = {group.name: group.level for group in design.groups}
    for name, source in sources.items():
        copies = np.bincount(source, minlength=design.group(name).n_levels)
        first = np.cumsum(copies) - copies
        times = copies[own[name]]
        within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        rows = np.repeat(rows, times)
        own = {key: np.repeat(level, times) for key, level in own.items()}
        own[name] = (first[own[name]] + within).astype(np.int32)
    by_size = sorted(own.values(), key=lambda level: -int(level.max(initial=0)))
    keys = [*by_size, design.pattern[rows], design.score[rows]]
    order = np.lexsort(keys[::-1])
    rows, own = rows[order], {name: level[order] for name, level in own.items()}
    groups = tuple(
        replace(group, level=own[group.name], labels=_labels(group, sources.get(group.name)))
        for group in design.groups
    )
    count, score, pattern = design.count[rows], design.score[rows], design.pattern[rows]
    same: dict[str, Any] = {
        "score": score,
        "count": count,
        "pattern": pattern,
        "n_obs": int(count.sum()),
    }
    return with_parts(
        model,
        design=replace(design, groups=groups, **same),
        responses=replace(
            responses,
            levels=own,
            coords={group.name: group.labels for group in groups},
            **same,
        ),
        flow=None,
        notes=(),
    )


def _labels(group: Group, source: np.ndarray | None) -> np.ndarray:
    """Names of new levels: that of the place, with a number from the second one on."""
    if source is None:
        return group.labels
    copy = np.arange(source.size) - np.searchsorted(source, source)
    if not copy.any():
        return group.labels[source]
    names = [f"{group.labels[s]}.{c + 1}" if c else str(group.labels[s])
             for s, c in zip(source, copy, strict=True)]  # fmt: skip
    return np.array(names, dtype=object)


def _require_apart(model: Model, names: list[str]) -> None:
    """Refuse groups that lie within persons or items, whose levels would multiply too."""
    for name in names:
        inner = model.design.group(name).variables[-1]
        for group in model.design.groups:
            if group.name != name and inner in group.variables:
                raise ModelError(
                    f"{group.name} lies within {inner}, whose number is to change, and its levels "
                    "would multiply with it. Use 'same' or 'new', or drop that term."
                )
