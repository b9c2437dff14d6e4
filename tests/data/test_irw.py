"""IRW's package, faked: what comes through, and what is said where nothing does."""

import sys
from types import SimpleNamespace

import pandas as pd
import pytest

import ilhte_bayes as il


@pytest.fixture
def irw(monkeypatch):
    """Put a stand-in for the package `irw` in place, whose fetch is given."""

    def put(fetch) -> None:
        monkeypatch.setitem(sys.modules, "irw", SimpleNamespace(fetch=fetch))

    return put


def raising(error):
    def fetch(name, **options):
        raise error

    return fetch


def test_a_table_comes_through_and_is_named(irw, make_trial):
    asked = []

    def fetch(name, **options):
        asked.append((name, options))
        return make_trial()[["id", "item", "treat", "resp"]]

    irw(fetch)
    table = il.read_irw("gilbert_meta_14", source="main")
    assert asked == [("gilbert_meta_14", {"source": "main"})]
    model = il.il_hte(table)
    assert model.roles.person == "id"
    assert model.source == "IRW: gilbert_meta_14"


def test_a_local_file_of_that_format_gives_the_same_model(irw, make_trial, tmp_path):
    irw(lambda name, **options: make_trial()[["id", "item", "treat", "resp"]])
    make_trial()[["id", "item", "treat", "resp"]].to_csv(tmp_path / "t.csv", index=False)
    fetched, local = il.il_hte(il.read_irw("some")), il.il_hte(tmp_path / "t.csv")
    assert fetched.responses.fingerprint() == local.responses.fingerprint()


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "irw", None)  # import fails
    with pytest.raises(il.errors.DataError, match=r"pip install 'ilhte-bayes\[irw\]'"):
        il.read_irw("gilbert_meta_14")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("HTTPSConnectionPool: Max retries exceeded"), "no network"),
        (PermissionError("401 Unauthorized: no API token"), "REDIVIS_API_TOKEN"),
        (ValueError("Table 'x' not found"), "Check the name"),
        (SystemExit(), "SystemExit"),
    ],
)
def test_what_is_in_the_way_is_said_with_another_way(irw, error, words):
    irw(raising(error))
    with pytest.raises(il.errors.DataError, match=words) as caught:
        il.read_irw("x")
    assert "download the table by hand" in str(caught.value)


@pytest.mark.parametrize("table", [None, pd.DataFrame()])
def test_an_empty_answer_is_no_table(irw, table):
    irw(lambda name, **options: table)
    with pytest.raises(il.errors.DataError, match="gave no table 'x'"):
        il.read_irw("x")


def test_a_table_without_the_columns_is_refused(irw):
    irw(lambda name, **options: pd.DataFrame({"id": [1], "item": [1]}))
    with pytest.raises(il.errors.DataError, match="has no column 'resp'"):
        il.read_irw("x")
