"""`il_hte`: the formula of an item-level effects model, written from the names of columns."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ilhte_bayes.data.open_table import Table, open_table, require_columns
from ilhte_bayes.data.reduction import Reduced, kind_rows
from ilhte_bayes.data.reduction_file import opened_reduced
from ilhte_bayes.data.roles import IRW_ITEM, IRW_PERSON, IRW_TREATMENT, Roles
from ilhte_bayes.errors import DataError, NotAvailable, unknown_argument
from ilhte_bayes.models.model import Model, as_list
from ilhte_bayes.models.reduced import require_kept

_MOST_ARMS = 8  # with an SD of ability each


def il_hte(
    data: Table | Reduced,
    *,
    response: str = "resp",
    treatment: str = "treat",
    person: str = "id",
    item: str = "item",
    clusters: Sequence[str] | str = (),
    covariates: Sequence[str] | str = (),
    moderators: Sequence[str] | str = (),
    item_features: Sequence[str] | str = (),
    effects: str = "item",
    ability_sd: str = "common",
    family: str = "bernoulli",
    occasion: str | None = None,
    crossover: bool = False,
    **options: Any,
) -> Model:
    """Write the formula of an item-level effects model and build it.

    Parameters
    ----------
    data : pandas.DataFrame, str or path, or Reduced
        Long form, one row for each answer; or the counts of `il.reduce`, which know their columns.
    response, treatment, person, item : str
        Columns; the defaults are the names of the Item Response Warehouse. The response may be
        a comparison, `"resp >= 2"`.
    clusters : str or sequence of str
        Groups of persons, outermost first: `["school", "teacher"]`.
    covariates : str or sequence of str
        Person or cluster variables that shift everyone's answers alike.
    moderators : str or sequence of str
        Variables over which the treatment effect may differ (`treat * moderator`).
    item_features : str or sequence of str
        Item variables that may explain why effects differ between items (`treat * feature`).
    effects : {"item", "constant"}
        One effect for each item, correlated with its easiness, or the same for all.
    ability_sd : {"common", "by_arm"}
        One SD of ability (within clusters), or one for each arm. A treatment that widens or
        narrows abilities otherwise looks like effects that differ between items.
    family : {"bernoulli", "cumulative", "adjacent"}
        Distribution of the answers: yes or no, or ordered categories. With "adjacent" the effect
        is on each step up: it enters k times for category k.
    occasion : str, optional
        Column that tells repeated answers of a person to an item apart.
    crossover : bool
        Whether persons were meant to be in more than one arm.
    **options
        `priors`, `reference`, `levels`, `thresholds`, `own_slopes`, `roster`, `assignment`,
        `discrimination`, `ability`: see `Model`.

    Returns
    -------
    Model

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> trial = il.load_dataset("caffeine")
    >>> model = il.il_hte(trial, response="resp >= 2", clusters=["study"])
    >>> model.formula.text
    'resp >= 2 ~ treat + (1 | study/id) + (treat | item)'
    """
    if effects not in ("item", "constant"):
        raise DataError(
            f"effects={effects!r}; it is 'item' (one effect for each item) or 'constant'."
        )
    data = opened_reduced(data)
    if isinstance(data, Reduced):
        names = (response, treatment, person, item)
        response, treatment, person, item = _names_of(data, names)
        crossover = _known_to_reduce(occasion, crossover)
        table, _, _ = kind_rows(data)
    else:
        table = open_table(data)
    _refuse_unknown(options)
    lists = [as_list(x) for x in (clusters, covariates, moderators, item_features)]
    groups, shifts, over, features = lists
    named = [treatment, person, item, *groups, *shifts, *over, *features]
    columns = set(table.columns)
    if isinstance(data, Reduced):
        require_kept(named, table.columns.tolist())
    elif response.isidentifier():  # others are expressions, "resp >= 2", which the formula reads
        named.insert(0, response)
    if absent := [name for name in named if name not in columns]:
        given = {response: "response", treatment: "treatment", person: "person", item: "item"}
        many = dict(clusters=groups, covariates=shifts, moderators=over, item_features=features)
        given |= {name: word for word, names in many.items() for name in names}
        word = given[absent[0]]
        cure = f"Name yours: {word}='...' (--{word} on the command line)."
        require_columns(table, named, cure=cure)
    if not isinstance(data, Reduced):
        _require_constant(table, item, features)
    left = _quoted(response) if response in columns else response
    arm, path = _quoted(treatment), [_quoted(name) for name in (*groups, person)]
    persons = f"(1 | {'/'.join(path)})"
    if _by_arm(ability_sd, table[treatment], crossover=crossover):
        around = f"(1 | {'/'.join(path[:-1])}) + " if groups else ""
        persons = f"{around}(0 + C({arm}) || {':'.join(path)})"
    fixed = [arm, *map(_quoted, shifts), *(f"{arm} * {_quoted(x)}" for x in (*over, *features))]
    by_item = arm if effects == "item" else "1"
    formula = f"{left} ~ {' + '.join(fixed)} + {persons} + ({by_item} | {_quoted(item)})"
    if isinstance(data, Reduced):
        return Model(formula, data, family, **options)
    roles = Roles(treatment, person, item, occasion, tuple(groups), crossover)
    if isinstance(data, pd.DataFrame):
        return Model(formula, table, family, roles=roles, **options)
    model = Model(formula, table, family, roles=roles, **options)
    object.__setattr__(model, "source", model.source or str(data))
    return model


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    """Name the argument that was meant, rather than one of `Model.__init__`."""
    own = [name for name in inspect.signature(il_hte).parameters if name not in ("data", "options")]
    passed_on = [
        name
        for name, parameter in inspect.signature(Model).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name != "roles"
    ]
    for name in options.keys() - set(passed_on):
        raise unknown_argument("il.il_hte", name, [*own, *passed_on])


def _require_constant(table: pd.DataFrame, item: str, features: Sequence[str]) -> None:
    """Refuse an item feature that differs between answers to one item."""
    for name in features:
        several = table.groupby(item, observed=True)[name].nunique() > 1
        if several.any():
            raise DataError(
                f"item feature {name!r} has several values in answers to one item, first "
                f"{several.idxmax()!r}; a feature is the same in all answers to an item. If it "
                f"describes persons, write moderators=[{name!r}]."
            )


def _names_of(reduced: Reduced, given: tuple[str, ...]) -> tuple[str, str, str, str]:
    """Columns of a reduced table; refuses others than these or the defaults."""
    roles = reduced.roles
    own = (reduced.response, str(roles.treatment), str(roles.person), str(roles.item))
    usual = ("resp", IRW_TREATMENT, IRW_PERSON, IRW_ITEM)
    words = ("response", "treatment", "person", "item")
    for word, name, kept, default in zip(words, given, own, usual, strict=True):
        if name not in (kept, default):
            raise DataError(
                f"{word}={name!r}: the table was reduced with {word}={kept!r}. Leave {word} out, "
                "or reduce again."
            )
    return own


def _known_to_reduce(occasion: str | None, crossover: bool) -> bool:
    if occasion is not None or crossover:
        raise NotAvailable(
            "occasion and crossover: a reduced table holds one sum score of each person. Fit the "
            "table itself."
        )
    return False


def _by_arm(ability_sd: str, treatment: pd.Series, *, crossover: bool) -> bool:
    """Whether ability has an SD for each arm; refuses what makes no sense of it."""
    if ability_sd not in ("common", "by_arm"):
        raise DataError(
            f"ability_sd={ability_sd!r}; it is 'common' (one SD of ability) or 'by_arm' (one for "
            "each arm)."
        )
    if ability_sd == "common":
        return False
    if crossover:
        raise DataError(
            "ability_sd='by_arm' with crossover=True: persons who are in both arms have one "
            "ability. Use ability_sd='common'."
        )
    if (n := treatment.nunique()) > _MOST_ARMS:
        raise DataError(
            f"ability_sd='by_arm': column {treatment.name!r} has {n} values, and there would be an "
            f"SD for each; {_MOST_ARMS} is the most. Use ability_sd='common'."
        )
    return True


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"`{name}`"
