"""Posteriors with a known error, to see whether calibration finds it (no tests here)."""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from ilhte_bayes.models.model import Model, with_parts
from ilhte_bayes.models.prior_draws import draw_from_prior
from ilhte_bayes.studies.calibration import Engine, nuts


class Recorded:
    """An engine that fits each data set once, for several studies with the same seed."""

    def __init__(self, engine: Engine = nuts) -> None:
        self.engine, self.store = engine, {}

    def __call__(self, model: Model, draws: int, seed: int) -> xr.Dataset:
        if (draws, seed) not in self.store:
            self.store[draws, seed] = self.engine(model, draws, seed)
        return self.store[draws, seed]


@dataclass(frozen=True)
class Narrow:
    """Every parameter 30 % closer to its mean: SDs on the log, correlations on the atanh scale."""

    engine: Engine

    def __call__(self, model: Model, draws: int, seed: int) -> xr.Dataset:
        return self.engine(model, draws, seed).map(self.narrowed, keep_attrs=True)

    @staticmethod
    def narrowed(values: xr.DataArray) -> xr.DataArray:
        name, numbers = str(values.name), values.to_numpy()
        if name.startswith("corr_"):
            off = ~np.eye(numbers.shape[-1], dtype=bool)
            free = np.where(off, np.arctanh(np.where(off, numbers, 0.0)), 0.0)
            shrunk = np.tanh(_shrunk(free))
            return values.copy(data=np.where(off, shrunk, 1.0))
        if name.startswith("sd_"):
            return values.copy(data=np.exp(_shrunk(np.log(numbers))))
        return values.copy(data=_shrunk(numbers))


def _shrunk(values: np.ndarray) -> np.ndarray:
    mean = values.mean(axis=(0, 1), keepdims=True)
    return mean + 0.7 * (values - mean)


@dataclass(frozen=True)
class WrongSign:
    """Correlations of two columns with the other sign."""

    engine: Engine

    def __call__(self, model: Model, draws: int, seed: int) -> xr.Dataset:
        def turned(values: xr.DataArray) -> xr.DataArray:
            if not str(values.name).startswith("corr_"):
                return values
            return values * (2.0 * np.eye(values.shape[-1]) - 1.0)

        return self.engine(model, draws, seed).map(turned, keep_attrs=True)


def prior_only(model: Model, draws: int, seed: int) -> xr.Dataset:
    """Independent draws from the prior, as if there were no answers."""
    rng = np.random.default_rng(seed)
    drawn = [draw_from_prior(model, rng) for _ in range(draws)]
    return xr.concat(drawn, "draw").expand_dims("chain").assign_coords(draw=np.arange(draws))


@dataclass(frozen=True)
class Forgetful:
    """Answers to the first item are not looked at (or none are, but those of `keep`)."""

    engine: Engine
    keep: np.ndarray | None = None

    def __call__(self, model: Model, draws: int, seed: int) -> xr.Dataset:
        seen = model.design.group("item").level != 0 if self.keep is None else self.keep
        responses, design = model.responses, model.design
        groups = tuple(replace(group, level=group.level[seen]) for group in design.groups)
        changed = {name: getattr(design, name)[seen] for name in ("score", "count", "pattern")}
        levels = {name: level[seen] for name, level in responses.levels.items()}
        n_obs = int(changed["count"].sum())
        left = with_parts(
            model,
            responses=replace(responses, levels=levels, n_obs=n_obs, **changed),
            design=replace(design, groups=groups, n_obs=n_obs, **changed),
        )
        return self.engine(left, draws, seed)
