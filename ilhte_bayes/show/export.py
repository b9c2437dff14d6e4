"""Results as tables to send: through great_tables, and as HTML, LaTeX, Word and Markdown files."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from ilhte_bayes.checks.equal_slopes import EqualSlopes
from ilhte_bayes.errors import DataError, ModelError, NotAvailable, listed
from ilhte_bayes.estimands.card import EffectCard
from ilhte_bayes.estimands.items import ItemEffects
from ilhte_bayes.estimands.ladder import Ladder
from ilhte_bayes.estimands.persons import Persons
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.estimands.scores import ScoreEffects
from ilhte_bayes.fits.comparison import Comparison
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.show import (
    card_words,
    equal_slopes_words,
    ladder_words,
    latex,
    person_tables,
    score_tables,
)
from ilhte_bayes.show import comparison_words as comparisons
from ilhte_bayes.show.html_tables import cell, components_table, estimates_table
from ilhte_bayes.show.latex import Table
from ilhte_bayes.show.results import result_table
from ilhte_bayes.show.text import average_sentences, items_table, method_words
from ilhte_bayes.show.words import sentence


@dataclass(frozen=True, slots=True)
class Written:
    """A result ready to be written: its tables, and what to say below them."""

    tables: tuple[Table, ...]
    notes: tuple[str, ...]


def table(result: Any) -> Any:
    """Turn a result into a table of great_tables, to be styled further or saved by its functions.

    Parameters
    ----------
    result : result, Fit or pandas.DataFrame
        Anything that prints as a table here. Of several tables the first; `il.save_table` writes
        all.

    Returns
    -------
    great_tables.GT
        Cells as printed; HTML and LaTeX characters in names are escaped.

    Raises
    ------
    ModelError
        If it is no result that has a table.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> fit = il.laplace(il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria")))
    >>> "odds ratio" in il.table(il.odds_ratios(fit)).as_raw_html().lower()
    True
    """
    found = written(result)
    return _great_table(found.tables[0], found.notes)


def save_table(result: Any, path: str | PathLike[str]) -> Path:
    """Write a result as a table: HTML, LaTeX, Word or Markdown, by the ending of the name.

    Parameters
    ----------
    result : result, Fit or pandas.DataFrame
        Anything that prints as a table here: effects by item, card, scores, persons (all of
        them), comparison, ladder, fit, ...
    path : str or path
        Ending in `.html`, `.tex` (needs the package booktabs), `.docx` (needs python-docx) or
        `.md`; an existing file is replaced.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    DataError
        If the ending is none of these, or the folder is not there.
    ModelError
        If it is no result that has a table.
    NotAvailable
        For Word, if python-docx is not installed.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> import tempfile
    >>> table = il.load_dataset("contraception")
    >>> fit = il.laplace(il.Model("use ~ age + urban + (1 | district)", table))
    >>> il.save_table(il.odds_ratios(fit), f"{tempfile.mkdtemp()}/odds.md").name
    'odds.md'
    """
    target = Path(path).expanduser()
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        raise DataError(
            f"{target.name!r} does not say what to write. End the name in one of "
            f"{listed(list(_WRITERS))}."
        )
    if not target.parent.is_dir():
        raise DataError(f"there is no folder {target.parent}. Make it first, or name another.")
    write(written(result), target)
    return target


def to_latex(result: Any) -> str:
    """LaTeX of all tables of a result (package booktabs), and its notes."""
    found = written(result)
    return latex.latex(found.tables, found.notes)


def written(result: Any) -> Written:
    """Tables and notes of a result, cells as printed."""
    for kind, make in _KINDS.items():
        if isinstance(result, kind):
            return make(result)
    if isinstance(result, pd.DataFrame):
        return Written((Table("", _cells(result)),), ())
    frame = result.to_frame() if hasattr(result, "to_frame") else None
    if not isinstance(frame, pd.DataFrame):
        raise ModelError(
            f"a {type(result).__name__} is no result that has a table. Give what il.item_effects, "
            "il.effect_card, il.ladder, ... return, a fit, or a pandas.DataFrame."
        )
    title, notes = getattr(result, "title", ""), getattr(result, "notes", ())
    return Written((Table(str(title), _cells(frame)),), tuple(map(str, notes)))


def _cells(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.map(cell)


def _result(found: Result) -> Written:
    return Written((Table(found.title, result_table(found)),), found.notes)


def _items(effects: ItemEffects) -> Written:
    order = {label: k for k, label in enumerate(effects.average.index)}
    frame = effects.frame.sort_values("effect", ascending=False)
    if frame.index.nlevels > 1:
        frame = frame.sort_index(
            level="contrast", sort_remaining=False, key=lambda names: names.map(order)
        )
    title = f"{effects.noun.capitalize()} by item (logits), 95 % intervals"
    notes = (*average_sentences(effects), *effects.notes)
    return Written((Table(title, items_table(frame, effects.noun)),), notes)


def _card(card: EffectCard) -> Written:
    title = f"{card.noun.capitalize()}, 95 % intervals"
    contrasts = card.frame.index.get_level_values("contrast").unique()
    title += f" ({contrasts[0]})" if len(contrasts) == 1 else ""
    tables, answers = [Table(title, card_words.card_table(card))], card_words.answers_table(card)
    if answers is not None:
        tables.append(Table(f"{card_words.answers_title(card)}, 95 % intervals", answers))
    return Written(tuple(tables), card.notes)


def _scores(scores: ScoreEffects) -> Written:
    by_item = score_tables.score_table(score_tables.expected_scores(scores.frame), scores.noun)
    tests = score_tables.score_table(scores.test, scores.noun)
    title = score_tables.title_of(scores)
    return Written((Table(title, tests), Table("Expected score by item", by_item)), scores.notes)


def _persons(people: Persons) -> Written:
    shown = person_tables.cells(people.frame.sort_values("ability", kind="stable"))
    return Written((Table(person_tables.title_of(people), shown),), person_tables.remarks(people))


def _comparison(found: Comparison) -> Written:
    shown = comparisons.comparison_table(found)
    return Written((Table(comparisons.title_of(found), shown),), found.notes)


def _ladder(steps: Ladder) -> Written:
    title = "Models: estimates (standard errors)"
    return Written(
        (Table(title, ladder_words.ladder_table(steps)),), tuple(ladder_words.notes_of(steps))
    )


def _equal_slopes(found: EqualSlopes) -> Written:
    parts = equal_slopes_words.parts(found)
    return Written(tuple(Table(title, _cells(frame)) for title, frame in parts), found.notes)


def _fit(fit: Fit) -> Written:
    spread = components_table(fit.variance_components)
    tables = (
        Table("Coefficients (logits), 95 % intervals", _cells(estimates_table(fit.coefficients))),
        Table("Spread between levels (logits) and correlations", _cells(spread)),
    )
    method = f"{fit.model.formula.text}; {method_words(fit)}; {fit.n_obs:,} answers"
    return Written(tables, (method, *fit.problems))


_KINDS: dict[type, Callable[[Any], Written]] = {
    Result: _result,
    ItemEffects: _items,
    EffectCard: _card,
    ScoreEffects: _scores,
    Persons: _persons,
    Comparison: _comparison,
    Ladder: _ladder,
    EqualSlopes: _equal_slopes,
    Fit: _fit,
}


def _great_table(own: Table, notes: tuple[str, ...]) -> Any:
    import great_tables as gt

    flat, outer = latex.flat(own.frame)
    heads = [*outer[1:], *map(latex.text_of, own.frame.columns)]
    names = [f"c{k}" for k in range(flat.shape[1])]
    flat.columns = pd.Index(names)
    grouped = len(outer) > 1
    made = gt.GT(
        flat, rowname_col=names[len(outer) - 1], groupname_col=names[0] if grouped else None
    )
    labels: Any = dict(zip(names[1:], map(str, heads), strict=True))
    made = made.cols_label(labels).tab_stubhead(outer[-1] or "")
    texts = [n for n in names[len(outer) :] if latex.is_text(flat[n])]
    made = made.cols_align("right", columns=[n for n in names[len(outer) :] if n not in texts])
    if own.title:
        made = made.tab_header(own.title)
    for note in notes:
        made = made.tab_source_note(sentence(note))
    return made


def _write_html(found: Written, target: Path) -> None:
    last = len(found.tables) - 1
    parts = [
        _great_table(own, found.notes if k == last else ()).as_raw_html()
        for k, own in enumerate(found.tables)
    ]
    title = escape(found.tables[0].title or "Table")
    head = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
    )
    target.write_text(f"{head}<body>{'<p></p>'.join(parts)}</body></html>", encoding="utf-8")


def _write_latex(found: Written, target: Path) -> None:
    target.write_text(latex.latex(found.tables, found.notes), encoding="utf-8")


def _write_word(found: Written, target: Path) -> None:
    try:
        from ilhte_bayes.show.word import save_word
    except ImportError as missing:
        raise NotAvailable(
            "a Word file needs the package python-docx. Install it: "
            "pip install 'ilhte-bayes[word]', or write '.html', which Word opens."
        ) from missing
    save_word(found.tables, found.notes, target)


def _write_markdown(found: Written, target: Path) -> None:
    parts = [latex.markdown(own) for own in found.tables]
    parts += [latex.markdown_text(sentence(note)) for note in found.notes]
    target.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


_WRITERS: dict[str, Callable[[Written, Path], None]] = {
    ".html": _write_html,
    ".tex": _write_latex,
    ".docx": _write_word,
    ".md": _write_markdown,
}
