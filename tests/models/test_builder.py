"""The PyMC model is the model we say it is: same density, every prior at work, dims by name."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from pytensor.graph.traversal import ancestors
from scipy import stats
from scipy.special import betaln, expit

import ilhte_bayes as il
from ilhte_bayes.models.builder import build_pymc

RTOL = 1e-11  # sums of up to 10,000 terms in double precision, added in another order
QUICK = "FAST_COMPILE"  # PyTensor without Numba: a second less for each compilation


@pytest.fixture(scope="module")
def caffeine() -> il.Model:
    formula = "resp >= 2 ~ treat + (1 | study/id) + (treat | item)"
    return il.Model(formula, il.load_dataset("caffeine"))


@pytest.fixture(scope="module")
def small() -> il.Model:
    """Two terms, a correlated pair and a nested group in 120 answers."""
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"id": np.repeat(np.arange(20), 6), "item": np.tile(np.arange(6), 20)})
    table["school"], table["treat"] = table["id"] // 5, table["id"] % 2
    table["resp"] = rng.integers(0, 2, len(table))
    return il.Model("resp ~ treat + (1 | school/id) + (treat | item)", table)


def random_point(built: pm.Model, seed: int) -> dict[str, np.ndarray]:
    """Unconstrained values, moderate enough that no density under- or overflows."""
    rng = np.random.default_rng(seed)
    return {k: rng.normal(0, 0.7, np.shape(v)) for k, v in built.initial_point().items()}


def constrained(point: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same point in the parameters' own units, by hand."""
    out = {}
    for name, value in point.items():
        if name.endswith("_log__"):
            out[name.removesuffix("_log__")] = np.exp(value)
        elif name.endswith("_logodds__"):
            out[name.removesuffix("_logodds__")] = expit(value)
        else:
            out[name] = value
    return out


def joint(built: pm.Model, point: dict[str, np.ndarray]) -> float:
    return float(built.compile_logp(jacobian=False, mode=QUICK)(point))


def by_label(built: pm.Model, group: str, column: pd.Series) -> np.ndarray:
    """Position of each row's level, found by its label."""
    position = {label: at for at, label in enumerate(built.coords[group])}
    return column.map(position).to_numpy()


def bernoulli(y: np.ndarray, eta: np.ndarray) -> float:
    return float(stats.bernoulli(expit(eta)).logpmf(y).sum())


def standard_normal(z: np.ndarray) -> float:
    return float(stats.norm.logpdf(z).sum())


# -- the density, written a second time from the paper's equations -------------------------------


def test_joint_density_of_item_level_effects_in_a_nested_trial(caffeine):
    built, table = caffeine.pymc, il.load_dataset("caffeine")
    point = random_point(built, 1)
    v = constrained(point)
    a = table["treat"].to_numpy()
    study = by_label(built, "study", table["study"])
    person = by_label(built, "study:id", table["study"].astype(str) + ":" + table["id"].astype(str))
    item = by_label(built, "item", table["item"].astype(str))
    s0, s1 = v["sd_item"]
    rho = 2 * v["unit_corr_item"][0] - 1
    z = v["z_item"]
    easiness = s0 * z[:, 0]
    effect = s1 * (rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1])
    eta = v["beta"][0] + v["beta"][1] * a + (v["sd_study"] * v["z_study"])[study, 0]
    eta = eta + (v["sd_study:id"] * v["z_study:id"])[person, 0] + easiness[item] + effect[item] * a
    expected = (
        bernoulli((table["resp"] >= 2).to_numpy(), eta)
        + stats.norm(0, 2.5).logpdf(v["beta"]).sum()
        + sum(
            stats.halfnorm(scale=2).logpdf(sd).item()
            for sd in (v["sd_study"], v["sd_study:id"], s0)
        )
        + stats.halfnorm(scale=1).logpdf(s1)
        + stats.beta(2, 2).logpdf(v["unit_corr_item"][0])
        + sum(standard_normal(v[f"z_{g}"]) for g in ("study", "study:id", "item"))
    )
    np.testing.assert_allclose(joint(built, point), expected, rtol=RTOL)


