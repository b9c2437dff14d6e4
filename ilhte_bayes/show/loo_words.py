"""Leave-one-out in words: the question, the numbers, whether they can be trusted."""

from typing import TYPE_CHECKING

from ilhte_bayes.show.html_tables import notes_html
from ilhte_bayes.show.words import number, wrapped

if TYPE_CHECKING:
    from ilhte_bayes.checks.loo import LeaveOneOut


def describe_loo(found: "LeaveOneOut") -> str:
    """Text form."""
    return "\n".join(map(wrapped, _sentences(found)))


def loo_html(found: "LeaveOneOut") -> str:
    """HTML form, for a notebook."""
    return notes_html(_sentences(found))


def _sentences(found: "LeaveOneOut") -> list[str]:
    n = len(found.frame)
    refitted = int(found.frame["exact"].sum())
    by = f", {refitted} by fitting again" if refitted else ""
    lines = [
        f"Leaving out each of {n:,} parts, one {found.unit} at a time{by}: {found.question}",
        f"expected log predictive density {number(found.elpd, 1)} (SE {number(found.se, 1)}), "
        f"{number(found.elpd / n, 3)} for each {found.unit}; leaving out costs as much as "
        f"{number(found.p_loo, 1)} parameters (p_loo); {found.n_draws:,} draws",
    ]
    if found.problems:
        lines += [f"Note: {problem}" for problem in found.problems]
    else:
        lines.append(
            f"Every Pareto k that counts is at most {found.good_k:.2f}: the numbers can be trusted."
        )
    lines.append("Compare models of the same table: az.compare({'A': a.arviz, 'B': b.arviz}).")
    return lines
