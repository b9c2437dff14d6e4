"""Calibration of NUTS with persons integrated out, and of the same draws damaged (minutes).

Run with: uv run pytest -m slow tests/studies/test_calibration_slow.py -s
The last result is recorded in tests/slow_results.md.
"""

import numpy as np
import pandas as pd
import pytest
from defects import Forgetful, Narrow, Recorded, WrongSign, prior_only

import ilhte_bayes as il
from ilhte_bayes.studies.calibration import calibrate, nuts

pytestmark = pytest.mark.slow

N, SIZE = 200, {"draws": 300, "kept": 99}
# Fixed before any data. The ability SD is kept away from 0, where fits take minutes.
PRIORS = {"beta": il.priors.Normal(0, 1), "sd_id": il.priors.Gamma(8, 8)}
CLUSTERED = {"beta": il.priors.Normal(0, 1), "sd_school:id": il.priors.Gamma(8, 8)}


def trial(persons: int = 120, items: int = 8) -> pd.DataFrame:
    """A design; its answers are never looked at."""
    rng = np.random.default_rng(1)
    ids = np.repeat(np.arange(persons), items)
    return pd.DataFrame(
        {
            "id": ids,
            "school": ids % 10,
            "item": [f"q{k + 1}" for k in np.tile(np.arange(items), persons)],
            "treat": ids // 10 % 2,
            "pre": rng.normal(size=persons).round(2)[ids],
            "resp": rng.integers(0, 2, ids.size),
        }
    )


@pytest.fixture(scope="module")
def model() -> il.Model:
    return il.Model("resp ~ treat + pre + (1|id) + (treat|item)", trial(), priors=PRIORS)


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return Recorded()


def test_nuts_is_calibrated(model, recorded, capsys):
    calibration = calibrate(model, n=N, engine=recorded, **SIZE)
    with capsys.disabled():
        print(f"\n{calibration}")
    table = calibration.uniformity()
    assert table["p"].min() > 0.01 / len(table)  # 1 run in 100 by chance alone


@pytest.mark.parametrize("damage", [Narrow, WrongSign])
def test_damaged_draws_are_found(damage, model, recorded, capsys):
    calibration = calibrate(model, n=N, engine=damage(recorded), **SIZE)
    with capsys.disabled():
        print(f"\n{damage.__name__}: {calibration}")
    table = calibration.uniformity()
    assert table["p"].min() < 1e-3 / len(table)


def test_the_prior_is_found(model):
    calibration = calibrate(model, n=50, engine=prior_only, **SIZE)
    assert calibration.uniformity().loc["log_likelihood", "p"] < 1e-6


def test_an_item_not_looked_at_is_found(model):
    calibration = calibrate(model, n=50, engine=Forgetful(nuts), **SIZE)
    assert calibration.uniformity().loc["log_likelihood", "p"] < 1e-4


def test_nuts_is_calibrated_with_clusters(capsys):
    formula = "resp ~ treat + pre + (1|school/id) + (treat|item)"
    calibration = calibrate(il.Model(formula, trial(), priors=CLUSTERED), n=N, **SIZE)
    with capsys.disabled():
        print(f"\n{calibration}")
    table = calibration.uniformity()
    assert table["p"].min() > 0.01 / len(table)


def test_nuts_of_ordinal_answers_is_calibrated(capsys):
    """Four categories: thresholds in order, persons integrated out, gaps apart from them."""
    table = trial(persons=60, items=6)
    table["resp"] = np.random.default_rng(2).integers(0, 4, len(table))
    cuts = {"threshold[0|1]": -1.5, "threshold[1|2]": 0.0, "threshold[2|3]": 1.5}
    priors = PRIORS | {name: il.priors.Normal(mean, 0.7) for name, mean in cuts.items()}
    formula = "resp ~ treat + (1|id) + (treat|item)"
    model = il.Model(formula, table, family="cumulative", priors=priors)
    calibration = calibrate(model, n=N, **SIZE)
    with capsys.disabled():
        print(f"\n{calibration}")
    assert calibration.uniformity()["p"].min() > 0.01 / calibration.ranks.shape[1]


def test_nuts_of_multinomial_answers_is_calibrated(capsys):
    """Three categories without order: schools' effects independent between logits, all sampled."""
    table = trial(persons=240, items=1)
    table["resp"] = np.random.default_rng(2).integers(0, 3, len(table))
    priors = {"beta": il.priors.Normal(0, 1), "sd_school": il.priors.Gamma(8, 12)}
    model = il.Model("resp ~ treat + (1|school)", table, family="multinomial", priors=priors)
    calibration = calibrate(model, n=N, **SIZE)
    with capsys.disabled():
        print(f"\n{calibration}")
    assert calibration.uniformity()["p"].min() > 0.01 / calibration.ranks.shape[1]
