"""Short tests: the bias of Laplace for persons, and its absence with persons integrated."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il

TRUE_SD, TRUE_EFFECT = 1.5, 0.4


def simulate(seed, n, items):
    rng = np.random.default_rng(seed)
    person, item = np.repeat(np.arange(n), items), np.tile(np.arange(items), n)
    treat = (np.arange(n) % 2)[person]
    theta = rng.normal(0, TRUE_SD, n)[person] + TRUE_EFFECT * treat
    b = np.linspace(-1.5, 1.5, items)
    y = rng.random(theta.size) < 1 / (1 + np.exp(-theta - b[item]))
    return pd.DataFrame({"id": person, "item": item, "treat": treat, "y": y.astype(int)})


@pytest.mark.slow
@pytest.mark.parametrize("items", [5, 10])
def test_laplace_is_biased_on_short_tests_and_quadrature_is_not(items, capsys):
    """100 trials of 400 persons; items as fixed effects, so that nothing else is approximated."""
    found = {"laplace": [], "quadrature": []}
    for seed in range(100):
        model = il.Model("y ~ treat + C(item) + (1 | id)", simulate(seed, 400, items))
        for name, engine in (("laplace", il.laplace), ("quadrature", il.quadrature)):
            fit = engine(model)
            found[name].append(
                [fit.sd("id")["Intercept"], fit.coefficients.loc["treat", "estimate"]]
            )
    with capsys.disabled():
        for name, values in found.items():
            mean, se = np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / 10
            print(
                f"\n{items} items, {name}: SD {mean[0]:.4f} ({se[0]:.4f}) for {TRUE_SD}, "
                f"effect {mean[1]:.4f} ({se[1]:.4f}) for {TRUE_EFFECT}"
            )
    laplace, exact = (np.array(found[name])[:, 0] for name in ("laplace", "quadrature"))
    error = exact.std(ddof=1) / 10
    # ML of an SD from 400 persons is itself low by about 1/400; three standard errors beyond that
    assert abs(exact.mean() - TRUE_SD) < 3 * error + TRUE_SD / 400
    assert laplace.mean() < TRUE_SD - 3 * error
