"""The commands for a trial that is still a plan."""

import pandas as pd
import pytest

import ilhte_bayes as il

SMALL = ["--persons", "40", "--items", "5"]


def test_simulate_writes_what_python_simulates(ilhte, tmp_path):
    out, truth = tmp_path / "trial.csv", tmp_path / "truth.csv"
    options = ["--family", "cumulative", "--thresholds=-1,0.5", "--effect", "0.4", "--seed", "9"]
    status, text, err = ilhte("simulate", out, *SMALL, *options, "--truth", truth)
    assert status == 0 and "True parameters" in text and "true items" in err
    plan = il.Trial(persons=40, items=5, family="cumulative", thresholds=(-1.0, 0.5), effect=0.4)
    made = il.simulate(plan, seed=9)
    pd.testing.assert_frame_equal(pd.read_csv(out), made.table, check_dtype=False)
    assert list(pd.read_csv(truth)["item"]) == list(made.items.index)


def test_power_prints_and_writes_its_grid(ilhte, tmp_path):
    csv, figure = tmp_path / "power.csv", tmp_path / "power.png"
    status, text, err = ilhte(
        "power", "--persons", "40,60", "--items", "5", "-n", "2", "--engine", "laplace", "--workers", "1",
        "--csv", csv, "--figure", figure,
    )  # fmt: skip
    assert status == 0, err
    assert "Power, 2 trials each, by laplace" in text
    assert pd.read_csv(csv)["persons"].tolist() == [40, 60]
    assert figure.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["power", "--persons", "many"], "--persons: 'many' is no number"),
        (["power", "--items", "1"], "items=1"),
        (["simulate", "trial.xlsx"], "ends with .csv"),
        (["simulate", "nowhere/at/all.csv"], "no folder"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(ilhte, arguments, words):
    status, _, err = ilhte(*arguments)
    assert status == 2 and words in err and "Traceback" not in err
