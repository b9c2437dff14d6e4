"""Commands for a trial that is still a plan: simulate, power."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ilhte_bayes.cli.basics import app, check_writable, say, split_names
from ilhte_bayes.errors import DataError

if TYPE_CHECKING:
    from ilhte_bayes.studies.trial import Trial

Effect = Annotated[float, typer.Option(help="Average effect (logits).")]
SigmaZeta = Annotated[float, typer.Option(help="SD of effects over items (logits).")]
Rho = Annotated[float, typer.Option(help="Correlation of easiness and effect.")]
SigmaTheta = Annotated[float, typer.Option(help="SD of ability (logits).")]
SigmaB = Annotated[float, typer.Option(help="SD of easiness (logits).")]
SigmaCluster = Annotated[float, typer.Option(help="SD of ability between clusters (logits).")]
ByCluster = Annotated[bool, typer.Option("--by-cluster", help="Whole clusters are treated.")]
FamilyName = Annotated[str, typer.Option(help="bernoulli, cumulative or adjacent.")]
Cuts = Annotated[str, typer.Option(help="Thresholds of ordered categories: --thresholds=-1,0,1.")]
Booklets = Annotated[int, typer.Option(help="Booklets the items are dealt into.")]
Missing = Annotated[float, typer.Option(help="Share of answers missing at random.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Table to write: .csv, .csv.gz or .parquet.")],
    persons: Annotated[int, typer.Option(help="Number of persons.")] = 500,
    items: Annotated[int, typer.Option(help="Number of items.")] = 20,
    clusters: Annotated[int, typer.Option(help="Number of clusters, 0 for none.")] = 0,
    effect: Effect = 0.3,
    sigma_zeta: SigmaZeta = 0.2,
    rho: Rho = 0.0,
    sigma_theta: SigmaTheta = 1.0,
    sigma_b: SigmaB = 1.0,
    sigma_cluster: SigmaCluster = 0.3,
    by_cluster: ByCluster = False,
    sd_discrimination: Annotated[
        float, typer.Option(help="SD of log discriminations (2PL).")
    ] = 0.0,
    family: FamilyName = "bernoulli",
    thresholds: Cuts = "",
    booklets: Booklets = 1,
    missing: Missing = 0.0,
    truth: Annotated[
        Path | None, typer.Option(help="Write the items' true easiness and effects as CSV.")
    ] = None,
    seed: Seed = 1,
) -> None:
    """Simulate a trial and write its table, one row for each answer."""
    import ilhte_bayes as il

    for path in (out, truth):
        check_writable(path)
    if not out.name.endswith((".csv", ".csv.gz", ".parquet")):
        raise DataError(f"'{out}': the name ends with .csv, .csv.gz or .parquet.")
    made = il.simulate(
        _trial(
            persons=persons, items=items, clusters=clusters, effect=effect, sigma_zeta=sigma_zeta,
            rho=rho, sigma_theta=sigma_theta, sigma_b=sigma_b, sigma_cluster=sigma_cluster,
            by_cluster=by_cluster, sd_discrimination=sd_discrimination, family=family,
            thresholds=thresholds, booklets=booklets, missing=missing,
        ),
        seed=seed,
    )  # fmt: skip
    if out.suffix == ".parquet":
        made.table.to_parquet(out, index=False)
    else:
        made.table.to_csv(out, index=False)
    if truth is not None:
        made.items.to_csv(truth)
    print(made)
    say(f"table written to {out}" + (f", true items to {truth}" if truth else ""))


@app.command()
def power(
    persons: Annotated[str, typer.Option(help="Numbers of persons: 250,500,1000.")] = "500",
    items: Annotated[str, typer.Option(help="Numbers of items: 10,20,40.")] = "20",
    clusters: Annotated[str, typer.Option(help="Numbers of clusters.")] = "",
    effect: Effect = 0.3,
    sigma_zeta: SigmaZeta = 0.2,
    rho: Rho = 0.0,
    sigma_theta: SigmaTheta = 1.0,
    sigma_b: SigmaB = 1.0,
    sigma_cluster: SigmaCluster = 0.3,
    by_cluster: ByCluster = False,
    family: FamilyName = "bernoulli",
    thresholds: Cuts = "",
    booklets: Booklets = 1,
    missing: Missing = 0.0,
    n: Annotated[int, typer.Option("-n", "--trials", help="Trials of each design.")] = 200,
    alpha: Annotated[float, typer.Option(help="Level of both tests.")] = 0.05,
    engine: Annotated[str, typer.Option(help="quadrature or laplace.")] = "quadrature",
    workers: Annotated[int | None, typer.Option(help="Processes; one for each core.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the numbers as CSV.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Write the figure: .png, .svg, .pdf.")] = None,
    seed: Seed = 1,
) -> None:
    """Power for the average effect and for effects that differ, over a grid of sizes."""
    import ilhte_bayes as il

    for path in (csv, figure):
        check_writable(path)
    sizes = {"persons": persons, "items": items, "clusters": clusters}
    grid = {name: _numbers(f"--{name}", text) for name, text in sizes.items() if text}
    # a cluster trial is one from the start: the plan's own sizes must make sense together
    first = {name: numbers[0] for name, numbers in grid.items()}
    plan = _trial(
        **first, effect=effect, sigma_zeta=sigma_zeta, rho=rho, sigma_theta=sigma_theta,
        sigma_b=sigma_b, sigma_cluster=sigma_cluster, by_cluster=by_cluster, family=family,
        thresholds=thresholds, booklets=booklets, missing=missing,
    )  # fmt: skip
    shown = sys.stderr.isatty()
    kind: Any = engine
    found = il.power(
        plan, **grid, n=n, alpha=alpha, engine=kind, seed=seed, workers=workers, progress=shown
    )
    print(found)
    if csv is not None:
        found.frame.to_csv(csv)
        say(f"numbers written to {csv}")
    if figure is not None:
        il.plot.power(found).figure.savefig(figure)
        say(f"figure written to {figure}")


def _trial(*, thresholds: str, family: Any, **options: Any) -> "Trial":
    """The plan, thresholds read from text."""
    import ilhte_bayes as il

    cuts = tuple(_read("--thresholds", part, float) for part in split_names(thresholds))
    return il.Trial(thresholds=cuts, family=family, **options)


def _numbers(option: str, text: str) -> list[int]:
    return [_read(option, part, int) for part in split_names(text)]


def _read(option: str, text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        example = "250,500,1000" if kind is int else "-1,0,1"
        raise DataError(f"{option}: {text!r} is no number. Write {option}={example}.") from None
