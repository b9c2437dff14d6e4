"""Priors: the densities are those of the textbooks, names and kinds are checked, changes are kept."""

import numpy as np
import pymc as pm
import pytest
from scipy import stats

import ilhte_bayes as il
from ilhte_bayes.engines.marginal.covariance import complex_step
from ilhte_bayes.models.priors import change_priors, make_priors

# Where to look: both sides of 0 for coefficients, above 0 for SDs.
ANY, ABOVE = np.array([-3.1, -0.4, 0.0, 0.7, 5.0]), np.array([0.02, 0.5, 1.0, 2.7, 9.0])
CASES = [
    pytest.param(il.priors.Normal(0.4, 1.7), stats.norm(0.4, 1.7), ANY, id="normal"),
    pytest.param(il.priors.StudentT(4, -0.5, 2), stats.t(4, -0.5, 2), ANY, id="student-t"),
    pytest.param(il.priors.HalfNormal(1.3), stats.halfnorm(scale=1.3), ABOVE, id="half-normal"),
    pytest.param(il.priors.Exponential(1.6), stats.expon(scale=1.6), ABOVE, id="exponential"),
    pytest.param(il.priors.Gamma(2, 0.4), stats.gamma(2, scale=1 / 0.4), ABOVE, id="gamma"),
]


class HalfT:
    """SciPy has no half-t: a t folded at 0 has twice its density."""

    @staticmethod
    def logpdf(x):
        return stats.t(3, 0, 2.5).logpdf(x) + np.log(2)


HALF_T = pytest.param(il.priors.HalfStudentT(3, 2.5), HalfT, ABOVE, id="half-t")


@pytest.fixture(scope="module")
def caffeine() -> il.Model:
    formula = "resp >= 2 ~ treat + (1 | study/id) + (treat | item)"
    return il.Model(formula, il.load_dataset("caffeine"))


@pytest.mark.parametrize("prior, reference, at", [*CASES, HALF_T])
def test_log_density_is_scipys(prior, reference, at):
    found = [prior.log_density(x) for x in at]
    # A few roundings, also where the density passes through log 1 = 0.
    np.testing.assert_allclose(found, reference.logpdf(at), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("prior, reference, at", [*CASES, HALF_T])
def test_the_pymc_twin_has_the_same_log_density(prior, reference, at):
    """Whole numbers must not fall to single precision on their way into PyTensor (2e-8 off).

    PyMC itself takes the half-t's log 2 in single precision: 1.9e-9, the same everywhere.
    """
    with pm.Model() as built:
        variable = prior.pymc("x")
    twin = pm.logp(built["x"], at).eval(mode="FAST_COMPILE")
    assert variable.type.ndim == 0
    atol = 2e-9 if isinstance(prior, il.priors.HalfStudentT) else 1e-14
    np.testing.assert_allclose(twin, reference.logpdf(at), rtol=1e-12, atol=atol)


@pytest.mark.parametrize("prior, reference, at", [*CASES, HALF_T])
def test_complex_step_is_the_derivative(prior, reference, at):
    at = at[at != 0]
    exact = np.diag(complex_step(lambda x: prior.log_density(x), at))
    h = 1e-5 * np.abs(at)
    difference = (reference.logpdf(at + h) - reference.logpdf(at - h)) / (2 * h)
    # Central differences: relative error h^2 = 1e-10, and rounding 1e-16 / 1e-5 = 1e-11 over x.
    np.testing.assert_allclose(exact, difference, rtol=1e-7, atol=1e-8)


def test_flat_and_lkj():
    assert il.priors.Flat().log_density(3.0) == 0.0
    assert il.priors.LKJ(1).log_density(-5.0) == 0.0
    rho = np.array([-0.9, 0.0, 0.3])
    density = np.exp(il.priors.LKJ(2.5).log_density(np.log(1 - rho**2)))
    reference = stats.beta(2.5, 2.5, loc=-1, scale=2).pdf(rho)  # LKJ in two dimensions
    np.testing.assert_allclose(density / density[1], reference / reference[1], rtol=1e-12)


def test_flat_is_half_flat_for_an_sd():
    with pm.Model() as built:
        il.priors.Flat().pymc("sd_item[treat]")
        il.priors.Flat().pymc("beta[treat]")
    assert set(built.initial_point()) == {"sd_item[treat]_log__", "beta[treat]"}


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: il.priors.Normal(0, 0), "sd is a positive number"),
        (lambda: il.priors.HalfNormal(-1), "sd is a positive number"),
        (lambda: il.priors.StudentT(0, 0, 1), "df is a positive number"),
        (lambda: il.priors.HalfStudentT(3, np.inf), "sd is a positive number"),
        (lambda: il.priors.Exponential(np.nan), "mean is a positive number"),
        (lambda: il.priors.Gamma(2, "1x"), "rate is a positive number"),
        (lambda: il.priors.Normal("high", 1), "mean is a number"),
        (lambda: il.priors.LKJ(0), "eta is a positive number"),
    ],
)
def test_impossible_numbers_are_refused_when_typed(make, words):
    with pytest.raises(il.errors.ModelError, match=words):
        make()


def test_every_parameter_has_a_prior_of_its_own(caffeine):
    assert [entry.parameter for entry in caffeine.priors] == [
        "beta[Intercept]",
        "beta[treat]",
        "sd_study[Intercept]",
        "sd_study:id[Intercept]",
        "sd_item[Intercept]",
        "sd_item[treat]",
        "corr_item",
    ]
    assert caffeine.priors["beta[treat]"] == il.priors.Normal(0, 2.5)
    assert caffeine.priors["sd_item[treat]"] == il.priors.HalfNormal(1)
    assert caffeine.priors["corr_item"] == il.priors.LKJ(2)
    with pytest.raises(KeyError):
        _ = caffeine.priors["corr_study"]


