"""Run the Python of the written pages and put its output into them: `python docs/refresh.py`.

A block of Python followed by a block of text is an example and its output. Blocks of a page run in
order, in one namespace, in an empty folder; a block after the line `<!-- not run -->` does not.
`python docs/refresh.py models engines` refreshes these pages alone.
"""

import ast
import contextlib
import io
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGES = sorted(path for path in HERE.glob("*.md") if "```python" in path.read_text())
NOT_RUN = {"gallery"}  # its figures are drawn by make_gallery.py

_BLOCK = re.compile(r"(<!-- not run -->\n+)?```python\n(.*?)```\n(\n```text\n.*?```\n)?", re.S)
_NUMBER = re.compile(r"[-−]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?|[-−]?\.\d+")


def refreshed(text: str) -> str:
    """The page with the outputs that its examples give now."""
    space: dict = {}

    def renew(found: re.Match) -> str:
        skip, code, shown = found.groups()
        output = "" if skip else _run(code, space)
        if not shown or skip:
            return found.group(0)
        return f"```python\n{code}```\n\n```text\n{output}```\n"

    return _BLOCK.sub(renew, text)


def same(old: str, new: str) -> bool:
    """Whether two pages say the same, numbers to 2 % or one unit of the last digit shown."""
    if _NUMBER.sub("#", _spaces(old)) != _NUMBER.sub("#", _spaces(new)):
        return False
    return all(map(_close, _NUMBER.findall(old), _NUMBER.findall(new)))


def _spaces(text: str) -> str:
    """Columns may be wider by a digit, and drawings of intervals shift by a place."""
    return re.sub(r"[\s┊│┼●─-]+", " ", text)


def _close(a: str, b: str) -> bool:
    last = 10.0 ** -len(a.split("e")[0].partition(".")[2])
    x, y = (float(number.replace(",", "").replace("−", "-")) for number in (a, b))
    return abs(x - y) <= max(0.02 * abs(x), 1.01 * last)


def _run(code: str, space: dict) -> str:
    """What a block prints; its last expression is shown, as in a notebook."""
    tree, out = ast.parse(code), io.StringIO()
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(out):
        exec(compile(tree, "page", "exec"), space)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "page", "eval"), space)
            if value is not None:
                print(repr(value))
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().split("\n")) + "\n"


@contextlib.contextmanager
def an_empty_folder():
    """Examples write files; they are not kept."""
    import ilhte_bayes as il

    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", il.errors.IlhteWarning)
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


if __name__ == "__main__":
    import matplotlib

    matplotlib.use("agg")
    for page in PAGES:
        if page.stem in NOT_RUN or (sys.argv[1:] and page.stem not in sys.argv[1:]):
            continue
        with an_empty_folder():
            page.write_text(refreshed(page.read_text()))
        print(page.name, flush=True)
