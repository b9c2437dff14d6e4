"""The `ilhte` command: demo, datasets, reduce, fit; `planning`: simulate, power; `many`: study, audit.

Heavy imports wait until a command needs them.
"""

import json
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ilhte_bayes.errors import DataError, IlhteError, IlhteWarning, ModelError

if TYPE_CHECKING:
    import pandas as pd

    from ilhte_bayes.fits.fit import Fit
    from ilhte_bayes.models.model import Model

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Item-level treatment effects: who benefits, and on which items?",
)

DEMO_PAGE = "ilhte-demo.html"


def main() -> None:
    """Run the command line; bad input ends with status 2 and one sentence on standard error."""
    # Warnings reach the reader once, as notes of the model, not with Python's file and line.
    warnings.filterwarnings("ignore", category=IlhteWarning)
    try:
        app()
    except IlhteError as error:
        print(f"ilhte: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output has seen enough: `ilhte fit ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"ilhte: {error}. Choose another place to write to.", file=sys.stderr)
        sys.exit(2)


@app.command()
def demo() -> None:
    """Analyse a bundled experiment: does caffeine wake people up, and on which adjectives?"""
    import ilhte_bayes as il

    trial = il.load_dataset("caffeine")
    say("Caffeine or placebo, six experiments, ten adjectives rated 0-3 (cumulative logit).")
    say("Fitted twice, by maximum likelihood and by NUTS. The first time on a machine, numerical")
    say("loops of both are compiled before, once, which takes half a minute or so.\n")
    model = il.il_hte(trial, clusters=["study"], family="cumulative")
    print(model, "\n")
    ml = il.laplace(model)
    say("maximum likelihood is done; sampling from the posterior\n")
    shown = sys.stderr.isatty()
    post = il.sample(model, draws=500, seed=1, progress=shown)
    print(il.compare(ml, post), "\n")
    print(il.effect_card(post), "\n")
    print(il.item_effects(post), "\n")
    print(il.score_effects(post), "\n")
    title = "Does caffeine wake people up, and on which adjectives?"
    page = il.report(post, DEMO_PAGE, title=title, beside=[ml])
    print(page.resolve())


@app.command()
def datasets() -> None:
    """List the bundled data sets."""
    import ilhte_bayes as il

    table = il.datasets()
    print(table.drop(columns=["source"], errors="ignore").to_string(index=False))


@app.command("reduce")
def reduce_table(
    source: Annotated[
        str, typer.Argument(help="Parquet or CSV file, folder, or a pattern in quotes.")
    ],
    out: Annotated[Path, typer.Argument(help="File to write, .parquet; `ilhte fit` takes it.")],
    response: Annotated[str, typer.Option(help="Column with the answers, 0 and 1.")] = "resp",
    treatment: Annotated[str, typer.Option(help="Column with the arm.")] = "treat",
    person: Annotated[str, typer.Option(help="Column with the person.")] = "id",
    item: Annotated[str, typer.Option(help="Column with the item.")] = "item",
    clusters: Annotated[str, typer.Option(help="Clusters, outermost first: school,teacher.")] = "",
    covariates: Annotated[str, typer.Option(help="Covariates to keep, comma-separated.")] = "",
    memory_limit: Annotated[
        str | None, typer.Option(help="Memory that may be used, 2GiB; then the disk is.")
    ] = None,
) -> None:
    """Count answers that lie in files larger than memory, for `ilhte fit --engine quadrature`."""
    import ilhte_bayes as il

    _check_writable(out)
    reduced = il.reduce(
        source,
        response=response,
        treatment=treatment,
        person=person,
        item=item,
        clusters=_split(clusters),
        covariates=_split(covariates),
        memory_limit=memory_limit,
    )
    print(reduced)
    say(f"counts written to {reduced.save(out)}")


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
    for path in (json_path, report):
        _check_writable(path)
    written = [path.resolve() for path in (table, json_path, report) if path is not None]
    if len(set(written)) < len(written):
        raise DataError("TABLE, --json and --report name the same file. Give each its own.")
    columns = {"response": response, "treatment": treatment, "person": person, "item": item}
    design = {"clusters": _split(clusters), "occasion": occasion, "crossover": crossover}
    options = {
        "family": family,
        "reference": _references(reference or []),
        "levels": _split(levels) or None,
        "thresholds": thresholds,
        "roster": roster,
        "assignment": assignment,
    }
    given = {key: value for key, value in (columns | design).items() if value}
    if formula is None:
        model = il.il_hte(table, covariates=_split(covariates), **given, **options)  # type: ignore[arg-type]
    else:
        _check_formula_alone(response, covariates)
        model = il.Model(formula, table, roles=given or None, **options)  # type: ignore[arg-type]
    if engine == "nuts":
        numbers: dict[str, Any] = {"draws": draws, "tune": tune, "chains": chains, "seed": seed}
        shown = sys.stderr.isatty()
        result = il.sample(model, integrate=integrate, progress=shown, **numbers)
    else:
        kind: Any = objective
        if engine == "quadrature":
            result = il.quadrature(model, objective=kind, integrate=integrate)
        else:
            result = il.laplace(model, objective=kind)
    print(f"{model}\n\n{result}")
    _print_item_effects(result)
    if json_path is not None:
        json_path.write_text(json.dumps(as_json(result), indent=1) + "\n", encoding="utf-8")
        say(f"results written to {json_path}")
    if report is not None:
        say(f"report written to {il.report(result, report)}")


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


def _check_formula_alone(response: str | None, covariates: str) -> None:
    if response is not None:
        raise DataError("--formula and --response say the same thing twice. Give one of them.")
    if covariates:
        raise DataError("--covariates goes with --response; write them into --formula.")


def as_json(result: "Fit") -> dict[str, Any]:
    """Everything a script needs of a fit, as plain numbers and text; what it lacks is null."""
    model: Model = result.model
    n_cuts = model.design.n_cuts
    sd = {
        g.name: {c: _number(v) for c, v in result.sd(g.name).items()} for g in model.design.groups
    }
    ml = result.objective == "ml"
    return {
        "engine": result.engine,
        "objective": result.objective,
        "family": model.family.name,
        "formula": model.formula.text,
        "n_obs": result.n_obs,
        "groups": {group.name: group.n_counted for group in model.design.groups},
        "loglik": None if result.sampled else _number(result.loglik),
        "aic": _number(result.aic) if ml else None,
        "bic": _number(result.bic()) if ml else None,
        "coefficients": _with_se(result.coefficients.iloc[n_cuts:]),
        "thresholds": _with_se(result.thresholds),
        "sd": sd,
        "corr": _correlations(result),
        "seconds": result.seconds,
        "compile_seconds": result.compile_seconds,
        "problems": list(result.problems),
        "notes": list(model.notes),
        "diagnostics": _diagnostics(result),
    }


def _with_se(table: "pd.DataFrame") -> dict[str, dict[str, float | None]]:
    return {
        str(term): {"estimate": _number(row["estimate"]), "se": _number(row["se"])}
        for term, row in table.iterrows()
    }


def _correlations(result: "Fit") -> dict[str, dict[str, float | None]]:
    corr: dict[str, dict[str, float | None]] = {}
    for (group, parameter), value in result.variance_components["estimate"].items():
        if parameter.startswith("corr["):
            corr.setdefault(group, {})[parameter[5:-1]] = _number(value)
    return corr


def _diagnostics(result: "Fit") -> dict[str, Any]:
    """How the search or the sampler fared."""
    if not result.sampled:
        found = result.mode.attrs
        return {
            "converged": bool(found["converged"]),
            "n_evaluations": int(found["n_evaluations"]),
        }
    found = result.tree["posterior"].attrs
    names = ("max_rhat", "min_ess_bulk", "min_ess_tail")
    numbers = {name: _number(found[name]) for name in names} | {
        "divergences": int(found["divergences"]),
        "compile_seconds": result.compile_seconds,
        "pilot_seconds": _number(found["pilot_seconds"]),
        "sample_seconds": _number(found["sample_seconds"]),
    }
    return numbers | _integration(found)


def _integration(found: Mapping[Any, Any]) -> dict[str, Any]:
    """Which group was integrated out, on how many nodes, and what twice as many would change."""
    if not found["integrated"]:
        return {"integrated": None}
    value, gradient = found["grid_error"]
    return {
        "integrated": found["integrated"],
        "nodes": int(found["grid"][2]),
        "doubling_changes": {"loglik": _number(value), "gradient": _number(gradient)},
    }


def _number(value: Any) -> float | None:
    import math

    return None if value is None or not math.isfinite(float(value)) else float(value)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _references(pairs: list[str]) -> dict[str, str]:
    out = {}
    for pair in pairs:
        column, sign, level = pair.partition("=")
        if not sign or not column.strip() or not level:
            raise DataError(f"--reference {pair}: write column=level, for example trt=placebo.")
        out[column.strip()] = level
    return out


def _check_writable(path: Path | None) -> None:
    """Refuse a path that cannot be written before the work begins, not after."""
    if path is None:
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise DataError(f"there is no folder '{folder}' to write {path.name} in. Make it first.")
    if path.is_dir():
        raise DataError(f"'{path}' is a folder. Give the name of a file in it.")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise DataError(f"'{path}' cannot be written. Choose another place.")


def say(text: str) -> None:
    """Tell progress on standard error, so that standard output holds results alone."""
    print(text, file=sys.stderr)


from ilhte_bayes.cli import many, planning  # noqa: E402, F401  (their commands join the app)
