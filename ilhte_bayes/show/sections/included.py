"""Results that the writer of a report has made and wants on it, each in its place."""

from collections.abc import Iterator, Sequence
from typing import Any

from ilhte_bayes.checks.check import Check
from ilhte_bayes.checks.equal_slopes import EqualSlopes
from ilhte_bayes.checks.loo import LeaveOneOut
from ilhte_bayes.checks.predictive import PredictiveCheck
from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.card import EffectCard
from ilhte_bayes.estimands.items import ItemEffects
from ilhte_bayes.estimands.ladder import Ladder
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.estimands.scores import ScoreEffects
from ilhte_bayes.fits.comparison import Comparison
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.sensitivity.absent_persons import AbsentPersons
from ilhte_bayes.sensitivity.anchors import Anchors
from ilhte_bayes.sensitivity.identification import Identification
from ilhte_bayes.show import pictures
from ilhte_bayes.show.sections.section import Results, Section

# results that are no plain table; a plain one says its topic itself
_TOPICS: dict[type, str] = {
    EffectCard: "effects",
    ScoreEffects: "effects",
    ItemEffects: "items",
    Identification: "identification",
    Anchors: "assumptions",
    AbsentPersons: "assumptions",
    Check: "checks",
    PredictiveCheck: "checks",
    LeaveOneOut: "checks",
    EqualSlopes: "checks",
    Ladder: "models",
    Comparison: "models",
}
_TITLES = {
    "effects": "More on the {noun}",
    "items": "More on items",
    "assumptions": "Under other assumptions",
    "models": "Other models",
    "more": "Further results",
}


def check_included(include: Sequence[Any]) -> None:
    """Refuse what the page cannot show.

    Raises
    ------
    ModelError
        With where it belongs instead.
    """
    for each in include:
        if isinstance(each, Fit):
            raise ModelError("include=[...] holds results; fits go in beside=[...].")
        if topic_of(each) is None:
            raise ModelError(
                f"include=[...] holds a {type(each).__name__}, which the page cannot show. It takes "
                "results of this package: il.identification(...), il.anchors(...), "
                "il.boundary_test(...), il.predict(...), ..."
            )


def topic_of(result: object) -> str | None:
    """What a result is about; None if it is no result of this package."""
    if isinstance(result, Result):
        return result.topic
    return next((topic for kind, topic in _TOPICS.items() if isinstance(result, kind)), None)


def included_html(results: Results, topic: str) -> list[str]:
    """HTML of the results on a topic, in the order given; names in it are escaped."""
    return [each._repr_html_() for each in results.include if topic_of(each) == topic]


def included(results: Results, topic: str) -> Iterator[Section]:
    """A section for the results on a topic, if there are any."""
    if html := included_html(results, topic):
        noun = results.effects.noun if results.effects else "effect"
        yield Section(_TITLES[topic].format(noun=noun), html=tuple(html))


def identification(results: Results) -> Iterator[Section]:
    """Persons or items: a section for each covariate that was asked about."""
    for each in results.include:
        if isinstance(each, Identification):
            yield Section(
                f"Does the {each.noun} differ between persons or between items? ({each.covariate})",
                html=(each._repr_html_(),),
                pictures=(pictures.identification(each),),
            )
