"""A ladder of models: SD173's criteria, nesting, best model, and the same answers throughout."""

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.estimands.boundary import likelihood_ratio_p
from ilhte_bayes.estimands.ladder import raftery
from ilhte_bayes.estimands.nesting import nested


@pytest.mark.parametrize(
    "aic, parameters, units, bic",
    [
        (85827.68, 3, 140, 85836.51),
        (84127.63, 12, 140, 84162.93),
        (128633.1, 4, 140, 128644.9),
        (548.03, 2, 120, 553.61),
        (551.09, 4, 120, 562.24),
    ],
)
def test_sd173_bic_counts_units_of_the_top_level(aic, parameters, units, bic):
    """Of a fit with so many schools and parameters, and the log-likelihood that gives this AIC."""
    school = np.repeat(np.arange(units), 4)
    x = np.random.default_rng(1).normal(size=(school.size, parameters))
    table = pd.DataFrame(x[:, 2:], columns=[f"x{k}" for k in range(2, parameters)])
    table = table.assign(school=school, y=np.arange(school.size) % 2)
    model = il.Model(" + ".join(["y ~ 1", *table.columns[:-2], "(1 | school)"]), table)
    fit = il.laplace(model)
    assert fit.n_parameters == parameters
    fit.mode.attrs["loglik"] = parameters - aic / 2.0
    assert fit.aic == pytest.approx(aic) and fit.bic("school") == pytest.approx(bic, abs=0.06)


def test_rafterys_bands():
    assert [raftery(drop) for drop in (-3, 1, 2, 2.1, 7, 10, 11)] == [
        "none", "weak", "weak", "positive", "strong", "strong", "very strong",
    ]  # fmt: skip


FORMULAS = [
    "use ~ 1 + (1 | district)",
    "use ~ age + urban + (1 | district)",
    "use ~ age + urban + (1 + urban | district)",
    "use ~ age + I(age^2) + livch + urban + (1 | district)",
]


@pytest.fixture(scope="module")
def steps(table):
    return il.ladder(FORMULAS, table("contraception"), stars=True)


def test_numbers_are_those_of_the_fits(steps, table):
    fits = [il.laplace(il.Model(formula, table("contraception"))) for formula in FORMULAS]
    for name, fit in zip(steps.criteria.index, fits, strict=True):
        assert steps.criteria.loc[name, "aic"] == pytest.approx(fit.aic)
        assert steps.criteria.loc[name, "bic"] == pytest.approx(fit.bic("district"))
    own = steps.frame["Model 3"]
    sd = fits[2].variance_components.loc[("district", "sd[urban[T.Y]]")]
    variance = own.loc[("variance", "district", "urban[T.Y]")]
    assert variance["estimate"] == pytest.approx(sd["estimate"] ** 2)
    assert variance["se"] == pytest.approx(2 * sd["estimate"] * sd["se"])
    assert own.loc[("correlation", "district", "Intercept,urban[T.Y]"), "estimate"] < 0
    assert steps.bic_units == "60 district"


def test_likelihood_ratios_are_against_the_nearest_nested_model(steps):
    table = steps.criteria
    assert table["against"].tolist() == ["", "Model 1", "Model 2", "Model 2"]
    third = table.loc["Model 3"]
    assert third["chi2"] == pytest.approx(
        2 * (third["loglik"] - table.loc["Model 2", "loglik"]), abs=1e-9
    )
    assert third["p"] == likelihood_ratio_p(third["chi2"], 2, 1)  # a variance and a correlation
    fourth = table.loc["Model 4"]
    assert fourth["p"] == likelihood_ratio_p(fourth["chi2"], fourth["df"], 0)


def test_best_is_the_lowest_bic_and_is_marked(steps):
    assert steps.best == steps.criteria["bic"].idxmin() == "Model 4"
    assert steps.to_frame().columns[-1] == "Model 4 (best)"


def test_layout(steps):
    shown = steps.to_frame()
    assert list(dict.fromkeys(shown.index.get_level_values("part"))) == [
        "Fixed effects", "Variances", "Correlations", "Model fit",
    ]  # fmt: skip
    assert shown.loc[("Fixed effects", "urban[T.Y]"), "Model 1"] == ""
    assert "*" in shown.loc[("Fixed effects", "urban[T.Y]"), "Model 2"]
    assert "* p < .05" in repr(steps)
    assert steps._repr_html_().count("<table>") == 1


