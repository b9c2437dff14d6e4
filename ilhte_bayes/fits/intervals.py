"""95 % intervals of estimates: Wald, on a scale where the estimate is nearly normal."""

import numpy as np

LEVEL = 0.95
Z = 1.959963984540054  # normal quantile of (1 + LEVEL) / 2


def normal_interval(estimate: np.ndarray, se: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric interval."""
    return estimate - Z * se, estimate + Z * se


def sd_interval(sd: float, se: float) -> tuple[float, float]:
    """Interval of an SD, symmetric on the log scale (delta method)."""
    width = np.exp(np.minimum(Z * se / sd, 700.0))
    return float(sd / width), float(sd * width)


def correlation_interval(corr: float, se: float) -> tuple[float, float]:
    """Interval of a correlation, symmetric on the atanh scale (delta method)."""
    width = Z * se / (1.0 - corr**2)
    return float(np.tanh(np.arctanh(corr) - width)), float(np.tanh(np.arctanh(corr) + width))
