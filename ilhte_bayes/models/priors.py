"""The prior of every parameter of a model: what is believed before the answers are seen.

Names follow the schema: `beta[treat]`, `sd_item[treat]`, `corr_item`. Defaults follow from the
design; what the caller names replaces them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.formulas.design import Design, Group
from ilhte_bayes.models.distributions import (
    LKJ,
    Exponential,
    Flat,
    Gamma,
    HalfNormal,
    HalfStudentT,
    Normal,
    Prior,
    StudentT,
)

_BLOCK = 65_536  # rows worked on at a time


@dataclass(frozen=True, slots=True)
class PriorEntry:
    """The prior of one parameter, and why."""

    parameter: str
    prior: Prior
    reason: str


@dataclass(frozen=True, slots=True)
class Priors:
    """The prior of every parameter of a model, by name; prints as a table."""

    entries: tuple[PriorEntry, ...]

    def __getitem__(self, parameter: str) -> Prior:
        for entry in self.entries:
            if entry.parameter == parameter:
                return entry.prior
        names = listed([entry.parameter for entry in self.entries], 12)
        raise KeyError(f"no prior is called {parameter!r}; there are {names}")

    def __iter__(self) -> Iterator[PriorEntry]:
        return iter(self.entries)

    def to_frame(self):
        """Return parameter, prior and reason as a table."""
        import pandas as pd

        return pd.DataFrame(
            {
                "prior": [str(entry.prior) for entry in self.entries],
                "why": [entry.reason for entry in self.entries],
            },
            index=pd.Index([entry.parameter for entry in self.entries], name="parameter"),
        )

    def __repr__(self) -> str:
        name = max((len(e.parameter) for e in self.entries), default=0)
        prior = max((len(str(e.prior)) for e in self.entries), default=0)
        return "\n".join(
            f"{e.parameter:<{name}}  {e.prior!s:<{prior}}  {e.reason}" for e in self.entries
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html())

    def keeps_inside(self, group: Group) -> bool:
        """Whether the group's correlations have a prior that is 0 at +-1."""
        if not any(len(block) > 1 for block in group.blocks):
            return False
        prior = self[f"corr_{group.name}"]
        return isinstance(prior, LKJ) and prior.eta > 1.0


def correlated(group: Group) -> bool:
    """Whether the group has any correlation."""
    return any(len(block) > 1 for block in group.blocks)


def make_priors(
    design: Design,
    changes: Mapping[str, Prior] | None = None,
    *,
    discrimination: str | None = None,
    ability: str = "normal",
) -> Priors:
    """Weakly informative priors for a design, with the caller's changes.

    Parameters
    ----------
    design : Design
    changes : mapping, optional
        `beta` and `sd` and `corr` change all of their kind, `sd_item` all of one group,
        `beta[treat]` or `sd_item[treat]` one parameter.
    discrimination : str, optional
        Whether items have discriminations, of which kind.
    ability : {"normal", "histogram"}

    Raises
    ------
    ModelError
        If a name matches no parameter, or a prior is of the wrong kind.
    """
    entries = [*_beta_entries(design), *_group_entries(design)]
    if discrimination is not None:
        reason = "discriminations hardly differ by more than a factor of 7 either way"
        entries.append(PriorEntry("sd_discrimination", HalfNormal(0.5), reason))
    if ability == "histogram":
        reason = (
            "log weights of abilities differ from a normal's by about 1, where most persons are"
        )
        entries.append(PriorEntry("sd_ability_shape", HalfNormal(1.0), reason))
    return change_priors(Priors(tuple(entries)), changes or {})


def change_priors(priors: Priors, changes: Mapping[str, Prior]) -> Priors:
    """Return priors with the caller's changes; the most specific name wins (see `make_priors`)."""
    used: set[str] = set()
    out = []
    for entry in priors:
        names = (entry.parameter, entry.parameter.split("[")[0], _kind(entry.parameter))
        matching = [name for name in names if name in changes]
        used.update(matching)
        for name in matching[:1]:
            _check_kind(entry.parameter, changes[name])
            entry = PriorEntry(entry.parameter, changes[name], "set by you")
        out.append(entry)
    if unknown := [name for name in changes if name not in used]:
        raise ModelError(
            f"priors names {listed(unknown)}, which this model does not have; it has "
            f"{listed([entry.parameter for entry in priors], 12)}, and 'beta', 'sd' and 'corr' "
            "stand for all of a kind."
        )
    return Priors(tuple(out))


def _kind(parameter: str) -> str:
    return parameter.split("[")[0].split("_")[0]


