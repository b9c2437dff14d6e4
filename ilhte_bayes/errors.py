"""Every error and warning of the package: what was found, where, the rule, what to type next."""


class IlhteError(Exception):
    """Base of all errors that `ilhte_bayes` raises on purpose."""


class DataError(IlhteError, ValueError):
    """The table cannot be used as it is."""


class FormulaError(IlhteError, ValueError):
    """The formula cannot be read, or asks for something that the grammar does not have."""


class ModelError(IlhteError, ValueError):
    """Formula and table do not make a model that can be estimated."""


class NotAvailable(IlhteError, NotImplementedError):
    """A feature that is planned and not there yet."""


class IlhteWarning(UserWarning):
    """Something a reader should look at; the sentence says what to do."""


def mark_place(text: str, start: int, end: int | None = None) -> str:
    """Return `text` with a line of carets under the characters from `start` to `end`."""
    width = max(1, (end if end is not None else start + 1) - start)
    return f"  {text}\n  {' ' * start}{'^' * width}"


def listed(names, limit: int = 5) -> str:
    """Return up to `limit` names as a comma-separated list, saying how many were left out."""
    names = [repr(name) if isinstance(name, str) else str(name) for name in names]
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def listed_plainly(names: list[str], total: int) -> str:
    """Return names joined by commas, saying how many of `total` were left out."""
    left = total - len(names)
    return ", ".join(names) + (f" and {left} more" if left > 0 else "")
