"""The page holds every section, stands alone, fits a phone, and repeats itself."""

import html
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.show import pictures
from ilhte_bayes.show.page import page_html
from ilhte_bayes.show.peers import peers_code
from ilhte_bayes.show.people import arms_table, balance_table
from ilhte_bayes.show.recipe import code

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRAWN = ("caffeine_map", "three_arms", "draws")  # pages whose figures are drawn; it takes seconds
CASES = [*DRAWN, "caffeine_ml", "verbagg", "constant", "zero", "ordinal"]
SECTIONS = [
    "Summary",
    "The effect, for four questions",
    "Effect by item",
    "Effect and easiness",
    "Items by arm",
    "Do effects differ between items?",
    "Can this fit be believed?",
    "The model",
    "All estimates",
    "Before and after",
    "Diagnostics",
    "Methods, to adapt for a paper",
    "Who took part",
    "Data and coding",
    "Arms compared at baseline",
    "How to repeat it",
    "In other programs",
]


@pytest.fixture(scope="module")
def page(fit_of):
    """HTML by case, made once."""
    made = {}

    def get(case):
        if case not in made:
            with pytest.MonkeyPatch.context() as patch:
                if case not in DRAWN:
                    patch.setattr(pictures, "_draw", _undrawn)
                made[case] = page_html(fit_of(case))
        return made[case]

    return get


def _undrawn(fit, name, alt, caption, **options):
    return pictures.Picture("data:,", f"{alt}. {caption}", caption, 600)


class Reader(HTMLParser):
    """Headings, images, addresses and text of a page."""

    def __init__(self, source):
        super().__init__()
        self.headings, self.images, self.addresses, self.open = [], [], [], []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.addresses += [attrs[k] for k in ("src", "href") if k in attrs]
        if tag == "img":
            self.images.append(attrs)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append([int(tag[1]), ""])
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"
        self.text += " "

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data
        if self.open and re.fullmatch("h[1-6]", self.open[-1]):
            self.headings[-1][1] += data


def words(source):
    return " ".join(Reader(source).text.split())


def test_sections_stand_in_order(page):
    headings = Reader(page("caffeine_map")).headings
    assert [level for level, _ in headings] == [1] + [2] * len(SECTIONS)
    assert [title for level, title in headings if level == 2] == SECTIONS


@pytest.mark.parametrize("case", CASES)
def test_a_page_needs_no_other_file(page, case):
    read = Reader(page(case))
    assert "http" not in page(case)
    assert all(address.startswith(("data:", "#s")) for address in read.addresses)
    assert read.open == []  # every tag is closed
    assert read.images and all(len(image["alt"]) > 40 for image in read.images)
    assert not re.search(r"\bnan\b|\bNone\b(?! there|\.)|<NA>", words(page(case)))


def test_the_same_fit_gives_the_same_page(fit_of, page):
    assert page_html(fit_of("caffeine_map")) == page("caffeine_map")


def test_the_answer_holds_the_average_its_interval_and_the_spread(fit_of, page):
    text, row = words(page("caffeine_map")), fit_of("caffeine_map").coefficients.loc["treat"]
    assert "684 persons answered 10 items: 6,811 answers" in text
    assert "is more likely under caffeine than under placebo" in text
    interval = f"{row['lower']:.2f} to {row['upper']:.2f}"
    assert f"{row['estimate']:.2f} logits (95 % interval {interval})" in text
    assert f"odds ratio of {np.exp(row['estimate']):.2f}" in text
    sd = fit_of("caffeine_map").sd("item")["treat"]
    assert f"Between items the estimated SD of effects is {sd:.2f} logits" in text


def test_an_interval_with_zero_claims_nothing(page):
    text = words(page("verbagg"))
    assert "The answers do not tell whether “y = 1” is more or less likely in men than" in text
    assert "its interval holds 0" in text


def test_groups_have_differences_and_no_effects(page):
    text = words(page("verbagg"))
    assert "Not randomised: results speak of differences between groups." in text
    *before, after = text.split("Methods, to adapt for a paper")  # cites what speaks of effects
    shown = " ".join(before) + after.partition("Who took part")[2]
    for allowed in ("which need not be effects of treatment", "item_effects", "random effect"):
        shown = shown.replace(allowed, "")
    assert "effect" not in shown.lower()


