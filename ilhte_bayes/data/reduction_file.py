"""A reduced table in one Parquet file, sealed: any change of its contents is noticed.

One row for each kind of person and item; the schema's metadata hold what stands for the whole, and
the SHA-256 sum of everything. Other programs can read the file as the table it is.
"""

import dataclasses
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ilhte_bayes.data.roles import Roles
from ilhte_bayes.data.rows import Dropped
from ilhte_bayes.errors import DataError

if TYPE_CHECKING:
    from ilhte_bayes.data.reduction import Reduced

FORMAT = 1  # raise it when an older program could no longer read what is written
_KEY = b"ilhte-bayes reduced"


def save_reduced(reduced: "Reduced", path: str | os.PathLike[str]) -> Path:
    """Write beside the place, then move there: an interrupted save leaves an older file alone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = Path(path).expanduser()
    if not target.name.endswith(".parquet"):
        raise DataError(f"'{target.name}' does not end in .parquet. Name it so: 'trial.parquet'.")
    if not target.parent.is_dir():
        raise DataError(f"there is no folder '{target.parent}'. Make it first, or name another.")
    table = pa.table(_columns(reduced))
    about = _about(reduced) | {"format": FORMAT}
    about["sha256"] = _digest(table, about)
    table = table.replace_schema_metadata({_KEY: json.dumps(about).encode()})
    part = target.with_name(f".ilhte-{secrets.token_hex(6)}.part")
    try:
        pq.write_table(table, part, compression="zstd")
        os.replace(part, target)
    except OSError as error:
        raise DataError(f"'{target}' cannot be written ({error}). Name another place.") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def opened_reduced(source: Any) -> Any:
    """A reduced table where this is the path of one, else what was given."""
    return read_reduced(source) if is_reduced(source) else source


def is_reduced(source: Any) -> bool:
    """Whether this is the path of a file that `Reduced.save` wrote."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not isinstance(source, str | os.PathLike) or not str(source).endswith(".parquet"):
        return False
    try:
        return _KEY in (pq.read_schema(Path(source).expanduser()).metadata or {})
    except (OSError, pa.ArrowException):
        return False


def read_reduced(path: str | os.PathLike[str]) -> "Reduced":
    """Open what `Reduced.save` kept.

    Raises
    ------
    DataError
        If the file is none of ours, was changed or damaged, or is of a newer format.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = Path(path).expanduser()
    if not source.is_file():
        raise DataError(f"no file at '{source}'. Check the path.")
    try:
        table = pq.read_table(source)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{source.name!r} is damaged ({error}). Reduce and save anew.") from None
    try:
        about = json.loads((table.schema.metadata or {})[_KEY])
    except (KeyError, ValueError):
        raise DataError(
            f"{source.name!r} is no file that Reduced.save wrote. A table of answers is reduced "
            f"first: il.reduce({str(source)!r}, ...).save('reduced.parquet')."
        ) from None
    if about["format"] > FORMAT:
        raise DataError(
            f"{source.name!r} is of format {about['format']}; this program reads formats up to "
            f"{FORMAT}. Update it: pip install -U ilhte-bayes."
        )
    if _digest(table, about) != about["sha256"]:
        raise DataError(
            f"{source.name!r} was changed after it was saved: its contents do not match their "
            "SHA-256 sum. Copy it again from where it was saved, or reduce anew."
        )
    return _rebuilt(table.to_pandas(), about)


def _columns(reduced: "Reduced") -> dict[str, Any]:
    """Row by row; user's columns under numbered names, so that none can clash with ours."""
    of_kind = {name: getattr(reduced, name) for name in ("persons", "score", "booklet")}
    out = {"kind": reduced.kind, "item": reduced.item.tolist(), "ones": reduced.ones}
    out |= {name: values[reduced.kind] for name, values in of_kind.items()}
    for k, name in enumerate(reduced.kinds):
        out[f"column_{k}"] = reduced.kinds[name].to_numpy()[reduced.kind].tolist()
    return out


def _about(reduced: "Reduced") -> dict[str, Any]:
    return {
        "response": reduced.response,
        "roles": dataclasses.asdict(reduced.roles),
        "columns": [str(name) for name in reduced.kinds],
        "dropped": {
            key: dict(value) if key != "n_rows" else value
            for key, value in dataclasses.asdict(reduced.dropped).items()
        },
        "notes": list(reduced.notes),
        "source": reduced.source,
    }


def _digest(table: Any, about: dict[str, Any]) -> str:
    """SHA-256 of names, values and all that is said of them but the sum itself."""
    digest = hashlib.sha256()
    rest = {key: value for key, value in about.items() if key != "sha256"}
    digest.update(json.dumps(rest, sort_keys=True).encode())
    for name in sorted(table.column_names):
        digest.update(name.encode())
        values = table.column(name).combine_chunks()
        if str(values.type) in ("string", "large_string"):
            digest.update("\x1f".join(values.to_pylist()).encode())
        else:
            digest.update(np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).tobytes())
    return digest.hexdigest()


def _rebuilt(rows: pd.DataFrame, about: dict[str, Any]) -> "Reduced":
    from ilhte_bayes.data.reduction import Reduced

    first = np.flatnonzero(np.append(True, np.diff(rows["kind"].to_numpy()) > 0))
    kinds = rows.iloc[first].reset_index(drop=True)
    roles = dict(about["roles"])
    for key in ("clusters", "covariates"):
        roles[key] = tuple(roles[key])
    return Reduced(
        response=about["response"],
        roles=Roles(**roles),
        kinds=pd.DataFrame({name: kinds[f"column_{k}"] for k, name in enumerate(about["columns"])}),
        **{name: kinds[name].to_numpy(np.int64) for name in ("persons", "score", "booklet")},
        **{name: rows[name].to_numpy(np.int64) for name in ("kind", "ones")},
        item=_plain(rows["item"]),
        dropped=Dropped(**about["dropped"]),
        notes=tuple(about["notes"]),
        source=about["source"],
    )


def _plain(column: pd.Series) -> np.ndarray:
    """Numbers as they are, text as objects, as `encode` has them."""
    return column.to_numpy() if column.dtype.kind in "iufb" else column.to_numpy(dtype=object)
