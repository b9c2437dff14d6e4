"""A table of texts as LaTeX (booktabs) and as Markdown; whatever stands in a cell stays a text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ilhte_bayes.data.names import printable
from ilhte_bayes.show.words import MINUS, sentence

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "|": r"\textbar{}", "<": r"\textless{}", ">": r"\textgreater{}", "≥": r"$\geq$",
    "≤": r"$\leq$", "≠": r"$\neq$", "×": r"$\times$", "±": r"$\pm$", MINUS: "$-$", "–": "--",
    "²": r"$^2$",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """A title, and cells as they are printed."""

    title: str
    frame: pd.DataFrame


def flat(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Index levels as columns of texts in front, and what they are called, one heading fewer.

    Of several levels the outermost stands in rows of its own, above the rows that share it.
    """
    names = [text_of(name or "") for name in frame.index.names]
    levels = [frame.index.get_level_values(k).map(text_of) for k in range(frame.index.nlevels)]
    columns = [*levels, *(frame.iloc[:, k].map(text_of) for k in range(frame.shape[1]))]
    out = pd.concat([pd.Series(list(c), dtype=object) for c in columns], axis="columns")
    return out, names


def text_of(value: object) -> str:
    """A cell; of a frame that did not come through the door, too."""
    return printable(str(value))


def is_text(column: pd.Series) -> bool:
    """Whether most cells begin with a letter: words stand left, numbers right."""
    return sum(str(value)[:1].isalpha() for value in column) > len(column) / 2


def latex(tables: Sequence[Table], notes: Sequence[str]) -> str:
    """All tables below each other, then notes in small print."""
    parts = [_tabular(own, titled=len(tables) > 1) for own in tables]
    below = [r"\par " + tex(sentence(note)) for note in notes]
    return (
        "\n\n\\bigskip\n".join(parts)
        + "\n"
        + "\n".join([r"{\footnotesize", *below, r"\par}"])
        + "\n"
    )


def _tabular(own: Table, *, titled: bool) -> str:
    cells, names = flat(own.frame)
    grouped = len(names) > 1
    stubs = names[1:] if grouped else names
    kept = cells.iloc[:, 1:] if grouped else cells
    sides = ["l"] * len(stubs)
    sides += ["l" if is_text(kept.iloc[:, k]) else "r" for k in range(len(stubs), kept.shape[1])]
    heads = [*("" if name == "row" else name for name in stubs), *map(text_of, own.frame.columns)]
    lines = [rf"\textbf{{{tex(own.title)}}} \\[2pt]"] if titled and own.title else []
    lines += [rf"\begin{{tabular}}{{{''.join(sides)}}}", r"\toprule"]
    lines.append(" & ".join(map(tex, heads)) + r" \\")
    above, indent = "", r"\quad " if grouped else ""
    if not grouped:
        lines.append(r"\midrule")
    for _, row in cells.iterrows():
        if grouped and row.iloc[0] != above:
            above = row.iloc[0]
            lines.append(r"\midrule")
            lines.append(rf"\multicolumn{{{len(sides)}}}{{l}}{{\textit{{{tex(above)}}}}} \\")
        texts = list(map(tex, row.iloc[1:] if grouped else row))
        lines.append(" & ".join([indent + texts[0], *texts[1:]]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def tex(text: str) -> str:
    """A text that LaTeX prints as it stands."""
    text = re.sub("|".join(map(re.escape, _LATEX)), lambda found: _LATEX[found[0]], str(text))
    text = re.sub(r"(?<![\w.$}\\-])-(?=[\d.])", "$-$", text)
    return text.replace("chi2", r"$\chi^2$").replace("\n", " ")


def markdown(own: Table) -> str:
    """A pipe table under its title."""
    cells, names = flat(own.frame)
    heads = [markdown_text(name) for name in [*names, *map(text_of, own.frame.columns)]]
    sides = [
        ":--" if k < len(names) or is_text(cells.iloc[:, k]) else "--:"
        for k in range(cells.shape[1])
    ]
    rows = [heads, sides, *(list(map(markdown_text, row)) for row in cells.to_numpy())]
    body = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"**{markdown_text(own.title)}**\n\n{body}" if own.title else body


def markdown_text(text: str) -> str:
    """A text that Markdown shows as it stands."""
    return re.sub(r"([\\`*_{}\[\]<>|$#~])", r"\\\1", " ".join(str(text).split()))
