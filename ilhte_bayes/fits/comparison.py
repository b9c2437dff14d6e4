"""Fits side by side: what each says of every parameter, and how far they are apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.fits.draw_tables import LOG_DISCRIMINATION
from ilhte_bayes.fits.fit import Fit

_WORDS = {
    ("laplace", "ml"): "Laplace ML",
    ("laplace", "map"): "Laplace MAP",
    ("quadrature", "ml"): "quadrature ML",
    ("quadrature", "map"): "quadrature MAP",
    ("nuts", "posterior"): "NUTS",
}


@dataclass(frozen=True, repr=False, eq=False)
class Comparison:
    """Estimates of several fits, a line for each parameter; prints as a table.

    Attributes
    ----------
    frame : pandas.DataFrame
        Index parameter (`beta[treat]`, `threshold[0|1]`, `sd_item[treat]`,
        `corr_item[Intercept,treat]`); columns
        (fit, quantity): `estimate`, `se`, `lower`, `upper` (95 %), all in logits but for
        correlations, and `difference` from the first fit, in standard errors or posterior SDs of
        the first fit that has one. Missing where a model lacks the parameter.
    names : tuple of str
        The fits, in the caller's order.
    unit : {"standard errors", "posterior SDs"}
        What differences are measured in.
    notes : tuple of str
        What else differs between them, and what a reader must know.
    """

    frame: pd.DataFrame
    names: tuple[str, ...]
    unit: str
    notes: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.frame

    def to_latex(self) -> str:
        """Return a LaTeX table (package booktabs)."""
        from ilhte_bayes.show.export import to_latex

        return to_latex(self)

    def __repr__(self) -> str:
        from ilhte_bayes.show.comparison_words import describe_comparison

        return describe_comparison(self)

    def _repr_html_(self) -> str:
        from ilhte_bayes.show.comparison_words import comparison_html

        return comparison_html(self)


def compare(*fits: Fit, names: Sequence[str] | None = None) -> Comparison:
    """Lay fits side by side: coefficients, SDs and correlations, with 95 % intervals.

    Parameters
    ----------
    *fits : Fit
        Two or more; of one model by several engines, or of several models.
    names : sequence of str, optional
        What to call them; "Laplace ML", "Laplace MAP" and "NUTS" by default.

    Returns
    -------
    Comparison

    Raises
    ------
    ModelError
        If there are fewer than two fits, or the names do not suit them.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ trt + (1 | ID)", il.load_dataset("bacteria"))
    >>> both = il.compare(il.laplace(model), il.laplace(model, objective="map"))
    >>> both.names
    ('Laplace ML', 'Laplace MAP')
    """
    _check_fits(fits)
    called = _unique_words(fits) if names is None else _checked_names(names, len(fits))
    tables = [_parameters(fit) for fit in fits]
    rows = _in_order([table.index for table in tables])
    tables = [table.reindex(rows) for table in tables]
    unit = _unit(tables)
    for table in tables[1:]:
        table["difference"] = (table["estimate"] - tables[0]["estimate"]) / unit
    frame = pd.concat(dict(zip(called, tables, strict=True)), axis="columns")
    frame.columns.names = ["fit", "quantity"]
    frame.index = pd.Index([name for _, name in rows], name="parameter")
    word = "posterior SDs" if fits[0].sampled else "standard errors"
    return Comparison(frame, called, word, _notes(fits, called, tables, word))


def _check_fits(fits: Sequence[Fit]) -> None:
    for at, fit in enumerate(fits, start=1):
        if not isinstance(fit, Fit):
            raise ModelError(
                f"argument {at} is a {type(fit).__name__}, not a fit. Write "
                "il.compare(il.laplace(model), il.sample(model)), say."
            )
    if len(fits) < 2:
        raise ModelError(
            f"{len(fits)} fit(s) to compare; it takes two or more: il.compare(first, second)."
        )


def _unique_words(fits: Sequence[Fit]) -> tuple[str, ...]:
    words = [_word(fit) for fit in fits]
    return tuple(
        word if words.count(word) == 1 else f"{word} {words[: at + 1].count(word)}"
        for at, word in enumerate(words)
    )


def _word(fit: Fit) -> str:
    """Name of a way of fitting."""
    joint = fit.sampled and fit.tree["posterior"].attrs.get("integrated") == ""
    return _WORDS[fit.engine, fit.objective] + (" joint" if joint else "")


def _checked_names(names: Sequence[str], n_fits: int) -> tuple[str, ...]:
    called = (names,) if isinstance(names, str) else tuple(str(name) for name in names)
    if len(called) != n_fits or len(set(called)) < n_fits:
        raise ModelError(
            f"names has {listed(called, 8)} for {n_fits} fits. Give each fit a name of its own, "
            f"in their order: names=[{', '.join(repr(f'M{k}') for k in range(n_fits))}]."
        )
    return called


def _parameters(fit: Fit) -> pd.DataFrame:
    """Index (group, parameter), the group of coefficients being ""; estimate, se, lower, upper."""
    pieces = []
    if fit.model.design.terms:
        coefficients = fit.coefficients
        coefficients.index = pd.MultiIndex.from_tuples(
            [("", fit.model.design.parameter(t)) for t in coefficients.index]
        )
        pieces.append(coefficients)
    components = fit.variance_components
    names = [
        (
            group,
            "sd_discrimination"
            if name == LOG_DISCRIMINATION
            else name.replace("[", f"_{group}[", 1),
        )
        for group, name in components.index
    ]
    components.index = pd.MultiIndex.from_tuples(names)
    return pd.concat([*pieces, components]).astype(float)


def _in_order(indexes: Sequence[pd.Index]) -> list[tuple[str, str]]:
    """Every row of any table once: coefficients, then group by group, each as first seen."""
    rows = dict.fromkeys(row for index in indexes for row in index)
    groups = list(dict.fromkeys(["", *(group for group, _ in rows)]))
    return sorted(rows, key=lambda row: groups.index(row[0]))


def _unit(tables: Sequence[pd.DataFrame]) -> pd.Series:
    """Standard error of each parameter in the first fit that has one."""
    unit = tables[0]["se"]
    for table in tables[1:]:
        unit = unit.where(unit > 0, table["se"])
    return unit.where(unit > 0)


def _notes(
    fits: Sequence[Fit], names: Sequence[str], tables: Sequence[pd.DataFrame], word: str
) -> tuple[str, ...]:
    notes = [
        _other_data(fits[0], fit, names[0], name) for fit, name in zip(fits, names, strict=True)
    ]
    notes += [_formulas(fits, names), _centres(fits), _ways(fits, names)]
    notes += [_other_unit(tables, names, word), *_few_clusters(fits, names)]
    for fit, name in zip(fits, names, strict=True):
        notes += [_other_priors(fits, name, fit, names)]
        notes += [f"{name}: {problem}" for problem in fit.problems]
    return tuple(note for note in notes if note)


def _few_clusters(fits: Sequence[Fit], names: Sequence[str]) -> list[str]:
    """What normal intervals leave out where few clusters were treated, once for all such fits."""
    from ilhte_bayes.estimands.item_sample import normal_words

    found: dict[str, list[str]] = {}
    for fit, name in zip(fits, names, strict=True):
        for words in normal_words(fit):
            found.setdefault(words, []).append(name)
    return [f"{', '.join(called)}: {words}" for words, called in found.items()]


def _formulas(fits: Sequence[Fit], names: Sequence[str]) -> str:
    texts = [fit.model.formula.text for fit in fits]
    if len(set(texts)) == 1:
        return ""
    return "The models differ. " + "; ".join(
        f"{name}: {text}" for name, text in zip(names, texts, strict=True)
    ) + "."  # fmt: skip


def _centres(fits: Sequence[Fit]) -> str:
    if len({fit.sampled for fit in fits}) == 1:
        return ""
    return (
        "Laplace gives modes and Wald intervals, NUTS posterior means and equal-tailed intervals: "
        "of a skewed posterior, such as an SD's, these differ although both are right."
    )


def _ways(fits: Sequence[Fit], names: Sequence[str]) -> str:
    """Which fits sample what others integrate out."""
    ways = {
        name: str(fit.tree["posterior"].attrs.get("integrated", ""))
        for fit, name in zip(fits, names, strict=True)
        if fit.sampled
    }
    if len(set(ways.values())) < 2:
        return ""
    said = "; ".join(
        f"{name}: {f'{group} integrated out' if group else 'all effects sampled'}"
        for name, group in ways.items()
    )
    return f"{said}. Of one model and its priors the posterior is the same: what differs is chance."


def _other_unit(tables: Sequence[pd.DataFrame], names: Sequence[str], word: str) -> str:
    first, shown = tables[0], [table["difference"].notna() for table in tables[1:]]
    rows = first.index[np.any(shown, axis=0) & ~(first["se"] > 0)]
    if not len(rows):
        return ""
    listing = ", ".join(name for _, name in rows)
    return (
        f"{names[0]} has no {word} for {listing}: the difference there is in those of the next fit "
        "that has them."
    )


def _other_priors(fits: Sequence[Fit], name: str, fit: Fit, names: Sequence[str]) -> str:
    """How a fit's priors differ from those of the first fit that used any."""
    used = [k for k, one in enumerate(fits) if one.objective != "ml"]
    if fit.objective == "ml" or fit is fits[used[0]]:
        return ""
    before = {entry.parameter: entry.prior for entry in fits[used[0]].model.priors}
    changed = [
        f"{entry.parameter} {entry.prior} (there {before[entry.parameter]})"
        for entry in fit.model.priors
        if entry.parameter in before and entry.prior != before[entry.parameter]
    ]
    if not changed:
        return ""
    return f"{name} has other priors than {names[used[0]]}: {', '.join(changed)}."


