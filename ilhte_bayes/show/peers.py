"""The same model in other programs: code to run, with what differs said in its comments.

glmer, clmm and brms are R, bambi is Python, PROC GLIMMIX is SAS; `d` is the table in each.
"""

import contextlib
import re
from collections.abc import Callable
from html import escape
from typing import Literal, get_args

from ilhte_bayes.errors import ModelError, NotAvailable, listed
from ilhte_bayes.models.model import Model
from ilhte_bayes.show.peer_formulas import (
    answer,
    answer_test,
    factors,
    grouping,
    levels_text,
    r_fixed,
    r_lines,
    r_random,
)
from ilhte_bayes.show.peer_sas import LINKS, glimmix

Program = Literal["glmer", "clmm", "glimmix", "brms", "bambi"]

_FAMILIES = {
    "glmer": {"bernoulli": ""},
    "clmm": {"cumulative": ""},
    "glimmix": LINKS,
    "brms": {
        "bernoulli": "bernoulli",
        "cumulative": "cumulative",
        "adjacent": "acat",
        "multinomial": "categorical",
    },
    "bambi": {"bernoulli": "bernoulli", "cumulative": "cumulative", "multinomial": "categorical"},
}


class Code(str):
    """Code that is shown as it is written."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def as_code(model: Model, program: Program) -> Code:
    """Write the model in another program's language.

    Parameters
    ----------
    model : Model
    program : {"glmer", "clmm", "glimmix", "brms", "bambi"}
        `lme4::glmer` and `ordinal::clmm` maximise the same Laplace likelihood as `il.laplace`.

    Returns
    -------
    Code
        A text, to be run after the table was read as `d`. Factors get the reference levels that
        they have here, ordered answers their order; comments say which signs and names differ,
        and what the program lacks. Transforms of covariates keep formulaic's names (`bs`, `poly`).

    Raises
    ------
    ModelError
        If the program is none of these.
    NotAvailable
        If the program cannot fit such a model.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("y ~ treat + (1 | id) + (treat | item)", il.load_dataset("verbagg"))
    >>> print(il.as_code(model, "glmer").splitlines()[-2])
    m <- lme4::glmer(y ~ treat + (1 | id) + (treat | item), data = d, family = binomial,
    """
    if program not in get_args(Program):
        raise ModelError(f"program={program!r}; it is one of {listed(list(get_args(Program)))}.")
    _refuse(model, program)
    return Code(_WRITERS[program](model))


def peers_code(model: Model) -> str:
    """The model in every program of the page that can fit it, one after the other."""
    found = []
    for program in ("glmer", "clmm", "brms", "glimmix"):
        with contextlib.suppress(NotAvailable):
            found.append(str(as_code(model, program)))
    return "\n\n".join(found)


def _refuse(model: Model, program: str) -> None:
    if model.family.name not in _FAMILIES[program]:
        able = [name for name, known in _FAMILIES.items() if model.family.name in known]
        raise NotAvailable(
            f"{program} has no family like {model.family.name!r}. Ask for one of {listed(able)}."
        )
    columns = [
        model.formula.response.column,
        *map(str, model.responses.patterns),
        *grouping(model),
    ]
    if odd := [name for name in dict.fromkeys(columns) if not name.isidentifier()]:
        renamed = {name: re.sub(r"\W+", "_", name) for name in odd}
        raise NotAvailable(
            f"other programs do not read the column name(s) {listed(odd)} as they are. Rename them "
            f"first: table = table.rename(columns={renamed})."
        )
    response = model.formula.response
    if response.comparison not in (None, "==", "!=") and isinstance(response.value, str):
        raise NotAvailable(
            f"'{response.text}' compares words by an order that other programs do not know: they "
            f"sort {response.column} by the alphabet. Name the answers that count as 1: "
            f"table['{response.column}_is_1'] = table[{response.column!r}].isin([...]).astype(int), "
            "and take that for the response."
        )
    lacks = {
        "discriminations by item (2PL)": model.discrimination is not None,
        "abilities of a free shape": model.ability != "normal",
        "slopes of their own at each threshold beside random effects": (
            model.design.has_own_slopes
        ),
    }
    for what, asked in lacks.items():
        if asked:
            raise NotAvailable(
                f"code for {program} with {what} is not written: its formula has no such part. "
                "Leave it out of the model to compare the rest."
            )


def _glmer(model: Model) -> str:
    return _joined(
        "# R, lme4: Laplace, the same likelihood as il.laplace; signs and SDs as here.",
        *_nested(model),
        *r_lines(model, apart=True),
        f"m <- lme4::glmer({answer(model)} ~ {r_fixed(model)} + {r_random(model, apart=True)}, "
        "data = d, family = binomial,",
        '                 control = lme4::glmerControl(optimizer = "bobyqa"))',
    )


def _clmm(model: Model) -> str:
    own = ["# clmm has no thresholds by item: this is thresholds='common'."]
    return _joined(
        "# R, ordinal: signs as here; 'Threshold coefficients' are the thresholds.",
        *(own if model.thresholds == "item" else []),
        *(f"d${name} <- factor(d${name})" for name in grouping(model)),
        *r_lines(model, apart=True),
        f"m <- ordinal::clmm({answer(model)} ~ {r_fixed(model)} + {r_random(model, apart=True)}, "
        "data = d)",
    )


def _brms(model: Model) -> str:
    family, random = _FAMILIES["brms"][model.family.name], r_random(model, apart=False)
    left, notes = answer(model), ["# Its default priors are not those here: print(model.priors)."]
    if model.family.nominal:
        head = "# R, brms: mu<category>_ in its names is '<category>: ' here."
        if model.logits == "correlated":  # terms that share |a| are correlated across categories
            for bar, named in ((" || ", " || a || "), (" | ", " | a | ")):
                random = random.replace(bar, named)
    elif model.family.ordinal:
        head = "# R, brms: signs as here; 'Intercept[k]' are the thresholds."
    else:
        head = "# R, brms: signs and SDs as here."
    if model.thresholds == "item":
        left += f" | thres({model.design.n_cuts}, gr = {model.roles.item})"
        notes.append(
            "# Its thresholds by item have a flat prior each; here they shrink to common ones."
        )
    return _joined(
        head,
        *notes,
        *r_lines(model, apart=False),
        f"m <- brms::brm({left} ~ {r_fixed(model)} + {random}, data = d,",
        f'               family = brms::{family}("logit"))',
    )


def _bambi(model: Model) -> str:
    column, test = model.formula.response.column, answer_test(model)
    levels = model.responses.response_coding.levels
    lines = ["# Python, bambi: signs as here. Its default priors are not those here."]
    if _correlated(model):
        lines.append(
            "# bambi has no correlations of random effects: every ( | ) below is a ( || )."
        )
    if model.thresholds == "item":
        lines.append("# It has no thresholds by item: this is thresholds='common'.")
    lines.append("import bambi as bmb\nimport pandas as pd\n")
    if model.family.ordinal or model.family.nominal:
        ordered = ", ordered=True" if model.family.ordinal else ""
        lines.append(
            f'd["{column}"] = pd.Categorical(d["{column}"].astype(str), '
            f"[{levels_text(levels)}]{ordered})"
        )
    elif test is not None:
        lines.append(f'd["{answer(model)}"] = (d["{column}"] {test[0]} {test[1]}).astype(int)')
    lines += [
        f'd["{name}"] = pd.Categorical(d["{name}"].astype(str), [{levels_text(own)}])'
        for name, own in factors(model).items()
    ]
    random = " + ".join(f"({term.columns} | {term.name})" for term in model.formula.random)
    family = _FAMILIES["bambi"][model.family.name]
    formula = f"{answer(model)} ~ {model.formula.fixed} + {random}"
    lines += [
        f'm = bmb.Model("{formula}", d, family="{family}")',
        "draws = m.fit(random_seed=1)",
    ]
    return _joined(*lines)


def _correlated(model: Model) -> bool:
    return any(len(block) > 1 for group in model.design.groups for block in group.blocks)


def _nested(model: Model) -> list[str]:
    """A remark where SDs differ by arm."""
    if any(group.split for group in model.design.groups):
        return ["# An SD of ability for each arm: a term for each, of a column of 0 and 1."]
    return []


def _joined(*lines: str) -> str:
    return "\n".join(lines)


_WRITERS: dict[str, Callable[[Model], str]] = {
    "glmer": _glmer,
    "clmm": _clmm,
    "glimmix": glimmix,
    "brms": _brms,
    "bambi": _bambi,
}
