"""A model in words, a sentence for each random term, and as an equation."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import escape

import numpy as np
import pandas as pd

from ilhte_bayes.errors import plural
from ilhte_bayes.fits.draw_tables import LOG_DISCRIMINATION
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.formulas.design import Group
from ilhte_bayes.formulas.term_variables import factors_of
from ilhte_bayes.models.discrimination import find_loading
from ilhte_bayes.models.model import Model, with_parts
from ilhte_bayes.show.words import (
    against_words,
    answer_words,
    joined,
    number,
    quoted,
    range_of,
    scale_words,
    signed,
    term_words,
    unit_word,
)

_LETTERS = "uvwxyz"
_SHAPE_LETTERS = "shgf"  # of items' own thresholds


def model_sentences(fit: Fit) -> list[str]:
    """What the model lets vary, with the estimated spread."""
    out = [f"Answers are modelled on the logit scale: the log-odds of {_odds_of(fit.model)}."]
    out += _fixed_sentences(fit.model)
    for group in fit.model.design.groups:
        out += _group_sentences(fit, group)
    if fit.model.discrimination is not None:
        out.append(_discrimination_sentence(fit))
    return out


def _odds_of(model: Model) -> str:
    """What has log-odds in the model."""
    if model.family.nominal:
        how = "correlated" if model.logits == "correlated" else "not correlated"
        return (
            f"{against_words(model)}, each with coefficients and random effects of its own "
            f"(baseline-category logit; random effects of different categories are {how})"
        )
    if not model.family.ordinal:
        return quoted(answer_words(model))
    if model.family.name == "adjacent":
        whose = (
            "each item having its own" if model.thresholds == "item" else "the same for all items"
        )
        return (
            f"each category against the one below, {scale_words(model)} (partial credit; thresholds "
            f"of steps {whose}), with the same coefficients for every step"
        )
    whose = "each item having its own" if model.thresholds == "item" else "the same for all items"
    return (
        f"an answer above each of the thresholds between {scale_words(model)} ({whose}), with the "
        "same coefficients at every threshold (proportional odds)"
    )


def _discrimination_sentence(fit: Fit) -> str:
    """How items react to ability, and what else that multiplies."""
    assert fit.model.roles.item is not None
    name = fit.model.design.group(fit.model.roles.item).name
    row, noun = fit.variance_components.loc[(name, LOG_DISCRIMINATION)], fit.model.noun
    what = {
        "loaded": f"ability and the {noun} on it",
        "additive": f"ability, not the {noun}, which is on the items' own logits",
    }[fit.model.discrimination or "loaded"]
    return (
        f"Items differ in discrimination, which multiplies {what} (SD of its logarithm "
        f"{number(row['estimate'])}, {_interval(row)})."
    )


def _fixed_sentences(model: Model) -> Iterator[str]:
    treatment, noun = model.roles.treatment, model.noun
    patterns = model.responses.patterns
    covariates = [str(name) for name in patterns.columns if name != treatment]
    alone, crossed = [], []
    for name in covariates:
        slopes = model.design.terms[model.design.n_cuts :]
        terms = [term for term in slopes if _mentions(term, name)]
        if treatment is not None and any(_mentions(term, treatment) for term in terms):
            crossed.append(name)
        elif terms:
            alone.append(name)
    if alone:
        yield f"Answers may also depend on {joined(alone)}, alike in every arm."
    if crossed and noun == "difference":
        yield f"The difference between groups may depend on {joined(crossed)}."
    elif crossed:
        yield f"The {noun} of {treatment} may depend on {joined(crossed)}."


def _mentions(term: str, name: str) -> bool:
    """Whether a column of the design is made of a variable: `log(pre):arm[T.drug]` of pre, arm."""
    bare = re.sub(r"\[[^\]]*\]", "", term)
    return re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", bare) is not None


def _group_sentences(fit: Fit, group: Group) -> Iterator[str]:
    table = fit.variance_components.loc[group.name]
    units = plural(unit_word(fit.model, group))
    within = " within " + plural(group.variables[-2]) if len(group.variables) > 1 else ""
    if group.logit is not None:
        yield from _category_sentences(fit, group, units + within)
        return
    for column in group.columns:
        row = table.loc[f"sd[{column}]"]
        yield f"{_subject(fit.model, group, column)} between {units}{within} ({_sd(row)})."
    for block in group.blocks:
        for at, i in enumerate(block):
            for j in block[:at]:
                pair = (group.columns[j], group.columns[i])
                row = table.loc[f"corr[{pair[0]},{pair[1]}]"]
                first, second = (_short(fit.model, group, column) for column in pair)
                yield f"Correlation of {first} and {second} over {units}: {_corr(row)}."


def _category_sentences(fit: Fit, group: Group, units: str) -> Iterator[str]:
    """SDs of each category's effects; correlations stand in the table."""
    table = fit.variance_components.loc[group.name]
    others = fit.model.responses.response_coding.levels[1:]
    plain = one_category(fit.model).design.group(group.name)
    for bare in plain.columns:
        sds = [f"{category}: {_sd(table.loc[f'sd[{category}: {bare}]'])}" for category in others]
        yield f"{_subject(fit.model, plain, bare)} between {units} ({'; '.join(sds)})."


