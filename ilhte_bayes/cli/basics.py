"""What every command uses: the app they join, words to the reader, checks of arguments."""

import os
import sys
from pathlib import Path

import typer

from ilhte_bayes.errors import DataError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Item-level treatment effects: who benefits, and on which items?",
)


def say(text: str) -> None:
    """Tell progress on standard error, so that standard output holds results alone."""
    print(text, file=sys.stderr)


def split_names(text: str) -> list[str]:
    """Names between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def check_writable(path: Path | None) -> None:
    """Refuse a path that cannot be written before the work begins, not after."""
    if path is None:
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise DataError(f"there is no folder '{folder}' to write {path.name} in. Make it first.")
    if path.is_dir():
        raise DataError(f"'{path}' is a folder. Give the name of a file in it.")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise DataError(f"'{path}' cannot be written. Choose another place.")
