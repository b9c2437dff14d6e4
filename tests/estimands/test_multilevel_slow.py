"""Tests of variances and of few clusters' treatments, under a true null (slow)."""

import warnings

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il

N_SETS = 400


def answers(rng, *, clusters, size, sd):
    """Students of clusters, half of which are treated, without any effect."""
    cluster = np.repeat(np.arange(clusters), size)
    chance = 1 / (1 + np.exp(-0.3 - rng.normal(0, sd, clusters)[cluster]))
    return pd.DataFrame(
        {
            "y": (rng.random(cluster.size) < chance).astype(int),
            "school": cluster,
            "id": np.arange(cluster.size),
            "treat": cluster % 2,
        }
    )


def fit_of(table):
    roles = {"treatment": "treat", "person": "id", "clusters": ["school"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", il.errors.IlhteWarning)
        return il.laplace(il.Model("y ~ treat + (1 | school)", table, roles=roles))


@pytest.mark.slow
def test_a_variance_of_0_is_rejected_at_its_nominal_rate():
    rng = np.random.default_rng(11)
    rows = []
    for _ in range(N_SETS):
        fit = fit_of(answers(rng, clusters=40, size=20, sd=0.0))
        rows.append(il.variance_tests(fit).frame.iloc[0])
    found = pd.DataFrame(rows)
    rejected, by_wald = (found["p_lr"] < 0.05).mean(), (found["p_wald"] < 0.05).mean()
    print(f"p (LR) < .05 in {rejected:.3f}, p (Wald) in {by_wald:.3f}")
    # 3.3 standard errors of a rate of .05; at 40 clusters the test is a little conservative
    assert 0.01 < rejected < 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / N_SETS)
    assert by_wald < rejected  # weak near the boundary


@pytest.mark.slow
def test_few_clusters_need_their_t_reference():
    rng = np.random.default_rng(12)
    p = {"containment": [], "inf": []}
    for _ in range(N_SETS):
        fit = fit_of(answers(rng, clusters=10, size=20, sd=0.8))
        for df, values in p.items():
            values.append(il.fixed_tests(fit, df=df).frame.loc["treat", "p"])
    with_t, with_z = (float(np.mean(np.array(values) < 0.05)) for values in p.values())
    print(f"p < .05 with 8 df in {with_t:.3f}, with a normal reference in {with_z:.3f}")
    # ML's own standard error is sqrt(10 / 8) too small here, which t does not mend: .05 becomes
    # 2 P(t_8 > 2.306 sqrt(.8)) = .073; 3.3 standard errors of that
    assert with_t < 0.073 + 3.3 * np.sqrt(0.073 * 0.927 / N_SETS)
    assert with_z > with_t
