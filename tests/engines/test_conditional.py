"""The conditional likelihood against enumeration, closed forms, other software, planted truth."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, optimize, special, stats

import ilhte_bayes as il
from ilhte_bayes.engines.conditional import conditional
from ilhte_bayes.engines.symmetric import Cells, evaluate

FORMULA = "resp ~ treat + (1 | id) + (treat | item)"
REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "conditional_eRm.csv"


def trial(seed, n_person, easiness, shift=0.0, *, ability=((0, 1), (0, 1))):
    """Rasch answers; `shift` is each item's effect, `ability` the mean and SD in each arm."""
    rng = np.random.default_rng(seed)
    easiness = np.asarray(easiness, dtype=float)
    treat = np.arange(n_person) % 2
    mean, sd = np.array(ability, dtype=float)[treat].T
    theta = mean + sd * rng.normal(size=n_person)
    eta = theta[:, None] + easiness + treat[:, None] * np.broadcast_to(shift, easiness.shape)
    names = [f"q{k:02d}" for k in range(easiness.size)]
    return pd.DataFrame(
        {
            "id": np.repeat(np.arange(n_person), easiness.size),
            "item": np.tile(names, n_person),
            "treat": np.repeat(treat, easiness.size),
            "resp": (rng.random(eta.shape) < special.expit(eta)).astype(int).ravel(),
        }
    )


def fit(frame, **options):
    return conditional(il.Model(FORMULA, frame, **options))


def one_cell(items, score, n_item):
    items = np.asarray(items, dtype=np.int64)
    return Cells(
        start=np.array([0, items.size]),
        item=items,
        score=np.array([score]),
        persons=np.ones((1, 1)),
        right=np.zeros((1, n_item)),
    )


def patterns(n, score):
    return np.array([y for y in itertools.product([0, 1], repeat=n) if sum(y) == score])


def maximum_by_enumeration(frame):
    """Easiness (mean 0) and log-likelihood, listing all patterns with each person's sum."""
    at = {name: k for k, name in enumerate(sorted(frame["item"].unique()))}
    right, cells = np.zeros(len(at)), {}
    for _, answers in frame.groupby("id"):
        items = [at[name] for name in answers["item"]]
        np.add.at(right, items, answers["resp"])
        key = tuple(items), int(answers["resp"].sum())
        cells[key] = cells.get(key, 0) + 1
    listed = {key: patterns(len(key[0]), key[1]) for key in cells}
    basis = linalg.helmert(len(at))

    def loss(c):
        b = c @ basis
        norms = [n * special.logsumexp(listed[key] @ b[list(key[0])]) for key, n in cells.items()]
        return sum(norms) - right @ b

    found = optimize.minimize(loss, np.zeros(len(basis)), method="BFGS", tol=1e-8)
    return found.x @ basis, -found.fun


# ---- elementary symmetric functions


@pytest.mark.parametrize("items", [[0, 1, 2, 3], [0, 0, 1, 3, 3, 3], [1, 3]])
@pytest.mark.parametrize("scale", [0.5, 6.0])
def test_moments_given_the_sum_match_enumeration(items, scale):
    """Also with items that a person answered several times."""
    b = scale * np.random.default_rng(5).normal(size=4)
    which = np.eye(4)[items]  # (answer, item)
    for score in range(1, len(items)):
        listed = patterns(len(items), score)
        log_weight = listed @ b[items]
        weight = special.softmax(log_weight)
        norm, minus_mean, covariance = evaluate(
            one_cell(items, score, 4), np.ones(1), np.zeros(4), b, second=True
        )
        assert -norm == pytest.approx(special.logsumexp(log_weight), abs=1e-12)
        assert -minus_mean == pytest.approx(weight @ listed @ which, abs=1e-13)
        spread = np.cov(listed.T, aweights=weight, bias=True)
        assert covariance == pytest.approx(which.T @ spread @ which, abs=1e-13)


@pytest.mark.parametrize("score", [1, 300, 1000, 1999])
def test_long_tests_do_not_overflow(score):
    """2,000 equal items: gamma is a binomial coefficient, up to 10^600."""
    cell = one_cell(np.zeros(2000), score, 1)
    norm, minus_mean, _ = evaluate(cell, np.ones(1), np.zeros(1), np.array([0.7]))
    choose = (
        special.gammaln(2001) - special.gammaln(score + 1) - special.gammaln(2001 - score)
    ) + 0.7 * score
    assert -norm == pytest.approx(choose, rel=1e-11)
    assert -minus_mean[0] == pytest.approx(score, rel=1e-11)


