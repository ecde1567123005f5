"""Optuna, from the side of a sweep: what to try next, what became of it, whether it goes on.

The trials are kept in `<home>/optuna.db`, beside the store: SQLAlchemy begins transactions as
readers, and a second writer of the same SQLite file is then refused at once, however long it would
wait; and its tables and their migrations are Optuna's own. A sweep that is resumed goes on from
there, and Optuna's dashboard reads it.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from pipekit.errors import UsageError
from pipekit.model.space import Choices, Domain, Foreign, Integers, Uniform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipekit.settings import Settings

_TASK = "task"
"""With a trial: the id of its task."""
_RETRIES = "retries"
"""With a trial: the number of the one that came to nothing and is tried again."""


class Proposal(NamedTuple):
    """What is to be tried."""

    number: int
    values: dict[str, Any]


class Past(NamedTuple):
    """What an earlier attempt at the sweep had come to."""

    number: int
    values: dict[str, Any]
    is_pruned: bool
    task_id: str


class Search:
    """One study. Thread-safe: trials are told of by the sweep's thread and by the pruning one."""

    def __init__(
        self, settings: Settings, name: str, domains: Mapping[str, Domain], *, direction: str,
        sampler: Any, pruner: Any, parallel: int,
    ) -> None:  # fmt: skip
        optuna = import_optuna()
        self._optuna = optuna
        self._domains = domains
        self._distributions = {
            key: _distribution(optuna, domain) for key, domain in domains.items()
        }
        self._lock = threading.RLock()
        self._trials: dict[int, Any] = {}
        self._is_exhausted = False
        if sampler is None:
            sampler = optuna.samplers.TPESampler(constant_liar=parallel > 1)
        with _quiet(optuna):
            self._storage = _storage(optuna, settings)
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=name,
                direction=direction,
                sampler=sampler,
                pruner=pruner or optuna.pruners.NopPruner(),
                load_if_exists=True,
            )
        # What samplers call that have nothing more; Optuna's own is for its own loop.
        self._study.stop = self._exhaust
        self.pruner_name = type(self._study.pruner).__name__

    def take_up(self) -> list[Past]:
        """Where an earlier attempt at the sweep has left off: the trials that came to something.
        Those that did not are proposed anew."""
        past = []
        states = self._optuna.trial.TrialState
        with self._lock:
            trials = self._study.get_trials(deepcopy=False)
            retried = {trial.user_attrs.get(_RETRIES) for trial in trials}
            for trial in trials:
                if trial.state == states.RUNNING:
                    self._study.tell(trial.number, state=states.FAIL)
                if trial.state in (states.COMPLETE, states.PRUNED):
                    values, is_pruned = self._values(trial.params), trial.state == states.PRUNED
                    task_id = trial.user_attrs.get(_TASK, "")
                    past.append(Past(trial.number, values, is_pruned, task_id))
                elif trial.state != states.WAITING and trial.number not in retried:
                    self._study.enqueue_trial(trial.params, user_attrs={_RETRIES: trial.number})
            if trials:
                self._study.sampler.reseed_rng()  # else it would propose the same once more
        return past

    def ask(self) -> Proposal | None:
        """What is to be tried next; None where the sampler has nothing more."""
        with self._lock:
            if self._is_exhausted:
                return None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", self._optuna.exceptions.ExperimentalWarning)
                trial = self._study.ask(fixed_distributions=self._distributions)
            self._trials[trial.number] = trial
            return Proposal(trial.number, self._values(trial.params))

    def _exhaust(self) -> None:
        self._is_exhausted = True

    def began(self, number: int, task_id: str) -> None:
        with self._lock:
            self._trials[number].set_user_attr(_TASK, task_id)

    def report(self, number: int, value: float, step: int) -> bool:
        """A number on the way of a trial; whether the trial is to be pruned."""
        with self._lock:
            trial = self._trials.get(number)
            if trial is None:
                return False  # it has ended
            if step in self._study.trials[number].intermediate_values:
                return False
            trial.report(value, step)
            return bool(trial.should_prune())

    def completed(self, number: int, value: float) -> None:
        self._tell(number, values=value)

    def pruned(self, number: int) -> None:
        self._tell(number, state=self._optuna.trial.TrialState.PRUNED)

    def failed(self, number: int) -> None:
        self._tell(number, state=self._optuna.trial.TrialState.FAIL)

    def give_up(self) -> None:
        """No more is told of the trials that go on."""
        for number in list(self._trials):
            with suppress(Exception):
                self.failed(number)

    def _tell(self, number: int, **told: Any) -> None:
        with self._lock:
            trial = self._trials.pop(number)
            self._study.tell(trial, **told)

    def _values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What the pipeline is given for what Optuna has chosen."""
        return {name: _value(domain, params[name]) for name, domain in self._domains.items()}


def _value(domain: Domain, chosen: Any) -> Any:
    if isinstance(domain, Choices):
        return domain.values[[*domain.labels].index(chosen)]
    return chosen


def _distribution(optuna: Any, domain: Domain) -> Any:
    kinds = optuna.distributions
    if isinstance(domain, Uniform):
        return kinds.FloatDistribution(domain.low, domain.high, log=domain.log)
    if isinstance(domain, Integers):
        return kinds.IntDistribution(domain.low, domain.high, log=domain.log, step=domain.step)
    if isinstance(domain, Foreign):
        return domain.distribution
    return kinds.CategoricalDistribution(domain.labels)


def _storage(optuna: Any, settings: Settings) -> Any:
    if settings.store_url.startswith("memory"):
        return optuna.storages.InMemoryStorage()
    path = settings.home / "optuna.db"
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return optuna.storages.RDBStorage(
        f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 60}}
    )


def import_optuna() -> Any:
    """
    Raises:
        UsageError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise UsageError(
            "pipekit.tune needs the package optuna.",
            hint="pip install 'pipekit[tune]'; pipekit.grid needs nothing.",
        ) from error
    return optuna


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Without Optuna's own lines, unless its user has set what it tells."""
    level = optuna.logging.get_verbosity()
    if level == optuna.logging.INFO:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def named_sampler(name: str, seed: int | None) -> Any:
    """
    Raises:
        UsageError: no sampler has the name.
    """
    samplers = import_optuna().samplers
    known = {
        "tpe": samplers.TPESampler, "random": samplers.RandomSampler,
        "cmaes": samplers.CmaEsSampler, "gp": samplers.GPSampler, "qmc": samplers.QMCSampler,
    }  # fmt: skip
    if name not in known:
        raise UsageError(f"--sampler {name} is none of {', '.join(known)}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return known[name](seed=seed)


def named_pruner(name: str) -> Any:
    """
    Raises:
        UsageError: no pruner has the name.
    """
    pruners = import_optuna().pruners
    known = {
        "median": pruners.MedianPruner, "halving": pruners.SuccessiveHalvingPruner,
        "hyperband": pruners.HyperbandPruner,
    }  # fmt: skip
    if name not in known:
        raise UsageError(f"--pruner {name} is none of {', '.join(known)}.")
    return known[name]()
