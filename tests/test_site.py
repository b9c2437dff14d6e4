"""The documentation builds without a warning, its links lead somewhere, and it fits a phone."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WRITTEN = sorted(p.stem for p in DOCS.glob("*.md"))
sys.path.insert(0, str(DOCS))


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The whole site, built as its readers get it; a warning is an error.

    Its sources are written into docs/ as it is built, so that only one process of a run builds it.
    """
    if importlib.util.find_spec("myst_nb") is None:
        pytest.skip("the site's generator is not installed: uv sync --extra docs")
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        return _built(tmp_path_factory.mktemp("site"))
    shared = tmp_path_factory.getbasetemp().parent / f"site-{run}"
    done = shared / "done"
    try:
        shared.mkdir()
    except FileExistsError:
        until = time.monotonic() + 600
        while not (done.exists() and done.read_text()) and time.monotonic() < until:
            time.sleep(0.2)
        assert done.read_text() == "built", "the process that builds the site says why it could not"
        return shared / "html"
    try:
        out = _built(shared / "html")
    except BaseException:
        done.write_text("failed")
        raise
    done.write_text("built")
    return out


def _built(out):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(DOCS), str(out)]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 0, found.stderr[-4000:]
    return out


class Links(HTMLParser):
    """What a page points to, and the places in it that can be pointed to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.to: list[str] = []
        self.places: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.to.append(value)
            elif name == "id" and value:
                self.places.add(value)


def test_links_lead_somewhere(site):
    written = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in written}
    lost = []
    for path, links in pages.items():
        for link in links.to:
            target, place = urldefrag(unescape(link))
            if re.match(r"[a-z]+:|//", target):
                continue
            to = (path.parent / unquote(target.split("?")[0])).resolve() if target else path
            if not to.is_file() or (
                to in pages and place and unquote(place) not in pages[to].places
            ):
                lost.append((path.name, link))
    assert len(pages) > 80
    assert not lost, lost[:10]


def test_every_public_name_has_its_page(site):
    import ilhte_bayes as il

    for name in il.__all__:
        assert name in ("plot", "priors", "errors") or (site / "api" / f"{name}.html").is_file(), (
            name
        )


MEASURE = """<!doctype html><body><p id="out"></p><script>
const pages = {pages}, found = {{}};
async function look(page) {{
  const frame = document.createElement("iframe");
  frame.style = "width:{width}px;height:900px;border:0";
  const loaded = new Promise(done => frame.onload = done);
  frame.src = page;
  document.body.append(frame);
  await loaded;
  await new Promise(done => setTimeout(done, 300));
  const d = frame.contentDocument, w = frame.contentWindow;
  const pictures = [...d.querySelectorAll("article img")];
  pictures.forEach(i => i.loading = "eager");
  // what a box of its own scrolls is no overflow; elsewhere the theme would cut it off
  const scrolls = e => e !== d.body && e.tagName !== "ARTICLE" && (
    ["auto", "scroll"].includes(w.getComputedStyle(e).overflowX) || scrolls(e.parentElement));
  const over = [...d.querySelectorAll("article *")].filter(
    e => e.getBoundingClientRect().right > w.innerWidth + 0.5 && !scrolls(e));
  found[page] = [over.length ? 9999 : d.documentElement.scrollWidth, w.innerWidth,
    pictures.filter(i => i.complete && !i.naturalWidth).length, d.querySelector("h1").innerText.length];
  frame.remove();
}}
(async () => {{
  for (const page of pages) await look(page);
  document.getElementById("out").textContent = JSON.stringify(found);
}})();
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_a_phone_and_a_desk(site, width, tmp_path):
    """In a frame: a headless window cannot be made as narrow as a phone."""
    pages = [f"{name}.html" for name in WRITTEN] + ["api/index.html", "api/il_hte.html"]
    pages += sorted(f"course/{p.stem}.html" for p in (ROOT / "notebooks").glob("*.ipynb"))
    holder = site / f"holder-{width}.html"
    holder.write_text(MEASURE.format(pages=json.dumps(pages), width=width), encoding="utf-8")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--allow-file-access-from-files", "--enable-logging=stderr",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,1000",
        "--virtual-time-budget=60000", "--dump-dom", holder.as_uri(),
    ]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    holder.unlink()
    measured = re.search(r'<p id="out">(\{.*?\})</p>', found.stdout)
    assert measured, found.stderr[-2000:]
    sizes = json.loads(unescape(measured.group(1)))
    assert set(sizes) == set(pages)
    for page, (wide, window, broken, title) in sizes.items():
        assert width - 15 <= window <= width, page  # a scrollbar
        assert wide <= window, f"{page} is {wide} px wide in a window of {window}"
        assert broken == 0 and title > 0, page
    # the theme says which colours it chose; formulas are set by a script that may be out of reach
    known = ("[PST]", "theme mode", "mathjax", "MathJax")
    console = [
        line
        for line in found.stderr.split("\n")
        if "CONSOLE" in line and not any(word in line for word in known)
    ]
    assert not console, console


def test_the_trust_page_is_what_its_sources_say():
    import make_trust

    assert (DOCS / "trust.md").read_text() == make_trust.page(), "run python docs/make_trust.py"


def _written_pages():
    import refresh

    return [page for page in refresh.PAGES if page.stem not in refresh.NOT_RUN]


_LONG = {"sensitivity"}  # pages whose examples take a minute or more


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.stem in _LONG else [])
        for page in _written_pages()
    ],
)
def test_outputs_on_the_pages_are_those_of_their_examples(page):
    import matplotlib
    import refresh

    matplotlib.use("agg")
    with refresh.an_empty_folder():
        now = refresh.refreshed(page.read_text())
    assert refresh.same(page.read_text(), now), f"run python docs/refresh.py {page.stem}"


def test_an_output_that_changed_is_seen():
    import refresh

    page = "```python\n1.5\n```\n\n```text\n{}\n```\n"
    assert refresh.refreshed(page.format("old")) == page.format("1.5")
    assert refresh.same(page.format("1.49"), page.format("1.5"))
    assert not refresh.same(page.format("1.40"), page.format("1.50"))
    assert not refresh.same(page.format("1.5 logits"), page.format("1.5 SDs"))


def test_the_citation_names_this_version():
    import ilhte_bayes as il

    assert f"version: {il.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"version {il.__version__})" in (DOCS / "cite.md").read_text()
