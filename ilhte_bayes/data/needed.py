"""What a formula needs of a table: the columns, and how the response is read."""

from dataclasses import dataclass
from typing import Literal

Comparison = Literal[">=", ">", "<=", "<", "==", "!="]


@dataclass(frozen=True, slots=True)
class ResponseTerm:
    """Left-hand side: a column, or a column compared with a value (`resp >= 2`)."""

    text: str
    column: str
    comparison: Comparison | None = None
    value: object = None


@dataclass(frozen=True, slots=True)
class Needed:
    """The columns that a formula uses, by the part they play in it."""

    response: ResponseTerm
    covariates: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]  # grouping variables, outermost first
    factors: frozenset[str] = frozenset()  # covariates that the formula turns into levels, C(x)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column used, each once."""
        inside = (name for group in self.groups for name in group)
        return tuple(dict.fromkeys((self.response.column, *self.covariates, *inside)))
