"""The bundled data sets: the files are the ones they should be, and what is said of them is so."""

import gzip
import hashlib
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from ilhte_bayes.data.datasets import (
    REGISTRY,
    Dataset,
    _categorise,
    _read_csv,
    datasets,
    load_dataset,
)
from ilhte_bayes.errors import DataError, IlhteError

BUNDLED = files("ilhte_bayes.data") / "files"
ORIGINALS = Path(__file__).parents[2].parent / "shared" / "data"
ALL = sorted(REGISTRY)
ENTRIES = [pytest.param(entry, id=name) for name, entry in REGISTRY.items()]


def raw(name: str) -> pd.DataFrame:
    return _read_csv(BUNDLED / f"{name}.csv.gz")


def constant_within(frame: pd.DataFrame, column: str, group: str) -> bool:
    return bool((frame.groupby(group)[column].nunique() == 1).all())


# ---- the files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_file_is_the_original_byte_for_byte(name):
    if not ORIGINALS.is_dir():
        pytest.skip("needs ../shared/data beside the repository: run it in a checkout that has it")
    digests = [
        hashlib.sha256((folder / f"{name}.csv.gz").read_bytes()).hexdigest()
        for folder in (BUNDLED, ORIGINALS)
    ]
    assert digests[0] == digests[1]


def test_files_and_registry_name_the_same_sets():
    stems = [f.name.removesuffix(".csv.gz") for f in BUNDLED.iterdir() if "LICENSE" not in f.name]
    assert sorted(stems) == ALL


def test_licence_file_has_source_and_licence_of_every_set():
    lines = (BUNDLED / "LICENSE-data.md").read_text(encoding="utf-8").replace("\\|", "|")
    for entry in REGISTRY.values():
        (line,) = [x for x in lines.splitlines() if f"`{entry.name}.csv.gz`" in x]
        assert entry.licence in line
        assert entry.source.split(",")[0] in line


def test_gpl_text_is_there_in_full():
    text = (BUNDLED / "LICENSE.GPL-2.0.txt").read_text(encoding="utf-8")
    assert text.lstrip().startswith("GNU GENERAL PUBLIC LICENSE")
    assert "Version 2, June 1991" in text
    assert "END OF TERMS AND CONDITIONS" in text


# ---- what the registry says --------------------------------------------------------------------


@pytest.mark.parametrize("entry", ENTRIES)
def test_sizes_are_those_of_the_table(entry: Dataset):
    frame, roles = load_dataset(entry.name), entry.roles
    # Without the role a row is a person, except in a table of items, where there are none.
    persons = frame[roles["person"]].nunique() if "person" in roles else len(frame)
    items = frame[roles["item"]].nunique() if "item" in roles else None
    assert len(frame) == entry.rows
    assert entry.persons == (None if entry.truth_of else persons)
    assert entry.items == items


@pytest.mark.parametrize("entry", ENTRIES)
def test_roles_name_columns_and_hold_together(entry: Dataset):
    frame, roles = load_dataset(entry.name), dict(entry.roles)
    clusters = roles.pop("clusters", ())
    assert {*roles.values(), *clusters} <= set(frame)
    units = [*clusters, *([roles["person"]] if "person" in roles else [])]
    for outer, inner in pairwise(units):
        assert constant_within(frame, outer, inner), f"{inner} is not nested in {outer}"
    if "treatment" in roles:
        assert constant_within(frame, roles["treatment"], roles["person"])
    if "person" in roles and "item" in roles:
        assert not frame.duplicated([roles["person"], roles["item"]]).any()


def test_truth_tables_and_their_sets_point_at_each_other():
    for entry in REGISTRY.values():
        if entry.truth:
            truth, frame = load_dataset(entry.truth), load_dataset(entry.name)
            assert REGISTRY[entry.truth].truth_of == entry.name
            assert truth["item"].dtype == frame["item"].dtype
            # The design says what the effect is on the items drawn.
            assert f"mean zeta of {truth['zeta'].mean():.3f}" in entry.design
            assert f"{0.3 + truth['zeta'].mean():.3f} on these items" in entry.design
    assert {e.truth_of for e in REGISTRY.values()} - {None} == {
        e.name for e in REGISTRY.values() if e.truth
    }


# Facts that a model rests on and that `design` states.


