"""MAP by Laplace: flat priors give maximum likelihood, other priors the dense optimum of a textbook.

The dense optimum shares no code with the engine: the likelihood is written in the random effects
themselves (with the inverse of their covariance), factorised as one dense matrix, and multiplied
by SciPy's prior densities of coefficients, SDs and correlations.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from scipy.optimize import minimize, root
from scipy.special import expit, log_expit
from threadpoolctl import threadpool_limits

import ilhte_bayes as il

CAFFEINE = "resp >= 2 ~ treat + (1 | study/id) + (treat | item)"
BACTERIA = "yy ~ trt + late + (1 | ID)"
VERBAGG_A2 = "y ~ treat + (1 | id) + (treat | item)"


# -- the same model, written a second time -------------------------------------------------------


@dataclass
class DenseGroup:
    """Random effects of one factor, level by level; `pairs` of columns are correlated."""

    level: np.ndarray  # (row,)
    z: np.ndarray  # (row, column)
    pairs: list[tuple[int, int]] = field(default_factory=list)

    @property
    def n_levels(self) -> int:
        return int(self.level.max()) + 1

    @property
    def n_columns(self) -> int:
        return self.z.shape[1]

    def matrix(self) -> sparse.csr_array:
        rows, d = self.z.shape
        at = self.level[:, None] * d + np.arange(d)
        row = np.repeat(np.arange(rows), d)
        return sparse.csr_array(
            (self.z.ravel(), (row, at.ravel())), shape=(rows, self.n_levels * d)
        )

    def correlation(self, rho: np.ndarray) -> np.ndarray:
        out = np.eye(self.n_columns)
        for (i, j), value in zip(self.pairs, rho, strict=True):
            out[i, j] = out[j, i] = value
        return out

    def covariance_changes(self, sd: np.ndarray, rho: np.ndarray) -> list[np.ndarray]:
        """Derivative of the covariance by each SD, then by each correlation."""
        corr, out = self.correlation(rho), []
        for c in range(self.n_columns):
            unit = np.zeros((self.n_columns,) * 2)
            unit[c, c] = 1
            out.append(unit @ corr @ np.diag(sd) + np.diag(sd) @ corr @ unit)
        for i, j in self.pairs:
            unit = np.zeros((self.n_columns,) * 2)
            unit[i, j] = unit[j, i] = sd[i] * sd[j]
            out.append(unit)
        return out


class DenseLaplace:
    """Laplace log-likelihood in natural parameters: beta, then SDs and correlations by group."""

    def __init__(self, y: np.ndarray, x: np.ndarray, groups: list[DenseGroup]) -> None:
        self.y, self.x, self.groups = y.astype(float), x.astype(float), groups
        self.z = sparse.csr_array(sparse.hstack([g.matrix() for g in groups]))
        self.mode = np.zeros(self.z.shape[1])

    def split(self, theta: np.ndarray) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        at, out = self.x.shape[1], []
        for g in self.groups:
            sd = theta[at : at + g.n_columns]
            rho = theta[at + g.n_columns : at + g.n_columns + len(g.pairs)]
            out.append((sd, rho))
            at += sd.size + rho.size
        return theta[: self.x.shape[1]], out

    def precision(self, theta: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], float]:
        """Inverse covariance of all random effects, each group's, and the log-determinant."""
        pieces, own, log_det = [], [], 0.0
        for g, (sd, rho) in zip(self.groups, self.split(theta)[1], strict=True):
            covariance = g.correlation(rho) * np.outer(sd, sd)
            if np.any(sd <= 0) or np.linalg.eigvalsh(covariance)[0] <= 0:
                raise FloatingPointError("outside the parameter space")
            own.append(np.linalg.inv(covariance))
            pieces.append(np.kron(np.eye(g.n_levels), own[-1]))
            log_det += g.n_levels * np.linalg.slogdet(covariance)[1]
        size = self.z.shape[1]
        whole, at = np.zeros((size, size)), 0
        for piece in pieces:
            whole[at : at + len(piece), at : at + len(piece)] = piece
            at += len(piece)
        return whole, own, log_det

    def find_mode(self, theta: np.ndarray, precision: np.ndarray):
        """Newton to the joint mode u; returns u, the linear predictor and the Hessian."""
        fixed, u = self.x @ self.split(theta)[0], self.mode

        def density(u):
            eta = fixed + self.z @ u
            return np.sum(log_expit(np.where(self.y == 1, eta, -eta))) - u @ precision @ u / 2

        for _ in range(50):
            mu = expit(fixed + self.z @ u)
            weighted = sparse.diags_array(mu * (1 - mu)) @ self.z
            hessian = (self.z.T @ weighted).toarray() + precision
            gradient = self.z.T @ (self.y - mu) - precision @ u
            if np.abs(gradient).max() < 1e-10:
                break
            step = np.linalg.solve(hessian, gradient)
            size = 1.0
            while gradient @ step > 1e-12 and density(u + size * step) < density(u):
                size /= 2
            u = u + size * step
        self.mode = u
        return u, fixed + self.z @ u, hessian, density(u)

    def value(self, theta: np.ndarray) -> float:
        precision, _, log_det = self.precision(theta)
        _, _, hessian, joint = self.find_mode(theta, precision)
        return float(joint - log_det / 2 - np.linalg.slogdet(hessian)[1] / 2)

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """The mode moves along: du = -inverse(H) Z'W dx beta, inverse(H) P dS P u for dS."""
        precision, own, _ = self.precision(theta)
        u, eta, hessian, _ = self.find_mode(theta, precision)
        mu = expit(eta)
        w = mu * (1 - mu)
        inverse = np.linalg.inv(hessian)
        spread = (self.z * (self.z @ inverse)).sum(axis=1)  # z' inverse(H) z by row
        pull = spread * w * (1 - 2 * mu)
        shift = inverse @ (self.z.T @ pull)
        out = [self.x.T @ (self.y - mu - pull / 2 + w * (self.z @ shift) / 2)]
        at = 0
        for g, p, (sd, rho) in zip(self.groups, own, self.split(theta)[1], strict=True):
            n, d = g.n_levels, g.n_columns
            here = slice(at, at + n * d)
            mode, moved = u[here].reshape(n, d), shift[here].reshape(n, d)
            blocks = inverse[here, here].reshape(n, d, n, d)
            scatter = np.einsum("lilj->ij", blocks)
            inner = mode.T @ mode + scatter - mode.T @ moved
            slope = (p @ inner @ p - n * p) / 2
            out.append(np.array([np.sum(slope * c.T) for c in g.covariance_changes(sd, rho)]))
            at += n * d
        return np.concatenate(out)


