"""An audit believes nothing: damage is refused, and what is not a maximum or not exact is seen."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import ilhte_bayes as il
from ilhte_bayes.errors import DataError

FITS = {
    "laplace": lambda model: il.laplace(model),
    "quadrature": lambda model: il.quadrature(model),
    "map": lambda model: il.laplace(model, objective="map"),
    "nuts": lambda model: il.sample(model, draws=400, progress=False),
}


@pytest.fixture(scope="module")
def fit_by(make_trial):
    model, cache = il.il_hte(make_trial(60, 6)), {}

    def fitted(name):
        if name not in cache:
            cache[name] = FITS[name](model)
        return cache[name]

    return fitted


@pytest.mark.parametrize("name", FITS)
def test_a_sound_fit_is_found_sound(name, fit_by, tmp_path):
    found = il.audit(fit_by(name).save(tmp_path / "fit.nc"))
    few = ["problems", "effective sample", "R-hat"]  # of 400 draws, and of what the fit says itself
    verdicts = found.frame["verdict"].drop(few, errors="ignore")
    assert "LOOK" not in set(verdicts), found
    assert ("integral" in found.frame.index) == (name in ("quadrature", "nuts"))
    assert max(map(len, repr(found).splitlines())) < 100


def test_a_changed_byte_is_refused(fit_by, tmp_path):
    path = fit_by("laplace").save(tmp_path / "fit.nc")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="changed after it was saved"):
        il.audit(path)


@pytest.mark.parametrize("name", ["laplace", "quadrature"])
def test_what_is_no_maximum_is_seen(name, fit_by, tmp_path):
    fit = fit_by(name)
    mode = fit.tree["fit"].to_dataset()
    moved = mode["psi"].to_numpy().copy()
    moved[0] += 0.5 * float(np.sqrt(mode["psi_cov"][0, 0]))  # half a standard error
    tree = xr.DataTree.from_dict({"fit": mode.assign_coords(psi=moved)})
    found = il.audit(replace(fit, tree=tree).save(tmp_path / "fit.nc"))
    assert found.frame.loc[["log-likelihood", "maximum"], "verdict"].tolist() == ["LOOK", "LOOK"]
    assert not found.good


def test_a_grid_that_is_too_short_is_seen(fit_by, tmp_path):
    fit = fit_by("nuts")
    tree = fit.tree.copy()
    first, step, size = tree["posterior"].attrs["grid"]
    tree["posterior"].attrs["grid"] = [first / 4.0, step, float(int(size) // 4)]
    found = il.audit(replace(fit, tree=tree).save(tmp_path / "fit.nc"))
    assert found.frame.loc["integral", "verdict"] == "LOOK"


def test_draws_that_disagree_are_seen(fit_by, tmp_path):
    fit = fit_by("nuts")
    tree = fit.tree.copy()
    posterior = tree["posterior"].to_dataset().copy(deep=True)
    posterior["beta"][0] += 1.0  # a chain that went elsewhere
    tree["posterior"] = xr.DataTree(posterior)
    found = il.audit(replace(fit, tree=tree).save(tmp_path / "fit.nc"))
    assert found.frame.loc["R-hat", "verdict"] == "LOOK"