def one_category(model: Model) -> Model:
    """A nominal model as that of one category, whose terms have their plain names."""
    design = model.design
    assert design.logit is not None
    skip = len(model.responses.response_coding.levels[1]) + 2  # "car: "
    first = np.flatnonzero(design.logit == 0)
    groups = []
    for group in design.groups:
        assert group.logit is not None
        own = np.flatnonzero(group.logit == 0)
        place = {int(k): at for at, k in enumerate(own)}
        blocks = [tuple(place[k] for k in block if k in place) for block in group.blocks]
        groups.append(
            replace(
                group,
                columns=tuple(group.columns[k][skip:] for k in own),
                blocks=tuple(block for block in blocks if block),
                z=group.z[:, own],
                logit=None,
            )
        )
    terms = tuple(design.terms[k][skip:] for k in first)
    one = replace(design, terms=terms, x=design.x[:, first], logit=None, groups=tuple(groups))
    return with_parts(model, design=one)


def _subject(model: Model, group: Group, column: str) -> str:
    if group.split:
        level = {model.roles.person: "Ability", model.roles.item: "Easiness"}
        where = part_words(column)
        return f"{level.get(group.variables[-1], 'The level of answers')} where {where} varies"
    if column != "Intercept":
        short = _short(model, group, column)
        return f"{short[0].upper()}{short[1:]} {'vary' if column in group.shapes else 'varies'}"
    inner = group.variables[-1]
    if inner == model.roles.person:
        return "Ability varies"
    return "Easiness varies" if inner == model.roles.item else "The level of answers varies"


def _short(model: Model, group: Group, column: str) -> str:
    treatment, noun = model.roles.treatment, model.noun
    if column == "Intercept":
        return "easiness" if group.variables[-1] == model.roles.item else "level"
    if column in group.shapes:
        return shape_words(column)
    words = term_words(column)
    if factors_of(column, model.responses.patterns.columns) == [(treatment,)]:
        return f"the difference by {words}" if noun == "difference" else f"the {noun} of {words}"
    return f"the coefficient of {words}"


def shape_words(column: str) -> str:
    """What items' own thresholds do, in words."""
    known = {
        "spread": "distances between thresholds",
        "bend": "middle thresholds against outer ones",
    }
    return known.get(column, f"thresholds' contrasts {column}")


def part_words(column: str) -> str:
    """Part of the answers that a column is for: `C(treat)[1]` is "treat = 1"."""
    return term_words(re.sub(r"^C\(([^()]*)\)\[", r"\1[", column))


def _sd(row: pd.Series) -> str:
    if row["estimate"] == 0.0:
        return "SD estimated at 0, the edge of its range: no interval"
    return f"SD {number(row['estimate'])} logits, {_interval(row)}"


def _corr(row: pd.Series) -> str:
    if pd.isna(row["estimate"]):
        return "not available, an SD being 0"
    return f"{signed(row['estimate'])}, {_interval(row)}"


def _interval(row: pd.Series) -> str:
    if pd.isna(row["lower"]):
        return "at the edge of its range: no interval"
    return f"95 % interval {range_of(row['lower'], row['upper'])}"


def equation_html(model: Model) -> list[str]:
    """Lines of the equation, as HTML with names escaped."""
    if model.design.logit is not None:
        whole, *spread = equation_html(one_category(model))
        others = ", ".join(map(escape, model.responses.response_coding.levels[1:]))
        return [whole, f"for c = {others}, each with symbols of its own", *spread]
    n_cuts = model.design.n_cuts
    fixed = [
        _sub("β", str(k)) + ("" if term == "Intercept" else f" · {_name(term)}")
        for k, term in enumerate(model.design.terms[n_cuts:], start=bool(n_cuts))
    ]
    random, spread = _random_parts(model)
    if n_cuts:
        return [*_ordinal_equation(model, " + ".join([*fixed, *random])), *spread]
    answer = f"logit P({escape(answer_words(model))}) = "
    if model.family.nominal:
        name, first = escape(answer_words(model)), model.responses.response_coding.levels[0]
        answer = f"log P({name} = c) / P({name} = {escape(first)}) = "
    if model.discrimination is None:
        return [answer + " + ".join([*fixed, *random]), *spread]
    sums, slopes = _discriminated(model, fixed, random)
    return [answer + sums, *spread, slopes]


