"""Draw every figure of docs/gallery.md from bundled data: `python docs/make_gallery.py [name ...]`.

Maximum likelihood and MAP fits, all seeds fixed, so that the same version draws the same pictures.
"""

import io
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import ilhte_bayes as il

OUT = Path(__file__).parent / "gallery"
MOST_BYTES = 100_000
DPI = 110


@cache
def caffeine() -> Any:
    """Six experiments, ten adjectives, rated 2 or 3 or not."""
    table = il.load_dataset("caffeine")
    model = il.il_hte(table, response="resp >= 2", clusters=["study"])
    return il.laplace(model, objective="map")


@cache
def ordinal() -> Any:
    """The same ratings, 0 to 3."""
    model = il.il_hte(il.load_dataset("caffeine"), clusters=["study"], family="cumulative")
    return il.laplace(model, objective="map")


@cache
def exams() -> Any:
    """Proportional odds or not: points in chemistry, by gender and earlier marks."""
    table = il.load_dataset("chem97").sample(6000, random_state=1)
    table["score"] //= 2  # 0, 2, ..., 10
    model = il.Model("score ~ age + gender + gcsescore + (1 | lea)", table, family="cumulative")
    return il.equal_slopes(il.laplace(model), ["age", "gender", "gcsescore"])


@cache
def steps() -> Any:
    """Use of contraception in 60 districts, in four steps."""
    formulas = [
        "use ~ 1 + (1 | district)",
        "use ~ age + (1 | district)",
        "use ~ age + urban + (1 | district)",
        "use ~ age + urban + (urban | district)",
    ]
    table = il.load_dataset("contraception")
    return il.ladder(formulas, table)


@cache
def districts() -> Any:
    """The last of these models."""
    formula = "use ~ age + urban + (urban | district)"
    return il.laplace(il.Model(formula, il.load_dataset("contraception")))


@cache
def batches() -> Any:
    """Two versions of an exam: did they differ more for those who had done well before?"""
    table = il.load_dataset("mathexam")
    return il.identification(table, covariate="cov_tests", n=100)


@cache
def checked() -> Any:
    """Would the model have given the ratings of the six experiments?"""
    return il.predictive_check(caffeine())


@cache
def planned() -> Any:
    """How much do persons and items buy, where effects differ between items?"""
    plan = il.Trial(effect=0.3, sigma_zeta=0.35)
    return il.power(plan, persons=[100, 200, 400, 800], items=[8, 24], n=60, engine="laplace")


@cache
def many() -> Any:
    """Thirty trials, in which only items differ: the more, the further their effects follow them."""
    trials = {}
    for k in range(30):
        rho, sigma_zeta = -0.9 + 0.06 * k, 0.15 * (k % 4)
        plan = il.Trial(
            persons=240, items=12, effect=0.2, sigma_zeta=sigma_zeta, rho=rho, slope=0.8
        )
        trials[f"trial {k + 1}"] = il.simulate(plan, seed=k).table
    return il.study(trials, covariate="x", engine="laplace")


@cache
def ranked() -> Any:
    """Sixty tables from the priors of a small trial, each with its posterior."""
    trial = il.simulate(il.Trial(persons=60, items=6), seed=1).table
    model = il.il_hte(trial, priors={"beta": il.priors.Normal(0, 1)})
    return il.calibrate(model, n=60, draws=100, kept=31)


FIGURES: dict[str, Callable[..., Any]] = {
    "item_effects": lambda **o: il.plot.item_effects(caffeine(), **o),
    "effect_by_easiness": lambda **o: il.plot.effect_by_easiness(caffeine(), **o),
    "item_curves": lambda **o: il.plot.item_curves(caffeine(), **o),
    "category_curves": lambda **o: il.plot.category_curves(ordinal(), **o),
    "information": lambda **o: il.plot.information(ordinal(), **o),
    "person_item_map": lambda **o: il.plot.person_item_map(ordinal(), **o),
    "caterpillar": lambda **o: il.plot.caterpillar(districts(), "district", **o),
    "prior_posterior": lambda **o: il.plot.prior_posterior(caffeine(), **o),
    "identification": lambda **o: il.plot.identification(batches(), **o),
    "predictive": lambda **o: il.plot.predictive(checked(), **o),
    "slopes": lambda **o: il.plot.slopes(exams(), **o),
    "model_ladder": lambda **o: il.plot.model_ladder(steps(), **o),
    "power": lambda **o: il.plot.power(planned(), **o),
    "study_effects": lambda **o: il.plot.study_effects(many(), **o),
    "study_interactions": lambda **o: il.plot.study_interactions(many(), **o),
    "calibration": lambda **o: il.plot.calibration(ranked(), **o),
}


def png(axes: Any, dpi: int) -> bytes:
    """Compressed picture: 64 colours are enough for lines and letters."""
    from PIL import Image

    buffer = io.BytesIO()
    axes.get_figure(root=True).savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    buffer.seek(0)
    small = Image.open(buffer).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    out = io.BytesIO()
    small.save(out, format="PNG", optimize=True)
    return out.getvalue()


def main(names: list[str]) -> None:
    """Draw the named figures, or all."""
    OUT.mkdir(exist_ok=True)
    for name in names or FIGURES:
        picture = png(FIGURES[name](), DPI)
        if len(picture) >= MOST_BYTES:
            raise SystemExit(f"{name}: {len(picture):,} bytes; make it smaller.")
        (OUT / f"{name.replace('_', '-')}.png").write_bytes(picture)
        print(f"{name}: {len(picture):,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
