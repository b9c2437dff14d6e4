"""Item effects given the sum score: free of what abilities are like in either arm."""

from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
from scipy import linalg, optimize, sparse, stats

from ilhte_bayes.engines.symmetric import Cells, Maximum, maximise
from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.fits.intervals import p_words
from ilhte_bayes.formulas.contrasts import arm_contrasts
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.models.discrimination import require_equal_discrimination
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.reduced import require_persons

_Z = stats.norm.ppf(0.975)


@dataclass(frozen=True, slots=True)
class AndersenTest:
    """Likelihood ratio test that the effect is the same on all items; prints as a sentence."""

    statistic: float
    df: int
    p: float

    def sentence(self, noun: str = "effect") -> str:
        """Say what was found."""
        verdict = "is rejected" if self.p < 0.05 else "is not rejected"
        return (
            f"Andersen's test: chi-square {self.statistic:.2f}, {self.df} df, {p_words(self.p)}. One {noun} for "
            f"all items {verdict} at 5 %."
        )

    def __str__(self) -> str:
        return self.sentence()


@dataclass(frozen=True, slots=True)
class EffectSpread:
    """SD of the item effects (logits), with a 95 % profile likelihood interval."""

    estimate: float
    lower: float  # 0 where no spread at all agrees with the answers
    upper: float

    def sentence(self, noun: str = "effect") -> str:
        """Say what was found."""
        text = (
            f"The SD of the {noun}s over items is estimated at {self.estimate:.2f} logits, 95 % "
            f"interval {self.lower:.2f} to {self.upper:.2f}"
        )
        if self.lower > 0:
            return f"{text}."
        return f"{text}: no spread at all agrees with these answers, and so does {self.upper:.2f}."

    def __str__(self) -> str:
        return self.sentence()


@dataclass(frozen=True, repr=False, eq=False)
class ConditionalFit:
    """What sum scores leave to be said about item effects; prints as a table.

    Attributes
    ----------
    items : pandas.DataFrame
        Index item. `easiness`: in the first arm, logits, mean zero over items. `estimate`, `se`,
        `lower`, `upper` (95 %): how much more than the average item this one is moved by
        treatment, logits, mean zero over items.
    andersen : AndersenTest
        Of equal effects: `statistic`, `df`, `p`.
    sigma_zeta : EffectSpread
        SD of the effects over the item population: `estimate`, `lower`, `upper` (logits).
    loglik : pandas.Series
        Conditional log-likelihood of each arm, and of both with one easiness (`pooled`).
    contrast : str
        Which arm is compared with which, "caffeine v placebo".
    noun : str
        "effect", or "difference" where arms were not randomised.
    n_informative : int
        Persons with an answer right and one wrong: only these are used.
    n_left_out : int
        All other persons.
    problems : tuple of str
        What a reader must know before using the numbers, in sentences.
    """

    items: pd.DataFrame
    andersen: AndersenTest
    sigma_zeta: EffectSpread
    loglik: pd.Series
    contrast: str
    noun: str
    n_informative: int
    n_left_out: int
    problems: tuple[str, ...]

    def __repr__(self) -> str:
        ordered = self.items.sort_values("estimate", ascending=False)
        lines = [
            f"{self.contrast}: {self.noun} on each item beyond the average item's "
            "(logits, 95 % intervals), given the sum score",
            f"{self.n_informative:,} persons; {self.n_left_out:,} left out, who got all or none of "
            "their items right",
            "",
            ordered.to_string(float_format="{:.3f}".format),
            "",
            self.andersen.sentence(self.noun),
            self.sigma_zeta.sentence(self.noun),
            f"The average {self.noun} cannot be told from abilities, which were conditioned away. "
            "Items are taken to discriminate equally: one that reacts more to "
            "ability shows here as moved more.",
        ]
        return "\n".join([*lines, *(f"Note: {problem}" for problem in self.problems)])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


