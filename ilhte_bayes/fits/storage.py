"""A fit in one file, sealed: everything it was made of, nothing to be trusted blindly.

The file is netCDF-4 (xarray and ArviZ open it too): the fit's own groups, and group `saved` with
the data and a JSON record of all else, followed by a seal (see `fits.seal`).
"""

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ilhte_bayes.errors import DataError, listed
from ilhte_bayes.families import get_family
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.plain import Arrays, from_plain, pack_array, to_plain, unpack_array
from ilhte_bayes.fits.seal import TITLE, Seal, check_seal, seal_file
from ilhte_bayes.formulas.design import Design, build_design
from ilhte_bayes.models.family_terms import complete_design
from ilhte_bayes.models.model import Model

_WORTH_PACKING = 4096  # bytes
_LONG_TEXT = 1000  # characters; HDF5 attributes have little room
_PACKAGES = (
    "numpy", "scipy", "pandas", "xarray", "formulaic", "numba", "pymc", "pytensor", "nutpie",
    "arviz", "h5py", "h5netcdf",
)  # fmt: skip


def save(fit: Fit, path: str | os.PathLike[str]) -> Path:
    """Keep a fit in one file, from which `il.load` gives the same numbers to the last digit.

    The file is written beside its place and moved there when complete: an interrupted save leaves
    an older file as it was.

    Parameters
    ----------
    fit : Fit
    path : str or path
        Where to; an existing file is replaced. `.nc` is a fitting end.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    DataError
        If it cannot be written there.
    """
    target = Path(path).expanduser()
    target = target.resolve() if target.is_symlink() else target
    if target.is_dir():
        raise DataError(f"{target} is a folder. Name a file in it: {target / 'fit.nc'}.")
    if not target.parent.is_dir():
        raise DataError(f"there is no folder {target.parent}. Make it first, or name another.")
    tree = _as_tree(fit)
    part = target.with_name(f".ilhte-{secrets.token_hex(6)}.part")
    try:
        tree.to_netcdf(part, engine="h5netcdf", encoding=_encoding(tree))
        seal_file(part)
        os.replace(part, target)
    except OSError as error:
        kept = " The older file is still there." if target.exists() else ""
        raise DataError(
            f"{target} cannot be written ({error}).{kept} Check the space left and your rights "
            "there, or name another place."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return target


def load_fit(path: str | os.PathLike[str]) -> Fit:
    """Open a fit that `fit.save` kept: its model can be fitted again, its tables are the same.

    Raises
    ------
    DataError
        If the file is none of ours, is cut short, was changed in any byte, is of a newer format,
        or its formula now means other columns.
    """
    source = Path(path).expanduser()
    if not source.is_file():
        raise DataError(_no_file(source))
    with source.open("rb") as handle:
        seal = check_seal(handle, source.name)
        handle.seek(0)
        with xr.open_datatree(handle, engine="h5netcdf", decode_cf=False) as opened:
            tree = opened.load()
    saved = tree.children["saved"].to_dataset()
    record = json.loads(str(saved["record"].item()))
    try:
        return _fit_from(record, tree, {str(name): saved[name].to_numpy() for name in saved})
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(_cannot_rebuild(source.name, seal, record, error)) from error


def record_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a saved fit says of itself: `fingerprint` of its data, `made_with`, ..."""
    with (
        Path(path).expanduser().open("rb") as handle,
        xr.open_datatree(handle, engine="h5netcdf", decode_cf=False) as opened,
    ):
        found: dict[str, Any] = json.loads(str(opened["saved"]["record"].to_numpy().item()))
        return found


def _as_tree(fit: Fit) -> xr.DataTree:
    """The fit's groups, and group `saved`."""
    arrays: Arrays = {}
    groups, described = {}, []
    for node in fit.tree.subtree:
        group, about = _group_to_plain(node.to_dataset(inherit=False), node.path, arrays)
        groups[node.path] = group
        described.append(about)
    record = {
        "fit": {
            field.name: to_plain(getattr(fit, field.name), arrays, f"fit.{field.name}")
            for field in fields(Fit)
            if field.name not in ("model", "tree")
        },
        "model": _model_to_plain(fit.model, arrays),
        "design": _summary(fit.model.design),
        "tree": described,
        "fingerprint": fit.model.responses.fingerprint(),
        "made_with": fit.tree.attrs.get("made_with") or versions(made_by(fit)),
    }
    variables = {
        name: xr.Variable([f"size_{n}" for n in array.shape], array)
        for name, array in arrays.items()
    }
    text = xr.Variable((), json.dumps(record))
    groups["/saved"] = xr.Dataset({"record": text, **variables})
    groups["/"].attrs = {
        "title": f"{TITLE}; il.load(path) opens it",
        "formula": fit.model.formula.text[:_LONG_TEXT],
    }
    return xr.DataTree.from_dict(groups)


def versions(also: Iterable[str] = ()) -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on, and of others if installed."""
    import platform
    from importlib.metadata import version

    from ilhte_bayes import __version__

    found = {"ilhte_bayes": __version__, "python": platform.python_version()}
    others = [name for name in also if name not in (*found, *_PACKAGES) and find_spec(name)]
    return found | {name: version(name) for name in (*_PACKAGES, *others)}


def made_by(fit: Fit) -> tuple[str, ...]:
    """Packages beside the usual ones that made the draws."""
    if not fit.sampled:
        return ()
    return tuple(name for name in ("numpyro", "jax") if name in fit.tree["posterior"].attrs)


def _model_to_plain(model: Model, arrays: Arrays) -> dict[str, Any]:
    names = [name for name in Model.__dataclass_fields__ if name not in ("design", "family")]
    parts = {name: to_plain(getattr(model, name), arrays, name) for name in names}
    return {"family": model.family.name} | parts


def _model_from(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Model:
    """The model, its design evaluated again from formula and coded answers."""
    parts = {name: from_plain(value, arrays) for name, value in record["model"].items()}
    parts["family"] = get_family(parts["family"])
    usuals = (
        ("discrimination", None),
        ("ability", "normal"),
        ("thresholds", "common"),
        ("own_slopes", ()),
        ("logits", "independent"),
    )
    for name, usual in usuals:
        parts.setdefault(name, usual)  # files older than the option lack it
    design = build_design(
        parts["formula"], parts["responses"], intercept=not parts["family"].ordinal
    )
    parts["family"] = parts["family"].of(len(parts["responses"].response_coding.levels))
    parts["design"] = complete_design(
        design,
        parts["family"],
        parts["responses"],
        parts["roles"].item,
        parts["thresholds"],
        parts["own_slopes"],
        parts["logits"],
    )
    _check_design(parts["design"], record["design"])
    model = object.__new__(Model)
    for name in Model.__dataclass_fields__:
        object.__setattr__(model, name, parts[name])
    return model


def _summary(design: Design) -> list[dict[str, Any]]:
    """Names of the columns, fixed and by group, and for each a sum that other values would change."""
    tables = [("", design.terms, design.x)]
    tables += [(group.name, group.columns, group.z) for group in design.groups]
    return [
        {"group": name, "columns": list(columns), "sums": _sums(x)[0].tolist()}
        for name, columns, x in tables
    ]


def _sums(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    weight = np.linspace(1.0, 2.0, len(x))  # so that the order of rows counts
    return weight @ x, weight @ np.abs(x)


def _check_design(design: Design, kept: list[Mapping[str, Any]]) -> None:
    """Refuse a design whose columns are not those the fit was made with."""
    now = _summary(design)
    if [(t["group"], t["columns"]) for t in now] != [(t["group"], t["columns"]) for t in kept]:
        before = [column for table in kept for column in table["columns"]]
        columns = [column for table in now for column in table["columns"]]
        raise ValueError(f"its columns were {listed(before, 10)} and are now {listed(columns, 10)}")
    sizes = [_sums(x)[1] for x in (design.x, *(group.z for group in design.groups))]
    for new, old, size in zip(now, kept, sizes, strict=True):
        same = np.abs(np.subtract(new["sums"], old["sums"])) <= 1e-9 * size
        if not same.all():
            raise ValueError(
                f"column {new['columns'][int(np.argmin(same))]!r} has other values now"
            )


def _group_to_plain(
    group: xr.Dataset, path: str, arrays: Arrays
) -> tuple[xr.Dataset, dict[str, Any]]:
    """One group as it is stored, and how to rebuild it."""
    stored, about = {}, []
    for name, variable in group.variables.items():
        packed, array = pack_array(np.asarray(variable.values))
        attrs = to_plain(dict(variable.attrs), arrays, f"{path}.{name}")
        coordinate = name in group.coords
        about.append([str(name), list(variable.dims), coordinate, packed, attrs])
        if array is not None:
            stored[name] = xr.Variable(variable.dims, array)
    dataset = xr.Dataset(stored, attrs=_for_readers(group.attrs))
    attrs = {k: v for k, v in group.attrs.items() if (path, k) != ("/", "made_with")}
    return dataset, {"path": path, "attrs": to_plain(attrs, arrays, path), "variables": about}


def _for_readers(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes that any netCDF program can show; the record has all of them."""
    texts = {str(k): v for k, v in attrs.items() if isinstance(v, str) and len(v) < _LONG_TEXT}
    numbers = {str(k): float(v) for k, v in attrs.items() if isinstance(v, int | float)}
    return texts | {
        k: int(v) if v.is_integer() and abs(v) < 1e15 else v for k, v in numbers.items()
    }


def _fit_from(
    record: Mapping[str, Any], tree: xr.DataTree, arrays: Mapping[str, np.ndarray]
) -> Fit:
    parts = {name: from_plain(value, arrays) for name, value in record["fit"].items()}
    return Fit(model=_model_from(record, arrays), tree=_tree_from(record, tree, arrays), **parts)


def _tree_from(
    record: Mapping[str, Any], tree: xr.DataTree, arrays: Mapping[str, np.ndarray]
) -> xr.DataTree:
    groups, stored = {}, {node.path: node for node in tree.subtree}
    for group in record["tree"]:
        found = stored[group["path"]].to_dataset(inherit=False).variables
        variables: dict[bool, dict[str, xr.Variable]] = {True: {}, False: {}}
        for name, dims, coordinate, packed, attrs in group["variables"]:
            array = unpack_array(packed, found[name].to_numpy() if name in found else None)
            variables[coordinate][name] = xr.Variable(dims, array, from_plain(attrs, arrays))
        attrs = from_plain(group["attrs"], arrays)
        groups[group["path"]] = xr.Dataset(variables[False], variables[True], attrs)
    out = xr.DataTree.from_dict(groups)
    out.attrs["made_with"] = record["made_with"]
    return out


def _encoding(tree: xr.DataTree) -> dict[str, dict[str, dict[str, Any]]]:
    """Whole numbers are packed, they repeat; draws would shrink little. No fill values."""
    out: dict[str, dict[str, dict[str, Any]]] = {}
    for node in tree.subtree:
        out[node.path] = {}
        for name, variable in node.to_dataset(inherit=False).variables.items():
            if variable.dtype.kind in "iub" and variable.nbytes > _WORTH_PACKING:
                packing = {"zlib": True, "complevel": 4, "shuffle": True}
                out[node.path][str(name)] = packing
            elif variable.dtype.kind == "f":
                out[node.path][str(name)] = {"_FillValue": None}
    return out


def _no_file(source: Path) -> str:
    if source.is_dir():
        return f"{source} is a folder. Name the file that fit.save wrote."
    if not source.parent.is_dir():
        return f"there is no folder {source.parent}. Check its spelling."
    others = sorted(path.name for path in source.parent.glob("*.nc"))
    cure = f"The folder has {listed(others)}." if others else "fit.save(path) writes one."
    return f"there is no file {source.name!r} in {source.parent.absolute()}. {cure}"


def _cannot_rebuild(name: str, seal: Seal, record: Mapping[str, Any], error: Exception) -> str:
    what = str(error).rstrip(".") if isinstance(error, ValueError) else repr(error)
    made, here = record.get("made_with", {}), versions(record.get("made_with", {}))
    other = [f"{k} {v} (here {here.get(k)})" for k, v in made.items() if here.get(k) != v]
    differ = f" It was made with other versions: {', '.join(other)}." if other else ""
    return (
        f"{name} is whole, but its model does not come back as it was: {what}.{differ} "
        f"Install ilhte-bayes {seal.version} and the versions that made it."
    )
