"""Quantities: against quadrature, SciPy's densities and hand arithmetic."""

import numpy as np
import pytest
from scipy import integrate, special, stats

import ilhte_bayes as il
from ilhte_bayes.models.prior_draws import draw_from_prior
from ilhte_bayes.models.simulated import simulate_answers
from ilhte_bayes.studies.quantities import default_quantities

# Designs without persons, and items answered alike, are meant here.
pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")


@pytest.fixture(scope="module")
def simulated(make_trial):
    model = il.Model("resp ~ treat + pre + (1 | id) + (treat | item)", make_trial(30, 4))
    rng = np.random.default_rng(4)
    return simulate_answers(model, draw_from_prior(model, rng), rng)


def value(simulated, name: str) -> float:
    draws = simulated.truth.expand_dims(chain=1, draw=1)
    return float(default_quantities(simulated.model)[name](simulated.model, draws)[0, 0])


def test_log_likelihood_is_that_of_quadrature(simulated):
    """Person by person with SciPy; the sampler's grid and loops have no part in it."""
    design, truth = simulated.model.design, simulated.truth
    sd = float(truth["sd_id"][0])
    item, person = design.group("item"), design.group("id")
    eta = (design.x @ truth["beta"].to_numpy())[design.pattern]
    effects = truth["re_item"].to_numpy()[item.level]
    eta += np.sum(item.z[design.pattern] * effects, axis=1)
    total = 0.0
    for p in range(person.n_levels):
        own = person.level == p
        sign = 2.0 * design.score[own] - 1.0

        def density(t, sign=sign, own=own):
            return np.prod(special.expit(sign * (eta[own] + t))) * stats.norm.pdf(t, 0, sd)

        total += np.log(integrate.quad(density, -9 * sd, 9 * sd, epsabs=0, limit=400)[0])
    assert value(simulated, "log_likelihood") == pytest.approx(total, rel=1e-8)


def test_without_persons_the_likelihood_is_that_of_the_answers(make_trial):
    model = il.Model("resp ~ treat + (treat | item)", make_trial())
    rng = np.random.default_rng(4)
    new = simulate_answers(model, draw_from_prior(model, rng), rng)
    design, truth = new.model.design, new.truth
    cells = design.x @ truth["beta"].to_numpy()
    effects = truth["re_item"].to_numpy()[design.groups[0].level]
    eta = cells[design.pattern] + effects[:, 0] + design.x[design.pattern, 1] * effects[:, 1]
    chance = special.expit(np.where(design.score == 1, eta, -eta))
    assert value(new, "log_likelihood") == pytest.approx(design.count @ np.log(chance))


def test_log_effects_is_scipys_density(simulated):
    truth = simulated.truth
    sd, corr = truth["sd_item"].to_numpy(), truth["corr_item"].to_numpy()
    density = stats.multivariate_normal(np.zeros(2), corr * np.outer(sd, sd))
    expected = density.logpdf(truth["re_item"].to_numpy()).sum() + 4 * np.log(2 * np.pi)
    assert value(simulated, "log_effects") == pytest.approx(expected)


def test_items_enter_with_the_fixed_effect_and_as_a_contrast(simulated):
    truth = simulated.truth
    effects = truth["re_item"].to_numpy()
    assert value(simulated, "q1[treat]") == pytest.approx(
        float(truth["beta"].sel(term="treat")) + effects[0, 1]
    )
    assert value(simulated, "q1 - q4 [treat]") == pytest.approx(effects[0, 1] - effects[3, 1])
    assert value(simulated, "corr_item[Intercept, treat]") == float(truth["corr_item"][0, 1])
