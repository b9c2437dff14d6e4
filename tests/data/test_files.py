"""Files: what is read, and the sentence for what cannot be."""

import gzip

import pandas as pd
import pytest

from ilhte_bayes.data.files import read_file
from ilhte_bayes.data.open_table import open_table
from ilhte_bayes.errors import DataError


@pytest.fixture
def text(make_trial):
    return make_trial().to_csv(index=False)


def written(folder, name: str, content: str | bytes):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "name, change",
    [
        ("a.csv", str.encode),
        ("a.CSV", str.encode),
        ("a.csv.gz", lambda text: gzip.compress(text.encode())),
        ("bom.csv", lambda text: text.encode("utf-8-sig")),
        ("windows.csv", lambda text: text.replace("\n", "\r\n").encode()),
        ("trailing.csv", lambda text: text.replace("\n", ",\n").encode()),
    ],
)
def test_a_csv_file_is_read(tmp_path, make_trial, text, name, change):
    found = read_file(written(tmp_path, name, change(text)))
    expected = make_trial()
    assert found[expected.columns].equals(expected)


def test_a_parquet_file_is_read_and_its_index_is_a_column(tmp_path, make_trial):
    trial = make_trial()
    trial.to_parquet(tmp_path / "a.parquet")
    trial.set_index(["id", "item"]).to_parquet(tmp_path / "b.parquet")
    for name in ("a.parquet", "b.parquet"):
        pd.testing.assert_frame_equal(read_file(tmp_path / name)[trial.columns], trial)


def test_only_three_texts_are_missing(tmp_path):
    path = written(tmp_path, "a.csv", 'x\nNone\nnull\n"n/a"\nNA\nNaN\n""\nnan\n')
    assert read_file(path)["x"].dropna().tolist() == ["None", "null", "n/a", "nan"]


def test_a_long_column_has_one_type(tmp_path):
    # pandas' own default types a column piece by piece, which makes 1 and "1" of one item
    rows = "\n".join(["1"] * 400_000 + ["q"])
    found = read_file(written(tmp_path, "a.csv", f"item\n{rows}\n"))
    assert set(found["item"]) == {"1", "q"}


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("a.csv", "", "'a.csv' is empty"),
        ("a.csv", "\n\n", "'a.csv' is empty"),
        ("a.csv", "id,resp\n", "'a.csv' has no rows, only the columns 'id', 'resp'"),
        ("a.csv", "id;resp\n1;0,5\n", "one column, 'id;resp': it is separated by semicolons"),
        ("a.csv", "id\tresp\n1\t0\n", "separated by tabs"),
        ("a.csv", "id,id\n1,1\n", "column 'id' more than once"),
        ("a.csv", "id,resp\n1,0\n1,2,3,4\n", "line 3 has 4 values and the header 2 names"),
        ("a.csv", "id,resp\n1,1,0\n2,2,1\n", "export without row names"),
        ("a.csv", 'id,resp\n"1,0\n', r"cannot be read as csv \(.*string"),
        ("a.csv", "n\xe9,resp\n1,0\n".encode("latin-1"), "not UTF-8 text.*encoding='latin-1'"),
        ("a.csv", "id,resp\n1,0\n".encode("utf-16"), "is UTF-16 text"),
        ("a.csv", b"PK\x03\x04more", "zip archive, perhaps a spreadsheet"),
        ("a.csv", gzip.compress(b"id,resp\n1,0\n", mtime=0), "compressed.*ends in .csv.gz"),
        ("a.csv", b"PAR1more", "is Parquet"),
        ("a.csv", b"id\0resp", "bytes that text has not"),
        ("a.csv.gz", b"id,resp\n1,0\n", "cannot be read as csv.gz"),
        ("a.csv.gz", gzip.compress(b"id,resp\n1,0\n", mtime=0)[:-9], "cannot be read as csv.gz"),
        ("a.parquet", b"PAR1more", "cannot be read as parquet"),
        ("a.xlsx", b"PK", "ends in '.xlsx'; give a .csv, .csv.gz or .parquet file"),
        ("a", b"id", "has no ending"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_read_is_named_in_a_sentence(tmp_path, name, content, said):
    with pytest.raises(DataError, match=said) as caught:
        open_table(written(tmp_path, name, content))
    assert name in str(caught.value)


def test_a_folder_and_a_missing_file_are_said_to_be_so(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        read_file(tmp_path)
    with pytest.raises(DataError, match="no file at"):
        read_file(tmp_path / "b.csv")
