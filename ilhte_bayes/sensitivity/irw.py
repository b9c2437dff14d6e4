"""IRW's procedure on one trial: what the Item Response Warehouse's vignette computes with glmer."""

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2

from ilhte_bayes.data.open_table import Table, open_table, require_columns
from ilhte_bayes.data.roles import IRW_BASELINE, IRW_COVARIATE, IRW_WAVE
from ilhte_bayes.engines.laplace import laplace
from ilhte_bayes.errors import DataError, ModelError, listed
from ilhte_bayes.estimands.result import Result
from ilhte_bayes.fits.fit import Fit, require_group
from ilhte_bayes.fits.intervals import p_value, p_words
from ilhte_bayes.formulas.grammar import parse_formula
from ilhte_bayes.models.il_hte import il_hte
from ilhte_bayes.models.model import Model
from ilhte_bayes.sensitivity.easiness import ratio_of_modes
from ilhte_bayes.sensitivity.identification import item_variance_test
from ilhte_bayes.sensitivity.three_models import one_effect_for_all, rebuilt, three_models

_FEWEST_ITEMS = 3
_COMPARE = {
    "==": operator.eq, "!=": operator.ne, ">=": operator.ge,
    ">": operator.gt, "<=": operator.le, "<": operator.lt,
}  # fmt: skip
_TITLE = "IRW's procedure by Laplace: {persons:,} persons, {items} items, {of}"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A trial with the rows and the covariate that the procedure takes, and its models."""

    models: Mapping[str, Model]  # "M_0", "M_A"; with a covariate "M_B" and "M_C", too
    covariate: str | None
    n_persons: int
    n_items: int
    group: str  # of the items
    effect: str  # their column that is the effect's


def irw_table(
    trial: Table,
    *,
    response: str | None = None,
    covariate: str | None = None,
    treatment: str | None = None,
    person: str | None = None,
    item: str | None = None,
    most_persons: int | None = None,
    seed: int = 1,
) -> Result:
    """Run the Item Response Warehouse's il_hte vignette on one trial.

    Wave 1 only; items with exactly two response values; rows with missing values dropped; covariate
    standardised over rows. Then, by Laplace's maximum likelihood, M_0 and M_A without the
    covariate, M_B and M_C with it (see `il.identification`); clusters play no part.

    Parameters
    ----------
    trial : pandas.DataFrame, str or path
        Long form.
    response, treatment, person, item : str, optional
        Columns; by default those of a bundled set, else IRW's names `resp`, `treat`, `id`, `item`.
        The response may be a comparison, `"resp >= 2"`.
    covariate : str, optional
        By default `std_baseline`, else the `cov_...` column most correlated with the response among
        controls; without one there is no beta_3.
    most_persons : int, optional
        Persons sampled at most; by default none are left out. The vignette takes 5,000.
    seed : int
        Of that sample.

    Returns
    -------
    Result
        Index with the names of IRW's summary: `n_persons`, `n_items`, `ate_logit`, `sigma_theta`
        (from M_0), `ate_std` and `sigma_zeta_std` (in SDs of ability, sigma_theta),
        `sigma_zeta_logit`, `rho`, `sigma_b_ctrl`, `sigma_b_treat` and `sd_ratio` (of conditional
        modes), `lrt`, `lrt_pval` (halved), `beta3_b`, `beta3_c`, `delta_beta3`; estimate and se.

    Raises
    ------
    DataError
        If a column is missing, or fewer than three items have two response values.

    Notes
    -----
    The halved p-value takes the likelihood ratio for 1/2 chi2_2 + 1/2 chi2_0; a variance with its
    correlation has 1/2 chi2_1 + 1/2 chi2_2, which is printed under the table.

    References
    ----------
    Item Response Warehouse, vignette il_hte (21 May 2026); Gilbert, Himmelsbach, Soland, Joshi &
    Domingue (2025), J. Policy Anal. Manage. 44(4), 1417-1449.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> found = il.irw_table(il.load_dataset("mathexam"), covariate="cov_tests")
    >>> round(float(found.frame.loc["sd_ratio", "estimate"]), 2)
    1.58
    """
    prepared = prepare(
        trial,
        response=response,
        covariate=covariate,
        treatment=treatment,
        person=person,
        item=item,
        most_persons=most_persons,
        seed=seed,
    )
    covariate = prepared.covariate
    fits = {key: laplace(model) for key, model in prepared.models.items()}
    notes, rows = [], irw_numbers(fits, prepared.group, prepared.effect)
    sizes = {"n_persons": prepared.n_persons, "n_items": prepared.n_items}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "se"])
    frame = pd.concat([pd.DataFrame({"estimate": sizes, "se": np.nan}, dtype=object), frame])
    _, p = item_variance_test(fits["M_0"], fits["M_A"])
    notes.append(
        f"lrt_pval, {p_value(rows['lrt_pval'][0])}, is chi2 on 2 df, halved, as in the vignette.\n"
        f"The boundary mixture 1/2 chi2_1 + 1/2 chi2_2 gives {p_words(p)}."
    )
    notes.append(
        "sd_ratio is that of conditional modes, which are shrunk, without an interval:\n"
        "il.identification has the parameters' with one."
    )
    if covariate is None:
        notes.append("No covariate (std_baseline, cov_...): say covariate='...' for beta_3.")
    notes += [fill(f"{key}: {fit.problems[0]}", 98) for key, fit in fits.items() if fit.problems]
    of = f"covariate {covariate}, standardised" if covariate else "no covariate"
    title = _TITLE.format(persons=sizes["n_persons"], items=sizes["n_items"], of=of)
    return Result(frame.rename_axis("quantity"), title, tuple(notes), topic="assumptions")


def prepare(
    trial: Table,
    *,
    response: str | None = None,
    covariate: str | None = None,
    treatment: str | None = None,
    person: str | None = None,
    item: str | None = None,
    most_persons: int | None = None,
    seed: int = 1,
    moderated: bool = True,
    **options: Any,
) -> Prepared:
    """Take the rows that the procedure takes, find the covariate, and build the models.

    Parameters
    ----------
    trial, response, covariate, treatment, person, item, most_persons, seed
        As for `irw_table`.
    moderated : bool
        Whether the covariate and its models are wanted.
    **options
        Of `il.il_hte`: `clusters`, `family`, `priors`, ... Answers of another family than
        "bernoulli" may have any number of values.
    """
    table = open_table(trial)
    names = _columns(table, response, treatment, person, item)
    binary = options.get("family", "bernoulli") == "bernoulli"
    table, covariate = _prepared(table, names, covariate, binary=binary, moderated=moderated)
    table = _sampled(table, names["person"], most_persons, seed)
    models = _models(table, names, covariate, options)
    group, effect = _items_of(models["M_A"], names)
    persons, items = (int(table[names[role]].nunique()) for role in ("person", "item"))
    return Prepared(models, covariate, persons, items, group, effect)


def _columns(
    table: pd.DataFrame,
    response: str | None,
    treatment: str | None,
    person: str | None,
    item: str | None,
) -> dict[str, str]:
    stored = table.attrs.get("ilhte", {}).get("roles", {})
    usual = {"response": "resp", "treatment": "treat", "person": "id", "item": "item"}
    given = {"response": response, "treatment": treatment, "person": person, "item": item}
    names = {}
    for role, name in usual.items():
        names[role] = given[role] or (name if name in table else str(stored.get(role, name)))
    for role in ("treatment", "person", "item"):
        require_columns(table, [names[role]], cure=f"Name yours: {role}='...'.")
    return names


def _prepared(
    table: pd.DataFrame,
    names: dict[str, str],
    covariate: str | None,
    *,
    binary: bool,
    moderated: bool,
) -> tuple[pd.DataFrame, str | None]:
    """Rows and columns as the vignette has them; and the covariate."""
    if IRW_WAVE in table:
        table = table[table[IRW_WAVE] == 1]
        if table.empty:
            raise DataError(
                f"column {IRW_WAVE!r} holds no 1, and IRW's procedure takes wave 1 alone. Number the "
                f"wave to be analysed 1, or drop the column: table.drop(columns={IRW_WAVE!r})."
            )
    term = parse_formula(f"{names['response']} ~ 1").response
    require_columns(table, [term.column], cure="Name yours: response='...'.")
    score = table[term.column]
    if term.comparison is not None:
        value: Any = term.value
        score = _COMPARE[term.comparison](score, value).where(score.notna())
    values = score.groupby(table[names["item"]], observed=True).nunique()
    kept = values.index[values == 2] if binary else values.index[values >= 2]
    if len(kept) < _FEWEST_ITEMS:
        raise DataError(
            f"{len(kept)} of {len(values)} items have {'exactly two' if binary else 'several'} values "
            f"of {term.column!r}, and IRW's procedure takes {_FEWEST_ITEMS} or more. Compare ordered answers with a value: "
            f"response='{term.column} >= 2'; ordinal answers as they are: il.identification."
        )
    table = table[table[names["item"]].isin(kept)]
    name = None
    if moderated:
        name = covariate or _likely_covariate(table, names, score.loc[table.index])
    needed = [term.column, names["treatment"], names["person"], names["item"]]
    if name is not None:
        require_columns(table, [name], cure="Name yours: covariate='...'.")
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise DataError(
                f"covariate {name!r} is not a number, and the procedure standardises it. Name a column "
                "of numbers: covariate='...'."
            )
        needed.append(name)
    table = table.dropna(subset=needed)
    if name is not None:
        values = table[name].astype(float)
        if not values.std() > 0:
            raise DataError(
                f"covariate {name!r} is the same in all rows. Name another: covariate='...'."
            )
        table = table.assign(**{name: (values - values.mean()) / values.std()})
    return table, name


def _likely_covariate(table: pd.DataFrame, names: dict[str, str], score: pd.Series) -> str | None:
    """std_baseline, else the cov_ column most correlated with the response among controls."""
    if IRW_BASELINE in table:
        return IRW_BASELINE
    control = table[names["treatment"]] == table[names["treatment"]].min()
    answers = pd.Series(pd.factorize(score[control], sort=True)[0], dtype=float)
    answers = answers.where(answers >= 0)
    found = {}
    for name in table.columns:
        if name.startswith(IRW_COVARIATE) and pd.api.types.is_numeric_dtype(table[name]):
            values = table.loc[control, name].astype(float).reset_index(drop=True)
            if values.std() > 0:
                found[name] = abs(float(values.corr(answers)))
    return max(found, key=lambda name: found[name]) if found else None


def _sampled(table: pd.DataFrame, person: str, most: int | None, seed: int) -> pd.DataFrame:
    persons = table[person].unique()
    if most is None or len(persons) <= most:
        return table
    rng = np.random.default_rng(seed)
    return table[table[person].isin(rng.choice(np.asarray(persons), size=most, replace=False))]


def _models(
    table: pd.DataFrame, names: dict[str, str], covariate: str | None, more: dict[str, Any]
) -> dict[str, Model]:
    if covariate is not None:
        built = three_models(table, covariate, **names, **more).models
        return {key: built[key] for key in ("M_0", "M_A", "M_B", "M_C")}
    options: dict[str, Any] = names | more
    full = il_hte(table, **options)
    return {"M_0": rebuilt(full, one_effect_for_all(full)), "M_A": full}


def _items_of(model: Model, names: dict[str, str]) -> tuple[str, str]:
    group = model.design.group(names["item"])
    if group.n_columns != 2:
        raise ModelError(
            f"{names['treatment']!r} has more than two values: items have the columns "
            f"{listed(list(group.columns))}. IRW's procedure compares two arms. Keep two: "
            f"table[table[{names['treatment']!r}].isin([...])]."
        )
    return group.name, group.columns[1]


def irw_numbers(fits: Mapping[str, Fit], group: str, effect: str) -> dict[str, tuple]:
    """Estimate and standard error of everything that the models at hand tell, by IRW's names.

    Parameters
    ----------
    fits : mapping
        "M_A", and any of "M_0", "M_B" and "M_C". Without M_0 sigma_theta is M_A's. Draws have no
        likelihood ratio.
    group, effect : str
        The items' group, and its column that is the effect's.
    """
    none = float("nan")
    a = fits["M_A"]
    null = fits.get("M_0", a)
    theta = float(null.sd(require_group(a, "person")).iloc[0])
    spread, beta = a.variance_components.loc[group], a.coefficients.loc[effect]
    zeta, rho = spread.loc[f"sd[{effect}]"], spread.loc[f"corr[Intercept,{effect}]"]
    modes = a.random_effects(group)["estimate"].unstack("term")
    out = {
        "ate_logit": (beta["estimate"], beta["se"]),
        "sigma_theta": (theta, none),
        "ate_std": (beta["estimate"] / theta, none),
        "sigma_zeta_logit": (zeta["estimate"], zeta["se"]),
        "sigma_zeta_std": (zeta["estimate"] / theta, none),
        "rho": (rho["estimate"], rho["se"]),
        "sigma_b_ctrl": (float(modes["Intercept"].std()), none),
        "sigma_b_treat": (float((modes["Intercept"] + modes[effect]).std()), none),
        "sd_ratio": (ratio_of_modes(a, group, effect), none),
    }
    if "M_0" in fits and not a.sampled:
        statistic, _ = item_variance_test(null, a)
        out["lrt"] = (statistic, none)
        out["lrt_pval"] = (float(chi2.sf(statistic, 2)) / 2.0, none)
    for key, name in (("M_B", "beta3_b"), ("M_C", "beta3_c")):
        if key in fits:
            row = fits[key].coefficients.iloc[-1]
            out[name] = (row["estimate"], row["se"])
    if "beta3_b" in out and "beta3_c" in out:
        out["delta_beta3"] = (out["beta3_b"][0] - out["beta3_c"][0], none)
    return {name: (float(estimate), float(se)) for name, (estimate, se) in out.items()}
