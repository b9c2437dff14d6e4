"""Items: their effects, easiness and difficulty, and how they answer to ability in each arm."""

from collections.abc import Iterator

from ilhte_bayes.show.equal_effects import all_equal
from ilhte_bayes.show.html_tables import html_table
from ilhte_bayes.show.pictures import by_contrast
from ilhte_bayes.show.sections.section import Results, Section
from ilhte_bayes.show.text import items_table
from ilhte_bayes.show.words import number, sentence


def items(results: Results) -> Iterator[Section]:
    """Figure and table of effects by item, with easiness and difficulty."""
    effects = results.effects
    if effects is None:
        return
    noun = effects.noun
    title, notes = f"{noun.capitalize()} by item", tuple(map(sentence, effects.notes))
    if all_equal(results.fit):
        yield Section(title, notes=notes)
        return
    intro = [
        "Logits with 95 % intervals. Easiness is an item's deviation from the average item in "
        f"the reference arm; difficulty is its negative. An item's {noun} borrows strength from "
        "the other items: the less its own answers say, the closer it lies to the average.",
    ]
    if effects.frame.index.nlevels == 1 and effects.frame["lower"].notna().all():
        wrong = effects.false_signs(effects.frame.index.tolist())
        many = "below 0.05" if wrong < 0.05 else number(wrong, 1)
        intro.append(
            f"Expected number of wrong signs among these {len(effects)} estimates: {many}."
        )
    frame = effects.frame.sort_values("effect", ascending=False)
    if frame.index.nlevels > 1:
        order = effects.average.index
        frame = frame.reset_index().sort_values(
            ["contrast", "effect"],
            ascending=[True, False],
            key=lambda c: c.map({k: n for n, k in enumerate(order)}) if c.name == "contrast" else c,
        )
        frame = frame.set_index(effects.frame.index.names)
    yield Section(
        title,
        tuple(intro),
        pictures=tuple(by_contrast(results.fit, effects, "item_effects")),
        html=(html_table(items_table(frame, noun), f"{noun.capitalize()} by item, in logits"),),
        remarks=notes,
    )


def figures(results: Results) -> Iterator[Section]:
    """Effect against easiness, and items' curves by arm."""
    if results.effects is None:
        return
    noun = results.fit.model.noun
    if found := tuple(by_contrast(results.fit, results.effects, "effect_by_easiness")):
        yield Section(f"{noun.capitalize()} and easiness", pictures=found)
    if found := tuple(by_contrast(results.fit, results.effects, "item_curves")):
        yield Section("Items by arm", pictures=found)
