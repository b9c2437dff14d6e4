"""The model in words and symbols, all of its estimates, and other fits beside them."""

from collections.abc import Iterator

from ilhte_bayes.fits.comparison import compare
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.show.comparison_words import comparison_table
from ilhte_bayes.show.html_tables import components_table, fixed_tables, html_table
from ilhte_bayes.show.model_words import equation_html, model_sentences
from ilhte_bayes.show.pictures import priors
from ilhte_bayes.show.sections.section import Results, Section
from ilhte_bayes.show.text import method_words
from ilhte_bayes.show.words import joined, sentence


def model(fit: Fit) -> Section:
    """The formula as an equation, and what varies in words."""
    facts = [
        ("Formula", fit.model.formula.text),
        ("Estimated by", sentence(method_words(fit))),
    ]
    tables: tuple[str, ...] = ()
    if fit.objective != "ml":
        tables = (html_table(fit.model.priors.to_frame(), "Priors, in logits"),)
    return Section(
        "The model",
        facts=tuple(facts),
        equation=tuple(equation_html(fit.model)),
        bullets=tuple(model_sentences(fit)),
        html=tables,
    )


def estimates(fit: Fit) -> Section:
    """Coefficients, SDs and correlations."""
    kind = "Posterior means, SDs and" if fit.sampled else "Estimates, standard errors and"
    scale = (
        ""
        if fit.sampled
        else ", made on the log scale for SDs and the atanh scale for correlations"
    )
    intro = (
        f"{kind} 95 % intervals, in logits{scale}. A dash: not available, because the estimate "
        "lies at the edge of its range. An SD's interval never reaches 0, by how it is made: it is "
        "no test of whether levels differ."
    )
    return Section(
        "All estimates",
        (intro,),
        html=(
            *fixed_tables(fit),
            html_table(
                components_table(fit.variance_components), "Spread between levels, correlations"
            ),
        ),
    )


def beside(results: Results) -> Iterator[Section]:
    """The same parameters from other fits."""
    if not results.beside:
        return
    found = compare(*results.beside, results.fit)
    names = found.names
    intro = (
        f"Estimates with 95 % intervals, in logits. Diff.: from {names[0]}, in its {found.unit}."
    )
    yield Section(
        f"{joined(list(names))} side by side",
        (intro,),
        html=(html_table(comparison_table(found), joined(list(names))),),
        notes=tuple(sentence(note) for note in found.notes),
    )


def before_and_after(fit: Fit) -> Iterator[Section]:
    """Priors against posteriors, where there are priors."""
    if fit.objective != "ml":
        yield Section("Before and after", pictures=(priors(fit),))
