"""An exact gradient against differences of the value."""

import numpy as np
import pytest

_STEP = 1e-4


def assert_gradient(target, psi):
    """A central difference of step 1e-4 errs by about 1e-8 times the third derivative."""
    gradient = target.gradient(target.evaluate(psi))
    for k, e in enumerate(_STEP * np.eye(target.n_psi)):
        slope = (target.evaluate(psi + e).value - target.evaluate(psi - e).value) / (2 * _STEP)
        assert gradient[k] == pytest.approx(slope, rel=1e-5, abs=2e-5), k
