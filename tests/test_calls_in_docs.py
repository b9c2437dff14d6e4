"""Every `il.name(argument=...)` that pages, notebooks and messages show exists and takes these."""

import ast
import inspect
import json
import re
from operator import attrgetter
from pathlib import Path

import pytest

import ilhte_bayes as il

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "notebooks").glob("*.ipynb"),
    *(ROOT / "benchmarks").glob("*.md"),
    *(ROOT / "ilhte_bayes").rglob("*.py"),
]
NAME = re.compile(r"\bil\.((?:plot\.|priors\.|errors\.)?[A-Za-z]\w*)(\()?")


def text_of(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])


def call_at(text: str, start: int) -> ast.Call | None:
    """The call whose bracket opens before `start`, where it is one of Python's."""
    depth = 1
    for at in range(start, min(start + 600, len(text))):
        depth += text[at] in "([{"
        depth -= text[at] in ")]}"
        if not depth:
            try:
                return ast.parse(f"f({text[start : at + 1]}", mode="eval").body
            except SyntaxError:  # a message that breaks off, braces of an f-string
                return None
    return None


@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # a | in a table of Markdown is \\|
@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_and_arguments_are_the_packages(path):
    text = text_of(path)
    for found in NAME.finditer(text):
        thing = attrgetter(found[1])(il)  # an AttributeError says which
        call = call_at(text, found.end()) if found[2] else None
        if call is None or not callable(thing):
            continue
        known = inspect.signature(thing).parameters
        if not any(p.kind is p.VAR_KEYWORD for p in known.values()):
            named = {keyword.arg for keyword in call.keywords} - {None}
            assert named <= set(known), f"{found[0]} takes no {named - set(known)}"


def test_wrong_ones_would_be_seen():
    text = 'so `il.loo(fit, by="person")`, and il.loo(fit, unit="person") too'
    calls = [call_at(text, found.end()) for found in NAME.finditer(text)]
    assert [call.keywords[0].arg for call in calls] == ["by", "unit"]
