"""Check: can this fit be believed? One verdict for each question, with what to do next."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pandas as pd

from ilhte_bayes.checks.laplace_error import FEW_ANSWERS, answers_by_unit, laplace_error
from ilhte_bayes.checks.predictive import (
    UNEXPECTED,
    PredictiveCheck,
    odd_persons_p,
    predictive_check,
)
from ilhte_bayes.checks.prior_weight import THRESHOLD, prior_weight
from ilhte_bayes.checks.replicates import Who, replicate
from ilhte_bayes.checks.sites import site_groups, sites
from ilhte_bayes.errors import ModelError, NotAvailable
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.intervals import p_words

_CONVINCING = 0.01  # of checks beside the one of new persons: together they add few false alarms
_LARGE_SLOPE = 3.5  # SDs of replicated tables, for one item among many
_LARGEST_ERROR = 0.25  # standard errors by which Laplace may be off


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one question."""

    question: str
    verdict: str  # "good", "look", "bad", "not checked"
    evidence: str
    next_step: str = ""


@dataclass(frozen=True, repr=False, eq=False)
class Check:
    """Verdicts on a fit; prints as a list of questions, answers and next steps.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index: question. `verdict` ("good", "look", "bad" or "not checked"), `evidence`, `next_step`.
    predictive : dict
        "new", "same" -> `PredictiveCheck` of new and of the same persons, where they were made:
        tables of items, pairs and persons; `il.plot.predictive(check)` draws them.
    """

    frame: pd.DataFrame
    predictive: dict[str, PredictiveCheck] = field(repr=False)

    @property
    def good(self) -> bool:
        """Whether nothing was found."""
        return not self.frame["verdict"].isin(["look", "bad"]).any()

    @property
    def misfit(self) -> bool:
        """Whether the answers are unlike those of the model, for new persons or the same ones."""
        rows = self.frame.index.str.startswith("Are answers like these")
        return bool((self.frame.loc[rows, "verdict"] == "bad").any())

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.frame

    def __repr__(self) -> str:
        from ilhte_bayes.show.check_words import describe_check

        return describe_check(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.check_words import check_html

        return check_html(self)


def check(fit: Fit, *, draws: int = 200, seed: int = 1) -> Check:
    """Ask whether a fit can be believed, question by question.

    Parameters
    ----------
    fit : Fit
        By any engine. What cannot be checked for its family or engine is said, not refused.
    draws : int
        About how many replicated tables of answers.
    seed : int

    Returns
    -------
    Check
        Did it converge; are answers like these expected (of new persons, of the same ones); which
        items, pairs, persons and sites does it miss; does the prior matter; does Laplace suffice.

    Notes
    -----
    The verdict on answers flags a fit where at most 10 % of the model's own tables are as unusual.
    Predictive p-values are conservative: 6 % of 200 well-specified trials were flagged, 8 % by any
    line (benchmarks/predictive_checks.csv).

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> fit = il.laplace(il.il_hte(trial, response="resp >= 2", clusters=["study"]))
    >>> found = il.check(fit, draws=50)
    >>> found.frame["verdict"].iloc[0]
    'look'
    """
    found: dict[str, PredictiveCheck] = {}
    rows = [_converged(fit), *_answers(fit, draws, seed, found)]
    if "new" in found:
        rows += [_items(found["new"]), _people(found["new"])]
    rows += _of_sites(fit, draws, seed)
    rows += [_priors(fit), _laplace(fit)]
    frame = pd.DataFrame(
        {
            "verdict": [row.verdict for row in rows],
            "evidence": [row.evidence for row in rows],
            "next_step": [row.next_step for row in rows],
        },
        index=pd.Index([row.question for row in rows], name="question"),
    )
    return Check(frame, found)


def _converged(fit: Fit) -> Verdict:
    question = "Did it converge?"
    if fit.sampled:
        attrs = fit.tree["posterior"].attrs
        evidence = "; ".join(
            f"{words} {float(attrs[key]):{form}}"
            for key, words, form in (
                ("max_rhat", "largest R-hat", ".3f"),
                ("min_ess_bulk", "smallest effective sample", ",.0f"),
                ("divergences", "divergences", ".0f"),
            )
            if key in attrs
        )
    else:
        attrs = fit.mode.attrs
        evidence = f"one more step would add {float(attrs['gain_left']):.1g} to the log-likelihood"
    if not fit.problems:
        return Verdict(question, "good", evidence)
    failed = not fit.sampled and not attrs["converged"]
    return Verdict(question, "bad" if failed else "look", evidence, " ".join(fit.problems))


def _answers(fit: Fit, draws: int, seed: int, found: dict[str, PredictiveCheck]) -> list[Verdict]:
    """Predictive checks for new persons and for the same ones; fills `found`."""
    out: list[Verdict] = []
    who: tuple[tuple[Who, str, float], ...] = (
        ("new", "Are answers like these expected of new persons?", UNEXPECTED),
        ("same", "Are answers like these expected of the same persons?", _CONVINCING),
    )
    for persons, question, level in who:
        make = partial(predictive_check, fit, persons=persons, draws=draws, seed=seed)
        one = _try(question, make)
        if isinstance(one, Verdict):
            return [one]
        found[persons] = one
        lowest = one.frame["p"] == one.frame["p"].min()
        worst = one.frame.loc[lowest, "surprise"].idxmax()
        evidence = (
            f"{one.overall:.0%} of {one.n_tables} replicated tables are as unusual; most unusual: "
            f"{one.frame.loc[worst, 'what']} ({p_words(one.frame.loc[worst, 'p'])})"
        )
        bad = one.overall <= level
        step = _STEPS[worst] if bad else ""
        if out and out[0].next_step == step:
            step = ""  # said already
        out.append(Verdict(question, "bad" if bad else "good", evidence, step))
    return out


_STEPS = {
    "sum scores": "Abilities may not be normal: il.il_hte(..., ability='histogram').",
    "shape by arm": (
        "An SD of ability for each arm, il.il_hte(..., ability_sd='by_arm'); if hard items are flat "
        "in one arm, look for guessing there."
    ),
    "items": "Let effects differ by item: il.il_hte(..., effects='item').",
    "item-rest": (
        "Items discriminate differently, or some are guessed: il.il_hte(..., discrimination=True), "
        "and compare by il.loo_table."
    ),
    "hard items": (
        "Hard items are flat, as where some are guessed (one of four options), which this model does "
        "not know. See whether effects stay without the hardest items, and with il.il_hte(..., "
        "discrimination=True); state it."
    ),
    "odds ratios": (
        "Items go together in another way than one ability says: look at check.predictive['new']"
        ".pairs, and try discrimination=True or a random effect of subscales."
    ),
    "worst pair": (
        "Read the two items: the same passage, or one the answer to the other? Drop one, or sum them "
        "to one ordinal item."
    ),
    "residuals": "Let items have thresholds of their own: il.il_hte(..., thresholds='item').",
}


def _items(found: PredictiveCheck) -> Verdict:
    question = "Which items does it miss?"
    slopes = found.items["slope"].sort_values(key=abs, ascending=False)
    large = slopes[slopes.abs() > _LARGE_SLOPE]
    shown = large if len(large) else slopes.iloc[:1]
    words = [
        f"{name} {'more' if z > 0 else 'less'} ({z:+.1f} SD)" for name, z in shown.iloc[:5].items()
    ]
    words[0] = f"go with the rest more or less than expected: {words[0]}"
    if len(found.pairs):
        (one, other), z = found.pairs.index[0], found.pairs["together"].iloc[0]
        words.append(f"pair that goes together most: {one} and {other} ({z:+.1f} SD)")
    pair = bool(found.frame["p"].get("worst pair", 1.0) <= _CONVINCING)
    verdict = "look" if len(large) or pair else "good"
    step = "Read these items; check.predictive['new'].items has all." if verdict == "look" else ""
    return Verdict(question, verdict, ", ".join(words), step)


def _people(found: PredictiveCheck) -> Verdict:
    question = "Which persons does it miss?"
    n, expected = found.n_odd
    oddest = ", ".join(map(str, found.people.index[:5]))
    p = odd_persons_p(found)
    evidence = (
        f"{n} {'person answers' if n == 1 else 'persons answer'} more oddly than 99 % of replicated ones do ({expected:.0f} expected); "
        f"oddest: {oddest}"
    )
    bad = p <= _CONVINCING
    step = (
        "Look at their rows: answers in one column, clicked through, or copied? "
        "check.predictive['new'].people has all. Do not drop them for this alone."
    )
    return Verdict(question, "look" if bad else "good", evidence, step if bad else "")


def _of_sites(fit: Fit, draws: int, seed: int) -> list[Verdict]:
    groups = site_groups(fit)
    if not groups:
        return []
    question = "Which sites does it miss?"
    replicates = _try(question, lambda: replicate(fit, persons="new", draws=draws, seed=seed))
    if isinstance(replicates, Verdict):
        return [replicates]
    out = []
    for group in groups:
        frame, p = sites(replicates, group)
        worst, z = frame.index[0], frame["points"].iloc[0]
        evidence = (
            f"most unusual is {worst}, {z:+.1f} SD from its replicates ({p_words(p)} among "
            f"{len(frame)})"
        )
        step = "Look at how this site was run, and fit without it." if p <= _CONVINCING else ""
        out.append(
            Verdict(f"{question[:-1]} ({group.name})?", "look" if step else "good", evidence, step)
        )
    return out


def _priors(fit: Fit) -> Verdict:
    question = "Does the prior matter?"
    if fit.objective == "ml":
        return Verdict(question, "not checked", "maximum likelihood has no priors")
    if not fit.sampled:
        return Verdict(
            question, "not checked", "a mode has no draws to weigh",
            "il.check(il.sample(model)) weighs the priors.",
        )  # fmt: skip
    found = _try(question, lambda: prior_weight(fit))
    if isinstance(found, Verdict):
        return found
    strong = found[found["prior"] > THRESHOLD]
    shown = strong if len(strong) else found.sort_values("prior").iloc[-1:]
    words = "; ".join(f"{name}: {row['prior']:.2f}" for name, row in shown.iterrows())
    evidence = f"sensitivity to the prior (at most {THRESHOLD} is small): {words}"
    step = (
        "State these priors in the paper, and fit with half and twice their width: "
        "model.with_priors({...}). Few items say little of SDs and correlations of items."
    )
    return Verdict(
        question, "look" if len(strong) else "good", evidence, step if len(strong) else ""
    )


def _laplace(fit: Fit) -> Verdict:
    question = "Does Laplace suffice here?"
    if fit.engine != "laplace":
        how = "draws of the posterior" if fit.sampled else "persons are integrated exactly"
        return Verdict(question, "not checked", f"Laplace was not used: {how}")
    name, few = answers_by_unit(fit)
    found = _try(question, lambda: laplace_error(fit))
    step = "Use il.quadrature(model) or il.sample(model), which integrate exactly."
    if isinstance(found, Verdict) or found is None:
        evidence = f"half of the levels of {name} have {few:.0f} answers or fewer"
        if few < FEW_ANSWERS:
            return Verdict(question, "look", f"{evidence}: variances come out too small", step)
        return Verdict(question, "good", f"{evidence}; no exact integral to compare with")
    error = found["in_se"].abs()
    if not error.notna().any():
        return Verdict(question, "not checked", "all standard errors are missing", step)
    worst = error.idxmax()
    row = found.loc[worst]
    evidence = (
        f"largest difference to exact integrals: {worst}, {row['laplace']:.3f} against "
        f"{row['quadrature']:.3f} ({error[worst]:.2f} standard errors)"
    )
    bad = bool(error[worst] > _LARGEST_ERROR)
    return Verdict(question, "bad" if bad else "good", evidence, step if bad else "")


def _try[T](question: str, make: Callable[[], T]) -> T | Verdict:
    """What a check gives, or why it does not apply to this fit."""
    try:
        return make()
    except (ModelError, NotAvailable) as reason:
        return Verdict(question, "not checked", str(reason))
