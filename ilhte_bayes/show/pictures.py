"""Figures as they stand on the page: drawn into it, with a caption and words for who cannot see."""

import base64
import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ilhte_bayes.errors import IlhteError
from ilhte_bayes.estimands.items import ItemEffects
from ilhte_bayes.fits.fit import Fit

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
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure drawn into the page."""

    source: str  # a data URI
    alt: str
    caption: str
    width: int  # in CSS pixels, at most


def by_contrast(fit: Fit, effects: ItemEffects, name: str) -> Iterator[Picture]:
    """One picture for each arm against the reference; none where there is nothing to draw."""
    what, caption = name.replace("_", " ").capitalize(), _CAPTIONS[name].format(noun=effects.noun)
    for label in effects.average.index:
        with contextlib.suppress(IlhteError):
            yield _draw(fit, name, f"{what}, {label}", caption, contrast=label)


def priors(fit: Fit) -> Picture:
    """Prior against posterior."""
    name = "prior_posterior"
    return _draw(fit, name, "Prior and posterior densities", _CAPTIONS[name])


def _draw(fit: Fit, name: str, alt: str, caption: str, **options: str) -> Picture:
    from ilhte_bayes.show import plots

    return picture_of(getattr(plots, name)(fit, **options), alt, caption)


def picture_of(ax: Any, alt: str, caption: str) -> Picture:
    """The figure that axes are on."""
    import matplotlib as mpl

    figure = ax.get_figure(root=True)
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "ilhte_bayes"}):  # the same page twice is the same file
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    encoded = base64.b64encode(buffer.getvalue()).decode()
    width = round(110 * figure.get_figwidth())
    return Picture(f"data:image/svg+xml;base64,{encoded}", f"{alt}. {caption}", caption, width)
