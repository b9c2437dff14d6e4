"""Write the reference: one table of all public names, and a page for each from its docstring.

Sphinx's configuration calls it; the pages are not kept. A name that no group lists goes to the
group of the folder that defines it, so that a new name needs no change here.
"""

import inspect
import shutil
from operator import attrgetter
from pathlib import Path
from typing import Any, get_type_hints

import ilhte_bayes as il

# group -> (folders whose other names go here, names in the order of the table)
GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Fit models": (
        ("models", "engines", "fits"),
        (
            "Model", "il_hte", "laplace", "quadrature", "sample", "conditional", "Fit", "load",
            "compare",
        ),
    ),
    "Read effects": (
        ("estimands",),
        (
            "item_effects", "effect_card", "score_effects", "sum_score_effect", "simultaneous",
            "item_features", "subscale_effects", "item_thresholds", "persons", "predict",
            "contrasts", "odds_ratios",
        ),
    ),
    "Test": (
        (),
        (
            "boundary_test", "item_variation", "sd_upper_bound", "fixed_tests", "variance_tests",
            "equal_slopes",
        ),
    ),
    "Check a fit": (("checks",), ("check",)),
    "Would the answer change?": (("sensitivity",), ("identification", "lookalikes", "anchors")),
    "Multilevel models": ((), ("variance_shares", "ladder", "centre")),
    "Plan": ((), ("analysis_plan", "blinded", "Trial", "simulate", "power")),
    "Many tables": (("studies",), ()),
    "Show": (("show",), ("report", "table", "save_table", "as_code")),
    "Data": (("data",), ("load_dataset", "datasets")),
}  # fmt: skip
NAMESPACES = {"Figures": "plot", "Priors": "priors", "Errors": "errors"}


def groups() -> dict[str, list[str]]:
    """Every public name under one heading."""
    listed = {name for _, names in GROUPS.values() for name in names}
    out = {}
    for title, (folders, names) in GROUPS.items():
        others = [
            name
            for name, module in il._PUBLIC.items()
            if name not in listed and module.split(".")[0] in folders
        ]
        out[title] = [name for name in names if name in il._PUBLIC] + others
    for title, space in NAMESPACES.items():
        inside = getattr(il, space)
        out[title] = [f"{space}.{n}" for n in inside.__all__ if callable(getattr(inside, n))]
    return {title: names for title, names in out.items() if names}


def write_pages(folder: Path) -> None:
    """Write `index.rst` and a page for every public name."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "index.rst").write_text(_index(groups()))
    for names in groups().values():
        for name in names:
            (folder / f"{name}.rst").write_text(_page(name))


def _index(found: dict[str, list[str]]) -> str:
    lines = [
        "Reference", "=========", "",
        "Everything public, ``import ilhte_bayes as il``. Verbs are functions, nouns are frozen "
        "records; results print as tables and have ``.frame`` or ``to_frame()``.", "",
    ]  # fmt: skip
    for title, names in found.items():
        lines += [title, "-" * len(title), "", ".. list-table::", "   :widths: 30 70", ""]
        for name in names:
            lines += [f"   * - :doc:`il.{name} <{name}>`", f"     - {_first_line(_object(name))}"]
        lines += ["", ".. toctree::", "   :hidden:", ""]
        lines += [f"   il.{name} <{name}>" for name in names] + [""]
    return "\n".join(lines)


def _page(name: str) -> str:
    title, thing = f"il.{name}", _object(name)
    lines = [title, "=" * len(title), ""]
    if inspect.isclass(thing):
        return "\n".join([*lines, *_class(thing, index=True)])
    where = f"{thing.__module__}.{thing.__name__}"
    lines += [f".. autofunction:: {where}", ""]
    made = _made_by(thing)
    if made is not None:
        lines += ["What it returns", "---------------", "", *_class(made, index=False)]
    return "\n".join(lines)


def _class(thing: type, *, index: bool) -> list[str]:
    lines = [f".. autoclass:: {thing.__module__}.{thing.__qualname__}", "   :members:"]
    # fields stand in the docstring's own list
    fields = ", ".join(getattr(thing, "__dataclass_fields__", {}))
    lines += [f"   :exclude-members: {fields}"] if fields else []
    return [*lines, *([] if index else ["   :no-index:"]), ""]


def _made_by(function: Any) -> type | None:
    """The record of ours that a function returns, where it is no public name itself."""
    try:
        made = get_type_hints(function).get("return")
    except NameError:  # named for type checking only
        return None
    if not inspect.isclass(made) or not made.__module__.startswith("ilhte_bayes."):
        return None
    return None if made.__name__ in il._PUBLIC else made


def _object(name: str) -> Any:
    return attrgetter(name)(il)


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").split("\n")[0].replace("*", "\\*")