def test_joint_density_of_uncorrelated_slopes():
    table = il.load_dataset("bacteria")
    model = il.Model("yy ~ week + (1 + week || ID)", table)
    assert not [name for name in model.pymc.named_vars if "corr" in name]
    point = random_point(model.pymc, 2)
    v = constrained(point)
    week = table["week"].to_numpy()
    person = by_label(model.pymc, "ID", table["ID"].astype(str))
    re = v["sd_ID"] * v["z_ID"]
    eta = v["beta"][0] + v["beta"][1] * week + re[person, 0] + re[person, 1] * week
    size, mean = np.std(week), np.mean(week)
    expected = (
        bernoulli(table["yy"].to_numpy(), eta)
        # the intercept's prior is wider where the covariate's mean is not 0
        + stats.norm.logpdf(v["beta"], 0, [2.5 * np.hypot(1, mean / size), 2.5 / size]).sum()
        + stats.halfnorm.logpdf(v["sd_ID"], scale=[2, 1 / size]).sum()
        + standard_normal(v["z_ID"])
    )
    np.testing.assert_allclose(joint(model.pymc, point), expected, rtol=RTOL)


def lkj_log_density(corr: np.ndarray, eta: float) -> float:
    """Lewandowski, Kurowicka & Joe (2009), equations 16 and 17 (density of the off-diagonals)."""
    d = len(corr)
    k = np.arange(1, d)
    log_c = np.log(2) * np.sum((2 * eta - 2 + d - k) * (d - k))
    log_c += np.sum((d - k) * betaln(eta + (d - k - 1) / 2, eta + (d - k - 1) / 2))
    return (eta - 1) * np.linalg.slogdet(corr)[1] - log_c


@pytest.mark.parametrize("eta", [1.0, 2.0, 4.5])
def test_joint_density_of_three_correlated_columns_and_a_factor(eta):
    table = il.load_dataset("verbagg")
    model = il.Model("y ~ btype + (btype | id)", table, priors={"corr": il.priors.LKJ(eta)})
    point = random_point(model.pymc, 3)
    v = constrained(point)
    r21, r31, r32_given_1 = 2 * v["unit_corr_id"] - 1
    left = np.sqrt((1 - r21**2) * (1 - r31**2))
    r32 = r32_given_1 * left + r21 * r31  # from a partial correlation, the textbook's way
    corr = np.array([[1, r21, r31], [r21, 1, r32], [r31, r32, 1]])
    re = v["z_id"] @ np.linalg.cholesky(corr * np.outer(v["sd_id"], v["sd_id"])).T
    levels = [name.removeprefix("btype[T.").rstrip("]") for name in model.design.terms[1:]]
    columns = [np.ones(len(table)), *((table["btype"] == level).to_numpy() for level in levels)]
    z = np.column_stack(columns).astype(float)
    person = by_label(model.pymc, "id", table["id"])
    eta_r = z @ v["beta"] + np.sum(z * re[person], axis=1)
    expected = (
        bernoulli(table["y"].to_numpy(), eta_r)
        + stats.norm(0, 2.5).logpdf(v["beta"]).sum()
        + stats.halfnorm.logpdf(v["sd_id"], scale=[2, 1, 1]).sum()
        + lkj_log_density(corr, eta)
        + np.log(left)  # d r32 / d (partial)
        + 3 * np.log(2)  # d partial / d unit, three times
        + standard_normal(v["z_id"])
    )
    np.testing.assert_allclose(joint(model.pymc, point), expected, rtol=RTOL)


