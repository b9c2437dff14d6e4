"""Every public function's docstring has an example, and the example gives what it says."""

import doctest
import inspect
import warnings

import pytest

import ilhte_bayes as il

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
SPACES = ("plot", "priors", "errors")
PUBLIC = {name: getattr(il, name) for name in il.__all__ if name not in SPACES} | {
    f"{space}.{name}": thing
    for space in SPACES
    for name in getattr(il, space).__all__
    if callable(thing := getattr(getattr(il, space), name))
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """What an example writes goes nowhere, what it draws is closed, and it may be cautioned."""
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", il.errors.IlhteWarning)
        yield
    plt.close("all")


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_runs(name):
    finder = doctest.DocTestFinder(recurse=False)
    tests = [test for test in finder.find(PUBLIC[name], name, globs={}) if test.examples]
    assert tests, f"il.{name} has no example (>>>) in its docstring"
    told: list[str] = []
    for test in tests:
        doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=told.append)
    assert not told, "\n".join(told)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_first_line_is_one_sentence(name):
    """It is what the table of names in the documentation says."""
    first = (inspect.getdoc(PUBLIC[name]) or "").split("\n\n")[0]
    assert "\n" not in first and 10 < len(first) < 110, first