def test_latex_is_escaped_and_balanced(steps):
    text = steps.to_latex()
    assert r"\begin{tabular}{lrrrr}" in text and r"\bottomrule" in text
    assert text.count("{") == text.count("}")
    table = text[text.index(r"\toprule") : text.index(r"\end{tabular}")]
    rows = [
        line for line in table.splitlines() if line.endswith(r"\\") and "multicolumn" not in line
    ]
    assert {line.count(" & ") for line in rows} == {4}


def test_ordinal_models_by_fits_and_names(table):
    models = [
        il.Model(f"rating ~ {x} + (1 | judge)", table("wine"), family="cumulative")
        for x in ("1", "temp", "temp + contact")
    ]
    steps = il.ladder([il.laplace(m) for m in models], names=["empty", "temp", "both"])
    assert steps.best == "both"
    assert steps.frame.loc[("fixed", "", "2|3")].notna().all()
    assert "PROC GLIMMIX prints them with the other sign" in repr(steps)


def test_models_of_crossed_groups_count_answers(make_trial):
    formulas = ["resp ~ 1 + (1 | id) + (1 | item)", "resp ~ treat + (1 | id) + (1 | item)"]
    assert il.ladder(formulas, make_trial()).bic_units == "240 answers"


def test_nesting_is_told_by_columns(make_trial):
    def fit(formula):
        return il.laplace(il.Model(formula, make_trial()))

    small, slopes = fit("resp ~ treat + (1 | id)"), fit("resp ~ treat + (1 | id) + (treat | item)")
    other = fit("resp ~ pre + (1 | id)")
    assert nested(small, slopes) and not nested(slopes, small)
    assert not nested(other, slopes) and not nested(small, other)
    # a model with uncorrelated effects lies in the correlated one, not the other way round
    apart = fit("resp ~ treat + (1 | id) + (treat || item)")
    assert nested(apart, slopes) and not nested(slopes, apart)


def test_refusals(table, caffeine):
    data = table("contraception")
    with pytest.raises(il.errors.ModelError, match="two models or more"):
        il.ladder(FORMULAS[:1], data)
    with pytest.raises(il.errors.ModelError, match="no table to fit it to"):
        il.ladder(FORMULAS)
    with pytest.raises(il.errors.ModelError, match="belong to maximum likelihood"):
        il.ladder([caffeine, caffeine])
    gaps = data.assign(age=data["age"].mask(data.index % 7 == 0))
    with pytest.raises(il.errors.ModelError, match=r"Drop them first: table.dropna\(subset"):
        il.ladder(FORMULAS[:2], gaps)
    with pytest.raises(il.errors.ModelError, match="different name"):
        il.ladder(FORMULAS[:2], data, names=["one", "one"])


def test_peers_first_models_of_a_district(table):
    """73,671 students: glmer on E1 and E2, clmm's AIC of the ordinal E1 (reference folder)."""
    data = table("glimmix_sim_73671")
    groups = "(1 | schoolid) + (1 | teacherid)"
    steps = il.ladder([f"score_d ~ 1 + {groups}", f"score_d ~ lep + ec + {groups}"], data)
    # glmer's log-likelihoods lie up to .001 low: twice that on criteria
    assert steps.criteria.loc["Model 1", "bic"] == pytest.approx(89770.2495, abs=3e-3)
    assert steps.criteria.loc["Model 2", "loglik"] == pytest.approx(-44338.3029, abs=1e-3)
    assert steps.bic_units == "140 schoolid"
    teacher = steps.frame["Model 1"].loc[("variance", "teacherid", "Intercept")]
    # SE .0155433 of the SD .8012718, delta method
    assert teacher["estimate"] == pytest.approx(0.8012718**2, rel=0.005)
    assert teacher["se"] == pytest.approx(2 * 0.8012718 * 0.0155433, rel=0.01)


def test_likelihoods_approximated_in_different_ways_are_refused():
    """A quadrature fit beside a Laplace fit: the difference would be the error of Laplace."""
    bacteria = il.load_dataset("bacteria")
    small = il.quadrature(il.Model("yy ~ week + (1 | ID)", bacteria))
    large = il.laplace(il.Model("yy ~ week + (week || ID)", bacteria))
    with pytest.raises(
        il.errors.ModelError, match=r"by quadrature \(ID integrated .* by laplace.*compare"
    ):
        il.ladder([small, large])
