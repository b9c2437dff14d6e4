"""Who took part, what their answers are, how alike the arms were at the start."""

from ilhte_bayes.models.model import Model
from ilhte_bayes.show import recipe
from ilhte_bayes.show.html_tables import html_table
from ilhte_bayes.show.people import arms_table, balance_table
from ilhte_bayes.show.sections.section import Section
from ilhte_bayes.show.text import dropped_rows, trivial
from ilhte_bayes.show.words import about, sentence


def people(model: Model) -> Section:
    """Persons by arm, from start to analysis."""
    tables = []
    if model.flow is not None:
        flow = model.flow.rename_axis("arm")
        tables.append(html_table(flow, "Persons by arm, from start to analysis"))
    tables.append(html_table(arms_table(model), "In the analysis"))
    notes = tuple(about(model, text) for text in dropped_rows(model))
    return Section("Who took part", html=tuple(tables), notes=notes)


def data(model: Model) -> Section:
    """The table, its columns, codings, and how arms were assigned."""
    responses, roles = model.responses, model.roles
    facts = [("Table", _source(model))]
    parts = {"treatment": roles.treatment, "person": roles.person, "item": roles.item}
    named = [f"{role} {column}" for role, column in parts.items() if column]
    named += [f"occasion {roles.occasion}"] if roles.occasion else []
    named += [f"clusters {', '.join(roles.clusters)}"] if roles.clusters else []
    if named:
        facts.append(("Columns", sentence("; ".join(named))))
    codings = [c for c in (responses.response_coding, *responses.codings) if not trivial(c.levels)]
    facts += [("Coding", str(coding)) for coding in codings]
    if model.assignment:
        facts.append(("Assignment", about(model, model.assignment.sentence)))
        facts.append(("Arms", _assigned(model)))
    notes = tuple(about(model, note) for note in model.notes)
    return Section("Data and coding", facts=tuple(facts), notes=notes)


def _source(model: Model) -> str:
    if recipe.is_bundled(model.source):
        from ilhte_bayes.data.bundled import REGISTRY

        return f"{model.source}: {REGISTRY[model.source].title}, bundled with ilhte_bayes."
    return model.source or "A table in memory."


def _assigned(model: Model) -> str:
    kind = model.assignment.kind if model.assignment else None
    if kind == "randomised":
        return "Randomised: results speak of effects."
    if kind == "observational":
        return "Not randomised: results speak of differences between groups."
    return "Whether they were randomised was not stated: read 'effect' as a difference unless they were."


def balance(model: Model) -> Section:
    """Covariates by arm."""
    title = "Arms compared at baseline"
    table = balance_table(model)
    if table is None:
        return Section(title, ("The arms cannot be compared person by person here.",))
    if table.empty:
        text = "The model has no covariates of persons, so there is nothing to compare here."
        return Section(title, (text,))
    intro = (
        "Covariates of the model, once for each person: mean (SD), or share. The standardised "
        "difference is that of means from the first arm, in pooled SDs; values beyond ±0.1 "
        "deserve a look."
    )
    return Section(title, (intro,), html=(html_table(table, "Covariates by arm", capital=False),))
