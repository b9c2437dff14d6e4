"""The command `ilhte fit`: a table in, results as text, JSON and a page."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ilhte_bayes.cli.basics import app, check_writable, say, split_names
from ilhte_bayes.cli.fit_as_json import as_json
from ilhte_bayes.errors import DataError, ModelError

if TYPE_CHECKING:
    from ilhte_bayes.fits.fit import Fit
    from ilhte_bayes.models.model import Model


@app.command()
def fit(
    table: Annotated[
        Path,
        typer.Argument(
            help="Table in long form, .csv, .csv.gz or .parquet; or counts by ilhte reduce."
        ),
    ],
    formula: Annotated[
        str | None, typer.Option(help='"resp ~ treat + (1 | id) + (treat | item)"')
    ] = None,
    response: Annotated[str | None, typer.Option(help="Column with the answers.")] = None,
    treatment: Annotated[str | None, typer.Option(help="Column with the arm.")] = None,
    person: Annotated[str | None, typer.Option(help="Column with the person.")] = None,
    item: Annotated[str | None, typer.Option(help="Column with the item.")] = None,
    clusters: Annotated[str, typer.Option(help="Clusters, outermost first: school,teacher.")] = "",
    covariates: Annotated[str, typer.Option(help="Covariates, comma-separated.")] = "",
    family: Annotated[
        str,
        typer.Option(
            help="bernoulli (yes or no), cumulative or adjacent (ordered categories), "
            "multinomial (no order)."
        ),
    ] = "bernoulli",
    engine: Annotated[str, typer.Option(help="laplace, quadrature or nuts.")] = "laplace",
    objective: Annotated[str, typer.Option(help="ml or map.")] = "ml",
    levels: Annotated[str, typer.Option(help="Order of text answers: low,mid,high.")] = "",
    thresholds: Annotated[
        str, typer.Option(help="Of ordered categories: common, or item (each its own).")
    ] = "common",
    reference: Annotated[
        list[str] | None, typer.Option(help="Level to compare with: trt=placebo.")
    ] = None,
    assignment: Annotated[str | None, typer.Option(help="randomised or observational.")] = None,
    roster: Annotated[Path | None, typer.Option(help="Table of everyone randomised.")] = None,
    crossover: Annotated[
        bool, typer.Option("--crossover", help="Persons were meant to change arm.")
    ] = False,
    occasion: Annotated[
        str | None, typer.Option(help="Column that tells repeated answers apart.")
    ] = None,
    draws: Annotated[int, typer.Option(help="Draws a chain (nuts).")] = 1000,
    tune: Annotated[int, typer.Option(help="Warm-up steps a chain (nuts).")] = 500,
    chains: Annotated[int, typer.Option(help="Chains (nuts).")] = 4,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 1,
    integrate: Annotated[
        str, typer.Option(help="auto, none, or the group to integrate out (nuts, quadrature).")
    ] = "auto",
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the results as JSON.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the results as HTML.")] = None,
) -> None:
    """Fit a model to a table and print, or write, its results."""
    import ilhte_bayes as il

    _check_choices(engine, objective, thresholds)
    _check_paths(table, json_path, report)
    columns = {"response": response, "treatment": treatment, "person": person, "item": item}
    design = {"clusters": split_names(clusters), "occasion": occasion, "crossover": crossover}
    options: dict[str, Any] = {
        "family": family,
        "reference": _references(reference or []),
        "levels": split_names(levels) or None,
        "thresholds": thresholds,
        "roster": roster,
        "assignment": assignment,
    }
    given: dict[str, Any] = {key: value for key, value in (columns | design).items() if value}
    if formula is None:
        model = il.il_hte(table, covariates=split_names(covariates), **given, **options)
    else:
        _check_formula_alone(response, covariates)
        model = il.Model(formula, table, roles=given or None, **options)
    chosen = {"draws": draws, "tune": tune, "chains": chains, "seed": seed}
    result = _fitted(model, engine, objective, integrate, chosen)
    print(f"{model}\n\n{result}")
    _print_item_effects(result)
    if json_path is not None:
        json_path.write_text(json.dumps(as_json(result), indent=1) + "\n", encoding="utf-8")
        say(f"results written to {json_path}")
    if report is not None:
        say(f"report written to {il.report(result, report)}")


def _fitted(
    model: "Model", engine: str, objective: Any, integrate: str, chosen: dict[str, Any]
) -> "Fit":
    """The model fitted by this engine; `chosen` are numbers for the sampler."""
    import ilhte_bayes as il

    if engine == "nuts":
        return il.sample(model, integrate=integrate, progress=sys.stderr.isatty(), **chosen)
    if engine == "quadrature":
        return il.quadrature(model, objective=objective, integrate=integrate)
    return il.laplace(model, objective=objective)


def _print_item_effects(result: "Fit") -> None:
    """Print effects by item; say what is missing where a formula could have them."""
    import ilhte_bayes as il

    try:
        print(f"\n{il.item_effects(result)!r}")
        if result.model.family.name == "cumulative":
            print(f"\n{il.score_effects(result)!r}")
    except ModelError as error:
        slopes = any(group.n_columns > 1 for group in result.model.design.groups)
        if slopes and not (result.model.roles.treatment and result.model.roles.item):
            say(f"no effects by item: {error} On the command line: --treatment T --item I.")


def _check_choices(engine: str, objective: str, thresholds: str) -> None:
    if engine not in ("laplace", "quadrature", "nuts"):
        raise DataError(f"--engine {engine}: it is laplace, quadrature or nuts.")
    if objective not in ("ml", "map"):
        raise DataError(f"--objective {objective}: it is ml or map.")
    if thresholds not in ("common", "item"):
        raise DataError(f"--thresholds {thresholds}: it is common or item.")


def _check_paths(table: Path, json_path: Path | None, report: Path | None) -> None:
    for path in (json_path, report):
        check_writable(path)
    named = [path.resolve() for path in (table, json_path, report) if path is not None]
    if len(set(named)) < len(named):
        raise DataError("TABLE, --json and --report name the same file. Give each its own.")


def _check_formula_alone(response: str | None, covariates: str) -> None:
    if response is not None:
        raise DataError("--formula and --response say the same thing twice. Give one of them.")
    if covariates:
        raise DataError("--covariates goes with --response; write them into --formula.")


def _references(pairs: list[str]) -> dict[str, str]:
    out = {}
    for pair in pairs:
        column, sign, level = pair.partition("=")
        if not sign or not column.strip() or not level:
            raise DataError(f"--reference {pair}: write column=level, for example trt=placebo.")
        out[column.strip()] = level
    return out