def test_items_far_apart():
    """Easiness -60, ..., 60 in equal steps: gamma is a Gaussian binomial coefficient."""
    n, step = 25, 5.0
    b = step * (np.arange(n) - 12)
    for score in (1, 6, 12, 20):
        norm = evaluate(one_cell(range(n), score, n), np.ones(1), np.zeros(n), b)[0]
        k = np.arange(1, score + 1)
        q_binomial = np.sum(
            np.log1p(-np.exp(-step * (n - score + k))) - np.log1p(-np.exp(-step * k))
        )
        highest = b[-score:].sum()
        assert -norm == pytest.approx(highest + q_binomial, rel=1e-12)


def test_gradient_and_hessian_match_finite_differences():
    rng = np.random.default_rng(2)
    cells = Cells(
        start=np.array([0, 5, 9, 14]),
        item=np.array([0, 1, 2, 3, 4, 1, 2, 2, 5, 0, 2, 3, 4, 5]),
        score=np.array([2, 3, 4]),
        persons=np.ones((1, 3)),
        right=np.zeros((1, 6)),
    )
    persons, right, b = np.array([3.0, 7.0, 2.0]), rng.random(6), rng.normal(size=6)
    _, gradient, information = evaluate(cells, persons, right, b, second=True)
    h = 1e-5  # central differences: error about h^2 in slopes, 1e-16 / h from rounding
    for k in range(6):
        up, down = b + h * np.eye(6)[k], b - h * np.eye(6)[k]
        above, below = evaluate(cells, persons, right, up), evaluate(cells, persons, right, down)
        assert (above[0] - below[0]) / (2 * h) == pytest.approx(gradient[k], abs=1e-8)
        assert (above[1] - below[1]) / (2 * h) == pytest.approx(-information[k], abs=1e-8)


# ---- estimates


def test_four_items_match_the_maximum_of_the_enumerated_likelihood():
    frame = trial(1, 160, [-1, -0.3, 0.4, 0.9], [0.5, 0, 0, -0.5])
    found = fit(frame)
    arms = [maximum_by_enumeration(frame[frame["treat"] == arm]) for arm in (0, 1)]
    pooled = maximum_by_enumeration(frame)
    # 1e-5: where BFGS with differences stops
    assert found.items["easiness"].to_numpy() == pytest.approx(arms[0][0], abs=1e-5)
    assert found.items["estimate"].to_numpy() == pytest.approx(arms[1][0] - arms[0][0], abs=2e-5)
    logliks = [arms[0][1], arms[1][1], pooled[1]]
    assert found.loglik.to_numpy() == pytest.approx(logliks, abs=1e-8)
    assert found.andersen.statistic == pytest.approx(2 * (logliks[0] + logliks[1] - logliks[2]))
    assert found.andersen.df == 3
    assert found.andersen.p == pytest.approx(stats.chi2.sf(found.andersen.statistic, 3))


