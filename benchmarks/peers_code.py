"""Code that `il.as_code` writes, run: do glmer, clmm and brms give our numbers?

    python benchmarks/peers_code.py            # glmer and clmm through Rscript, under two minutes
    python benchmarks/peers_code.py --brms     # brms too: compiles, a few minutes a model

Every model is fitted here by `il.laplace`; its table is written to a CSV file, the generated code is
run on it as it stands, and estimates, SDs and the log-likelihood are compared. Of caffeine, whose correlation is at +1, glmer stops .05 below our maximum. brms draws from a
posterior with priors of its own, so its means are only expected within a posterior SD.
"""

import argparse
import io
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import ilhte_bayes as il

_GLMER = """
out <- data.frame(name = names(lme4::fixef(m)), value = lme4::fixef(m), se = sqrt(diag(as.matrix(vcov(m)))))
v <- as.data.frame(lme4::VarCorr(m)); v <- v[is.na(v$var2), ]
out <- rbind(out, data.frame(name = paste0("sd ", sub("\\\\.[0-9]+$", "", v$grp)), value = v$sdcor, se = NA))
out <- rbind(out, data.frame(name = "loglik", value = as.numeric(logLik(m)), se = NA))
"""
_CLMM = """
s <- m$coefficients
out <- data.frame(name = names(s), value = s, se = sqrt(diag(vcov(m)))[seq_along(s)])
for (k in seq_along(m$ST)) { g <- names(m$ST)[k]; v <- ordinal::VarCorr(m)[[k]]
  out <- rbind(out, data.frame(name = paste0("sd ", sub("\\\\.[0-9]+$", "", g)), value = attr(v, "stddev"), se = NA)) }
out <- rbind(out, data.frame(name = "loglik", value = as.numeric(logLik(m)), se = NA))
"""
_BRMS = """
f <- brms::fixef(m); out <- data.frame(name = rownames(f), value = f[, 1], se = f[, 2])
for (g in names(brms::VarCorr(m))) { v <- brms::VarCorr(m)[[g]]$sd
  out <- rbind(out, data.frame(name = paste("sd", g), value = v[, 1], se = v[, 2])) }
"""
# Debian keeps Boost with the system's headers, where rstan does not look
_BEFORE = {
    "brms": 'if (system.file("include", package = "BH") == "") rstan::rstan_options(boost_lib = "/usr/include")\n'
}
_READ = {"glmer": _GLMER, "clmm": _CLMM, "brms": _BRMS}


def cases() -> dict[str, tuple[il.Model, str]]:
    """Small tables: correlated, uncorrelated with a factor, nested, by arm, ordinal."""
    verbagg, wine = il.load_dataset("verbagg"), il.load_dataset("wine")
    contraception, caffeine = il.load_dataset("contraception"), il.load_dataset("caffeine")
    return {
        "verbagg A2": (il.Model("y ~ treat + anger_std + (1 | id) + (treat | item)", verbagg), "glmer"),
        "verbagg words": (
            il.Model("r2 ~ Gender + btype + (1 | id) + (Gender || item)", verbagg,
                     reference={"Gender": "M"}), "glmer"),
        "districts": (
            il.Model("use ~ age + I(age^2) + livch*urban + (urban || district)", contraception,
                     reference={"urban": "Y"}), "glmer"),
        "caffeine by arm": (
            il.il_hte(caffeine, response="resp >= 2", clusters=["study"], ability_sd="by_arm"),
            "glmer"),
        "wine": (il.Model("rating ~ temp + contact + (1 | judge)", wine, "cumulative"), "clmm"),
        "wine slopes": (
            il.Model("rating ~ contact + temp + (temp || judge)", wine, "cumulative",
                     reference={"temp": "warm"}), "clmm"),
    }  # fmt: skip


def run(model: il.Model, table: pd.DataFrame, program: str, more: str = "") -> pd.DataFrame:
    """Estimates of the generated code, in its own order."""
    code = str(il.as_code(model, program))
    if program == "brms":
        code = code.rstrip().removesuffix(")") + ", seed = 1, refresh = 0)"
    with tempfile.TemporaryDirectory() as folder:
        data, script = Path(folder, "d.csv"), Path(folder, "code.R")
        table.to_csv(data, index=False)
        script.write_text(
            f'{_BEFORE.get(program, "")}d <- read.csv("{data}")\n{code}\n{_READ[program]}{more}\n'
            'cat("RESULT\\n"); write.csv(out, row.names = FALSE)\n'
        )
        ran = subprocess.run(["Rscript", str(script)], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"{code}\n\n{ran.stderr[-2000:]}")
    return pd.read_csv(io.StringIO(ran.stdout.split("RESULT\n")[1]))


def ours(fit: il.Fit) -> pd.DataFrame:
    """Our numbers in the same shape: coefficients, SDs, log-likelihood."""
    rows = [
        ("fixed", str(term), row["estimate"], row["se"])
        for term, row in fit.coefficients.iterrows()
    ]
    for group in fit.model.design.groups:
        rows += [("sd", group.name, value, np.nan) for value in fit.sd(group.name)]
    rows.append(("loglik", "loglik", fit.loglik, np.nan))
    return pd.DataFrame(rows, columns=["kind", "name", "value", "se"])


def compared(fit: il.Fit, peer: pd.DataFrame) -> dict[str, float]:
    """Largest differences: coefficients in standard errors, SDs relative, log-likelihood."""
    own = ours(fit)
    is_sd, is_ll = peer["name"].str.startswith("sd "), peer["name"] == "loglik"
    fixed = own[own.kind == "fixed"]
    theirs = peer[~is_sd & ~is_ll]
    assert len(fixed) == len(theirs), (list(fixed["name"]), list(theirs["name"]))
    sds, other = np.sort(own[own.kind == "sd"]["value"]), np.sort(peer[is_sd]["value"])
    assert len(sds) == len(other), (sds, other)
    out = {
        "coefficients (SE)": np.abs(fixed["value"].to_numpy() - theirs["value"].to_numpy())
        / fixed["se"].to_numpy(),
        "SE (relative)": np.abs(theirs["se"].to_numpy() / fixed["se"].to_numpy() - 1),
        "SDs": np.abs(sds - other) / np.maximum(np.abs(other), 0.1),
    }
    found = {name: float(np.max(value)) for name, value in out.items()}
    if is_ll.any():
        found["log-likelihood, ours above"] = fit.loglik - float(peer.loc[is_ll, "value"].iloc[0])
    return found


def main() -> None:
    """Run every case and print the differences."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--brms", action="store_true", help="run brms too")
    asked.add_argument("--case", help="run this one alone")
    options = asked.parse_args()
    rows = {}
    for name, (model, program) in cases().items():
        if options.case and name != options.case:
            continue
        table = il.load_dataset(_table_of(name))
        fit = il.laplace(model)
        rows[name, program] = compared(fit, run(model, table, program))
        if options.brms:
            rows[name, "brms"] = compared(fit, run(model, table, "brms"))
    print(pd.DataFrame.from_dict(rows, orient="index").to_string(float_format="{:.2g}".format))


def _table_of(name: str) -> str:
    return {"districts": "contraception"}.get(name, name.split()[0])


if __name__ == "__main__":
    main()
