"""One verb opens every file that the package writes."""

import os
from pathlib import Path
from typing import Any

from ilhte_bayes.data.reduction_file import read_reduced
from ilhte_bayes.fits.storage import load_fit
from ilhte_bayes.models.analysis_plan import load_plan

_PARQUET = b"PAR1"
_LOOK = 100_000  # bytes
_PLAN = b"```json"  # a plan's block for programs; the rest of it is for people


def load(path: str | os.PathLike[str]) -> Any:
    """Open a file that this package saved: a fit, counts of `il.reduce`, or an analysis plan.

    Parameters
    ----------
    path : str or path
        What `fit.save`, `reduced.save` or `plan.save` wrote; which of them, the file itself says.

    Returns
    -------
    Fit, Reduced or AnalysisPlan
        A fit's model can be fitted again and its tables are the same to the last digit;
        `fit.tree.attrs["made_with"]` has the versions of the packages that made it. A plan that
        was changed after it was saved is read with a warning.

    Raises
    ------
    DataError
        If the file is none of ours, is cut short, is of a newer format, or, of a fit and of
        counts, was changed in any byte.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> import tempfile
    >>> model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    >>> path = il.laplace(model).save(f"{tempfile.mkdtemp()}/bacteria.nc")
    >>> round(il.load(path).loglik, 2)
    -96.13
    """
    source = Path(path).expanduser()
    if source.is_file():
        with source.open("rb") as handle:
            start = handle.read(_LOOK)
        if start.startswith(_PARQUET):
            return read_reduced(source)
        if _PLAN in start or source.suffix == ".md":
            return load_plan(source)
    return load_fit(source)