def _other_data(first: Fit, fit: Fit, first_name: str, name: str) -> str:
    if fit is first or same_answers(first, fit):
        return ""
    sums = [one.model.responses.fingerprint()[:8] for one in (first, fit)]
    return (
        f"{first_name} and {name} are fits of different data: {first.n_obs:,} answers "
        f"(fingerprint {sums[0]}) and {fit.n_obs:,} ({sums[1]}). Differences between them are "
        "differences between data too."
    )


def same_answers(first: Fit, fit: Fit) -> bool:
    """Whether data agree in all that both formulas use: answers, groups and covariates."""
    one, two = first.model.responses, fit.model.responses
    if one.fingerprint() == two.fingerprint():
        return True
    if one.n_obs != two.n_obs or one.response_coding != two.response_coding:
        return False
    covariates = [str(name) for name in one.patterns if name in two.patterns]
    groups = [name for name in one.coords if name in two.coords]
    return _fingerprint(first, covariates, groups) == _fingerprint(fit, covariates, groups)


def _fingerprint(fit: Fit, covariates: list[str], groups: list[str]) -> int:
    """A sum over answers that depends on these columns alone, not on the order of rows."""
    data = fit.model.responses
    columns: dict[str, object] = {"score": data.score.astype(np.int64)}
    for name in covariates:
        columns[f"covariate {name}"] = _hashes(data.patterns[name])[data.pattern]
    for name in groups:
        labels = pd.util.hash_array(data.coords[name].astype(str).astype(object))
        columns[f"group {name}"] = labels[data.levels[name]]
    rows = pd.util.hash_pandas_object(pd.DataFrame(columns), index=False).to_numpy()
    return int(np.sum(rows * data.count.astype(np.uint64), dtype=np.uint64))


def _hashes(column: pd.Series) -> np.ndarray:
    """A number for each value, the same however the column is coded."""
    labels = column.astype(column.cat.categories.dtype) if column.dtype == "category" else column
    plain = labels.astype(float if pd.api.types.is_numeric_dtype(labels) else object)
    return np.asarray(pd.util.hash_array(plain.to_numpy()))
