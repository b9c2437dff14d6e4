"""Models of reduced tables: the likelihood, the fits and the posterior of the table itself."""

import numpy as np
import pytest

import ilhte_bayes as il
from ilhte_bayes.estimands.ability import ability_sd
from ilhte_bayes.estimands.parameters import parameter_draws
from ilhte_bayes.likelihood.plan import make_plan


@pytest.fixture(scope="module")
def trial(make_trial):
    """300 persons in ten schools of two kinds, six items, some not asked."""
    t = make_trial(300, 6)
    rng = np.random.default_rng(3)
    t["school"] = np.array([f"s{k}" for k in range(10)])[t["id"] // 30]
    t["pre"] = (t["id"] % 3) / 2
    t["long"] = t["item"].isin(["q1", "q4"])
    return t[rng.random(len(t)) > 0.02].reset_index(drop=True)


@pytest.fixture(scope="module")
def reduced(trial):
    return il.reduce(trial, clusters="school", covariates=["pre"])


FORMS = {
    "plain": {},
    "clusters and a covariate": {"clusters": "school", "covariates": "pre"},
    "an SD for each arm": {"ability_sd": "by_arm", "covariates": "pre"},
    "a moderator": {"moderators": "pre", "clusters": "school"},
    "equal effects": {"effects": "constant"},
}


@pytest.mark.parametrize("form", FORMS)
def test_plan_is_that_of_the_table(form, trial, reduced):
    """All that the likelihood needs, the same numbers: units, tables, totals, means."""
    rng = np.random.default_rng(8)
    found, sizes, beta, effects = [], [], None, {}
    for source in (trial, reduced):
        model = il.il_hte(source, **FORMS[form])
        group = next(g for g in model.design.groups if g.variables[-1] == "id")
        plan = make_plan(model.rows, group.name)
        if beta is None:  # any parameters: predictors that agree at random ones are the same
            beta = rng.normal(size=len(plan.rows.terms))
            effects = {
                g.name: rng.normal(size=(g.n_levels, g.n_columns))
                for g in plan.rows.groups
                if g.name != group.name
            }
        units = plan.units
        mean = plan.means.value(beta, effects)[units.unit_mean]
        cells = [plan.cells.value(beta, effects), units.cell_total]
        found.append([_sorted(cells), _sorted([plan.score, mean, units.unit_count])])
        sizes.append([plan.n_tables, plan.n_counted])
    assert sizes[0] == sizes[1]
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)  # rounding


def _sorted(columns):
    """Rows in one order, whatever order they came in."""
    rows = np.column_stack(columns)
    return rows[np.lexsort(np.round(rows, 9).T)]


@pytest.mark.parametrize("form", ["plain", "clusters and a covariate"])
def test_plan_of_a_free_shape_is_that_of_the_table(form, trial, reduced):
    totals = []
    for source in (trial, reduced):
        model = il.il_hte(source, ability="histogram", **FORMS[form])
        group = next(g for g in model.design.groups if g.variables[-1] == "id")
        units = make_plan(model.rows, group.name, fold=True).units
        totals.append((np.sort(units.cell_total).tolist(), np.sort(units.unit_count).tolist()))
    assert totals[0] == totals[1]


@pytest.mark.parametrize("form", ["clusters and a covariate", "an SD for each arm"])
def test_quadrature_gives_the_fit_of_the_table(form, trial, reduced):
    whole, counted = (il.quadrature(il.il_hte(s, **FORMS[form])) for s in (trial, reduced))
    # sums in another order, and two searches that end within 1e-9 of the maximum
    assert counted.loglik == pytest.approx(whole.loglik, abs=1e-7)
    for name in ("beta", "sd_item", "re_item"):
        np.testing.assert_allclose(counted.mode[name], whole.mode[name], atol=2e-5)
    # from differences of the gradient, taken along other directions
    np.testing.assert_allclose(counted.coefficients["se"], whole.coefficients["se"], rtol=1e-3)
    assert counted.n_obs == whole.n_obs
    assert counted.bic() == pytest.approx(whole.bic(), abs=1e-6)


@pytest.fixture(scope="module")
def pair(trial, reduced):
    """MAP fits of table and counts."""
    form = {"clusters": "school", "covariates": "pre"}
    return [il.quadrature(il.il_hte(s, **form), objective="map") for s in (trial, reduced)]


def test_effects_by_item_and_card_are_those_of_the_table(pair):
    whole = pair[0]
    a, b = (il.item_effects(fit).frame.select_dtypes("number") for fit in pair)
    # draws with one seed from covariances that agree to 1e-3
    np.testing.assert_allclose(a["effect"], b["effect"], atol=1e-3)
    np.testing.assert_allclose(a["se"], b["se"], rtol=0.01)
    draws = parameter_draws(whole)
    for kind in ("within_arm", "control", "within_cluster", "residual"):
        np.testing.assert_allclose(*(ability_sd(fit, draws, kind) for fit in pair), rtol=1e-12)


