"""NUTS against brms, against MAP, and against a joint model written apart (minutes each).

Run with: uv run pytest -m slow tests/engines/test_nuts_slow.py -s
The last result is recorded in tests/slow_results.md.
"""

import gzip
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ilhte_bayes as il

pytestmark = pytest.mark.slow
SHARED = Path(__file__).resolve().parents[3] / "shared"
FORMULA = "y ~ treat + pre + (1 | id) + (treat | item)"


def ess(values: np.ndarray) -> float:
    """Bulk effective sample size of draws (chain, draw)."""
    import arviz as az

    return float(az.ess(values, method="bulk"))


def test_same_posterior_as_brms(capsys):
    """The CA model with brms's default priors: means and SDs within Monte Carlo error."""
    path = SHARED / "reference" / "H_draws_4x2000.csv.gz"
    if not path.is_file():
        pytest.skip("brms's draws are read from the project's shared folder, which is absent")
    with gzip.open(path, "rt") as file:
        brms = pd.read_csv(file)
    wide = il.priors.StudentT(3, 0, 2.5)
    model = il.Model(
        FORMULA,
        il.load_dataset("ilhte_500x20"),
        priors={
            "beta": il.priors.Flat(),
            "beta[Intercept]": wide,
            "sd": il.priors.HalfStudentT(3, 2.5),
            "corr": il.priors.LKJ(1.0),
        },
    )
    fit = il.sample(model, draws=2000, tune=1000, chains=4, seed=11, progress=False)
    posterior = fit.tree["posterior"]
    ours = {
        "b_Intercept": posterior["beta"].sel(term="Intercept"),
        "b[1]": posterior["beta"].sel(term="treat"),
        "b[2]": posterior["beta"].sel(term="pre"),
        "sd_1[1]": posterior["sd_id"][..., 0],
        "sd_2[1]": posterior["sd_item"].sel(item_column="Intercept"),
        "sd_2[2]": posterior["sd_item"].sel(item_column="treat"),
        "cor_2[1]": posterior["corr_item"][..., 0, 1],
    }
    rows = []
    for name, values in ours.items():
        theirs = brms.pivot(index=".chain", columns=".iteration", values=name).to_numpy()
        mine = values.to_numpy()
        n, m = ess(mine), ess(theirs)
        sd = theirs.std(ddof=1)
        z_mean = (mine.mean() - theirs.mean()) / (sd * np.sqrt(1 / n + 1 / m))
        # log SD of ESS draws scatters by about 1 / sqrt(2 ESS); posteriors here are nearly normal
        z_sd = np.log(mine.std(ddof=1) / sd) / np.sqrt(0.5 / n + 0.5 / m)
        rows.append((name, theirs.mean(), mine.mean(), sd, mine.std(ddof=1), z_mean, z_sd))
    table = pd.DataFrame(rows, columns=["", "brms", "ours", "sd brms", "sd ours", "z", "z of sd"])
    with capsys.disabled():
        print("\n" + table.round(4).to_string(index=False))
    # 14 z values: the largest of 14 exceeds 3.5 once in 150 times
    assert table["z"].abs().max() < 3.5
    assert table["z of sd"].abs().max() < 3.5


