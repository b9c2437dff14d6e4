"""Write docs/trust.md from what tests and benchmarks recorded: `python docs/make_trust.py`.

Sources: tests/reference/* (other programs' numbers), benchmarks/*.csv, tests/slow_results.md.
Nothing is computed again; a test checks that the page is what the sources say.
"""

import ast
import json
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
REFERENCE, BENCHMARKS = ROOT / "tests" / "reference", ROOT / "benchmarks"
HEAD = """# Trust: what was compared, and how to repeat it

*For a reviewer.* This page is made by `python docs/make_trust.py` from what tests and benchmarks
recorded. Each part says when it was done, with which versions and seeds, what was found, and the command
that does it again. Commands start in a copy of the repository.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, _contents(), *_references(), *_benchmarks(), *_slow()]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def _table(header: list[str], rows: Iterable[Iterable[object]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for row in rows:
        cells = (str(cell).replace("|", "\\|").replace("\n", " ") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _contents() -> str:
    """One line for each comparison, calibration, recovery and benchmark."""
    rows = [
        (kind, what, date, f"`{command}`")
        for kind, what, date, command in [*_reference_lines(), *_benchmark_lines(), *_slow_lines()]
    ]
    return "## Everything on one page\n\n" + _table(["kind", "what", "date", "command"], rows)


# Other programs ------------------------------------------------------------------------------


def _reference_lines() -> list[tuple[str, str, str, str]]:
    more = _json("more_fits.json")["versions"]["date"]
    peers, fitted = _json("peers.json"), _json("more_fits.json")["cases"]
    dated = {path.stem: pd.read_csv(path)["date"].iloc[0] for path in _dated_csv()}
    command = "uv run pytest tests/reference"
    return [
        ("comparison", f"{len(peers)} fits by glmer, glmmTMB and clmm", "see below", command),
        ("comparison", f"{len(fitted)} more, by glmer and glmmTMB", more, command),
        *(("comparison", name.replace("_", " "), when, command) for name, when in dated.items()),
    ]


def _references() -> list[str]:
    peers = [
        (fit["package"], fit["version"], f"`{fit['formula']}`", fit["data"], f"{fit['nobs']:,}",
         f"{fit['logLik']:.4f}")
        for fit in _json("peers.json").values()
    ]  # fmt: skip
    found = _json("more_fits.json")
    versions = found["versions"]
    more = [
        (fit["engine"], versions[fit["engine"].split("::")[0]], f"`{case['formula']}`",
         case["data"].split(".")[0], f"{case['n_obs']:,}", f"{fit['logLik']:.4f}")
        for case in found["cases"].values() for fit in case["fits"]
    ]  # fmt: skip
    grid = _json("quadrature.json")
    agq = [
        ("lme4::glmer", grid["lme4"], f"`{fit['formula']}`, nAGQ = {fit['n_agq']}", fit["tag"], "",
         f"{fit['logLik']:.4f}")
        for fit in grid["fits"]
    ]  # fmt: skip
    header = ["program", "version", "formula", "data", "answers", "log-likelihood"]
    return [
        "## Fits of other programs",
        "The same formula on the same table; the tests fit each again and fail where numbers differ. "
        f"What they assert: {_said_by('test_peers.py')}",
        "```bash\nuv run pytest tests/reference    # scripts that made the numbers stand beside them\n```",
        f"R {versions['r']}; fits of `more_fits.json` are of {versions['date']}. These are maximum "
        "likelihood estimates: nothing is random, no seed.",
        _table(header, [*peers, *more, *agq]),
        *(_of_csv(path) for path in _dated_csv()),
    ]


def _dated_csv() -> list[Path]:
    return [p for p in sorted(REFERENCE.glob("*.csv")) if "date" in p.read_text().split("\n")[0]]


def _of_csv(path: Path) -> str:
    table = pd.read_csv(path)
    versions = [name for name in table if name.endswith("_version")]
    said = ", ".join(f"{name[:-8]} {table[name].iloc[0]}" for name in versions)
    cases = table.groupby("case").size()
    what = "; ".join(f"{case}: {n} items" for case, n in cases.items())
    title = path.stem.replace("_", " ")
    return f"**{title}** ({said}; {table['date'].iloc[0]}): {what}. Script: `tests/reference/{path.stem}.R`."


def _said_by(name: str) -> str:
    """What a test file says of its tolerances, in its first docstring."""
    text = ast.get_docstring(ast.parse((REFERENCE / name).read_text())) or ""
    return " ".join(text.split("\n\n", 1)[-1].split())


def _json(name: str) -> dict:
    return json.loads((REFERENCE / name).read_text())


# Benchmarks ----------------------------------------------------------------------------------

_OF_THE_RUN = ("versions", "machine", "date")
_REPEATS = ("repeat", "seed")


def _benchmark_lines() -> list[tuple[str, str, str, str]]:
    return [
        ("benchmark", f"[{p.stem}](#{_anchor(p.stem)})", _dates(pd.read_csv(p)), _made_by(p))
        for p in _tables()
    ]


def _benchmarks() -> list[str]:
    out = [
        "## Benchmarks",
        "Medians over repeats and seeds. What was measured, and under which conditions: "
        "[benchmarks](benchmarks.md).",
    ]
    for path in _tables():
        table = pd.read_csv(path)
        out += [f"### {path.stem}", f"```bash\n{_made_by(path)}\n```", _run_of(table)]
        out.append(_shown(table))
    return out


def _tables() -> list[Path]:
    return sorted(BENCHMARKS.glob("*.csv"))


def _made_by(path: Path) -> str:
    """The command whose line in benchmarks/README.md says that it writes this table."""
    for line in (BENCHMARKS / "README.md").read_text().split("\n"):
        if f"`{path.name}`" in line and (script := re.match(r"\| `(\w+\.py)`", line)):
            return f"uv run python benchmarks/{script.group(1)}"
    raise ValueError(f"benchmarks/README.md does not say which script writes {path.name}")


def _run_of(table: pd.DataFrame) -> str:
    parts = [f"Date: {_dates(table)}."]
    if "seed" in table:
        parts.append(f"Seeds: {', '.join(map(str, sorted(table['seed'].dropna().unique())))}.")
    for name in ("versions", "machine"):
        if name in table:
            parts.append(f"{name.capitalize()}: {' / '.join(table[name].dropna().unique())}.")
    return " ".join(parts)


def _dates(table: pd.DataFrame) -> str:
    return ", ".join(map(str, sorted(table["date"].unique()))) if "date" in table else "see below"


def _shown(table: pd.DataFrame) -> str:
    table = table.drop(columns=[name for name in _OF_THE_RUN if name in table])
    repeats = [name for name in _REPEATS if name in table]
    if repeats:
        numbers = table.select_dtypes("number").columns.difference(repeats)
        keys = [name for name in table if name not in numbers and name not in repeats]
        order = [name for name in table if name not in repeats]
        runs = table.groupby(keys, sort=False, dropna=False)
        table = runs[list(numbers)].median().reset_index()[order]
    names = [name.replace("_", " ") for name in table]
    return _table(names, [[_cell(value) for value in row] for row in table.to_numpy()])


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value
    number = float(value)  # type: ignore[arg-type]
    if number != number:
        return ""
    if number.is_integer() and abs(number) < 1e15:
        return f"{int(number):,}"
    return f"{number:.4g}" if abs(number) < 1e4 else f"{number:,.3f}"


# Calibration and recovery --------------------------------------------------------------------


def _runs() -> list[tuple[str, str, str]]:
    """(title, command, text) of every run in tests/slow_results.md."""
    text = (ROOT / "tests" / "slow_results.md").read_text()
    out = []
    for part in re.split(r"^## ", text, flags=re.M)[1:]:
        title, body = part.split("\n", 1)
        command = re.search(r"`([^`]*)`", title)
        out.append((title, command.group(1) if command else "", body.strip()))
    return out


def _slow_lines() -> list[tuple[str, str, str, str]]:
    return [
        ("calibration, recovery", _subject(title, command), _date(title), command)
        for title, command, _ in _runs()
    ]


def _subject(title: str, command: str) -> str:
    file = re.search(r"(\w+)/test_(\w+?)(_slow)?\.py", command)
    kept = re.search(r"-k (\w+)", command)
    words = title.split("(")[0].strip()
    if file:
        words = f"{file.group(1)}: {file.group(2).replace('_', ' ')}"
    return f"{words}, {kept.group(1)}" if kept else words


def _date(title: str) -> str:
    found = re.search(r"\d{4}-\d\d-\d\d", title)
    return found.group(0) if found else ""


def _slow() -> list[str]:
    text = (ROOT / "tests" / "slow_results.md").read_text()
    machine = re.search(r"^Machine: .*$", text, re.M)
    out = [
        "## Calibration and recovery",
        "Statistics that take minutes to hours, run by hand, recorded as they came out. "
        + (machine.group(0) if machine else ""),
    ]
    for title, command, body in _runs():
        out += [f"### {_subject(title, command).capitalize()} ({_date(title)})"]
        out += [f"```bash\n{command}\n```"] if command.startswith("uv ") else [f"`{command}`"]
        if seeds := _seeds(command):
            out.append(f"Seeds in the test: {seeds}.")
        out.append(re.sub(r"^#", "###", body, flags=re.M))
    return out


def _seeds(command: str) -> str:
    """Numbers that seed generators in the file of a command."""
    file = re.search(r"tests/[\w/]+\.py", command)
    if not file or not (ROOT / file.group(0)).is_file():
        return ""
    source = (ROOT / file.group(0)).read_text()
    found = re.findall(r"(?:default_rng\(|seed=)(\w+)", source)
    return ", ".join(f"`{name}`" for name in dict.fromkeys(found))


def _anchor(title: str) -> str:
    return title.lower().replace("_", "-")


if __name__ == "__main__":
    target = Path(__file__).with_name("trust.md")
    target.write_text(page())
    print(target)
