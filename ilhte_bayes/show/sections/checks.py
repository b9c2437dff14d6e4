"""Can the fit be believed? Verdicts on the model, and what the engine says of its own work."""

from collections.abc import Iterator

from ilhte_bayes.checks.check import Check
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.show import diagnosis, pictures
from ilhte_bayes.show.check_words import check_html, verdict_words
from ilhte_bayes.show.sections.included import included_html
from ilhte_bayes.show.sections.section import Results, Section
from ilhte_bayes.show.words import count_of, quoted, sentence, true_minus

TITLE = "Can this fit be believed?"


def checks(results: Results) -> Iterator[Section]:
    """A verdict for each question, the figure behind it, and further checks that were made."""
    found, html = results.check, []
    drawn: tuple[pictures.Picture, ...] = ()
    if found is not None:
        html.append(check_html(found))
        if "new" in found.predictive:
            drawn = (pictures.predictive(found),)
    html += included_html(results, "checks")
    if html:
        yield Section(TITLE, html=tuple(html), pictures=drawn)


def check_words_of(found: Check | None) -> str:
    """What was found and what was not, in a paragraph."""
    if found is None:
        return "Whether the model fits the answers was not checked here."
    frame = found.frame
    bad = frame[frame["verdict"].isin(["look", "bad"])]
    good = int((frame["verdict"] == "good").sum())
    out = []
    if len(bad):
        told = [
            f"{quoted(question)} {verdict_words(str(question), row['verdict']).lower()} "
            f"({true_minus(row['evidence']).rstrip('.')})"
            for question, row in bad.iterrows()
        ]
        out.append(f"Checks of the fit raise {count_of(len(bad), 'point')}: {'; '.join(told)}.")
        out.append(f"{sentence(count_of(good, 'other check')).rstrip('.')} found nothing.")
    else:
        out.append(f"None of {count_of(good, 'check')} of the fit found anything against it.")
    if left := [quoted(q) for q, v in frame["verdict"].items() if v == "not checked"]:
        out.append(f"Not checked: {', '.join(left)}.")
    out.append("What checks do not find may still be there.")
    return " ".join(out)


def misfit_note(found: Check | None) -> list[str]:
    """A warning at the top, where answers are unlike those of the model."""
    if found is None or not found.misfit:
        return []
    return [
        "Answers like these are not expected under the fitted model: read "
        f"{quoted(TITLE)} before using the numbers."
    ]


def diagnostics(fit: Fit) -> Section:
    """The engine's own checks."""
    return Section("Diagnostics", (diagnosis.verdict(fit),), facts=tuple(diagnosis.checks(fit)))
