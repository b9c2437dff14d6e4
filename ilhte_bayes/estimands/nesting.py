"""Is a model a special case of another, and what does the larger one look like there?"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import xarray as xr

from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.design import ByCut, Design, Group
from ilhte_bayes.models.model import Model, with_parts
from ilhte_bayes.models.priors import correlated


class Added(NamedTuple):
    """What a larger model has more, by name."""

    terms: tuple[str, ...]
    variances: tuple[tuple[str, str], ...]  # (group, column)
    covariances: tuple[tuple[str, str, str], ...]  # (group, column, column)

    @property
    def n(self) -> int:
        """Number of parameters."""
        return len(self.terms) + len(self.variances) + len(self.covariances)


def nested(smaller: Fit, larger: Fit) -> bool:
    """Whether a model is a special case of another: some terms 0, fitted in the same way.

    Told by the names of terms, random columns and correlations.
    """
    one, two = smaller.model, larger.model
    alike = one.family.name == two.family.name and smaller.engine == larger.engine
    alike &= smaller.mode.attrs.get("integrated") == larger.mode.attrs.get("integrated")
    if not alike or larger.n_parameters <= smaller.n_parameters:
        return False
    if not set(one.design.terms) <= set(two.design.terms):
        return False
    return set(_random(one.design)) <= set(_random(two.design))


def n_variances(fit: Fit) -> int:
    """Number of variances of random effects."""
    return sum(group.n_columns for group in fit.model.design.groups)


def added(null: Fit, full: Fit) -> Added:
    """What the larger of two nested models has more."""
    one, two = null.model.design, full.model.design
    here = _random(one)
    more = [found for found in _random(two) if found not in here]
    return Added(
        tuple(term for term in two.terms if term not in one.terms),
        tuple((found[0], found[1]) for found in more if len(found) == 2),
        tuple((found[0], found[1], found[2]) for found in more if len(found) == 3),
    )


def _random(design: Design) -> dict[tuple[str, ...], None]:
    """Variances (group, column) and covariances (group, column, column), in order."""
    out: dict[tuple[str, ...], None] = {}
    for group in design.groups:
        for block in group.blocks:
            columns = sorted(group.columns[k] for k in block)
            out |= {(group.name, a): None for a in columns}
            out |= {(group.name, a, b): None for a in columns for b in columns if a < b}
    return out


def null_in_full(null: Fit, full: Model) -> xr.Dataset:
    """The null's estimates as parameters of the larger model: what it has more is 0.

    Returns
    -------
    xr.Dataset
        `beta`, and for each group `sd_g` (and `corr_g`, 0 beside an SD of 0), as
        `simulate_answers` takes them.
    """
    mode, design = null.mode, full.design
    beta = [float(mode["beta"].sel(term=t)) if t in mode["term"] else 0.0 for t in design.terms]
    values = {"beta": xr.DataArray(beta, {"term": list(design.terms)}, ("term",))}
    own = {group.name: group.columns for group in null.model.design.groups}
    for group in design.groups:
        name, column = group.name, f"{group.name}_column"
        columns, known = list(group.columns), own.get(group.name, ())
        sd = [float(mode[f"sd_{name}"].sel({column: c})) if c in known else 0.0 for c in columns]
        values[f"sd_{name}"] = xr.DataArray(sd, {column: columns}, (column,))
        if correlated(group):
            corr = np.eye(len(columns))
            at = [k for k, c in enumerate(columns) if c in known]
            if at:
                there = [columns[k] for k in at]
                found = mode[f"corr_{name}"].sel({column: there, f"{column}_": there}).to_numpy()
                corr[np.ix_(at, at)] = np.nan_to_num(found, nan=0.0)
            coords = {column: columns, f"{column}_": columns}
            values[f"corr_{name}"] = xr.DataArray(corr, coords, (column, f"{column}_"))
    return xr.Dataset(values)


def null_of(full: Model, null: Model) -> Model:
    """The smaller model on the rows and columns of the larger one, whose answers may be new."""
    design, small = full.design, null.design
    terms = [design.terms.index(term) for term in small.terms]
    by_cut = design.by_cut
    if by_cut is not None:
        by_cut = ByCut(by_cut.n_cuts, by_cut.cut[terms], by_cut.x[:, terms])
    reduced = replace(
        design,
        terms=small.terms,
        x=np.ascontiguousarray(design.x[:, terms]),
        groups=tuple(_like(design.group(group.name), group) for group in small.groups),
        by_cut=by_cut,
        logit=None if design.logit is None else design.logit[terms],
    )
    return with_parts(full, design=reduced, formula=null.formula, priors=null.priors)


def _like(group: Group, small: Group) -> Group:
    """A group with the columns, and their correlations, of a smaller one."""
    keep = [group.columns.index(column) for column in small.columns]
    return replace(
        group,
        columns=small.columns,
        blocks=small.blocks,
        z=np.ascontiguousarray(group.z[:, keep]),
        cut_z=None if group.cut_z is None else group.cut_z[:, keep],
        logit=None if group.logit is None else group.logit[keep],
    )
