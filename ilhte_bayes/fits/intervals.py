"""How estimates are printed: 95 % Wald intervals, on a scale where they are nearly normal; p-values."""

import math

import numpy as np

LEVEL = 0.95  # of every interval that does not say another
TAILS = (0.025, 0.975)  # (1 -+ LEVEL) / 2: quantiles of draws at its ends
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


def p_value(p: float) -> str:
    """A probability as tables print it: ".051", "< .001"."""
    if math.isnan(p):
        return "-"
    if p < 0.0005:
        return "< .001"
    return "> .999" if p >= 0.9995 else f"{p:.3f}".lstrip("0")


def p_words(p: float) -> str:
    """The same in a sentence: "p = .051", "p < .001"."""
    text = p_value(p)
    return f"p {text}" if text[0] in "<>" else f"p = {text}"
