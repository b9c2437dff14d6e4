"""The one map from our names (formulaic's) to R's, for coefficients, groups and columns."""

import re


def r_term(name: str) -> str:
    """`Intercept` -> `(Intercept)`, `trt[T.drug]` -> `trtdrug`, `I(age ** 2)` -> `I(age^2)`."""
    if name == "Intercept":
        return "(Intercept)"
    return re.sub(r"\[T\.(.*?)\]", r"\1", name).replace(" ** ", "^")


def same_group(ours: str, theirs: str) -> bool:
    """Our `school:teacher:student` is R's `student:(teacher:school)`."""
    return sorted(ours.split(":")) == sorted(re.sub(r"[()]", "", theirs).split(":"))
