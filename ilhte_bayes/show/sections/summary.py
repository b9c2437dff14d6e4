"""The page in one paragraph: what was analysed, what came out, and how far it can be believed."""

from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.show.people import group_of_role
from ilhte_bayes.show.sections.checks import check_words_of
from ilhte_bayes.show.sections.section import Results, Section
from ilhte_bayes.show.sections.variation import variation_words
from ilhte_bayes.show.text import method_words
from ilhte_bayes.show.words import about, count_of


def summary(results: Results) -> Section:
    """Card, variation between items, and verdicts; without a card, the average effect."""
    fit = results.fit
    first = results.card.sentence() if results.card else _analysed(fit)
    texts = [first, variation_words(results), check_words_of(results.check)]
    return Section("Summary", tuple(text for text in texts if text))


def _analysed(fit: Fit) -> str:
    """What was analysed, for models that have no effect card."""
    model = fit.model
    counts = [
        f" {word} {count_of(group.n_levels, role)}"
        for role, word in (("person", "of"), ("item", "to"))
        if (group := group_of_role(model, role))
    ]
    text = (
        f"{model.design.n_obs:,} answers{''.join(counts)} were analysed with the model "
        f"{model.formula.text} (family {model.family.name}; {method_words(fit)})."
    )
    if model.roles.treatment is None:
        text += " The model has no treatment: its estimates stand below."
    elif model.noun == "difference":
        text += " Arms were not randomised: results are differences between groups."
    elif model.assignment is not None and model.assignment.kind == "randomised":
        text += f" {about(model, model.assignment.sentence)}"
    return text
