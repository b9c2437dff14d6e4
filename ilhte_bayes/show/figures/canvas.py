"""What all figures share: colours, a quiet frame, names that are never read as mathematics."""

import sys
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.estimands.items import ItemEffects, treatment_contrasts
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.contrasts import Contrast

# Okabe & Ito's palette stays distinct for colour-blind readers and in grey.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#666666"
DIVERGING = (BLUE, "#FFFFFF", ORANGE)  # from below 0 to above
LONGEST = 32  # characters of a name; longer ones are cut


def new_axes(width: float, height: float) -> Axes:
    """One set of axes on a figure of its own (inches)."""
    return new_figure(width, height).subplots()


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure: pyplot's in a notebook, which then shows it, else one of its own.

    Outside a notebook pyplot would keep every figure in memory and may ask for a screen.
    """
    size = (width, height)
    if "ipykernel" in sys.modules:
        import matplotlib.pyplot as plt

        return plt.figure(figsize=size, layout="constrained", dpi=120)
    return Figure(figsize=size, layout="constrained", dpi=120)


def new_panels(
    ax: Axes | None, rows: int, columns: int, size: tuple[float, float], **options: Any
) -> tuple[Figure | SubFigure, list[Axes]]:
    """Small multiples on a figure of their own, or in the place of `ax`."""
    if ax is None:
        host: Figure | SubFigure = new_figure(*size)
    else:
        place = ax.get_subplotspec()
        if place is None:
            raise ModelError(
                "this figure has several panels and takes the place of axes made by "
                "figure.subplots(...). Give such axes, or leave ax out."
            )
        parent = ax.figure
        ax.remove()
        host = parent.add_subfigure(place)
    return host, host.subplots(rows, columns, squeeze=False, **options).ravel().tolist()


def quiet(ax: Axes, grid: str = "x") -> None:
    """Take away the frame's upper and right side; a light grid behind everything."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    if grid in ("x", "y", "both"):
        ax.grid(axis=grid, color="0.9", linewidth=0.6)  # type: ignore[arg-type]
    ax.set_axisbelow(True)


def legend_above(ax: Axes, handles: Sequence[Any], labels: Sequence[str], ncols: int) -> None:
    """Legend in a line above the axes and their title, where it hides nothing."""
    ax.legend(
        list(handles),
        list(labels),
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=ncols,
        frameon=False,
        fontsize="small",
        borderaxespad=2.2 if ax.get_title() else 0.4,  # in letters
    )


def legend_of_panels(
    host: Figure | SubFigure,
    handles: Sequence[Any],
    labels: Sequence[str],
    ncols: int | None = None,
) -> None:
    """One legend above all panels, in a line unless columns are given."""
    host.legend(
        list(handles),
        list(labels),
        loc="outside upper center",
        ncols=ncols or len(labels),
        frameon=False,
        fontsize="small",
    )


def cut(name: object, longest: int = LONGEST) -> str:
    """A name on one line, cut if long."""
    text = " ".join(str(name).split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def plain(name: object, longest: int = LONGEST) -> str:
    """As `cut`, for matplotlib: dollar signs are no mathematics."""
    return cut(name, longest).replace("$", r"\$")


def effect_words(noun: str, contrast: str) -> str:
    """What the axis of effects is called."""
    if noun == "difference":
        return f"Difference between groups, {plain(contrast)} (logits)"
    return f"{noun.capitalize()} of treatment, {plain(contrast)} (logits)"


def chosen_contrast(fit: Fit, label: str | None) -> Contrast:
    """The contrast of this label; the first arm against the reference by default."""
    contrasts = treatment_contrasts(fit)
    return contrasts[_place([c.label for c in contrasts], label)]


def chosen_label(effects: ItemEffects, label: str | None) -> str:
    """As `chosen_contrast`, among the contrasts of a table of item effects."""
    labels = [str(name) for name in effects.average.index]
    return labels[_place(labels, label)]


def _place(labels: list[str], label: str | None) -> int:
    if label is None:
        return 0
    if label not in labels:
        raise ModelError(f"contrast={label!r}; it is one of {listed(labels, 10)}.")
    return labels.index(label)
