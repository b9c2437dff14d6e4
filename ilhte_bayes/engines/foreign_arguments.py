"""Arguments that fitting functions of other programs have, and what is typed here instead."""

from collections.abc import Mapping

_OF_THE_MODEL = {
    name: "It is part of the model: il.Model(formula, table, family, priors={...})."
    for name in ("formula", "data", "family", "prior", "priors", "link", "reference", "levels")
}
_REML = {
    "REML": "Restricted likelihood is made for linear models, and is not offered for these. For few "
    "clusters il.fixed_tests(fit) has t tests, and objective='map' keeps SDs off 0."
}
_SETTINGS = {
    name: "The search for the maximum needs no settings: leave it out."
    for name in ("control", "optimizer", "start", "verbose", "maxiter", "method")
}
_DRAWS = {
    name: f"It is an argument of il.sample(model, {name}=...), which draws from the posterior."
    for name in ("draws", "tune", "chains", "seed", "target_accept", "sampler", "progress")
}
_ITER = "brms counts warm-up among iter. Here, for each chain: draws=1000, tune=500."

LAPLACE: Mapping[str, str] = {
    **_OF_THE_MODEL,
    **_REML,
    **_SETTINGS,
    **_DRAWS,
    "nAGQ": "il.quadrature(model) integrates persons exactly, on as many nodes as it takes.",
    "integrate": "il.quadrature(model, integrate=...) has it: it integrates one group exactly.",
}
QUADRATURE: Mapping[str, str] = {
    **_OF_THE_MODEL,
    **_REML,
    **_SETTINGS,
    **_DRAWS,
    "nAGQ": "Leave it out: there are as many nodes as it takes.",
    "n_nodes": "Leave it out: there are as many nodes as it takes.",
}
SAMPLE: Mapping[str, str] = {
    **_OF_THE_MODEL,
    "iter": _ITER,
    "warmup": f"Say tune=. {_ITER}",
    "samples": "Say draws=, for each chain.",
    "thin": "Draws are not thinned: leave it out.",
    "cores": "Chains run side by side on the cores there are: leave it out.",
    "adapt_delta": "Say target_accept=.",
    "control": "brms' control = list(adapt_delta = .95) is target_accept=0.95.",
    "random_seed": "Say seed=.",
    "nuts_sampler": "Say sampler='nutpie' or sampler='numpyro'.",
    "objective": "il.laplace(model, objective='map') and il.quadrature(model) find maxima.",
    "nAGQ": "Persons are integrated exactly, on as many nodes as it takes: leave it out.",
}
