"""Models, fits and tables as plain text for a terminal or a notebook."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ilhte_bayes.errors import plural
from ilhte_bayes.estimands.item_sample import normal_words
from ilhte_bayes.fits.intervals import p_value
from ilhte_bayes.models.ability import SENTENCE as SHAPE
from ilhte_bayes.models.discrimination import SENTENCES
from ilhte_bayes.show.integration import in_short, laplace_error, times
from ilhte_bayes.show.words import (
    LINE,
    against_words,
    count_of,
    number,
    range_of,
    scale_words,
    unit_word,
    wrapped,
)

if TYPE_CHECKING:
    from ilhte_bayes.estimands.items import ItemEffects
    from ilhte_bayes.fits.fit import Fit
    from ilhte_bayes.models.model import Model

ENGINE_WORDS = {
    ("laplace", "ml"): "Laplace approximation, maximum likelihood",
    ("laplace", "map"): "Laplace approximation, maximum a posteriori (MAP)",
    (
        "quadrature",
        "ml",
    ): "quadrature (persons, or another group, integrated exactly), maximum likelihood",
    ("quadrature", "map"): "quadrature (persons, or another group, integrated exactly), MAP",
    ("nuts", "posterior"): "posterior draws by NUTS (mean, SD, equal-tailed intervals)",
}


def model_lines(model: "Model") -> list[tuple[str, str]]:
    """Facts about a model as (label, sentence), in reading order."""
    design, responses = model.design, model.responses
    groups = ", ".join(f"{g.n_counted:,} {g.name}" for g in design.groups)
    lines = [
        ("Formula", model.formula.text),
        ("Answers", f"{design.n_obs:,} ({model.family.name}); {groups}"),
    ]
    if design.n_cuts:
        lines.append(("Thresholds", thresholds_words(model)))
    if design.logit is not None:
        lines.append(("Categories", categories_words(model)))
    if model.discrimination is not None:
        lines.append(("Discrimination", SENTENCES[model.discrimination]))
    if model.ability != "normal":
        lines.append(("Ability", SHAPE))
    codings = [responses.response_coding, *responses.codings]
    lines += [("Coding", str(c)) for c in codings if not trivial(c.levels)]
    if model.assignment:
        lines.append(("Assignment", model.assignment.sentence))
    lines += [("Left out", sentence) for sentence in dropped_rows(model)]
    lines += [("Note", note) for note in model.notes]
    return lines


def categories_words(model: "Model") -> str:
    """Which categories have coefficients, and whether their random effects hang together."""
    how = {"independent": "not correlated", "correlated": "correlated"}[model.logits]
    return (
        f"{against_words(model)}, each with coefficients and random effects of its own; random "
        f"effects of different categories {how}"
    )


def thresholds_words(model: "Model") -> str:
    """Between which categories thresholds lie, and whether items share them."""
    n = model.design.n_cuts
    whose = {
        "common": "the same for all items" if model.roles.item else "the same for all answers",
        "item": "each item its own, around the common ones",
    }[model.thresholds]
    return f"{n} between {scale_words(model)}; {whose}"


def trivial(levels: tuple[str, ...]) -> bool:
    """Whether a coding says nothing: 0 = 0, 1 = 1."""
    return levels == tuple(str(k) for k in range(len(levels)))


def dropped_rows(model: "Model") -> list[str]:
    """What was left out for missing values, in a sentence; nothing if nothing was."""
    dropped = model.responses.dropped
    if not dropped.n_rows:
        return []
    columns = ", ".join(f"{name} ({n})" for name, n in dropped.by_column.items())
    text = f"{dropped.n_rows} row(s) with a missing value, by column: {columns}"
    if dropped.by_arm:
        text += "; by arm: " + ", ".join(f"{arm} ({n})" for arm, n in dropped.by_arm.items())
    if dropped.by_item:
        worst = sorted(dropped.by_item.items(), key=lambda pair: -pair[1])[:5]
        more = len(dropped.by_item) - len(worst)
        text += "; by item: " + ", ".join(f"{item} ({n})" for item, n in worst)
        text += f" and {more} more items" if more > 0 else ""
    return [text + "."]


def describe_model(model: "Model") -> str:
    """Text form of a model."""
    width = max(len(label) for label, _ in model_lines(model))
    text = "\n".join(f"{label:<{width}}  {value}" for label, value in model_lines(model))
    if model.flow is not None:
        text += "\n\nPersons by arm\n" + model.flow.to_string()
    return text


def format_table(frame: pd.DataFrame, digits: int = 3) -> str:
    """Numbers with a fixed number of digits; missing entries as a dash."""

    def show(value: object) -> str:
        if not isinstance(value, float | np.floating):
            return str(value)
        return "-" if math.isnan(value) else f"{value:.{digits}f}"

    text = frame.map(show)
    return str(text.to_string())


def method_words(fit: "Fit") -> str:
    """The engine, and what it integrated out."""
    words = ENGINE_WORDS[fit.engine, fit.objective]
    name = fit.mode.attrs.get("integrated") if fit.engine == "quadrature" else None
    if name:
        unit = plural(unit_word(fit.model, fit.model.design.group(str(name))))
        words = words.replace("persons, or another group,", unit)
    integrated = in_short(fit)
    return f"{words}, {integrated}" if integrated else words


def criteria(fit: "Fit") -> str:
    """How well the model fits, as far as the engine says; of draws, how many, and how long."""
    if fit.sampled:
        sizes, took = fit.tree["posterior"].sizes, times(fit)
        drawn = f"{count_of(sizes['chain'], 'chain')} of {sizes['draw']:,} draws"
        return f"{drawn} ({took})" if took else drawn
    text = f"log-likelihood {fit.loglik:.3f}, {fit.n_parameters} parameters"
    text += laplace_error(fit)
    return text + (f", AIC {fit.aic:.1f}, BIC {fit.bic():.1f}" if fit.objective == "ml" else "")


def describe_fit(fit: "Fit") -> str:
    """Text form of a fit: how it was made, random part, fixed part, what to know."""
    kind = fit.model.discrimination
    lines = [
        fit.model.formula.text,
        *([f"discrimination: {SENTENCES[kind]}"] if kind is not None else []),
        *([f"ability: {SHAPE}"] if fit.model.ability != "normal" else []),
        f"{method_words(fit)}; {fit.n_obs:,} answers; {criteria(fit)}",
        "",
        "Spread between levels (logits) and correlations, 95 % intervals",
        format_table(fit.variance_components),
        "",
        *_fixed_tables(fit),
    ]
    codings = [str(c) for c in fit.model.responses.codings if not trivial(c.levels)]
    if codings:
        lines += ["", *codings]
    notes = [*fit.problems, *normal_words(fit)]
    lines += ["", *(wrapped(f"Note: {note}") for note in notes)] if notes else []
    return "\n".join(lines)


def _fixed_tables(fit: "Fit") -> list[str]:
    """Thresholds, if the answers are ordinal, and coefficients: a headed table each."""
    n_cuts, table = fit.model.design.n_cuts, fit.coefficients
    title = "Coefficients (logits), 95 % intervals"
    if not n_cuts:
        return [title, format_table(table)]
    lines = ["Thresholds (logits), 95 % intervals", format_table(fit.thresholds)]
    if len(table) > n_cuts:
        lines += ["", f"{title}; above 0: higher answers", format_table(table.iloc[n_cuts:])]
    return lines


def average_sentences(effects: "ItemEffects") -> list[str]:
    """The average over the item population, one sentence for each contrast."""
    return [
        f"{contrast}: the average {effects.noun} over the item population is "
        f"{number(row['effect'])} logits, 95 % interval {range_of(row['lower'], row['upper'])}."
        for contrast, row in effects.average.iterrows()
    ]


def describe_item_effects(effects: "ItemEffects") -> str:
    """Text form of item effects: a table with a caterpillar beside it, and notes."""
    title = f"{effects.noun.capitalize()} by item (logits), 95 % intervals"
    parts = [title]
    frame = effects.frame
    for contrast, average in effects.average.iterrows():
        here = frame.xs(contrast, level="contrast") if frame.index.nlevels > 1 else frame
        ordered = here.sort_values("effect", ascending=False)
        table = items_table(ordered, effects.noun).drop(columns="difficulty")  # -easiness
        if table["rank"].eq("-").all():
            table = table.drop(columns="rank")
        taken = len(table.to_string().partition("\n")[0])
        drawn = caterpillar(
            ordered["effect"].tolist(),
            ordered["lower"].tolist(),
            ordered["upper"].tolist(),
            float(average["effect"]),
            width=min(44, max(20, LINE - taken - 1)),
        )
        table.insert(len(table.columns), " ", drawn)
        around = "-" if pd.isna(average["lower"]) else "{lower:.3f}, {upper:.3f}".format(**average)
        parts += [
            f"\n{contrast}: average over the item population {average['effect']:.3f} [{around}]",
            table.to_string(),
        ]
    if len(effects.average):
        parts.append(f"in the drawing: ● {effects.noun}, ─ interval, ┊ average, │ zero")
    return "\n".join([*parts, *map(wrapped, effects.notes)])


def items_table(frame: pd.DataFrame, noun: str) -> pd.DataFrame:
    """Item effects as shown: interval and ranks in one column each."""

    def interval(low: object, high: object, digits: int) -> str:
        return "-" if pd.isna(low) else f"{low:.{digits}f} to {high:.{digits}f}"

    return pd.DataFrame(
        {
            noun: [f"{value:.2f}" for value in frame["effect"]],
            "SE": [f"{value:.2f}" for value in frame["se"]],
            "95 % interval": [
                interval(a, b, 2) for a, b in zip(frame["lower"], frame["upper"], strict=True)
            ],
            f"P({noun} > 0)": [p_value(p) for p in frame["p_positive"]],
            "rank": [
                interval(a, b, 0)
                for a, b in zip(frame["rank_lower"], frame["rank_upper"], strict=True)
            ],
            "easiness": [f"{value:.2f}" for value in frame["easiness"]],
            "difficulty": [f"{value:.2f}" for value in frame["difficulty"]],
        },
        index=frame.index,
    )


def caterpillar(
    centre: Sequence[float],
    lower: Sequence[float],
    upper: Sequence[float],
    average: float,
    width: int,
) -> list[str]:
    """One line of characters for each interval, on a common axis."""
    low = [a if math.isfinite(a) else c for a, c in zip(lower, centre, strict=True)]
    high = [b if math.isfinite(b) else c for b, c in zip(upper, centre, strict=True)]
    start, end = min(0.0, *low), max(0.0, *high)
    step = (end - start) / (width - 1) or 1.0

    def at(value: float) -> int:
        return min(width - 1, max(0, round((value - start) / step)))

    lines = []
    for c, a, b in zip(centre, low, high, strict=True):
        line = [" "] * width
        line[at(0.0)] = "│"
        line[at(average)] = "┊"
        for k in range(at(a), at(b) + 1):
            line[k] = "─" if line[k] == " " else {"│": "┼", "┊": "┼"}.get(line[k], line[k])
        line[at(c)] = "●"
        lines.append("".join(line))
    return lines
