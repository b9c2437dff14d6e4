"""Design: the numbers of a formula on a checked table, with every column and level named."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ilhte_bayes.data.needed import Needed
from ilhte_bayes.data.responses import Responses
from ilhte_bayes.errors import FormulaError, ModelError, listed
from ilhte_bayes.formulas.columns import (
    build_columns,
    check_names,
    factors,
    require_elementwise,
    variables,
)
from ilhte_bayes.formulas.grammar import Formula

_BLOCK = 65_536  # rows worked on at a time
# Columns count as independent where more than this share of one is left beside the others;
# rounding leaves about 1e-15, the cube of a calendar year (2000 to 2030) 7e-8.
_LEFT_OVER = 1e-9


@dataclass(frozen=True, slots=True)
class Group:
    """The random effects of one grouping factor.

    Columns within a block are correlated; blocks are independent of each other.
    """

    name: str
    variables: tuple[str, ...]
    columns: tuple[str, ...]
    blocks: tuple[tuple[int, ...], ...]  # positions in `columns`, consecutive
    z: np.ndarray  # (pattern, column)
    level: np.ndarray  # (row,) int32
    labels: np.ndarray  # (level,)
    cut_z: np.ndarray | None = None  # (cut, column) what a column adds to z at each threshold
    logit: np.ndarray | None = None  # (column,) category it belongs to (`formulas.logits`)
    # (level,) persons that a level stands for, of a reduced table (`data.reduction`)
    multiplicity: np.ndarray | None = None

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return len(self.labels)

    @property
    def n_counted(self) -> int:
        """Number of persons (schools, items) that the levels stand for: one each, as a rule."""
        return self.n_levels if self.multiplicity is None else int(self.multiplicity.sum())

    @property
    def n_columns(self) -> int:
        """Number of random effects of each level."""
        return len(self.columns)

    @property
    def shapes(self) -> tuple[str, ...]:
        """Columns that move thresholds against each other: of items with thresholds of their own."""
        if self.cut_z is None:
            return ()
        return tuple(c for c, own in zip(self.columns, self.cut_z.T, strict=True) if own.any())

    @property
    def split(self) -> bool:
        """Whether each answer has one of several columns, as it is: a level of its own by arm."""
        if self.n_columns == 1:
            return False
        return bool(((self.z != 0).sum(axis=1) == 1).all() and (self.z.sum(axis=1) == 1).all())


@dataclass(frozen=True, slots=True)
class ByCut:
    """Terms that enter at one threshold of an ordinal response only."""

    n_cuts: int  # thresholds; they are the first terms
    cut: np.ndarray  # (term,) the threshold at which it enters, -1 for all
    x: np.ndarray  # (pattern, term) its column there: -1 for thresholds


@dataclass(frozen=True, slots=True)
class Design:
    """Linear predictor of row r: x[pattern[r]] @ beta + sum over groups z[pattern[r]] @ re[level[r]].

    Of an ordinal response the first terms are thresholds, "0|1": their columns of `x` are 0, and
    what they add at each threshold stands in `by_cut` (see `formulas.cuts`). Of a nominal response
    each category but the first has a linear predictor of its own, and `logit` says which terms are
    its (see `formulas.logits`).
    """

    terms: tuple[str, ...]
    x: np.ndarray  # (pattern, term)
    pattern: np.ndarray  # (row,) int32
    score: np.ndarray  # (row,) int8
    count: np.ndarray  # (row,) int32
    groups: tuple[Group, ...]
    n_obs: int
    by_cut: ByCut | None = None
    logit: np.ndarray | None = None  # (term,) category, 0 for the second one
    n_categories: int = 0  # of answers that each have a predictor by category; 0 for others
    compiled: bool = False  # whether the family's curves are in compiled densities

    @property
    def n_rows(self) -> int:
        """Number of distinct rows."""
        return self.score.size

    @property
    def n_cuts(self) -> int:
        """Number of thresholds, the first terms; 0 unless the response is ordinal."""
        return 0 if self.by_cut is None else self.by_cut.n_cuts

    @property
    def n_ordered(self) -> int:
        """Number of thresholds that have to be in order."""
        return 0 if self.n_categories else self.n_cuts

    @property
    def nominal(self) -> bool:
        """Whether categories have no order, and each but the first predictors of its own."""
        return self.n_categories > 0 and not self.n_cuts

    @property
    def integrable(self) -> bool:
        """Whether `likelihood/` can integrate levels out."""
        return self.compiled and not self.nominal

    @property
    def reduced(self) -> bool:
        """Whether levels of a group stand for several persons (`data.reduction`)."""
        return any(group.multiplicity is not None for group in self.groups)

    def pattern_of_answers(self) -> np.ndarray:
        """(answer,) pattern of every answer, for functions that look at a whole column.

        A reduced table has too many answers for that, and no such functions: its rows', once each.
        """
        return self.pattern if self.reduced else np.repeat(self.pattern, self.count)

    @property
    def has_own_slopes(self) -> bool:
        """Whether some terms have a slope of their own at each threshold."""
        return self.by_cut is not None and bool((self.by_cut.cut[self.n_cuts :] >= 0).any())

    def parameter(self, term: str) -> str:
        """Name of a fixed term among the model's parameters: "beta[x]", "threshold[0|1]"."""
        kind = "threshold" if self.terms.index(term) < self.n_cuts else "beta"
        return f"{kind}[{term}]"

    def group(self, name: str) -> Group:
        """Return the group of this name, or of this innermost variable (`teacher`)."""
        for group in self.groups:
            if group.name == name:
                return group
        inner = [group for group in self.groups if group.variables[-1] == name]
        if len(inner) == 1:
            return inner[0]
        raise ModelError(
            f"no random effects for {name!r}; the model has them for "
            f"{listed([group.name for group in self.groups])}. Name one of these."
        )


