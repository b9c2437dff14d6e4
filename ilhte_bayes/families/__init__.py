"""Families of responses, one file each."""

from ilhte_bayes.errors import ModelError, listed
from ilhte_bayes.families.adjacent import Adjacent
from ilhte_bayes.families.base import Family
from ilhte_bayes.families.bernoulli import Bernoulli
from ilhte_bayes.families.cumulative import Cumulative
from ilhte_bayes.families.multinomial import Multinomial

_FAMILIES: dict[str, type[Family]] = {
    "bernoulli": Bernoulli,
    "cumulative": Cumulative,
    "adjacent": Adjacent,
    "multinomial": Multinomial,
}


def get_family(name: str) -> Family:
    """Return the family of this name, or say which there are."""
    if name not in _FAMILIES:
        raise ModelError(
            f"no family {name!r}; there is {listed(list(_FAMILIES))}. Name one of these."
        )
    return _FAMILIES[name]()
