"""Fits with persons integrated out: every table, figure and page has its words, none a gap."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.show import diagnosis, integration
from ilhte_bayes.show.page import page_html
from ilhte_bayes.show.recipe import code

NUMBERS = {"draws": 300, "tune": 300, "chains": 2, "seed": 3, "progress": False}


@pytest.fixture(scope="module")
def model(logistic_table):
    table = logistic_table(5, persons=120, items=6).astype({"treat": int})
    return il.Model("resp ~ treat + (1 | id) + (treat | item)", table)


@pytest.fixture(scope="module")
def fit(model) -> Fit:
    return il.sample(model, **NUMBERS)


@pytest.fixture(scope="module")
def beside(model) -> Fit:
    return il.laplace(model)


@pytest.fixture(scope="module")
def page(fit, beside) -> str:
    return page_html(fit, beside=[beside])


def test_the_fit_says_what_was_integrated_out_and_how_long_it_took(fit):
    nodes = int(fit.tree["posterior"].attrs["grid"][2])
    said = f"120 persons integrated out exactly, on {nodes} nodes"
    for shown in (repr(fit), fit._repr_html_()):
        assert said in shown and "s for sampling" in shown


def test_diagnostics_say_how_exact_it_is_and_how_to_sample_persons_too(fit):
    found = dict(diagnosis.checks(fit))
    assert "The 120 persons (id), exactly" in found["Integrated out"]
    assert "less than 0.0001 and 0.001 are wanted" in found["Exactness"]
    assert "integrate='none'" in found["Joint model"]


def test_a_joint_or_maximised_fit_says_nothing_of_it(fit_of):
    for name in ("draws", "caffeine_ml"):
        assert integration.in_short(fit_of(name)) == "" and integration.facts(fit_of(name)) == []


@pytest.mark.parametrize(
    ("change", "shown"), [(0.0, "less than 0.0000001"), (4.3e-6, "0.0000043"), (0.02, "0.02")]
)
def test_small_changes_are_plain_decimals(change, shown):
    assert integration._size(change) == shown


def test_code_on_the_page_makes_the_same_draws(fit, beside):
    text = code(fit, [beside])
    assert "integrate='id'" in text and "beside=[il.laplace(model, objective='ml')]" in text
    there = {"model": fit.model, "il": il}
    line = next(line for line in text.splitlines() if line.startswith("fit = "))
    exec(line.replace("seed=3", "seed=3, progress=False"), there)
    pd.testing.assert_frame_equal(there["fit"].coefficients, fit.coefficients)


def test_the_page_has_every_section_and_the_fits_side_by_side(page, fit, beside):
    assert "120 persons integrated out exactly" in page
    assert "<h2>Laplace ML and NUTS side by side</h2>" in page
    row = beside.coefficients.loc["treat"]
    assert (
        f"{row['estimate']:.2f} [{row['lower']:.2f}, {row['upper']:.2f}]".replace("-", "−") in page
    )
    for title in ("Effect and easiness", "Before and after", "The effect, for four questions"):
        assert f"<h2>{title}</h2>" in page


def test_persons_that_were_not_sampled_come_back(fit):
    assert len(fit.random_effects("id")) == 120
    assert len(fit.random_effects("item")) == 12


@pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")  # few persons
def test_items_that_were_integrated_out_have_a_page(logistic_table):
    table = logistic_table(5, persons=20, items=40).astype({"treat": int})
    fit = il.sample(il.Model("resp ~ treat + (1 | id) + (1 | item)", table), integrate="item",
                    **NUMBERS)  # fmt: skip
    assert "40 items integrated out exactly" in repr(fit)
    assert len(il.item_effects(fit).frame) == 40
    assert "<h2>" in page_html(fit)


def test_integrated_and_joint_are_told_apart(fit, beside):
    joint = Fit(fit.model, "nuts", "posterior", fit.tree.copy(), (), 1.0, 1.0)
    joint.tree["posterior"].attrs = fit.tree["posterior"].attrs | {"integrated": ""}
    found = il.compare(beside, fit, joint)
    assert found.names == ("Laplace ML", "NUTS", "NUTS joint")
    assert any("NUTS: id integrated out; NUTS joint: all effects sampled" in n for n in found.notes)
    assert "integrate='none'" in code(joint)


def test_another_process_gives_the_same_card(fit, tmp_path):
    path = fit.save(tmp_path / "fit.nc")
    lines = f"import ilhte_bayes as il; fit = il.load({str(path)!r}); print(il.effect_card(fit)); print(fit)"
    run = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert run.stdout == f"{il.effect_card(fit)!r}\n{fit!r}\n"


def test_figures_are_those_of_the_draws(fit):
    for draw in (il.plot.item_effects, il.plot.effect_by_easiness, il.plot.prior_posterior):
        axes = draw(fit)
        assert np.isfinite(axes.get_xlim()).all()