def conditional(model: Model) -> ConditionalFit:
    """Compare item effects by the conditional likelihood given each person's sum score.

    P(answers of person j | sum S_j) = exp(sum_i y_ij b_i) / gamma_{S_j}(b), with gamma_s the
    elementary symmetric function of the items that j answered. Abilities cancel: nothing is
    assumed about how they are distributed, in either arm, nor about covariates and clusters that
    shift a person's answers alike. What remains is whether items keep their distances between
    arms. The average effect is not in this likelihood.

    Parameters
    ----------
    model : Model
        Of family "bernoulli", with person, item and two arms. Only who answered, which item, in
        which arm and the score are used. Each person may have answered other items (booklets,
        missing answers); an item answered twice counts as two items of the same easiness.

    Returns
    -------
    ConditionalFit
        All in logits. Contrasts are b_treated - b_control, each with mean zero over the items;
        the SD of item effects maximises the likelihood of the contrasts, N(0, sd^2 C + V), with C
        the centring matrix and V their sampling covariance.

    Raises
    ------
    ModelError
        If family or roles do not fit, a person is in two arms, items cannot be compared, or fewer
        than two are left.

    Notes
    -----
    Assumes that all items have the same discrimination: if they have not, an item that reacts
    more to ability moves more with any average effect, and shows here as an item effect. Answers
    are taken as independent given ability and item: differences between schools in single items
    are not in the standard errors.

    References
    ----------
    Andersen (1973), Psychometrika 38(1), 123-140. Verhelst, Glas & van der Sluis (1984),
    Computational Statistics Quarterly 1(3), 245-262.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> model = il.il_hte(trial, response="resp >= 2", clusters=["study"])
    >>> fit = il.conditional(model)
    >>> fit.andersen.df
    9
    """
    require_equal_discrimination(model, "conditional")
    require_persons(model, "il.conditional")
    answers = _read(model)
    beats = np.stack([_beats(answers, arm) for arm in (0, 1)])
    keep, problems = _usable(beats, answers)
    cells, n_informative = _cells(answers, keep)
    pooled = maximise(cells, [0, 1])
    arms = [maximise(cells, [arm], pooled.easiness) for arm in (0, 1)]
    statistic = 2 * (arms[0].loglik + arms[1].loglik - pooled.loglik)
    df = int(keep.sum()) - 1
    shift = arms[1].easiness - arms[0].easiness
    covariance = arms[0].covariance + arms[1].covariance
    if not all(fit.converged for fit in (pooled, *arms)):
        problems.append(
            "The search for the maximum stopped early: some item is nearly always right, or nearly "
            "always wrong, in one arm. Drop it from the table."
        )
    problems += _repeated(answers)
    return ConditionalFit(
        items=_table(answers.items[keep], answers.item_name, arms[0], shift, covariance),
        andersen=AndersenTest(statistic, df, float(stats.chi2.sf(statistic, df))),
        sigma_zeta=spread_of_effects(shift, covariance),
        loglik=pd.Series(
            [fit.loglik for fit in (*arms, pooled)], index=[*answers.arms, "pooled"], name="loglik"
        ),
        contrast=answers.contrast,
        noun=model.noun,
        n_informative=n_informative,
        n_left_out=answers.start.size - 1 - n_informative,
        problems=tuple(problems),
    )


def spread_of_effects(shift: np.ndarray, covariance: np.ndarray) -> EffectSpread:
    """SD of item effects from centred estimates, by restricted maximum likelihood.

    Parameters
    ----------
    shift : np.ndarray
        (item,) estimates, summing to zero.
    covariance : np.ndarray
        (item, item) their sampling covariance, singular along (1, ..., 1).

    Returns
    -------
    EffectSpread
        The interval holds the SDs whose log-likelihood is within 1.92 of the maximum.
    """
    basis = linalg.helmert(shift.size)  # rows: orthonormal contrasts
    variance, vectors = linalg.eigh(basis @ covariance @ basis.T)
    squares = (vectors.T @ basis @ shift) ** 2

    def loss(sd: float) -> float:
        total = sd**2 + variance
        return float((np.log(total) + squares / total).sum()) / 2

    largest = float(np.sqrt(squares.max() + variance.min()))  # beyond it the likelihood only falls
    grid = np.linspace(0, largest, 201)
    at = int(np.argmin([loss(sd) for sd in grid]))
    around = (grid[max(at - 1, 0)], grid[min(at + 1, 200)])
    best = float(optimize.minimize_scalar(loss, bounds=around, options={"xatol": 1e-10}).x)
    best = best if loss(best) < loss(0.0) else 0.0
    edge = loss(best) + stats.chi2.ppf(0.95, 1) / 2

    def beyond(sd: float) -> float:
        return loss(sd) - edge

    far = largest
    while beyond(far) < 0:
        far *= 2
    upper = optimize.brentq(beyond, best, far)
    lower = optimize.brentq(beyond, 0.0, best) if beyond(0.0) > 0 else 0.0
    return EffectSpread(best, float(lower), float(upper))