class DensePosterior:
    """Laplace likelihood times SciPy's prior density, no Jacobian."""

    def __init__(self, likelihood: DenseLaplace, log_prior) -> None:
        self.likelihood, self.log_prior = likelihood, log_prior

    def value(self, theta: np.ndarray) -> float:
        return self.likelihood.value(theta) + self.log_prior(theta)

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        # Central differences of the prior alone: smooth, of order 1, so exact to about 1e-10.
        return self.likelihood.gradient(theta) + central(self.log_prior, theta, 1e-5)

    def climb(self, start: np.ndarray) -> np.ndarray:
        """Quasi-Newton, then Newton on the gradient, until nothing is left of it."""

        def negative(theta):
            try:
                return -self.value(theta), -self.gradient(theta)
            except FloatingPointError:
                return np.inf, np.zeros_like(theta)

        near = minimize(negative, start, jac=True, method="BFGS", options={"gtol": 1e-3}).x
        found = root(self.gradient, near, options={"xtol": 1e-11})
        assert np.abs(self.gradient(found.x)).max() < 1e-6
        return found.x


def central(function, at: np.ndarray, h: float) -> np.ndarray:
    steps = h * np.eye(at.size)
    return np.array([(function(at + s) - function(at - s)) / (2 * h) for s in steps])


def dense_bacteria() -> DenseLaplace:
    table = il.load_dataset("bacteria")
    trt = table["trt"].astype(str)
    x = np.column_stack([np.ones(len(table)), trt == "drug", trt == "drug+", table["late"]])
    group = DenseGroup(pd.factorize(table["ID"])[0], np.ones((len(table), 1)))
    return DenseLaplace(table["yy"].to_numpy(), x, [group])


def dense_caffeine(table: pd.DataFrame) -> DenseLaplace:
    one = np.ones((len(table), 1))
    x = np.column_stack([one, table["treat"]]).astype(float)
    person = table["study"].astype(str) + ":" + table["id"].astype(str)
    groups = [
        DenseGroup(pd.factorize(table["study"])[0], one),
        DenseGroup(pd.factorize(person)[0], one),
        DenseGroup(pd.factorize(table["item"])[0], x, [(1, 0)]),
    ]
    return DenseLaplace((table["resp"] >= 2).to_numpy(), x, groups)


