"""Calibration: is a posterior right on average over data sets drawn from the model itself?

Simulation-based calibration: draw parameters from the priors, answers from the parameters, and fit.
If the fit is right, the rank of the true value among independent posterior draws is uniform, for
every quantity, whatever the priors, however small the data.

References
----------
Talts, Betancourt, Simpson, Vehtari & Gelman (2018), arXiv:1804.06788.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from ilhte_bayes.engines.nuts import sample
from ilhte_bayes.errors import ModelError, require_whole
from ilhte_bayes.fits.progress import steps
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.prior_draws import draw_from_prior
from ilhte_bayes.models.simulated import Simulated, simulate_answers
from ilhte_bayes.studies import uniformity
from ilhte_bayes.studies.quantities import Quantity, default_quantities
from ilhte_bayes.studies.workers import in_processes

# model, draws of each chain, seed -> posterior draws (chain, draw) named as in a fit
Engine = Callable[[Model, int, int], xr.Dataset]

KEPT = 127  # draws that each truth is ranked among; ranks 0 to 127
# Draws are thinned to a spacing of two autocorrelation times or more: what is left of the
# correlation of neighbours is about exp(-4), 2 %.
_SPACING = 2
_LONGER = 3  # times that a run is repeated with twice the draws before that is given up


@dataclass(frozen=True, repr=False, eq=False)
class Calibration:
    """Ranks of true values among posterior draws; prints as a table.

    Attributes
    ----------
    ranks : pandas.DataFrame
        (data set, quantity): draws below the truth, 0 to `kept`. Uniform if all is well.
    truth : pandas.DataFrame
        (data set, quantity): the true values, in logits, correlations and log-densities.
    runs : pandas.DataFrame
        (data set): `draws` in all, smallest effective sample over quantities (`min_ess`),
        `divergences`, `seconds`.
    kept : int
        Draws that each truth was ranked among.
    seed : int
        Of the study; `data_set(model, k, seed=seed)` makes data set k again.
    formula : str
    """

    ranks: pd.DataFrame
    truth: pd.DataFrame
    runs: pd.DataFrame
    kept: int
    seed: int
    formula: str

    @property
    def n(self) -> int:
        """Number of data sets."""
        return len(self.ranks)

    def uniformity(self, prob: float = 0.99) -> pd.DataFrame:
        """Test each quantity's ranks.

        Parameters
        ----------
        prob : float
            Probability that the ranks of one quantity stay inside the band if all is well.

        Returns
        -------
        pandas.DataFrame
            Index quantity. `p`: probability of ranks as uneven as these. `inside`: whether they
            are inside the simultaneous band. `furthest`: largest difference of shares.
            `mean`: mean rank, 0 to 1; above 0.5, truths lie above what is estimated. `spread`: SD of
            ranks over that of uniform ones; above 1, intervals are too narrow. `covers_50`,
            `covers_90`: how often intervals of about this probability held the truth.
        """
        rows = {}
        for name, ranks in self.ranks.items():
            found = ranks.to_numpy()
            p = uniformity.p_value(found, self.kept)
            away = uniformity.ecdf(found, self.kept) - uniformity.expected(self.kept)
            rows[name] = {
                "p": p,
                "inside": p > 1.0 - prob,
                "furthest": float(np.abs(away).max()),
                "mean": float(found.mean() / self.kept),
                "spread": float(found.std() / np.sqrt(((self.kept + 1) ** 2 - 1) / 12.0)),
                "covers_50": self._covered(found, 0.5)[0],
                "covers_90": self._covered(found, 0.9)[0],
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("quantity")

    def coverage(self, prob: float = 0.9) -> pd.DataFrame:
        """How often central posterior intervals held the truth.

        Parameters
        ----------
        prob : float
            Of the interval; as near to it as ranks among `kept` draws allow.

        Returns
        -------
        pandas.DataFrame
            Index quantity. `share`; `lower`, `upper`: its exact 95 % interval over data sets
            (Clopper & Pearson); `expected`.
        """
        if not 0 < prob < 1:
            raise ModelError(f"prob={prob!r}: it lies between 0 and 1, such as 0.9.")
        rows = {}
        for name, ranks in self.ranks.items():
            share, expected = self._covered(ranks.to_numpy(), prob)
            hits = round(share * self.n)
            test = stats.binomtest(hits, self.n).proportion_ci(0.95, method="exact")
            rows[name] = {"share": share, "lower": test.low, "upper": test.high,
                          "expected": expected}  # fmt: skip
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("quantity")

    def _covered(self, ranks: np.ndarray, prob: float) -> tuple[float, float]:
        """Share of truths inside, and what it should be: an interval leaves out whole draws."""
        out = round((self.kept + 1) * (1.0 - prob) / 2.0)
        inside = (ranks >= out) & (ranks <= self.kept - out)
        return float(inside.mean()), (self.kept + 1 - 2 * out) / (self.kept + 1)

    def curves(self, prob: float = 0.99) -> dict[str, pd.DataFrame]:
        """What the figure draws: how far each quantity's ranks are from uniform, and the band.

        Returns
        -------
        dict of pandas.DataFrame
            By quantity; `at` (rank, 0 to 1), `away`, `lower`, `upper` (shares).
        """
        even = uniformity.expected(self.kept)
        lower, upper = uniformity.band(self.n, self.kept, prob)
        edges = {"lower": lower - even, "upper": upper - even}
        ends = {"at": np.concatenate([[0.0], even, [1.0]])}
        ends |= {name: np.concatenate([[0.0], values, [0.0]]) for name, values in edges.items()}
        out = {}
        for name, ranks in self.ranks.items():
            away = uniformity.ecdf(ranks.to_numpy(), self.kept) - even
            out[str(name)] = pd.DataFrame(ends | {"away": np.concatenate([[0.0], away, [0.0]])})
        return out

    @property
    def verdict(self) -> str:
        """What the ranks say, in a sentence."""
        table = self.uniformity()
        outside = table.index[~table["inside"]].tolist()
        if not outside:
            return f"All {len(table)} quantities are inside their 99 % bands: no sign of an error."
        worst = float(min(1.0, table["p"].min() * len(table)))
        return (
            f"{len(outside)} of {len(table)} quantities {'is' if len(outside) == 1 else 'are'} "
            f"outside the 99 % band: {', '.join(map(str, outside))}. The smallest p-value times "
            f"the number of quantities is {worst:.2g}"
            + (
                ": the posterior is wrong, look at il.plot.calibration(found)."
                if worst < 0.01
                else ", which chance can do; repeat with another seed and more data sets."
            )
        )

    def to_frame(self) -> pd.DataFrame:
        """Return ranks and coverage by quantity, as `uniformity()` gives them."""
        return self.uniformity()

    def __repr__(self) -> str:
        table = self.uniformity()
        short = int((self.runs["min_ess"] < _SPACING * self.kept).sum())
        lines = [
            f"Calibration of {self.formula}",
            f"{self.n} data sets drawn from the priors; truths ranked among {self.kept} draws; "
            f"{int(self.runs['divergences'].sum())} divergences"
            + (f"; {short} runs mixed slowly" if short else ""),
            "",
            table.to_string(formatters=_FORMATS),
            "",
            self.verdict,
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        return (
            f"<p>Calibration of {escape(self.formula)}, {self.n} data sets</p>"
            + str(self.uniformity().to_html(formatters=_FORMATS))
            + f"<p>{escape(self.verdict)}</p>"
        )


_FORMATS = {
    "p": "{:.3f}".format,
    "inside": lambda yes: "yes" if yes else "NO",
    "furthest": "{:.3f}".format,
    "mean": "{:.2f}".format,
    "spread": "{:.2f}".format,
    "covers_50": "{:.2f}".format,
    "covers_90": "{:.2f}".format,
}


def calibrate(
    model: Model,
    *,
    n: int = 200,
    quantities: Mapping[str, Quantity] | None = None,
    seed: int = 1,
    draws: int = 500,
    kept: int = KEPT,
    workers: int = 1,
    engine: Engine | Literal["nuts"] = "nuts",
    progress: bool = True,
) -> Calibration:
    """Check a model's posterior, on the user's own design, by simulation-based calibration.

    Parameters are drawn from the priors, answers from the parameters on the model's persons, items
    and arms, and each table is fitted: is the truth as often low among the posterior draws as high,
    and do intervals cover it as often as they say?

    Parameters
    ----------
    model : Model
        Its design and priors are used, its answers are not. Every prior must be proper.
    n : int
        Number of data sets. None is discarded, whatever its answers.
    quantities : mapping, optional
        Name -> function of (model, draws) with dims (chain, draw, ...) that gives (chain, draw);
        see `default_quantities`.
    seed : int
        Of everything random. Results do not depend on `workers`.
    draws : int
        Draws of each chain. Doubled, up to three times, where the smallest effective sample is
        below twice `kept`.
    kept : int
        Draws that each truth is ranked among: as many, equally spaced, of all draws. They are
        nearly independent, as ranks must be for the band to hold.
    workers : int
        Processes; each fit already runs its chains on all cores.
    engine : "nuts" or callable
        NUTS as in `il.sample`; or (model, draws of each chain, seed) -> posterior draws as in
        `fit.draws["posterior"]`.
    progress : bool
        Whether to say on standard error how far it is, once it has lasted some seconds.

    Returns
    -------
    Calibration
        Prints as a table with a verdict; `il.plot.calibration(found)` draws the ranks,
        `found.coverage(0.9)` says how often intervals held the truth.

    Raises
    ------
    ModelError
        If a prior is flat, or the model has discriminations or a free shape of ability.

    References
    ----------
    Talts, Betancourt, Simpson, Vehtari & Gelman (2018), arXiv:1804.06788.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.simulate(il.Trial(persons=30, items=4), seed=1).table
    >>> model = il.il_hte(trial, priors={"beta": il.priors.Normal(0, 1)})
    >>> found = il.calibrate(model, n=2, draws=60, kept=9)  # 200 data sets say something
    >>> found.n
    2
    """
    require_whole(n=n, kept=kept, workers=workers, draws=draws)
    require_whole(0, seed=seed)
    if engine != "nuts" and not callable(engine):
        raise ModelError(
            f"engine={engine!r}: it is 'nuts', or a function of (model, draws, seed) that gives "
            "posterior draws. Leave it out for NUTS."
        )
    chosen = default_quantities(model) if quantities is None else dict(quantities)
    task = _Task(model, chosen, seed, draws, kept, nuts if engine == "nuts" else engine)
    done = in_processes(partial(_run, task), range(n), workers)
    runs = sorted(steps(done, n, f"{n} data sets") if progress else done, key=lambda run: run.k)
    index = pd.RangeIndex(n, name="data set")
    return Calibration(
        ranks=pd.DataFrame([run.ranks for run in runs], index, columns=list(chosen)),
        truth=pd.DataFrame([run.truth for run in runs], index, columns=list(chosen)),
        runs=pd.DataFrame([run.facts for run in runs], index),
        kept=kept,
        seed=seed,
        formula=model.formula.text,
    )


def nuts(model: Model, draws: int, seed: int) -> xr.Dataset:
    """Posterior draws of the NUTS engine, four chains."""
    fit = sample(model, draws=draws, seed=seed, progress=False)
    return fit.draws["posterior"].to_dataset()


def data_set(model: Model, k: int, *, seed: int) -> Simulated:
    """Data set k of a study: parameters from the priors, answers from the parameters."""
    rng = np.random.default_rng([seed, k])
    return simulate_answers(model, draw_from_prior(model, rng), rng)


class _Task(NamedTuple):
    """What every run needs."""

    model: Model
    quantities: Mapping[str, Quantity]
    seed: int
    draws: int
    kept: int
    engine: Engine


class _Run(NamedTuple):
    """One data set's part of the result."""

    k: int
    ranks: dict[str, int]
    truth: dict[str, float]
    facts: dict[str, float]


