"""Simulate: draws are the priors', answers the model's, and the design stays."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

import ilhte_bayes as il
from ilhte_bayes.models.prior_draws import draw_from_prior
from ilhte_bayes.models.priors import make_priors
from ilhte_bayes.models.simulated import linear_predictor, simulate_answers, thresholds

# Designs without persons, and items answered alike, are meant here.
pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")

FORMULAS = [
    "resp ~ treat + pre + (1 | id) + (treat | item)",
    "resp ~ treat * pre + (1 | school/id) + (treat || item)",
    "resp ~ trt + (0 + trt | item)",  # no persons: rows are counted
    "resp ~ treat + age + (1 | item) + (1 | school)",
]


def table_of(model: il.Model) -> pd.DataFrame:
    """A model's rows as a table in long form, one row for each answer."""
    responses = model.responses
    rows = np.repeat(np.arange(responses.score.size), responses.count)
    columns = {"resp": responses.score[rows]}
    for name, values in responses.patterns.items():
        columns[name] = values.to_numpy()[responses.pattern[rows]]
    for name, level in responses.levels.items():
        inner = [str(label).split(":")[-1] for label in responses.coords[name]]
        columns[name.split(":")[-1]] = np.array(inner)[level[rows]]
    return pd.DataFrame(columns).sample(frac=1.0, random_state=1)


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_simulated_model_is_the_one_its_table_would_give(formula, make_trial):
    # small slopes, so that both answers are given: a table with one alone would be refused
    model = il.Model(formula, make_trial(), priors={"beta": il.priors.Normal(0, 0.01)})
    rng = np.random.default_rng(5)
    new = simulate_answers(model, draw_from_prior(model, rng), rng).model
    assert new.design.n_obs == new.design.count.sum() == model.design.n_obs
    again = il.Model(formula, table_of(new))
    for found, wanted in ((new.design, again.design), (new.responses, again.responses)):
        for name in ("score", "count", "pattern"):
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
            assert getattr(found, name).dtype == getattr(wanted, name).dtype
    np.testing.assert_allclose(new.design.x, again.design.x)
    for found, wanted in zip(new.design.groups, again.design.groups, strict=True):
        np.testing.assert_array_equal(found.level, wanted.level)
        np.testing.assert_array_equal(new.responses.levels[found.name], found.level)


@pytest.mark.parametrize("formula", FORMULAS)
def test_default_priors_do_not_depend_on_the_answers(formula, make_trial):
    """Also where equal rows are counted: how many rows there are depends on the answers."""
    model = il.Model(formula, make_trial())
    rng = np.random.default_rng(6)
    new = simulate_answers(model, draw_from_prior(model, rng), rng).model
    assert new.priors is model.priors
    assert make_priors(new.design) == make_priors(model.design)


def test_answers_alike_are_kept(make_trial):
    """Items that everyone solves stay in the model."""
    priors = {"sd_id": il.priors.Gamma(8, 8)}
    model = il.Model("resp ~ treat + (1 | id) + (treat | item)", make_trial(), priors=priors)
    truth = draw_from_prior(model, np.random.default_rng(1))
    truth["beta"][:] = [60.0, 0.0]
    new = simulate_answers(model, truth, np.random.default_rng(1)).model
    assert new.design.score.all()
    assert new.design.group("item").n_levels == 6
    fit = il.sample(new, draws=100, tune=100, seed=1, progress=False)
    assert np.isfinite(fit.coefficients["estimate"]).all()


def test_effects_have_their_sds_and_correlation(make_trial):
    model = il.Model("resp ~ treat + (treat | item)", make_trial(4, 4000))
    given = {
        "beta": np.zeros(2),
        "sd_item": np.array([1.5, 0.5]),
        "corr_item": np.array([[1.0, -0.6], [-0.6, 1.0]]),
    }
    truth = simulate_answers(model, given, np.random.default_rng(2)).truth
    effects = truth["re_item"].to_numpy()
    # 4,000 items: standard errors 1.1 % of an SD, .010 of the correlation
    np.testing.assert_allclose(effects.std(axis=0), [1.5, 0.5], rtol=0.04)
    assert np.corrcoef(effects.T)[0, 1] == pytest.approx(-0.6, abs=0.035)


