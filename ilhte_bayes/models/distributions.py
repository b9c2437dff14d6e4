"""Distributions that a prior can be, `il.priors`: one class each, in logits.

A prior knows its log-density (written so that it can be differentiated by complex step) and its
PyMC twin; its numbers may be arrays, one for each element of a vector.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from ilhte_bayes.errors import ModelError

__all__ = [
    "LKJ",
    "Exponential",
    "Flat",
    "Gamma",
    "HalfNormal",
    "HalfStudentT",
    "Normal",
    "StudentT",
]  # fmt: skip


def _check_numbers(prior: Any, *positive: str) -> None:
    """Refuse what is no number, or not above 0; keep whole numbers as floats."""
    kind = type(prior).__name__
    for field in fields(prior):
        value = getattr(prior, field.name)
        rule = "a positive number" if field.name in positive else "a number"
        try:
            number = np.asarray(value, dtype=float)
        except (TypeError, ValueError):
            number = np.array(np.nan)
        if not np.isfinite(number).all() or (field.name in positive and not (number > 0).all()):
            raise ModelError(
                f"{kind}({field.name}={value!r}): {field.name} is {rule}. "
                f"Write il.priors.{kind}({field.name}=1.0), say."
            )
        object.__setattr__(prior, field.name, number if number.ndim else float(number))


def _double(number: Any) -> np.ndarray:
    """A number as PyTensor keeps it: a Python 2.0 becomes float32, and with it log gamma(2.0)."""
    return np.asarray(number, dtype=float)


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal distribution of a coefficient.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    >>> narrow = model.with_priors({"beta[late]": il.priors.Normal(0, 0.5)})
    >>> str(narrow.priors["beta[late]"])
    'Normal(0, 0.5)'
    """

    mean: float = 0.0
    sd: float = 1.0
    positive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_numbers(self, "sd")

    def log_density(self, x):
        return -0.5 * ((x - self.mean) / self.sd) ** 2 - math.log(self.sd * math.sqrt(2 * math.pi))

    def pymc(self, name: str, **options: Any):
        import pymc as pm

        return pm.Normal(name, _double(self.mean), _double(self.sd), **options)

    def __str__(self) -> str:
        return f"Normal({self.mean:g}, {self.sd:.3g})"


@dataclass(frozen=True, slots=True)
class StudentT:
    """Student's t distribution of a coefficient.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> str(il.priors.StudentT(df=3, mean=0, sd=2.5))
    'StudentT(3, 0, 2.5)'
    """

    df: float = 3.0
    mean: float = 0.0
    sd: float = 1.0
    positive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_numbers(self, "df", "sd")

    def log_density(self, x):
        return _log_t((x - self.mean) / self.sd, self.df) - math.log(self.sd)

    def pymc(self, name: str, **options: Any):
        import pymc as pm

        return pm.StudentT(
            name, nu=_double(self.df), mu=_double(self.mean), sigma=_double(self.sd), **options
        )

    def __str__(self) -> str:
        return f"StudentT({self.df:g}, {self.mean:g}, {self.sd:.3g})"


@dataclass(frozen=True, slots=True)
class HalfNormal:
    """Half-normal distribution of an SD.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    >>> str(model.with_priors({"sd": il.priors.HalfNormal(0.5)}).priors["sd_ID[Intercept]"])
    'HalfNormal(0.5)'
    """

    sd: float = 1.0
    positive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_numbers(self, "sd")

    def log_density(self, x):
        return -0.5 * (x / self.sd) ** 2 + 0.5 * math.log(2 / math.pi) - math.log(self.sd)

    def pymc(self, name: str, **options: Any):
        import pymc as pm

        return pm.HalfNormal(name, _double(self.sd), **options)

    def __str__(self) -> str:
        return f"HalfNormal({self.sd:.3g})"


