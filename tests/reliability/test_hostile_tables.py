"""Tables made to harm the reader: nothing in them runs, nothing in them hangs the program."""

import re
import resource
import subprocess
import sys
import time
import zipfile
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il

ITEMS = [
    "<script>alert(1)</script>", "</title></style></script><img src=x onerror=alert(1)>",
    "'\"><svg/onload=alert(1)>", "=cmd|' /C calc'!A0", "{{7*7}}{% raw %}", "$\\alpha_{$ \\input{x}",
    "%s {0} \\x", "[x](javascript:alert(1))", "line\nbreak\r\nand\ttab", "bell\x07 esc\x1b[31mred",
    "nul\x00byte", "\u202eevil\u202c", "half \ud83d", "10 MB " + "<x>" * 3_500_000,
]  # fmt: skip
ARMS = ("<i>no</i>", "=1+1|cmd")
TREATMENT = "<b>arm</b>"
PERSON = "id<u>"
OURS = {"script": 1}  # elements of the page that could run


class Elements(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def assert_harmless(html: str, scripts: int = 0) -> None:
    """Names are text: no element and no attribute of theirs, nothing that a terminal obeys."""
    page = Elements(html)
    assert page.tags.get("script", 0) == scripts
    assert not {"i", "u", "x"} & page.tags.keys()  # the names' own
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    targets = [value or "" for name, value in page.attributes if name in ("href", "src")]
    assert not [t for t in targets if not t.startswith(("#", "data:", "https://doi.org/"))]
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\ud800-\udfff]", html)


@pytest.fixture(scope="module")
def fit() -> il.Fit:
    rng = np.random.default_rng(20)
    n_persons, n_items = 40, len(ITEMS)
    person, item = (grid.ravel() for grid in np.indices((n_persons, n_items)))
    logit = rng.normal(0, 1, n_persons)[person] + rng.normal(0, 1, n_items)[item] + person % 2
    table = pd.DataFrame(
        {
            "resp": (rng.random(person.size) < 1 / (1 + np.exp(-logit))).astype(int),
            PERSON: [f"=p{p}<u>" for p in person],
            "item": pd.Series(np.array(ITEMS, dtype=object)[item], dtype=object),
            TREATMENT: np.array(ARMS, dtype=object)[person % 2],
        }
    )
    with pytest.warns(il.errors.IlhteWarning, match=r"holds 6 name\(s\) with line ends"):
        model = il.il_hte(table, response="resp", treatment=TREATMENT, person=PERSON, item="item")
    return il.laplace(model, objective="map")


def test_the_page_shows_names_and_runs_nothing(fit, tmp_path):
    began = time.process_time()
    path = il.report(fit, tmp_path / "page.html")
    page = path.read_text(encoding="utf-8")
    assert time.process_time() - began < 120  # ten megabytes of a name are cut at the door
    assert len(page) < 5e6
    assert_harmless(page, scripts=1)
    text = Elements(page).text
    for name in (*ITEMS[:8], *ARMS):
        assert " ".join(name.split()) in " ".join(text.split())


def test_results_in_a_notebook_run_nothing(fit):
    effects = il.item_effects(fit)
    shown = [fit, fit.model, effects, il.effect_card(fit), il.persons(fit, draws=20)]
    shown += [il.variance_shares(fit)]
    with pytest.raises(il.errors.NotAvailable, match="Rename them first"):
        il.as_code(fit.model, "glmer")  # names that other programs would take for code
    for result in shown:
        assert_harmless(result._repr_html_())
        assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e]", repr(result))
        assert len(repr(result)) < 100_000


