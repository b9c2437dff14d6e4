"""The analysis, written down before the answers are seen; read back to tell planned from found."""

import hashlib
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from ilhte_bayes.data.blinding import BLINDED
from ilhte_bayes.errors import DataError, IlhteWarning, ModelError, listed
from ilhte_bayes.models.model import Model
from ilhte_bayes.models.planned_results import Kind, Planned, plain_target, read_planned

Label = Literal["primary", "secondary", "exploratory"]

_SEAL = "SHA-256 of everything above this line: "
_BLOCK = re.compile(r"```json\n(.*?)\n```", re.S)


@dataclass(frozen=True, repr=False)
class AnalysisPlan:
    """Estimands, model, priors, exclusions and tests, as planned; prints as a text.

    Attributes
    ----------
    title, date, version : str
        Date of writing (UTC), version of the package.
    formula, family : str
    choices : dict
        Thresholds, discrimination, ability, own slopes, logits, assignment.
    roles : dict
        Columns of treatment, person, item, occasion and clusters.
    codings : tuple of str
        What numbers stand for.
    priors : dict
        Parameter -> prior, as text.
    engine : str
    primary, secondary : tuple of Planned
    exclusions : tuple of str
        Which persons, items or answers are left out, in sentences.
    answers : str
        What was known of the answers when the plan was written.
    note : str
    sha256 : str
        Of the file the plan was read from or saved to, "" before.
    changed : bool
        Whether that file was changed after it was saved.
    """

    title: str
    date: str
    version: str
    formula: str
    family: str
    choices: Mapping[str, Any]
    roles: Mapping[str, Any]
    codings: tuple[str, ...]
    priors: Mapping[str, str]
    engine: str
    primary: tuple[Planned, ...]
    secondary: tuple[Planned, ...]
    exclusions: tuple[str, ...]
    answers: str
    note: str = ""
    sha256: str = ""
    changed: bool = False

    def label(self, kind: Kind, target: str = "", scale: str = "logits") -> Label:
        """Whether a result is "primary", "secondary" or "exploratory".

        Parameters
        ----------
        kind, target, scale : str
            As in `Planned`; targets may hold their number of items, "these 10 items".
        """
        wanted = (kind, plain_target(target), "" if kind == "test" else scale)
        for name, planned in (("primary", self.primary), ("secondary", self.secondary)):
            if wanted in [(p.kind, p.target, p.scale) for p in planned]:
                return name  # type: ignore[return-value]
        return "exploratory"

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the plan as Markdown that people and `il.load` read, sealed with its SHA-256.

        Returns
        -------
        pathlib.Path
            The file written; the plan that `il.load` makes of it has its `sha256`.
        """
        target = Path(path).expanduser()
        if not target.parent.is_dir() or target.is_dir():
            raise DataError(
                f"no plan can be written to {target}. Name a file in a folder there is."
            )
        if target.exists():
            raise DataError(
                f"{target} is there already, and a plan is not written over. Name another file, "
                "or delete that one."
            )
        from ilhte_bayes.show.plan_words import plan_markdown

        text = plan_markdown(self) + _json_of(self)
        digest = hashlib.sha256(text.encode()).hexdigest()
        target.write_text(f"{text}{_SEAL}{digest}\n", encoding="utf-8", newline="\n")
        return target

    def __repr__(self) -> str:
        from ilhte_bayes.show.plan_words import describe_plan

        return describe_plan(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


def analysis_plan(
    model: Model,
    *,
    primary: str | Mapping | Planned | Sequence = "item population, logits",
    secondary: str | Mapping | Planned | Sequence = (),
    tests: str | Sequence[str] = (),
    exclusions: str | Sequence[str] = (),
    engine: Literal["laplace", "quadrature", "nuts"] = "nuts",
    objective: Literal["ml", "map"] = "ml",
    answers: str = "",
    title: str = "",
    note: str = "",
    on: date | None = None,
) -> AnalysisPlan:
    """Write down what will be analysed, and how, before the answers are seen.

    Parameters
    ----------
    model : Model
        Of the planned formula, made of a table whose answers are blinded (`il.blinded`), simulated,
        or not yet looked at.
    primary, secondary : str, mapping, or a sequence of these
        Results: "item population, logits" (target and scale of an effect), "item effects",
        "SD of effects", {"kind": "coefficient", "target": "treat:pre"}.
    tests : str or sequence of str
        Names of planned tests, "boundary_test"; they are secondary.
    exclusions : str or sequence of str
        Persons, items or answers that will be left out, in sentences. Rows in which a column of the
        formula is missing are left out anyway.
    engine : {"laplace", "quadrature", "nuts"}
    objective : {"ml", "map"}
        Of 'laplace' and 'quadrature'.
    answers : str
        What is known of the answers when this is written; "blinded" is recognised.
    title, note : str
    on : datetime.date, optional
        Date of writing; today (UTC).

    Returns
    -------
    AnalysisPlan
        `plan.save("plan.md")` keeps it, `il.load` reads it, `il.report(fit, path, plan=plan)`
        tells planned results from exploratory ones and names what was done otherwise.

    Raises
    ------
    ModelError
        If a result is none the package has, or its term is not in the formula.

    Notes
    -----
    The SHA-256 shows that a file was changed, not when it was written: deposit the plan, or its
    SHA-256, where the date is kept by others (a registry).

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.blinded(il.load_dataset("caffeine"), categories=range(4))
    >>> model = il.il_hte(trial, response="resp >= 2", clusters=["study"])
    >>> plan = il.analysis_plan(model, primary="item population, logits", tests="boundary_test")
    >>> plan.label("effect", "item population", "logits"), plan.label("item effects")
    ('primary', 'exploratory')
    """
    from ilhte_bayes import __version__

    if engine not in ("laplace", "quadrature", "nuts"):
        raise ModelError(f"engine={engine!r}; it is 'laplace', 'quadrature' or 'nuts'.")
    first, second = read_planned(model, primary), read_planned(model, secondary)
    second += [Planned("test", name, "") for name in _sentences(tests)]
    if not first:
        raise ModelError(
            "a plan names its primary result. Write primary='item population, logits'."
        )
    if both := [str(p) for p in second if p in first]:
        raise ModelError(f"{listed(both)} is primary and secondary. Name it once.")
    return AnalysisPlan(
        title=title or model.formula.text,
        date=(on or datetime.now(UTC).date()).isoformat(),
        version=__version__,
        priors={entry.parameter: str(entry.prior) for entry in model.priors},
        engine=engine if engine == "nuts" else f"{engine}, {objective}",
        primary=tuple(first),
        secondary=tuple(second),
        exclusions=tuple(_sentences(exclusions)),
        answers=answers or _answers_of(model),
        note=note,
        **described(model),
    )


def described(model: Model) -> dict[str, Any]:
    """What a plan holds of a model: formula, family, choices, roles and codings."""
    roles = model.roles
    codings = (model.responses.response_coding, *model.responses.codings)
    return {
        "formula": model.formula.text,
        "family": model.family.name,
        "choices": {
            "thresholds": model.thresholds,
            "discrimination": model.discrimination or "equal",
            "ability": model.ability,
            "own slopes": ", ".join(model.own_slopes) or "none",
            "logits": model.logits,
            "assignment": (model.assignment.kind if model.assignment else None) or "not stated",
        },
        "roles": {
            "treatment": roles.treatment,
            "person": roles.person,
            "item": roles.item,
            "occasion": roles.occasion,
            "clusters": list(roles.clusters),
        },
        "codings": tuple(map(str, codings)),
    }


def load_plan(path: str | PathLike[str]) -> AnalysisPlan:
    """Read a plan that `plan.save` wrote.

    A file that was changed since is read, with a warning, and `changed` says so.

    Raises
    ------
    DataError
        If the file is not there or holds no plan.
    """
    source = Path(path).expanduser()
    if not source.is_file():
        raise DataError(f"there is no file {source}. Name one that plan.save wrote.")
    text = source.read_text(encoding="utf-8")
    above, seal, digest = text.rpartition(_SEAL)
    block = _BLOCK.search(text)
    try:
        plan = AnalysisPlan(**_from_json(json.loads(block.group(1) if block else "")))
    except (ValueError, TypeError, KeyError, AttributeError) as wrong:
        raise DataError(
            f"{source.name} holds no plan that can be read: its block between ```json and ``` is "
            "missing or damaged. Name a file that plan.save wrote, unchanged."
        ) from wrong
    found = hashlib.sha256(above.encode()).hexdigest()
    changed = not seal or digest.strip() != found
    if changed:
        warnings.warn(
            f"{source.name} was changed after it was saved: its SHA-256 does not match. Compare it "
            "with the copy that was registered; a report says that the plan was changed.",
            IlhteWarning,
            stacklevel=2,
        )
    return replace(plan, sha256=found, changed=changed)


def _json_of(plan: AnalysisPlan) -> str:
    held = {k: v for k, v in asdict(plan).items() if k not in ("sha256", "changed")}
    return (
        f"\n## For programs\n\n```json\n{json.dumps(held, indent=1, ensure_ascii=False)}\n```\n\n"
    )


def _from_json(held: dict[str, Any]) -> dict[str, Any]:
    planned = {
        key: tuple(Planned(**each) for each in held[key]) for key in ("primary", "secondary")
    }
    lists = {key: tuple(held[key]) for key in ("codings", "exclusions")}
    return {**held, **planned, **lists}


def _answers_of(model: Model) -> str:
    if model.source.endswith(BLINDED):
        return "blinded: the model was made of answers drawn blindly"
    return (
        "the model was made of a table with answers (fingerprint "
        f"{model.responses.fingerprint()[:16]}); whether they had been looked at is not stated"
    )


def _sentences(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)
