"""Frozen records as JSON and named arrays, and back, exactly: what a saved fit is made of.

Every JSON object has one tag, `{"tuple": [...]}`, `{"record": "Coding", ...}`; records are built
from the list below and from nothing else.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd

from ilhte_bayes.data.assignment import Assignment
from ilhte_bayes.data.coding import Coding
from ilhte_bayes.data.responses import Responses
from ilhte_bayes.data.roles import Roles
from ilhte_bayes.data.rows import Dropped
from ilhte_bayes.formulas.grammar import Formula, parse_formula
from ilhte_bayes.models.distributions import Prior
from ilhte_bayes.models.priors import PriorEntry, Priors

Arrays = dict[str, np.ndarray]

_RECORDS: dict[str, Callable[..., Any]] = {
    kind.__name__: kind
    for kind in (
        Responses,
        Roles,
        Assignment,
        Coding,
        Dropped,
        Priors,
        PriorEntry,
        *get_args(Prior),
    )
}
_ELEMENTS = {"str": str, "int": int, "float": float, "bool": bool}


def to_plain(value: Any, arrays: Arrays, name: str) -> Any:
    """What JSON can hold of a value; its arrays are put aside, named by where they stand.

    Raises
    ------
    TypeError
        For a value of another type: nothing is kept half.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.generic):
        return {"number": [value.dtype.str, value.item()]}
    if isinstance(value, np.ndarray):
        return {"array": _put(value, arrays, name)}
    if isinstance(value, pd.DataFrame):
        return {"frame": _frame_to_plain(value, arrays, name)}
    if isinstance(value, Formula):
        return {"formula": value.text}
    if isinstance(value, tuple):
        return {"tuple": [to_plain(v, arrays, f"{name}.{k}") for k, v in enumerate(value)]}
    if isinstance(value, list):
        return [to_plain(v, arrays, f"{name}.{k}") for k, v in enumerate(value)]
    if isinstance(value, Mapping):
        return {"mapping": [[to_plain(k, arrays, name), to_plain(v, arrays, f"{name}.{k}")]
                            for k, v in value.items()]}  # fmt: skip
    if is_dataclass(value) and type(value).__name__ in _RECORDS:
        names = [field.name for field in fields(value)]
        parts = {key: to_plain(getattr(value, key), arrays, f"{name}.{key}") for key in names}
        return {"record": type(value).__name__, "fields": parts}
    raise TypeError(f"{name} is a {type(value).__name__}, which a saved fit cannot hold")


