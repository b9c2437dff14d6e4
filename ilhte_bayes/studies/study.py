"""Many trials, one table: every trial analysed alike, each kept on disk as soon as it is done."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import length_hint
from os import PathLike
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from ilhte_bayes.data.integer_codes import natural_order
from ilhte_bayes.data.open_table import Table
from ilhte_bayes.errors import DataError, ModelError, listed, require_whole
from ilhte_bayes.fits.fit import Engine
from ilhte_bayes.fits.progress import steps
from ilhte_bayes.studies.analyse import Job, Settings
from ilhte_bayes.studies.study_result import Study, make_study
from ilhte_bayes.studies.trial_jobs import run_jobs
from ilhte_bayes.studies.trial_results import TrialResult, find, fingerprint, keep

Trials = str | PathLike[str] | Mapping[str, Table] | Iterable[tuple[str, Table]]
_MODELS = ("M_0", "M_A", "M_B", "M_C")
_ENGINES = get_args(Engine)
_ENDINGS = (".csv", ".csv.gz", ".parquet")


def study(
    trials: Trials,
    *,
    models: Sequence[str] = ("M_0", "M_A", "M_B", "M_C"),
    engine: Engine = "quadrature",
    folder: str | PathLike[str] | None = None,
    covariate: str | None = None,
    most_persons: int | None = None,
    draws: int = 1000,
    seed: int = 1,
    workers: int = 1,
    client: Any = None,
    progress: bool = True,
    **roles: Any,
) -> Study:
    """Analyse many trials as the Item Response Warehouse's vignette does one.

    Rows and covariate of each trial are taken as by `il.irw_table`. A finished trial is on disk: a
    study that was stopped goes on where it was, and one that has ended costs nothing to read again.
    A trial that cannot be analysed is a row with its reason, and the others do not notice.

    Parameters
    ----------
    trials : folder, mapping or iterable
        A folder of `.csv`, `.csv.gz` and `.parquet` files (a trial is named after its file), a
        mapping of names to tables, or pairs of name and table, of which only a few are held in
        memory at a time.
    models : sequence of str
        M_A, an effect for each item, always; M_0, the same effect on all, for the likelihood ratio;
        M_B and M_C, with treatment x covariate (see `il.identification`).
    engine : {"quadrature", "laplace", "nuts"}
        The first two by maximum likelihood.
    folder : str or path, optional
        Where results are kept; made if it is not there. By default beside a folder of trials,
        `<folder>-results`; of tables in memory nothing is kept unless it is given. Studies with
        other settings may use the same one.
    covariate : str, optional
        By default `std_baseline`, else the `cov_...` column most correlated with the response.
    most_persons : int, optional
        Persons sampled at most, by default all; the vignette takes 5,000.
    draws : int
        Of each of four chains, for "nuts".
    seed : int
        Of everything random; trial by trial, whatever the order.
    workers : int
        Processes on this machine.
    client : dask.distributed.Client, optional
        A cluster to use instead. The package must be installed on its workers.
    progress : bool
        Whether to say on standard error how far it is, with the time left.
    **roles
        Of `il.il_hte`, for all trials: `response`, `treatment`, `person`, `item`, `clusters`,
        `family`, `priors`, ...; by default the names of the Item Response Warehouse.

    Returns
    -------
    Study

    Raises
    ------
    DataError
        If there are no trials, two have one name, or the folder cannot be used.
    ModelError
        If a model or an engine has another name.

    Notes
    -----
    Likelihoods are compiled loops whose shapes are data: they are compiled once on a machine, for
    all models and all sizes, and kept by numba. Nothing is compiled trial by trial.

    Examples
    --------
    >>> import ilhte_bayes as il
    >>> exam = il.load_dataset("mathexam")
    >>> found = il.study({"mathexam": exam}, models=["M_0", "M_A"], engine="laplace")
    >>> bool(found.frame.loc["mathexam", "p_mixture"] < 0.001)
    True
    """
    settings = _settings(models, engine, covariate, most_persons, draws, seed, roles)
    require_whole(workers=workers)
    n_trials, sources = _open(trials)
    place = _results_folder(trials, folder)
    results: dict[str, TrialResult] = {}
    seen = _Seen(place, settings, results)
    found = run_jobs(seen.new(sources), settings, workers=workers, client=client)
    words = f"{n_trials or ''} trials, {', '.join(settings.models)} by {engine}".strip()
    for result in steps(_both(seen, found), n_trials, words) if progress else _both(seen, found):
        if place is not None and result.trial not in seen.kept:
            keep(place, result)
        results[result.trial] = result
    if not results:
        raise DataError("there are no trials. Give a folder with tables, or a mapping of them.")
    return make_study([results[name] for name in seen.order], settings, place, seen.words())


class _Seen:
    """Trials in the order they came, those that are on disk already among them."""

    def __init__(
        self, place: Path | None, settings: Settings, results: dict[str, TrialResult]
    ) -> None:
        self.place, self.settings, self.results = place, settings, results
        self.order: list[str] = []
        self.kept: set[str] = set()
        self.again: dict[str, list[str]] = {"damaged": [], "other data": []}
        self.ready: list[TrialResult] = []

    def new(self, sources: Iterable[tuple[str, Table]]) -> Iterator[Job]:
        """Jobs of trials without a result; the others' results are put aside."""
        names: set[str] = set()
        for name, source in sources:
            if not isinstance(name, str) or name in names:
                raise DataError(f"trial {name!r}: a name is text, and each trial has its own.")
            names.add(name)
            self.order.append(name)
            job = Job(name, source, fingerprint(source))
            if self._known(job) is None:
                yield job

    def _known(self, job: Job) -> TrialResult | None:
        if self.place is None:
            return None
        found, why = find(self.place, job.trial, self.settings.fingerprint, job.data)
        if why:
            self.again[why].append(job.trial)
        if found is None or not found.final:
            return None
        self.kept.add(job.trial)
        self.ready.append(found)
        return found

    def words(self) -> list[str]:
        """What was found on disk."""
        out = []
        if self.kept and len(self.kept) < len(self.order):
            out.append(f"{len(self.kept)} of {len(self.order)} trials were on disk already.")
        for why, text in (
            ("damaged", "cut short or changed on disk, and analysed again"),
            ("other data", "had another table than on disk, and were analysed again"),
        ):
            if self.again[why]:
                out.append(f"{listed(self.again[why])}: {text}.")
        return out


