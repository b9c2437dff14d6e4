"""A model in PROC GLIMMIX: its data steps, classes, response and random statements."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

from ilhte_bayes.formulas.grammar import RandomTerm
from ilhte_bayes.models.model import Model
from ilhte_bayes.show.peer_formulas import (
    answer,
    answer_test,
    columns_of,
    dummies,
    factors,
    grouping,
    r_fixed,
)

LINKS = {"bernoulli": "binary", "cumulative": "clogit", "multinomial": "glogit"}
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def glimmix(model: Model) -> str:
    """The data steps and the procedure."""
    kind = LINKS[model.family.name]
    left, column = answer(model), model.formula.response.column
    levels = model.responses.response_coding.levels
    test, notes, before = answer_test(model), [], []
    by = f" group={column}" if model.family.nominal else ""
    classes = grouping(model)
    named = [f"{name}(ref={_sas_text(own[0])})" for name, own in factors(model).items()]
    if kind == "binary":
        notes.append("* SAS: Laplace, the same likelihood as il.laplace; signs as here;")
        target, link = f"{left}(event='1')", "dist=binary link=logit"
        if test is not None:
            sign = {"==": "=", "!=": "^="}.get(test[0], test[0])
            value = test[1]
            if value.startswith('"'):
                value = _sas_text(ast.literal_eval(value))
            before.append(f"data d; set d; {left} = ({column} {sign} {value}); run;")
    elif kind == "clogit":
        notes.append("* SAS: intercepts are the thresholds, every slope has the other sign")
        notes.append(
            "  (with the option (descending) slopes are as here, and intercepts change sign);"
        )
        if model.thresholds == "item":
            notes.append("* No thresholds by item: this is thresholds='common';")
        target, link = left, "dist=multinomial link=clogit"
        if _out_of_order(levels):
            target = f"{column}_score"
            notes.append("* SAS sorts words by the alphabet, so they are numbered in their order;")
            before.append(_sas_scores(column, levels, target))
    else:
        if model.logits == "correlated":
            notes.append("* Correlated categories: SAS has them with type=un and no group=;")
        target, link = f"{left}(ref={_sas_text(levels[0])})", "dist=multinomial link=glogit"
        named = [left, *named]
    fixed = _sas_spelling(r_fixed(model))
    copies = _sas_class_copies(model)
    before += [f"data d; set d; {copy} = {name}; run;" for name, copy in copies.items()]
    before += [
        f"data d; set d; {dummy} = {' * '.join(map(_sas_test, pieces))}; run;"
        for dummy, pieces in dummies(model, every=True).items()
    ]
    if "(" in fixed:
        notes.append("* Transforms of covariates: compute them in a data step first;")
    return "\n".join(
        [
            *notes,
            *before,
            "proc glimmix data=d method=laplace;",
            f"  class {' '.join([*classes, *named, *copies.values()])};",
            f"  model {target} = {'' if fixed == '1' else fixed + ' '}/ {link} solution;",
            *(f"  {line}{by};" for line in _glimmix_random(model, copies)),
            "run;",
        ]
    )


def _glimmix_random(model: Model, copies: Mapping[str, str]) -> Iterator[str]:
    for term in model.formula.random:
        *outer, inner = term.group
        subject = f"{inner}({' '.join(outer)})" if outer else inner
        if arm := _arm_of_sd(model, term):
            yield f"random intercept / subject={subject} group={copies.get(arm, arm)}"
            continue
        effects = [
            "intercept" if c == "Intercept" else _sas_spelling(d)
            for c, d in columns_of(model, term)
        ]
        kind = f" type={'un' if term.correlated else 'vc'}" if len(effects) > 1 else ""
        yield f"random {' '.join(effects)} / subject={subject}{kind}"


def _arm_of_sd(model: Model, term: RandomTerm) -> str | None:
    """The column each value of which has an SD of its own, `(0 + C(arm) || id)`."""
    pieces = [piece.strip() for piece in term.columns.split(" + ")]
    found = re.fullmatch(r"C\((\w+)\)", pieces[-1]) if pieces[0] == "0" else None
    return found[1] if found and model.design.group(term.name).split else None


def _sas_class_copies(model: Model) -> dict[str, str]:
    """Columns of numbers that form groups, and what their copies among the classes are called.

    A number that is no class starts a new group at every row where it differs from the row before.
    """
    arms = (_arm_of_sd(model, term) for term in model.formula.random)
    return {arm: f"{arm}_group" for arm in arms if arm and arm not in factors(model)}


def _out_of_order(levels: Sequence[str]) -> bool:
    """Whether SAS would sort these answers otherwise: words by the alphabet, numbers by size."""
    if not all(_NUMBER.fullmatch(level) for level in levels):
        return True
    sizes = [float(level) for level in levels]
    return sizes != sorted(sizes)


def _sas_scores(column: str, levels: Sequence[str], target: str) -> str:
    """A data step that numbers the answers; other answers stay missing."""
    cases = "".join(
        f"\n  when ({_sas_value(level)}) {target} = {k};" for k, level in enumerate(levels)
    )
    return f"data d; set d; select ({column});{cases}\n  otherwise; end; run;"


def _sas_value(level: str) -> str:
    return level if _NUMBER.fullmatch(level) else _sas_text(level)


def _sas_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _sas_spelling(side: str) -> str:
    """R's spelling in SAS's: `a*b` is `a|b`, `a:b` is `a*b`."""
    side = side.replace(" + ", " ").replace("*", "|").replace(":", "*")
    return re.sub(r"I\((\w+)\^2\)", r"\1*\1", side)


def _sas_test(piece: tuple[str, str | None]) -> str:
    name, level = piece
    if level is None:
        return name
    return f"({name} = {_sas_value(level)})"