def test_joint_density_of_several_blocks_and_priors_of_several_kinds():
    table = il.load_dataset("verbagg").query("id <= 40")
    model = il.Model(
        "y ~ do + situ + (1 + do | id) + (0 + anger_std | id)",
        table.assign(do=(table["mode"] == "do").astype(int)),
        priors={
            "beta[do]": il.priors.StudentT(4, 0.5, 2),
            "sd_id[anger_std]": il.priors.Gamma(2, 1),
        },
    )
    point = random_point(model.pymc, 4)
    v = constrained(point)
    beta = np.array([v[f"beta[{term}]"] for term in model.design.terms])
    sd = np.array([v[f"sd_id[{column}]"] for column in ("Intercept", "do", "anger_std")])
    rho = 2 * v["unit_corr_id"][0] - 1
    corr = np.array([[1, rho, 0], [rho, 1, 0], [0, 0, 1]])
    re = v["z_id"] @ np.linalg.cholesky(corr * np.outer(sd, sd)).T
    do, other = (table["mode"] == "do").to_numpy(), (table["situ"] == "self").to_numpy()
    x = np.column_stack([np.ones(len(table)), do, other])
    assert model.design.terms == ("Intercept", "do", "situ[T.self]")
    z = np.column_stack([np.ones(len(table)), do, table["anger_std"]])
    person = by_label(model.pymc, "id", table["id"])
    expected = (
        bernoulli(table["y"].to_numpy(), x @ beta + np.sum(z * re[person], axis=1))
        + stats.norm(0, 2.5).logpdf(beta[[0, 2]]).sum()
        + stats.t(4, 0.5, 2).logpdf(beta[1])
        + stats.halfnorm.logpdf(sd[:2], scale=[2, 1]).sum()
        + stats.gamma(2).logpdf(sd[2])
        + stats.beta(2, 2).logpdf(v["unit_corr_id"][0])
        + standard_normal(v["z_id"])
    )
    np.testing.assert_allclose(joint(model.pymc, point), expected, rtol=RTOL)


def test_a_large_table_without_persons_is_counted_by_cell(monkeypatch):
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"item": np.tile(np.arange(5), 200), "treat": np.repeat([0, 1], 500)})
    table["resp"] = rng.random(len(table)) < expit(table["item"] / 2 - 1)
    model = il.Model("resp ~ treat + (treat | item)", table)
    answers = model.pymc
    monkeypatch.setattr("ilhte_bayes.models.builder._LARGE_TABLE", 0)
    cells = build_pymc(model)
    counted = table.groupby(["treat", "item"])["resp"].agg(["sum", "size"])
    assert answers["score"].owner.op.name == "bernoulli"
    assert cells["score"].owner.op.name == "binomial"
    assert sorted(cells.rvs_to_values[cells["score"]].data) == sorted(counted["sum"])
    # Counts and single answers differ by the number of orders, whatever the parameters.
    orders = stats.binom.logpmf(counted["sum"], counted["size"], 0.5) - 100 * np.log(0.5)
    assert (counted["size"] == 100).all()
    for seed in (6, 7):
        point = random_point(cells, seed)
        difference = joint(cells, point) - joint(answers, point)
        np.testing.assert_allclose(difference, orders.sum(), rtol=1e-9)  # a difference of sums


def test_centred_and_non_centred_are_one_density(small):
    """By the change of variables re = L z, joint densities differ by log |det L| for each level."""
    plain = small.pymc
    centred = build_pymc(small, centred=frozenset({"id", "item"}))
    own = {"level_school:id[Intercept]", "re_item[Intercept]", "level_item[treat]", "z_school"}
    assert own <= {v.name for v in centred.free_RVs}
    point = random_point(plain, 8)
    v = constrained(point)
    r = 2 * v["unit_corr_item"][0] - 1
    corr = np.array([[1, r], [r, 1]])
    root = np.linalg.cholesky(corr * np.outer(v["sd_item"], v["sd_item"]))
    moved = {k: x for k, x in point.items() if k not in ("z_school:id", "z_item")}
    items = point["z_item"] @ root.T
    # the first centred column of a coefficient's name carries it: a shift, which changes no density
    moved["re_item[Intercept]"] = items[:, 0]
    moved["level_item[treat]"] = items[:, 1] + point["beta"][1]
    pupils = (point["z_school:id"] * v["sd_school:id"])[:, 0]
    moved["level_school:id[Intercept]"] = pupils + point["beta"][0]
    log_det = 6 * np.log(np.diag(root)).sum() + 20 * np.log(v["sd_school:id"][0])
    np.testing.assert_allclose(joint(centred, moved), joint(plain, point) - log_det, rtol=RTOL)


