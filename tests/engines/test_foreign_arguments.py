"""Arguments of other programs: each is answered with what is typed here, before anything is fitted."""

import inspect
import pickle
import re

import pytest

import ilhte_bayes as il
from ilhte_bayes.engines import foreign_arguments


@pytest.fixture(scope="module")
def model():
    return il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria"))


@pytest.mark.parametrize(
    "engine, given, said",
    [
        ("laplace", "nAGQ", r"il\.quadrature\(model\)"),
        ("laplace", "REML", "not offered"),
        ("laplace", "family", "part of the model"),
        ("laplace", "seed", r"il\.sample\(model, seed="),
        ("quadrature", "nAGQ", "as many nodes as it takes"),
        ("sample", "iter", "draws=1000, tune=500"),
        ("sample", "warmup", "Say tune="),
        ("sample", "samples", "Say draws="),
        ("sample", "cores", "side by side"),
        ("sample", "adapt_delta", "Say target_accept="),
        ("sample", "draw", "Did you mean draws="),  # a slip, in no list
    ],
)
def test_what_to_type_instead_is_said(model, engine, given, said):
    with pytest.raises(TypeError, match=rf"il\.{engine} has no argument '{given}'\. .*{said}"):
        getattr(il, engine)(model, **{given: 1})
    with pytest.raises(TypeError, match=said):  # the method passes it on
        getattr(model, engine)(**{given: 1})


def test_a_card_has_no_level(model):
    with pytest.raises(TypeError, match=r"no argument 'level'\. Intervals are of 95 %\. It has k"):
        il.effect_card(model, level=0.9)


@pytest.mark.parametrize("engine", ["laplace", "quadrature", "sample"])
def test_sentences_speak_of_arguments_that_exist(engine):
    listed = getattr(foreign_arguments, engine.upper())
    here = set(inspect.signature(getattr(il, engine)).parameters)
    assert here >= {"model"} and not here & set(listed)
    for sentence in listed.values():
        for called, argument in re.findall(r"il\.(\w+)\(model, (\w+)=", sentence):
            assert argument in inspect.signature(getattr(il, called)).parameters
        for argument in re.findall(r"Say (\w+)=", sentence):
            assert argument in here


def test_functions_stay_what_they_were():
    """Signature, documentation, and that a process can be sent them."""
    assert str(inspect.signature(il.laplace)).startswith("(model: ")
    assert il.laplace.__doc__.startswith("Fit a model by Laplace")
    assert pickle.loads(pickle.dumps(il.sample)) is il.sample