def needed_columns(formula: Formula, columns: list[str]) -> Needed:
    """List the table's columns that a formula uses.

    Raises
    ------
    FormulaError
        If the right-hand side holds the response, or a column whose name means something else.
    """
    sides = [formula.fixed, *(term.columns for term in formula.random)]
    covariates = dict.fromkeys(name for side in sides for name in variables(side, columns))
    needed = Needed(
        response=formula.response,
        covariates=tuple(covariates),
        groups=tuple(dict.fromkeys(term.group for term in formula.random)),
        factors=frozenset(name for side in sides for name in factors(side)),
    )
    check_names(sides, needed.covariates)
    inside = {name for group in needed.groups for name in group}
    if formula.response.column in {*needed.covariates, *inside}:
        raise FormulaError(
            f"{formula.response.column!r} stands on both sides of `~` in\n  {formula.text}\n"
            "Answers cannot explain themselves: take it from the right-hand side."
        )
    return needed


def build_design(formula: Formula, responses: Responses, *, intercept: bool = True) -> Design:
    """Evaluate a formula on checked responses.

    Parameters
    ----------
    formula : Formula
    responses : Responses
    intercept : bool
        Ordinal families have thresholds instead: columns are built with an intercept, which is
        then dropped, so that factors keep their reference level.

    Raises
    ------
    ModelError
        If a fixed column is constant, infinite or a combination of others, a group has one level,
        or a random column stands twice in one group.
    """
    answers = responses.pattern
    if responses.multiplicity:
        sides = [formula.fixed, *(term.columns for term in formula.random)]
        require_elementwise(sides, responses.patterns)
    elif responses.n_obs > answers.size:
        answers = np.repeat(answers, responses.count)
    terms, x = build_columns(formula.fixed, responses.patterns, answers)
    if not intercept and "Intercept" in terms:
        keep = [at for at, name in enumerate(terms) if name != "Intercept"]
        terms, x = tuple(terms[at] for at in keep), x[:, keep]
    _check_fixed(terms, x, has_cuts=not intercept)
    parts: dict[str, list[tuple[tuple[str, ...], np.ndarray, bool]]] = {}
    for term in formula.random:
        built = build_columns(term.columns, responses.patterns, answers)
        parts.setdefault(term.name, []).append((*built, term.correlated))
    paths = {term.name: term.group for term in formula.random}
    groups = tuple(
        _build_group(name, paths[name], pieces, responses) for name, pieces in parts.items()
    )
    return Design(
        terms=terms,
        x=x,
        pattern=responses.pattern,
        score=responses.score,
        count=responses.count,
        groups=groups,
        n_obs=responses.n_obs,
    )


# Dims of a fit's own tables and draws.
_RESERVED = {"term", "term_", "psi", "psi_", "chain", "draw"}