def test_it_says_how_many_persons_there_are(pair):
    text = [str(fit.model) for fit in pair]
    for words in ("300 school:id", "10 school", "6 item"):
        assert words in text[0]
        assert words in text[1]
    assert "300 persons" in text[1]
    assert "Laplace" not in repr(pair[1]).splitlines()[1]


def test_a_fit_of_counts_is_saved_and_opened(pair, tmp_path):
    fit = pair[1]
    found = il.load(fit.save(tmp_path / "fit.nc"))
    assert found.model.responses.fingerprint() == fit.model.responses.fingerprint()
    assert il.quadrature(found.model, objective="map").loglik == fit.loglik


def test_posterior_is_that_of_the_table(trial, reduced):
    options = {"draws": 400, "tune": 300, "chains": 2, "seed": 3, "progress": False}
    fits = [il.sample(il.il_hte(s), **options) for s in (trial, reduced)]
    a, b = (fit.tree["posterior"].to_dataset() for fit in fits)
    for name in ("beta", "sd_item", "sd_id"):
        spread = a[name].std(("chain", "draw"))
        gap = np.abs(a[name].mean(("chain", "draw")) - b[name].mean(("chain", "draw")))
        # 800 draws each, of which 200 count at least: the gap's own SD is .1 posterior SDs
        assert (gap < 0.4 * spread).all(), name


def test_a_saved_file_serves_as_table(reduced, tmp_path):
    path = reduced.save(tmp_path / "r.parquet")
    here, there = il.il_hte(reduced), il.il_hte(path)
    assert here.responses.fingerprint() == there.responses.fingerprint()
    formula = "resp ~ treat + pre + (1 | school/id) + (treat | item)"
    assert il.Model(formula, str(path)).design.n_obs == reduced.n_answers


def test_named_columns_are_taken_over(trial):
    t = trial.rename(columns={"resp": "right", "treat": "arm", "id": "pupil", "item": "task"})
    own = {"response": "right", "treatment": "arm", "person": "pupil", "item": "task"}
    counted = il.reduce(t, **own)
    assert il.il_hte(counted).formula.text == "right ~ arm + (1 | pupil) + (arm | task)"
    with pytest.raises(il.errors.DataError, match="the table was reduced with item='task'"):
        il.il_hte(counted, item="question")


NEEDS_MORE = [
    (lambda r: il.il_hte(r, family="cumulative"), "yes or no"),
    (lambda r: il.il_hte(r, discrimination=True), "weighs the answers of a person"),
    (lambda r: il.il_hte(r, covariates="age"), "has not kept 'age'"),
    (lambda r: il.il_hte(r, crossover=True), "one sum score of each person"),
    (lambda r: il.Model("resp ~ scale(pre) + treat + (1 | id)", r), "looks at a whole column"),
    (lambda r: il.Model("resp ~ treat + (treat | item)", r), "no random term for persons"),
    (lambda r: il.Model("resp ~ treat + (1 | id)", r, roles={"item": "x"}), "roles= beside"),
    (lambda r: il.quadrature(il.Model("resp ~ pre + (pre | id)", r)), "keep .1 "),
    (lambda r: il.laplace(il.il_hte(r)), "il.laplace looks at who answered what"),
    (lambda r: il.conditional(il.il_hte(r)), "il.conditional looks at who answered what"),
    (
        lambda r: il.sample(il.il_hte(r), integrate="none"),
        "integrate='none': the table was reduced",
    ),
]


@pytest.mark.parametrize(("call", "words"), NEEDS_MORE, ids=[words for _, words in NEEDS_MORE])
def test_what_needs_more_than_counts_says_so(call, words, reduced):
    with pytest.raises(il.errors.IlhteError, match=words):
        call(reduced)


@pytest.mark.parametrize(
    "call", [il.predictive_check, il.posterior_predictive, il.sum_score_effect]
)
def test_what_looks_at_single_answers_asks_for_the_table(call, pair):
    with pytest.raises(il.errors.NotAvailable, match="looks at who answered what"):
        call(pair[1])


def test_score_effects_are_those_of_the_table(pair):
    a, b = (il.score_effects(fit).frame.select_dtypes("number") for fit in pair)
    np.testing.assert_allclose(a, b, atol=2e-3)  # draws with one seed, modes within 2e-5


def test_loo_asks_for_the_table(pair):
    with pytest.raises(il.errors.NotAvailable, match=r"il\.loo looks at who answered what"):
        il.loo(pair[1])


def test_persons_are_kinds_with_the_estimate_of_each_of_them(pair, trial):
    whole, counted = (il.persons(fit, draws=50).frame for fit in pair)
    kinds = il.reduce(trial, clusters="school", covariates=["pre"])
    assert len(counted) == kinds.persons.size
    # fifty draws of parameters that agree closely, one seed
    average = np.average(counted["ability"], weights=kinds.persons)
    assert average == pytest.approx(whole["ability"].mean(), abs=5e-3)
    assert counted["answers"].sum() == whole["answers"].sum()
