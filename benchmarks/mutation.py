"""Do the tests notice a wrong line? A sample of mutants of the estimands and of the likelihood.

    uv run --with cosmic-ray python benchmarks/mutation.py --mutants 200 --seed 1

A mutant is the package with one operator, number, keyword or loop changed (the operators of
cosmic-ray); annotations, decorators and what only type checkers read stay as they are. It is killed
if one of the tests of its module fails, or if they take four times as long as without it; where all
of them are skipped here (an extra is not installed), or cosmic-ray fails to make it, it does not
count. The tests of a module are the file that mirrors it, those that import it, those of its folder
that call what is public of it, and the mirrors of modules that import it where it has none.

Compiled code outlives a change of its source: before a mutant runs, Numba's files of every compiled
module that imports the changed one are deleted, and PyTensor compiles in an empty folder.
"""

import argparse
import ast
import importlib
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

import ilhte_bayes

ROOT = Path(ilhte_bayes.__file__).parents[1]
COMPILED = Path(tempfile.mkdtemp(prefix="pytensor"))
FOLDERS = ("estimands", "likelihood")
OTHERS = ("NoOp", "VariableInserter", "VariableReplacer")  # nothing, or with arguments to choose
SLOWER = 4  # times as long as the tests of the unchanged module: the mutant hangs
AT_LEAST = 60  # seconds of processor time


@dataclass(frozen=True, slots=True)
class Mutant:
    module: str  # such as estimands/card.py
    operator: str
    occurrence: int
    place: tuple[int, int]  # line, column


# Which mutants ---------------------------------------------------------------------------------


def mutants(module: str) -> list[Mutant]:
    """Every mutant of a module, those of code that does not run left out."""
    source = (ROOT / "ilhte_bayes" / module).read_text()
    still = _not_running(ast.parse(source))
    nodes = list(ast_nodes(get_ast(source)))
    out = []
    for name in operator_names():
        if not name.endswith(OTHERS):
            operator = get_operator(name)()
            places = (place for node in nodes for place in operator.mutation_positions(node))
            out += [
                Mutant(module, name, k, start)
                for k, (start, _) in enumerate(places)
                if not any(first <= start < last for first, last in still)
            ]
    return out


def _not_running(tree: ast.AST) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Places (line, column) of annotations, decorators and `if TYPE_CHECKING`."""
    out: list[ast.AST] = []
    for node in ast.walk(tree):
        out += [getattr(node, "annotation", None), getattr(node, "returns", None)]
        out += getattr(node, "decorator_list", [])
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            out.append(node)
    return [
        ((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset))
        for n in out
        if isinstance(n, ast.AST)
    ]


def sample(n: int, seed: int) -> list[Mutant]:
    """Places drawn at random, and at each one of its mutants.

    An operator such as + has eleven mutants, a number two: drawn alike, most would be operators.
    """
    modules = sorted(
        str(p.relative_to(ROOT / "ilhte_bayes"))
        for folder in FOLDERS
        for p in (ROOT / "ilhte_bayes" / folder).glob("*.py")
    )
    places: dict[tuple, list[Mutant]] = {}
    for module in modules:
        for mutant in mutants(module):
            places.setdefault((module, *mutant.place), []).append(mutant)
    total = sum(map(len, places.values()))
    print(f"{total:,} mutants at {len(places):,} places of {len(modules)} modules", flush=True)
    rng = np.random.default_rng(seed)
    keys = sorted(places)
    chosen = rng.choice(len(keys), n, replace=False)  # in random order: a part is a sample, too
    return [places[keys[k]][rng.integers(len(places[keys[k]]))] for k in chosen]


# Which tests -----------------------------------------------------------------------------------


def tests_of(module: str) -> list[str]:
    """Test files of a module, its mirror first."""
    mirror = f"tests/{module.replace('/', '/test_')}"
    out = [mirror] if (ROOT / mirror).is_file() else []
    out += [t for t in _naming(module) if t not in out]
    if not out or out[0] != mirror:
        for user in _importers(module):
            other = f"tests/{user.replace('/', '/test_')}"
            out += [other] if (ROOT / other).is_file() and other not in out else []
    return out or [t for user in _importers(module) for t in tests_of(user)][:3]


def _naming(module: str) -> Iterator[str]:
    """Tests that import the module, and tests of its folder that call what is public of it."""
    dotted = module.removesuffix(".py").replace("/", ".")
    folder, stem = dotted.split(".")
    public = [n for n, where in ilhte_bayes._PUBLIC.items() if where == dotted]
    imported = re.compile(rf"{folder}\.{stem}\b|{folder} import [^\n]*\b{stem}\b")
    called = re.compile("|".join(rf"\bil\.{name}\(" for name in public) or "(?!)")
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text, own = path.read_text(), path.parent.name == folder
        if "slow" not in path.stem and (imported.search(text) or (own and called.search(text))):
            yield str(path.relative_to(ROOT))


def _importers(module: str) -> list[str]:
    """Modules of the package that import this one when they are loaded."""
    return [user for user, imported in _imports().items() if module in imported]


@cache
def _imports() -> dict[str, set[str]]:
    package = ROOT / "ilhte_bayes"
    paths = {str(p.relative_to(package)): p for p in sorted(package.rglob("*.py"))}
    out = {}
    for name, path in paths.items():
        out[name] = set()
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ilhte_bayes"):
                folder = "/".join(node.module.split(".")[1:])
                out[name] |= {f"{folder}.py", *(f"{folder}/{a.name}.py" for a in node.names)}
        out[name] &= paths.keys()
    return out


# Running them ----------------------------------------------------------------------------------


class Copy:
    """The repository once more, where one module at a time is changed."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "copy"
        skip = shutil.ignore_patterns(".git", ".venv", "*.nb[ic]", "__pycache__", "_build")
        shutil.copytree(ROOT, self.root, ignore=skip)
        if (shared := ROOT.parent / "shared").is_dir():
            (folder / "shared").symlink_to(shared.resolve())
        self.said = folder / "said"
        self.seconds: dict[str, float] = {}

    def run(self, mutant: Mutant) -> dict:
        """What the tests say of a mutant: alive, killed, not imported, too long."""
        tests = tests_of(mutant.module)
        path = self.root / "ilhte_bayes" / mutant.module
        limit = AT_LEAST + SLOWER * sum(map(self.unchanged, tests))
        source = path.read_text()
        try:
            changed = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
        except AttributeError as error:  # cosmic-ray does not know `except (A, B)` of every form
            return asdict(mutant) | {"verdict": "skipped", "seconds": 0.0, "said": str(error)}
        self._forget_compiled(mutant.module)
        try:
            path.write_text(changed)
            found = self._test(tests, limit)
        finally:
            path.write_text(source)
            self._forget_compiled(mutant.module)
        lines = [text.split("\n")[mutant.place[0] - 1].strip() for text in (source, changed)]
        return asdict(mutant) | {"line": lines[0], "changed": lines[1], "tests": tests} | found

    def unchanged(self, test: str) -> float:
        """Seconds of a test file without a mutant, which must pass."""
        if test not in self.seconds:
            found = self._test([test], 3600)
            if found["verdict"] not in ("alive", "skipped"):
                raise SystemExit(f"{test} fails without a mutant\n{found['said']}")
            self.seconds[test] = found["seconds"]
        return self.seconds[test]

    def _test(self, tests: list[str], limit: float) -> dict:
        """Run tests in a child, which has the large libraries from its parent already."""
        sys.stdout.flush()
        if not (child := os.fork()):
            _be_tested(self.root, self.said, tests, round(limit))
        _, status, used = os.wait4(child, 0)
        code = os.waitstatus_to_exitcode(status)
        verdict = {
            0: "alive",
            1: "killed",
            2: "not imported",
            5: "skipped",
            -signal.SIGXCPU: "too long",
        }
        return {
            "verdict": verdict.get(code, f"ended with {code}"),
            "seconds": round(used.ru_utime + used.ru_stime, 1),
            "said": self.said.read_text()[-600:],
        }

    def _forget_compiled(self, module: str) -> None:
        """Delete compiled code of the module and of all that import it."""
        known, new = set(), {module}
        while new:
            known |= new
            new = {user for m in new for user in _importers(m)} - known
        for user in sorted(known):
            path = self.root / "ilhte_bayes" / user
            for old in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
                if user == module or old.suffix in (".nbi", ".nbc"):
                    old.unlink()
        if any(_is_compiled(user) for user in known):
            for old in COMPILED.glob("**/*"):
                if old.is_file():
                    old.unlink()


