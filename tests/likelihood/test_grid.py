"""The grid: steps follow the narrowest posterior, and an integrand with a closed form is met."""

import numpy as np
import pytest

from ilhte_bayes.likelihood.grid import VALUE_TOLERANCE, Grid, Spread, choose_grid, grid_error

NO_ERROR = (np.zeros(1), np.zeros((1, 1)))


def normal_integral(sd: float, mean: float = 0.0):
    """log of the integral of exp(-(theta - mean)^2 / 2 sd^2), by the nodes; a gradient of 0."""

    def evaluate(grid: Grid):
        value = np.exp(-0.5 * np.square((grid.nodes - mean) / sd)).sum() * grid.step
        return np.log([value]), np.zeros((1, 1))

    return evaluate


def test_nodes_lie_as_close_as_the_narrowest_posterior_is_wide():
    """Posterior SD: 1 / sqrt(information + 1 / SD^2), of a normal ability and so much information;
    the first step tried is 1.15 of them, over 5 SDs beyond the outermost means."""
    for narrowest, information in ((1.0, 0.0), (0.1, 0.0), (0.5, 12.0)):
        spread = Spread(-1.0, 2.0, narrowest, 1.0, information)
        grid, _ = choose_grid(spread, lambda grid: NO_ERROR)
        assert grid.first == -6.0 and grid.nodes[-1] == pytest.approx(7.0)
        posterior_sd = (information + narrowest**-2) ** -0.5
        assert grid.step <= 1.15 * posterior_sd
        assert grid.size == np.ceil(13.0 / (1.15 * posterior_sd)) + 1


def test_it_refines_until_the_integral_is_met():
    """sqrt(2 pi) sd, from a spread that says ten times wider than it is."""
    sd = 0.1
    grid, error = choose_grid(Spread(0.0, 0.0, 0.35, 1.0, 0.0), normal_integral(sd), safety=100.0)
    assert error.value * 100 < VALUE_TOLERANCE and error.small
    exact = np.log(np.sqrt(2 * np.pi) * sd)
    assert normal_integral(sd)(grid)[0][0] == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("power, steps", [(1, 0.25), (-1, 1.15)])
def test_the_best_is_kept_where_none_is_good_enough(power, steps):
    """Errors that fall with the step keep the last try, errors that grow the first."""

    def evaluate(grid: Grid):
        return np.array([grid.step**power]), np.zeros((1, 1))

    grid, error = choose_grid(Spread(0.0, 0.0, 1.0, 1.0, 0.0), evaluate)
    assert not error.small and grid.step == pytest.approx(steps, rel=0.05)


def test_doubling_halves_the_step_and_reaches_a_fifth_beyond_both_ends():
    grid = Grid(-2.0, 0.5, 9)
    fine = grid.doubled()
    assert fine.step == 0.25 and set(grid.nodes) <= set(fine.nodes)
    assert fine.nodes[0] == pytest.approx(-3.0) and fine.nodes[-1] == pytest.approx(3.0)
    assert grid_error(grid, normal_integral(5.0)).value > 0.1  # most of it lies beyond the ends
