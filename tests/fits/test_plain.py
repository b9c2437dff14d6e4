"""Values become JSON and arrays and come back as they were, or are refused."""

import json

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il
from ilhte_bayes.data.coding import Coding
from ilhte_bayes.fits.plain import from_plain, pack_array, to_plain, unpack_array

ODD = [
    pytest.param(np.array(["q1", "q10", "Zoë", ""], dtype=object), id="text"),
    pytest.param(np.array([1, 2, 2**62], dtype=object), id="whole numbers"),
    pytest.param(np.array([2**80, 1], dtype=object), id="whole numbers of any size"),
    pytest.param(np.array([0.1, 1e-300, np.inf], dtype=object), id="fractions"),
    pytest.param(np.array([True, False], dtype=object), id="truth values"),
    pytest.param(np.array([1, "1", None, 1.0, True], dtype=object), id="mixed"),
    pytest.param(np.array(["a\0", "b"], dtype=object), id="text with NUL"),
    pytest.param(np.array(["\udc80", "b"], dtype=object), id="text that is not Unicode"),
    pytest.param(np.array([["ab", "c"], ["", "d"]]), id="NumPy text"),
    pytest.param(np.array([], dtype="<U5"), id="no text"),
    pytest.param(np.zeros((2, 0), dtype=np.float32), id="no numbers"),
    pytest.param(np.array(3, dtype=np.int8), id="one number"),
    pytest.param(np.array([True, False]), id="bool"),
    pytest.param(np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1), id="axes in another order"),
    pytest.param(np.asfortranarray(np.arange(6).reshape(2, 3)), id="Fortran order"),
    pytest.param(np.arange(20)[::2], id="every other"),
]


@pytest.mark.parametrize("array", ODD)
def test_arrays_come_back_as_they_were(array):
    about, stored = pack_array(array)
    back = unpack_array(json.loads(json.dumps(about)), stored)
    np.testing.assert_array_equal(back, array, strict=True)
    assert back.dtype == array.dtype
    assert [type(x) for x in back.ravel().tolist()] == [type(x) for x in array.ravel().tolist()]


def test_the_order_of_axes_in_memory_is_kept():
    """A matrix product over another order sums in another order: other last digits."""
    array = np.random.default_rng(1).normal(size=(5, 7, 3)).transpose(1, 0, 2)
    back = unpack_array(*pack_array(array.copy(order="K")))
    assert back.strides == array.strides


def test_other_arrays_are_refused():
    with pytest.raises(TypeError, match="cannot hold"):
        pack_array(np.array([1j]))
    with pytest.raises(TypeError, match="cannot hold"):
        pack_array(np.array([{}], dtype=object))


FRAMES = {
    "numbers": pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan]}),
    "nothing": pd.DataFrame({}, index=range(1)),
    "text": pd.DataFrame({"a": ["x", None], "b/c": pd.array([1, None], dtype="Int64")}),
    "named index": pd.DataFrame({"n": [1, 2]}, index=pd.Index(["p", "q"], name="arm")),
    "several levels": pd.DataFrame(
        {"n": [1.0, 2.0]},
        index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["arm", "wave"]),
    ),
    "levels": pd.DataFrame(
        {
            "text": pd.Categorical(["b", "a"], categories=["b", "unused", "a"]),
            "ordered": pd.Categorical([3, 1], categories=[3, 2, 1], ordered=True),
            "fractions": pd.Categorical([0.5, 0.1]),
            "truth": pd.Categorical([True, False]),
        }
    ),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_frames_come_back_as_they_were(frame):
    arrays: dict[str, np.ndarray] = {}
    plain = json.loads(json.dumps(to_plain(frame, arrays, "frame")))
    back = from_plain(plain, arrays)
    pd.testing.assert_frame_equal(back, frame, check_exact=True, check_column_type=True)
    assert type(back.columns) is type(frame.columns)
    assert not any("/" in name for name in arrays)


VALUES = [
    (1, (2.5, "a"), [None, True], {"x": (), 3: "y"}),
    Coding("treat", ("a", "b")),
    {"record": "Coding", "tuple": 1},
    il.priors.Normal(0.1, 0.3),
    il.priors.LKJ(1.5),
    il.priors.Flat(),
    np.float64(0.1),
    np.int8(3),
    -0.0,
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_records_come_back_as_they_were(value):
    back = from_plain(json.loads(json.dumps(to_plain(value, {}, "value"))), {})
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value)


def test_missing_numbers_come_back():
    for value in (float("nan"), float("inf"), float("-inf")):
        back = from_plain(json.loads(json.dumps(to_plain(value, {}, "value"))), {})
        np.testing.assert_equal(back, value)


def test_two_arrays_of_one_name_are_kept_apart():
    arrays: dict[str, np.ndarray] = {}
    value = {"a/b": np.array([1]), "a|b": np.array([2])}
    back = from_plain(to_plain(value, arrays, "value"), arrays)
    assert {key: int(array[0]) for key, array in back.items()} == {"a/b": 1, "a|b": 2}


def test_what_has_no_place_is_refused_when_saving_and_when_loading():
    with pytest.raises(TypeError, match=r"value\.1 is a set"):
        to_plain((1, {2}), {}, "value")
    with pytest.raises(KeyError):
        from_plain({"record": "Popen", "fields": {}}, {})
    with pytest.raises(ValueError, match="'eval'"):
        from_plain({"eval": "1"}, {})
