"""Compiled: how this folder's loops are compiled, and an exponential that they share."""

import numba

# Sums may be reordered (so that they run in parallel); infinities and NaN keep their meaning.
FAST = {"reassoc", "contract", "nsz", "arcp"}
jit = numba.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")


@numba.njit(inline="always", fastmath=FAST, error_model="numpy")
def exp_below_0(x):
    """exp(x) for x <= 0, to 1e-13 relative; e^-60 below -60.

    (e^(x / 1024))^1024 by a Taylor polynomial and ten squarings: only sums and products, so that
    a loop of it works on several numbers at once, as one of np.exp does not.
    """
    t = max(x, -60.0) / 1024.0
    e = 1.0 + t * (1.0 + t / 2.0 * (1.0 + t / 3.0 * (1.0 + t / 4.0 * (
        1.0 + t / 5.0 * (1.0 + t / 6.0 * (1.0 + t / 7.0 * (1.0 + t / 8.0)))
    ))))  # fmt: skip
    for _ in range(10):
        e *= e
    return e
