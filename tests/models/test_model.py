"""A model where a fit is wanted, or something else where a model is: a sentence, no traceback."""

import copy
import pickle

import pytest

import ilhte_bayes as il


@pytest.fixture(scope="module")
def model():
    return il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))


@pytest.mark.parametrize(
    "use",
    [il.item_effects, il.effect_card, il.persons, il.predict, il.fixed_tests, il.check, il.loo],
)
def test_a_model_is_not_fitted_yet(model, use):
    with pytest.raises(il.errors.ModelError, match=r"is not fitted yet.*il\.laplace"):
        use(model)


def test_other_names_are_missing_as_anywhere(model):
    assert not hasattr(model, "coefficients") and not hasattr(model, "colour")
    with pytest.raises(AttributeError, match="a Model has no 'colour'") as error:
        _ = model.colour
    assert not isinstance(error.value, il.errors.ModelError)


def test_a_model_is_copied_and_pickled_as_it_is(model):
    for other in (copy.copy(model), pickle.loads(pickle.dumps(model))):
        assert repr(other) == repr(model)


@pytest.mark.parametrize("engine", ["laplace", "quadrature", "sample", "conditional"])
def test_engines_take_models(model, engine):
    with pytest.raises(il.errors.ModelError, match=rf"il.{engine} takes a Model.*a str"):
        getattr(il, engine)("yy ~ trt")
    fit = il.laplace(model)
    with pytest.raises(il.errors.ModelError, match=r"a Fit.*fit\.model"):
        getattr(il, engine)(fit)