@pytest.mark.parametrize(
    "name, formula",
    [
        ("caffeine", "resp >= 2 ~ treat + (1 | study/id) + (treat | item)"),
        ("verbagg", "y ~ treat + (1 | id) + (treat | item)"),
    ],
)
def test_map_is_where_nuts_says(name, formula, capsys):
    """Fixed effects within .15 posterior SD and SEs within 10 %; SDs and rho are printed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", il.errors.IlhteWarning)
        model = il.Model(formula, il.load_dataset(name))
    mode = il.laplace(model, objective="map")
    fit = il.sample(
        model, draws=3000, tune=1500, chains=4, seed=5, target_accept=0.97, progress=False
    )
    found = fit.tree["posterior"].attrs
    difference = (fit.coefficients["estimate"] - mode.coefficients["estimate"]) / (
        fit.coefficients["se"]
    )
    ratio = mode.coefficients["se"] / fit.coefficients["se"]
    spread = mode.variance_components[["estimate"]].assign(
        nuts_mode=[marginal_mode(fit, g, p) for g, p in mode.variance_components.index]
    )
    with capsys.disabled():
        print(f"\n{name}: {found['divergences']} divergences, R-hat {found['max_rhat']:.4f}, "
              f"ESS {found['min_ess_bulk']:.0f}")  # fmt: skip
        print(pd.DataFrame({"difference in SD": difference, "se ratio": ratio}).round(3))
        print(spread.round(3))
    assert found["max_rhat"] < 1.01 and found["divergences"] == 0
    assert np.abs(difference["treat"]) < 0.15
    assert 0.9 < ratio["treat"] < 1.1


NATURAL = {
    "caffeine": "resp >= 2 ~ treat + (1 | study/id) + (treat | item)",
    "verbagg": "y ~ treat + (1 | id) + (treat | item)",
    "mathexam": "resp ~ treat + (1 | id) + (treat | item)",
    "chem97": "score >= 6 ~ gender + gcsecnt + (1 | lea/school)",
    "contraception": "y ~ age + I(age^2) + urban + livch + (1 | district)",
    "bacteria": "yy ~ trt + late + (1 | ID)",
    "wine": "rating >= 3 ~ temp + contact + (1 | judge)",
    "ilhte_500x20": "y ~ treat + pre + (1 | id) + (treat | item)",
    "ilhte_5000x40": "y ~ treat + pre + (1 | id) + (treat | item)",
    "crt_60x3x15x20": "y ~ treat + (1 | school/teacher/student) + (treat | item)",
}


@pytest.mark.filterwarnings("ignore::ilhte_bayes.errors.IlhteWarning")
@pytest.mark.parametrize("name", NATURAL)
def test_default_settings_suffice_on_bundled_sets(name, capsys):
    """R-hat below 1.01 and no divergence, seed 1; one printed line for `slow_results.md`."""
    fit = il.sample(il.Model(NATURAL[name], il.load_dataset(name)), seed=1, progress=False)
    found = fit.tree["posterior"].attrs
    with capsys.disabled():
        print(f"\n| {name} | {found['integrated'] or 'none'} | {found['max_rhat']:.4f} | "
              f"{found['divergences']} | {found['min_ess_bulk']:.0f} | "
              f"{found['min_ess_tail']:.0f} | {found['sample_seconds']:.1f} |")  # fmt: skip
    assert found["max_rhat"] < 1.01 and found["divergences"] == 0


def marginal_mode(fit: il.Fit, group: str, parameter: str) -> float:
    """Mode of a kernel estimate of one SD's or correlation's marginal posterior."""
    posterior = fit.tree["posterior"]
    columns = list(fit.model.design.group(group).columns)
    kind, inside = parameter[:-1].split("[", 1)
    if kind == "sd":
        draws = posterior[f"sd_{group}"][..., columns.index(inside)].to_numpy().ravel()
        draws = np.concatenate([draws, -draws])  # reflected at 0
    else:
        draws = posterior[f"corr_{group}"][..., 0, 1].to_numpy().ravel()
    grid = np.linspace(max(draws.min(), 0.0) if kind == "sd" else -1, draws.max(), 2000)
    return float(grid[np.argmax(stats.gaussian_kde(draws)(grid))])


def test_same_posterior_as_a_joint_model_written_apart(capsys):
    """Plain PyMC with its own LKJCholeskyCov and its own sampler, no code of this package."""
    import pymc as pm

    frame = il.load_dataset("ilhte_500x20").query("id <= 150")
    model = il.Model("y ~ treat + (1 | id) + (treat | item)", frame)
    fit = il.sample(model, draws=2000, tune=1000, chains=4, seed=21, progress=False)
    person, item = pd.factorize(frame["id"])[0], pd.factorize(frame["item"])[0]
    treat = frame["treat"].to_numpy()
    with pm.Model():
        b0, b1 = pm.Normal("b0", 0, 2.5), pm.Normal("b1", 0, 2.5)
        ability_sd = pm.HalfNormal("ability_sd", 2.0)
        ability = pm.Normal("ability", 0, 1, shape=150)
        chol, *_ = pm.LKJCholeskyCov(
            "items", eta=2, n=2, sd_dist=pm.HalfNormal.dist(np.array([2.0, 1.0])), compute_corr=True
        )
        u = pm.math.dot(pm.Normal("raw", 0, 1, shape=(20, 2)), chol.T)
        eta = b0 + ability_sd * ability[person] + u[item, 0] + (b1 + u[item, 1]) * treat
        pm.Bernoulli("y", logit_p=eta, observed=frame["y"].to_numpy())
        other = pm.sample(2000, tune=1000, chains=4, random_seed=22, nuts_sampler="pymc",
                          target_accept=0.9, progressbar=False)  # fmt: skip
    theirs = {
        "treat": other["posterior"]["b1"],
        "ability SD": other["posterior"]["ability_sd"],
        "easiness SD": other["posterior"]["items_stds"][..., 0],
        "effect SD": other["posterior"]["items_stds"][..., 1],
        "rho": other["posterior"]["items_corr"][..., 0, 1],
    }
    posterior = fit.tree["posterior"]
    ours = {
        "treat": posterior["beta"].sel(term="treat"),
        "ability SD": posterior["sd_id"][..., 0],
        "easiness SD": posterior["sd_item"][..., 0],
        "effect SD": posterior["sd_item"][..., 1],
        "rho": posterior["corr_item"][..., 0, 1],
    }
    z = {}
    for name, values in ours.items():
        a, b = values.to_numpy(), theirs[name].to_numpy()
        z[name] = (a.mean() - b.mean()) / np.sqrt(a.var() / ess(a) + b.var() / ess(b))
    with capsys.disabled():
        print("\nz of the difference in means:", {k: round(v, 2) for k, v in z.items()})
    assert max(abs(v) for v in z.values()) < 3.3  # five z values: once in 200 times by chance
