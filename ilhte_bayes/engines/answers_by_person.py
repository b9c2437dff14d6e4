"""Who answered what, in which arm: all that the conditional likelihood reads of a model."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.engines.symmetric import Cells
from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.formulas.contrasts import Contrast, arm_contrasts
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.models.model import Model


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers sorted by person and item."""

    start: np.ndarray  # (person + 1,) where a person's answers begin
    arm: np.ndarray  # (person,) 0 or 1
    item: np.ndarray  # (answer,) position in `items`
    right: np.ndarray  # (answer,) bool
    items: np.ndarray  # labels
    item_name: str
    item_column: str
    arms: tuple[str, str]
    contrast: str

    @property
    def person(self) -> np.ndarray:
        """(answer,) who gave it."""
        return np.repeat(np.arange(self.arm.size), np.diff(self.start))


def read_answers(model: Model) -> Answers:
    """Who answered what, in which arm; refuses models without a conditional likelihood."""
    treatment = _require_roles(model)
    design = model.design
    person, item = _group(model, "person"), _group(model, "item")
    contrast = _require_two_arms(model, treatment)
    in_second = model.responses.patterns[treatment] == contrast.to_arm
    order = np.lexsort((item.level, person.level))
    rows = np.repeat(order, design.count[order])
    who = person.level[rows]
    start = np.append(np.flatnonzero(np.diff(who, prepend=-1)), who.size)
    arm = in_second.to_numpy().astype(np.int8)[design.pattern[rows]]
    return Answers(
        start=start,
        arm=_arm_of_person(arm, start, person.labels[who[start[:-1]]], treatment),
        item=item.level[rows].astype(np.int64),
        right=design.score[rows] == 1,
        items=np.asarray(item.labels),
        item_name=item.name,
        item_column=item.variables[-1],
        arms=_names_of_arms(model, treatment, contrast),
        contrast=contrast.label,
    )


def _require_roles(model: Model) -> str:
    """The treatment's column, where family and roles have a conditional likelihood."""
    roles = model.roles
    if model.family.name != "bernoulli":
        raise ModelError(
            f"the family is {model.family.name!r}; sum scores are sufficient for 'bernoulli' "
            'alone. Compare the answer with a value: "resp >= 2 ~ ...".'
        )
    named = {"person": roles.person, "item": roles.item, "treatment": roles.treatment}
    if unknown := [role for role, column in named.items() if column is None]:
        raise ModelError(
            f"which column is the {' and the '.join(unknown)} is not known. Say "
            f"roles={{'person': ..., 'item': ..., 'treatment': ...}} when building the model."
        )
    return str(roles.treatment)


def _require_two_arms(model: Model, treatment: str) -> Contrast:
    contrasts = arm_contrasts(model.responses, treatment)
    n = model.responses.patterns[treatment].nunique()
    if len(contrasts) > 1 or n != 2:
        raise ModelError(
            f"the treatment {treatment!r} has {n} values; the conditional likelihood compares two "
            f"arms. Keep two: table[table[{treatment!r}].isin([...])]."
        )
    return contrasts[0]


def _arm_of_person(
    arm: np.ndarray, start: np.ndarray, person: np.ndarray, treatment: str
) -> np.ndarray:
    first, last = np.minimum.reduceat(arm, start[:-1]), np.maximum.reduceat(arm, start[:-1])
    if (mixed := np.flatnonzero(first != last)).size:
        several = f"{mixed.size:,} persons are" if mixed.size > 1 else "one person is"
        raise ModelError(
            f"{several} in both arms of {treatment!r}: {listed(person[mixed])}. The conditional "
            "likelihood compares persons of one arm with those of the other: keep each person's "
            "first period, or fit il.laplace(model), where persons may change arm."
        )
    return np.asarray(first)


def _names_of_arms(model: Model, treatment: str, contrast: Contrast) -> tuple[str, str]:
    low, high = contrast.from_arm, contrast.to_arm
    coded = [c.levels for c in model.responses.codings if c.column == treatment]
    if not isinstance(model.responses.patterns[treatment].dtype, pd.CategoricalDtype):
        low, high = coded[0] if coded else (f"{treatment} = {low:g}", f"{treatment} = {high:g}")
    return str(low), str(high)


def _group(model: Model, role: str) -> Group:
    column = str(getattr(model.roles, role))
    groups = model.design.groups
    if column not in {name for group in groups for name in (group.name, group.variables[-1])}:
        raise ModelError(
            f"the formula has no random term for the {role} {column!r}; it has them for "
            f"{listed([group.name for group in groups])}. Who answered what is read from these: "
            f"add (1 | {column}) to the formula, which changes nothing in the conditional "
            "likelihood."
        )
    return model.design.group(column)


def answered_again(answers: Answers) -> list[str]:
    """A sentence on persons who answered an item more than once, if there are any."""
    person, item = answers.person, answers.item
    again = (person[1:] == person[:-1]) & (item[1:] == item[:-1])
    if not (n := np.unique(person[1:][again]).size):
        return []
    return [
        f"{n:,} person(s) answered an item more than once. Each answer counts as one more item of "
        "the same easiness, and ability as the same each time: if it may change between "
        "occasions, keep one occasion in the table."
    ]


def cells_of(answers: Answers, keep: np.ndarray) -> tuple[Cells, int]:
    """Count persons by arm, items answered and sum; those with the same answer to all are left out."""
    used = keep[answers.item]
    item = (np.cumsum(keep) - 1)[answers.item[used]]
    right = answers.right[used]
    start = np.append(0, np.cumsum(used))[answers.start]
    score = np.diff(np.append(0, np.cumsum(right))[start])
    informative = (score > 0) & (score < np.diff(start))
    found: dict[tuple[bytes, int], int] = {}
    cell = np.full(score.size, -1)
    for j in np.flatnonzero(informative).tolist():
        key = item[start[j] : start[j + 1]].tobytes(), int(score[j])
        cell[j] = found.setdefault(key, len(found))
    persons = np.zeros((2, len(found)))
    np.add.at(persons, (answers.arm[informative], cell[informative]), 1)
    counted = np.repeat(informative, np.diff(start)) & right
    arm = np.repeat(answers.arm, np.diff(start))
    totals = np.zeros((2, int(keep.sum())))
    np.add.at(totals, (arm[counted], item[counted]), 1)
    booklets = [np.frombuffer(answered, dtype=item.dtype) for answered, _ in found]
    cells = Cells(
        start=np.append(0, np.cumsum([b.size for b in booklets])),
        item=np.concatenate(booklets),
        score=np.array([total for _, total in found]),
        persons=persons,
        right=totals,
    )
    return cells, int(informative.sum())