# -- every declared prior is at work -------------------------------------------------------------


def variable_of(parameter: str, built: pm.Model):
    """The random variable that carries a declared prior."""
    if parameter.startswith("corr_"):
        return built[f"unit_{parameter}"]
    return built[parameter if parameter in built.named_vars else parameter.split("[")[0]]


def test_every_prior_reaches_the_likelihood(caffeine, small):
    mixed = small.with_priors(
        {"beta[treat]": il.priors.Flat(), "sd_item[treat]": il.priors.Exponential(1)}
    )
    for model in (caffeine, small, mixed):
        built = model.pymc
        above = set(ancestors([built.logp(vars=built.observed_RVs)]))
        for entry in model.priors:
            variable = variable_of(entry.parameter, built)
            assert variable in built.free_RVs, entry
            assert built.rvs_to_values[variable] in above, entry


def test_changing_any_declared_prior_changes_the_density(small):
    point = random_point(small.pymc, 9)
    before = joint(small.pymc, point)
    others = {
        "beta": il.priors.Normal(0.3, 0.7),
        "sd": il.priors.HalfNormal(0.6),
        "corr": il.priors.LKJ(5),
    }
    for entry in small.priors:
        kind = entry.parameter.split("[")[0].split("_")[0]
        changed = small.with_priors({entry.parameter: others[kind]})
        assert abs(joint(changed.pymc, point) - before) > 1e-3, entry.parameter


def test_prior_draws_have_the_declared_spread():
    """1,000 draws: an SD is off by 2.2 % (one SE), a mean correlation of 0 by .014 to .02."""
    table = il.load_dataset("verbagg").query("id <= 30")
    built = il.Model("y ~ btype + (btype | id)", table).pymc
    names = ["beta", "sd_id", "corr_id"]
    prior = pm.sample_prior_predictive(1000, model=built, var_names=names, random_seed=11)["prior"]
    np.testing.assert_allclose(prior["beta"].std(("chain", "draw")), 2.5, rtol=0.09)
    half_normal = np.array([2, 1, 1]) * np.sqrt(2 / np.pi)
    np.testing.assert_allclose(prior["sd_id"].mean(("chain", "draw")), half_normal, rtol=0.1)
    corr = prior["corr_id"].to_numpy()[0]
    # Each correlation of LKJ(2) in three dimensions is 2 Beta(2.5, 2.5) - 1: SD 1 / sqrt(6).
    for i, j in ((1, 0), (2, 0), (2, 1)):
        assert stats.kstest(corr[:, i, j], stats.beta(2.5, 2.5, -1, 2).cdf).pvalue > 1e-4


# -- names, dims, tools --------------------------------------------------------------------------


def test_names_and_dims_follow_the_schema(caffeine):
    built = caffeine.pymc
    assert built.named_vars_to_dims["beta"] == ("term",)
    assert built.named_vars_to_dims["score"] == ("obs",)
    assert built.coords["term"] == ("Intercept", "treat")
    for group in caffeine.design.groups:
        name = group.name
        assert built.named_vars_to_dims[f"sd_{name}"] == (f"{name}_column",)
        assert built.named_vars_to_dims[f"re_{name}"] == (name, f"{name}_column")
        assert built.coords[name] == tuple(group.labels)
        assert built.coords[f"{name}_column"] == group.columns
    assert built.named_vars_to_dims["corr_item"] == ("item_column", "item_column_")
    assert {v.name for v in built.free_RVs} == {
        *("beta", "sd_study", "z_study", "sd_study:id", "z_study:id"),
        *("sd_item", "unit_corr_item", "z_item"),
    }
    assert built["score"].type.ndim == 1
    assert built.rvs_to_values[built["score"]].data.size == caffeine.design.n_obs


