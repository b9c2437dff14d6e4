"""Load a data set that comes with the package, or list them all."""

import difflib
import inspect
import textwrap
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

import pandas as pd

from ilhte_bayes.data.bundled import REGISTRY, Dataset, Levels
from ilhte_bayes.errors import DataError

# "None", "null" or "n/a" can be an answer or a level; only these three mean that nothing is there.
MISSING = ["", "NA", "NaN"]


def load_dataset(name: str) -> pd.DataFrame:
    """Return a data set that comes with the package, in long form.

    Text columns and items are categorical with their levels in natural order; numeric ids and
    numeric responses stay numbers. An answer that was not given has no row.

    Parameters
    ----------
    name : str
        One of the names listed below; `datasets()` returns the list as a table.

    Returns
    -------
    pd.DataFrame
        One row per response, or per student, woman or item where the list says so.
        `frame.attrs["ilhte"]` holds `dataset` (the name), `assignment` ("randomised" or
        "observational"), `roles` (which column is response, treatment, person, item; clusters
        from the outermost in) and `arms` (what 0 and 1 of the treatment stand for).

    Raises
    ------
    DataError
        If there is no data set of this name; the message lists the names.

    Notes
    -----
    {sets}

    Examples
    --------
    >>> from ilhte_bayes.data.datasets import load_dataset
    >>> trial = load_dataset("caffeine")
    >>> trial.attrs["ilhte"]["roles"]["treatment"]
    'treat'
    >>> list(load_dataset("verbagg")["resp"].cat.categories)
    ['no', 'perhaps', 'yes']
    """
    dataset = _find(name)
    frame = _read_csv(files("ilhte_bayes.data") / "files" / f"{name}.csv.gz")
    if dataset.repair is not None:
        frame = dataset.repair(frame)
    frame = _categorise(frame, dataset.categories)
    frame.attrs["ilhte"] = {
        "dataset": dataset.name,
        "assignment": dataset.assignment,
        "roles": dict(dataset.roles),
    }
    if dataset.arms is not None:
        frame.attrs["ilhte"]["arms"] = dataset.arms
    return frame


def datasets() -> pd.DataFrame:
    """Return one row for each data set that comes with the package.

    Returns
    -------
    pd.DataFrame
        Columns name, title, rows, persons, items, assignment, licence and source; persons and
        items are missing where the table has none. Nothing is read from the files.

    Examples
    --------
    >>> from ilhte_bayes.data.datasets import datasets
    >>> overview = datasets().set_index("name")
    >>> int(overview.loc["verbagg", "items"])
    24
    """
    columns = [
        "name",
        "title",
        "rows",
        "persons",
        "items",
        "assignment",
        "licence",
        "source",
    ]
    table = pd.DataFrame(
        [[getattr(d, c) for c in columns] for d in REGISTRY.values()], columns=columns
    )
    return table.astype({"persons": "Int64", "items": "Int64"})


def _find(name: str) -> Dataset:
    if isinstance(name, str) and name in REGISTRY:
        return REGISTRY[name]
    # Lower case, so that the names of the R packages (VerbAgg, Chem97) find theirs.
    asked = name.lower() if isinstance(name, str) else ""
    close = difflib.get_close_matches(asked, REGISTRY, n=1, cutoff=0.5)
    advice = f"The closest is {close[0]!r}: il.load_dataset({close[0]!r}). " if close else ""
    raise DataError(
        f"no data set is called {name!r}; the names are {', '.join(REGISTRY)}. "
        f"{advice}Type il.datasets() to see what each of them is."
    )


def _read_csv(file: Traversable) -> pd.DataFrame:
    with file.open("rb") as stream:
        return pd.read_csv(stream, compression="gzip", keep_default_na=False, na_values=MISSING)


def _categorise(frame: pd.DataFrame, categories: Mapping[str, Levels]) -> pd.DataFrame:
    coded = {}
    for column, levels in categories.items():
        values = frame[column].dropna().unique() if levels.values is None else levels.values
        coded[column] = pd.Categorical(
            frame[column], categories=list(values), ordered=levels.ordered
        )
    return frame.assign(**coded)


def _described() -> str:
    """Return the registry as text for the docstring: each set, its design, source and licence."""
    return "\n\n".join(_entry(d) for d in REGISTRY.values() if d.truth_of is None)


def _entry(dataset: Dataset) -> str:
    lines = [dataset.design, f"Source: {dataset.source}. Licence: {dataset.licence}."]
    if dataset.truth:
        lines.append(f"Truth: {REGISTRY[dataset.truth].design} load_dataset({dataset.truth!r}).")
    body = [textwrap.fill(line, 84, break_on_hyphens=False) for line in lines]
    heading = f"**{dataset.name}**: {dataset.title} ({dataset.assignment})"
    return heading + "\n" + textwrap.indent("\n".join(body), "    ")


# Written from the registry, so that help() and the data cannot disagree; python -OO has none.
if load_dataset.__doc__:
    load_dataset.__doc__ = inspect.cleandoc(load_dataset.__doc__).replace("{sets}", _described())