def test_equal_by_estimate_is_not_equal_by_evidence(page):
    assert "equal by estimate, not by evidence" in words(page("zero"))
    assert "SD estimated at 0, the edge of its range" in words(page("zero"))


def test_equal_by_assumption_shows_no_table_of_items(page):
    text = words(page("constant"))
    assert "gives every item the same effect, by assumption" in text
    assert "wrong signs" not in text


def test_each_arm_has_its_answer_and_its_figures(page):
    read = Reader(page("three_arms"))
    assert read.text.count("under control:") == 2
    assert (
        len(read.images) == 2 + 2 + 2 + 1 + 1
    )  # items, easiness and curves by arm; checks; priors


def test_diagnostics_speak_of_the_engine_that_was_used(page):
    draws, maximum = words(page("draws")), words(page("caffeine_map"))
    assert "4 chains of 500 draws, after 500 warm-up steps each." in draws
    assert "chains agree (at most 1.01 is wanted)" in draws and "Divergences None." in draws
    assert "il.sample(model, draws=500, tune=500, chains=4, seed=7, target_accept=0.9)" in draws
    assert "Converged after" in maximum and "il.laplace(model, objective='map')" in maximum
    assert "Read the 1 note at the top" in words(page("caffeine_ml"))


def test_ordinal_answers_have_thresholds_score_points_and_other_programs_code(page, fit_of):
    read, text = Reader(page("ordinal")), words(page("ordinal"))
    expected = list(SECTIONS)
    expected.insert(expected.index("Effect by item"), "The effect in score points")
    titles = [title for level, title in read.headings if level == 2]
    assert titles == expected
    assert "a higher answer of “resp” is more likely under caffeine than under placebo" in text
    assert "at every threshold" in text and "resp = 1:" not in text
    assert "each item having its own" in text and "proportional odds" in text
    assert "logit P( resp ≤ k)" in text.replace("P(resp", "P( resp")
    assert "Distances between thresholds vary between items" in text
    for level in range(4):
        assert f"share of resp = {level}" in text.replace("Share", "share")
    row = fit_of("ordinal").thresholds.loc["1|2"]
    assert f"1|2 {row['estimate']:.2f} {row['se']:.2f}" in text
    assert "The effect of treat on resp, item by item" in text


def test_code_for_other_programs(fit_of):
    text = peers_code(fit_of("ordinal").model)
    clmm, brms, glimmix = text.split("\n\n")
    assert "resp ~ treat + (1 | study) + (1 | study:id) + (treat | item), data = d" in clmm
    assert 'levels = c("0", "1", "2", "3"), ordered = TRUE' in clmm
    assert "thres(3, gr = item)" in brms and 'cumulative("logit")' in brms
    assert "every slope has the other sign" in glimmix
    for line in (
        "class study id item", "model resp = treat / dist=multinomial link=clogit solution;",
        "random intercept / subject=study;", "random intercept / subject=id(study);",
        "random intercept treat / subject=item type=un;",
    ):  # fmt: skip
        assert line in glimmix
    apart = il.Model(
        "resp ~ treat + (0 + C(treat) || id) + (treat || item)",
        il.load_dataset("caffeine"),
        "cumulative",
    )
    text = peers_code(apart)
    assert "(1 | item) + (0 + treat | item)" in text and "(treat || item)" in text
    assert "random intercept / subject=id group=treat_group;" in text
    assert "random intercept treat / subject=item type=vc;" in text


