"""One trial of a study: from its table to what is kept of it, whatever happens on the way."""

import hashlib
import threading
import time
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from threadpoolctl import threadpool_limits

from ilhte_bayes.data.open_table import Table
from ilhte_bayes.engines.refit import fit_by
from ilhte_bayes.errors import IlhteError, IlhteWarning
from ilhte_bayes.fits.fit import Engine
from ilhte_bayes.sensitivity.irw import prepare
from ilhte_bayes.studies.trial_results import TrialResult, fingerprint_of_settings
from ilhte_bayes.studies.trial_row import Found, describe_trial

_ONE_AT_A_TIME = threading.Lock()  # in a process: engines set the threads of linear algebra


@dataclass(frozen=True, slots=True)
class Settings:
    """All that decides what a trial's numbers are, beside its table."""

    models: tuple[str, ...]  # of "M_0", "M_A", "M_B", "M_C"
    engine: Engine
    covariate: str | None
    most_persons: int | None
    draws: int
    seed: int
    version: str  # of this package
    roles: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """SHA-256; of draws and their number only where there are any."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if self.engine != "nuts":
            del plain["draws"]
            if self.most_persons is None:
                del plain["seed"]
        return fingerprint_of_settings(plain)


@dataclass(frozen=True, slots=True)
class Job:
    """A trial that is to be analysed."""

    trial: str
    source: Table
    data: str  # SHA-256


def analyse(job: Job, settings: Settings) -> TrialResult:
    """Analyse a trial; what goes wrong becomes its reason, in words."""
    began = time.perf_counter()
    facts: dict[str, Any] = {"engine": settings.engine, "version": settings.version}
    try:
        limited = threadpool_limits(limits=1, user_api="blas")  # small matrices, many of them
        with _ONE_AT_A_TIME, limited, warnings.catch_warnings():
            warnings.simplefilter("ignore", IlhteWarning)  # they are about single fits
            found, more = _numbers(job, settings)
    except Exception as error:  # one trial's trouble is not the others'
        refused = isinstance(error, IlhteError)
        reason = str(error) if refused else unexpected(error)
        row = facts | {"status": "refused" if refused else "failed", "reason": reason}
        row["seconds"] = time.perf_counter() - began
        return TrialResult(job.trial, settings.fingerprint, job.data, row, final=refused)
    row = facts | {"status": "done", "reason": ""} | more | found.row
    row["seconds"] = time.perf_counter() - began
    return TrialResult(job.trial, settings.fingerprint, job.data, row, found.items, found.curves)


def unexpected(error: BaseException) -> str:
    """An error that is none of ours, in one line: its kind, what it says, where it was met."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "ilhte_bayes" in frame.filename]
    where = f" ({own[-1].name}, line {own[-1].lineno})" if own else ""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}{': ' + said[0] if said else ''}{where}"


def seed_of(seed: int, trial: str) -> int:
    """A trial's own seed: the same in every order, beside whatever other trials."""
    digest = hashlib.sha256(f"{seed}\0{trial}".encode()).digest()
    return int.from_bytes(digest[:4], "big") // 2


def _numbers(job: Job, settings: Settings) -> tuple[Found, dict[str, Any]]:
    seed = seed_of(settings.seed, job.trial)
    moderated = bool({"M_B", "M_C"} & set(settings.models))
    prepared = prepare(
        job.source,
        covariate=settings.covariate,
        most_persons=settings.most_persons,
        seed=seed,
        moderated=moderated,
        **settings.roles,
    )
    models = {key: prepared.models[key] for key in settings.models if key in prepared.models}
    sampling = {"draws": settings.draws, "seed": seed, "progress": False}
    fits = {key: fit_by(settings.engine, model, **sampling) for key, model in models.items()}
    problems = [f"{key}: {text}" for key, fit in fits.items() for text in fit.problems]
    more = {
        "n_persons": prepared.n_persons,
        "n_items": prepared.n_items,
        "n_answers": fits["M_A"].n_obs,
        "covariate": prepared.covariate or "",
        "effect_term": prepared.effect,
        "item_group": prepared.group,
        "problems": " ".join(problems),
        "fit_seconds": sum(fit.seconds for fit in fits.values()),
    }
    return describe_trial(fits, prepared.group, prepared.effect), more
