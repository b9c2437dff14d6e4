"""The register of bundled data sets: where each is from, how it was made, what its columns are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

Assignment = Literal["randomised", "observational"]
Roles = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of a column in their natural order.

    `values=None` takes the order in which they appear in the file. `ordered` is for columns that
    can be an ordinal response; predictors stay unordered, their first level is the reference.
    """

    values: tuple[str, ...] | tuple[int, ...] | None = None
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """What there is to know about a bundled table before it is read.

    `roles` names the columns that play response, treatment, person, item and clusters (outermost
    first). `person` is given only where a person has several rows; without it a row is a person.
    `persons` and `items` are None where the table has none. `truth` names the table of true item
    values, `truth_of` the set that it belongs to. `repair` mends what is wrong in the file itself.
    """

    name: str
    title: str
    design: str
    source: str
    licence: str
    assignment: Assignment
    rows: int
    persons: int | None
    items: int | None
    roles: Roles
    arms: tuple[str, str] | None = None  # what 0 and 1 of a numeric treatment column stand for
    categories: Mapping[str, Levels] = field(default_factory=dict)
    truth: str | None = None
    truth_of: str | None = None
    repair: Callable[[pd.DataFrame], pd.DataFrame] | None = None


def _separate_unnumbered_persons(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the two persons of the caffeine set who share the id "EMIT_NA" an id each.

    Both were entered without a number. They are two: each answered all ten items, one on placebo
    and one on caffeine, and nobody else was in both arms.
    """
    arm = frame["treat"].map({0: "placebo", 1: "caffeine"})
    shared = frame["id"] == "EMIT_NA"
    return frame.assign(id=frame["id"].mask(shared, frame["id"] + "_" + arm))


def _numbered(count: int) -> Levels:
    return Levels(tuple(range(1, count + 1)))


_SIMULATED = "simulated for this package"

_DATASETS = (
    Dataset(
        name="caffeine",
        title="Caffeine and energetic arousal",
        design=(
            "Six laboratory experiments (study), 0 or 4 mg/kg of caffeine by person (treat = 1 "
            "for caffeine). After the dose each person rated ten adjectives of energetic arousal "
            "(item), 0 not at all to 3 very much (resp); sleepy, tired and drowsy (reverse = 1) "
            "are already turned, so that a higher score means more energy. 684 persons, 339 on "
            "caffeine and 345 on placebo; 14 of them left out 29 answers, which have no row. "
            "Dose, study, time of day (TOD: 9 or 20 o'clock) and impulsivity (0-9) are constant "
            "within a person; persons are nested in studies and their ids are unique over "
            "studies. CITY, EMIT and SALT ran at both times of day, the others in the morning. "
            "XRAY crossed caffeine with four films, which the table does not name. The file gives "
            "two persons of EMIT, one in each arm, the same id 'EMIT_NA'; they are loaded as "
            "'EMIT_NA_placebo' and 'EMIT_NA_caffeine'."
        ),
        source="R package psychTools, msqR (Revelle); Revelle & Anderson (1998)",
        licence="GPL (>= 2)",
        assignment="randomised",
        rows=6_811,
        persons=684,
        items=10,
        arms=("placebo", "caffeine"),
        roles={
            "response": "resp",
            "treatment": "treat",
            "person": "id",
            "item": "item",
            "clusters": ("study",),
        },
        categories={
            "id": Levels(),
            "item": Levels(
                (
                    "active",
                    "energetic",
                    "vigorous",
                    "wakeful",
                    "wide.awake",
                    "full.of.pep",
                    "lively",
                    "sleepy",
                    "tired",
                    "drowsy",
                )
            ),
            "study": Levels(("AGES", "CITY", "EMIT", "IMPS", "SALT", "XRAY")),
        },
        repair=_separate_unnumbered_persons,
    ),
    Dataset(
        name="verbagg",
        title="Verbal aggression, men and women",
        design=(
            "A questionnaire: 316 persons x 24 items, complete. Every item is a situation "
            "(S1, S2: another is to blame; S3, S4: oneself; situ) with something one would want "
            "to do or do (mode): curse, scold or shout (btype); the answer is no < perhaps < yes "
            "(resp), and y = 1 for perhaps or yes. treat = 1 for the 73 men and 0 for the 243 "
            "women: a group, not a treatment, so its 'effects' are differences between groups. "
            "treat, Anger and anger_std (trait anger, standardised over persons) are constant "
            "within a person; btype, situ and mode within an item."
        ),
        source="R package lme4, VerbAgg (Bates, Maechler, Bolker & Walker); "
        "De Boeck & Wilson (2004)",
        licence="GPL (>= 2)",
        assignment="observational",
        rows=7_584,
        persons=316,
        items=24,
        arms=("women", "men"),
        roles={
            "response": "resp",
            "treatment": "treat",
            "person": "id",
            "item": "item",
        },
        categories={
            "resp": Levels(("no", "perhaps", "yes"), ordered=True),
            "item": Levels(),
            "Gender": Levels(("F", "M")),
            "btype": Levels(("curse", "scold", "shout")),
            "situ": Levels(("other", "self")),
            "mode": Levels(("want", "do")),
            "r2": Levels(("N", "Y")),
        },
    ),
    Dataset(
        name="mathexam",
        title="Mathematics exam in two batches",
        design=(
            "An exam at a university: 729 students x 13 single-choice items, complete; resp = 1 "
            "for solved. treat = 1 for the 395 students of the second batch and 0 for the 334 of "
            "the first; students chose their batch, so nothing was randomised, and eight of the "
            "items (1, 5-9, 11, 12 in file order) told another story in the second batch. "
            "credits is 2 solved, 1 wrong, 0 not attempted; a wrong answer cost a quarter of the "
            "points, so credits is not an order of success. treat, cov_tests (of 26 online tests "
            "solved before), gender, study (degree programme: 155 diploma, 571 bachelor) and "
            "attempt are constant within a person."
        ),
        source="R package psychotools, MathExam14W (Zeileis, Strobl, Wickelmaier and others)",
        licence="GPL-2 | GPL-3",
        assignment="observational",
        rows=9_477,
        persons=729,
        items=13,
        arms=("first batch", "second batch"),
        roles={
            "response": "resp",
            "treatment": "treat",
            "person": "id",
            "item": "item",
        },
        categories={
            "item": Levels(),
            "gender": Levels(("female", "male")),
            "study": Levels((155, 571)),
        },
    ),
    Dataset(
        name="chem97",
        title="A-level chemistry in 1997",
        design=(
            "A school examination, one row per student: 31,022 students in 2,410 schools in 131 "
            "local education authorities (lea); school numbers are unique over authorities, and a "
            "school has 1 to 188 students. score is 0, 2, ... 10 points; y8 = 1 for 8 or 10; "
            "score3 is low (0, 2) < mid (4, 6) < high (8, 10). gcsecnt is the earlier GCSE mean, "
            "centred; age is in months from 18.5 years. There is no treatment and there are no "
            "items."
        ),
        source="R package mlmRev, Chem97 (Bates, Maechler & Bolker); "
        "Yang, Fielding & Goldstein (2002)",
        licence="GPL (>= 2)",
        assignment="observational",
        rows=31_022,
        persons=31_022,
        items=None,
        roles={"response": "score3", "clusters": ("lea", "school")},
        categories={
            "gender": Levels(("M", "F")),
            "score3": Levels(("low", "mid", "high"), ordered=True),
        },
    ),
    Dataset(
        name="contraception",
        title="Contraceptive use in Bangladesh",
        design=(
            "A survey of 1988, one row per woman: 1,934 women in 60 districts (numbered 1 to 61, "
            "without 54; 2 to 118 women each). y = 1 where contraception was used (use = Y). age "
            "is in years, centred; urban = Y or N varies within a district; livch is the number "
            "of living children, 0, 1, 2 or 3+. There is no treatment and there are no items."
        ),
        source="R package mlmRev, Contraception (Bates, Maechler & Bolker); "
        "Steele, Diamond & Amin (1996)",
        licence="GPL (>= 2)",
        assignment="observational",
        rows=1_934,
        persons=1_934,
        items=None,
        roles={"response": "y", "clusters": ("district",)},
        categories={
            "use": Levels(("N", "Y")),
            "livch": Levels(("0", "1", "2", "3+")),
            "urban": Levels(("N", "Y")),
        },
    ),
    Dataset(
        name="bacteria",
        title="Bacteria after drug treatment",
        design=(
            "A trial with repeated tests: 50 children (ID), 220 tests in weeks 0, 2, 4, 6 and 11 "
            "(30 were missed and have no row); yy = 1 (y = y) where the bacteria were present. "
            "Children were randomised to drug or placebo (ap = a or p) and to active "
            "encouragement to take it (hilo). trt is constant within a child: 21 on placebo (high "
            "and low together), 14 drug (low), 15 drug+ (high). late = 1 after week 2. There "
            "are no items."
        ),
        source="R package MASS, bacteria (Venables & Ripley); data of A. Leach",
        licence="GPL-2 | GPL-3",
        assignment="randomised",
        rows=220,
        persons=50,
        items=None,
        roles={"response": "yy", "treatment": "trt", "person": "ID"},
        categories={
            "ID": Levels(),
            "trt": Levels(("placebo", "drug", "drug+")),
            "y": Levels(("n", "y")),
            "ap": Levels(("p", "a")),
            "hilo": Levels(("lo", "hi")),
        },
    ),
    Dataset(
        name="wine",
        title="Bitterness of wine",
        design=(
            "A factorial experiment: nine judges each rated the same eight bottles, 72 ratings, "
            "complete; rating 1 to 5 groups response (0-100). Temperature (temp) and contact "
            "between juice and skins (contact) were set by the makers, two bottles for each of "
            "the four combinations; how bottles were drawn is not recorded. Both are constant "
            "within a bottle and vary within a judge, so no column is a treatment of persons; "
            "judges stand as persons, bottles as items."
        ),
        source="R package ordinal, wine (Christensen); Randall (1989)",
        licence="GPL (>= 2)",
        assignment="randomised",
        rows=72,
        persons=9,
        items=8,
        roles={"response": "rating", "person": "judge", "item": "bottle"},
        categories={
            "bottle": _numbered(8),
            "temp": Levels(("cold", "warm")),
            "contact": Levels(("no", "yes")),
        },
    ),
    Dataset(
        name="ilhte_500x20",
        title="Simulated trial, 500 persons x 20 items",
        design=(
            "Complete; 250 persons in each arm, treat alternates over persons, who are "
            "exchangeable. logit P(y = 1) = 0.2 + 0.3 treat + 0.5 pre + theta + b + zeta treat; "
            "theta and pre are normal(0, 1) by person, b has SD 1 and zeta SD 0.4 over items, "
            "their correlation is -0.3. The 20 items drawn have a mean zeta of 0.092: the effect "
            "is 0.392 on these items and 0.3 in the item population."
        ),
        source=_SIMULATED,
        licence="Apache-2.0",
        assignment="randomised",
        rows=10_000,
        persons=500,
        items=20,
        arms=("control", "treated"),
        roles={"response": "y", "treatment": "treat", "person": "id", "item": "item"},
        categories={"item": _numbered(20)},
        truth="ilhte_500x20_truth_items",
    ),
    Dataset(
        name="ilhte_500x20_truth_items",
        title="Truth of ilhte_500x20: easiness b and effect deviation zeta of each item",
        design="One row per item, in logits: b (easiness) and zeta (effect minus 0.3).",
        source=_SIMULATED,
        licence="Apache-2.0",
        assignment="randomised",
        rows=20,
        persons=None,
        items=20,
        roles={"item": "item"},
        categories={"item": _numbered(20)},
        truth_of="ilhte_500x20",
    ),
    Dataset(
        name="ilhte_5000x40",
        title="Simulated trial, 5,000 persons x 40 items",
        design=(
            "As ilhte_500x20, with 2,500 persons in each arm and 40 items. The items drawn have a "
            "mean zeta of 0.097: the effect is 0.397 on these items and 0.3 in the item "
            "population."
        ),
        source=_SIMULATED,
        licence="Apache-2.0",
        assignment="randomised",
        rows=200_000,
        persons=5_000,
        items=40,
        arms=("control", "treated"),
        roles={"response": "y", "treatment": "treat", "person": "id", "item": "item"},
        categories={"item": _numbered(40)},
        truth="ilhte_5000x40_truth_items",
    ),
    Dataset(
        name="ilhte_5000x40_truth_items",
        title="Truth of ilhte_5000x40: easiness b and effect deviation zeta of each item",
        design="One row per item, in logits: b (easiness) and zeta (effect minus 0.3).",
        source=_SIMULATED,
        licence="Apache-2.0",
        assignment="randomised",
        rows=40,
        persons=None,
        items=40,
        roles={"item": "item"},
        categories={"item": _numbered(40)},
        truth_of="ilhte_5000x40",
    ),
    Dataset(
        name="crt_60x3x15x20",
        title="Simulated cluster trial, 60 schools x 3 teachers x 15 students x 20 items",
        design=(
            "Complete; treat is drawn by school, 30 schools in each arm. Teachers and students "
            "have numbers that are unique over schools. logit P(y = 1) = 0.2 + 0.3 treat + school "
            "+ teacher + student + b + zeta treat; schools and teachers have SD 0.3, students SD "
            "1, items as in ilhte_500x20, no covariate. The 20 items drawn have a mean zeta of "
            "-0.107: the effect is 0.193 on these items and 0.3 in the item population."
        ),
        source=_SIMULATED,
        licence="Apache-2.0",
        assignment="randomised",
        rows=54_000,
        persons=2_700,
        items=20,
        arms=("control", "treated"),
        roles={
            "response": "y",
            "treatment": "treat",
            "person": "student",
            "item": "item",
            "clusters": ("school", "teacher"),
        },
        categories={"item": _numbered(20)},
        truth="crt_truth_items",
    ),
    Dataset(
        name="crt_truth_items",
        title="Truth of crt_60x3x15x20: easiness b and effect deviation zeta of each item",
        design="One row per item, in logits: b (easiness) and zeta (effect minus 0.3).",
        source=_SIMULATED,
        licence="Apache-2.0",
        assignment="randomised",
        rows=20,
        persons=None,
        items=20,
        roles={"item": "item"},
        categories={"item": _numbered(20)},
        truth_of="crt_60x3x15x20",
    ),
)

REGISTRY: Mapping[str, Dataset] = {entry.name: entry for entry in _DATASETS}
