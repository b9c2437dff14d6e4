"""What M_B makes of item effects: difference in interactions against the ratio of SDs of easiness."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ilhte_bayes.errors import DataError
from ilhte_bayes.show.evidence import evidence, evidence_words
from ilhte_bayes.show.figures.drawing import (
    REFERENCE,
    TREATED,
    Axis,
    Backend,
    Drawing,
    Look,
    Mark,
    Panel,
    Points,
    Rule,
    Size,
    draw,
)
from ilhte_bayes.show.figures.study_effects import study_frames
from ilhte_bayes.show.words import number


def study_interactions(
    study: Any,
    *,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw beta_3 of M_B minus that of M_C against the ratio of SDs of easiness, a point a trial.

    Parameters
    ----------
    study : Study or pandas.DataFrame
        From `il.study`; or a published table with columns `sd_ratio`, `delta_beta3` and `lrt_pval`.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        The correlation over trials stands above. Where effects are no different between items, or
        at a ratio of 1, both models find the same interaction.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> exam = il.load_dataset("mathexam")
    >>> person = exam["id"].astype("category").cat.codes
    >>> halves = {"odd": exam[person % 2 == 1], "even": exam[person % 2 == 0]}
    >>> found = il.study(halves, covariate="cov_tests", engine="laplace", progress=False)
    >>> ax = il.plot.study_interactions(found)
    """
    frame, _ = study_frames(study)
    if "delta_beta3" not in frame or frame["delta_beta3"].notna().sum() == 0:
        raise DataError(
            "no trial has a difference of interactions: that takes a covariate and the models M_B "
            "and M_C. Say covariate='...', or name columns std_baseline or cov_...."
        )
    return draw(_drawing(frame), ax=ax, backend=backend, size=size)


def _drawing(frame: pd.DataFrame) -> Drawing:
    speaks = evidence(frame)
    strong = np.zeros(len(frame), dtype=bool) if speaks is None else speaks
    known = frame["delta_beta3"].notna().to_numpy() & frame["sd_ratio"].notna().to_numpy()
    frame, strong = frame[known], strong[known]
    x, y = (frame[name].to_numpy(dtype=float) for name in ("sd_ratio", "delta_beta3"))
    marks: list[Mark] = [Rule(1.0), Rule(0.0, "y")]
    words = evidence_words(frame) if speaks is not None else ""
    for chosen, look, text in ((strong, REFERENCE, words), (~strong, TREATED, "other trials")):
        if chosen.any():
            marks.append(
                Points(
                    x[chosen],
                    y[chosen],
                    look=Look(look.colour, look.marker),
                    names=tuple(map(str, frame.index[chosen])),
                    words=text,
                    size=4.5,
                )
            )
    title = f"{len(frame)} trials with a covariate"
    if len(frame) > 2:
        title += f", correlation {number(float(np.corrcoef(x, y)[0, 1]), 3)}"
    panel = Panel(
        tuple(marks),
        Axis("Ratio of SDs of easiness, treated / control", grid=True),
        Axis("Interaction, M_B minus M_C (logits per SD)", grid=True),
        title,
    )
    return Drawing((panel,), (5.8, 4.2))