@dataclass(frozen=True, slots=True)
class HalfStudentT:
    """Half-t distribution of an SD (brms's default family).

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> str(il.priors.HalfStudentT(df=3, sd=2.5))
    'HalfStudentT(3, 2.5)'
    """

    df: float = 3.0
    sd: float = 2.5
    positive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_numbers(self, "df", "sd")

    def log_density(self, x):
        return _log_t(x / self.sd, self.df) - math.log(self.sd) + math.log(2.0)

    def pymc(self, name: str, **options: Any):
        import pymc as pm

        return pm.HalfStudentT(name, nu=_double(self.df), sigma=_double(self.sd), **options)

    def __str__(self) -> str:
        return f"HalfStudentT({self.df:g}, {self.sd:.3g})"


@dataclass(frozen=True, slots=True)
class Exponential:
    """Exponential distribution of an SD.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> str(il.priors.Exponential(mean=0.5))
    'Exponential(mean 0.5)'
    """

    mean: float = 1.0
    positive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_numbers(self, "mean")

    def log_density(self, x):
        return -x / self.mean - math.log(self.mean)

    def pymc(self, name: str, **options: Any):
        import pymc as pm

        return pm.Exponential(name, scale=_double(self.mean), **options)

    def __str__(self) -> str:
        return f"Exponential(mean {self.mean:g})"


@dataclass(frozen=True, slots=True)
class Gamma:
    """Gamma distribution of an SD; shape 2 keeps a MAP estimate away from 0.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> str(il.priors.Gamma(shape=2, rate=0.1))
    'Gamma(2, 0.1)'
    """

    shape: float = 2.0
    rate: float = 0.1
    positive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_numbers(self, "shape", "rate")

    def log_density(self, x):
        constant = self.shape * math.log(self.rate) - math.lgamma(self.shape)
        return constant + (self.shape - 1) * np.log(x) - self.rate * x

    def pymc(self, name: str, **options: Any):
        import pymc as pm

        return pm.Gamma(name, alpha=_double(self.shape), beta=_double(self.rate), **options)

    def __str__(self) -> str:
        return f"Gamma({self.shape:g}, {self.rate:g})"


@dataclass(frozen=True, slots=True)
class Flat:
    """No prior information: MAP with flat priors is maximum likelihood.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("yy ~ trt + late + (1 | ID)", il.load_dataset("bacteria"))
    >>> flat = model.with_priors({"beta": il.priors.Flat(), "sd": il.priors.Flat()})
    >>> ml, map_ = il.laplace(model), il.laplace(flat, objective="map")
    >>> abs(ml.coefficients["estimate"] - map_.coefficients["estimate"]).max() < 1e-4
    np.True_
    """

    positive: ClassVar[bool | None] = None

    def log_density(self, x):
        return 0.0 * x

    def pymc(self, name: str, **options: Any):
        import pymc as pm

        kind = pm.HalfFlat if name.startswith("sd_") else pm.Flat
        return kind(name, **options)

    def __str__(self) -> str:
        return "Flat()"


@dataclass(frozen=True, slots=True)
class LKJ:
    """Correlation matrix with density proportional to det(R) ** (eta - 1); LKJ(1) is flat.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> model = il.Model("use ~ urban + (urban | district)", il.load_dataset("contraception"))
    >>> str(model.with_priors({"corr": il.priors.LKJ(1)}).priors["corr_district"])
    'LKJ(1)'
    """

    eta: float = 2.0
    positive: ClassVar[None] = None

    def __post_init__(self) -> None:
        _check_numbers(self, "eta")

    def log_density(self, log_det):
        """Log-density up to a constant, from log det(R)."""
        return (self.eta - 1.0) * log_det

    def __str__(self) -> str:
        return f"LKJ({self.eta:g})"


Prior = Normal | StudentT | HalfNormal | HalfStudentT | Exponential | Gamma | Flat | LKJ


def _log_t(x, df: float):
    constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    return constant - (df + 1) / 2 * np.log(1 + x**2 / df)
