"""Items that discriminate differently: what is multiplied, against likelihoods written by hand."""

import numpy as np
import pandas as pd
import pytensor
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import expit

import ilhte_bayes as il
from ilhte_bayes.likelihood.grid import Grid
from ilhte_bayes.models.builder import build_pymc
from ilhte_bayes.models.discrimination import find_loading, make_loaded_plan

# Toy tables are warned of: few schools, clusters in both arms.
pytestmark = pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")

FORMULA = (
    "y ~ treat * half + pre + (treat | school) + (1 | id) + (treat | item) + (1 | school:item)"
)
GRID = Grid(-25.0, 0.1, 501)


@pytest.fixture(scope="module")
def trial():
    rng = np.random.default_rng(4)
    n, items = 10, 5
    person, item = np.repeat(np.arange(n), items), np.tile(np.arange(items), n)
    table = pd.DataFrame({"id": person, "item": item, "treat": person % 2, "school": person // 4})
    table["pre"] = rng.normal(3, 1, n).round(2)[person]  # its mean is far from 0
    table["half"] = (item > 2) - 0.5
    table["y"] = rng.integers(0, 2, len(table))
    return table[rng.random(len(table)) > 0.15]


def a_model(trial, kind, formula=FORMULA, **options):
    return il.Model(formula, trial, discrimination=kind, **options)


def at_random_values(built, *outputs, seed=1):
    """Outputs, and all named variables, at random values of what the sampler moves in."""
    rng = np.random.default_rng(seed)
    start = built.initial_point()
    values = [rng.normal(0, 0.5, np.shape(start[v.name])) for v in built.value_vars]
    named = built.replace_rvs_by_values([*built.free_RVs, *built.deterministics])
    names = [v.name for v in (*built.free_RVs, *built.deterministics)]
    f = pytensor.function(
        built.value_vars, [*outputs, *named], mode="FAST_COMPILE", on_unused_input="ignore"
    )
    found = f(*values)
    return found[: len(outputs)], dict(zip(names, found[len(outputs) :], strict=True))


def parts_by_hand(trial, kind, v, loading_mean):
    """(row,) eta without theta, and what theta is multiplied with, from the equation."""
    school = pd.factorize(trial["school"], sort=True)[0]
    item, treat = trial["item"].to_numpy(), trial["treat"].to_numpy()
    half, pre = trial["half"].to_numpy(), trial["pre"].to_numpy()
    both = pd.MultiIndex.from_frame(trial[["school", "item"]])
    labels = list(pd.MultiIndex.from_tuples(sorted(set(both))))
    b = dict(zip(["Intercept", "treat", "half", "pre", "treat:half"], v["beta"], strict=True))
    a = v["discrimination"][item]
    effect = b["treat"] + b["treat:half"] * half + v["re_school"][school, 1]
    effect = (effect + v["re_item"][item, 1]) * treat
    ability = b["pre"] * (pre - loading_mean) + v["re_school"][school, 0]
    easiness = b["Intercept"] + b["half"] * half + b["pre"] * loading_mean + v["re_item"][item, 0]
    easiness = easiness + v["re_school:item"][[labels.index(pair) for pair in both], 0]
    if kind == "loaded":
        return easiness + a * (ability + effect), a
    return easiness + effect + a * ability, a


def answers_of(model, built):
    """Log-likelihood as the sampler sees it, a graph of value variables."""
    observed = built.potentials or built.observed_RVs
    return built.logp(vars=observed)


@pytest.mark.parametrize("kind", ["loaded", "additive"])
@pytest.mark.parametrize("centred", [(), ("item", "discrimination")])
def test_integrated_likelihood_is_that_of_adaptive_quadrature_by_person(trial, kind, centred):
    model = a_model(trial, kind)
    assert model.design.terms == ("Intercept", "treat", "half", "pre", "treat:half")
    plan = make_loaded_plan(model, "id")
    built = build_pymc(model, centred=frozenset(centred), plan=plan, grid=GRID)
    (found,), v = at_random_values(built, answers_of(model, built))
    eta, a = parts_by_hand(trial, kind, v, trial["pre"].mean())
    sd, y = float(v["sd_id"][0]), trial["y"].to_numpy()
    expected = 0.0
    for person in trial["id"].unique():
        own = (trial["id"] == person).to_numpy()
        sign = 2 * y[own] - 1

        def integrand(theta, own=own, sign=sign):
            return np.prod(expit(sign * (eta[own] + a[own] * theta))) * stats.norm.pdf(theta, 0, sd)

        expected += np.log(quad(integrand, -12 * sd, 12 * sd, epsabs=1e-13, epsrel=1e-11)[0])
    # the trapezoid rule with a step far below every SD is exact to rounding, quad to 1e-11
    assert found == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("kind", ["loaded", "additive"])
def test_joint_likelihood_is_that_of_the_equation(trial, kind):
    model = a_model(trial, kind)
    built = build_pymc(model)
    (found,), v = at_random_values(built, answers_of(model, built))
    eta, a = parts_by_hand(trial, kind, v, trial["pre"].mean())
    person = pd.factorize(trial["id"], sort=True)[0]
    eta = eta + a * v["re_id"][person, 0]
    expected = np.log(expit((2 * trial["y"].to_numpy() - 1) * eta)).sum()
    assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("centred", [(), ("discrimination",)])
def test_log_discriminations_are_normal_around_zero(trial, centred):
    """Mean 0 fixes the scale; the prior's density does not depend on how they are sampled."""
    model = a_model(trial, True, "y ~ treat + (1 | id) + (1 | item)")
    built = build_pymc(model, centred=frozenset(centred))
    free = next(v for v in built.free_RVs if v.name in ("z_discrimination", "log_loading"))
    (found,), v = at_random_values(built, built.logp(vars=[free]))
    logs, sd = np.log(v["discrimination"]), v["sd_discrimination"]
    expected = stats.norm(0, sd).logpdf(logs).sum()
    if not centred:
        expected += logs.size * np.log(sd)  # density of z, not of the logs
    assert found == pytest.approx(expected, rel=1e-10)


def test_what_belongs_to_items_is_not_multiplied(trial):
    loaded, additive = (find_loading(a_model(trial, kind)) for kind in ("loaded", "additive"))
    terms = ("Intercept", "treat", "half", "pre", "treat:half")
    assert [t for t, yes in zip(terms, loaded.terms, strict=True) if yes] == [
        "treat", "pre", "treat:half",
    ]  # fmt: skip
    assert [t for t, yes in zip(terms, additive.terms, strict=True) if yes] == ["pre"]
    persons = {("id", 0), ("school", 0)}
    assert loaded.columns == persons | {("school", 1), ("item", 1)}
    assert additive.columns == persons
    np.testing.assert_allclose(loaded.centre, [0, 0, 0, trial["pre"].mean(), 0])


def test_one_ability_sd_for_each_arm_is_about_persons(trial):
    model = a_model(trial, "additive", "y ~ treat + (0 + C(treat) || id) + (treat | item)")
    assert {("id", 0), ("id", 1)} <= find_loading(model).columns
    assert len(make_loaded_plan(model, "id").plan.classes) == 2


def test_prior_has_a_name_to_change_it_by(trial):
    model = a_model(trial, True, priors={"sd_discrimination": il.priors.HalfNormal(0.2)})
    assert model.discrimination == "loaded"
    assert model.priors["sd_discrimination"] == il.priors.HalfNormal(0.2)
    plain = model.without_extensions()
    assert plain.discrimination is None and plain.design is model.design
    with pytest.raises(il.errors.ModelError, match="sd_discrimination"):
        a_model(trial, None, priors={"sd_discrimination": il.priors.HalfNormal(0.2)})


def test_maximum_likelihood_and_conditioning_are_refused_with_what_to_do(trial):
    model = a_model(trial, "loaded", "y ~ treat + (1 | id) + (treat | item)")
    with pytest.raises(il.errors.NotAvailable, match=r"il\.laplace.*discrimination=None"):
        il.laplace(model)
    with pytest.raises(il.errors.NotAvailable, match=r"il\.conditional"):
        il.conditional(model)


def test_what_cannot_be_is_refused(trial):
    with pytest.raises(il.errors.ModelError, match=r"'loaded'.*'additive'"):
        a_model(trial, "2PL")
    with pytest.raises(il.errors.ModelError, match="one group of items"):
        a_model(trial, "loaded", "y ~ treat + (1 | id)")
    with pytest.raises(il.errors.ModelError, match="one group of persons"):
        a_model(trial, "loaded", "y ~ treat + (treat | item)")
    with pytest.raises(il.errors.NotAvailable, match="integrate='none'"):
        make_loaded_plan(a_model(trial, "loaded", "y ~ (0 + pre | id) + (1 | item)"), "id")


def test_model_says_it(trial):
    text = repr(a_model(trial, "additive"))
    assert "Discrimination" in text and "not the effect" in text
