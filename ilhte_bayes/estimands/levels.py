"""Which levels lie within which: students in classrooms in schools; persons and items cross."""

from ilhte_bayes.data.within import varies_within
from ilhte_bayes.formulas.design import Design


def levels_above(design: Design) -> dict[str, tuple[str, ...]]:
    """For each group the groups whose units hold its units whole, outermost first.

    Groups come outermost first too. Of crossed groups neither is above the other.
    """
    groups = sorted(design.groups, key=lambda group: group.n_levels)
    out = {}
    for at, inner in enumerate(groups):
        holds = [
            outer.name
            for outer in groups[:at]
            if outer.n_levels < inner.n_levels and not varies_within(inner.level, outer.level).any()
        ]
        out[inner.name] = tuple(holds)
    return out


def top_level(design: Design) -> str | None:
    """The group that holds all others' units: schools; None where groups are crossed, or absent."""
    above = levels_above(design)
    tops = [name for name, over in above.items() if not over]
    return tops[0] if len(tops) == 1 else None
