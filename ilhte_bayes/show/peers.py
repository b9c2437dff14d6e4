"""The same model in other programs: code to run, with what differs said in its comments.

glmer, clmm and brms are R, bambi is Python, PROC GLIMMIX is SAS; `d` is the table in each.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from html import escape
from typing import Literal, get_args

from ilhte_bayes.errors import ModelError, NotAvailable, listed
from ilhte_bayes.models.model import Model
from ilhte_bayes.show.peer_formulas import (
    answer,
    answer_test,
    columns_of,
    dummies,
    factors,
    levels_text,
    r_fixed,
    r_lines,
    r_random,
)

Program = Literal["glmer", "clmm", "glimmix", "brms", "bambi"]

_FAMILIES = {
    "glmer": {"bernoulli": ""},
    "clmm": {"cumulative": ""},
    "glimmix": {"bernoulli": "binary", "cumulative": "clogit", "multinomial": "glogit"},
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
        *_grouping(model),
    ]
    if odd := [name for name in dict.fromkeys(columns) if not name.isidentifier()]:
        renamed = {name: re.sub(r"\W+", "_", name) for name in odd}
        raise NotAvailable(
            f"other programs do not read the column name(s) {listed(odd)} as they are. Rename them "
            f"first: table = table.rename(columns={renamed})."
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
        *(f"d${name} <- factor(d${name})" for name in _grouping(model)),
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


def _grouping(model: Model) -> list[str]:
    """Columns of ids."""
    return list(dict.fromkeys(name for g in model.design.groups for name in g.variables))


def _correlated(model: Model) -> bool:
    return any(len(block) > 1 for group in model.design.groups for block in group.blocks)


def _nested(model: Model) -> list[str]:
    """A remark where SDs differ by arm."""
    if any(group.split for group in model.design.groups):
        return ["# An SD of ability for each arm: a term for each, of a column of 0 and 1."]
    return []


def _glimmix(model: Model) -> str:
    kind = _FAMILIES["glimmix"][model.family.name]
    left, column = answer(model), model.formula.response.column
    levels = model.responses.response_coding.levels
    test, notes, before = answer_test(model), [], []
    by = f" group={column}" if model.family.nominal else ""
    classes = _grouping(model)
    named = [f"{name}(ref='{own[0]}')" for name, own in factors(model).items()]
    if kind == "binary":
        notes.append("* SAS: Laplace, the same likelihood as il.laplace; signs as here;")
        target, link = f"{left}(event='1')", "dist=binary link=logit"
        if test is not None:
            sign = {"==": "=", "!=": "^="}.get(test[0], test[0])
            value = test[1].replace('"', "'")
            before.append(f"data d; set d; {left} = ({column} {sign} {value}); run;")
    elif kind == "clogit":
        notes.append("* SAS: intercepts are the thresholds, every slope has the other sign")
        notes.append(
            "  (with the option (descending) slopes are as here, and intercepts change sign);"
        )
        if model.thresholds == "item":
            notes.append("* No thresholds by item: this is thresholds='common';")
        target, link = left, "dist=multinomial link=clogit"
    else:
        if model.logits == "correlated":
            notes.append("* Correlated categories: SAS has them with type=un and no group=;")
        target, link = f"{left}(ref='{levels[0]}')", "dist=multinomial link=glogit"
        named = [left, *named]
    fixed = _sas_spelling(r_fixed(model))
    before += [
        f"data d; set d; {dummy} = {' * '.join(map(_sas_test, pieces))}; run;"
        for dummy, pieces in dummies(model, every=True).items()
    ]
    if "(" in fixed:
        notes.append("* Transforms of covariates: compute them in a data step first;")
    return _joined(
        *notes,
        *before,
        "proc glimmix data=d method=laplace;",
        f"  class {' '.join([*classes, *named])};",
        f"  model {target} = {'' if fixed == '1' else fixed + ' '}/ {link} solution;",
        *(f"  {line}{by};" for line in _glimmix_random(model)),
        "run;",
    )


def _glimmix_random(model: Model) -> Iterator[str]:
    for term in model.formula.random:
        *outer, inner = term.group
        subject = f"{inner}({' '.join(outer)})" if outer else inner
        pieces = [piece.strip() for piece in term.columns.split(" + ")]
        split = re.fullmatch(r"C\((\w+)\)", pieces[-1]) if pieces[0] == "0" else None
        if split and model.design.group(term.name).split:
            yield f"random intercept / subject={subject} group={split[1]}"
            continue
        effects = [
            "intercept" if c == "Intercept" else _sas_spelling(d)
            for c, d in columns_of(model, term)
        ]
        kind = f" type={'un' if term.correlated else 'vc'}" if len(effects) > 1 else ""
        yield f"random {' '.join(effects)} / subject={subject}{kind}"


def _sas_spelling(side: str) -> str:
    """R's spelling in SAS's: `a*b` is `a|b`, `a:b` is `a*b`."""
    side = side.replace(" + ", " ").replace("*", "|").replace(":", "*")
    return re.sub(r"I\((\w+)\^2\)", r"\1*\1", side)


def _sas_test(piece: tuple[str, str | None]) -> str:
    name, level = piece
    if level is None:
        return name
    number = re.fullmatch(r"-?\d+(\.\d+)?", level)
    return f"({name} = {level})" if number and name else f"({name} = '{level}')"


def _joined(*lines: str) -> str:
    return "\n".join(lines)


_WRITERS: dict[str, Callable[[Model], str]] = {
    "glmer": _glmer,
    "clmm": _clmm,
    "glimmix": _glimmix,
    "brms": _brms,
    "bambi": _bambi,
}