def _table(
    items: np.ndarray, name: str, control: Maximum, shift: np.ndarray, covariance: np.ndarray
) -> pd.DataFrame:
    se = np.sqrt(np.diag(covariance))
    return pd.DataFrame(
        {
            "easiness": control.easiness,
            "estimate": shift,
            "se": se,
            "lower": shift - _Z * se,
            "upper": shift + _Z * se,
        },
        index=pd.Index(items, name=name),
    )


@dataclass(frozen=True, slots=True)
class _Answers:
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


def _read(model: Model) -> _Answers:
    """Who answered what, in which arm; refuses models without a conditional likelihood."""
    roles, design, patterns = model.roles, model.design, model.responses.patterns
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
    treatment = str(roles.treatment)
    person, item = _group(model, "person"), _group(model, "item")
    contrasts = arm_contrasts(model.responses, treatment)
    if len(contrasts) > 1 or patterns[treatment].nunique() != 2:
        raise ModelError(
            f"the treatment {treatment!r} has {patterns[treatment].nunique()} values; the "
            f"conditional likelihood compares two arms. Keep two: "
            f"table[table[{treatment!r}].isin([...])]."
        )
    (contrast,) = contrasts
    arm_of_pattern = (patterns[treatment] == contrast.to_arm).to_numpy().astype(np.int8)
    order = np.lexsort((item.level, person.level))
    rows = np.repeat(order, design.count[order])
    who, arm = person.level[rows], arm_of_pattern[design.pattern[rows]]
    start = np.append(np.flatnonzero(np.diff(who, prepend=-1)), who.size)
    first, last = np.minimum.reduceat(arm, start[:-1]), np.maximum.reduceat(arm, start[:-1])
    if (mixed := np.flatnonzero(first != last)).size:
        several = f"{mixed.size:,} persons are" if mixed.size > 1 else "one person is"
        raise ModelError(
            f"{several} in both arms of {treatment!r}: "
            f"{listed(person.labels[who[start[mixed]]])}. The conditional likelihood compares "
            "persons of one arm with those of the other: keep each person's first period, or fit "
            "il.laplace(model), where persons may change arm."
        )
    low, high = contrast.from_arm, contrast.to_arm
    coded = [c.levels for c in model.responses.codings if c.column == treatment]
    if not isinstance(patterns[treatment].dtype, pd.CategoricalDtype):
        low, high = coded[0] if coded else (f"{treatment} = {low:g}", f"{treatment} = {high:g}")
    return _Answers(
        start=start,
        arm=first,
        item=item.level[rows].astype(np.int64),
        right=design.score[rows] == 1,
        items=np.asarray(item.labels),
        item_name=item.name,
        item_column=item.variables[-1],
        arms=(str(low), str(high)),
        contrast=contrast.label,
    )


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


def _repeated(answers: _Answers) -> list[str]:
    person, item = answers.person, answers.item
    again = (person[1:] == person[:-1]) & (item[1:] == item[:-1])
    if not (n := np.unique(person[1:][again]).size):
        return []
    return [
        f"{n:,} person(s) answered an item more than once. Each answer counts as one more item of "
        "the same easiness, and ability as the same each time: if it may change between "
        "occasions, keep one occasion in the table."
    ]


def _beats(answers: _Answers, arm: int) -> np.ndarray:
    """(item, item) whether anybody in this arm got the first right and the second wrong."""
    used = answers.arm[answers.person] == arm
    person, item, right = answers.person[used], answers.item[used], answers.right[used]
    shape = (answers.arm.size, answers.items.size)

    def who(here: np.ndarray) -> sparse.csr_array:
        return sparse.csr_array((np.ones(here.sum()), (person[here], item[here])), shape=shape)

    return np.asarray((who(right).T @ who(~right)).toarray() > 0)


def _usable(beats: np.ndarray, answers: _Answers) -> tuple[np.ndarray, list[str]]:
    """Items with a finite estimate in both arms, and sentences on those left out.

    Estimates are finite just where each item is linked with each other by a chain of items of
    which somebody got one right and the next wrong, in both directions (Fischer 1981).
    """
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


def _refuse_unlinked(won: np.ndarray, answers: _Answers, at: np.ndarray, arm: int) -> None:
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
    won: np.ndarray, answers: _Answers, at: np.ndarray, arm: int, out: np.ndarray
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


def _cells(answers: _Answers, keep: np.ndarray) -> tuple[Cells, int]:
    """Count persons by arm, items answered and sum; those with nothing or all right are left out."""
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