def test_a_model_without_random_terms_is_a_logistic_regression():
    table = il.load_dataset("bacteria")
    built = il.Model("yy ~ late", table).pymc
    point = random_point(built, 12)
    eta = point["beta"][0] + point["beta"][1] * table["late"].to_numpy()
    expected = (
        bernoulli(table["yy"].to_numpy(), eta) + stats.norm(0, 2.5).logpdf(point["beta"]).sum()
    )
    np.testing.assert_allclose(joint(built, point), expected, rtol=RTOL)


def test_prior_and_posterior_predictive_are_answers(small):
    built = small.pymc
    draws = pm.sample_prior_predictive(3, model=built, random_seed=13)
    score = draws["prior_predictive"]["score"]
    assert score.dims == ("chain", "draw", "obs")
    assert set(np.unique(score)) == {0, 1}
    draws["posterior"] = draws["prior"]
    again = pm.sample_posterior_predictive(draws, model=built, random_seed=14, progressbar=False)
    assert again["posterior_predictive"]["score"].shape == (1, 3, 120)


@pytest.mark.slow  # 10 s of compiling
def test_nuts_takes_the_model():
    """A few draws show that names with a colon and brackets pass through nutpie."""
    rng = np.random.default_rng(15)
    table = pd.DataFrame({"id": np.repeat(np.arange(8), 4), "item": np.tile(np.arange(4), 8)})
    table["school"], table["resp"] = table["id"] // 2, rng.integers(0, 2, 32)
    priors = {
        "beta[school]": il.priors.StudentT(3, 0, 1)
    }  # of another kind: `beta[...]` one by one
    built = il.Model("resp ~ school + (1 | school/id)", table, priors=priors).pymc
    draws = pm.sample(
        3,
        tune=3,
        chains=1,
        cores=1,
        random_seed=16,
        model=built,
        nuts_sampler="nutpie",
        progressbar=False,
        compute_convergence_checks=False,
    )
    assert draws["posterior"]["re_school:id"].sizes["school:id"] == 8


@pytest.mark.parametrize("outer, inner", [("obs", "id"), ("g", "g_column"), ("g", "re_g")])
def test_a_name_that_the_model_needs_is_refused(outer, inner):
    """`obs` is a dim of its own; `g` brings `g_column` and `re_g` along."""
    rng = np.random.default_rng(17)
    table = pd.DataFrame({outer: np.repeat(np.arange(4), 10), inner: np.tile(np.arange(10), 4)})
    table["y"] = rng.integers(0, 2, 40)
    with pytest.raises(il.errors.ModelError, match="Rename the column"):
        _ = il.Model(f"y ~ 1 + (1 | {outer}) + (1 | {inner})", table).pymc


def test_centring_an_unknown_group_names_the_groups(small):
    with pytest.raises(il.errors.ModelError, match="'school', 'school:id', 'item'"):
        build_pymc(small, centred=frozenset({"pupil"}))


def test_importing_the_package_does_not_import_pymc():
    code = (
        "import sys, ilhte_bayes as il; il.Model; il.laplace; il.priors.Normal; "
        "assert 'pymc' not in sys.modules and 'pytensor' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_column_centred_and_the_next_given_it(small):
    """Easiness sampled as it is, effects standard normal given it: the same joint density."""
    plain, mixed = small.pymc, build_pymc(small, centred=frozenset({"item[Intercept]"}))
    assert {"level_item[Intercept]", "z_item[treat]"} <= {v.name for v in mixed.free_RVs}
    point = random_point(plain, 9)
    v = constrained(point)
    moved = {k: x for k, x in point.items() if k != "z_item"}
    moved["level_item[Intercept]"] = point["beta"][0] + v["sd_item"][0] * point["z_item"][:, 0]
    moved["z_item[treat]"] = point["z_item"][:, 1]
    log_det = 6 * np.log(v["sd_item"][0])
    np.testing.assert_allclose(joint(mixed, moved), joint(plain, point) - log_det, rtol=RTOL)
