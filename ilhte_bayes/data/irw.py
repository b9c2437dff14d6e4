"""Tables of the Item Response Warehouse, through its own package `irw`."""

from typing import Any

import pandas as pd

from ilhte_bayes.data.roles import IRW_ITEM, IRW_PERSON
from ilhte_bayes.errors import DataError, listed

_HOME = (
    "or download the table by hand and give its path: il.il_hte('table.csv') knows IRW's column "
    "names."
)


def read_irw(name: str, **options: Any) -> pd.DataFrame:
    """Fetch one table of the Item Response Warehouse.

    Its columns are those that `il_hte`, `Model` and `reduce` know by name: `id`, `item`, `resp`,
    and in trials `treat`, `cluster_id`, `wave`. A file in IRW's format needs no network:
    `il.il_hte("table.csv")`.

    Parameters
    ----------
    name : str
        Table, as `irw.list_tables()` has it: `"gilbert_meta_14"`.
    **options
        Handed to `irw.fetch`: `source=`, `columns=`, `max_rows=`.

    Returns
    -------
    pandas.DataFrame
        Long form, one row for each answer; `attrs["ilhte"]` holds the table's name.

    Raises
    ------
    DataError
        If the package is not installed, there is no network or no right to read, or no such table.

    References
    ----------
    Domingue et al. (2025), Behav. Res. Methods 57, 276: the Item Response Warehouse.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.read_irw("gilbert_meta_14")  # doctest: +SKIP
    >>> il.item_effects(il.laplace(il.il_hte(trial)))  # doctest: +SKIP
    """
    if not isinstance(name, str) or not name:
        raise DataError(f"name={name!r}: give the name of one table, 'gilbert_meta_14'.")
    try:
        import irw
    except ImportError:
        raise DataError(
            "tables of the Item Response Warehouse come through the package irw, which is not "
            f"installed. Type: pip install 'ilhte-bayes[irw]'; {_HOME}"
        ) from None
    try:
        table = irw.fetch(name, **options)
    except (Exception, SystemExit) as error:  # of Redivis, requests, or irw's own
        raise DataError(_not_fetched(name, error)) from error
    if not isinstance(table, pd.DataFrame) or not len(table):
        raise DataError(
            f"the Item Response Warehouse gave no table {name!r}. See irw.list_tables() for the "
            f"names; {_HOME}"
        )
    if absent := [c for c in (IRW_PERSON, IRW_ITEM, "resp") if c not in table]:
        raise DataError(
            f"IRW's table {name!r} has no column {listed(absent)}; it has "
            f"{listed(table.columns.tolist(), 12)}. Name the columns in il.il_hte yourself."
        )
    table.attrs["ilhte"] = {"dataset": f"IRW: {name}"}
    return table


def _not_fetched(name: str, error: BaseException) -> str:
    """What was in the way, as far as the message of the package tells."""
    text = str(error).strip()
    reason = text.splitlines()[0][:160] if text else type(error).__name__
    low = text.lower()
    if any(word in low for word in ("token", "unauthor", "credential", "401", "403", "log in")):
        cure = (
            "Redivis, which keeps the tables, wants to know you: make a free account and a token "
            "there and set REDIVIS_API_TOKEN,"
        )
    elif any(word in low for word in ("connection", "resolve", "network", "timed out", "max retr")):
        cure = "There seems to be no network: try again with one,"
    else:
        cure = "Check the name (irw.list_tables()),"
    return f"IRW's table {name!r} could not be fetched ({reason}). {cure} {_HOME}"
