"""Families of responses, one file each."""

from ilhte_bayes.errors import ModelError, NotAvailable, listed
from ilhte_bayes.families.base import Family
from ilhte_bayes.families.bernoulli import Bernoulli
from ilhte_bayes.families.cumulative import Cumulative

_FAMILIES: dict[str, type[Family]] = {"bernoulli": Bernoulli, "cumulative": Cumulative}
_PLANNED = ("adjacent", "multinomial")


def get_family(name: str) -> Family:
    """Return the family of this name, or say which there are."""
    if name in _PLANNED:
        raise NotAvailable(
            f"family {name!r} is not there yet. Use family='cumulative', or family='bernoulli' on a "
            "comparison such as 'resp >= 2 ~ ...'."
        )
    if name not in _FAMILIES:
        raise ModelError(f"no family {name!r}; there is {listed(list(_FAMILIES))}.")
    return _FAMILIES[name]()