def _build_group(
    name: str,
    path: tuple[str, ...],
    pieces: list[tuple[tuple[str, ...], np.ndarray, bool]],
    responses: Responses,
) -> Group:
    if name in _RESERVED:
        raise FormulaError(
            f"a group cannot be called {name!r}, a name that every fit uses itself. Rename the "
            "column in the table."
        )
    if "/" in name:
        raise FormulaError(
            f"the group {name!r} has a slash in its name, which nests groups in a formula and "
            "folders in a saved file. Rename the column in the table."
        )
    columns = [column for names, _, _ in pieces for column in names]
    if not columns:
        raise FormulaError(
            f"the random term of group {name} has no columns. Write (1 | {name}), or drop it."
        )
    if repeated := sorted({column for column in columns if columns.count(column) > 1}):
        raise FormulaError(
            f"random column {listed(repeated)} stands twice for group {name}. An intercept is "
            f"implied: write (0 + x | {name}) beside (1 | {name}), or (1 + x || {name})."
        )
    z = np.hstack([matrix for _, matrix, _ in pieces])
    _check_random(name, columns, z)
    labels = responses.coords[name]
    if len(labels) < 2:
        raise ModelError(
            f"group {name} has one level, {labels[0]!r}: a spread between levels cannot be "
            f"estimated from one. Drop the term ( ... | {name}), or check the column."
        )
    return Group(
        name=name,
        variables=path,
        columns=tuple(columns),
        blocks=_blocks(pieces),
        z=np.ascontiguousarray(z),
        level=responses.levels[name],
        labels=labels,
        multiplicity=responses.multiplicity.get(name),
    )


def _blocks(pieces: list[tuple[tuple[str, ...], np.ndarray, bool]]) -> tuple[tuple[int, ...], ...]:
    """Positions of the columns that are correlated with each other."""
    blocks: list[tuple[int, ...]] = []
    for names, _, correlated in pieces:
        at = sum(len(block) for block in blocks)
        here = tuple(range(at, at + len(names)))
        blocks.extend([here] if correlated else [(k,) for k in here])
    return tuple(blocks)


def _check_random(name: str, columns: list[str], z: np.ndarray) -> None:
    bad = [column for column, values in zip(columns, z.T, strict=True) if not _usable(values)]
    if bad:
        raise ModelError(
            f"random column {listed(bad)} of group {name} is zero in every row, infinite or not a "
            f"number. Drop it from ( ... | {name}), or mend the values."
        )


def _usable(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all() and np.any(values))


def _check_fixed(terms: tuple[str, ...], x: np.ndarray, *, has_cuts: bool) -> None:
    """Refuse columns that are infinite, constant, or a combination of others, by name."""
    for name, values in zip(terms, x.T, strict=True):
        if bad := int((~np.isfinite(values)).sum()):
            raise ModelError(
                f"fixed column {name!r} is infinite or not a number for {bad} of {len(x)} "
                "combinations of covariate values. Mend the values, or change the transform "
                "(log of zero?)."
            )
    names = ("the thresholds", *terms) if has_cuts else terms
    r = _triangle(x, ones=has_cuts)
    for at, name in enumerate(names):
        # what is left of a column beside those before it, as a share of its length
        if abs(r[at, at]) > _LEFT_OVER * np.linalg.norm(r[:, at]):
            continue
        values = x[:, terms.index(name)]
        if np.ptp(values) == 0:
            raise ModelError(
                f"fixed column {name!r} is {values[0]:g} in every row, so its coefficient cannot "
                "be told from the intercept. Drop it from the formula, or check that the table "
                "holds both arms."
            )
        weights = np.linalg.lstsq(r[:at, :at], r[:at, at], rcond=None)[0]
        scale = np.linalg.norm(r[:, :at], axis=0) / np.linalg.norm(r[:, at])
        others = [names[k] for k in np.flatnonzero(np.abs(weights) * scale > 1e-8)]
        raise ModelError(
            f"fixed column {name!r} is a combination of {listed(others)}: their coefficients "
            "cannot be told apart. Drop one of them from the formula."
        )


def _triangle(x: np.ndarray, *, ones: bool) -> np.ndarray:
    """R of x = QR, block by block of rows: of a large design only a small part is copied."""
    size = x.shape[1] + ones
    r = np.zeros((size, size))
    largest = np.append(np.ones(int(ones)), np.maximum(x.max(axis=0), -x.min(axis=0)))
    largest[largest == 0] = 1
    for start in range(0, len(x), _BLOCK):
        block = x[start : start + _BLOCK]
        if ones:
            block = np.column_stack([np.ones(len(block)), block])
        r = np.linalg.qr(np.vstack([r, block / largest]), mode="r")
    return r


def group_sizes(design: Design) -> Mapping[str, int]:
    """Number of levels by group."""
    return {group.name: group.n_levels for group in design.groups}