def _both(seen: _Seen, found: Iterator[TrialResult]) -> Iterator[TrialResult]:
    """New results, and those from disk when they were met."""
    for result in found:
        while seen.ready:
            yield seen.ready.pop()
        yield result
    yield from seen.ready


def _settings(
    models: Sequence[str],
    engine: Engine,
    covariate: str | None,
    most_persons: int | None,
    draws: int,
    seed: int,
    roles: Mapping[str, Any],
) -> Settings:
    from ilhte_bayes import __version__

    given = [models] if isinstance(models, str) else list(models)
    if unknown := [name for name in given if name not in _MODELS]:
        raise ModelError(f"models has {listed(unknown)}; they are M_0, M_A, M_B and M_C.")
    if "M_A" not in given:
        raise ModelError("models lacks M_A, an effect for each item: a study is about it. Add it.")
    if engine not in _ENGINES:
        raise ModelError(f"engine={engine!r}; it is one of {listed(_ENGINES)}.")
    if taken := [name for name in ("effects", "moderators") if name in roles]:
        raise ModelError(f"{listed(taken)}: models decide it. Leave it out.")
    require_whole(draws=draws, most_persons=1 if most_persons is None else most_persons)
    require_whole(0, seed=seed)
    ordered = tuple(name for name in _MODELS if name in given)
    return Settings(ordered, engine, covariate, most_persons, draws, seed, __version__, dict(roles))


def _results_folder(trials: Trials, folder: str | PathLike[str] | None) -> Path | None:
    if folder is None and not isinstance(trials, str | PathLike):
        return None
    if folder is None:
        source = Path(trials).expanduser().resolve()  # type: ignore[arg-type]
        place = source.with_name(f"{source.name}-results")
    else:
        place = Path(folder).expanduser()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"'{place}' cannot be used for results ({error}). Say folder='...', a folder that can "
            "be written."
        ) from error
    return place


def _open(trials: Trials) -> tuple[int | None, Iterable[tuple[str, Table]]]:
    """How many trials there are, if that is known, and pairs of name and table."""
    if isinstance(trials, str | PathLike):
        found = _files(Path(trials).expanduser())
        return len(found), found.items()
    if isinstance(trials, Mapping):
        return len(trials), trials.items()
    if isinstance(trials, pd.DataFrame) or not isinstance(trials, Iterable):
        raise DataError(
            f"trials is a {type(trials).__name__}. Give a folder, a mapping {{'name': table}}, or "
            "pairs of name and table."
        )
    return length_hint(trials) or None, _pairs(trials)


def _pairs(trials: Iterable) -> Iterator[tuple[str, Table]]:
    for pair in trials:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise DataError(
                f"an iterator of trials gives pairs of name and table, and gave a "
                f"{type(pair).__name__}. Write ((name, table) for ...)."
            )
        yield pair[0], pair[1]


def _files(folder: Path) -> dict[str, Table]:
    if not folder.is_dir():
        raise DataError(f"there is no folder '{folder}'. Give one that holds a table per trial.")
    found: dict[str, Table] = {}
    for path in folder.iterdir():
        ending = re.search(r"(\.csv|\.csv\.gz|\.parquet)$", path.name.lower())
        if ending is None or path.name.startswith(".") or path.is_dir():
            continue
        name = path.name[: ending.start()]
        if name in found:
            raise DataError(
                f"'{folder}' has {name!r} in two files, {Path(str(found[name])).name!r} and "
                f"{path.name!r}. Keep one of them there."
            )
        found[name] = path
    if not found:
        raise DataError(
            f"'{folder}' holds no {', '.join(_ENDINGS[:2])} or {_ENDINGS[2]} file. Give a folder "
            "with a table per trial."
        )
    return {name: found[name] for name in natural_order(list(found))}