def test_files_of_tables_hold_names_as_text(fit, tmp_path):
    effects = il.item_effects(fit)
    assert_harmless(il.save_table(effects, tmp_path / "t.html").read_text(encoding="utf-8"))
    tex = il.save_table(effects, tmp_path / "t.tex").read_text(encoding="utf-8")
    assert r"\input{" not in tex and r"\textbackslash{}input\{x\}" in tex
    markdown = il.save_table(effects, tmp_path / "t.md").read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)<script", markdown) and r"\[x\](javascript" in markdown
    with zipfile.ZipFile(il.save_table(effects, tmp_path / "t.docx")) as word:
        text = word.read("word/document.xml").decode()
    assert "&lt;script&gt;" in text and "w:fldChar" not in text and "w:instrText" not in text


def test_frames_of_others_are_cleaned_on_their_way_to_a_file(tmp_path):
    frame = pd.DataFrame({"x\x00": ["a\x00b\x1b", "<script>"]}, index=["\x07", "q"])
    for ending in ("html", "tex", "md", "docx"):
        content = il.save_table(frame, tmp_path / f"t.{ending}").read_bytes()
        assert ending == "docx" or not re.search(rb"[\x00-\x08\x0b-\x1f]|(?<!\\)<script", content)


@pytest.mark.parametrize("plot", ["item_effects", "effect_by_easiness"])
def test_figures_show_names_and_run_nothing(fit, plot, tmp_path):
    plotly = pytest.importorskip("plotly.io", reason="plotly is not installed: uv sync")
    draw = getattr(il.plot, plot)
    axes = draw(fit)
    axes.figure.savefig(tmp_path / "f.svg")
    assert_harmless((tmp_path / "f.svg").read_text(encoding="utf-8"))
    html = plotly.to_html(draw(fit, backend="plotly"), include_plotlyjs=False, full_html=False)
    assert Elements(html).tags.get("script", 0) <= 2  # plotly's own; a name cannot end one
    assert "<script>alert" not in html and "<img src=x" not in html


def test_a_saved_fit_keeps_them(fit, tmp_path):
    loaded = il.load(fit.save(tmp_path / "fit.nc"))
    assert (
        loaded.model.design.group("item").labels.tolist()
        == fit.model.design.group("item").labels.tolist()
    )


MILLION = """
import resource, time, warnings
import numpy as np, pandas as pd
import ilhte_bayes as il
warnings.simplefilter("ignore")
n, persons = {items}, {persons}
rng = np.random.default_rng(5)
item = np.tile(np.arange(n), 2)
person = rng.integers(0, persons, item.size)
logit = rng.normal(0, 1, persons)[person] + rng.normal(0, 1, n)[item] + 0.4 * (person % 2)
table = pd.DataFrame({{
    "resp": (rng.random(item.size) < 1 / (1 + np.exp(-logit))).astype(int),
    "id": person, "item": [f"item {{k}}" for k in item], "treat": person % 2,
}}).drop_duplicates(["id", "item"])
began = time.perf_counter()
def tell(what):
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{{what}}: {{time.perf_counter() - began:.0f}} s, {{used.ru_utime:.0f}} s of processor "
          f"time, {{used.ru_maxrss / 1e6:.1f}} GB", flush=True)
model = il.il_hte(table)
tell("model")
fit = il.laplace(model)
assert len(repr(fit)) < 1e5 and len(fit._repr_html_()) < 1e5
tell("fit")
try:
    print(len(repr(il.item_effects(fit))))
except il.errors.IlhteError as error:
    print("item effects:", error)
tell("item effects")
path = il.report(fit, r"{page}")
assert path.stat().st_size < 20e6
tell(f"page of {{path.stat().st_size / 1e6:.1f}} MB")
"""


@pytest.mark.slow
@pytest.mark.parametrize("items, persons, hours", [(20_000, 200, 0.5), (1_000_000, 500, 2)])
def test_a_million_items_end_in_a_page(tmp_path, items, persons, hours):
    """`pytest -m slow tests/reliability/test_hostile_tables.py -s` prints times and memory."""
    script = MILLION.format(items=items, persons=persons, page=tmp_path / "page.html")
    memory = 14 * 2**30
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=hours * 3600,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory)),
    )  # fmt: skip
    print(found.stdout)
    assert not found.returncode, found.stdout + found.stderr[-2000:]
