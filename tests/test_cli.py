"""The command line: exit status, what goes where, and the keys of its JSON."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes import cli

FORMULA = "resp ~ treat + (1 | id) + (treat | item)"
KEYS = [
    "engine", "objective", "family", "formula", "n_obs", "groups", "loglik", "aic", "bic",
    "coefficients", "thresholds", "sd", "corr", "seconds", "compile_seconds", "problems",
    "diagnostics",
]  # fmt: skip


@pytest.fixture
def trial_csv(tmp_path, make_trial) -> Path:
    path = tmp_path / "trial.csv"
    make_trial().to_csv(path, index=False)
    return path


@pytest.fixture
def fitted(ilhte, tmp_path):
    """Run `ilhte fit` and read the JSON it writes."""

    def run(*arguments: object) -> dict:
        path = tmp_path / "fit.json"
        status, _, err = ilhte("fit", *arguments, "--json", path)
        assert status == 0, err
        return json.loads(path.read_text())

    return run


def test_a_fit_from_columns_and_from_a_formula_are_one(ilhte, fitted, trial_csv, make_trial):
    by_formula = fitted(trial_csv, "--formula", FORMULA)
    roles = ["--treatment", "treat", "--person", "id", "--item", "item"]
    by_column = fitted(trial_csv, "--response", "resp", *roles)
    by_default = fitted(trial_csv)
    for found in (by_column, by_default):
        assert found["formula"] == FORMULA
        assert found["coefficients"] == by_formula["coefficients"]
    fit = il.laplace(il.Model(FORMULA, make_trial()))
    assert by_formula["loglik"] == fit.loglik
    assert by_formula["coefficients"]["treat"]["se"] == fit.coefficients.loc["treat", "se"]


def test_json_has_the_promised_keys(fitted, trial_csv):
    found = fitted(trial_csv)
    assert [key for key in found if key in KEYS] == KEYS
    assert found["engine"] == "laplace" and found["objective"] == "ml"
    assert found["family"] == "bernoulli" and found["n_obs"] == 240
    assert found["groups"] == {"id": 40, "item": 6}
    assert list(found["coefficients"]) == ["Intercept", "treat"]
    assert set(found["coefficients"]["treat"]) == {"estimate", "se"}
    assert list(found["sd"]["item"]) == ["Intercept", "treat"]
    assert list(found["corr"]["item"]) == ["Intercept,treat"]
    assert found["thresholds"] == {} and isinstance(found["problems"], list)
    # AIC = 2 k - 2 logLik, k = 2 coefficients + 3 SDs + 1 correlation; BIC counts rows
    assert found["aic"] == pytest.approx(2 * 6 - 2 * found["loglik"])
    assert found["seconds"] > 0


def test_aic_and_bic_are_of_maximum_likelihood(fitted, trial_csv):
    found = fitted(trial_csv, "--objective", "map")
    assert found["objective"] == "map" and found["aic"] is None and found["bic"] is None


def test_reference_turns_the_effect(fitted, trial_csv):
    formula = ["--formula", "resp ~ trt + (1 | id)"]
    plain = fitted(trial_csv, *formula)["coefficients"]
    turned = fitted(trial_csv, *formula, "--reference", "trt=placebo")["coefficients"]
    # two searches stop at slightly different points of one maximum
    assert turned["trt[T.drug]"]["estimate"] == pytest.approx(
        -plain["trt[T.placebo]"]["estimate"], abs=1e-5
    )


def test_levels_put_text_answers_in_order(ilhte, fitted, tmp_path, make_trial):
    path = tmp_path / "words.csv"
    words = {0: "wrong", 1: "right"}
    make_trial().assign(resp=lambda t: t["resp"].map(words)).to_csv(path, index=False)
    formula = ["--formula", "resp ~ treat + (1 | id)"]
    plain = fitted(path, *formula)["coefficients"]["treat"]["estimate"]
    stated = fitted(path, *formula, "--levels", "wrong, right")["coefficients"]["treat"]["estimate"]
    assert stated == pytest.approx(-plain, abs=1e-5)  # sorted, "right" would be the lowest
    status, _, err = ilhte("fit", path, *formula, "--levels", "wrong")
    assert status == 2 and "levels leaves out 'right'" in err


def test_ordinal_answers(ilhte, fitted, tmp_path, make_trial):
    path = tmp_path / "words.csv"
    words = ["never", "at times", "often", "always"]
    make_trial().assign(resp=lambda t: t["rate"].map(words.__getitem__)).to_csv(path, index=False)
    ordinal = [path, "--family", "cumulative"]
    found = fitted(*ordinal, "--levels", ",".join(words), "--objective", "map")
    assert list(found["thresholds"]) == ["never|at times", "at times|often", "often|always"]
    assert set(found["thresholds"]["often|always"]) == {"estimate", "se"}
    assert list(found["coefficients"]) == ["treat"] and found["family"] == "cumulative"
    status, out, _ = ilhte(
        "fit", *ordinal, "--levels", ",".join(words), "--thresholds", "item", "--objective", "map"
    )
    assert status == 0 and "each item its own" in out and "score points" in out
    assert "sd[spread]" in out
    status, out, err = ilhte("fit", *ordinal)
    assert status == 2 and out == "" and "--levels always,at times,never,often" in err
    status, _, err = ilhte("fit", *ordinal, "--levels", "never,often")
    assert status == 2 and "--levels" in err
    status, _, err = ilhte("fit", path, "--levels", ",".join(words))
    assert status == 2 and "--family cumulative" in err


def test_clusters_covariates_and_comparisons(fitted, trial_csv):
    found = fitted(
        trial_csv, "--response", "rate >= 2", "--treatment", "trt", "--clusters", "school",
        "--covariates", "age,pre",
    )  # fmt: skip
    assert found["formula"] == "rate >= 2 ~ trt + age + pre + (1 | school/id) + (trt | item)"
    assert found["groups"] == {"school": 5, "school:id": 40, "item": 6}


def test_what_was_noticed_is_in_the_output_and_the_json(ilhte, fitted, tmp_path, make_trial):
    path = tmp_path / "clusters.csv"
    make_trial().assign(treat=lambda t: t["id"] // 4 % 2, school=lambda t: t["id"] // 4).to_csv(
        path
    )
    status, out, err = ilhte("fit", path, "--formula", FORMULA)
    assert status == 0 and err == ""
    assert "no term for school" in out and "cluster-assigned" in out
    assert "no term for school" in fitted(path, "--formula", FORMULA)["notes"][0]


def test_a_crossover_an_occasion_and_a_roster_can_be_named(ilhte, tmp_path, make_trial):
    path, roster = tmp_path / "crossed.csv", tmp_path / "roster.csv"
    trial = make_trial().drop(columns="resp").rename(columns={"rate": "resp"})
    both = pd.concat([trial.assign(treat=k, wave=w) for k in (0, 1) for w in (0, 1)])
    both.to_csv(path, index=False)
    arguments = ["fit", path, "--response", "resp >= 2"]
    assert "--crossover" in ilhte(*arguments)[2]
    assert "--occasion wave" in ilhte(*arguments, "--crossover")[2]
    assert ilhte(*arguments, "--crossover", "--occasion", "wave")[0] == 0
    make_trial().to_csv(path, index=False)
    pd.DataFrame({"id": range(50), "treat": [k % 2 for k in range(50)]}).to_csv(roster)
    status, out, _ = ilhte("fit", path, "--roster", roster)
    assert status == 0 and re.search(r"randomised +in the table +in the analysis", out)


def test_options_of_nuts_reach_the_sampler(ilhte, trial_csv, monkeypatch):
    given = {}

    def sample(model, **options):
        given.update(options)
        raise il.errors.ModelError("enough")

    monkeypatch.setattr(il, "sample", sample)
    options = ["--draws", 7, "--tune", 60, "--chains", 2, "--seed", 3]
    status, _, err = ilhte("fit", trial_csv, "--engine", "nuts", *options)
    assert status == 2 and err == "ilhte: enough\n"
    assert given | {"progress": False} == given
    assert {k: given[k] for k in ("draws", "tune", "chains", "seed")} == {
        "draws": 7, "tune": 60, "chains": 2, "seed": 3
    }  # fmt: skip


def test_json_of_nuts_has_its_diagnostics(fitted, trial_csv):
    options = ["--draws", 100, "--tune", 100, "--chains", 2, "--seed", 3]
    found = fitted(trial_csv, "--engine", "nuts", "--integrate", "id", *options)
    assert (found["engine"], found["objective"]) == ("nuts", "posterior")
    assert found["loglik"] is None and found["aic"] is None and found["bic"] is None
    assert set(found["diagnostics"]) == {
        "max_rhat", "min_ess_bulk", "min_ess_tail", "divergences", "compile_seconds",
        "pilot_seconds", "sample_seconds", "integrated", "nodes", "doubling_changes",
    }  # fmt: skip
    assert found["diagnostics"]["integrated"] == "id" and found["diagnostics"]["nodes"] > 10
    assert found["diagnostics"]["doubling_changes"]["loglik"] < 1e-4
    assert 0.9 < found["diagnostics"]["max_rhat"] < 2
    assert found["diagnostics"]["sample_seconds"] < found["seconds"] + 1


def test_the_demo_shows_both_fits_and_ends_with_its_page(ilhte, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sample, few = il.sample, {"draws": 200, "tune": 200, "chains": 2}
    monkeypatch.setattr(il, "sample", lambda model, **given: sample(model, **(given | few)))
    status, out, err = ilhte("demo")
    assert status == 0 and "sampling" in err and "%" not in err  # no progress bar in a pipe
    parts = [
        "Laplace ML",
        "threshold[1|2]",
        "Effect of treatment",
        "Effect by item",
        "Scores: 0 to 3",
    ]
    places = [out.index(part) for part in parts]
    assert places == sorted(places)
    page = tmp_path / cli.DEMO_PAGE
    assert out.splitlines()[-1] == str(page.resolve())
    text = page.read_text(encoding="utf-8")
    assert "<h2>Laplace ML and NUTS side by side</h2>" in text
    assert "684 persons integrated out exactly" in text


def test_a_report_is_written(ilhte, trial_csv, tmp_path):
    status, out, err = ilhte("fit", trial_csv, "--report", tmp_path / "fit.html")
    assert status == 0 and "report written to" in err and "treat" in out
    assert "<html" in (tmp_path / "fit.html").read_text()[:500]


REFUSED = {
    "engine": (["--engine", "stan"], "it is laplace, quadrature or nuts"),
    "family": (["--family", "poisson"], "no family 'poisson'"),
    "objective": (["--objective", "reml"], "--objective reml: it is ml or map"),
    "thresholds": (["--thresholds", "own"], "--thresholds own: it is common or item"),
    "thresholds of yes and no": (["--thresholds", "item"], "--family cumulative"),
    "reference": (["--reference", "trt"], "write column=level"),
    "unused reference": (["--reference", "trt=drug"], "reference names 'trt'"),
    "two formulas": (["--formula", FORMULA, "--response", "resp"], "say the same thing twice"),
    "covariates": (["--formula", FORMULA, "--covariates", "age"], "write them into --formula"),
    "assignment": (["--assignment", "rct"], "it is 'randomised'"),
    "column": (["--item", "itm"], "'itm' not found.*Did you mean 'item'"),
    "no random term": (["--formula", "resp ~ treat"], "no random term"),
    "json": (["--json", "nowhere/fit.json"], "there is no folder"),
    "report": (["--report", "."], "is a folder"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_ends_with_status_2_one_sentence_and_no_output(ilhte, trial_csv, case):
    arguments, said = REFUSED[case]
    status, out, err = ilhte("fit", trial_csv, *arguments)
    assert status == 2 and out == ""
    assert err.startswith("ilhte: ") and re.search(said, err) and "Traceback" not in err


@pytest.mark.parametrize("arguments", [["fit"], ["fit", "x.csv", "--seed", "a"], ["fitt"]])
def test_wrong_usage_ends_with_status_2(ilhte, arguments):
    status, out, err = ilhte(*arguments)
    assert status == 2 and out == "" and "Usage" in err


def test_a_path_that_cannot_be_written_is_said_to_be_so(ilhte, trial_csv, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", "fit.json")

    monkeypatch.setattr(Path, "write_text", refuse)
    status, _, err = ilhte("fit", trial_csv, "--json", trial_csv.with_suffix(".json"))
    assert status == 2 and "Permission denied" in err and "Traceback" not in err


def test_datasets_are_listed(ilhte):
    status, out, _ = ilhte("datasets")
    assert status == 0 and "caffeine" in out


def test_the_installed_command_in_a_process_of_its_own(trial_csv, tmp_path):
    """Once as a user runs it: a fit, bad input, and a reader that stops after one line."""
    command: list[str | Path] = [sys.executable, "-m", "ilhte_bayes.cli", "fit"]
    good = subprocess.run([*command, trial_csv], capture_output=True, text=True, cwd=tmp_path)
    assert good.returncode == 0 and "treat" in good.stdout and good.stderr == ""
    bad = subprocess.run([*command, "none.csv"], capture_output=True, text=True, cwd=tmp_path)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert (
        bad.stderr == "ilhte: no file at 'none.csv'. Check the path, or give a pandas DataFrame.\n"
    )
    reader, writer = os.pipe()
    os.close(reader)  # nobody reads
    broken = subprocess.run(
        [*command[:-1], "datasets"], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert "Traceback" not in broken.stderr


def test_a_table_is_reduced_and_the_counts_are_fitted(ilhte, fitted, trial_csv, tmp_path):
    if importlib.util.find_spec("duckdb") is None:
        pytest.skip("files are reduced by DuckDB: pip install 'ilhte-bayes[duckdb]'")
    counts = tmp_path / "counts.parquet"
    status, out, err = ilhte("reduce", trial_csv, counts, "--memory-limit", "1GiB")
    assert (status, "of 40 persons (id) to 6 items (item)" in out) == (0, True), err
    by_counts = fitted(counts, "--engine", "quadrature")
    by_table = fitted(trial_csv, "--engine", "quadrature")
    assert by_counts["loglik"] == pytest.approx(by_table["loglik"], abs=1e-7)
    assert by_counts["groups"] == by_table["groups"] == {"id": 40, "item": 6}
    status, _, err = ilhte("fit", counts)
    assert status == 2
    assert "il.quadrature(model) or il.sample(model) (--engine quadrature or nuts)" in err


def test_an_answer_under_another_name_is_asked_for(ilhte, tmp_path, make_trial):
    path = tmp_path / "trial.csv"
    make_trial().rename(columns={"resp": "correct"}).to_csv(path, index=False)
    status, _, err = ilhte("fit", path)
    assert status == 2
    assert "column 'resp' not found" in err and "--response on the command line" in err
