"""Gather the peers' fits used by test_peers.py into peers.json: estimates, programs, versions.

Run from the repository root, with the project's shared folder beside it:
python tests/reference/collect_peers.py ../shared/reference
The R programs that made them are scripts/jobs.R, data.R and common.R of that folder.
"""

import json
import sys
from pathlib import Path

ORDINAL = ("B1_clmm", "B2_clmm", "E1_clmm", "E2_clmm", "Fchem_clmm_school", "G1_wine_clmm",
           "G1_wine_clmm_agq7", "G2_wine_clmm_crossed")  # fmt: skip
KEEP = ("package", "version", "formula", "nobs", "logLik", "AIC", "BIC_nobs", "BIC_ngrp",
        "fixef", "se_hessian", "sdcor")  # fmt: skip


def table_rows(readme: str) -> dict[str, tuple[str, str]]:
    """Formula and data file of every fit, as listed in the folder's README."""
    rows = {}
    for line in readme.splitlines():
        if line.startswith("| ") and "`" in line and ".csv" in line:
            name = line.split("|")[1].strip()
            _, formula, rest = line.split("`")[:3]
            rows[name] = (formula.replace("\\|", "|"), rest.strip(" |").split()[0])
    return rows


def main(folder: Path) -> None:
    rows = table_rows((folder / "README.md").read_text())
    out = {}
    for path in sorted((folder / "json").glob("*.json")):
        name = path.stem
        if name not in rows or ("clmm" in name and name not in ORDINAL) or name[0] == "H":
            continue
        fit = json.loads(path.read_text())
        formula, data = rows[name]
        if name in ORDINAL:
            fit["fixef"] = fit["alpha"] | dict(fit["beta"])
        out[name] = {key: fit[key] for key in KEEP if key in fit}
        out[name] |= {"formula": formula, "data": data.split(".")[0]}
        modes = [m for m in fit.get("item_blups", []) if m["grpvar"] == "item"]
        out[name]["item_modes"] = [[m["term"], m["grp"], m["condval"], m["condsd"]] for m in modes]
    target = Path(__file__).with_name("peers.json")
    target.write_text(json.dumps(out, indent=0) + "\n")
    print(f"{len(out)} fits written to {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
