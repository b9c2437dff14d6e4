"""Every error and warning of the package: what was found, where, the rule, what to type next."""

import difflib
import functools
import inspect
import operator
from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "DataError", "FormulaError", "IlhteError", "IlhteWarning", "ModelError", "NotAvailable",
]  # fmt: skip


class IlhteError(Exception):
    """Base of all errors that `ilhte_bayes` raises on purpose.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> try:
    ...     il.load_dataset("caffein")
    ... except il.errors.IlhteError as error:
    ...     print(type(error).__name__)
    DataError
    """


class DataError(IlhteError, ValueError):
    """The table cannot be used as it is.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> il.load_dataset("caffein")
    Traceback (most recent call last):
    ilhte_bayes.errors.DataError: ...
    """


class FormulaError(IlhteError, ValueError):
    """The formula cannot be read, or asks for something that the grammar does not have.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> il.Model("yy ~ trt + (1 ID)", il.load_dataset("bacteria"))
    Traceback (most recent call last):
    ilhte_bayes.errors.FormulaError: ...
    """


class ModelError(IlhteError, ValueError):
    """Formula and table do not make a model that can be estimated.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ late + (1 | ID)", il.load_dataset("bacteria"))
    >>> model.with_priors({"sd_school": il.priors.HalfNormal(1)})
    Traceback (most recent call last):
    ilhte_bayes.errors.ModelError: ...
    """


class NotAvailable(IlhteError, NotImplementedError):
    """What a model, family or engine does not have; the sentence says what does.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("rating ~ temp + (1 | judge)", il.load_dataset("wine"), family="multinomial")
    >>> il.prior_predictive(model)
    Traceback (most recent call last):
    ilhte_bayes.errors.NotAvailable: ...
    """


class IlhteWarning(UserWarning):
    """Something a reader should look at; the sentence says what to do.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> issubclass(il.errors.IlhteWarning, UserWarning)
    True
    """


def unknown_argument(
    function: str, name: str, known: Sequence[str], instead: str | None = None
) -> TypeError:
    """The error for an argument that a function does not have: which one was meant."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = instead or (f"Did you mean {close[0]}=?" if close else "")
    return TypeError(
        f"{function} has no argument {name!r}. {hint}{' ' * bool(hint)}It has {', '.join(known)}."
    )


def names_arguments[**P, T](
    instead: Mapping[str, str] | None = None,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Make a public function say what to type for arguments it does not have; its signature stays.

    Parameters
    ----------
    instead : mapping, optional
        Name of an argument, of another program perhaps -> what to type here, a sentence.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        first, *known = inspect.signature(function).parameters

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            for name in kwargs:
                if name != first and name not in known:
                    there = (instead or {}).get(name)
                    raise unknown_argument(f"il.{function.__name__}", name, known, there)
            return function(*args, **kwargs)

        return call

    return decorate


def mark_place(text: str, start: int, end: int | None = None) -> str:
    """Return `text` with a line of carets under the characters from `start` to `end`."""
    width = max(1, (end if end is not None else start + 1) - start)
    return f"  {text}\n  {' ' * start}{'^' * width}"


def is_whole_number(value: object, least: int) -> bool:
    """Whether a value is a whole number, NumPy's too, of at least `least`; True is none."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        return False
    return operator.index(value) >= least


def require_whole(least: int = 1, /, **named: object) -> None:
    """Refuse values that are no whole numbers of at least `least`.

    Raises
    ------
    ModelError
    """
    for name, value in named.items():
        if not is_whole_number(value, least):
            raise ModelError(f"{name}={value!r}: it is a whole number of at least {least}.")


def listed(names, limit: int = 5) -> str:
    """Return up to `limit` names as a comma-separated list, saying how many were left out."""
    names = [repr(_clipped(name)) if isinstance(name, str) else str(name) for name in names]
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def _clipped(name: str, longest: int = 120) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def plural(name: str) -> str:
    """Plural of an English word; other names get an s too."""
    if name.endswith(("s", "x", "ch")):
        return f"{name}es"
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}s"


def listed_plainly(names: list[str], total: int) -> str:
    """Return names joined by commas, saying how many of `total` were left out."""
    left = total - len(names)
    return ", ".join(names) + (f" and {left} more" if left > 0 else "")
