"""Grid: equally spaced nodes for theta, as few as keep the likelihood exact to a tolerance.

The integrand is smooth and has Gaussian tails, so that the trapezoid rule converges exponentially:
once nodes lie as close as the narrowest person's posterior SD, halving the step changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

VALUE_TOLERANCE = 1e-4  # of the total log-likelihood
GRADIENT_TOLERANCE = 1e-3  # in posterior SDs of the parameters
_MOST_NODES = 20_000
_AS_GOOD_AS_ZERO = 200.0  # theta with an SD so many times below the widest is a constant
_REACH = (5.0, 5.75, 6.5, 7.25, 8.0, 9.0, 9.0)  # SDs beyond the outermost means
_FINER = (1.15, 1.0, 0.85, 0.7, 0.5, 0.35, 0.25)  # step, in units of the narrowest posterior SD


@dataclass(frozen=True, slots=True)
class Grid:
    """Nodes first, first + step, ..."""

    first: float
    step: float
    size: int
    smallest_sd: float = 0.0  # SDs of theta below it are integrated as if they were it

    @property
    def nodes(self) -> np.ndarray:
        """(node,) values of theta, in logits."""
        return self.first + self.step * np.arange(self.size)

    def doubled(self) -> "Grid":
        """Same range with twice as many nodes, and a fifth of the range added at each end."""
        extra = self.size // 5 + 1
        return Grid(
            self.first - extra * self.step,
            self.step / 2.0,
            2 * (self.size + 2 * extra) - 1,
            self.smallest_sd,
        )

    def __str__(self) -> str:
        last = self.first + self.step * (self.size - 1)
        return f"{self.size} nodes from {self.first:.2f} to {last:.2f} logits"


@dataclass(frozen=True, slots=True)
class Spread:
    """Where theta lies: means of persons, SDs around them, and how much answers say of one."""

    lowest: float
    highest: float
    narrowest: float  # smallest usual SD of theta; for smaller ones the density refines the grid
    widest: float
    information: float  # most Fisher information on one person's theta


@dataclass(frozen=True, slots=True)
class GridError:
    """What doubling the nodes changes, the worst over the states tried."""

    value: float  # total log-likelihood
    gradient: float  # largest entry of the gradient times its parameter's posterior SD

    @property
    def small(self) -> bool:
        """Whether both are within their tolerance."""
        return self.value < VALUE_TOLERANCE and self.gradient < GRADIENT_TOLERANCE

    def __str__(self) -> str:
        return (
            f"doubling the nodes changes the log-likelihood by {self.value:.1e} and its gradient "
            f"by {self.gradient:.1e} posterior SDs"
        )


# log-likelihood (state,) and its gradient (state, parameter) times the parameters' posterior SDs
Evaluate = Callable[[Grid], tuple[np.ndarray, np.ndarray]]


def grid_error(grid: Grid, evaluate: Evaluate) -> GridError:
    """Compare with a grid of twice as many nodes over a wider range, in every state."""
    coarse, fine = evaluate(grid), evaluate(grid.doubled())
    return GridError(_largest(coarse[0] - fine[0]), _largest(coarse[1] - fine[1]))


def choose_grid(
    spread: Spread, evaluate: Evaluate, *, safety: float = 100.0
) -> tuple[Grid, GridError]:
    """Widen and refine a grid until its error is far below the tolerance in every state.

    Parameters
    ----------
    spread : Spread
    evaluate : callable
        States are parameter values: the mode, and values towards the posterior's edges.
    safety : float
        How many times smaller than the tolerances the error must be.
    """
    step = 1.0 / np.sqrt(spread.information + 1.0 / spread.narrowest**2)
    best: tuple[Grid, GridError] | None = None
    for reach, finer in zip(_REACH, _FINER, strict=True):
        low = spread.lowest - reach * spread.widest
        high = spread.highest + reach * spread.widest
        size = min(int(np.ceil((high - low) / (step * finer))) + 1, _MOST_NODES)
        grid = Grid(low, (high - low) / (size - 1), size, spread.widest / _AS_GOOD_AS_ZERO)
        error = grid_error(grid, evaluate)
        if best is None or error.value < best[1].value:
            best = grid, error
        if error.value * safety < VALUE_TOLERANCE and error.gradient * safety < GRADIENT_TOLERANCE:
            break
    assert best is not None
    return best


def _largest(change: np.ndarray) -> float:
    size = np.max(np.abs(change), initial=0.0)
    return float(size) if np.isfinite(size) else float("inf")


def grid_for(
    mean: np.ndarray, sd: np.ndarray, information: float, *, reach: float, finer: float
) -> Grid:
    """Nodes for one set of parameter values, without trying them.

    Parameters
    ----------
    mean : (mean,) array
        Means of theta.
    sd : (class,) array
        SDs of theta around them.
    information : float
        Most Fisher information on one person's theta: see `plan.most_information`.
    reach : float
        SDs of theta that the nodes span beyond the outermost means.
    finer : float
        Largest step, in units of the narrowest posterior SD.
    """
    low = float(mean.min() - reach * sd.max())
    high = float(mean.max() + reach * sd.max())
    step = finer / np.sqrt(information + 1.0 / sd.min() ** 2)
    size = int(np.ceil((high - low) / step)) + 1
    return Grid(low, (high - low) / (size - 1), size)