def test_booklets_with_common_items_match_enumeration():
    """Half the persons answered items 0-3, half 2-5; some answers are missing beside."""
    frame = trial(2, 240, [-1, 0.8, 0.2, -0.2, 0.6, -0.4])
    item = frame["item"].str.slice(1).astype(int)
    frame = frame[np.where(frame["id"] // 2 % 2 == 0, item < 4, item > 1)]
    frame = frame.drop(frame.sample(40, random_state=1).index)
    found = fit(frame)
    arms = [maximum_by_enumeration(frame[frame["treat"] == arm]) for arm in (0, 1)]
    assert found.items["easiness"].to_numpy() == pytest.approx(arms[0][0], abs=1e-5)
    assert found.items["estimate"].to_numpy() == pytest.approx(arms[1][0] - arms[0][0], abs=2e-5)
    assert found.loglik.iloc[:2].to_numpy() == pytest.approx([arms[0][1], arms[1][1]], abs=1e-8)
    by_person = frame.groupby("id")["resp"].agg(["sum", "size"])
    informative = int(((by_person["sum"] > 0) & (by_person["sum"] < by_person["size"])).sum())
    assert (found.n_informative, found.n_left_out) == (informative, len(by_person) - informative)


def test_two_items_are_a_matched_pairs_table():
    """Closed form: the log of the ratio of discordant pairs, and McNemar's standard error."""
    frame = trial(3, 400, [0.4, -0.4], [0.3, -0.3])
    found = fit(frame)
    wide = frame.pivot(index="id", columns="item", values="resp")
    arm = frame.groupby("id")["treat"].first()
    logs, variance = [], 0.0
    for k in (0, 1):
        first = ((wide["q00"] > wide["q01"]) & (arm == k)).sum()
        second = ((wide["q00"] < wide["q01"]) & (arm == k)).sum()
        logs.append(np.log(first / second))
        variance += 1 / first + 1 / second
    row = found.items.loc["q00"]
    assert row["easiness"] == pytest.approx(logs[0] / 2)
    assert row["estimate"] == pytest.approx((logs[1] - logs[0]) / 2)
    assert row["se"] == pytest.approx(np.sqrt(variance) / 2)
    assert row["upper"] - row["lower"] == pytest.approx(2 * 1.959964 * row["se"], rel=1e-6)


@pytest.mark.parametrize("case", ["verbagg", "caffeine"])
def test_eRm_agrees(case, table):
    """eRm's nlm stops within 1e-4 of the maximum; caffeine has missing answers."""
    reference = pd.read_csv(REFERENCE).query("case == @case").set_index("item")
    frame = table(case)
    if case == "verbagg":
        found = conditional(il.Model("r2 ~ treat + (1 | id) + (treat | item)", frame))
    else:
        found = conditional(il.il_hte(frame, response="resp >= 2", clusters=["study"]))
    items, first = found.items.reindex(reference.index), reference.iloc[0]
    shift = reference["easiness_1"] - reference["easiness_0"]
    se = np.hypot(reference["se_0"], reference["se_1"])
    assert items["easiness"].to_numpy() == pytest.approx(reference["easiness_0"], abs=1e-4)
    assert items["estimate"].to_numpy() == pytest.approx(shift, abs=1e-4)
    assert items["se"].to_numpy() == pytest.approx(se, rel=2e-4)
    logliks = first[["loglik_0", "loglik_1", "loglik_pooled"]].to_numpy(float)
    assert found.loglik.to_numpy() == pytest.approx(logliks, abs=2e-6)
    assert found.andersen.statistic == pytest.approx(first["andersen"], abs=2e-6)
    assert found.andersen.df == first["df"]
    assert found.andersen.p == pytest.approx(first["p"], rel=1e-5)
    assert found.n_informative == first["persons"]


def test_statsmodels_agrees():
    """Run by `uv run --with statsmodels pytest tests/engines/test_conditional.py`."""
    models = pytest.importorskip(
        "statsmodels.discrete.conditional_models",
        reason="statsmodels is no dependency; anyone: uv run --with statsmodels pytest <this file>",
    )
    frame = trial(4, 300, [-0.8, -0.2, 0.1, 0.4, 0.5], [0.4, 0, 0, 0, -0.4])
    found = fit(frame)
    dummies = pd.get_dummies(frame["item"]).iloc[:, 1:].astype(float)
    dummies = pd.concat([dummies, dummies.mul(frame["treat"], axis=0).add_suffix(":treat")], axis=1)
    theirs = models.ConditionalLogit(frame["resp"], dummies, groups=frame["id"])
    theirs = theirs.fit(disp=0, method="newton")  # its BFGS stops 1e-3 short
    shift = np.append(0.0, theirs.params[-4:])
    assert found.items["estimate"].to_numpy() == pytest.approx(shift - shift.mean(), abs=1e-4)
    centre = np.eye(5)[:, 1:] - 0.2
    covariance = centre @ theirs.cov_params().to_numpy()[-4:, -4:] @ centre.T
    assert found.items["se"].to_numpy() == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-3)
    assert found.loglik.iloc[:2].sum() == pytest.approx(theirs.llf, abs=1e-6)


# ---- abilities do not matter


def test_different_ability_spreads_are_no_item_effects():
    """SDs 1 and 1.5: nothing moves single items, and nothing is found.

    Under the truth the p-value is uniform; a sound program fails `p > 0.001` once in 1,000 seeds.
    With 4,000 persons standard errors are about 0.07, so an SD above 0.1 would be a finding.
    """
    easiness = np.linspace(-1.5, 1.5, 8)
    found = fit(trial(11, 4000, easiness, ability=((0, 1), (0.5, 1.5))))
    assert found.andersen.p > 0.001
    assert found.sigma_zeta.lower == 0 and found.sigma_zeta.estimate < 0.1
    assert "no spread at all" in str(found.sigma_zeta)


@pytest.mark.parametrize("ability", [((0, 1), (0, 1)), ((-1, 0.5), (1.5, 2)), ((0, 0), (2, 0))])
def test_estimates_do_not_depend_on_abilities(ability):
    """Estimates are near the truth whatever abilities are like, by their own standard errors.

    The largest of seven z beyond a two-sided 0.001 (Bonferroni): a sound program fails once in
    1,000 seeds for each case.
    """
    easiness, shift = np.linspace(-1.2, 1.2, 7), np.array([0.6, -0.3, 0.0, 0.2, -0.5, 0.1, -0.1])
    frame = trial(21, 6000, easiness, shift, ability=ability)
    found = fit(frame)
    gap = found.items["estimate"].to_numpy() - (shift - shift.mean())
    z = gap / found.items["se"].to_numpy()
    assert np.abs(z).max() < stats.norm.ppf(1 - 0.001 / 14)
    gap = found.items["easiness"].to_numpy() - easiness
    assert np.abs(gap).max() < 0.2  # standard errors are about 0.04, or 0.05


def test_person_covariates_change_nothing_and_the_reference_arm_turns_signs():
    frame = trial(31, 400, [-1, 0, 0.3, 0.7], [0.5, 0, -0.2, 0])
    frame["arm"] = np.where(frame["treat"] == 1, "drug", "control")
    formula = "resp ~ arm + (1 | id) + (arm | item)"
    roles = {"treatment": "arm", "person": "id", "item": "item"}
    one = conditional(il.Model(formula, frame, roles=roles))
    other = conditional(il.Model(formula, frame, roles=roles, reference={"arm": "drug"}))
    assert one.contrast == "drug v control" and other.contrast == "control v drug"
    assert one.items["estimate"].to_numpy() == pytest.approx(-other.items["estimate"].to_numpy())
    assert one.andersen.statistic == pytest.approx(other.andersen.statistic)
    assert one.items["estimate"].to_numpy() == pytest.approx(fit(frame).items["estimate"])
    assert one.loglik.index.tolist() == ["control", "drug", "pooled"]
    frame["pre"], frame["school"] = frame["id"] % 7, frame["id"] // 40
    wide = il.Model("resp ~ treat * pre + (1 | school/id) + (treat | item)", frame)
    pd.testing.assert_frame_equal(conditional(wide).items, fit(frame).items)


# ---- what is refused, and what is said


def test_item_with_one_answer_in_an_arm_is_left_out_and_named():
    frame = trial(5, 200, [-0.5, 0, 0.5, 0.2])
    rest = fit(frame[frame["item"] != "q03"])
    frame.loc[(frame["item"] == "q03") & (frame["treat"] == 1), "resp"] = 1
    with pytest.warns(il.errors.IlhteWarning, match="every answer is the same"):
        found = fit(frame)
    assert found.items.index.tolist() == ["q00", "q01", "q02"]
    pd.testing.assert_frame_equal(found.items, rest.items)
    assert found.andersen.df == 2
    (problem,) = found.problems
    assert "'q03', which was right for everybody in arm treat = 1" in problem
    assert problem in repr(found)


def test_item_unknown_in_one_arm_is_left_out_and_named():
    frame = trial(5, 200, [-0.5, 0, 0.5, 0.2])
    with pytest.warns(il.errors.IlhteWarning, match="no answers"):
        found = fit(frame[(frame["item"] != "q01") | (frame["treat"] == 1)])
    assert "q01" not in found.items.index
    assert "'q01', which got no answer of use in arm treat = 0" in found.problems[0]


def test_item_always_right_is_settled_by_everybody_informative():
    """q00 is wrong only for persons who got nothing right: no finite estimate either."""
    frame = trial(6, 300, [3.0, 0, 0.5, 0.2])
    total = frame.groupby("id")["resp"].transform("sum")
    frame.loc[(frame["item"] == "q00") & (total > 0), "resp"] = 1
    found = fit(frame)
    assert "q00" not in found.items.index
    assert "'q00', which was right for everybody in arm treat = 0" in found.problems[0]
    assert np.isfinite(found.items.to_numpy()).all()


def test_booklets_without_common_items_are_refused():
    frame = trial(7, 200, np.zeros(6))
    item = frame["item"].str.slice(1).astype(int)
    frame = frame[np.where(frame["id"] // 2 % 2 == 0, item < 3, item > 2)]
    with pytest.raises(il.errors.ModelError, match="2 sets that nobody links") as caught:
        fit(frame)
    assert "'q00', 'q01', 'q02'; 'q03'" in str(caught.value)
    assert "table[table['item'].isin" in str(caught.value)


def test_fewer_than_two_usable_items_are_refused():
    frame = trial(8, 60, [0.0, 0.0, 0.0])
    frame["resp"] = (frame["item"] == "q00").astype(int)
    with (
        pytest.warns(il.errors.IlhteWarning),
        pytest.raises(il.errors.ModelError, match=r"two are needed.*il\.laplace\(model"),
    ):
        fit(frame)


def test_person_in_two_arms_is_refused():
    frame = trial(9, 60, [0.0, 0.2, 0.4])
    frame["treat"] = (frame["id"] + (frame["item"] > "q00")) % 2
    roles = {"treatment": "treat", "person": "id", "item": "item", "crossover": True}
    with pytest.raises(il.errors.ModelError, match="60 persons are in both arms of 'treat': 0, 1"):
        fit(frame, roles=roles)


def test_three_arms_are_refused():
    frame = trial(9, 60, [0.0, 0.2, 0.4])
    frame["treat"] = frame["id"] % 3
    with pytest.raises(il.errors.ModelError, match=r"3 values.*table\[table\['treat'\]"):
        fit(frame)
    frame["treat"] = np.array(["a", "b", "c"])[frame["treat"]]
    with pytest.raises(il.errors.ModelError, match="3 values"):
        fit(frame)


def test_unknown_roles_and_terms_are_named():
    frame = trial(9, 60, [0.0, 0.2, 0.4])
    with pytest.raises(il.errors.ModelError, match=r"add \(1 \| item\)"):
        conditional(
            il.Model(
                "resp ~ treat * C(item) + (1 | id)",
                frame,
                roles={"treatment": "treat", "person": "id", "item": "item"},
            )
        )
    renamed = frame.rename(columns={"treat": "t", "item": "question"})
    with pytest.raises(il.errors.ModelError, match="the item and the treatment is not known"):
        conditional(il.Model("resp ~ t + (1 | id) + (t | question)", renamed))


def test_an_item_answered_twice_is_two_equally_easy_items():
    frame = trial(10, 200, [-0.5, 0.0, 0.3, 0.3])
    frame["wave"] = (frame["item"] == "q03").astype(int)
    frame["item"] = frame["item"].replace("q03", "q02")
    roles = {"treatment": "treat", "person": "id", "item": "item", "occasion": "wave"}
    found = fit(frame, roles=roles)
    control = frame[frame["treat"] == 0]
    easiness, loglik = maximum_by_enumeration(control)
    assert found.items["easiness"].to_numpy() == pytest.approx(easiness, abs=1e-5)
    assert found.loglik.iloc[0] == pytest.approx(loglik, abs=1e-8)
    assert "200 person(s) answered an item more than once" in found.problems[0]


def test_prints_as_a_table():
    found = fit(trial(10, 200, [-0.5, 0.0, 0.3, 0.3]))
    text = repr(found)
    for words in ("treat 1 v 0", "Andersen's test: chi-square", "95 % interval", "left out"):
        assert words in text
    assert found._repr_html_().startswith("<pre>")
    assert f"{found.n_left_out} left out, who gave the same answer to all their items" in text
    assert "One difference for all items" in found.andersen.sentence("difference")


# ---- slow: many data sets


@pytest.mark.slow
def test_andersens_test_keeps_its_size():
    """200 trials without item effects, abilities differing between arms: p is uniform.

    Kolmogorov-Smirnov at 0.001, and rejections at 5 % within 10 +- 3.3 SDs of a binomial (3.1),
    so at most 20; 300 persons and 6 items, where the chi-square is close.
    """
    easiness = np.linspace(-1, 1, 6)
    p = np.array(
        [
            fit(trial(1000 + k, 300, easiness, ability=((0, 1), (0.5, 1.5)))).andersen.p
            for k in range(200)
        ]
    )
    print("rejected", int((p < 0.05).sum()), "KS p", stats.kstest(p, "uniform").pvalue)
    assert (p < 0.05).sum() <= 20
    assert stats.kstest(p, "uniform").pvalue > 0.001


@pytest.mark.slow
def test_planted_spread_is_recovered():
    """40 trials of 20 items and 1,000 persons with SD 0.4.

    One estimate has an SD near 0.4 / sqrt(2 * 19) = 0.065, with sampling error 0.08; the mean of
    40 then 0.013, so 3.3 of them 0.04. Of 40 intervals of 95 % at least 33 cover (0.999).
    """
    found = []
    for k in range(40):
        rng = np.random.default_rng(500 + k)
        frame = trial(700 + k, 1000, rng.normal(size=20), 0.3 + 0.4 * rng.normal(size=20))
        found.append(fit(frame).sigma_zeta)
    estimates = np.array([s.estimate for s in found])
    covered = sum(s.lower <= 0.4 <= s.upper for s in found)
    print("mean", estimates.mean(), "SD", estimates.std(ddof=1), "covered", covered, "of 40")
    assert abs(estimates.mean() - 0.4) < 0.04
    assert covered >= 33
