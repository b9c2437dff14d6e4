"""The methods in a paragraph for a paper, with the works to cite, also as BibTeX."""

import re

import numpy as np

from ilhte_bayes.estimands.card import EffectCard
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.fits.storage import made_by
from ilhte_bayes.models.ability import SENTENCE as SHAPE
from ilhte_bayes.models.discrimination import SENTENCES
from ilhte_bayes.models.model import Model
from ilhte_bayes.sensitivity.identification import Identification
from ilhte_bayes.show.people import group_of_role
from ilhte_bayes.show.recipe import versions
from ilhte_bayes.show.references import WORKS, Work, software
from ilhte_bayes.show.sections.section import Results, Section
from ilhte_bayes.show.text import dropped_rows
from ilhte_bayes.show.words import about, count_of, quoted, sentence

_FAMILIES = {
    "bernoulli": ("a mixed logistic regression", ()),
    "cumulative": (
        "a cumulative logit mixed model (slopes the same at every threshold)",
        ("mccullagh1980",),
    ),
    "adjacent": ("an adjacent-category logit mixed model (partial credit)", ("masters1982",)),
    "multinomial": ("a baseline-category logit mixed model", ("hartzel2001",)),
}


def methods(results: Results) -> Section:
    """Paragraphs with citations in brackets, references, BibTeX to copy."""
    parts = [*_model(results), *_engine(results.fit, results.card), *_tests(results)]
    texts = [text for text, _ in parts]
    keys = list(dict.fromkeys(key for _, own in parts for key in own))
    works = [_package(results.fit), *_programs(results.fit), *(WORKS[key] for key in keys)]
    programs = ", ".join(
        work.title.replace(", version", "") for work in works if work.kind == "misc"
    )
    texts.append(f"Software: {programs}.")
    return Section(
        "Methods, to adapt for a paper",
        (" ".join(texts),),
        bullets=tuple(sorted(work.line for work in works)),
        folded="\n\n".join(work.bibtex for work in works),
    )


type _Part = tuple[str, tuple[str, ...]]


def _cited(text: str, *keys: str) -> _Part:
    """A sentence with its citations before the full stop."""
    works = [WORKS[key].short.replace(" (", ", ").rstrip(")") for key in keys]
    return f"{text} ({'; '.join(works)}).", keys


def _model(results: Results) -> list[_Part]:
    model = results.fit.model
    kind, keys = _FAMILIES[model.family.name]
    items = group_of_role(model, "item") is not None and group_of_role(model, "person") is not None
    if items and not model.family.nominal:
        kind += ", an explanatory item response model"
        keys = (*keys, "deboeck2004")
    if model.own_slopes:
        kind = kind.replace("slopes the same at", "some slopes differ between")
        kind = kind.replace("between every threshold", "between thresholds")
    text = f"{model.design.n_obs:,} answers were analysed with {kind}"
    normal = "random effects are" if model.ability == "normal" else "other random effects are"
    out = [_cited(text, *keys) if keys else (f"{text}.", ())]
    out.append((f"Its formula is {quoted(model.formula.text)}; {normal} normal.", ()))
    if results.effects is not None and results.variation is not None:
        noun = results.effects.noun
        out.append(
            _cited(f"The model gives each item {_article(noun)} {noun} of its own", "gilbert2023")
        )
    if results.card is not None:
        out.append(
            _cited(
                f"The {results.card.noun} is reported for these items, the population of items, a "
                "new item and a new test",
                "gilbert2025",
            )
        )
    if model.discrimination is not None:
        text = f"Discriminations: {SENTENCES[model.discrimination].rstrip('.')}"
        out.append(_cited(text, "birnbaum1968"))
    if model.ability != "normal":
        out.append((sentence(f"Ability: {SHAPE}"), ()))
    out += [(about(model, text), ()) for text in dropped_rows(model)]
    return [*out, *_assignment(model)]


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def _assignment(model: Model) -> list[_Part]:
    kind = model.assignment.kind if model.assignment else None
    if kind == "observational":
        return [("Arms were not randomised: results are differences between groups.", ())]
    if kind is None or model.assignment is None:
        return []
    return [(about(model, model.assignment.sentence), ())]


