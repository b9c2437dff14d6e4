"""A simulated trial in words: sizes, truth, and the first rows."""

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_ROWS = 5


class Simulated(Protocol):
    """What is told of."""

    @property
    def table(self) -> "pd.DataFrame":
        """Answers."""

    @property
    def truth(self) -> "xr.Dataset":
        """What they were made of."""

    @property
    def source(self) -> str:
        """Where that came from."""

    @property
    def seed(self) -> int:
        """Of everything random."""


def describe_simulated(made: Simulated) -> str:
    """Text form."""
    sizes = [
        f"{made.truth.sizes[name[3:]]:,} levels of {name[3:]}"
        for name in map(str, made.truth.data_vars)
        if name.startswith("re_")
    ]
    lines = [f"Simulated from {made.source}, seed {made.seed}"]
    lines.append(f"{len(made.table):,} answers; {', '.join(sizes)}")
    lines += ["", "True parameters (logits)", *_parameters(made.truth)]
    lines += ["", f"First rows of .table ({made.table.shape[1]} columns)"]
    lines.append(made.table.head(_ROWS).to_string(index=False))
    lines.append("True effects stand in .truth and .items; .model() is the model that made them.")
    return "\n".join(lines)


def _parameters(truth: "xr.Dataset") -> list[str]:
    """A line for fixed effects, and one for each group."""
    beta = truth["beta"]
    lines = [
        "  "
        + ", ".join(f"{t} {v:.2f}" for t, v in zip(beta["term"].to_numpy(), beta, strict=True))
    ] if "beta" in truth else []  # fmt: skip
    for name in map(str, truth.data_vars):
        if not name.startswith("sd_"):
            continue
        group, sd = name[3:], np.atleast_1d(truth[name].to_numpy())
        line = f"  {group}: SD {', '.join(f'{v:.2f}' for v in sd)}"
        corr = truth.get(f"corr_{group}")
        if corr is not None and sd.size == 2:
            line += f", correlation {float(corr[0, 1]):.2f}"
        lines.append(line)
    return lines
