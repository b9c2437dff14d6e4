"""Which trials speak for effects that differ between items: of a study, or of a published table."""

import numpy as np
import pandas as pd

SIGNIFICANT = 0.05  # of p-values
FACTOR = 1.0 / 3.0  # Bayes factor for sigma_zeta = 0 below which answers speak against it

_WORDS = {
    "p_mixture": f"p < {SIGNIFICANT:g} (boundary mixture) for effects that differ between items",
    "lrt_pval": f"p < {SIGNIFICANT:g} (halved, as IRW's) for effects that differ between items",
    "bf_zero": "Bayes factor of 3 or more for effects that differ between items",
}


def evidence(frame: pd.DataFrame) -> np.ndarray | None:
    """(trial,) whether a trial speaks for effects that differ; None where nobody asked."""
    column = _column(frame)
    if column is None:
        return None
    values = frame[column].to_numpy(dtype=float)
    if column == "p_mixture":  # where the mixture does not hold, chi-squared is cautious
        values = np.where(np.isnan(values), frame["p_naive"].to_numpy(dtype=float), values)
    return np.asarray(values <= FACTOR if column == "bf_zero" else values < SIGNIFICANT)


def evidence_words(frame: pd.DataFrame) -> str:
    """What counts as evidence."""
    return _WORDS[str(_column(frame))]


def _column(frame: pd.DataFrame) -> str | None:
    return next((name for name in _WORDS if name in frame), None)