def _be_tested(root: Path, said: Path, tests: list[str], limit: int) -> NoReturn:
    """What the child does: it never returns."""
    os.setsid()
    with said.open("w") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 10))  # processor time: others may run
    signal.alarm(3600)
    os.chdir(root)
    for name in [name for name in sys.modules if name.split(".")[0] == "ilhte_bayes"]:
        del sys.modules[name]
    sys.path.insert(0, str(root))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    try:
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests])
    except BaseException:
        code = 1
    os._exit(int(code))


def _is_compiled(module: str) -> bool:
    text = (ROOT / "ilhte_bayes" / module).read_text()
    return bool(re.search(r"^(from|import) numba", text, re.M))


def load_libraries() -> None:
    """Once, in the parent: they take longer than most tests."""
    os.environ["PYTENSOR_FLAGS"] = f"base_compiledir={COMPILED}"
    for name in ("arviz", "formulaic", "h5netcdf", "matplotlib.pyplot", "numba", "pandas", "pymc"):
        importlib.import_module(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mutants", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path("mutants.jsonl"))
    parser.add_argument("--again", action="store_true", help="those that lived, once more")
    options = parser.parse_args()
    known = read(options.results)
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        for mutant in sample(options.mutants, options.seed):
            verdict = known.get(mutant, {}).get("verdict")
            if verdict and not (options.again and verdict == "alive"):
                continue
            known[mutant] = row = copy.run(mutant)
            print(row["verdict"], *asdict(mutant).values(), f"{row['seconds']} s", flush=True)
            with options.results.open("a") as out:
                out.write(json.dumps(row) + "\n")
    summarise(known)


def read(results: Path) -> dict[Mutant, dict]:
    """The last result of each mutant, from a run that may have been interrupted."""
    out = {}
    for line in results.read_text().splitlines() if results.exists() else ():
        row = json.loads(line)
        place = tuple(row["place"])
        out[Mutant(row["module"], row["operator"], row["occurrence"], place)] = row
    return out


def summarise(known: dict[Mutant, dict]) -> None:
    verdicts = Counter(row["verdict"] for row in known.values())
    alive = verdicts["alive"] / max(1, len(known) - verdicts["skipped"])
    print(f"\n{len(known)} mutants: {dict(verdicts)}; alive {alive:.1%}")
    for row in known.values():
        if row["verdict"] == "alive":
            print(f"\n{row['module']}:{row['place'][0]}\n  - {row['line']}\n  + {row['changed']}")


if __name__ == "__main__":
    load_libraries()
    main()
