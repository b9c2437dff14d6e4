"""Can the fit be believed? Verdicts on the model, and what the engine says of its own work."""

from collections.abc import Iterable, Iterator
from html import escape

from ilhte_bayes.checks.check import Check
from ilhte_bayes.fits.fit import Fit
from ilhte_bayes.show import diagnosis, pictures
from ilhte_bayes.show.check_words import closing_lines, verdict_words
from ilhte_bayes.show.html_tables import notes_html
from ilhte_bayes.show.sections.included import included_html
from ilhte_bayes.show.sections.section import Results, Section
from ilhte_bayes.show.words import count_of, joined, quoted, sentence, true_minus

TITLE = "Can this fit be believed?"


def checks(results: Results) -> Iterator[Section]:
    """A verdict for each question, the figure behind it, and further checks that were made."""
    found = results.check
    html: list[str] = []
    drawn: tuple[pictures.Picture, ...] = ()
    if found is not None:
        html.append(verdicts_html(found))
        if "new" in found.predictive:
            drawn = (pictures.predictive(found),)
    html += included_html(results, "checks")
    if html:
        yield Section(TITLE, html=tuple(html), pictures=drawn)


def verdicts_html(found: Check) -> str:
    """Question, verdict, evidence and next step, one below the other."""
    parts = []
    for question, row in found.frame.iterrows():
        verdict = verdict_words(str(question), row["verdict"])
        step = f'<p class="soft">{escape(row["next_step"])}</p>' if row["next_step"] else ""
        parts.append(
            f'<div class="verdict {row["verdict"].split(" ")[0]}">'
            f"<p><b>{escape(str(question))}</b> {escape(verdict)}</p>"
            f"<p>{escape(sentence(true_minus(row['evidence'])))}</p>{step}</div>"
        )
    return "".join(parts) + notes_html(closing_lines(found)[:1])


_SUBJECTS = {
    "Did it converge": "convergence",
    "Are answers like these expected of new": "whether such answers are expected of new persons",
    "Are answers like these expected of the same": "whether they are expected of the same persons",
    "Which items": "single items",
    "Which persons": "single persons",
    "Which sites": "sites",
    "Does the prior": "the weight of priors",
    "Does Laplace": "Laplace's approximation",
}


def check_words_of(found: Check | None) -> str:
    """What was found, what was not, and what was not looked at, in a paragraph."""
    if found is None:
        return "Whether the model fits the answers was not checked here."
    frame = found.frame
    bad = frame[frame["verdict"].isin(["look", "bad"])]
    needless = frame["evidence"].str.startswith(("maximum likelihood has no priors", "not used"))
    out = [f"Checks of the fit raise {count_of(len(bad), 'point')}."] if len(bad) else []
    for question, row in bad.iterrows():
        words = "No" if row["verdict"] == "bad" else "Something to look at"
        out.append(f"{question} {words}: {sentence(true_minus(row['evidence']))}")
    if good := _subjects(frame.index[(frame["verdict"] == "good") & ~needless]):
        out.append(
            f"Nothing was found on {joined(good)}, which does not show that nothing is there."
        )
    if left := _subjects(frame.index[frame["verdict"] == "not checked"]):
        out.append(f"Not checked: {joined(left)}.")
    return " ".join(out)


def _subjects(questions: Iterable[str]) -> list[str]:
    """What questions are about, each once."""
    words = [
        next((text for start, text in _SUBJECTS.items() if str(q).startswith(start)), quoted(q))
        for q in questions
    ]
    return list(dict.fromkeys(words))


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