def test_answers_have_the_chances_of_the_model(make_trial):
    """Cells of 2,000 answers, counted: shares against 1 / (1 + exp(-eta))."""
    model = il.Model("resp ~ treat + (treat | item)", make_trial(4000, 4))
    rng = np.random.default_rng(8)
    truth, new = simulate_answers(model, draw_from_prior(model, rng), rng)
    effect, beta = truth["re_item"].to_numpy(), truth["beta"].to_numpy()
    table = table_of(new)
    for k, label in enumerate(truth["item"].to_numpy()):
        for treat in (0, 1):
            answers = table["resp"][(table["item"] == label) & (table["treat"] == treat)]
            chance = special.expit(beta[0] + effect[k, 0] + treat * (beta[1] + effect[k, 1]))
            error = np.sqrt(chance * (1 - chance) / len(answers))
            assert abs(answers.mean() - chance) < 4 * error + 1e-9


def test_a_posterior_draw_is_taken_as_it_is(make_trial):
    """The items' effects stay, persons are drawn anew."""
    model = il.Model("resp ~ treat + (1 | id) + (treat | item)", make_trial())
    fit = il.sample(model, draws=50, tune=100, seed=1, progress=False)
    draw = fit.draws["posterior"].to_dataset().isel(chain=0, draw=3)
    truth, new = simulate_answers(model, draw, np.random.default_rng(1))
    np.testing.assert_array_equal(truth["re_item"], draw["re_item"])
    assert truth["re_id"].shape == (40, 1)
    assert linear_predictor(new.design, truth).shape == (new.design.n_rows,)


def test_what_cannot_be_drawn_is_refused(make_trial):
    model = il.Model(
        "resp ~ treat + (treat | item)", make_trial(), priors={"beta": il.priors.Flat()}
    )
    rng = np.random.default_rng(1)
    with pytest.raises(
        il.errors.ModelError, match=r"beta\[Intercept\] has prior Flat.*with_priors"
    ):
        draw_from_prior(model, rng)
    with pytest.raises(il.errors.ModelError, match="'sd_item' is missing"):
        simulate_answers(model, {"beta": np.zeros(2)}, rng)
    with pytest.raises(
        il.errors.ModelError, match=r"'beta' has shape \(3,\); the model's is \(2,\)"
    ):
        simulate_answers(model, {"beta": np.zeros(3)}, rng)


ORDINAL = "rate ~ treat + (1 | id) + (treat | item)"


def ordinal(table: pd.DataFrame, kind: str = "common", **priors) -> il.Model:
    options = {"family": "cumulative", "thresholds": kind, "roles": {"item": "item"}}
    return il.Model(
        ORDINAL, table, priors={"threshold": il.priors.Normal(0.2, 1)} | priors, **options
    )


def test_items_thresholds_are_in_order_too(make_trial):
    table, rng = make_trial(6, 4), np.random.default_rng(7)
    table["rate"] = np.arange(len(table)) % 4
    model = ordinal(table, "item", **{"sd_item": il.priors.HalfNormal(0.7)})
    for _ in range(10):
        drawn = draw_from_prior(model, rng)
        cuts = thresholds(model.design, drawn, np.arange(model.design.n_rows))
        assert (np.diff(cuts, axis=1) > 0).all()
        assert simulate_answers(model, drawn, rng).model.design.n_obs == len(table)


def test_ordinal_answers_have_the_models_probabilities(make_trial):
    """Persons of one ability, answering often: shares against the definition."""
    table = pd.concat([make_trial(2, 3)] * 800, ignore_index=True)
    table["rate"] = np.arange(len(table)) % 4
    model = ordinal(table)
    design = model.design
    cuts = np.array([-1.0, 0.3, 1.2])
    truth = {"beta": np.append(cuts, 0.5), "sd_id": [1.0], "sd_item": [1.0, 0.5]}
    truth |= {"corr_item": np.eye(2), "re_id": [[0.4], [-0.6]]}
    truth["re_item"] = [[0.5, 0.1], [-0.3, 0.2], [0.9, -0.4]]
    new = simulate_answers(model, truth, np.random.default_rng(3)).model
    eta = linear_predictor(new.design, truth)
    for predictor in np.unique(eta):
        rows = eta == predictor
        shares = np.bincount(new.design.score[rows], new.design.count[rows], minlength=4) / 800
        edges = np.concatenate([[0], special.expit(cuts - predictor), [1]])
        np.testing.assert_allclose(shares, np.diff(edges), atol=4 * 0.5 / np.sqrt(800))
    assert design.n_obs == 4800


def test_partial_credit_answers_come_from_unordered_thresholds(make_trial):
    model = il.Model("rate ~ treat + (1 | id)", make_trial(), family="adjacent")
    rng = np.random.default_rng(2)
    drawn = [draw_from_prior(model, rng) for _ in range(20)]
    assert any((np.diff(one["beta"].to_numpy()[:3]) < 0).any() for one in drawn)
    new = simulate_answers(model, drawn[0], rng).model
    assert new.design.count.sum() == model.design.count.sum()
