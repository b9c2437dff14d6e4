"""Many trials: numbers of single ones, bad ones among good ones, nothing done twice."""

import gzip

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.errors import DataError, ModelError
from ilhte_bayes.studies import trial_jobs
from ilhte_bayes.studies.trial_results import find, fingerprint, place_of

SMALL = {"models": ["M_0", "M_A"], "engine": "laplace", "progress": False}


def test_a_row_holds_what_the_single_functions_say(trial_of):
    trial = trial_of(3, persons=150, items=8)
    study = il.study({"one": trial}, engine="laplace", progress=False)
    row = study.frame.loc["one"]
    single = il.irw_table(trial).frame["estimate"]
    for name in single.index:  # IRW's names
        assert float(row[name]) == pytest.approx(float(single[name]), rel=1e-6, abs=1e-8), name
    own = il.il_hte(trial)
    fit, null = il.laplace(own), il.laplace(il.il_hte(trial, effects="constant"))
    test = il.boundary_test(null, fit)
    assert row["p_mixture"] == pytest.approx(test.p("mixture"), rel=1e-4)
    assert row["p_naive"] == pytest.approx(test.p("chi-squared"), rel=1e-4)
    assert row["lrt_pval"] == pytest.approx(test.p("halved"), rel=1e-4)
    bound = il.item_variation(fit).frame["upper_bound"].iloc[0]
    assert row["sigma_zeta_bound"] == pytest.approx(bound, abs=1e-3)
    # the card's interval is of 2,000 draws, whose quantiles err by a twentieth of their SD
    card = il.effect_card(fit).frame.xs("item population", level="target").iloc[1]
    assert row["ate_sd"] == pytest.approx(card["estimate"], abs=0.05 * row["ate_sd_se"])
    assert row["ate_sd_upper"] == pytest.approx(card["upper"], abs=0.3 * row["ate_sd_se"])
    items = il.item_effects(fit).frame
    assert np.allclose(study.items.loc["one", "effect"], items["effect"], atol=1e-5)
    assert np.allclose(study.items.loc["one", "lower"], items["lower"], atol=1e-5)


def test_quadrature_and_draws_fill_the_same_table(trial_of):
    trials = {"a": trial_of(1, persons=40, items=4)}
    exact = il.study(trials, models=["M_A"], engine="quadrature", progress=False).frame.loc["a"]
    drawn = il.study(trials, models=["M_A"], engine="nuts", draws=100, progress=False).frame.loc[
        "a"
    ]
    assert "p_mixture" not in exact.index and "p_mixture" not in drawn.index
    # a posterior mean and a maximum are half a standard error apart at most here
    assert abs(drawn["ate_logit"] - exact["ate_logit"]) < 0.5 * exact["ate_logit_se"]
    assert drawn["bf_zero"] > 0 and drawn["rho_lower_90"] < drawn["rho_upper_90"]
    assert not drawn["rho_informed"]  # of four items nothing is learnt about rho


@pytest.fixture
def folder(tmp_path, trial_of):
    place = tmp_path / "trials"
    place.mkdir()
    for k in range(3):
        trial_of(k).to_csv(place / f"good{k}.csv", index=False)
    return place


