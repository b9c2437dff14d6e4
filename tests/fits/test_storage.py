"""A saved fit comes back to the last digit, and nothing that was changed comes back at all."""

import os
import subprocess
import sys
import warnings
from dataclasses import fields

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import ilhte_bayes as il
from ilhte_bayes.fits import seal, storage

CAFFEINE = "resp >= 2 ~ treat + (1 | study/id) + (treat | item)"


def trial(n_persons=60, n_items=6, seed=3) -> pd.DataFrame:
    """Three arms, whole-number items, sites that are fractions, ages, and an ordered dose."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(n_persons), n_items)
    item = np.tile(np.arange(n_items), n_persons)
    arm = np.array(["wait list", "app", "coach"])[person % 3]
    eta = rng.normal(0, 1, n_persons)[person] + np.linspace(-1, 1, n_items)[item]
    eta += 0.8 * (arm == "coach")
    age = rng.normal(40, 9, n_persons).round(1)
    return pd.DataFrame(
        {
            "resp": (rng.random(person.size) < 1 / (1 + np.exp(-eta))).astype(int),
            "treat": pd.Categorical(arm, categories=["wait list", "app", "coach"]),
            "item": item * 5 + 100,
            "id": [f"Zoë_{p}" for p in person],
            "site": (person % 4) * 0.5 + 0.25,
            "wing": person % 2 == 0,
            "age": age[person],
            "level": pd.Categorical(np.array(["lo", "mid", "hi"])[person % 7 % 3],
                                    categories=["lo", "mid", "hi"], ordered=True),
        }
    )  # fmt: skip


def three_arms() -> il.Model:
    with pytest.warns(il.errors.IlhteWarning, match="decimals, such as 0.25"):
        return il.Model(
            "resp ~ treat * level + poly(age, 2) + (1 | site/id) + (treat | item)", trial()
        )


def with_gaps() -> il.Model:
    table = trial()
    table.loc[::17, "age"] = np.nan
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        roster = table[["id", "treat"]].drop_duplicates()
        extra = pd.DataFrame({"id": ["Nobody"], "treat": ["app"]})
        return il.Model(
            "resp ~ treat + age + (1 | id) + (treat || item)",
            table,
            roles={"treatment": "treat", "person": "id", "item": "item"},
            roster=pd.concat([roster, extra]),
        )


def noted() -> il.Model:
    """Arms assigned by site, and no term for sites: a note says so."""
    table = trial()
    table["school"] = table["id"].str[-1]
    table["treat"] = (table["school"] > "4").astype(int)
    with pytest.warns(il.errors.IlhteWarning, match="school"):
        return il.Model("resp ~ treat + (1 | id) + (1 | item)", table)


MODELS = {
    "caffeine": lambda: il.Model(CAFFEINE, il.load_dataset("caffeine")),
    "three arms": three_arms,
    "observational": lambda: il.Model(
        "resp ~ treat + bs(age, df=4) + (1 | id) + (1 + treat || item)",
        trial(),
        assignment="observational",
        reference={"treat": "coach"},
    ),
    "gaps and roster": with_gaps,
    "noted": noted,
    "counted cells": lambda: il.Model("resp ~ C(site) + (1 | item) + (1 | wing)", trial()),
    "one fixed": lambda: il.Model("resp == 1 ~ 1 + (1 | id) + (1 | item)", trial()),
    "ordinal": lambda: il.Model(
        "resp ~ treat + (1 | id) + (treat | item)",
        trial().assign(
            resp=lambda t: pd.Categorical(
                np.array(["no", "perhaps", "yes"])[(t["resp"] + t["item"] // 5 % 2).clip(0, 2)],
                ["no", "perhaps", "yes"],
                ordered=True,
            )
        ),
        "cumulative",
        thresholds="item",
    ),
    "odd names": lambda: il.Model(
        "`right?` ~ `arm/dose` + (1 | id) + (`arm/dose` | `the item`)",
        trial().rename(columns={"resp": "right?", "treat": "arm/dose", "item": "the item"}),
        roles={"treatment": "arm/dose", "person": "id", "item": "the item"},
        priors={
            "sd": il.priors.HalfStudentT(4, 1.25),
            "beta": il.priors.StudentT(3, 0.1, 2),
            "corr": il.priors.LKJ(3),
        },
    ),
}


@pytest.fixture(scope="module", params=MODELS)
def fit(request) -> il.Fit:
    return il.laplace(MODELS[request.param](), objective="map")


@pytest.fixture(scope="module")
def caffeine() -> il.Fit:
    return il.laplace(MODELS["caffeine"]())


@pytest.fixture(scope="module")
def saved(caffeine, tmp_path_factory) -> bytes:
    return caffeine.save(tmp_path_factory.mktemp("saved") / "fit.nc").read_bytes()


def same(one, other) -> None:
    """Equal to the last digit, with the same types."""
    assert type(one) is type(other)
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True, check_column_type=True)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other, strict=True)
        if one.dtype == object:
            assert [type(x) for x in one.ravel()] == [type(x) for x in other.ravel()]
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            same(one[key], other[key])
    elif isinstance(one, tuple | list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same(a, b)
    elif hasattr(one, "__dataclass_fields__"):
        for field in fields(one):
            same(getattr(one, field.name), getattr(other, field.name))
    else:
        assert one == other


def same_tree(one: xr.DataTree, other: xr.DataTree) -> None:
    assert [node.path for node in one.subtree] == [node.path for node in other.subtree]
    for a, b in zip(one.subtree, other.subtree, strict=True):
        xr.testing.assert_identical(a.to_dataset(), b.to_dataset().drop_attrs(deep=False).assign_attrs(
            {k: v for k, v in b.attrs.items() if k != "made_with"}))  # fmt: skip
        for name, variable in a.variables.items():
            assert variable.dtype == b[name].dtype, name
            order = [np.argsort(v.values.strides, stable=True) for v in (variable, b[name])]
            if min(variable.shape, default=2) > 1:
                np.testing.assert_array_equal(*order)  # sums keep their last digit


# ---------------------------------------------------------------- what comes back


def test_model_and_numbers_come_back_exactly(fit, tmp_path):
    loaded = il.load(fit.save(tmp_path / "fit.nc"))
    for name in il.Model.__dataclass_fields__:
        same(getattr(fit.model, name), getattr(loaded.model, name))
    for name in ("engine", "objective", "problems", "seconds", "compile_seconds"):
        same(getattr(fit, name), getattr(loaded, name))
    same_tree(fit.tree, loaded.tree)
    assert fit.model.responses.fingerprint() == loaded.model.responses.fingerprint()
    assert repr(fit) == repr(loaded)
    assert repr(fit.model) == repr(loaded.model)


def test_fitted_again_it_gives_the_same_numbers(fit, tmp_path):
    loaded = il.load(fit.save(tmp_path / "fit.nc"))
    again = il.laplace(loaded.model, objective=fit.objective)
    xr.testing.assert_identical(again.mode, fit.mode)


@pytest.mark.parametrize("case", ["caffeine", "three arms", "observational", "ordinal"])
def test_every_estimand_is_the_same(case, tmp_path):
    fit = il.laplace(MODELS[case](), objective="map")
    loaded = il.load(fit.save(tmp_path / "fit.nc"))
    same(il.effect_card(fit).frame, il.effect_card(loaded).frame)
    same(il.item_effects(fit).frame, il.item_effects(loaded).frame)
    assert il.item_effects(fit).notes == il.item_effects(loaded).notes
    same(fit.random_effects("id"), loaded.random_effects("id"))
    if fit.n_obs < 1000:  # the caffeine trial's take two seconds
        draws = [one.draws["posterior"].dataset for one in (fit, loaded)]
        xr.testing.assert_identical(*draws)


def test_the_pymc_model_is_the_same(tmp_path):
    model = MODELS["three arms"]()
    loaded = il.load(il.laplace(model).save(tmp_path / "fit.nc")).model
    assert loaded.pymc.coords == model.pymc.coords
    for data in model.pymc.data_vars:
        np.testing.assert_array_equal(data.get_value(), loaded.pymc[data.name].get_value())
    point = model.pymc.initial_point()
    logp = [m.pymc.compile_fn(m.pymc.logp(), mode="FAST_COMPILE") for m in (model, loaded)]
    assert logp[0](point) == logp[1](point)


def test_draws_of_nuts_come_back(tmp_path):
    model = il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # ArviZ, of so few draws
        numbers = {"draws": 50, "tune": 50, "chains": 2, "seed": 11, "progress": False}
        fit = il.sample(model, integrate="none", **numbers)
    loaded = il.load(fit.save(tmp_path / "fit.nc"))
    same_tree(fit.tree, loaded.tree)
    assert loaded.tree["posterior"].attrs["seed"] == 11
    assert loaded.problems == fit.problems
    assert loaded.problems  # 50 draws are too few, and the file says so
    same(fit.coefficients, loaded.coefficients)
    same(fit.random_effects("ID"), loaded.random_effects("ID"))
    with xr.open_datatree(tmp_path / "fit.nc", engine="h5netcdf") as plain:
        mean = plain["posterior"]["beta"].mean(("chain", "draw"))
        np.testing.assert_array_equal(mean, fit.tree["posterior"]["beta"].mean(("chain", "draw")))


def test_a_fresh_process_gives_the_same_card_to_the_last_digit(caffeine, tmp_path):
    caffeine.save(tmp_path / "fit.nc")
    code = (
        "import ilhte_bayes as il\n"
        f"card = il.effect_card(il.load({str(tmp_path / 'fit.nc')!r})).frame\n"
        "print([float(x).hex() for x in card.to_numpy().ravel()])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    card = il.effect_card(caffeine).frame
    assert found.stdout.strip() == str([float(x).hex() for x in card.to_numpy().ravel()])


def test_the_versions_that_made_it_stay_when_it_is_saved_again(caffeine, tmp_path):
    loaded = il.load(caffeine.save(tmp_path / "fit.nc"))
    assert loaded.tree.attrs["made_with"] == storage.versions()
    loaded.tree.attrs["made_with"] = {"ilhte_bayes": "0.0.1"}
    again = il.load(loaded.save(tmp_path / "again.nc"))
    assert again.tree.attrs["made_with"] == {"ilhte_bayes": "0.0.1"}


def test_the_file_is_netcdf_that_xarray_reads(caffeine, tmp_path):
    path = caffeine.save(tmp_path / "fit.nc")
    with xr.open_datatree(path) as plain:
        assert plain.attrs["formula"] == CAFFEINE
        np.testing.assert_array_equal(plain["fit"]["beta"], caffeine.mode["beta"])
        assert plain["fit"].attrs["loglik"] == caffeine.loglik
        assert plain["saved"]["responses.score"].size == caffeine.model.design.n_rows


# ---------------------------------------------------------------- what is refused


def test_any_changed_byte_is_refused(saved, tmp_path):
    """In every region: one byte of each of 200 equal strips, the signature, and all of the seal."""
    rng = np.random.default_rng(20)
    strips = np.linspace(0, len(saved), 201).astype(int)
    anywhere = rng.integers(strips[:-1], strips[1:]).tolist()
    path = tmp_path / "fit.nc"
    for at in [*range(10), *anywhere, *range(len(saved) - 130, len(saved))]:
        changed = bytearray(saved)
        changed[at] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        with pytest.raises(il.errors.DataError, match=r"was changed|lacks its end"):
            il.load(path)
    path.write_bytes(saved)
    assert il.load(path).loglik  # unchanged, it opens


def test_bytes_added_or_taken_are_refused(saved, tmp_path):
    path = tmp_path / "fit.nc"
    for content in (saved + b"\n", b"\0" + saved, saved[:-1], saved[: len(saved) // 2], saved[:40]):
        path.write_bytes(content)
        with pytest.raises(il.errors.DataError, match=r"^fit\.nc (is|was) "):
            il.load(path)


def test_a_file_rewritten_by_another_program_is_refused(saved, tmp_path):
    path = tmp_path / "fit.nc"
    path.write_bytes(saved)
    with h5py.File(path, "r+") as file:
        file["fit/beta"][1] = 3.0
    with pytest.raises(il.errors.DataError, match=r"was changed|lacks its end"):
        il.load(path)


def test_files_of_others_are_refused_by_what_they_are(tmp_path):
    (tmp_path / "empty.nc").touch()
    (tmp_path / "table.csv").write_text("id,item,resp\n1,2,0\n")
    xr.Dataset({"a": 1.0}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    expected = {
        "empty.nc": "is empty. Copy it again",
        "table.csv": "no file that fit.save wrote",
        "other.nc": "netCDF or HDF5 file, but none that fit.save wrote",
        "": "is a folder. Name the file",
        "missing.nc": "there is no file 'missing.nc' .* The folder has 'empty.nc', 'other.nc'",
        "none/missing.nc": "there is no folder",
    }
    for name, sentence in expected.items():
        with pytest.raises(il.errors.DataError, match=sentence):
            il.load(tmp_path / name)


def test_a_newer_format_says_what_to_install(caffeine, tmp_path, monkeypatch):
    monkeypatch.setattr(seal, "FORMAT", seal.FORMAT + 1)
    monkeypatch.setattr(il, "__version__", "0.9.0")
    path = caffeine.save(tmp_path / "fit.nc")
    monkeypatch.undo()
    with pytest.raises(
        il.errors.DataError, match=r"format 2; .* pip install 'ilhte-bayes>=0\.9\.0'"
    ):
        il.load(path)


def test_a_formula_that_now_means_other_columns_is_refused(caffeine, tmp_path, monkeypatch):
    summary = storage._summary

    def other_values(design):
        first, *rest = summary(design)
        return [first | {"sums": [s * (1 + 1e-7) for s in first["sums"]]}, *rest]

    def other_names(design):
        first, *rest = summary(design)
        return [first | {"columns": ["Intercept", "treat[T.1]"]}, *rest]

    for wrong, sentence in ((other_values, "has other values now"), (other_names, "are now")):
        monkeypatch.setattr(storage, "_summary", wrong)
        path = caffeine.save(tmp_path / "fit.nc")
        monkeypatch.undo()
        with pytest.raises(il.errors.DataError, match=f"fit.nc is whole, .*{sentence}.* Install"):
            il.load(path)


# ---------------------------------------------------------------- how it is written


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("step", ["seal_file", "os.replace", "xr.DataTree.to_netcdf"])
def test_an_interrupted_save_leaves_the_older_file(caffeine, tmp_path, monkeypatch, step, error):
    path = tmp_path / "fit.nc"
    path.write_bytes(b"an older file")

    def fail(*_, **__):
        raise error("disk full")

    monkeypatch.setattr(f"ilhte_bayes.fits.storage.{step}", fail)
    expected = il.errors.DataError if error is OSError else error
    with pytest.raises(expected, match="disk full"):
        caffeine.save(path)
    assert path.read_bytes() == b"an older file"
    assert os.listdir(tmp_path) == ["fit.nc"]


def test_an_existing_file_is_replaced_also_behind_a_link(caffeine, saved, tmp_path):
    path, link = tmp_path / "fit.nc", tmp_path / "latest.nc"
    path.write_bytes(b"an older file")
    link.symlink_to(path)
    assert caffeine.save(link) == path
    assert link.is_symlink()
    assert il.load(link).loglik == caffeine.loglik
    assert sorted(os.listdir(tmp_path)) == ["fit.nc", "latest.nc"]


def test_a_place_that_cannot_be_written_is_named(caffeine, tmp_path):
    with pytest.raises(il.errors.DataError, match=r"is a folder\. Name a file in it"):
        caffeine.save(tmp_path)
    with pytest.raises(il.errors.DataError, match=r"there is no folder .*results\. Make it first"):
        caffeine.save(tmp_path / "results" / "fit.nc")


def test_importing_the_package_does_not_load_what_storage_needs():
    code = "import sys, ilhte_bayes; print('xarray' in sys.modules, 'h5py' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
