"""Identification: do persons gain differently, or do items? One table of sum scores cannot tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ilhte_bayes.data.open_table import Table
from ilhte_bayes.engines.refit import fit_by
from ilhte_bayes.errors import ModelError
from ilhte_bayes.estimands.boundary import likelihood_ratio_p
from ilhte_bayes.fits.fit import Engine, Fit
from ilhte_bayes.models.model import Model
from ilhte_bayes.sensitivity.easiness import at_edge, easiness_table
from ilhte_bayes.sensitivity.pure_item_effects import PureItemEffects, simulate_pure_item_effects
from ilhte_bayes.sensitivity.three_models import ThreeModels, three_models


@dataclass(frozen=True, repr=False, eq=False)
class Identification:
    """Effects that differ between persons against effects that differ between items.

    Attributes
    ----------
    beta_3 : pandas.DataFrame
        Index M_B, M_C and "M_B - M_C"; estimate, se, lower, upper (95 %) of treatment x covariate
        (logits per unit of the covariate). The difference has no standard error of its own: both
        come from the same answers. What it would be on average without any interaction is
        `pure.mean`.
    easiness : pandas.DataFrame
        Index (model, quantity): of M_A and M_C `sigma_b`, `sigma_zeta` (logits), `rho`, `sd_ratio`
        (SD of easiness in the treated arm over that in the other) and `sd_ratio_modes` (IRW's, from
        conditional modes); estimate, se, lower, upper.
    pure : PureItemEffects
        M_B's interaction in tables in which only items differ: `observed`, `simulated`, `p`,
        `mean`, `range`.
    ratio_test : tuple of float or None
        M_A against M_0: likelihood ratio, and its p-value by the boundary mixture (2 more
        parameters, one of them a variance); None with NUTS.
    fits : dict
        "M_0", "M_A", "M_A+" (with the covariate, without its interaction), "M_B", "M_C".
    covariate, contrast, noun : str
        Who is compared, and whether results speak of effects or of differences.
    notes : tuple of str
        What a reader must know, with what to do.
    """

    beta_3: pd.DataFrame
    easiness: pd.DataFrame
    pure: PureItemEffects
    ratio_test: tuple[float, float] | None
    fits: Mapping[str, Fit]
    covariate: str
    contrast: str
    noun: str
    notes: tuple[str, ...]

    @property
    def paragraph(self) -> str:
        """What was found, in words."""
        from ilhte_bayes.show.identification_words import identification_paragraph

        return identification_paragraph(self)

    def to_frame(self) -> pd.DataFrame:
        """Return the interactions by model, `beta_3`."""
        return self.beta_3

    def __repr__(self) -> str:
        from ilhte_bayes.show.identification_words import describe_identification

        return describe_identification(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.identification_words import identification_html

        return identification_html(self)


def identification(
    data: Table | Model,
    covariate: str | None = None,
    *,
    engine: Engine = "laplace",
    n: int = 200,
    draws: int = 1000,
    seed: int = 1,
    progress: bool = True,
    **options: Any,
) -> Identification:
    """Ask whether an interaction of treatment and a covariate is one of persons or of items.

    If easier items are moved more (or less), a treatment stretches (or squeezes) items along
    easiness, and a model that gives every item the same effect reads it as effects that differ
    between able and less able persons. Fitted are, on the same answers,

        M_A  treat + (1 | id) + (treat | item)
        M_B  treat * covariate + (1 | id) + (1 | item)
        M_C  treat * covariate + (1 | id) + (treat | item)

    and M_B again on tables simulated with M_A's item effects and no interaction at all.

    Parameters
    ----------
    data : pandas.DataFrame, str, path or Model
        A trial in long form; or a model that has the covariate as a moderator
        (`il.il_hte(..., moderators=["pretest"])`), whose clusters, other covariates, family and
        thresholds stay.
    covariate : str, optional
        Measured before treatment: a number, or a factor of two levels. May be left out for a model
        with one moderator.
    engine : {"laplace", "quadrature", "nuts"}
        The first two by maximum likelihood.
    n : int
        Simulated tables. M_B is fitted to them, and to the table itself, by Laplace, whatever the
        engine: the same estimator on both sides.
    draws : int
        Of each of four chains, for "nuts".
    seed : int
        Of everything random.
    progress : bool
        Whether NUTS shows progress bars.
    **options
        Of `il.il_hte`, for a table: `response`, `treatment`, `person`, `item`, `clusters`,
        `covariates`, `family`, ...

    Returns
    -------
    Identification

    Raises
    ------
    ModelError
        If roles are not known, there are more than two arms, or the covariate has not one
        interaction with treatment.

    Notes
    -----
    There is no bias of M_B where the SDs of easiness are the same in both arms, rho = -r / 2 with
    r = sigma_zeta / sigma_b, and not where rho = 0. A ratio above 1 makes M_B's beta_3 too low, for
    a covariate that goes with higher ability.

    References
    ----------
    Gilbert, Miratrix, Joshi & Domingue (2025), J. Educ. Behav. Stat. 50(1), 72-101.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> exam = il.load_dataset("mathexam")
    >>> found = il.identification(exam, covariate="cov_tests", n=20)
    >>> float(found.easiness.loc[("M_A", "sd_ratio"), "estimate"]) > 1
    True
    """
    if engine not in ("laplace", "quadrature", "nuts"):
        raise ModelError(f"engine={engine!r}; it is 'laplace', 'quadrature' or 'nuts'.")
    built = three_models(data, covariate, **options)
    used = [key for key in built.models if engine != "nuts" or key != "M_0"]
    sampling = {"draws": draws, "seed": seed, "progress": progress}
    fits = {key: fit_by(engine, built.models[key], **sampling) for key in used}
    pure = simulate_pure_item_effects(
        built,
        fits["M_A+"],
        fits["M_B"] if engine == "laplace" else None,
        n=n,
        seed=seed,
    )
    tables = {key: easiness_table(fits[key], built.item, built.effect) for key in ("M_A", "M_C")}
    model = built.models["M_C"]
    return Identification(
        beta_3=interactions(fits, built),
        easiness=pd.concat(tables, names=["model", "quantity"]),
        pure=pure,
        ratio_test=None if engine == "nuts" else item_variance_test(fits["M_0"], fits["M_A"]),
        fits=fits,
        covariate=built.covariate,
        contrast=built.contrast.label,
        noun=model.noun,
        notes=_notes(fits, built, pure),
    )


def interactions(fits: Mapping[str, Fit], built: ThreeModels) -> pd.DataFrame:
    """beta_3 of M_B and M_C, and their difference."""
    rows = {key: fits[key].coefficients.loc[built.interaction] for key in ("M_B", "M_C")}
    frame = pd.DataFrame(rows).T
    difference = float(frame.loc["M_B", "estimate"] - frame.loc["M_C", "estimate"])
    frame.loc["M_B - M_C"] = [difference, np.nan, np.nan, np.nan]
    return frame.rename_axis("model")


def item_variance_test(null: Fit, full: Fit) -> tuple[float, float]:
    """Likelihood ratio of effects by item, and its p-value: 50:50 mixture of chi2_1 and chi2_2."""
    statistic = max(2.0 * (full.loglik - null.loglik), 0.0)
    return statistic, likelihood_ratio_p(statistic, 2, 1)


def _notes(fits: Mapping[str, Fit], built: ThreeModels, pure: PureItemEffects) -> tuple[str, ...]:
    notes = []
    if any(at_edge(fits[key], built.item) for key in ("M_A", "M_C")):
        notes.append(
            "An SD or the correlation of items is estimated at the edge of its range: rho and the "
            "ratio have no interval by maximum likelihood. engine='nuts' has one."
        )
    if fits["M_B"].engine != "laplace":
        notes.append(
            "The simulated tables, and the observed value beside them, are by Laplace's maximum "
            "likelihood: the same estimator on both sides."
        )
    if pure.simulated.size < 100:
        notes.append(
            f"{pure.simulated.size} simulated tables: the p-value is rough and not below "
            f"{2 / (pure.simulated.size + 1):.3f}. Use n=200 or more."
        )
    for key, fit in fits.items():
        if fit.problems and key not in ("M_0", "M_A+"):
            notes.append(f"{key}: {fit.problems[0]}")
    return tuple(notes)
