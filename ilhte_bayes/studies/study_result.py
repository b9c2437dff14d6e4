"""A study's result: a row for each trial, a row for each item, and what was met on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from ilhte_bayes.show.study_words import (
    describe_study,
    study_html,
    study_page,
)
from ilhte_bayes.studies.analyse import Settings
from ilhte_bayes.studies.trial_results import TrialResult

# Columns in this order; a study has those that its models and its engine give.
COLUMNS = (
    "status", "reason", "engine", "n_persons", "n_items", "n_answers", "covariate",
    "ate_logit", "ate_logit_se", "ate_logit_lower", "ate_logit_upper",
    "ate_sd", "ate_sd_se", "ate_sd_lower", "ate_sd_upper", "ate_std",
    "sigma_zeta_logit", "sigma_zeta_logit_se", "sigma_zeta_logit_lower", "sigma_zeta_logit_upper",
    "sigma_zeta_bound", "sigma_zeta_sd", "sigma_zeta_std",
    "rho", "rho_se", "rho_lower", "rho_upper", "rho_lower_90", "rho_upper_90", "rho_informed",
    "lrt", "p_naive", "p_mixture", "lrt_pval", "bf_zero", "bf_is_bound",
    "sigma_b", "sigma_b_ctrl", "sigma_b_treat", "sd_ratio",
    "sd_ratio_model", "sd_ratio_model_se", "sd_ratio_model_lower", "sd_ratio_model_upper",
    "beta3_b", "beta3_b_se", "beta3_c", "beta3_c_se", "delta_beta3",
    "sigma_theta", "ability_sd", "problems", "fit_seconds", "seconds",
    "effect_term", "item_group", "version",
)  # fmt: skip


@dataclass(frozen=True, repr=False, eq=False)
class Study:
    """Many trials analysed alike; prints as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index trial. `status` is "done", "refused" (the table or the model, with `reason`) or
        "failed" (unexpected; tried again next time). Average effect in logits (`ate_logit`), in SDs
        of ability within arms (`ate_sd`) and in IRW's (`ate_std`, SDs of M_0's persons), each with
        `_se`, `_lower`, `_upper` (95 %) where there are any. `sigma_zeta_logit` with interval and
        one-sided 95 % upper bound `sigma_zeta_bound`; `rho` with 95 % and 90 % intervals;
        `rho_informed` (draws): whether its 90 % interval is narrower than nine tenths of the
        prior's. `p_naive` (chi2_2), `p_mixture` (1/2 chi2_1 + 1/2 chi2_2), `lrt_pval` (IRW's,
        chi2_2 halved); of draws `bf_zero`, the Bayes factor for sigma_zeta = 0, or what it is at
        most (`bf_is_bound`). `sd_ratio` of easiness, by IRW from modes, and `sd_ratio_model`.
        `beta3_b`, `beta3_c`, `delta_beta3`. `seconds` in all, `fit_seconds` of them in engines.
    items : pandas.DataFrame
        Index (trial, item): `easiness`, `effect`, `se`, `lower`, `upper` (logits), `b_std`,
        `total_std` (in SDs of ability, sigma_theta).
    curves : mapping
        Trial -> what the second stage needs to know of its likelihood.
    settings : Settings
    folder : pathlib.Path or None
        Where results are kept.
    notes : tuple of str
    """

    frame: pd.DataFrame
    items: pd.DataFrame
    curves: Mapping[str, Mapping[str, list[float]]]
    settings: Settings
    folder: Path | None
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each trial."""
        return self.frame

    @property
    def done(self) -> pd.DataFrame:
        """Rows of trials that were analysed."""
        return self.frame[self.frame["status"] == "done"]

    @property
    def failures(self) -> pd.DataFrame:
        """Status and reason of the others."""
        return self.frame.loc[self.frame["status"] != "done", ["status", "reason"]]

    def report(self, path: str | PathLike[str], *, title: str | None = None) -> Path:
        """Write table, figures and failures as one HTML page that needs no other file."""
        return study_page(self, path, title=title)

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return describe_study(self)

    def _repr_html_(self) -> str:
        return study_html(self)


def make_study(
    results: Sequence[TrialResult], settings: Settings, folder: Path | None, notes: Sequence[str]
) -> Study:
    """Put the results of all trials together."""
    trials = pd.Index([result.trial for result in results], name="trial")
    frame = pd.DataFrame([dict(result.row) for result in results], index=trials)
    frame = frame[[name for name in COLUMNS if name in frame]]
    for name in ("n_persons", "n_items", "n_answers"):
        if name in frame:
            frame[name] = frame[name].astype("Int64")
    for name in ("rho_informed", "bf_is_bound"):
        if name in frame:
            frame[name] = frame[name].astype("boolean")
    for name in ("covariate", "problems", "effect_term", "item_group"):
        if name in frame:
            frame[name] = frame[name].fillna("")
    curves: dict[str, Mapping[str, Any]] = {r.trial: r.curves for r in results if r.curves}
    return Study(frame, _items(results), curves, settings, folder, tuple(notes))


def _items(results: Sequence[TrialResult]) -> pd.DataFrame:
    pieces = {r.trial: pd.DataFrame(r.items).set_index("item") for r in results if r.items}
    if not pieces:
        names = ["easiness", "effect", "se", "lower", "upper", "b_std", "total_std"]
        none = pd.MultiIndex.from_arrays([[], []], names=["trial", "item"])
        return pd.DataFrame(columns=names, index=none, dtype=float)
    return pd.concat(pieces, names=["trial"])