def _engine(fit: Fit, card: EffectCard | None) -> list[_Part]:
    if fit.sampled:
        sizes, attrs = fit.tree["posterior"].sizes, fit.tree["posterior"].attrs
        text = f"The posterior was sampled by NUTS, {count_of(sizes['chain'], 'chain')} of {sizes['draw']:,} draws"
        text += f" after {attrs['tune']:,} warm-up steps each" if "tune" in attrs else ""
        out = [_cited(text, "hoffman2014")]
        if attrs.get("integrated"):
            out.append((f"Effects of {attrs['integrated']} were integrated out numerically.", ()))
        out.append(
            _cited(
                "Convergence was judged by rank-normalised R-hat and effective sample sizes",
                "vehtari2021",
            )
        )
        return [
            *out,
            ("Parameters are given as posterior means with 95 % equal-tailed intervals.", ()),
        ]
    how = (
        "maximise the likelihood"
        if fit.objective == "ml"
        else "maximise the posterior density (MAP)"
    )
    if fit.engine == "quadrature":
        which = fit.mode.attrs.get("integrated", "persons")
        out = [
            _cited(
                f"Estimates {how}, in which effects of {which} are integrated by quadrature and any "
                "other random effects by Laplace's approximation",
                "bock1981", "tierney1986",
            )
        ]  # fmt: skip
    else:
        out = [_cited(f"Estimates {how} in Laplace's approximation", "tierney1986")]
    return [
        *out,
        ("Intervals (95 %) are from the curvature at the maximum.", ()),
        *_few_items(card),
    ]


def _few_items(card: EffectCard | None) -> list[_Part]:
    """Intervals that follow t, since items are few."""
    if card is None or not np.isfinite(card.items["df"]).any():
        return []
    text = (
        "Those of the item population, a new item and a new test follow t, with degrees of freedom "
        "from the number of items, or of clusters where few were treated as a whole."
    )
    return [(text, ())]


def _tests(results: Results) -> list[_Part]:
    out = []
    if results.test is not None:
        out.append(
            _cited(
                f"Equal {results.card.noun if results.card else 'effect'}s on all items were tested by a likelihood ratio, whose reference "
                "allows for a variance at the edge of its range",
                "self1987", "stram1994",
            )
        )  # fmt: skip
    frame = getattr(results.variation, "frame", None)
    if frame is not None and "bf_zero" in frame and frame["bf_zero"].notna().any():
        out.append(_cited("The Bayes factor is a Savage-Dickey ratio", "wagenmakers2010"))
    if results.check is not None and results.check.predictive:
        n = next(iter(results.check.predictive.values())).n_tables
        text = f"Fit was checked against {n} tables of answers replicated from the fitted model"
        out.append(_cited(text, "gelman1996"))
    if results.check is not None and results.fit.sampled and _weighed(results):
        out.append(_cited("Sensitivity to priors was judged by power scaling", "kallioinen2024"))
    if any(isinstance(each, Identification) for each in results.include):
        out.append(
            _cited(
                "Whether an interaction of treatment and covariate is one of persons or of items "
                "was asked as in", "gilbert2025disentangling",
            )
        )  # fmt: skip
    return out


def _weighed(results: Results) -> bool:
    """Whether the check of priors was made."""
    assert results.check is not None
    verdicts = results.check.frame["verdict"]
    return verdicts.get("Does the prior matter?", "not checked") != "not checked"


def _versions(fit: Fit) -> dict[str, str]:
    return dict(re.findall(r"(\S+) ([\w.+-]+)(?:, |$)", versions(fit)))


def _package(fit: Fit) -> Work:
    found = _versions(fit).get("ilhte_bayes", "")
    return software("ilhte_bayes", found, "The ilhte-bayes developers")


def _programs(fit: Fit) -> list[Work]:
    """Programs that made the draws, and ArviZ, which judged them."""
    if not fit.sampled:
        return []
    found = _versions(fit)
    out = [WORKS["abrilpla2023"], WORKS["kumar2019"]]
    developers = {
        "pymc": "The PyMC developers",
        "arviz": "The ArviZ developers",
        "nutpie": "The nutpie developers",
        "numpyro": "The NumPyro developers",
    }
    sampler = {"numpyro": "NumPyro"} if "numpyro" in made_by(fit) else {"nutpie": "nutpie"}
    names = {"pymc": "PyMC", "arviz": "ArviZ"} | sampler
    return [
        *(software(names[key], found[key], developers[key]) for key in names if key in found),
        *out,
    ]
