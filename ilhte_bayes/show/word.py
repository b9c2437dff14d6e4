"""Tables as a Word document, in the three-line style of journals (needs python-docx)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt

from ilhte_bayes.show.latex import Table, flat, is_text, text_of
from ilhte_bayes.show.words import sentence


def save_word(tables: Sequence[Table], notes: Sequence[str], target: Path) -> None:
    """Write all tables below each other, then notes in small print."""
    document = Document()
    for own in tables:
        if own.title:
            document.add_paragraph().add_run(own.title).bold = True
        _add(document, own)
        document.add_paragraph()
    for note in notes:
        document.add_paragraph().add_run(sentence(note)).font.size = Pt(9)
    document.save(str(target))


def _add(document: Any, own: Table) -> None:
    cells, names = flat(own.frame)
    heads = [*("" if name == "row" else name for name in names), *map(text_of, own.frame.columns)]
    right = [k >= len(names) and not is_text(cells.iloc[:, k]) for k in range(len(heads))]
    made = document.add_table(rows=1 + len(cells), cols=len(heads))
    above: list[str] = []
    rows = [heads, *cells.to_numpy().tolist()]
    for at, (row, texts) in enumerate(zip(made.rows, rows, strict=True)):
        for k, (place, text) in enumerate(zip(row.cells, texts, strict=True)):
            repeated = at > 0 and k < len(names) - 1 and above[: k + 1] == texts[: k + 1]
            _fill(place, "" if repeated else str(text), right=right[k], small=len(heads) > 6)
            edges = {0: ("top", "bottom"), len(rows) - 1: ("bottom",)}.get(at, ())
            _rule(place, edges)
        above = texts


def _fill(place: Any, text: str, *, right: bool, small: bool) -> None:
    paragraph = place.paragraphs[0]
    run = paragraph.add_run(text)
    run.font.size = Pt(8 if small else 10)
    if right:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT


def _rule(place: Any, edges: Sequence[str]) -> None:
    """Lines at edges of a cell."""
    if not edges:
        return
    borders = OxmlElement("w:tcBorders")
    for edge in edges:
        line = OxmlElement(f"w:{edge}")
        for key, value in (("val", "single"), ("sz", "6"), ("color", "000000")):
            line.set(qn(f"w:{key}"), value)
        borders.append(line)
    place._tc.get_or_add_tcPr().append(borders)