def caffeine_prior(theta: np.ndarray) -> float:
    sd, rho = theta[2:6], theta[6]
    return float(
        stats.norm(0, 2.5).logpdf(theta[:2]).sum()
        + stats.halfnorm.logpdf(sd, scale=[2, 2, 2, 1]).sum()
        + stats.beta(2, 2, loc=-1, scale=2).logpdf(rho)
    )


def estimates(fit: il.Fit) -> np.ndarray:
    """beta, then each group's SDs and correlations, in the order of the formula."""
    return np.concatenate([fit.coefficients["estimate"], fit.variance_components["estimate"]])


def fit_map(formula: str, table: pd.DataFrame, priors=None) -> il.Fit:
    return il.laplace(il.Model(formula, table, priors=priors), objective="map")


def assert_same_optimum(fit: il.Fit, posterior: DensePosterior, *, seed: int) -> None:
    ours = estimates(fit)
    # The engine stops its mode search within sqrt(1e-13) = 3e-7; log|H| feels that directly.
    assert fit.loglik == pytest.approx(posterior.likelihood.value(ours), abs=1e-6)
    rng = np.random.default_rng(seed)
    start = ours + 0.05 * rng.choice([-1, 1], ours.size)
    # The dense gradient is right: central differences of the value, error h^2 plus 1e-9 / h.
    numeric = central(posterior.value, start, 1e-4)
    np.testing.assert_allclose(posterior.gradient(start), numeric, rtol=1e-5, atol=1e-4)
    with threadpool_limits(limits=1, user_api="blas"):  # two threads wait more than they work
        dense = posterior.climb(start)
    # 1e-6 of a logit: a thousandth of the digits anyone reports; SEs here are .05 and more.
    np.testing.assert_allclose(ours, dense, atol=1e-6)
    best = posterior.value(dense)
    for size in (1e-3, 0.02, 0.1):
        assert posterior.value(ours + size * rng.choice([-1, 1], ours.size)) < best


# -- flat priors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, formula", [("bacteria", BACTERIA), ("caffeine", CAFFEINE), ("verbagg", VERBAGG_A2)]
)
def test_flat_priors_give_maximum_likelihood(name, formula):
    model = il.Model(formula, il.load_dataset(name))
    flat = {"beta": il.priors.Flat(), "sd": il.priors.Flat()}
    if any(entry.parameter.startswith("corr") for entry in model.priors):
        flat["corr"] = il.priors.LKJ(1)
    ml = il.laplace(model)
    found = il.laplace(model.with_priors(flat), objective="map")
    np.testing.assert_allclose(estimates(found), estimates(ml), atol=1e-6)
    np.testing.assert_allclose(found.coefficients, ml.coefficients, atol=1e-6)
    assert found.loglik == pytest.approx(ml.loglik, abs=1e-6)


def test_maximum_likelihood_does_not_depend_on_the_coordinates():
    """LKJ(1 + 1e-9) is flat to 1e-9, and makes the engine search in partial correlations."""
    model = il.Model(VERBAGG_A2, il.load_dataset("verbagg"))
    flat = {"beta": il.priors.Flat(), "sd": il.priors.Flat(), "corr": il.priors.LKJ(1 + 1e-9)}
    ml = il.laplace(model)
    found = il.laplace(model.with_priors(flat), objective="map")
    np.testing.assert_allclose(estimates(found), estimates(ml), atol=1e-6)
    # Standard errors come from finite differences in other coordinates: equal to 1e-4 of an SE.
    se = "coefficients", "variance_components"
    for table in se:
        np.testing.assert_allclose(getattr(found, table)["se"], getattr(ml, table)["se"], rtol=1e-4)


# -- stated priors -------------------------------------------------------------------------------

BACTERIA_PRIORS = {
    "default": ({}, stats.norm(0, 2.5), stats.halfnorm(scale=2)),
    "gamma": ({"sd": il.priors.Gamma(2, 0.1)}, stats.norm(0, 2.5), stats.gamma(2, scale=10)),
    "student-t": (
        {"beta": il.priors.StudentT(4, 0.3, 0.8), "sd": il.priors.HalfStudentT(3, 0.7)},
        stats.t(4, 0.3, 0.8),
        stats.t(3, 0, 0.7),  # its half is twice as high: the same maximum
    ),
}


