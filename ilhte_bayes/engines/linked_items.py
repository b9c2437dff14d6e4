"""Which items have a finite easiness given sum scores, and what is said of the others."""

import numpy as np
from scipy import sparse

from ilhte_bayes.engines.answers_by_person import Answers
from ilhte_bayes.errors import ModelError, listed


def usable_items(answers: Answers) -> tuple[np.ndarray, list[str]]:
    """Items with a finite estimate in both arms, and sentences on those left out.

    Estimates are finite just where each item is linked with each other by a chain of items of
    which somebody got one right and the next wrong, in both directions (Fischer 1981).
    """
    beats = [_beats(answers, arm) for arm in (0, 1)]
    keep, problems = np.ones(answers.items.size, dtype=bool), []
    settled = False
    while not settled:
        settled = True
        for arm in (0, 1):
            at = np.flatnonzero(keep)
            won = beats[arm][np.ix_(at, at)]
            _refuse_unlinked(won, answers, at, arm)
            n, piece = sparse.csgraph.connected_components(won, connection="strong")
            if n > 1:
                settled = False
                out = piece != np.bincount(piece).argmax()
                problems += _left_out(won, answers, at, arm, out)
                keep[at[out]] = False
    if keep.sum() < 2:
        raise ModelError(
            f"{int(keep.sum())} of {keep.size} items can be compared between arms, and two are "
            f"needed. {' '.join(problems)} Item effects that borrow from each other can still be "
            "had: il.item_effects(il.laplace(model, objective='map'))."
        )
    return keep, problems


def _beats(answers: Answers, arm: int) -> np.ndarray:
    """(item, item) whether anybody in this arm got the first right and the second wrong."""
    used = answers.arm[answers.person] == arm
    person, item, right = answers.person[used], answers.item[used], answers.right[used]
    shape = (answers.arm.size, answers.items.size)

    def who(here: np.ndarray) -> sparse.csr_array:
        return sparse.csr_array((np.ones(here.sum()), (person[here], item[here])), shape=shape)

    return np.asarray((who(right).T @ who(~right)).toarray() > 0)


def _refuse_unlinked(won: np.ndarray, answers: Answers, at: np.ndarray, arm: int) -> None:
    _, piece = sparse.csgraph.connected_components(won, connection="weak")
    sets = [at[piece == k] for k in np.flatnonzero(np.bincount(piece) > 1)]
    if len(sets) < 2:
        return
    named = "; ".join(listed(answers.items[one], 3) for one in sets[:3])
    raise ModelError(
        f"in arm {answers.arms[arm]}, the items fall into {len(sets)} sets that nobody links by "
        f"answering items of both, one right and one wrong: {named}. Easiness cannot be compared "
        f"across sets: keep one at a time, table[table[{answers.item_column!r}].isin([...])]."
    )


def _left_out(
    won: np.ndarray, answers: Answers, at: np.ndarray, arm: int, out: np.ndarray
) -> list[str]:
    """Sentences on items whose estimate would be infinite in one arm."""
    wins, loses = won.any(axis=1), won.any(axis=0)
    reasons = {
        "got no answer of use": out & ~wins & ~loses,
        "was right for everybody": out & wins & ~loses,
        "was wrong for everybody": out & ~wins & loses,
        "was always easier, or always harder, than the items kept": out & wins & loses,
    }
    return [
        f"Left out: {listed(answers.items[at[which]])}, which {reason} in arm "
        f"{answers.arms[arm]} (among persons who got an item right and another wrong): its "
        "easiness there has no finite estimate."
        for reason, which in reasons.items()
        if which.any()
    ]
