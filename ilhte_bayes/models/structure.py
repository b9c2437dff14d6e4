"""Structure: a model with persons integrated out as arrays, and as one buffer of them.

All arrays lie in one buffer of 8-byte words, which a sampler passes on as a plain pointer. Kept
apart from `posterior`, which compiles when it is imported.
"""

from typing import NamedTuple

import numpy as np

# kinds of priors, up to a constant: numbers a, b, c
NORMAL, STUDENT, FLAT, EXPONENTIAL, GAMMA = range(5)


class Structure(NamedTuple):
    """A model as arrays. Vectors over columns put the groups one after the other."""

    # coefficients, x[:n_fixed]; thresholds first: the lowest, then logarithms of the gaps
    n_cuts: np.ndarray  # (1,)
    beta_kind: np.ndarray
    beta_numbers: np.ndarray  # (term * 3,)
    # groups; the integrated one has 0 levels
    column_start: np.ndarray  # (group + 1,)
    group_levels: np.ndarray  # (group,)
    sd_at: np.ndarray  # (group,) position in x of log SDs
    pair_at: np.ndarray  # (group,) position in x of the logits of (1 + partial correlation) / 2
    raw_at: np.ndarray  # (group,) position in x of what is sampled for each level and column
    effect_at: np.ndarray  # (group,) position in the vector of effects
    sd_kind: np.ndarray  # (column,)
    sd_numbers: np.ndarray  # (column * 3,)
    centred: np.ndarray  # (column,) 1 where effects are sampled as they are
    carried: np.ndarray  # (column,) coefficient that is sampled with the effects, or -1
    pair_start: np.ndarray  # (group + 1,)
    pair_row: np.ndarray  # (pair,)
    pair_column: np.ndarray  # (pair,)
    pair_shape: np.ndarray  # (pair,) Beta(shape, shape)
    integrated: np.ndarray  # (1,) which group is integrated out, or -1
    # linear predictors of cells (0), means (1), answers with nothing integrated (2), gaps between
    # thresholds (3) and categories (4), one after the other
    place_terms_start: np.ndarray  # (6,)
    place_terms: np.ndarray  # coefficients that enter
    place_x_start: np.ndarray  # (6,)
    place_x: np.ndarray  # (place, term) of each, flat
    place_size: np.ndarray  # (5,)
    part_start: np.ndarray  # (6,) random-effect columns that enter
    part_group: np.ndarray
    part_position: np.ndarray
    part_level_start: np.ndarray
    part_level: np.ndarray
    part_z_start: np.ndarray  # -1 where z is 1 everywhere
    part_z: np.ndarray
    # answers with nothing integrated, counted by predictor; answers in each gap
    answer_ones: np.ndarray
    answer_count: np.ndarray
    gap_count: np.ndarray
    # the integral
    grid: np.ndarray  # first, step, size, smallest SD of theta
    slopes: np.ndarray
    score: np.ndarray
    table_start: np.ndarray
    entry_cell: np.ndarray
    entry_count: np.ndarray
    table_class: np.ndarray
    unit_start: np.ndarray
    unit_mean: np.ndarray
    unit_count: np.ndarray
    cell_slope: np.ndarray
    cell_total: np.ndarray
    # the sampler moves in y, x = origin + root @ y; both empty where it moves in x itself
    origin: np.ndarray
    root: np.ndarray  # flat: (unknown, unknown), or (1 + coefficient, unknown) if shorter
    # answers in categories with a predictor each, by question
    category_count: np.ndarray  # (question, category), flat
    n_categories: np.ndarray  # (1,)


FLOATS = frozenset(
    {
        "beta_numbers", "sd_numbers", "pair_shape", "place_x", "part_z", "grid", "slopes", "score",
        "unit_count", "cell_total", "answer_ones", "answer_count", "gap_count", "origin", "root",
        "category_count",
    }
)  # fmt: skip


def pack(structure: Structure) -> np.ndarray:
    """Put all arrays into one buffer: number of words, then where each begins and its length."""
    header = 1 + 2 * len(Structure._fields)
    arrays = [
        np.ascontiguousarray(array, dtype=np.float64 if name in FLOATS else np.int64).ravel()
        for name, array in structure._asdict().items()
    ]
    ends = header + np.cumsum([array.size for array in arrays])
    out = np.empty(int(ends[-1]), dtype=np.int64)
    out[0] = out.size
    for k, (array, end) in enumerate(zip(arrays, ends, strict=True)):
        out[1 + 2 * k], out[2 + 2 * k] = end - array.size, array.size
        out[end - array.size : end] = array.view(np.int64)
    return out
