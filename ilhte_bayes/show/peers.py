"""The same ordinal or nominal model in other programs: code to start from, with the sign of each said."""

import re
from collections.abc import Iterator

from ilhte_bayes.formulas.grammar import RandomTerm
from ilhte_bayes.models.model import Model


def peers_code(model: Model) -> str:
    """An ordinal model in clmm, brms and PROC GLIMMIX, a nominal one in the last two.

    `d` is the table in each. Adjacent-category logits are in brms alone.

    Transforms of covariates stand as they are written here, in Python.
    """
    if model.family.name == "adjacent":
        return _brms(model, "acat")
    if model.family.nominal:
        return "\n\n".join([_brms_nominal(model), _glimmix_nominal(model)])
    return "\n\n".join([_clmm(model), _brms(model, "cumulative"), _glimmix(model)])


def _clmm(model: Model) -> str:
    own = "# clmm has no thresholds by item: this is thresholds='common'.\n"
    return (
        "# R, ordinal: signs as here; 'Threshold coefficients' are the thresholds.\n"
        f"{own if model.thresholds == 'item' else ''}"
        f"d${_answer(model)} <- {_ordered(model)}\n"
        f"ordinal::clmm({_answer(model)} ~ {_fixed(model)} + {_random(model, apart=True)}, data = d)"
    )


def _brms(model: Model, family: str) -> str:
    answer, own = _answer(model), ""
    if model.thresholds == "item":
        answer += f" | thres({model.design.n_cuts}, gr = {model.roles.item})"
        own = "# Its thresholds by item have a flat prior each; here they shrink to common ones.\n"
    return (
        f"# R, brms: signs as here; 'Intercept[k]' are the thresholds.\n{own}"
        f"brms::brm({answer} ~ {_fixed(model)} + {_random(model, apart=False)}, data = d,\n"
        f'          family = brms::{family}("logit"))'
    )


def _brms_nominal(model: Model) -> str:
    """Terms that share |a| are correlated across categories; without it they are independent."""
    answer, levels = _answer(model), model.responses.response_coding.levels
    random = _random(model, apart=False)
    if model.logits == "correlated":
        between = (f"{bar} a {bar}" for bar in ("||", "|"))
        for bar, named in zip((" || ", " | "), between, strict=True):
            random = random.replace(bar, f" {named} ")
    return (
        "# R, brms: mu<category>_ in its names is '<category>: ' here.\n"
        f'd${answer} <- relevel(factor(d${answer}), ref = "{levels[0]}")\n'
        f"brms::brm({answer} ~ {_fixed(model)} + {random}, data = d,\n"
        '          family = brms::categorical("logit"))'
    )


def _glimmix_nominal(model: Model) -> str:
    answer, first = _answer(model), model.responses.response_coding.levels[0]
    own = "* Correlated categories: SAS has them with type=un and no group=;\n"
    lines = "\n".join(f"  {line} group={answer};" for line in _glimmix_random(model))
    names = dict.fromkeys(name for group in model.design.groups for name in group.variables)
    names |= dict.fromkeys(c.column for c in model.responses.codings if c.column != answer)
    fixed = _fixed(model).replace(" + ", " ").replace(":", "*")
    return (
        f"{own if model.logits == 'correlated' else ''}"
        "proc glimmix data=d method=laplace;\n"
        f"  class {answer} {' '.join(names)};\n"
        f"  model {answer}(ref='{first}') = {'' if fixed == '1' else fixed + ' '}"
        f"/ dist=multinomial link=glogit solution;\n{lines}\nrun;"
    )


def _glimmix(model: Model) -> str:
    own = "* No thresholds by item: this is thresholds='common';\n"
    lines = "\n".join(f"  {line};" for line in _glimmix_random(model))
    names = dict.fromkeys(name for group in model.design.groups for name in group.variables)
    names |= dict.fromkeys(c.column for c in model.responses.codings)
    fixed = _fixed(model).replace(" + ", " ").replace(":", "*")
    return (
        "* SAS: intercepts are the thresholds, every slope has the other sign\n"
        "  (with the option (descending) slopes are as here, and intercepts change sign);\n"
        f"{own if model.thresholds == 'item' else ''}"
        "proc glimmix data=d method=laplace;\n"
        f"  class {' '.join(names)};\n"
        f"  model {_answer(model)} = {'' if fixed == '1' else fixed + ' '}"
        f"/ dist=multinomial link=clogit solution;\n{lines}\nrun;"
    )


def _answer(model: Model) -> str:
    return model.formula.response.column


def _ordered(model: Model) -> str:
    levels = ", ".join(f'"{level}"' for level in model.responses.response_coding.levels)
    return f"factor(d${_answer(model)}, levels = c({levels}), ordered = TRUE)"


def _fixed(model: Model) -> str:
    return _r_spelling(model.formula.fixed)


def _r_spelling(side: str) -> str:
    return re.sub(r"\bC\(", "factor(", side.removeprefix("1 + "))


def _random(model: Model, *, apart: bool) -> str:
    """Random terms in lme4's grammar; without `||` if these must stand apart."""
    return " + ".join(piece for term in model.formula.random for piece in _terms(term, apart=apart))


def _terms(term: RandomTerm, *, apart: bool) -> Iterator[str]:
    columns = re.sub(r"\bC\(", "factor(", term.columns)
    if term.correlated or not apart:
        yield f"({columns} {'|' if term.correlated else '||'} {term.name})"
        return
    pieces = [piece.strip() for piece in columns.split(" + ")]
    if "0" not in pieces:
        yield f"(1 | {term.name})"
    yield from (f"(0 + {piece} | {term.name})" for piece in pieces if piece not in ("0", "1"))


def _glimmix_random(model: Model) -> Iterator[str]:
    for term in model.formula.random:
        *outer, inner = term.group
        subject = f"{inner}({' '.join(outer)})" if outer else inner
        pieces = [piece.strip() for piece in term.columns.split(" + ")]
        split = re.fullmatch(r"C\((\w+)\)", pieces[-1]) if pieces[0] == "0" else None
        if split:
            yield f"random intercept / subject={subject} group={split[1]}"
            continue
        effects = [] if "0" in pieces else ["intercept"]
        effects += [piece for piece in pieces if piece not in ("0", "1")]
        kind = f" type={'un' if term.correlated else 'vc'}" if len(effects) > 1 else ""
        yield f"random {' '.join(effects)} / subject={subject}{kind}"
