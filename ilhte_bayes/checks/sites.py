"""Sites: do answers of each school, study or class look like the model's for it?"""

import numpy as np
import pandas as pd

from ilhte_bayes.checks.predictive_tests import share_as_large, standardised
from ilhte_bayes.checks.replicates import Replicates
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.design import Group


def site_groups(fit: Fit) -> list[Group]:
    """Groups of the formula that persons belong to: neither persons nor items are in their names."""
    own = {fit.model.roles.person, fit.model.roles.item}
    return [g for g in fit.model.design.groups if not own & set(g.variables)]


def sites(replicates: Replicates, group: Group) -> tuple[pd.DataFrame, float]:
    """Points and spread of answers in each site, against replicated tables.

    Parameters
    ----------
    replicates : Replicates
        Of new persons in the same sites.
    group : Group

    Returns
    -------
    pandas.DataFrame
        Index: site, the most unusual first; `points`: of an answer, above what is expected, in SDs
        of replicated tables; `answers`.
    p : float
        Share of tables whose most unusual site is at least as unusual.
    """
    level = group.level[replicates.row]
    weight = np.arange(1, replicates.observed.shape[1])
    tables = [replicates.observed[:, 1:] @ weight, *(t @ weight for t in replicates.replicated)]
    n = np.bincount(level, weights=replicates.total, minlength=group.n_levels)
    mean = np.array([np.bincount(level, t, minlength=group.n_levels) for t in tables]) / n
    z = standardised(mean)
    index = pd.Index(group.labels, name=group.name)
    frame = pd.DataFrame({"points": z[0], "answers": n.astype(int)}, index=index)
    order = np.argsort(-np.abs(z[0]), kind="stable")
    return frame.iloc[order], share_as_large(np.abs(z).max(axis=1))