def _run(task: _Task, k: int) -> _Run:
    """Simulate, fit and rank data set k."""
    began = time.perf_counter()
    simulated = data_set(task.model, k, seed=task.seed)
    rng = np.random.default_rng([task.seed, k, 1])
    engine_seed = int(rng.integers(2**31))
    try:
        values, facts = _long_enough(task, simulated.model, engine_seed)
    except Exception as error:
        error.add_note(f"in data set {k}: data_set(model, {k}, seed={task.seed}) makes it again")
        raise
    truth = evaluate(task.quantities, simulated.model, simulated.truth.expand_dims(chain=1, draw=1))
    true = {name: float(value[0, 0]) for name, value in truth.items()}
    ranks = {name: rank(true[name], thin(value, task.kept), rng) for name, value in values.items()}
    return _Run(k, ranks, true, facts | {"seconds": time.perf_counter() - began})


def _long_enough(
    task: _Task, model: Model, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Quantities of posterior draws, from a run whose draws can be thinned to independence."""
    draws = task.draws
    for left in reversed(range(_LONGER + 1)):
        posterior = task.engine(model, draws, seed)
        values = evaluate(task.quantities, model, posterior)
        ess = min_ess(values)
        if ess >= _SPACING * task.kept or left == 0:
            break
        draws *= 2
    total = next(iter(values.values())).size
    divergences = float(posterior.attrs.get("divergences", 0))
    return values, {"draws": total, "min_ess": ess, "divergences": divergences}


def evaluate(
    quantities: Mapping[str, Quantity], model: Model, draws: xr.Dataset
) -> dict[str, np.ndarray]:
    """(chain, draw) values of every quantity."""
    return {name: np.asarray(quantity(model, draws)) for name, quantity in quantities.items()}


def min_ess(values: Mapping[str, np.ndarray]) -> float:
    """Smallest bulk effective sample over quantities."""
    import arviz as az

    data = xr.Dataset({name: (("chain", "draw"), value) for name, value in values.items()})
    return float(min(float(ess) for ess in az.ess(data, method="bulk").values()))


def thin(values: np.ndarray, kept: int) -> np.ndarray:
    """(kept,) equally spaced draws of all chains, one after the other."""
    flat = values.ravel()
    if flat.size < kept:
        raise ModelError(f"kept={kept}, of {flat.size} draws in all. Use more draws.")
    return flat[((np.arange(kept) + 0.5) * flat.size / kept).astype(np.int64)]


def rank(truth: float, draws: np.ndarray, rng: np.random.Generator) -> int:
    """Draws below the truth; where some are equal, any place among them."""
    ties = int((draws == truth).sum())
    return int((draws < truth).sum()) + int(rng.integers(ties + 1))
