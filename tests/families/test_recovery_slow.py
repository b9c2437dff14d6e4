"""Slow: estimates of adjacent-category and multinomial models against what was simulated."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.models.simulated import simulate_answers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning"),
]
DATA_SETS = 100
TRUTH = {
    "adjacent": {"beta": [-0.7, 0.4, 0.3, 0.5], "sd_id": [0.8], "sd_item": [0.6]},
    "multinomial": {
        "beta": [0.3, 0.6, -0.4, -0.5, 0.2, 0.7],
        "sd_id": [0.8, 1.1],
        "sd_item": [0.5, 0.7],
    },
}


@pytest.mark.parametrize("family", TRUTH)
def test_estimates_scatter_around_the_truth_as_their_standard_errors_say(family):
    """z of slopes over 100 data sets: mean 0, SD 1; of SDs (items 20) less exactly."""
    person, item = np.repeat(np.arange(300), 20), np.tile(np.arange(20), 300)
    rng = np.random.default_rng(10_000)  # no seed of the data sets: persons must not repeat `pre`
    table = pd.DataFrame({"id": person, "item": item, "treat": person % 2})
    table["pre"] = rng.normal(size=300).round(1)[person]
    n_categories = 3
    table["y"] = rng.integers(0, n_categories, len(table))
    model = il.Model("y ~ treat + pre + (1 | id) + (1 | item)", table, family)
    truth = {name: np.array(value) for name, value in TRUTH[family].items()}
    z, sds = [], []
    for seed in range(DATA_SETS):
        fit = il.laplace(simulate_answers(model, truth, np.random.default_rng(seed)).model)
        estimates = fit.coefficients
        z.append((estimates["estimate"] - truth["beta"]) / estimates["se"])
        sds.append(fit.sd("id").to_numpy())
    z = np.array(z)[
        :, [k for k, t in enumerate(model.design.terms) if t.endswith(("treat", "pre"))]
    ]
    print(f"\n{family}: mean of z {z.mean(axis=0).round(2)}, SD {z.std(axis=0).round(2)}; "
          f"SD of persons {np.mean(sds, axis=0).round(3)} ({truth['sd_id']})")  # fmt: skip
    # false alarms 1 in 1,000 for each: 3.3 standard errors of a mean, and of an SD
    assert np.abs(z.mean(axis=0)).max() < 3.3 / np.sqrt(DATA_SETS) + 0.15  # Laplace's own bias
    assert np.abs(z.std(axis=0) - 1).max() < 3.3 / np.sqrt(2 * DATA_SETS)
    # Laplace's bias on 20 answers a person is a few percent
    np.testing.assert_allclose(np.mean(sds, axis=0), truth["sd_id"], rtol=0.05)
