"""Answers in words: which look like codes of missing ones, or are one answer spelt in two ways."""

from collections.abc import Collection, Sequence

from ilhte_bayes.errors import listed

# What tables write where nobody answered. "none", "unknown" and "don't know" can be answers.
_MISSING = {
    "", ".", "..", "-", "--", "?", "n/a", "#n/a", "<na>", "na", "n.a.", "nan", "null", "missing",
    "blank", "empty", "none given", "not given", "not answered", "unanswered", "no answer",
    "no response", "nonresponse", "non-response", "refused", "refusal", "skipped", "omitted",
    "not applicable", "not available", "not reached", "not administered", "not asked",
    "-7", "-8", "-9", "-77", "-88", "-99", "-777", "-888", "-999",
}  # fmt: skip
# codes that are numbers, where all other answers are words
_NUMBERS = {"7", "8", "9", "77", "88", "97", "98", "99", "777", "888", "999"}
_YES = ("yes", "y", "true", "t", "right", "correct", "pass", "passed", "agree", "1")


def missing_words(texts: Sequence[str]) -> list[str]:
    """Answers that look like codes of missing ones; none where nothing else would be left.

    "-" is an answer where "+" is one, and 99 where others are numbers.
    """
    plain = [_plain(text) for text in texts]
    codes = set(_MISSING) - ({"-"} if "+" in plain else set())
    if not any(text.isdigit() and text not in _NUMBERS for text in plain):
        codes |= _NUMBERS
    found = [text for text, word in zip(texts, plain, strict=True) if word in codes]
    return found if len(found) < len(texts) else []


def missing_words_advice(column: str, texts: Sequence[str]) -> str:
    """What to do with such answers; "" if there are none."""
    found = missing_words(texts)
    if not found:
        return ""
    looks = "looks like a code" if len(found) == 1 else "look like codes"
    test = f"== {found[0]!r}" if len(found) == 1 else f".isin({found})"
    test = f" {test}" if len(found) == 1 else test
    return (
        f"{listed(found, 8)} {looks} for missing answers, which only empty cells, NA and NaN are "
        f"here. If so: table[{column!r}] = table[{column!r}].mask(table[{column!r}]{test})."
    )


def look_alike(texts: Collection[str], *, capitals: bool = True) -> tuple[str, str] | None:
    """Two texts that differ only by spaces, or by capitals; None if there are no such."""
    seen: dict[str, str] = {}
    for text in texts:
        word = " ".join(text.split())
        first = seen.setdefault(word.casefold() if capitals else word, text)
        if first != text:
            return first, text
    return None


def look_alike_advice(column: str, texts: Collection[str]) -> str:
    """How to make one answer of two spellings; "" if there are none."""
    pair = look_alike(texts)
    if pair is None:
        return ""
    return (
        f"{listed(list(pair))} are one answer, perhaps: table[{column!r}] = "
        f"table[{column!r}]{_mending(texts)} makes them one."
    )


def two_answers_advice(column: str, texts: Sequence[str]) -> str:
    """How a column of words becomes two answers: mend what is no answer, compare what is left.

    Parameters
    ----------
    column : str
    texts : sequence of str
        Distinct answers, more than two.
    """
    said = (missing_words_advice(column, texts), look_alike_advice(column, texts))
    cures = [cure for cure in said if cure]
    left = mended([text for text in texts if text not in missing_words(texts)])
    yes = affirmative(left)
    name = column if column.isidentifier() else f"`{column}`"
    typed = f'"{name} == {yes or left[len(left) // 2]!r} ~ ..."'
    if len(left) > 2:
        said_first = "Then compare" if cures else "Compare"
        cures.append(
            f"{said_first} it with a value, {typed}, or choose family='cumulative' (--family "
            "cumulative on the command line)."
        )
    elif yes is None or yes == left[-1] == max(left):  # scored 1 as it is
        cures.append(f"That leaves {listed(left)}.")
    else:
        cures.append(f"That leaves {listed(left)}; write {typed}, so that {yes!r} counts as 1.")
    return " ".join(cures)


def mended(texts: Sequence[str]) -> list[str]:
    """Distinct answers after the spellings of look-alikes were made one."""
    if look_alike(texts) is None:
        return list(texts)
    cure = _mending(texts)
    words = [text.strip() if "strip" in cure else text for text in texts]
    return list(dict.fromkeys(word.lower() if "lower" in cure else word for word in words))


def affirmative(texts: Sequence[str]) -> str | None:
    """The answer that says yes, if one does."""
    plain = {_plain(text): text for text in reversed(texts)}
    return next((plain[word] for word in _YES if word in plain), None)


def _mending(texts: Collection[str]) -> str:
    """The methods of a pandas column that undo differences of spaces and capitals."""
    spaces = any(text != text.strip() for text in texts)
    stripped = {text.strip() for text in texts}
    capitals = look_alike(stripped) is not None
    return (".str.strip()" if spaces else "") + (".str.lower()" if capitals else "")


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
