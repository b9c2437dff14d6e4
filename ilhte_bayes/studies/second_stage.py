"""The second stage: how average effects, sigma_zeta and rho vary over trials, and the next trial's.

    average effect  beta_k  ~ Normal(m, t)
    sigma_zeta      sigma_k ~ Gamma with mean m and SD t <= m, so that there is no heap at 0
    rho             atanh rho_k ~ Normal(m, t)

Each trial enters by its likelihood: of the average effect a normal with its standard error; of
sigma_zeta and rho its curve (`studies.likelihood_curves`), so that a trial in which sigma_zeta is
estimated at 0 counts for what it says, "not larger than this", and for no more. Two parameters for
each quantity are few enough for a grid: no sampling, no compiling, the same numbers every time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import gammainc, ndtr

from ilhte_bayes.errors import DataError, ModelError
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.models.distributions import LKJ, Gamma, Normal
from ilhte_bayes.studies.population import Family, Population, fit_population

_FEWEST = 3
_LEAST_ETA = 0.5

_ALMOST_1 = 1.0 - 1e-12


def _normal(x: np.ndarray, m: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.asarray(ndtr((x - m) / t))


def _gamma(x: np.ndarray, m: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.asarray(gammainc((m / t) ** 2, x * m / t**2))


def _normal_of_atanh(x: np.ndarray, m: np.ndarray, t: np.ndarray) -> np.ndarray:
    return _normal(np.arctanh(np.clip(x, -_ALMOST_1, _ALMOST_1)), m, t)


_BETA = Family(_normal, signed=True)
_SIGMA = Family(_gamma, signed=False)
_RHO = Family(_normal_of_atanh, signed=True, span=(-1.0, 1.0))


@dataclass(frozen=True, repr=False, eq=False)
class SecondStage(Result):
    """Quantities over trials; prints as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index (quantity, of): "average effect" and "sigma_zeta" (logits), "rho"; "mean of trials",
        "SD over trials" and "next trial" (predictive). estimate (mean), se (SD), lower, upper
        (95 %).
    populations : mapping
        Quantity -> its posterior on a grid.
    term, group : str
        Names of the effect's coefficient and of the items' group in the trials.
    """

    populations: Mapping[str, Population] = field(default_factory=dict)
    term: str = "treat"
    group: str = "item"

    def priors(self, term: str | None = None, group: str | None = None) -> dict[str, Any]:
        """What these trials say of the next one, as priors: `il.il_hte(..., priors=...)`.

        The predictive distributions in the nearest family that a prior has: a normal for the
        average effect and a gamma for sigma_zeta, with their mean and SD; of rho, whose prior is
        centred on 0, an LKJ with the mean of rho squared.

        Parameters
        ----------
        term, group : str, optional
            Names in the next trial, if they are others there.
        """
        effect, items = term or self.term, group or self.group
        beta, sigma = (
            self.frame.loc[(name, "next trial")] for name in ("average effect", "sigma_zeta")
        )
        out: dict[str, Any] = {
            f"beta[{effect}]": Normal(float(beta["estimate"]), float(beta["se"])),
            f"sd_{items}[{effect}]": Gamma(
                float((sigma["estimate"] / sigma["se"]) ** 2),
                float(sigma["estimate"] / sigma["se"] ** 2),
            ),
        }
        if "rho" in self.populations:
            square = self.populations["rho"].moment(lambda rho: rho**2)
            out[f"corr_{items}"] = LKJ(max(_LEAST_ETA, 0.5 * (1.0 / square - 1.0)))
        return out


def second_stage(study: Any) -> SecondStage:
    """Fit a hierarchical model over the trials of a study.

    Parameters
    ----------
    study : Study
        From `il.study`. Trials without results are left out.

    Returns
    -------
    SecondStage

    Raises
    ------
    DataError
        If fewer than three trials have results.

    Notes
    -----
    Priors: m of the average effect Normal(0, 2), of sigma_zeta half-normal(1), of atanh rho
    Normal(0, 1); t half-normal(1) for all. Trials are taken for exchangeable and the three
    quantities for independent over trials. By maximum likelihood rho has no curve where it, or
    sigma_zeta, is at the edge of its range: such trials are left out of rho, which then speaks of
    the trials that informed it. engine="nuts" keeps all of them.

    References
    ----------
    Higgins, Thompson & Spiegelhalter (2009), J. R. Stat. Soc. A 172, 137-159; Gelman et al. (2013),
    Bayesian Data Analysis, sec. 5.4.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> exam = il.load_dataset("mathexam")
    >>> thirds = {f"part {k}": exam[exam["id"].astype("category").cat.codes % 3 == k] for k in range(3)}
    >>> found = il.study(thirds, models=["M_0", "M_A"], engine="laplace", progress=False)
    >>> sorted(il.second_stage(found).priors())
    ['beta[treat]', 'corr_item', 'sd_item[treat]']
    """
    if not hasattr(study, "curves"):
        raise ModelError(f"a {type(study).__name__} is no study. Give what il.study returned.")
    done = study.done
    if len(done) < _FEWEST:
        raise DataError(
            f"{len(done)} trials have results; a distribution over trials takes {_FEWEST} or more. "
            "Give il.study more tables; study.failures says why some have no results."
        )
    beta = [_normal_curve(row) for _, row in done.iterrows()]
    sigma = _curves(study, done.index, "sigma_zeta")
    rho = _curves(study, done.index, "rho")
    populations = {"average effect": fit_population(_BETA, beta, mean_sd=2.0)}
    populations["sigma_zeta"] = fit_population(_SIGMA, sigma, mean_sd=1.0)
    if len(rho) >= _FEWEST:
        populations["rho"] = fit_population(_RHO, rho, mean_sd=1.0)
    frame = pd.concat({name: found.table() for name, found in populations.items()})
    frame.index.names = ["quantity", "of"]
    term, group = (str(done[name].mode().iloc[0]) for name in ("effect_term", "item_group"))
    return SecondStage(
        frame,
        f"{len(done)} trials: distribution over trials (average effect, sigma_zeta in logits)",
        tuple(_notes(len(done), len(rho))),
        populations=populations,
        term=term,
        group=group,
    )


def _normal_curve(row: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    around = np.linspace(-6.0, 6.0, 49)
    return float(row["ate_logit"]) + around * float(row["ate_logit_se"]), around**2


def _curves(study: Any, trials: pd.Index, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    kept = [study.curves[trial] for trial in trials if name in study.curves.get(trial, {})]
    return [(np.array(curve[name]), np.array(curve[f"{name}_lost"])) for curve in kept]


def _notes(n: int, with_rho: int) -> list[str]:
    notes = [
        "next trial: predictive, with the spread over trials and the uncertainty of both; as priors\n"
        "of the next trial's model: .priors()."
    ]
    if with_rho < n:
        notes.append(
            f"rho: from the {with_rho} of {n} trials in which it is not at the edge of its range;\n"
            "engine='nuts' has it for all."
        )
    return notes
