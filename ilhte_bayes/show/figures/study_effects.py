"""Effects of all items of all trials: trials ordered by their average effect, coloured by evidence."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ilhte_bayes.errors import DataError
from ilhte_bayes.show.evidence import evidence, evidence_words
from ilhte_bayes.show.figures.canvas import LONGEST, cut
from ilhte_bayes.show.figures.drawing import (
    QUIET,
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

_AVERAGE = Look("black", "D")


def study_effects(
    study: Any,
    items: pd.DataFrame | None = None,
    *,
    ax: Axes | None = None,
    backend: Backend = "matplotlib",
    size: Size = "paper",
) -> Any:
    """Draw every item's effect in every trial, the trials ordered by their average effect.

    Parameters
    ----------
    study : Study or pandas.DataFrame
        From `il.study`; or a published table with columns `ate_std` and `lrt_pval` and the trial in
        the index or in `tab`.
    items : pandas.DataFrame, optional
        Beside a published table: `tab` and `total_std`, an item's effect in SDs of ability.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; a new figure otherwise.
    backend : {"matplotlib", "plotly"}
    size : {"paper", "slide"}

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        Dots are items (predicted, hence shrunken, effects), diamonds average effects, both in SDs
        of ability (IRW's sigma_theta). Orange: the trial's answers speak for effects that differ
        between items.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> exam = il.load_dataset("mathexam")
    >>> person = exam["id"].astype("category").cat.codes
    >>> halves = {"odd": exam[person % 2 == 1], "even": exam[person % 2 == 0]}
    >>> found = il.study(halves, models=["M_0", "M_A"], engine="laplace", progress=False)
    >>> ax = il.plot.study_effects(found)
    """
    frame, items = study_frames(study, items)
    return draw(_drawing(frame, items), ax=ax, backend=backend, size=size)


def study_frames(
    study: Any, items: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of trials with results, and of their items; both indexed by trial first."""
    if isinstance(study, pd.DataFrame):
        frame = study.set_index("tab") if "tab" in study else study
        rows = pd.DataFrame(columns=["total_std"], dtype=float) if items is None else items
        rows = rows.set_index("tab") if "tab" in rows else rows
    else:
        frame, rows = study.done, study.items
    if frame.empty:
        raise DataError(
            "no trial has results, so there is nothing to draw. study.failures says why: mend these "
            "tables, and run il.study again."
        )
    return frame, rows


def _drawing(frame: pd.DataFrame, items: pd.DataFrame) -> Drawing:
    frame = frame.sort_values("ate_std", kind="stable")
    place = pd.Series(np.arange(len(frame), dtype=float), index=frame.index)
    speaks = evidence(frame)
    strong = np.zeros(len(frame), dtype=bool) if speaks is None else speaks
    trial = items.index.get_level_values(0)
    known = trial.isin(frame.index)
    items, trial = items[known], trial[known]
    of_strong = pd.Series(strong, index=frame.index).reindex(trial).to_numpy(dtype=bool)
    marks: list[Mark] = [Rule(0.0)]
    kinds = (
        (of_strong, REFERENCE, _words(frame, strong), False),
        (~of_strong, TREATED, "other trials", True),  # hollow: told apart in grey, too
    )
    for chosen, look, words, hollow in kinds:
        if chosen.any():
            marks.append(
                Points(
                    items["total_std"].to_numpy(dtype=float)[chosen],
                    place.reindex(trial).to_numpy()[chosen],
                    look=Look(look.colour, "o"),
                    names=_names(items[chosen]),
                    words=words,
                    size=2.6,
                    hollow=hollow,
                )
            )
    marks.append(
        Points(
            frame["ate_std"].to_numpy(dtype=float),
            place.to_numpy(),
            x_interval=_intervals(frame),
            faint=True,  # items lie behind
            look=_AVERAGE if len(items) else QUIET,
            names=tuple(map(str, frame.index)),
            words="average effect of a trial, 95 % interval"
            if _intervals(frame)
            else "average effect of a trial",
            size=3.2,
        )
    )
    names = tuple((float(k), cut(name, 24)) for k, name in enumerate(frame.index))
    x = Axis("Effect on an item (SDs of ability)", grid=True)
    y = Axis(
        "Trial, by average effect", (-0.9, len(frame) - 0.1), names if len(frame) < 100 else ()
    )
    longest = min(LONGEST, max(map(len, map(str, frame.index))))
    return Drawing((Panel(tuple(marks), x, y),), (5.6 + 0.05 * longest, 1.4 + 0.15 * len(frame)))


def _intervals(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray] | None:
    """Of the average effects, brought to IRW's scale as the estimates are; a study of ours has them."""
    ends = ("ate_logit_lower", "ate_logit_upper")
    if not set(ends) <= set(frame):
        return None
    unit = (frame["ate_std"] / frame["ate_logit"]).abs()
    lower, upper = (frame[end].mul(unit).to_numpy(dtype=float) for end in ends)
    return lower, upper


def _words(frame: pd.DataFrame, strong: np.ndarray) -> str:
    return f"{int(strong.sum())} of {len(frame)} trials: {evidence_words(frame)}"


def _names(items: pd.DataFrame) -> tuple[str, ...]:
    labels = items["item"] if "item" in items else items.index.get_level_values(-1)
    trials = items.index.get_level_values(0)
    return tuple(f"{trial}: {label}" for trial, label in zip(trials, labels, strict=True))
