"""The `ilhte` command: demo, datasets, reduce; `fitting`: fit; `planning`: simulate, power; `many`: study, audit.

Heavy imports wait until a command needs them.
"""

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from ilhte_bayes.cli.basics import app, check_writable, say, split_names
from ilhte_bayes.errors import IlhteError, IlhteWarning

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

    check_writable(out)
    reduced = il.reduce(
        source,
        response=response,
        treatment=treatment,
        person=person,
        item=item,
        clusters=split_names(clusters),
        covariates=split_names(covariates),
        memory_limit=memory_limit,
    )
    print(reduced)
    say(f"counts written to {reduced.save(out)}")


from ilhte_bayes.cli import fitting, many, planning  # noqa: E402, F401  (their commands join the app)
