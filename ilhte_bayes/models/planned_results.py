"""Results named before the answers are seen: what each is of, and which there can be."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.models.model import Model

Kind = Literal["effect", "item effects", "SD of effects", "coefficient", "test"]

TARGETS = ("these items", "item population", "one new item", "a new test")
SCALES = ("logits", "SDs of ability", "probability", "score points")
KINDS = ("effect", "item effects", "SD of effects", "coefficient", "test")


@dataclass(frozen=True, slots=True)
class Planned:
    """One result that is planned.

    Parameters
    ----------
    kind : {"effect", "item effects", "SD of effects", "coefficient", "test"}
    target : str
        Of an effect: "these items", "item population", "one new item", "a new test". Of a
        coefficient its term; of a test its name, such as "boundary_test".
    scale : {"logits", "SDs of ability", "probability", "score points"}
        "" for tests.

    Examples
    --------
    >>> str(Planned("effect", "item population", "logits"))
    'effect on item population, logits'
    >>> str(Planned("test", "boundary_test", ""))
    'test boundary_test'
    """

    kind: Kind
    target: str = ""
    scale: str = "logits"

    def __str__(self) -> str:
        if self.kind == "effect":
            return f"effect on {self.target}, {self.scale}"
        what = f"{self.kind} {self.target}".strip()
        return what if self.kind == "test" else f"{what}, {self.scale}"


def plain_target(target: str) -> str:
    """A target without its number of items: "these 10 items" is "these items"."""
    target = re.sub(r"^these \d+ items$", "these items", target.strip())
    return re.sub(r"^a new (\d+-item )?test$", "a new test", target)


def read_planned(model: Model, given: str | Mapping | Planned | Sequence) -> list[Planned]:
    """The results that were named, checked against the model."""
    if isinstance(given, str | Mapping | Planned):
        return [_planned(model, given)]
    return [_planned(model, each) for each in given]


def _planned(model: Model, given: object) -> Planned:
    """One planned result, checked."""
    if isinstance(given, str):
        first, _, scale = (part.strip() for part in given.partition(","))
        scale = scale or "logits"
        if first in KINDS:
            planned = Planned(first, "", scale)  # type: ignore[arg-type]
        else:
            planned = Planned("effect", plain_target(first), scale)
    elif isinstance(given, Mapping):
        if unknown := sorted(set(given) - {"kind", "target", "scale"}):
            raise ModelError(
                f"a planned result has kind, target and scale, not {listed(unknown)}. Write "
                "{'kind': 'effect', 'target': 'item population', 'scale': 'logits'}, say."
            )
        planned = Planned(**{"kind": "effect", **given})
    elif isinstance(given, Planned):
        planned = given
    else:
        raise ModelError(f"{given!r} is no planned result. Write 'item population, logits', say.")
    _check(model, planned)
    return replace(planned, target=plain_target(planned.target))


def _check(model: Model, planned: Planned) -> None:
    if planned.kind not in KINDS:
        raise ModelError(f"kind={planned.kind!r}; it is one of {listed(KINDS, 9)}.")
    if planned.kind == "effect" and plain_target(planned.target) not in TARGETS:
        raise ModelError(
            f"no effect has target {planned.target!r}; targets are {listed(TARGETS)}. Other results "
            f"are {listed(KINDS[1:3])}, or a mapping: {{'kind': 'coefficient', 'target': ...}}."
        )
    if planned.kind != "test" and planned.scale not in SCALES:
        raise ModelError(f"scale={planned.scale!r}; it is one of {listed(SCALES)}.")
    if planned.kind == "coefficient" and planned.target not in model.design.terms:
        raise ModelError(
            f"no coefficient {planned.target!r} in the model; it has "
            f"{listed(model.design.terms, 12)}. Name one of these."
        )
    if planned.kind in ("effect", "item effects", "SD of effects") and not (
        model.roles.treatment and model.roles.item
    ):
        raise ModelError(
            f"{planned} needs treatment and item: say roles={{'treatment': ..., 'item': ...}}."
        )
