"""Simulate a trial: a table with its truth, from a plan, a model's priors, or a fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from ilhte_bayes.errors import ModelError
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.models.il_hte import il_hte
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.prior_draws import draw_from_prior
from ilhte_bayes.models.simulated import simulate_answers
from ilhte_bayes.studies.resized import Size, resize
from ilhte_bayes.studies.table_of_answers import table_of
from ilhte_bayes.studies.trial import (
    Drawn,
    Layout,
    Trial,
    draw_answers,
    draw_effects,
    labels,
    lay_out,
    long_table,
)

if TYPE_CHECKING:
    from collections.abc import Hashable


@dataclass(frozen=True, repr=False, eq=False)
class SimulatedTrial:
    """A simulated table and what it was made of; prints in words.

    Attributes
    ----------
    table : pandas.DataFrame
        One row for each answer; of a `Trial` with columns `id`, `item`, `treat`, `resp`
        (`cluster_id`, `x`, `feature`), as `il.il_hte` reads them; of a model with its columns.
    truth : xarray.Dataset
        Named like one posterior draw: `beta` (term), `sd_<group>`, `corr_<group>`, `re_<group>`;
        logits.
    items : pandas.DataFrame
        Index item: `easiness` (deviation from the average item) and `effect` (average effect
        included), logits; `discrimination` and `feature` where there are any.
    source : str
        What it was simulated from.
    seed : int
    """

    table: pd.DataFrame
    truth: xr.Dataset
    items: pd.DataFrame
    source: str
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)
    own: Model | None = None

    def model(self, **changes: Any) -> Model:
        """The model that made the answers, on the table.

        Parameters
        ----------
        **changes
            Of a table simulated from a `Trial`: arguments of `il.il_hte` that are to differ,
            `effects="constant"`, say.
        """
        if self.own is None:
            return il_hte(self.table, **{**self.options, **changes})
        if changes:
            raise ModelError(
                f"model({', '.join(changes)}=...): the table was simulated from a model, and its "
                "formula stays. Build another: il.Model('...', simulated.table)."
            )
        return self.own

    def __repr__(self) -> str:
        from ilhte_bayes.show.simulated_words import describe_simulated

        return describe_simulated(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


def simulate(
    source: Trial | Model | Fit,
    *,
    seed: int = 1,
    persons: Size | None = None,
    items: Size | None = None,
    parameters: Literal["draw", "estimates"] = "draw",
) -> SimulatedTrial:
    """Simulate a trial.

    Parameters
    ----------
    source : Trial, Model or Fit
        Where parameters come from: a plan (`il.Trial(...)`); a model's priors; a fit.
    seed : int
        Of everything random.
    persons, items : {"same", "new"} or int, optional
        Of a fit. "same": the persons (items) of the fit, with the effects found for them. "new":
        as many others, drawn from their distribution (clusters too, where persons are new), each in
        the place (arm, cluster, covariates, what is answered) of one of the old. A number: so many new ones, places being
        repeated or left out. "new" by default. Of a model a number or nothing, all being new.
    parameters : {"draw", "estimates"}
        Of a fit: one draw of all parameters, so that simulated trials differ by what is not known,
        too; or the estimates (means of draws), with other levels' effects at their own.

    Returns
    -------
    SimulatedTrial

    Raises
    ------
    ModelError
        If a model has discriminations or a free shape of ability (a `Trial` may have the first), a
        prior is flat, or persons and items to be numbered are not known.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> made = il.simulate(il.Trial(persons=100, items=8, effect=0.4), seed=7)
    >>> made.model().formula.text
    'resp ~ treat + (1 | id) + (treat | item)'
    """
    if isinstance(source, Trial):
        if persons is not None or items is not None or parameters != "draw":
            raise ModelError(
                "a Trial says itself how many persons and items there are: "
                "il.simulate(trial.changed(persons=200))."
            )
        return _from_trial(source, seed)
    if not isinstance(source, Model | Fit):
        raise ModelError(
            f"il.simulate takes a Trial, a Model or a Fit, and was given {type(source).__name__}. "
            "Write il.simulate(il.Trial(persons=500, items=20, effect=0.3))."
        )
    if parameters not in ("draw", "estimates"):
        raise ModelError(f"parameters={parameters!r}; it is 'draw' or 'estimates'.")
    rng = np.random.default_rng(seed)
    fitted = isinstance(source, Fit)
    model = source.model if isinstance(source, Fit) else source
    sizes: dict[str, Size] = {
        "person": "new" if persons is None else persons,
        "item": "new" if items is None else items,
    }
    if not fitted and "same" in sizes.values():
        raise ModelError(
            "'same' persons or items are those of a fit; a model's priors know of none. Leave it "
            "out, or simulate from a fit."
        )
    model, renewed = resize(model, sizes, rng)
    if isinstance(source, Fit):
        given = _of_fit(source, parameters, rng)
        known = given.drop_vars([f"re_{name}" for name in renewed], errors="ignore")
    else:
        known = draw_from_prior(model, rng)
    made = simulate_answers(model, known, rng)
    words = f"{'a fit of ' if fitted else 'the priors of '}{model.formula.text}"
    return SimulatedTrial(
        table_of(made.model), made.truth, _items_of(made.model, made.truth), words, seed,
        own=made.model,
    )  # fmt: skip


def _from_trial(trial: Trial, seed: int) -> SimulatedTrial:
    rng = np.random.default_rng(seed)
    layout = lay_out(trial, rng)
    drawn = draw_effects(trial, rng)
    answers = draw_answers(trial, layout, drawn, rng)
    return SimulatedTrial(
        long_table(trial, layout, answers),
        true_parameters(trial, layout, drawn),
        _items_of_trial(trial, layout, drawn),
        repr(trial),
        seed,
        options=trial.options,
    )


def true_parameters(trial: Trial, layout: Layout, drawn: Drawn) -> xr.Dataset:
    """Truth, named like one posterior draw of the model that `il.il_hte` builds."""
    ids, names = labels(trial)
    beta: dict[str, float] = {
        f"{k}|{k + 1}": kappa for k, kappa in enumerate(trial.thresholds)
    } or {"Intercept": trial.intercept}
    beta["treat"] = trial.effect
    beta |= {"x": trial.slope} if trial.covariate else {}
    beta |= {"feature": 0.0} if trial.feature else {}
    beta |= {"treat:x": trial.interaction} if trial.interaction else {}
    beta |= {"treat:feature": trial.feature} if trial.feature else {}
    person, people = "id", ids.tolist()
    if trial.clusters:
        person = "cluster_id:id"
        people = [f"{c + 1}:{i}" for c, i in zip(layout.cluster, ids, strict=True)]
    item_columns = ["Intercept", "treat"]
    variables: dict[str, tuple] = {
        "beta": (("term",), list(beta.values())),
        "sd_item": (("item_column",), [trial.sigma_b, trial.sigma_zeta]),
        "corr_item": (("item_column", "item_column_"), [[1.0, trial.rho], [trial.rho, 1.0]]),
        "re_item": (("item", "item_column"), np.column_stack([drawn.easiness, drawn.zeta])),
        f"sd_{person}": ((f"{person}_column",), [trial.sigma_theta]),
        f"re_{person}": ((person, f"{person}_column"), drawn.ability[:, None]),
    }
    coords: dict[Hashable, list] = {
        "term": list(beta), "item": names.tolist(), "item_column": item_columns,
        "item_column_": item_columns, person: people, f"{person}_column": ["Intercept"],
    }  # fmt: skip
    if trial.clusters:
        variables["sd_cluster_id"] = (("cluster_id_column",), [trial.sigma_cluster])
        variables["re_cluster_id"] = (("cluster_id", "cluster_id_column"), drawn.cluster[:, None])
        coords |= {"cluster_id": list(range(1, trial.clusters + 1))}
        coords |= {"cluster_id_column": ["Intercept"]}
    if trial.sd_discrimination:
        variables["sd_discrimination"] = ((), trial.sd_discrimination)
        variables["discrimination"] = (("item",), drawn.discrimination)
    return xr.Dataset(variables, coords)


def _items_of_trial(trial: Trial, layout: Layout, drawn: Drawn) -> pd.DataFrame:
    effect = trial.effect + drawn.zeta + trial.feature * layout.feature
    columns = {"easiness": drawn.easiness, "effect": effect}
    if trial.sd_discrimination:
        columns["discrimination"] = drawn.discrimination
    if trial.feature:
        columns["feature"] = layout.feature
    return pd.DataFrame(columns, index=pd.Index(labels(trial)[1], name="item"))


def _of_fit(fit: Fit, parameters: str, rng: np.random.Generator) -> xr.Dataset:
    """One draw of a fit, or its estimates."""
    draws = fit.draws["posterior"].to_dataset()
    if parameters == "estimates":
        names = ("beta", "sd_", "corr_", "re_")
        kept = draws.mean(("chain", "draw")) if fit.sampled else fit.mode
        wanted = [n for n in draws.data_vars if str(n).startswith(names)]
        kept = xr.Dataset({n: kept[n] for n in wanted if n in kept})
        # with an SD of 0 a correlation is unknown, and does not matter
        return kept.map(lambda v: v.fillna(0.0) if str(v.name).startswith("corr_") else v)
    at = {"chain": int(rng.integers(draws.sizes["chain"]))}
    at["draw"] = int(rng.integers(draws.sizes["draw"]))
    return draws.isel(at)


def _items_of(model: Model, truth: xr.Dataset) -> pd.DataFrame:
    """Easiness and effect of each item, where the model says which group items are."""
    if model.roles.item is None:
        return pd.DataFrame()
    try:
        group = model.design.group(model.roles.item)
    except ModelError:
        return pd.DataFrame()
    effects = pd.DataFrame(
        truth[f"re_{group.name}"].to_numpy(),
        index=pd.Index(group.labels, name=group.name),
        columns=list(group.columns),
    )
    treatment = model.roles.treatment
    if treatment in group.columns and treatment in model.design.terms:
        effects[treatment] += float(truth["beta"].sel(term=treatment))
    return effects.rename(columns={"Intercept": "easiness", str(treatment): "effect"})
