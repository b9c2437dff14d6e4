"""One self-contained HTML page for a fit, and short forms of results for a notebook."""

from collections.abc import Sequence
from functools import cache
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ilhte_bayes.errors import DataError
from ilhte_bayes.show.html_tables import components_table, fixed_tables, html_table, notes_html
from ilhte_bayes.show.text import average_sentences, criteria, items_table, method_words

if TYPE_CHECKING:
    from ilhte_bayes.estimands.items import ItemEffects
    from ilhte_bayes.fits.fit import Fit
    from ilhte_bayes.models.analysis_plan import AnalysisPlan
    from ilhte_bayes.show.sections.section import Section


def report(
    fit: "Fit",
    path: str | PathLike[str],
    *,
    title: str | None = None,
    beside: Sequence["Fit"] = (),
    plan: "AnalysisPlan | None" = None,
    include: Sequence[Any] = (),
    checks: bool = True,
) -> Path:
    """Write a fit's results as one HTML page that needs no other file.

    Question and answer; a summary in words; what was planned; the effect card; items; whether
    effects differ between items; results you include; checks with verdicts; the model and all its
    estimates; other fits; methods with references and BibTeX; who took part; how to repeat it, and
    the model in other programs' code. Figures tell their numbers when pointed at, and the page
    needs no network.

    Parameters
    ----------
    fit : Fit
    path : str or path
        Where to write; an existing file is replaced.
    title : str, optional
        Headline; the response and treatment by default.
    beside : sequence of Fit
        Fits to set beside this one, parameter by parameter (see `il.compare`), `beside=[ml]`.
    plan : AnalysisPlan, optional
        What was planned (`il.analysis_plan`, `il.load`): each result is marked planned or
        exploratory, and what was done otherwise is named.
    include : sequence of results
        Results made already, each shown in its place: `il.identification`, `il.anchors`,
        `il.boundary_test`, `il.lookalikes`, `il.predict`, `il.loo_table` and so on. An `il.check`
        or boundary test given here takes the place of the page's own.
    checks : bool
        Whether to run `il.check` and, after maximum likelihood, to fit the model once more with
        equal effects: a second for 500 persons x 20 items, longer for larger tables.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    DataError
        If it cannot be written there.
    ModelError
        If `include` holds something that is no result.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> fit = il.laplace(il.il_hte(il.load_dataset("caffeine"), response="resp >= 2"))
    >>> il.report(fit, "caffeine.html").name
    'caffeine.html'
    """
    target = Path(path).expanduser()
    if target.is_dir():
        raise DataError(f"{target} is a folder. Name a file in it: {target / 'report.html'}.")
    if not target.parent.is_dir():
        raise DataError(f"there is no folder {target.parent}. Make it first, or name another.")
    html = page_html(
        fit, title=title, beside=beside, plan=plan, include=include, checks=checks
    )  # fmt: skip
    target.write_text(html, encoding="utf-8")
    return target


def page_html(
    fit: "Fit",
    *,
    title: str | None = None,
    beside: Sequence["Fit"] = (),
    plan: "AnalysisPlan | None" = None,
    include: Sequence[Any] = (),
    checks: bool = True,
) -> str:
    """HTML of the page."""
    from ilhte_bayes.show.sections.included import check_included
    from ilhte_bayes.show.sections.order import lead, sections
    from ilhte_bayes.show.sections.section import results_of

    check_included(include)
    results = results_of(fit, beside, plan, include, checks)
    return str(
        _template("page.html").render(sections=sections(results), **lead(results, title=title))
    )


def page_of_sections(parts: "Sequence[Section]", **lead: object) -> str:
    """HTML of a page about something else than one fit."""
    return str(_template("page.html").render(sections=parts, **lead))


@cache
def _template(name: str):
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader("ilhte_bayes.show", "templates")
    return Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    ).get_template(name)


def fit_html(fit: "Fit") -> str:
    """Short form of a fit for a notebook."""
    problems = notes_html(fit.problems, "Note")
    return (
        f"<p><code>{escape(fit.model.formula.text)}</code><br>"
        f"{escape(method_words(fit))}; {fit.n_obs:,} answers; "
        f"{escape(criteria(fit))}</p>"
        f"{''.join(fixed_tables(fit, ', logits'))}"
        f"{html_table(components_table(fit.variance_components), 'Spread between levels (logits), correlations')}"
        f"{problems}"
    )


def item_effects_html(effects: "ItemEffects") -> str:
    """Item effects for a notebook."""
    frame = effects.frame.sort_values("effect", ascending=False)
    if frame.index.nlevels > 1:
        frame = frame.sort_index(level="contrast", sort_remaining=False)
    caption = f"{effects.noun.capitalize()} by item, logits"
    averages = "".join(f"<p>{escape(text)}</p>" for text in average_sentences(effects))
    return (
        averages + html_table(items_table(frame, effects.noun), caption) + notes_html(effects.notes)
    )
