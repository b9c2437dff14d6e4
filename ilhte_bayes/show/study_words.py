"""A study of many trials as text, as HTML, and as a page."""

import contextlib
import math
from html import escape
from os import PathLike
from pathlib import Path
from textwrap import wrap
from typing import Any

import pandas as pd

from ilhte_bayes.errors import DataError, IlhteError
from ilhte_bayes.fits.intervals import p_value
from ilhte_bayes.show.evidence import evidence, evidence_words
from ilhte_bayes.show.html_tables import html_table
from ilhte_bayes.show.page import page_of_sections
from ilhte_bayes.show.pictures import Picture, of_study
from ilhte_bayes.show.sections.section import Section
from ilhte_bayes.show.words import sentence

_WIDTH = 98
_MOST = 40  # trials printed
_ENGINES = {"quadrature": "quadrature", "laplace": "Laplace", "nuts": "NUTS"}


def describe_study(study: Any) -> str:
    """Text form."""
    table = study_table(study)
    shown = table if len(table) <= _MOST else table.head(_MOST)
    lines = [title_of(study)]
    if len(shown):
        lines.append(shown.to_string())
    if len(shown) < len(table):
        lines.append(f"... and {len(table) - len(shown)} more: to_frame() has all.")
    for text in notes_of(study):
        lines += wrap(text, _WIDTH)
    for trial, row in study.failures.iterrows():
        lines += wrap(f"{trial} ({row['status']}): {row['reason']}", _WIDTH, subsequent_indent="  ")
    return "\n".join(lines)


def study_html(study: Any) -> str:
    """HTML form, for a notebook or a page."""
    notes = "".join(f"<p>{escape(sentence(text))}</p>" for text in notes_of(study))
    failures = study.failures
    lost = html_table(failures, "Trials without results", capital=True) if len(failures) else ""
    return html_table(study_table(study), title_of(study), capital=False) + notes + lost


def title_of(study: Any) -> str:
    """How many trials were analysed, and how."""
    done, total = len(study.done), len(study.frame)
    of = f"{done} trials" if done == total else f"{done} of {total} trials"
    return f"{of} analysed by {_ENGINES[study.settings.engine]}: {', '.join(study.settings.models)}"


def study_table(study: Any) -> pd.DataFrame:
    """Cells as shown; trials in the order of the study."""
    done = study.done
    if done.empty:
        return pd.DataFrame()
    zeta = pd.Series(
        [
            f"{z:.2f} (< {bound:.2f})"
            for z, bound in zip(done["sigma_zeta_logit"], done["sigma_zeta_bound"], strict=True)
        ],
        index=done.index,
    )
    out = {
        "persons": done["n_persons"].map("{:,}".format),
        "items": done["n_items"].map("{:,}".format),
        "effect (SD)": [
            f"{row.ate_sd:+.2f} [{row.ate_sd_lower:+.2f}, {row.ate_sd_upper:+.2f}]"
            for row in done.itertuples()
        ],
        "sigma_zeta": zeta,
        "rho": done["rho"].map(_two),
    }
    if "p_mixture" in done:
        out["p"] = [
            p_value(p if p == p else naive)
            for p, naive in zip(done["p_mixture"], done["p_naive"], strict=True)
        ]
    if "bf_zero" in done:
        out["BF zero"] = [
            ("< " if bound else "") + f"{value:.2g}"
            for value, bound in zip(done["bf_zero"], done["bf_is_bound"], strict=True)
        ]
    out["SD ratio"] = done["sd_ratio"].map(_two)
    if "delta_beta3" in done:
        out["b3 B-C"] = done["delta_beta3"].map(lambda value: _two(value, 3))
    table = pd.DataFrame(out, index=pd.Index([str(t)[:22] for t in done.index], name="trial"))
    return table.rename_axis("trial")


def _two(value: float, digits: int = 2) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def notes_of(study: Any) -> list[str]:
    """How to read the table."""
    done = study.done
    notes = list(study.notes)
    if done.empty:
        return notes
    notes += [
        "effect (SD): average over items, in SDs of ability within arms, 95 % interval. sigma_zeta: "
        "SD of effects over items in logits, with its one-sided 95 % upper bound."
    ]
    known = evidence(done)
    if known is not None:
        notes.append(f"{int(known.sum())} of {len(done)}: {evidence_words(done)}.")
    if "rho_informed" in done:
        n = int((~done["rho_informed"].astype(bool)).sum())
        notes.append(
            f"rho: not informed in {n} of {len(done)} trials, where its 90 % interval is at least "
            "nine tenths as wide as the prior's."
        )
    if (n := int((done["problems"] != "").sum())) > 0:
        notes.append(f"{n} trial(s) have problems in single fits: frame['problems'].")
    return notes


def study_page(study: Any, path: str | PathLike[str], *, title: str | None = None) -> Path:
    """Write a page with the table, both figures and the failures."""
    target = Path(path).expanduser()
    if target.is_dir():
        raise DataError(f"{target} is a folder. Name a file in it: {target / 'study.html'}.")
    if not target.parent.is_dir():
        raise DataError(f"there is no folder {target.parent}. Make it first, or name another.")
    parts = [
        Section(
            "Trials",
            html=(html_table(study_table(study), title_of(study), capital=False),),
            remarks=tuple(sentence(text) for text in notes_of(study)),
        )
    ]
    if pictures := tuple(_pictures(study)):
        parts += [Section(picture.alt, pictures=(picture,)) for picture in pictures]
    if len(study.failures):
        parts.append(Section("Trials without results", html=(html_table(study.failures, "Why"),)))
    html = page_of_sections(
        parts,
        title=title or "Item-level effects in many trials",
        question="Where do effects differ between items, and by how much?",
        answers=[sentence(text) for text in notes_of(study) if " of " in text][:1],
        problems=[],
        method=sentence(title_of(study)),
    )
    target.write_text(html, encoding="utf-8")
    return target


def _pictures(study: Any) -> list[Picture]:
    wanted = {
        "study_effects": "Item effects, trial by trial",
        "study_interactions": "Difference in interactions against the ratio of SDs",
    }
    out = []
    for name, words in wanted.items():
        with contextlib.suppress(IlhteError):  # no trial, or none with a covariate
            out.append(of_study(study, name, words))
    return out
