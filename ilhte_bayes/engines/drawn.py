"""What the two ways of sampling, joint and integrated, are asked for and give back."""

from dataclasses import dataclass
from typing import Any, Literal

import xarray as xr

Sampler = Literal["nutpie", "numpyro"]
SMALLEST_START = 0.05  # logits; a chain started at an SD of 0 would stay there


@dataclass(frozen=True, slots=True)
class Run:
    """Numbers of a run of the sampler."""

    draws: int
    tune: int
    chains: int
    seed: int
    target_accept: float
    progress: bool
    sampler: Sampler = "nutpie"

    def options(self) -> dict[str, Any]:
        """Arguments of `nutpie.sample`."""
        return {
            "draws": self.draws,
            "tune": self.tune,
            "chains": self.chains,
            "seed": self.seed,
            "target_accept": self.target_accept,
            "save_warmup": True,
            "progress_bar": self.progress,
        }


@dataclass(frozen=True, slots=True)
class Drawn:
    """Draws by name, in logits, and how they were made."""

    posterior: xr.Dataset
    sample_stats: xr.Dataset
    compile_seconds: float
    sample_seconds: float
    warmup_share: float  # of the sampling time, by leapfrog steps
    attrs: dict[str, Any]
    problems: tuple[str, ...] = ()


def warmup_share(raw: Any) -> float:
    """Share of all leapfrog steps that warm-up took; not a number where the sampler does not tell."""
    if "warmup_sample_stats" not in raw:
        return float("nan")
    warm = float(raw["warmup_sample_stats"]["n_steps"].sum())
    return warm / (warm + float(raw["sample_stats"]["n_steps"].sum()))