def spoil(place, trial_of):
    trial = trial_of(0)
    (place / "corrupt.csv").write_bytes(bytes(range(256)) * 20)
    text = gzip.compress(trial.to_csv(index=False).encode())
    (place / "cut.csv.gz").write_bytes(text[: len(text) // 2])
    trial.to_parquet(place / "torn.parquet")
    (place / "torn.parquet").write_bytes((place / "torn.parquet").read_bytes()[:-100])
    (place / "empty.csv").write_bytes(b"")
    trial.iloc[:0].to_csv(place / "norows.csv", index=False)
    trial.assign(resp="yesterday").to_csv(place / "typed.csv", index=False)
    trial.assign(resp=trial["resp"].map({0: "no", 1: 1})).to_csv(place / "mixed.csv", index=False)
    trial.assign(resp=1).to_csv(place / "constant.csv", index=False)
    trial.assign(treat=1).to_csv(place / "onearm.csv", index=False)
    trial.drop(columns="item").to_csv(place / "noitem.csv", index=False)


def test_bad_trials_are_rows_with_reasons_and_the_others_do_not_notice(
    folder, tmp_path, trial_of, timeless
):
    alone = il.study(folder, **SMALL, folder=tmp_path / "alone")
    spoil(folder, trial_of)
    study = il.study(folder, **SMALL, folder=tmp_path / "together")
    reasons = study.failures["reason"]
    expected = {
        "corrupt": "not CSV", "cut": "cannot be read", "torn": "cannot be read", "empty": "empty",
        "norows": "no rows", "typed": "exactly two", "constant": "exactly two",
        "onearm": "treat", "noitem": "item",
    }  # fmt: skip
    assert set(expected) <= set(reasons.index)
    for name, words in expected.items():
        assert words in reasons[name], name
    assert (study.failures["status"] == "refused").all()
    good = timeless(study.frame.loc[alone.frame.index, alone.frame.columns])
    pd.testing.assert_frame_equal(good, timeless(alone.frame))
    assert "onearm (refused)" in repr(study)
    assert max(map(len, repr(study).splitlines())) < 100
    assert "<table" in study._repr_html_()


@pytest.fixture
def counted(monkeypatch):
    calls = []

    def analyse(job, settings, _true=trial_jobs.analyse):
        calls.append(job.trial)
        return _true(job, settings)

    monkeypatch.setattr(trial_jobs, "analyse", analyse)
    return calls


def test_nothing_is_done_twice_and_what_changed_is_noticed(folder, counted, trial_of):
    first = il.study(folder, **SMALL)
    assert counted == ["good0", "good1", "good2"]
    assert first.folder == folder.with_name("trials-results")
    again = il.study(folder, **SMALL)
    assert len(counted) == 3
    pd.testing.assert_frame_equal(first.frame, again.frame)  # seconds too: it was read
    pd.testing.assert_frame_equal(first.items, again.items)

    trial_of(9).to_csv(folder / "good1.csv", index=False)  # another table
    half = place_of(first.folder, "good2", first.settings.fingerprint)
    half.write_bytes(half.read_bytes()[:-90])  # a file cut short
    third = il.study(folder, **SMALL)
    assert counted[3:] == ["good1", "good2"]
    assert any("good1" in note and "another table" in note for note in third.notes)
    assert any("good2" in note and "cut short" in note for note in third.notes)

    il.study(folder, **SMALL | {"models": ["M_A"]})  # other settings
    assert len(counted) == 8
    il.study(folder, **SMALL, seed=5)  # which nothing of these engines depends on
    assert len(counted) == 8


def test_any_changed_byte_is_noticed(tmp_path, trial_of):
    trial = trial_of(0, persons=30, items=4)
    study = il.study(
        {"one": trial}, models=["M_A"], engine="laplace", folder=tmp_path, progress=False
    )
    key = ("one", study.settings.fingerprint, fingerprint(trial))
    place = place_of(tmp_path, *key[:2])
    whole = place.read_bytes()
    assert find(tmp_path, *key)[0] is not None
    for at in (0, 100, len(whole) // 2, len(whole) - 150, len(whole) - 20):
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert find(tmp_path, *key) == (None, "damaged"), at
    for length in (0, 1, 1000, len(whole) - 1):
        place.write_bytes(whole[:length])
        assert find(tmp_path, *key) == (None, "damaged"), length


def test_what_is_not_expected_is_told_and_tried_again(folder, monkeypatch):
    from ilhte_bayes.studies import analyse as module

    def exhausted(source, **options):
        if "good1" in str(source):
            raise MemoryError("no room")
        return prepare(source, **options)

    prepare = module.prepare
    monkeypatch.setattr(module, "prepare", exhausted)
    study = il.study(folder, **SMALL)
    assert study.failures.loc["good1", "status"] == "failed"
    assert "MemoryError: no room" in study.failures.loc["good1", "reason"]
    monkeypatch.setattr(module, "prepare", prepare)
    assert not len(il.study(folder, **SMALL).failures)


def test_a_mapping_and_an_iterator_are_studied_alike(trial_of, timeless):
    tables = {name: trial_of(k) for k, name in enumerate("ab")}
    one = il.study(tables, **SMALL)
    two = il.study(((name, tables[name]) for name in "ab"), **SMALL)
    assert one.folder is None
    pd.testing.assert_frame_equal(timeless(one.frame), timeless(two.frame))


def test_order_and_company_do_not_matter_to_draws(trial_of, timeless):
    tables = {name: trial_of(k, persons=30, items=3) for k, name in enumerate("ab")}
    options = {"models": ["M_A"], "engine": "nuts", "draws": 50, "progress": False}
    both = timeless(il.study(tables, **options).frame)
    other = timeless(il.study({"b": tables["b"]}, **options).frame)
    pd.testing.assert_frame_equal(both.loc[["b"]], other)


def test_ordinal_answers_are_studied_with_their_family(trial_of):
    trial = trial_of(5)
    rng = np.random.default_rng(1)
    trial["resp"] += rng.integers(0, 2, len(trial))
    study = il.study({"a": trial}, **SMALL, family="cumulative")
    fit = il.laplace(il.il_hte(trial, family="cumulative"))
    own = fit.coefficients.loc["treat", "estimate"]
    assert study.frame.loc["a", "ate_logit"] == pytest.approx(own, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"models": ["M_0"]}, ModelError, "lacks M_A"),
        ({"models": ["M_A", "M_Z"]}, ModelError, "'M_Z'"),
        ({"engine": "glmer"}, ModelError, "quadrature"),
        ({"workers": 0}, ModelError, "workers"),
        ({"effects": "item"}, ModelError, "models decide"),
        ({"trials": {}}, DataError, "no trials"),
        ({"trials": pd.DataFrame({"a": [1]})}, DataError, "folder"),
        ({"trials": [1]}, DataError, "pairs"),
        ({"trials": "nowhere"}, DataError, "no folder"),
        ({"client": 3}, DataError, "dask"),
    ],
)
def test_refusals(change, error, words, trial_of):
    options = {"trials": {"a": trial_of(0)}, **SMALL} | change
    trials = options.pop("trials")
    with pytest.raises(error, match=words):
        il.study(trials, **options)


def test_two_files_of_one_name_and_an_empty_folder(folder, tmp_path, trial_of):
    with pytest.raises(DataError, match="holds no"):
        il.study(tmp_path / "trials" / "..", **SMALL)
    trial_of(0).to_parquet(folder / "good0.parquet")
    with pytest.raises(DataError, match="two files"):
        il.study(folder, **SMALL)


def test_the_page_holds_table_figures_and_reasons(folder, tmp_path, trial_of):
    trial_of(1).assign(resp=0).to_csv(folder / "constant.csv", index=False)
    study = il.study(folder, engine="laplace", progress=False)
    page = study.report(tmp_path / "study.html").read_text()
    assert page.count("data:image/svg") == 2
    assert "exactly two values" in page and "good1" in page
