"""Tables to send: the numbers that are printed, in every format, and names that stay names."""

import re
import sys
import zipfile
from html.parser import HTMLParser

import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.show.export import written
from ilhte_bayes.show.latex import markdown_text, tex

NASTY = ["<script>alert(1)</script>", "a & b_1 $5 100 % #~^", "**x** | [y](z)", r"\input{x}"]


class _Texts(HTMLParser):
    """Tags and texts that a browser would see."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts = set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.texts.append(data.strip())


@pytest.fixture(scope="module")
def results(fit_of):
    binary, ordinal = fit_of("caffeine_map"), fit_of("ordinal")
    table = il.load_dataset("bacteria")
    ml = il.laplace(il.Model("yy ~ trt + (1 | ID)", table))
    return {
        "items": il.item_effects(binary),
        "card": il.effect_card(binary),
        "arms": il.item_effects(fit_of("three_arms")),
        "scores": il.score_effects(ordinal, draws=50),
        "persons": il.persons(ml, draws=20),
        "comparison": il.compare(fit_of("caffeine_ml"), binary),
        "ladder": il.ladder(["yy ~ 1 + (1 | ID)", "yy ~ trt + (1 | ID)"], table),
        "result": il.odds_ratios(ml),
        "fit": binary,
        "frame": pd.DataFrame({"x": [0.123456, float("nan")]}, index=["a", "b"]),
    }


NAMES = ["items", "card", "arms", "scores", "persons", "comparison", "ladder", "result", "fit",
         "frame"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_is_in_every_format(results, tmp_path, name):
    found = written(results[name])
    cells = [str(value) for own in found.tables for value in own.frame.to_numpy().ravel()]
    cells = [" ".join(cell.split()) for cell in cells if cell.strip()]
    texts = {}
    for ending in ("html", "tex", "md"):
        path = il.save_table(results[name], tmp_path / f"{name}.{ending}")
        texts[ending] = path.read_text(encoding="utf-8")
    shown = _Texts(texts["html"]).texts
    assert not set(cells) - set(shown)
    assert all(tex(cell) in texts["tex"] for cell in cells)
    assert all(markdown_text(cell) in texts["md"] for cell in cells)
    assert texts["tex"].count("{") == texts["tex"].count("}")
    from docx import Document

    document = Document(str(il.save_table(results[name], tmp_path / "out.docx")))
    word = [cell.text for own in document.tables for row in own.rows for cell in row.cells]
    assert not set(cells) - {" ".join(text.split()) for text in word}
    assert len(document.tables) == len(found.tables)


def test_numbers_are_those_of_the_result(results):
    effects = results["items"]
    (own,) = written(effects).tables
    for item, row in effects.frame.iterrows():
        assert own.frame.loc[item, "effect"] == f"{row['effect']:.2f}"
    assert len(written(results["persons"]).tables[0].frame) == len(results["persons"])  # everyone
    assert "0.12" in il.table(results["frame"]).as_raw_html()


def test_rows_of_latex_have_as_many_cells_as_the_head(results):
    for name in ("items", "card", "arms", "comparison", "persons"):
        text = results[name].to_latex()
        for body in re.findall(r"\\toprule(.*?)\\bottomrule", text, re.S):
            rows = [r for r in body.splitlines() if r.endswith(r"\\") and "multicolumn" not in r]
            assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1


def test_names_of_items_stay_names(logistic_table, tmp_path):
    table = logistic_table(3, persons=80, items=4).astype({"treat": int})
    renamed = dict(zip(["q1", "q2", "q3", "q4"], NASTY, strict=True))
    fit = il.laplace(il.il_hte(table.replace({"item": renamed})), objective="map")
    effects = il.item_effects(fit)
    read = _Texts(il.save_table(effects, tmp_path / "t.html").read_text())
    assert "script" not in read.tags and not set(NASTY) - set(read.texts)
    assert "script" not in _Texts(effects._repr_html_()).tags
    latex = effects.to_latex()
    assert r"a \& b\_1 \$5 100 \% \#\textasciitilde{}\textasciicircum{}" in latex
    assert r"\textbackslash{}input\{x\}" in latex and r"\input" not in latex
    assert r"\*\*x\*\* \| \[y\](z)" in il.save_table(effects, tmp_path / "t.md").read_text()
    with zipfile.ZipFile(il.save_table(effects, tmp_path / "t.docx")) as packed:
        assert b"&lt;script&gt;" in packed.read("word/document.xml")


def test_minus_signs_are_mathematics_in_latex_and_names_keep_theirs():
    assert tex("-0.31 [−1.2, 0.4]") == "$-$0.31 [$-$1.2, 0.4]"
    assert tex("self-report-2") == "self-report-2"
    assert tex("chi2 ≥ 3") == r"$\chi^2$ $\geq$ 3"


def test_what_cannot_be_written_is_a_sentence(results, tmp_path, monkeypatch):
    with pytest.raises(il.errors.DataError, match=r"'.html', '.tex', '.docx', '.md'"):
        il.save_table(results["card"], tmp_path / "card.xlsx")
    with pytest.raises(il.errors.DataError, match="no folder"):
        il.save_table(results["card"], tmp_path / "nowhere" / "card.tex")
    with pytest.raises(il.errors.ModelError, match="a str is no result"):
        il.save_table("effects", tmp_path / "card.tex")
    monkeypatch.setitem(sys.modules, "ilhte_bayes.show.word", None)
    with pytest.raises(il.errors.NotAvailable, match=r"pip install 'ilhte-bayes\[word\]'"):
        il.save_table(results["card"], tmp_path / "card.docx")