@pytest.mark.parametrize("kind", BACTERIA_PRIORS)
def test_bacteria_agrees_with_a_dense_optimum(kind):
    changes, beta, sd = BACTERIA_PRIORS[kind]
    fit = fit_map(BACTERIA, il.load_dataset("bacteria"), changes)

    def log_prior(theta):
        return float(beta.logpdf(theta[:4]).sum() + sd.logpdf(theta[4]))

    assert_same_optimum(fit, DensePosterior(dense_bacteria(), log_prior), seed=1)


def test_caffeine_agrees_with_a_dense_optimum():
    """684 persons, 710 random effects in one dense matrix."""
    table = il.load_dataset("caffeine")
    fit = fit_map(CAFFEINE, table)
    assert_same_optimum(fit, DensePosterior(dense_caffeine(table), caffeine_prior), seed=2)


def test_three_correlated_columns_agree_with_a_dense_optimum():
    table = il.load_dataset("verbagg").query("id <= 60")
    fit = fit_map("y ~ btype + (btype | id)", table)
    kinds = [str(kind) for kind in table["btype"].cat.categories]
    x = np.column_stack([np.ones(len(table)), *(table["btype"] == kind for kind in kinds[1:])])
    pairs = [(1, 0), (2, 0), (2, 1)]
    group = DenseGroup(pd.factorize(table["id"])[0], x.astype(float), pairs)

    def log_prior(theta):
        corr = group.correlation(theta[6:])
        if np.linalg.eigvalsh(corr)[0] <= 0:
            raise FloatingPointError("outside the parameter space")
        return float(
            stats.norm(0, 2.5).logpdf(theta[:3]).sum()
            + stats.halfnorm.logpdf(theta[3:6], scale=[2, 1, 1]).sum()
            + np.linalg.slogdet(corr)[1]  # LKJ(2): det(R) to the power 1
        )

    dense = DenseLaplace(table["y"].to_numpy(), x, [group])
    assert_same_optimum(fit, DensePosterior(dense, log_prior), seed=3)


# -- the edge ------------------------------------------------------------------------------------


def test_map_stays_inside_where_maximum_likelihood_runs_into_the_edge():
    model = il.Model(CAFFEINE, il.load_dataset("caffeine"))
    ml, found = il.laplace(model), il.laplace(model, objective="map")
    pair = ("item", "corr[Intercept,treat]")
    edge, inside = ml.variance_components.loc[pair], found.variance_components.loc[pair]
    assert edge["estimate"] == 1.0
    assert np.isnan(edge["se"])
    assert any("correlation" in problem for problem in ml.problems)
    assert 0 < inside["estimate"] < 0.95
    assert -1 < inside["lower"] < inside["estimate"] < inside["upper"] < 1
    assert found.problems == ()
    assert found.loglik < ml.loglik


def test_a_prior_without_a_maximum_is_refused():
    model = il.Model(CAFFEINE, il.load_dataset("caffeine"), priors={"corr": il.priors.LKJ(0.5)})
    with pytest.raises(il.errors.ModelError, match="eta of 1 or more"):
        il.laplace(model, objective="map")


def test_a_covariate_far_from_zero_keeps_its_slope():
    """Years around 2012: the default prior of the intercept must not hold the slope at 0."""
    rng = np.random.default_rng(5)
    person = np.repeat(np.arange(150), 6)
    year = (2005 + np.arange(150) % 16)[person]
    eta = rng.normal(size=150)[person] + 0.15 * (year - 2012)
    frame = pd.DataFrame({"id": person, "item": np.tile(np.arange(6), 150), "year": year})
    frame["y"] = rng.binomial(1, 1 / (1 + np.exp(-eta)))
    model = il.Model("y ~ year + (1 | id) + (1 | item)", frame, roles={})
    ml, posterior_mode = il.laplace(model), il.laplace(model, objective="map")
    slope, se = ml.coefficients.loc["year", ["estimate", "se"]]
    # a prior of 2.5 logits per SD of the column hardly moves a slope known to a tenth of that
    assert abs(posterior_mode.coefficients.loc["year", "estimate"] - slope) < 0.2 * se
    # an intercept of -300 is the year's, not a separation
    assert not any("separation" in problem for problem in ml.problems)
