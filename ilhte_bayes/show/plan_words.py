"""An analysis plan as Markdown, as text, and as a section of the page."""

import textwrap
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from ilhte_bayes.models.analysis_plan import AnalysisPlan
    from ilhte_bayes.models.planned_results import Planned


def plan_markdown(plan: "AnalysisPlan") -> str:
    """The part of the file that people read."""
    lines = [
        f"# Analysis plan: {plan.title}",
        "",
        f"Written {plan.date} with ilhte_bayes {plan.version}.",
        f"Answers: {plan.answers}.",
        *(["", plan.note] if plan.note else []),
        "",
        "## Results",
        "",
        *_bullets("Primary", plan.primary),
        *_bullets("Secondary", plan.secondary),
        "- Everything else is exploratory.",
        "",
        "## Model",
        "",
        f"- Formula: `{plan.formula}`",
        f"- Family: {plan.family}",
        f"- Estimated by: {_engine(plan)}",
        *(f"- {name.capitalize()}: {value}" for name, value in plan.choices.items()),
        "- Columns: " + _roles(plan),
        *(f"- Coding: {text}" for text in plan.codings),
        "",
        "## Priors (logits)",
        "",
        "| parameter | prior |",
        "|---|---|",
        *(f"| `{name}` | {prior} |" for name, prior in plan.priors.items()),
        "",
        "## Exclusions",
        "",
        *(f"- {text}" for text in plan.exclusions),
        "- Rows in which a column of the formula is missing.",
        "",
    ]
    return "\n".join(lines)


def describe_plan(plan: "AnalysisPlan") -> str:
    """Text form."""
    rows: list[tuple[str, str]] = [
        ("Analysis plan", plan.title),
        ("Written", f"{plan.date}, ilhte_bayes {plan.version}"),
        ("Answers", plan.answers),
        *(("Primary", str(p)) for p in plan.primary),
        *(("Secondary", str(p)) for p in plan.secondary),
        ("Formula", plan.formula),
        ("Family", plan.family),
        ("Estimated by", _engine(plan)),
        *(("Exclusion", text) for text in plan.exclusions),
        ("Priors", "; ".join(f"{name} {prior}" for name, prior in plan.priors.items())),
        *([("Note", plan.note)] if plan.note else []),
        ("SHA-256", seal_words(plan)),
    ]
    lines, last = [], ""
    for name, text in rows:
        head = f"{name if name != last else '':<15}"
        lines.append(textwrap.fill(text, 98, initial_indent=head, subsequent_indent=" " * 15))
        last = name
    return "\n".join(lines)


def seal_words(plan: "AnalysisPlan") -> str:
    """The file's SHA-256, and whether it is as it was saved."""
    if not plan.sha256:
        return (
            "not read from its file: plan.save('plan.md') writes one, il.load('plan.md') checks it"
        )
    if plan.changed:
        return f"{plan.sha256[:16]}...: the file was CHANGED after it was saved"
    return f"{plan.sha256[:16]}..., the file is as it was saved"


def differences_table(differences: pd.DataFrame) -> pd.DataFrame:
    """Cells as shown; exclusions are left for the reader to compare."""
    out = differences[["planned", "done"]].copy()
    out.loc[differences["same"] & (out.index != "exclusions"), "done"] = "as planned"
    return out


def _bullets(name: str, planned: "tuple[Planned, ...]") -> list[str]:
    return [f"- {name}: {each}" for each in planned]


def _engine(plan: "AnalysisPlan") -> str:
    words = {
        "nuts": "posterior draws (NUTS, il.sample)",
        "laplace, ml": "Laplace, maximum likelihood (il.laplace)",
        "quadrature, ml": "quadrature, maximum likelihood (il.quadrature)",
        "laplace, map": "Laplace, maximum a posteriori (il.laplace)",
        "quadrature, map": "quadrature, maximum a posteriori (il.quadrature)",
    }
    return words.get(plan.engine, plan.engine)


def _roles(plan: "AnalysisPlan") -> str:
    parts = []
    for name, value in plan.roles.items():
        if value:
            parts.append(f"{name} {', '.join(value) if isinstance(value, list) else value}")
    return "; ".join(parts) or "none stated"
