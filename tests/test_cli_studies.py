"""`ilhte study` and `ilhte audit`: exit status, and what goes where."""

import pandas as pd
import pytest

import ilhte_bayes as il


def test_a_folder_is_studied(ilhte, tmp_path, make_trial):
    folder = tmp_path / "trials"
    folder.mkdir()
    trial = make_trial(40, 5)
    trial.to_csv(folder / "one.csv", index=False)
    trial.assign(resp=1).to_csv(folder / "two.csv", index=False)
    status, out, err = ilhte(
        "study", folder, "--engine", "laplace", "--covariate", "pre", "--report"
    )
    assert status == 0, err
    assert "1 of 2 trials" in out and "two (refused)" in out
    place = tmp_path / "trials-results"
    table = pd.read_csv(place / "study.csv", index_col="trial")
    own = il.laplace(il.il_hte(trial)).coefficients.loc["treat", "estimate"]
    assert table.loc["one", "ate_logit"] == pytest.approx(own, abs=1e-6)
    assert "<html" in (place / "study.html").read_text()
    assert "study.html" in err and "study.html" not in out


def test_a_folder_that_is_not_there(ilhte, tmp_path):
    status, out, err = ilhte("study", tmp_path / "nowhere")
    assert (status, out) == (2, "") and "no folder" in err


def test_a_fit_is_audited(ilhte, tmp_path, make_trial):
    path = il.laplace(il.il_hte(make_trial())).save(tmp_path / "fit.nc")
    status, out, err = ilhte("audit", path)
    assert status in (0, 1) and "SHA-256" in out, err
    assert "<html" in (tmp_path / "fit.html").read_text()
    assert ilhte("audit", path, "--report", path)[0] == 2
    path.write_bytes(path.read_bytes()[:-10])
    status, out, err = ilhte("audit", path)
    assert (status, out) == (2, "") and "cut short" in err
