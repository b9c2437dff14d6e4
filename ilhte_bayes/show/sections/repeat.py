"""How to repeat the fit: code, versions, seed, data; and the model in other programs."""

from collections.abc import Iterator

from ilhte_bayes.models.model import Model
from ilhte_bayes.show import integration, recipe
from ilhte_bayes.show.peers import peers_code
from ilhte_bayes.show.sections.section import Results, Section
from ilhte_bayes.show.words import number


def recipe_section(results: Results) -> Section:
    """Versions, seed, fingerprint of the data, and the code."""
    fit = results.fit
    took = integration.times(fit)
    facts = [
        ("Versions", f"{recipe.versions(fit)}."),
        ("Seed", recipe.seed(fit)),
        (
            "Data",
            f"Fingerprint {fit.model.responses.fingerprint()[:16]} (SHA-256, first 16 digits).",
        ),
        (
            "Time",
            f"{number(fit.seconds)} s{f' ({took})' if took else ''}, after "
            f"{number(fit.compile_seconds)} s of compiling, or of loading compiled code.",
        ),
    ]
    return Section("How to repeat it", facts=tuple(facts), code=recipe.code(fit, results.beside))


def elsewhere(model: Model) -> Iterator[Section]:
    """The model in the code of other programs, whose signs and names differ."""
    if model.formula.response.comparison is not None and model.family.name != "bernoulli":
        return
    if code := peers_code(model):
        intro = "The same model, by approximations and priors of their own; the table is d."
        yield Section("In other programs", (intro,), code=code)
