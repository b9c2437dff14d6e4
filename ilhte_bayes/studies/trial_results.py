"""Finished trials on disk: one sealed file each, so that a study goes on where it was stopped.

A file is written beside its place and moved there when complete. It holds SHA-256 sums of the
settings and of the table, and a seal over all its bytes (`fits.seal`): a file that was cut short or
changed, or is about another table, is not used.
"""

import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ilhte_bayes.data.open_table import Table
from ilhte_bayes.errors import DataError
from ilhte_bayes.fits.seal import check_seal, seal_file

_FORMAT = 1
_LONGEST = 60  # characters of a trial's name that stand in the name of its file
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What is kept of a trial."""

    trial: str
    settings: str  # SHA-256
    data: str  # SHA-256
    row: Mapping[str, Any]
    items: Mapping[str, list] = field(default_factory=dict)
    curves: Mapping[str, list[float]] = field(default_factory=dict)
    final: bool = True  # whether another try would end the same way


def place_of(folder: Path, trial: str, settings: str) -> Path:
    """The file of a trial: studies with other settings have files of their own."""
    readable = re.sub(r"[^\w.-]+", "_", trial)[:_LONGEST]
    unique = hashlib.sha256(f"{trial}\0{settings}".encode()).hexdigest()[:12]
    return folder / f"{readable}-{unique}.json"


def keep(folder: Path, result: TrialResult) -> Path:
    """Write a trial's file, all of it or nothing."""
    target = place_of(folder, result.trial, result.settings)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_text(json.dumps({"format": _FORMAT} | asdict(result)), encoding="utf-8")
        seal_file(part)
        os.replace(part, target)
    except OSError as error:
        raise DataError(
            f"{target} cannot be written ({error}). Check the space left and your rights there, or "
            "name another folder."
        ) from error
    for left in folder.glob(f".{target.name}.*.part"):  # of a process that was stopped
        left.unlink(missing_ok=True)
    return target


def find(folder: Path, trial: str, settings: str, data: str) -> tuple[TrialResult | None, str]:
    """A trial's result, and why there is none if a file is there: "damaged" or "other data"."""
    place = place_of(folder, trial, settings)
    if not place.is_file():
        return None, ""
    try:
        with place.open("rb") as handle:
            check_seal(handle, place.name)
        text = place.read_bytes().rstrip(b"\n").rpartition(b"\n")[0]
        record = json.loads(text)
        if record.pop("format") != _FORMAT:
            return None, "damaged"
        found = TrialResult(**record)
    except (DataError, ValueError, TypeError, KeyError, AttributeError):
        return None, "damaged"
    if (found.trial, found.settings) != (trial, settings):
        return None, "damaged"
    return (found, "") if found.data == data else (None, "other data")


def fingerprint(source: Table) -> str:
    """SHA-256 of a table: of a file's bytes, or of a frame's columns and values.

    What cannot be read has a fingerprint too, of what stands in its place.
    """
    digest = hashlib.sha256()
    if isinstance(source, pd.DataFrame):
        _add_frame(digest, source)
        return digest.hexdigest()
    try:
        with Path(source).open("rb") as handle:
            while block := handle.read(_BLOCK):
                digest.update(block)
    except (OSError, TypeError):
        digest.update(f"{type(source).__name__}: {source!r}"[:1000].encode())
    return digest.hexdigest()


def _add_frame(digest: Any, table: pd.DataFrame) -> None:
    digest.update(repr([(str(name), str(kind)) for name, kind in table.dtypes.items()]).encode())
    digest.update(repr(table.attrs.get("ilhte")).encode())
    try:
        digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    except TypeError:  # cells that have no hash, such as lists
        digest.update(table.to_csv(index=False).encode())


def fingerprint_of_settings(settings: Mapping[str, Any]) -> str:
    """SHA-256 of settings."""
    text = json.dumps(settings, sort_keys=True, default=_in_words)
    return hashlib.sha256(text.encode()).hexdigest()


def _in_words(value: Any) -> str:
    return fingerprint(value) if isinstance(value, pd.DataFrame) else repr(value)
