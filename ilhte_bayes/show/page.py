"""One self-contained HTML page for a fit: what was asked, of whom, and what came out."""

import base64
import io
import math
from functools import cache
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.card import EffectCard, effect_card
from ilhte_bayes.estimands.items import ItemEffects, item_effects
from ilhte_bayes.show.text import ENGINE_WORDS, card_table, criteria, items_table, model_lines

if TYPE_CHECKING:
    from ilhte_bayes.fits.fit import Fit


def report(fit: "Fit", path: str | PathLike[str], *, title: str | None = None) -> Path:
    """Write a fit's results as one HTML page that needs no other file.

    Parameters
    ----------
    fit : Fit
    path : str or path
        Where to write; an existing file is replaced.
    title : str, optional
        Headline; the response and treatment by default.

    Returns
    -------
    pathlib.Path
        The file written.
    """
    target = Path(path)
    html = page_html(fit, title=title)
    target.write_text(html, encoding="utf-8")
    return target


def page_html(fit: "Fit", *, title: str | None = None) -> str:
    """HTML of the page."""
    effects = _item_effects_or_none(fit)
    return str(
        _template("page.html").render(
            title=title or _title(fit),
            facts=model_lines(fit.model),
            method=ENGINE_WORDS[fit.engine, fit.objective],
            fit=fit,
            flow=_table(fit.model.flow, digits=0) if fit.model.flow is not None else None,
            coefficients=_table(fit.coefficients),
            components=_table(fit.variance_components),
            criteria=criteria(fit),
            effects=effects,
            effects_table=_items_html(effects) if effects else None,
            average=_average_sentence(effects) if effects else None,
            card=_card_or_none(fit),
            figure=_picture(effects) if effects else None,
            code=_code(fit),
            versions=_versions(),
            fingerprint=fit.model.responses.fingerprint()[:16],
        )
    )


def _item_effects_or_none(fit: "Fit") -> ItemEffects | None:
    try:
        return item_effects(fit)
    except ModelError:
        return None  # a model without treatment or items has none


def _card_or_none(fit: "Fit") -> str | None:
    try:
        return card_html(effect_card(fit))
    except ModelError:
        return None  # a model without treatment, persons or items has none


def _title(fit: "Fit") -> str:
    treatment = fit.model.roles.treatment
    noun = fit.model.assignment.noun if fit.model.assignment else "effect"
    if treatment is None:
        return f"{fit.model.formula.response.text}: a multilevel model"
    if noun == "difference":
        return f"Differences in {fit.model.formula.response.text} by {treatment}, item by item"
    return f"The {noun} of {treatment} on {fit.model.formula.response.text}, item by item"


def _average_sentence(effects: ItemEffects) -> str:
    return " ".join(
        f"{contrast}: the average {effects.noun} over the item population is "
        f"{row['effect']:.2f} logits, 95 % interval {row['lower']:.2f} to {row['upper']:.2f}."
        for contrast, row in effects.average.iterrows()
    )


def _picture(effects: ItemEffects) -> str:
    from matplotlib.figure import Figure

    from ilhte_bayes.show.plots import item_effects as draw

    figure = draw(effects).figure
    assert isinstance(figure, Figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160)
    return base64.b64encode(buffer.getvalue()).decode()


def _code(fit: "Fit") -> str:
    model = fit.model
    roles = model.roles
    named: dict[str, Any] = {
        key: value
        for key in ("treatment", "person", "item", "occasion")
        if (value := getattr(roles, key))
    }
    if roles.clusters:
        named["clusters"] = list(roles.clusters)
    source = f"il.load_dataset({model.source!r})" if _bundled(model.source) else "table"
    return (
        "import ilhte_bayes as il\n\n"
        f'model = il.Model("{model.formula.text}", {source},\n'
        f"                 family={model.family.name!r}, roles={named!r})\n"
        f"fit = il.{fit.engine}(model, objective={fit.objective!r})\n"
        "print(fit)\nprint(il.item_effects(fit))"
    )


def _bundled(source: str) -> bool:
    from ilhte_bayes.data.datasets import REGISTRY

    return source in REGISTRY


@cache
def _versions() -> str:
    import platform
    from importlib.metadata import version

    import ilhte_bayes

    parts = [f"{name} {version(name)}" for name in ("numpy", "scipy", "numba", "formulaic")]
    return ", ".join(
        [f"ilhte_bayes {ilhte_bayes.__version__}", f"Python {platform.python_version()}", *parts]
    )


@cache
def _template(name: str):
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader("ilhte_bayes.show", "templates")
    return Environment(loader=loader, autoescape=True).get_template(name)


def _table(frame: pd.DataFrame, digits: int = 3) -> str:
    """HTML table; numbers aligned, missing entries as a dash."""

    def show(value: object) -> str:
        if isinstance(value, float | np.floating):
            return "–" if math.isnan(value) else f"{value:.{digits}f}".replace("-", "−")
        return escape(str(value))

    return str(frame.map(show).to_html(border=0, escape=False, classes="numbers"))


def fit_html(fit: "Fit") -> str:
    """Short form of a fit for a notebook."""
    problems = "".join(f"<p><b>Note</b> {escape(problem)}</p>" for problem in fit.problems)
    return (
        f"<p><code>{escape(fit.model.formula.text)}</code><br>"
        f"{escape(ENGINE_WORDS[fit.engine, fit.objective])}; {fit.n_obs:,} answers; "
        f"{escape(criteria(fit))}</p>"
        f"<p>Coefficients (logits), 95 % Wald intervals</p>{_table(fit.coefficients)}"
        f"<p>Spread between levels (logits) and correlations, 95 % intervals</p>"
        f"{_table(fit.variance_components)}{problems}"
    )


def item_effects_html(effects: ItemEffects) -> str:
    """Item effects for a notebook."""
    notes = "".join(f"<p>{escape(note)}</p>" for note in effects.notes)
    return (
        f"<p>{escape(_average_sentence(effects))}</p>"
        f"<p>{escape(effects.noun.capitalize())} by item (logits), 95 % intervals</p>"
        f"{_items_html(effects)}{notes}"
    )


def card_html(card: EffectCard) -> str:
    """Effect card for a notebook or a page."""
    notes = "".join(f"<p>{escape(note)}</p>" for note in card.notes)
    return f"{_table(card_table(card))}{notes}"


def _items_html(effects: ItemEffects) -> str:
    return _table(items_table(effects.frame.sort_values("effect", ascending=False), effects.noun))