def test_slopes_are_scaled_by_their_column():
    table = il.load_dataset("bacteria")
    model = il.Model("yy ~ week + (1 + week || ID)", table)
    size = np.std(table["week"])
    assert model.priors["beta[week]"].sd == pytest.approx(2.5 / size, rel=1e-12)
    assert model.priors["sd_ID[week]"].sd == pytest.approx(1 / size, rel=1e-12)
    days = il.Model("yy ~ day + (1 + day || ID)", table.assign(day=7 * table["week"]))
    # Seven times the numbers, a seventh of the coefficient: the same prior for the same trial.
    assert days.priors["beta[day]"].sd == pytest.approx(model.priors["beta[week]"].sd / 7)


def test_the_most_specific_name_wins(caffeine):
    changes = {
        "sd_item[treat]": il.priors.Gamma(2, 1),
        "sd_item": il.priors.Exponential(1),
        "sd": il.priors.HalfStudentT(3, 1),
        "beta": il.priors.Flat(),
    }
    priors = make_priors(caffeine.design, changes)
    assert priors["sd_item[treat]"] == il.priors.Gamma(2, 1)
    assert priors["sd_item[Intercept]"] == il.priors.Exponential(1)
    assert priors["sd_study[Intercept]"] == priors["sd_study:id[Intercept]"]
    assert priors["sd_study[Intercept]"] == il.priors.HalfStudentT(3, 1)
    assert priors["beta[Intercept]"] == priors["beta[treat]"] == il.priors.Flat()
    assert {e.parameter for e in priors if e.reason != "set by you"} == {"corr_item"}


@pytest.mark.parametrize("name", ["beta[treatment]", "sd_person", "treat", "sd_item[T]", ""])
def test_a_wrong_name_lists_the_right_ones(caffeine, name):
    with pytest.raises(il.errors.ModelError) as raised:
        caffeine.with_priors({name: il.priors.Normal()})
    message = str(raised.value)
    assert repr(name) in message
    for entry in caffeine.priors:
        assert repr(entry.parameter) in message


@pytest.mark.parametrize(
    "name, prior, allowed",
    [
        ("beta[treat]", il.priors.HalfNormal(1), "Normal, StudentT, Flat"),
        ("beta", 2.5, "Normal, StudentT, Flat"),
        ("sd_item", il.priors.Normal(0, 1), "HalfNormal, HalfStudentT, Exponential, Gamma, Flat"),
        ("sd", il.priors.LKJ(2), "HalfNormal, HalfStudentT, Exponential, Gamma, Flat"),
        ("corr_item", il.priors.Normal(0, 1), "LKJ, Flat"),
    ],
)
def test_a_prior_of_the_wrong_kind_lists_the_right_ones(caffeine, name, prior, allowed):
    with pytest.raises(il.errors.ModelError, match=f"takes one of {allowed}") as raised:
        caffeine.with_priors({name: prior})
    assert f"is {prior};" in str(raised.value)


def test_priors_print_as_a_table(caffeine):
    lines = repr(caffeine.priors).splitlines()
    assert len(lines) == len(list(caffeine.priors)) == 7
    assert lines[1].split("  ")[0] == "beta[treat]"
    starts = {
        line.index(str(entry.prior)) for line, entry in zip(lines, caffeine.priors, strict=True)
    }
    assert len(starts) == 1  # one column below the other
    frame = caffeine.priors.to_frame()
    assert list(frame.columns) == ["prior", "why"]
    assert frame.loc["corr_item", "prior"] == "LKJ(2)"
    assert "<table" in caffeine.priors._repr_html_()


def test_a_later_broad_change_replaces_an_earlier_narrow_one(caffeine):
    narrow = {"sd": il.priors.Exponential(1), "beta[treat]": il.priors.Normal(0, 0.5)}
    first = change_priors(caffeine.priors, narrow)
    second = change_priors(first, {"sd_item": il.priors.Gamma(2, 1), "beta": il.priors.Flat()})
    assert second["sd_item[treat]"] == il.priors.Gamma(2, 1)
    assert second["sd_study[Intercept]"] == il.priors.Exponential(1)
    assert second["beta[treat]"] == il.priors.Flat()


def test_with_priors_keeps_earlier_changes(caffeine):
    first = caffeine.with_priors({"beta[treat]": il.priors.Normal(0, 0.5)})
    second = first.with_priors({"corr_item": il.priors.LKJ(5)})
    assert second.priors["beta[treat]"] == il.priors.Normal(0, 0.5)
    assert second.priors["corr_item"] == il.priors.LKJ(5)
    assert first.priors["corr_item"] == il.priors.LKJ(2)  # frozen: the first is as it was
    assert caffeine.priors["beta[treat]"] == il.priors.Normal(0, 2.5)


def test_with_priors_lets_a_later_broad_change_replace_an_earlier_one(caffeine):
    first = caffeine.with_priors(
        {"sd": il.priors.Exponential(1), "beta[treat]": il.priors.Normal(0, 0.5)}
    )
    second = first.with_priors({"sd": il.priors.Gamma(2, 1), "beta": il.priors.Flat()})
    assert second.priors["sd_item[treat]"] == il.priors.Gamma(2, 1)
    assert second.priors["beta[treat]"] == il.priors.Flat()


def test_with_priors_rebuilds_the_pymc_model(caffeine):
    before = caffeine.pymc
    after = caffeine.with_priors({"corr_item": il.priors.LKJ(5)}).pymc
    assert after is not before and caffeine.pymc is before