def from_plain(plain: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The value that `to_plain` was given."""
    if isinstance(plain, list):
        return [from_plain(v, arrays) for v in plain]
    if not isinstance(plain, dict):
        return plain
    if "record" in plain:
        parts = {key: from_plain(v, arrays) for key, v in plain["fields"].items()}
        return _RECORDS[plain["record"]](**parts)
    (tag, inner), *_ = plain.items()
    match tag:
        case "number":
            return np.dtype(inner[0]).type(inner[1])
        case "array":
            return unpack_array(inner, arrays.get(inner.get("name")))
        case "frame":
            return _frame_from_plain(inner, arrays)
        case "formula":
            return parse_formula(inner)
        case "tuple":
            return tuple(from_plain(v, arrays) for v in inner)
        case "mapping":
            return {from_plain(k, arrays): from_plain(v, arrays) for k, v in inner}
    raise ValueError(f"no value is written as {tag!r}")


def _put(value: np.ndarray, arrays: Arrays, name: str) -> dict[str, Any]:
    about, stored = pack_array(value)
    if stored is None:
        return about
    name, free = name.replace("/", "|"), name.replace("/", "|")
    while free in arrays:
        free += "_"
    arrays[free] = stored
    return about | {"name": free}


def pack_array(array: np.ndarray) -> tuple[dict[str, Any], np.ndarray | None]:
    """How to rebuild an array, and what to store of it; None if the description holds it all.

    The order of its axes in memory is kept: sums over it then come out the same to the last digit.
    """
    axes = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    about: dict[str, Any] = {"dtype": array.dtype.str, "axes": axes}
    if array.dtype.kind in "iufb" and array.size:
        return about, array
    values = array.ravel().tolist()
    about |= {"shape": list(array.shape)}
    if not values:
        return about | {"values": []}, None
    kinds = {type(value).__name__ for value in values}
    kind = kinds.pop()
    if kinds or kind not in _ELEMENTS or array.dtype.kind not in "OU":
        return about | {"values": _plain_list(values)}, None
    stored = np.array(values)
    if stored.dtype.kind not in "iufbU" or (kind == "str" and not _storable(values)):
        return about | {"values": values}, None
    return about | {"elements": kind}, stored.reshape(array.shape)


def _plain_list(values: list) -> list:
    if odd := {
        type(v).__name__ for v in values if type(v) not in (str, int, float, bool, type(None))
    }:
        raise TypeError(f"an array holds values of type {min(odd)}, which a saved fit cannot hold")
    return values


def _storable(texts: list[str]) -> bool:
    """Whether HDF5 can hold them: no NUL, nothing that is not Unicode."""
    joined = "".join(texts)
    try:
        joined.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in joined


def unpack_array(about: Mapping[str, Any], stored: np.ndarray | None) -> np.ndarray:
    """The array that `pack_array` was given."""
    dtype = np.dtype(about["dtype"])
    if "values" in about:
        out = np.empty(len(about["values"]), dtype=dtype)
        out[:] = about["values"]
        out = out.reshape(about["shape"])
    elif stored is None:
        raise ValueError(f"array {about.get('name')!r} is not in the file")
    elif "elements" in about:
        kind = _ELEMENTS[about["elements"]]
        out = np.empty(stored.size, dtype=dtype)
        out[:] = [kind(value) for value in stored.ravel().tolist()]
        out = out.reshape(stored.shape)
    else:
        out = stored.astype(dtype, copy=False)
    axes = about["axes"]
    inverse = sorted(range(len(axes)), key=axes.__getitem__)
    return np.asarray(out.transpose(axes), order="C").transpose(inverse)


def _frame_to_plain(frame: pd.DataFrame, arrays: Arrays, name: str) -> dict[str, Any]:
    columns = [
        _column_to_plain(column, arrays, f"{name}.{label}") for label, column in frame.items()
    ]
    return {
        "columns": _index_to_plain(frame.columns),
        "index": _index_to_plain(frame.index),
        "data": columns,
    }


def _frame_from_plain(plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> pd.DataFrame:
    data = {k: _column_from_plain(column, arrays) for k, column in enumerate(plain["data"])}
    frame = pd.DataFrame(data, index=_index_from_plain(plain["index"]))
    frame.columns = _index_from_plain(plain["columns"])
    return frame


def _column_to_plain(column: pd.Series, arrays: Arrays, name: str) -> dict[str, Any]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = _index_to_plain(column.cat.categories)
        codes = to_plain(column.cat.codes.to_numpy(), arrays, name)
        return {"codes": codes, "categories": categories, "ordered": bool(column.cat.ordered)}
    if isinstance(column.dtype, np.dtype):
        return {"values": to_plain(column.to_numpy(), arrays, name)}
    values = column.to_numpy(dtype=object, na_value=None).tolist()
    return {"list": _plain_list(values), "dtype": str(column.dtype)}


def _column_from_plain(plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Any:
    if "list" in plain:
        return pd.array(plain["list"], dtype=plain["dtype"])
    if "codes" not in plain:
        return from_plain(plain["values"], arrays)
    categories = _index_from_plain(plain["categories"])
    dtype = pd.CategoricalDtype(categories, ordered=plain["ordered"])
    return pd.Categorical.from_codes(from_plain(plain["codes"], arrays), dtype=dtype)


def _index_to_plain(index: pd.Index) -> dict[str, Any]:
    if isinstance(index, pd.RangeIndex):
        return {"range": [index.start, index.stop, index.step], "name": index.name}
    if isinstance(index, pd.MultiIndex):
        levels = [index.get_level_values(k) for k in range(index.nlevels)]
        return {"several": [_index_to_plain(level) for level in levels]}
    return {"values": _plain_list(index.tolist()), "dtype": str(index.dtype), "name": index.name}


def _index_from_plain(plain: Mapping[str, Any]) -> pd.Index:
    if "several" in plain:
        return pd.MultiIndex.from_arrays([_index_from_plain(one) for one in plain["several"]])
    if "range" in plain:
        return pd.RangeIndex(*plain["range"], name=plain["name"])
    return pd.Index(plain["values"], dtype=plain["dtype"], name=plain["name"])
