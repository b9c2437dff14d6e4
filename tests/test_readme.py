"""README's Python runs as it stands: with small stand-ins for the reader's own files, few draws."""

import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ilhte_bayes as il

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^## (.*?)$|```python\n(.*?)```", TEXT, re.M | re.S)


def blocks() -> list[tuple[str, str]]:
    """(heading, code) in order."""
    heading, out = "", []
    for title, code in BLOCKS:
        heading = title or heading
        if code:
            out.append((heading, code))
    return out


@pytest.fixture
def stand_ins():
    """What README's reader brings: a survey, schools, a model fitted before."""
    rng = np.random.default_rng(1)
    n = 1200
    school = rng.integers(0, 20, n)
    table = pd.DataFrame(
        {
            "school": school,
            "teacher": school * 3 + rng.integers(0, 3, n),
            "district": rng.integers(0, 15, n),
            "lep": rng.integers(0, 2, n),
            "ec": rng.integers(0, 2, n),
            "age": rng.normal(size=n).round(2),
            "urban": rng.integers(0, 2, n),
        }
    )
    table["tchexp"] = table.groupby("teacher")["age"].transform("mean")
    table["schl_frl"] = table.groupby("school")["age"].transform("mean")
    effects = rng.normal(0, 1, 20)[school] + 0.5 * table["lep"]
    table["passed"] = (rng.random(n) < 1 / (1 + np.exp(-effects))).astype(int)
    return table.assign(score=table["passed"], y=table["passed"])


def quickly(monkeypatch):
    """Few draws, few simulated tables: what is tested is that the calls are right."""
    sample, boundary, identify = il.sample, il.boundary_test, il.identification

    def few(model, **options):
        return sample(model, draws=60, tune=100, chains=2, progress=False, **options)

    monkeypatch.setattr(il, "sample", few)
    monkeypatch.setattr(
        il, "boundary_test", lambda *fits, bootstrap=0, **o: boundary(*fits, bootstrap=2, **o)
    )
    monkeypatch.setattr(il, "identification", lambda *given, **o: identify(*given, n=5, **o))
    power, calibrate = il.power, il.calibrate
    small = {"persons": [60, 80], "items": [5]}
    monkeypatch.setattr(il, "power", lambda trial, **o: power(trial, n=2, workers=1, **o | small))
    monkeypatch.setattr(il, "calibrate", lambda model, n: calibrate(model, n=2, draws=100, kept=19))
    monkeypatch.setattr(il, "read_irw", lambda name: None)  # needs a network


@pytest.mark.parametrize("heading", dict.fromkeys(heading for heading, _ in blocks()))
def test_a_section_runs(heading, stand_ins, monkeypatch, tmp_path):
    """As it stands, given what the reader has by then."""
    import matplotlib

    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    stand_ins.to_csv("survey.csv", index=False)
    quickly(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", il.errors.IlhteWarning)
        space = {"il": il, "table": stand_ins} | _given(heading, stand_ins)
        for title, code in blocks():
            if title == heading:
                exec(compile(code, f"README, {heading}", "exec"), space)
    assert (tmp_path / "trial.html").is_file() == (heading == "Ten lines")
    if heading == "Ten lines":
        sys.path.insert(0, str(ROOT / "docs"))
        from refresh import same

        shown = f"{il.item_effects(space['map_'])}\n\n{il.effect_card(space['map_'])}"
        assert same(re.findall(r"```text\n(.*?)\n```", TEXT, re.S)[0], shown)


def _given(heading: str, schools: pd.DataFrame) -> dict:
    """What a section takes for granted: the reader's own trial, models and fits of it."""
    trial = il.load_dataset("caffeine")
    if heading.startswith("What readers of multilevel"):
        return {"fit": il.laplace(il.Model("passed ~ lep + (1 | school/teacher)", schools))}
    if heading in ("Your own formula", "Ordinal answers"):
        return {"trial": trial}
    if heading.startswith("Plan a trial"):
        for folder in ("trials", "answers"):
            Path(folder).mkdir()
        for seed in range(3):
            made = il.simulate(il.Trial(persons=60, items=5, slope=0.3), seed=seed).table
            made = made.rename(columns={"x": "pretest"})
            made.to_csv(f"trials/{seed}.csv", index=False)
        made.assign(school=made["id"] % 8).to_parquet("answers/one.parquet")
        return {"model": il.il_hte(made)}
    trial["resp"] = (trial["resp"] >= 2).astype(int)
    if heading.startswith("Persons integrated out"):
        model = il.il_hte(trial, clusters=["study"])
        return {"trial": trial, "model": model, "post": il.sample(model, seed=1)}
    if not heading.startswith("What a fit says"):
        return {}
    trial = trial[trial["study"].isin(["AGES", "CITY", "SALT"])].reset_index(drop=True)
    person = trial["id"].astype("category").cat.codes
    trial["pretest"] = person % 7 / 3 - 1
    roster = trial[["id", "study", "treat"]].drop_duplicates()
    absent = pd.DataFrame({"id": ["absent 1", "absent 2"], "study": "AGES", "treat": [0, 1]})
    options = {"clusters": ["study"], "moderators": ["pretest"], "item_features": ["reverse"]}
    model = il.il_hte(trial, **options, roster=pd.concat([roster, absent]))
    return {
        "trial": trial,
        "model": model,
        "ml": il.laplace(model),
        "post": il.sample(model, seed=1),
        "constant": il.laplace(il.il_hte(trial, **options, effects="constant")),
    }