@pytest.mark.parametrize("case", ["caffeine_map", "verbagg", "ordinal"])
def test_code_on_the_page_makes_the_same_fit(fit_of, case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    there: dict = {}
    exec(code(fit_of(case)).replace("il.report(fit, 'report.html')", ""), there)
    pd.testing.assert_frame_equal(there["fit"].coefficients, fit_of(case).coefficients)
    fingerprint = there["model"].responses.fingerprint()
    assert fingerprint == fit_of(case).model.responses.fingerprint()


def test_code_tells_what_the_caller_chose(logistic_table):
    table = logistic_table(8, persons=40, items=4, arms=("a", "b"))
    model = il.Model(
        "resp ~ treat + (1 | id) + (1 | item)",
        table,
        roles={"treatment": "treat", "person": "id", "item": "item"},
        reference={"treat": "b"},
        priors={"sd_item": il.priors.Exponential(0.5)},
        assignment="randomised",
    )
    there = {"table": table}
    text = code(il.laplace(model))
    exec(text.split("fit = ")[0], there)
    assert repr(there["model"]) == repr(model)
    assert repr(there["model"].priors) == repr(model.priors)


@pytest.fixture(scope="module")
def hostile(logistic_table):
    """Names and a formula that look like tags, an arm and an item too long for a phone."""
    table = logistic_table(4, persons=80, items=5, arms=("<i>no</i>", "yes & mor" + 80 * "e"))
    names = {"q1": "<b>x", "q2": "<script>alert(1)</script>", "q3": "x" * 90, "q4": '"quoted"'}
    table = table.replace({"item": names})
    table["resp"] += 1
    model = il.Model(
        "resp < 2 ~ treat + (1 | id) + (treat | item)",
        table,
        roles={"treatment": "treat", "person": "id", "item": "item"},
    )
    return page_html(il.laplace(model, objective="map"), title="<h1>Title</h1>")


def test_names_that_look_like_tags_stay_text(hostile):
    read = Reader(hostile)
    text = " ".join(read.text.split())
    assert "<b>x" not in hostile and "<script>alert" not in hostile and "<i>" not in hostile
    for name in ("<b>x", "<script>alert(1)</script>", "<i>no</i>", "yes & moree", '"quoted"'):
        assert name in text
    assert "resp < 2 ~ treat" in text and read.headings[0] == [1, "<h1>Title</h1>"]
    assert "&amp;lt;" not in hostile  # escaped once


def test_notes_and_gaps_reach_the_page(logistic_table):
    table = logistic_table(6, persons=60, items=4).astype({"treat": int})
    table["resp"] = table["resp"].astype(float).mask(table.index % 17 == 0)
    roster = table[["id", "treat"]].drop_duplicates()
    extra = pd.DataFrame({"id": [900, 901], "treat": [0, 1]})
    model = il.il_hte(table, roster=pd.concat([roster, extra]))
    text = words(page_html(il.laplace(model)))
    assert "15 row(s) with a missing value, by column: resp (15)" in text
    assert "Randomised In the table In the analysis 0 31 30 30 1 31 30 30" in text


def test_arms_are_counted():
    table = pd.DataFrame(
        {
            "resp": [1, 0, 1, 1, 0, 0, 0, 1, 1],
            "id": [1, 1, 2, 2, 3, 3, 4, 5, 6],
            "item": ["a", "b", "a", "b", "a", "b", "a", "b", "a"],
            "treat": [0, 0, 1, 1, 1, 1, 0, 0, 0],
        }
    )
    counted = arms_table(il.Model("resp ~ treat + (1 | id) + (1 | item)", table))
    expected = pd.DataFrame(
        {
            "persons": [4, 2, 6],
            "items": [2, 2, 2],
            "answers": [5, 4, 9],
            "share of resp = 1": ["60 %", "50 %", "56 %"],
        },
        index=pd.Index(["treat = 0", "treat = 1", "all"], name="arm"),
    )
    pd.testing.assert_frame_equal(counted, expected)


def test_balance_counts_persons_not_answers(logistic_table):
    table = logistic_table(9, persons=60, items=4).astype({"treat": int})
    rng = np.random.default_rng(1)
    table["pre"] = rng.normal(10, 2, 60)[table["id"]]
    table["sex"] = np.array(["f", "m"])[(rng.random(60) < 0.4).astype(int)][table["id"]]
    table["easy"] = (table["item"] == "q1").astype(float)  # varies within persons: left out
    table = table.drop(table.index[:3])  # answers are missing, persons are not
    formula = "resp ~ treat + pre + sex + easy + (1 | id) + (1 | item)"
    found = balance_table(il.Model(formula, table))
    persons = table.drop_duplicates("id")
    arms = [persons[persons["treat"] == arm] for arm in (0, 1)]
    means, sds = ([getattr(a["pre"], f)() for a in arms] for f in ("mean", "std"))
    difference = (means[1] - means[0]) / np.sqrt((sds[0] ** 2 + sds[1] ** 2) / 2)
    assert list(found.index) == ["pre", "sex = m"]
    assert found.loc["pre", "treat = 0"] == f"{means[0]:.2f} ({sds[0]:.2f})"
    shown = found.loc["pre", "Standardised difference"].replace("−", "-")
    assert shown == f"{difference:+.2f}"
    shares = [(a["sex"] == "m").mean() for a in arms]
    assert found.loc["sex = m", "treat = 1"] == f"{100 * shares[1]:.0f} %"
    pooled = np.sqrt(sum(p * (1 - p) for p in shares) / 2)
    shown = found.loc["sex = m", "Standardised difference"].replace("−", "-")
    assert float(shown) == pytest.approx((shares[1] - shares[0]) / pooled, abs=0.005)


def test_a_crossover_has_no_baseline(logistic_table):
    table = logistic_table(9, persons=40, items=4)
    table["treat"] = ((table["id"] + table["item"].factorize()[0]) % 2).astype(int)
    table["pre"] = np.random.default_rng(1).normal(size=40)[table["id"]]
    roles = {"treatment": "treat", "person": "id", "item": "item", "crossover": True}
    model = il.Model("resp ~ treat + pre + (1 | id) + (1 | item)", table, roles=roles)
    assert balance_table(model) is None


def test_a_model_without_items_has_a_page():
    model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    fit = il.laplace(model)
    text = words(page_html(fit))
    row = fit.coefficients.loc["trt[T.drug]"]
    assert "Over all answers, “yy = 1” is less likely under drug than under placebo" in text
    assert f"{row['estimate']:.2f} logits".replace("-", "−") in text
    assert "on the average item" not in text.lower() and "Effect by item" not in text


def test_a_page_is_written_where_it_can_be(fit_of, tmp_path):
    written = il.report(fit_of("zero"), tmp_path / "page.html", title="Ein Titel: ä")
    assert "<h1>Ein Titel: ä</h1>" in written.read_text(encoding="utf-8")
    with pytest.raises(il.errors.DataError, match="is a folder"):
        il.report(fit_of("zero"), tmp_path)
    with pytest.raises(il.errors.DataError, match="Make it first"):
        il.report(fit_of("zero"), tmp_path / "none" / "page.html")


MEASURE = """
<iframe style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe><p id="out"></p>
<script>
addEventListener("load", () => {{
  const d = document.querySelector("iframe").contentDocument, w = d.defaultView;
  const boxed = e => e.closest(".scroll, .wide, pre");
  const out = [...d.querySelectorAll("body *")].filter(
    e => !boxed(e) && e.getBoundingClientRect().right > w.innerWidth + 0.5);
  const unread = [...d.images].filter(i => !i.complete || !i.naturalWidth);
  document.getElementById("out").textContent = JSON.stringify(
    [d.documentElement.scrollWidth, w.innerWidth, out.length, unread.length]);
}});
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
@pytest.mark.parametrize(("case", "width"), [("draws", 390), ("hostile", 390), ("draws", 1000)])
def test_nothing_is_cut_off_in_a_browser(page, hostile, case, width, tmp_path):
    """In a frame as wide as a phone: a headless window cannot be made narrower than 500 px."""
    source = hostile if case == "hostile" else page(case)
    holder = tmp_path / "holder.html"
    holder.write_text(MEASURE.format(width=width, page=html.escape(source)), encoding="utf-8")
    found = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1200,900", "--virtual-time-budget=5000", "--dump-dom", holder.as_uri(),
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    measured = re.search(r'<p id="out">\[(\d+),(\d+),(\d+),(\d+)\]</p>', found.stdout)
    assert measured, found.stderr[-2000:]
    scroll_width, inner_width, cut_off, unread = map(int, measured.groups())
    assert inner_width == width or inner_width == width - 15  # a scrollbar
    assert scroll_width <= inner_width
    assert cut_off == 0 and unread == 0
    assert "CONSOLE" not in found.stderr


def browser(tmp_path, *options):
    """Run Chromium without a window."""
    return subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--enable-logging=stderr", "--v=0",
            f"--user-data-dir={tmp_path / 'profile'}", *options,
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
def test_the_page_prints_on_pages(page, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(page("caffeine_map"), encoding="utf-8")
    made = browser(tmp_path, f"--print-to-pdf={tmp_path / 'page.pdf'}", file.as_uri())
    pages = re.findall(rb"/Type\s*/Page\b", (tmp_path / "page.pdf").read_bytes())
    assert 5 <= len(pages) <= 25 and "CONSOLE" not in made.stderr


POINT = """
<p id="out"></p><script>
addEventListener("load", () => {
  const spot = document.querySelector(".plot line[data-told*='sleepy']");
  spot.dispatchEvent(new MouseEvent("click", {bubbles: true}));
  document.getElementById("out").textContent = document.getElementById("tip").textContent;
});
</script></body>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")
def test_a_figure_tells_its_numbers(page, fit_of, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(page("caffeine_map").replace("</body>", POINT), encoding="utf-8")
    found = browser(tmp_path, "--virtual-time-budget=3000", "--dump-dom", file.as_uri())
    told = re.search(r'<p id="out">(.*?)</p>', found.stdout, re.S)
    row = il.item_effects(fit_of("caffeine_map")).frame.loc["sleepy"]
    assert told and told[1].startswith("sleepy\n")
    assert f"{row['effect']:.2f}, 95 % {row['lower']:.2f} to {row['upper']:.2f}" in told[1]


def test_results_that_are_given_stand_in_their_place(fit_of):
    fit = fit_of("caffeine_ml")
    null = fit_of("constant").model
    test = il.boundary_test(null, fit)
    given = [il.simultaneous(fit), test, il.anchors(fit), il.odds_ratios(fit)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "_draw", _undrawn)
        source = page_html(fit, include=given, checks=False)
    titles = [title for level, title in Reader(source).headings if level == 2]
    order = [
        "Effect by item", "More on items", "Do effects differ between items?",
        "Under other assumptions", "Further results", "The model",
    ]  # fmt: skip
    assert [title for title in titles if title in order] == order
    text = words(source)
    assert f"likelihood ratio {test.statistic:.2f}" in text and "was not checked here" in text
    with pytest.raises(il.errors.ModelError, match=r"fits go in beside="):
        page_html(fit, include=[fit])
    with pytest.raises(il.errors.ModelError, match="cannot show"):
        page_html(fit, include=["<script>"])


def test_the_summary_claims_what_was_found_and_no_more(page):
    text = words(page("caffeine_ml"))
    summary = text.split("Summary", 2)[2].split("The effect, for four questions")[0]
    assert "Answers like these are not expected under the fitted model" in text
    assert "Are answers like these expected of new persons? No:" in summary
    assert "can be used" not in text
    said = ["were not rejected" in summary, "fits worse" in summary, "is open" in summary]
    assert sum(said) == 1
    maximum = words(page("caffeine_map"))
    assert "was not tested: this fit is MAP" in maximum
    draws = words(page("draws"))
    assert "no test of equal effects" in draws


def test_methods_cite_what_was_done(page):
    ml, draws, ordinal = (page(case) for case in ("caffeine_ml", "draws", "ordinal"))
    assert "@article{stram1994" in ml and "stram1994" not in draws
    assert "@misc{pymc" in draws and "@article{vehtari2021" in draws and "@misc{pymc" not in ml
    assert "@article{mccullagh1980" in ordinal and "mccullagh1980" not in ml
    assert f"ilhte_bayes, version {il.__version__}" in ml
    for entry in re.findall(r"@\w+\{.*?\n\}", html.unescape(ml), re.S):
        assert entry.count("{") == entry.count("}")


def test_a_page_of_categories_says_what_is_not_there():
    table = il.load_dataset("verbagg")
    table = table[table["item"].isin(table["item"].unique()[:4])]
    fit = il.laplace(il.Model("resp ~ treat + (1 | id)", table, "multinomial"))
    text = words(page_html(fit))
    assert "Arms were not randomised: results are differences between groups." in text
    assert "Not checked: whether such answers are expected of new persons" in text