def test_caffeine_arms_and_missing_answers():
    frame = load_dataset("caffeine")
    people = frame.drop_duplicates("id")
    assert people["treat"].value_counts().to_dict() == {0: 345, 1: 339}
    answers = frame.groupby("id").size()
    assert (10 - answers).sum() == 29
    assert (answers < 10).sum() == 14
    assert all(constant_within(frame, c, "id") for c in ("study", "TOD", "impulsivity"))
    both = people.groupby("study")["TOD"].nunique() == 2
    assert both.index[both].tolist() == ["CITY", "EMIT", "SALT"]


def test_caffeine_separates_the_two_persons_without_a_number():
    before, after = raw("caffeine"), load_dataset("caffeine")
    shared = before["id"] == "EMIT_NA"
    assert shared.sum() == 20
    assert set(before["treat"][shared]) == {0, 1}  # why they cannot be one person
    arms = after[shared].groupby("id")["treat"].agg(["size", "unique"])
    assert arms["size"].to_dict() == {"EMIT_NA_placebo": 10, "EMIT_NA_caffeine": 10}
    assert (after["id"][~shared].astype("str") == before["id"][~shared]).all()
    pd.testing.assert_frame_equal(
        before.drop(columns=["id", "item", "study"]),
        after.drop(columns=["id", "item", "study"]),
    )


def test_verbagg_codings_agree():
    frame = load_dataset("verbagg")
    assert ((frame["resp"] > "no") == (frame["y"] == 1)).all()
    assert ((frame["Gender"] == "M") == (frame["treat"] == 1)).all()
    assert frame.drop_duplicates("id")["treat"].value_counts().to_dict() == {
        0: 243,
        1: 73,
    }


def test_mathexam_codings_agree():
    frame = load_dataset("mathexam")
    assert ((frame["credits"] == 2) == (frame["resp"] == 1)).all()
    assert frame.drop_duplicates("id")["treat"].value_counts().to_dict() == {
        1: 395,
        0: 334,
    }


def test_chem97_codings_agree():
    frame = load_dataset("chem97")
    assert ((frame["score"] >= 8) == (frame["y8"] == 1)).all()
    assert ((frame["score3"] == "high") == (frame["y8"] == 1)).all()
    assert frame["school"].nunique() == 2_410
    assert frame["lea"].nunique() == 131


def test_contraception_codings_agree():
    frame = load_dataset("contraception")
    assert ((frame["use"] == "Y") == (frame["y"] == 1)).all()
    assert frame["woman"].is_unique
    assert set(range(1, 62)) - set(frame["district"]) == {54}


def test_bacteria_arms():
    frame = load_dataset("bacteria")
    arms = frame.drop_duplicates("ID")["trt"].value_counts().to_dict()
    assert arms == {"placebo": 21, "drug": 14, "drug+": 15}
    assert ((frame["trt"] == "placebo") == (frame["ap"] == "p")).all()
    assert ((frame["week"] > 2) == (frame["late"] == 1)).all()


def test_wine_treatments_belong_to_bottles():
    frame = load_dataset("wine")
    assert all(constant_within(frame, c, "bottle") for c in ("temp", "contact"))
    assert not any(constant_within(frame, c, "judge") for c in ("temp", "contact"))


def test_cluster_trial_is_treated_by_school():
    frame = load_dataset("crt_60x3x15x20")
    assert constant_within(frame, "treat", "school")
    assert frame.drop_duplicates("school")["treat"].value_counts().to_dict() == {
        0: 30,
        1: 30,
    }


# ---- loading -----------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_text_column_has_levels_and_no_value_is_lost(entry: Dataset):
    frame, before = load_dataset(entry.name), raw(entry.name)
    assert not [c for c in frame if isinstance(frame[c].dtype, pd.StringDtype)]
    assert list(frame) == list(before)
    assert frame.isna().sum().equals(before.isna().sum())
    for column, levels in entry.categories.items():
        coded = frame[column].cat
        assert coded.ordered == levels.ordered
        assert set(coded.categories) == set(frame[column].unique())
        if levels.values is not None:
            assert tuple(coded.categories) == levels.values
    if "item" in entry.roles:
        assert isinstance(frame[entry.roles["item"]].dtype, pd.CategoricalDtype)


