"""The seal of a saved fit: one line after the end of the file, by which any change is noticed.

It holds format, version and the SHA-256 sum of every byte before the sum itself. Programs that
read HDF5 do not look there.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ilhte_bayes.errors import DataError

# Raise it when an older program could no longer read what is written; the seal stays as it is.
FORMAT = 1
TITLE = "A fit by ilhte-bayes"  # stands in every file, to recognise those whose seal is lost

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LINE = re.compile(
    rb"\nilhte-bayes fit, format (\d{1,9}), version ([\w.+-]{1,40}), sha256 ([0-9a-f]{64})\n\Z"
)
_LONGEST = 192  # bytes
_SUM_AND_NEWLINE = 65
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Seal:
    """The file's last line."""

    format: int
    version: str
    digest: str
    covered: int  # bytes that the digest is of


def seal_file(path: Path) -> None:
    """Write the last line, and wait until the disk has it all."""
    from ilhte_bayes import __version__

    line = f"\nilhte-bayes fit, format {FORMAT}, version {__version__}, sha256 ".encode()
    with path.open("r+b") as handle:
        handle.seek(0, os.SEEK_END)
        handle.write(line)
        size = handle.tell()
        digest = _digest(handle, size)
        handle.seek(size)
        handle.write(f"{digest}\n".encode())
        handle.flush()
        os.fsync(handle.fileno())


def _digest(handle: IO[bytes], size: int) -> str:
    handle.seek(0)
    digest = hashlib.sha256()
    while size and (block := handle.read(min(size, _BLOCK))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest()


def _read_seal(handle: IO[bytes]) -> Seal | None:
    size = handle.seek(0, os.SEEK_END)
    handle.seek(max(0, size - _LONGEST))
    found = _LINE.search(handle.read())
    if found is None:
        return None
    number, version, digest = (part.decode() for part in found.groups())
    return Seal(int(number), version, digest, size - _SUM_AND_NEWLINE)


def check_seal(handle: IO[bytes], name: str) -> Seal:
    """The file's seal, if it is one of ours, unchanged, and not newer than this program."""
    seal = _read_seal(handle)
    if seal is None:
        raise DataError(_not_ours(handle, name))
    if _digest(handle, seal.covered) != seal.digest:
        raise DataError(
            f"{name} was changed after it was saved, or damaged on the way: its contents do not "
            "match their SHA-256 sum. Copy it again from where it was saved, or fit and save anew."
        )
    if seal.format > FORMAT:
        raise DataError(
            f"{name} was saved by ilhte-bayes {seal.version} in format {seal.format}; this "
            f"program reads formats up to {FORMAT}. Install ilhte-bayes {seal.version} or later: "
            f"pip install 'ilhte-bayes>={seal.version}'."
        )
    return seal


def _not_ours(handle: IO[bytes], name: str) -> str:
    """Why a file without a seal is refused."""
    handle.seek(0)
    start = handle.read(len(_SIGNATURE))
    if not start:
        return f"{name} is empty. Copy it again from where it was saved, or fit and save anew."
    handle.seek(0)
    if any(TITLE.encode() in block for block in _overlapping(handle)):
        return (
            f"{name} is a fit of ilhte-bayes that lacks its end: it was cut short, or rewritten by "
            "another program. Copy it again from where it was saved, or fit and save anew."
        )
    if start == _SIGNATURE:
        return (
            f"{name} is a netCDF or HDF5 file, but none that fit.save wrote (or only the start of "
            "one). xarray.open_datatree opens files of other programs."
        )
    return f"{name} is no file that fit.save wrote. Name one that is, such as 'trial.nc'."


def _overlapping(handle: IO[bytes]) -> Iterator[bytes]:
    last = b""
    while block := handle.read(_BLOCK):
        yield last + block
        last = block[-len(TITLE) :]