def _random_parts(model: Model) -> tuple[list[str], list[str]]:
    """The random effects of an answer, and the distribution of each."""
    random: list[str] = []
    spread: list[str] = []
    for k, group in enumerate(model.design.groups):
        if group.split:
            own, spreads = _split_parts(model, group, _LETTERS[k % len(_LETTERS)])
            random.append(own)
            spread += spreads
            continue
        symbols = list(_symbols(model, group, _LETTERS[k % len(_LETTERS)]))
        random += [
            symbol + ("" if column == "Intercept" else f" · {_name(column)}")
            for symbol, column in zip(symbols, group.columns, strict=True)
            if column not in group.shapes
        ]
        for block in group.blocks:
            names = ", ".join(symbols[c] for c in block)
            below = escape(unit_word(model, group))
            spread.append(
                f"({names}) ~ Normal(0, <var>Σ</var><sub>{below}</sub>)"
                if len(block) > 1
                else f"{names} ~ Normal(0, <var>σ</var><sup>2</sup><sub>{below}</sub>)"
            )
    return random, spread


def _discriminated(model: Model, fixed: list[str], random: list[str]) -> tuple[str, str]:
    """The predictor with each item's slope before what it multiplies; and the slopes' spread."""
    loading = find_loading(model)
    columns = [
        (group.name, k)
        for group in model.design.groups
        for k in range(1 if group.split else group.n_columns)
    ]
    marked = [*zip(fixed, loading.terms, strict=True)]
    marked += [(part, at in loading.columns) for part, at in zip(random, columns, strict=True)]
    unit = escape(unit_word(model, loading.items))
    inside = " + ".join(part for part, multiplied in marked if multiplied)
    outside = [part for part, multiplied in marked if not multiplied]
    slopes = f"log {_sub('a', unit)} ~ Normal(0, <var>σ</var><sup>2</sup><sub>a</sub>)"
    return " + ".join([*outside, f"{_sub('a', unit)} ({inside})"]), slopes


def _ordinal_equation(model: Model, eta: str) -> list[str]:
    """The cumulative logit: thresholds, in order, less the linear predictor."""
    n_cuts, below = model.design.n_cuts, _sub("κ", "k")
    in_order = n_cuts > 1 and not model.design.n_categories
    lines = [" &lt; ".join(_sub("κ", str(k)) for k in range(1, n_cuts + 1))] if in_order else []
    for group in model.design.groups:
        if group.shapes:
            unit = escape(unit_word(model, group))
            delta = _sub("δ", f"{unit}, k")
            below += f" + {delta}"
            shapes = " + ".join(
                f"{_sub(_SHAPE_LETTERS[k % 4], unit)} · <var>P</var><sub>{k + 1}</sub>(k)"
                for k in range(len(group.shapes))
            )
            lines.append(f"{delta} = {shapes}, polynomials of the threshold's number with sum 0")
    above = f"({eta})" if eta else "0"
    if model.design.n_categories:
        name = escape(answer_words(model))
        below = f"({below})" if "+" in below else below
        return [f"log P({name} = k) / P({name} = k − 1) = {eta or '0'} − {below}", *lines]
    return [f"logit P({escape(answer_words(model))} ≤ k) = {below} − {above}", *lines]


def _split_parts(model: Model, group: Group, letter: str) -> tuple[str, list[str]]:
    """Symbol of a level, and its distribution in each part of the answers."""
    known = {model.roles.person: "θ", model.roles.item: "b"}
    unit = escape(unit_word(model, group))
    symbol = _sub(known.get(group.variables[-1], letter), unit)
    return symbol, [
        f"{symbol} ~ Normal(0, <var>σ</var><sup>2</sup><sub>{unit}, {escape(part_words(c))}</sub>)"
        for c in group.columns
    ]


def _symbols(model: Model, group: Group, letter: str) -> Iterator[str]:
    inner = group.variables[-1]
    unit = escape(unit_word(model, group))
    slopes = sum(column not in ("Intercept", *group.shapes) for column in group.columns)
    slope_at = 0
    for column in group.columns:
        if column in group.shapes:
            yield _sub(_SHAPE_LETTERS[group.shapes.index(column) % 4], unit)
            continue
        if column == "Intercept":
            known = {model.roles.person: "θ", model.roles.item: "b"}
            yield _sub(known.get(inner, letter), unit)
            continue
        slope_at += 1
        symbol = "ζ" if inner == model.roles.item else known_slope(letter)
        yield _sub(symbol, f"{slope_at}, {unit}" if slopes > 1 else unit)


def known_slope(letter: str) -> str:
    """Letter of a slope beside the letter of a level: its Greek neighbour."""
    return dict(zip(_LETTERS, "λμνξπτ", strict=True))[letter]


def _sub(symbol: str, below: str) -> str:
    return f"<var>{symbol}</var><sub>{below}</sub>"


def _name(term: str) -> str:
    words = escape(term_words(term))
    return f"({words})" if " = " in words or " × " in words else words
