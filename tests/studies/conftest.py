"""Small trials of a study, and where the published table is."""

import numpy as np
import pandas as pd
import pytest


def made_trial(seed, *, persons=60, items=5, spread=0.5):
    """A trial in IRW's columns, with a covariate that goes with ability."""
    rng = np.random.default_rng(seed)
    arm = np.arange(persons) % 2
    ability, easiness = rng.normal(size=persons), rng.normal(size=items)
    effect = 0.3 + spread * rng.normal(size=items)
    logit = ability[:, None] + easiness + effect * arm[:, None]
    score = (rng.random(logit.shape) < 1 / (1 + np.exp(-logit))).astype(int)
    person, item = (grid.ravel() for grid in np.indices(score.shape))
    before = (ability + rng.normal(size=persons)).round(3)
    return pd.DataFrame(
        {
            "id": person,
            "item": item + 1,
            "treat": arm[person],
            "resp": score.ravel(),
            "std_baseline": before[person],
        }
    )


def without_time(frame):
    """A study's table without what differs from run to run."""
    return frame.drop(columns=["seconds", "fit_seconds"], errors="ignore")


@pytest.fixture(scope="session")
def trial_of():
    return made_trial


@pytest.fixture(scope="session")
def timeless():
    return without_time
