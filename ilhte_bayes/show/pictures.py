"""Figures as they stand on the page: drawn into it, with a caption and words for who cannot see."""

import base64
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ilhte_bayes.errors import IlhteError
from ilhte_bayes.estimands.items import ItemEffects
from ilhte_bayes.fits.fit import Fit

if TYPE_CHECKING:
    from ilhte_bayes.checks.check import Check
    from ilhte_bayes.checks.predictive import PredictiveCheck
    from ilhte_bayes.sensitivity.identification import Identification
    from ilhte_bayes.show.figures.draw_svg import PagePicture, Spot

_CAPTIONS = {
    "item_effects": "Every item's {noun} with its 95 % interval, ordered; dashed: the average.",
    "effect_by_easiness": "Each point is an item; upright lines are 95 % intervals of its {noun}, "
    "level lines of its easiness. The line is what the fitted correlation implies, with its 95 % "
    "band.",
    "item_curves": "Probability of the answer (of ordinal answers the expected score) against ability, for persons whose covariates and "
    "clusters are average, in two arms; bands are 95 %. Items are ordered from the largest {noun} "
    "to the smallest, or, where the model makes it equal, from easy to hard; of more than twelve, twelve evenly spread ones are shown.",
    "prior_posterior": "What was believed before the answers were seen, and what after: where the "
    "two look alike, the answers said little.",
    "predictive": "Observed answers (black) on what the fitted model gives for new persons (grey, "
    "95 % of tables): sum scores by arm, items, how strongly each item goes with the sum score, and "
    "how strongly pairs of items go together beyond it.",
    "identification": "Left: the interaction that a model with the same {noun} on all items finds "
    "in tables in which only items differ, and in this one. Middle: the interaction with and "
    "without {noun}s by item. Right: how far easiness spreads in the second arm against the first; "
    "at 1 items do not mislead.",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure drawn into the page."""

    source: str  # a data URI
    alt: str
    caption: str
    width: int  # in CSS pixels, at most
    box: tuple[float, float] = (1.0, 1.0)  # width and height in the unit of the spots
    spots: "tuple[Spot, ...]" = ()  # places that tell their numbers


def by_contrast(fit: Fit, effects: ItemEffects, name: str) -> Iterator[Picture]:
    """One picture for each arm against the reference; none where there is nothing to draw."""
    what, caption = name.replace("_", " ").capitalize(), _CAPTIONS[name].format(noun=effects.noun)
    for label in effects.average.index:
        with contextlib.suppress(IlhteError):
            yield _draw(fit, name, f"{what}, {label}", caption, contrast=label, backend="svg")


def priors(fit: Fit) -> Picture:
    """Prior against posterior."""
    name = "prior_posterior"
    return _draw(fit, name, "Prior and posterior densities", _CAPTIONS[name], backend="svg")


def predictive(found: "Check | PredictiveCheck") -> Picture:
    """Observed answers against those of the model."""
    return _draw(found, "predictive", "Answers observed and replicated", _CAPTIONS["predictive"])


def identification(found: "Identification") -> Picture:
    """What items alone would make of an interaction."""
    caption = _CAPTIONS["identification"].format(noun=found.noun)
    return _draw(found, "identification", "Persons or items", caption)


def of_study(study: object, name: str, words: str) -> Picture:
    """A figure of many trials."""
    return _draw(study, name, words, words, backend="svg")


def _draw(what: object, name: str, alt: str, caption: str, **options: str) -> Picture:
    from ilhte_bayes.show import plots
    from ilhte_bayes.show.figures.draw_svg import PagePicture, svg_of

    drawn: Any = getattr(plots, name)(what, **options)
    if not isinstance(drawn, PagePicture):  # matplotlib's axes
        drawn = svg_of((drawn[0] if isinstance(drawn, list) else drawn).get_figure(root=True))
    return _picture(drawn, alt, caption)


def _picture(drawn: "PagePicture", alt: str, caption: str) -> Picture:
    encoded = base64.b64encode(drawn.svg.encode()).decode()
    width = round(110 / 72 * drawn.width)
    return Picture(
        f"data:image/svg+xml;base64,{encoded}",
        f"{alt}. {caption}",
        caption,
        width,
        (drawn.width, drawn.height),
        drawn.spots,
    )
