"""Trials small enough to check by hand, and fits whose draws are what a test says they are."""

import pytest

import ilhte_bayes as il


@pytest.fixture(scope="session")
def caffeine():
    """A real trial, by MAP."""
    table = il.load_dataset("caffeine")
    model = il.il_hte(table, response="resp >= 2", clusters=["study"])
    return il.laplace(model, objective="map")
