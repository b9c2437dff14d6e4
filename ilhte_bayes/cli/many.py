"""Commands for many trials and for kept fits: study, audit."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ilhte_bayes.cli.basics import app, check_writable, say
from ilhte_bayes.errors import DataError

_MODELS = "M_0,M_A,M_B,M_C"  # il.study's, which a test compares: importing it would load pandas


@app.command()
def study(
    folder: Annotated[Path, typer.Argument(help="Folder with a .csv or .parquet file per trial.")],
    report: Annotated[
        bool, typer.Option("--report", help="Write a page too: RESULTS/study.html.")
    ] = False,
    results: Annotated[
        Path | None,
        typer.Option(help="Where finished trials are kept; FOLDER-results if not given."),
    ] = None,
    models: Annotated[str, typer.Option(help=f"Of {_MODELS}.")] = _MODELS,
    engine: Annotated[str, typer.Option(help="quadrature, laplace or nuts.")] = "quadrature",
    response: Annotated[str | None, typer.Option(help="Column with the answers.")] = None,
    treatment: Annotated[str | None, typer.Option(help="Column with the arm.")] = None,
    person: Annotated[str | None, typer.Option(help="Column with the person.")] = None,
    item: Annotated[str | None, typer.Option(help="Column with the item.")] = None,
    covariate: Annotated[str | None, typer.Option(help="Of M_B and M_C.")] = None,
    draws: Annotated[int, typer.Option(help="Draws a chain (nuts).")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 1,
    workers: Annotated[int, typer.Option(help="Processes.")] = 1,
) -> None:
    """Analyse every trial in a folder; a study that was stopped goes on where it was."""
    import ilhte_bayes as il

    named = {"response": response, "treatment": treatment, "person": person, "item": item}
    roles: dict[str, Any] = {role: column for role, column in named.items() if column}
    options: dict[str, Any] = {"covariate": covariate, "draws": draws, "seed": seed}
    found = il.study(
        folder,
        models=[name.strip() for name in models.split(",") if name.strip()],
        engine=engine,  # type: ignore[arg-type]
        folder=results,
        workers=workers,
        **options,
        **roles,
    )
    print(found)
    place = found.folder
    assert place is not None  # of a folder results are always kept
    table = place / "study.csv"
    found.to_frame().to_csv(table)
    say(f"table written to {table}")
    if report:
        say(f"page written to {found.report(place / 'study.html')}")


@app.command()
def audit(
    fit: Annotated[Path, typer.Argument(help="A file that fit.save wrote.")],
    report: Annotated[
        Path | None, typer.Option(help="Where the page goes; FIT.html if not given.")
    ] = None,
) -> None:
    """Examine a saved fit anew: its seal, data, diagnostics and integral; write its page."""
    import ilhte_bayes as il

    page = report or fit.with_suffix(".html")
    if page.resolve() == fit.resolve():
        raise DataError("FIT and --report name the same file. Give the page its own.")
    check_writable(page)
    found = il.audit(fit)
    print(found)
    say(f"page written to {il.report(found.fit, page)}")  # type: ignore[arg-type]
    if not found.good:
        raise typer.Exit(1)