def _check_kind(parameter: str, prior: object) -> None:
    unbounded = (Normal, StudentT, Flat)
    kinds = {"beta": unbounded, "threshold": unbounded, "corr": (LKJ, Flat)}
    allowed = kinds.get(_kind(parameter), (HalfNormal, HalfStudentT, Exponential, Gamma, Flat))
    if not isinstance(prior, allowed):
        raise ModelError(
            f"the prior of {parameter} is {prior}; it takes one of "
            f"{', '.join(kind.__name__ for kind in allowed)}. "
            f"Write priors={{{parameter!r}: il.priors.{allowed[0].__name__}(...)}}."
        )


def _beta_entries(design: Design) -> Iterator[PriorEntry]:
    weight = _answers(design)
    sizes = [_size(column, weight) for column in _columns(design).T]
    for name, size in zip(design.terms, sizes, strict=True):
        parameter = design.parameter(name)
        if is_intercept(name) or parameter.startswith("threshold"):
            yield _intercept_entry(design, sizes, parameter)
            continue
        if design.by_cut is not None and design.by_cut.cut[design.terms.index(name)] >= 0:
            reason = "slopes at two thresholds rarely differ by an odds ratio of 2.7"
            yield PriorEntry(parameter, Normal(0, 0.5 / size), reason)
            continue
        reason = (
            "odds ratios up to 150, either way"
            if size == 1.0
            else f"the same per SD of the column ({size:.3g})"
        )
        yield PriorEntry(parameter, Normal(0, 2.5 / size), reason)


def is_intercept(name: str) -> bool:
    """Whether a column is the intercept, or that of one category: "mid: Intercept"."""
    return name == "Intercept" or name.endswith(": Intercept")


def _columns(design: Design) -> np.ndarray:
    """(pattern, term) values of each term where it enters."""
    return design.x if design.by_cut is None else design.x + design.by_cut.x


def _intercept_entry(design: Design, sizes: list[float], parameter: str) -> PriorEntry:
    """Prior of the intercept, or of a threshold: SD 2.5 where covariates are at their mean, wider at 0.

    With slopes of prior SD 2.5 / size, the intercept at 0 has this variance when the one at the
    means has 2.5 squared. A narrow prior there would bend the slopes of a covariate far from 0.
    """
    weight = _answers(design)
    means = weight @ design.x / weight.sum()
    own = np.ones(len(design.terms), dtype=bool)
    if design.logit is not None:
        own = design.logit == design.logit[design.terms.index(parameter[len("beta[") : -1])]
    far = [
        mean / size
        for name, mean, size, same in zip(design.terms, means, sizes, own, strict=True)
        if same
        and not is_intercept(name)
        and size != 1.0
        and not design.parameter(name).startswith("thr")
    ]
    sd = 2.5 * float(np.sqrt(1.0 + np.sum(np.square(far))))
    reason = "average answer between 1 % and 99 %"
    reason += " where covariates are at their means" if sd > 2.6 else ""
    if parameter.startswith("threshold"):
        reason = reason.replace("average answer", "share of answers above it")
    return PriorEntry(parameter, Normal(0, sd), reason)


def _group_entries(design: Design) -> Iterator[PriorEntry]:
    weight = _answers(design)
    for group in design.groups:
        for name, column in zip(group.columns, group.z.T, strict=True):
            if not column.any():  # enters at thresholds only
                reason = "items' thresholds rarely lie twice as far apart as usual"
                yield PriorEntry(f"sd_{group.name}[{name}]", HalfNormal(0.5), reason)
                continue
            if is_intercept(name) or group.split:
                yield PriorEntry(
                    f"sd_{group.name}[{name}]", HalfNormal(2.0), "levels rarely differ by 8 logits"
                )
                continue
            size = _size(column, weight)
            yield PriorEntry(
                f"sd_{group.name}[{name}]",
                HalfNormal(1.0 / size),
                "slopes differ less than levels"
                + ("" if size == 1.0 else f"; per SD of the column ({size:.3g})"),
            )
        if correlated(group):
            yield PriorEntry(f"corr_{group.name}", LKJ(2.0), "1.5 % of the mass beyond +-.9")


def _answers(design: Design) -> np.ndarray:
    """(pattern,) number of answers; unlike rows, the same whatever was answered."""
    weight = np.zeros(len(design.x))
    for start in range(0, design.n_rows, _BLOCK):  # in blocks: bincount copies both columns
        rows = slice(start, start + _BLOCK)
        np.add.at(weight, design.pattern[rows], design.count[rows])
    return weight


def _size(column: np.ndarray, weight: np.ndarray) -> float:
    """SD of a column; 1 for columns that only hold 0, 1 and -1 (arms, factors, contrasts)."""
    if np.isin(column[weight > 0], (-1.0, 0.0, 1.0)).all():
        return 1.0
    spread = float(np.sqrt(np.cov(column, aweights=weight, ddof=0)))
    return spread if spread > 0 else 1.0