@pytest.mark.parametrize(
    ("name", "column", "levels", "ordered"),
    [
        ("verbagg", "resp", ["no", "perhaps", "yes"], True),
        ("chem97", "score3", ["low", "mid", "high"], True),
        ("contraception", "livch", ["0", "1", "2", "3+"], False),
        ("bacteria", "trt", ["placebo", "drug", "drug+"], False),
        ("wine", "temp", ["cold", "warm"], False),
        ("wine", "contact", ["no", "yes"], False),
        ("ilhte_500x20", "item", list(range(1, 21)), False),
    ],
)
def test_levels_stand_in_their_natural_order(name, column, levels, ordered):
    coded = load_dataset(name)[column].cat
    assert coded.categories.tolist() == levels
    assert coded.ordered == ordered


def test_items_stand_in_the_order_of_the_test():
    assert load_dataset("mathexam")["item"].cat.categories[:3].tolist() == [
        "quad",
        "deriv",
        "elasticity",
    ]
    assert load_dataset("verbagg")["item"].cat.categories[[0, -1]].tolist() == [
        "S1WantCurse",
        "S4DoShout",
    ]


def test_numeric_ids_and_responses_stay_numbers():
    verbagg, wine = load_dataset("verbagg"), load_dataset("wine")
    for column in (verbagg["id"], verbagg["y"], wine["rating"], wine["judge"]):
        assert pd.api.types.is_integer_dtype(column)


def test_attrs_say_what_the_columns_are_and_are_the_readers_own():
    attrs = load_dataset("caffeine").attrs
    assert attrs == {
        "ilhte": {
            "dataset": "caffeine",
            "assignment": "randomised",
            "roles": {
                "response": "resp",
                "treatment": "treat",
                "person": "id",
                "item": "item",
                "clusters": ("study",),
            },
            "arms": ("placebo", "caffeine"),
        }
    }
    attrs["ilhte"]["roles"]["item"] = "changed"
    assert load_dataset("caffeine").attrs["ilhte"]["roles"]["item"] == "item"


def test_only_empty_na_and_nan_are_missing(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b'id,x,z\n1,None,1\n2,null,\n3,n/a,3\n4,NA,NaN\n5,"",NA\n'))
    frame = _read_csv(path)
    assert frame["x"].tolist()[:3] == ["None", "null", "n/a"]
    assert frame["x"].isna().tolist() == [False, False, False, True, True]
    assert frame["z"].isna().tolist() == [False, True, False, True, True]


def test_missing_values_are_not_a_level():
    levels = REGISTRY["caffeine"].categories["id"]  # in order of appearance
    coded = _categorise(pd.DataFrame({"id": ["b", None, "a"]}), {"id": levels})["id"]
    assert coded.cat.categories.tolist() == ["b", "a"]
    assert coded.isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("asked", "closest"),
    [
        ("VerbAgg", "verbagg"),
        ("MathExam14W", "mathexam"),
        ("caffein", "caffeine"),
        ("crt_60x3x15x20_truth_items", "crt_truth_items"),
    ],
)
def test_unknown_name_says_what_to_type(asked, closest):
    with pytest.raises(DataError) as caught:
        load_dataset(asked)
    message = str(caught.value)
    assert repr(asked) in message
    assert all(name in message for name in REGISTRY)
    assert f"load_dataset({closest!r})" in message
    assert "datasets()" in message


@pytest.mark.parametrize("asked", ["zzz", "", None, 3, ["caffeine"], pd.DataFrame()])
def test_name_that_is_like_none_gets_no_suggestion(asked):
    with pytest.raises(IlhteError, match="no data set is called") as caught:
        load_dataset(asked)
    assert "load_dataset(" not in str(caught.value)


# ---- the list ----------------------------------------------------------------------------------


def test_datasets_lists_the_registry():
    table = datasets()
    assert list(table) == [
        "name",
        "title",
        "rows",
        "persons",
        "items",
        "assignment",
        "licence",
        "source",
    ]
    assert sorted(table["name"]) == ALL
    by_name = table.set_index("name")
    assert by_name.loc["caffeine", ["rows", "persons", "items"]].tolist() == [
        6_811,
        684,
        10,
    ]
    assert pd.isna(by_name.loc["chem97", "items"])


def test_help_names_every_set_with_its_source_licence_and_design():
    words = " ".join((load_dataset.__doc__ or "").split())
    for entry in REGISTRY.values():
        for fact in (entry.name, entry.design, entry.source, entry.licence):
            assert fact in words
    assert "{sets}" not in words
