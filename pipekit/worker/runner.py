"""Runs one attempt in this process: import, check the code, load inputs, call, store outputs.

Knows nothing of processes and sockets: the worker process and the inline executor both use it.
"""

from __future__ import annotations

import os
import pickle
import sys
import types
from collections.abc import Callable
from io import BytesIO
from time import perf_counter
from typing import TYPE_CHECKING, Any, NoReturn

from pipekit import crash
from pipekit.artifacts import by_value
from pipekit.artifacts.place import Places
from pipekit.artifacts.store import ArtifactStore
from pipekit.errors import OutputMismatch, PipekitError, StoreUnavailable
from pipekit.liveness import this_pid
from pipekit.model.failure import FailureKind
from pipekit.model.trace import Read
from pipekit.model.value import StoredValue
from pipekit.origin import Origin
from pipekit.settings import Settings
from pipekit.worker.event_loop import OutOfLoops, run_async_generator, run_coroutine
from pipekit.worker.infrastructure import is_infrastructure, sentence_of
from pipekit.worker.kept import find_changed, kept_reads
from pipekit.worker.kept_error import keep
from pipekit.worker.loading import load_function
from pipekit.worker.message import (
    Broke,
    Call,
    ComponentSpec,
    Done,
    Logged,
    Output,
    Report,
    Stale,
)
from pipekit.worker.observation import Observation
from pipekit.worker.observe import observing
from pipekit.worker.raised import class_name, pickled
from pipekit.worker.task_log import TaskLog, inside_step, only_step

if TYPE_CHECKING:
    from pipekit.capture.fingerprint import Fingerprint, Fingerprinter
    from pipekit.worker.audit import StepAudit

Function = Callable[..., Any]
_MOST_CHARACTERS = 65536


class Runner:
    """Runs attempts one after the other. A component is loaded and checked at its first call."""

    def __init__(
        self,
        artifacts: ArtifactStore,
        fingerprinter: Callable[[], Fingerprinter],
        settings: Settings,
        places: Places,
        *,
        main: Origin | None = None,
        one_at_a_time: bool = False,
    ) -> None:
        """`one_at_a_time`: no two attempts run at once in this process, and another process can
        take over. Elsewhere the caller finds out whether what a step rests on has changed."""
        self._artifacts = artifacts
        self._fingerprinter = fingerprinter
        self._settings = settings
        self._main = main
        self._one_at_a_time = one_at_a_time
        self._specs: dict[int, ComponentSpec] = {}
        self._functions: dict[int, Function] = {}
        self._has_run = False
        self._others: dict[int, tuple[Any, ...]] = {}
        """What else the code of a component rests on, by its number."""
        self._pid = this_pid()
        self._places = places
        self._kept = kept_reads(places)

    def introduce(self, number: int, spec: ComponentSpec, function: Function | None = None) -> None:
        """Make a component known; `function` where it is at hand, so that nothing is imported."""
        self._specs[number] = spec
        if function is not None:
            self._functions[number] = function

    def has_loaded(self, number: int) -> bool:
        """Whether the component's function is at hand."""
        return number in self._functions

    def run(
        self,
        call: Call,
        logged: Callable[[Logged], None],
        imported: Callable[[], None] = lambda: None,
    ) -> Report | Stale:
        """Run one attempt. Never raises: whatever user code does comes back as a report.

        Args:
            call: What to run.
            logged: Takes what the step logs while it runs, in whatever thread.
            imported: Called when the component's module was imported for the attempt.
        """
        started = perf_counter()
        spec = self._specs[call.component]
        function = self._functions.get(call.component)
        if function is None:
            try:
                function = self._load(call.component, spec)
            except _OtherCode as other:
                return _broke(call, started, FailureKind.CODE_CHANGED, other, other.fingerprint)
            except BaseException as error:  # noqa: BLE001 - user code: the module's top level
                return _broke(call, started, FailureKind.IMPORT, error)
            started = perf_counter()  # the import is the worker's, not the step's
            imported()
            if crash.armed:
                crash.at("worker.imported")
        observation = Observation(self._places)
        stale, kept = self._look_around(call, spec, function, observation)
        if stale is not None:
            return stale
        if call.codes:
            try:
                refused = self._compare_codes(call, started, observation)
            except Exception as error:  # noqa: BLE001 - user code: a module's top level
                return _broke(call, started, FailureKind.INPUTS, error)
            if refused is not None:
                return refused
        try:
            if spec.pickled and type(function) is not types.FunctionType:
                # The instance of a method, of a partial: each step has its own, as of an argument.
                function = by_value.unpack(spec.pickled)
            args, kwargs = self._arguments(call)
        except Exception as error:  # noqa: BLE001 - user code: classes that are unpickled
            if is_infrastructure(error):
                return _lacked(call, started, error, "An input cannot be loaded")
            return _broke(call, started, FailureKind.INPUTS, error)
        log = TaskLog(
            call.task_id,
            settings=self._settings,
            token=call.token,
            outputs=spec.outputs,
            artifacts=self._artifacts,
            send=logged,
        )
        self._has_run = True
        audit = None
        if call.is_audited:
            audit = self._audit(spec, function, (args, kwargs), observation)
        token = inside_step.set(log)
        if self._one_at_a_time:
            only_step(log)
        try:
            with observing(observation, alone=self._one_at_a_time), OutOfLoops():
                if audit is None:
                    value = _collected(function(*args, **kwargs))
                else:
                    with audit:
                        value = _collected(function(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - user code
            if this_pid() != self._pid:
                end_forked(error)
            keep(call.task_id, error)
            self._kept.add(observation.finish_kept())
            # Without a terminal a debugger quits by itself; here it is the user who has quit it.
            quits = not self._one_at_a_time and is_debugger_quit(error)
            kind = FailureKind.STOPPED if quits else _kind_of(error)
            return _broke(call, started, kind, error)
        finally:
            inside_step.reset(token)
            log.close()
            if audit is not None and this_pid() == self._pid:
                logged(Logged(call.token, audit=audit.result()))
        if this_pid() != self._pid:
            end_forked(None)
        del args, kwargs  # large inputs are let go before outputs are stored
        try:
            outputs = self._store(spec, value)
        except PipekitError as error:
            if is_infrastructure(error):
                return _lacked(call, started, error, "What it returned cannot be stored")
            return _broke(call, started, FailureKind.OUTPUTS, error)
        except BaseException as error:  # noqa: BLE001 - user code: what pickling calls
            return _broke(call, started, _kind_of(error), error)
        seconds = perf_counter() - started
        trace = observation.finish(kept)
        if trace.kept:
            self._kept.add(trace.kept)
        spoiled = self._find_change(spec, function, quick=True) if self._one_at_a_time else ""
        return Done(
            call.token, seconds, 0, 0, outputs, value is None, trace.reads, trace.unsure, spoiled
        )

    def _audit(
        self,
        spec: ComponentSpec,
        function: Function,
        arguments: object,
        observation: Observation,
    ) -> StepAudit:
        from pipekit.worker.audit import StepAudit  # for those who ask for it

        return StepAudit(
            observation,
            lambda: self._fingerprinter().closure(
                function, depends_on=self._others_of(spec), arguments=arguments
            ),
            root=self._places.root,
        )

    def _fingerprint(self, spec: ComponentSpec, function: Function) -> Fingerprint:
        others = self._others_of(spec)
        return self._fingerprinter().fingerprint(function, depends_on=others, ignore=spec.ignore)

    def _find_change(self, spec: ComponentSpec, function: Function, *, quick: bool = False) -> str:
        """What a step has changed in this process of what the function rests on."""
        others = self._others_of(spec)
        return self._fingerprinter().find_change(
            function, depends_on=others, ignore=spec.ignore, quick=quick
        )

    def _find_changed_module(self, spec: ComponentSpec, function: Function) -> str:
        others = self._others_of(spec)
        return self._fingerprinter().find_changed_module(
            function, depends_on=others, ignore=spec.ignore
        )

    def _others_of(self, spec: ComponentSpec) -> tuple[Any, ...]:
        if not spec.depends_on:
            return ()
        found = self._others.get(spec.number)
        if found is None:
            found = self._others[spec.number] = by_value.unpack(spec.depends_on)
        return found

    def _look_around(
        self, call: Call, spec: ComponentSpec, function: Function, observation: Observation
    ) -> tuple[Stale | None, frozenset[Read]]:
        """What earlier steps have left in this process: a wish for another one, where the attempt
        must not run here, else the kept reads that count for it. Where no other process can take
        over, the observation is told that its outcome is not to be remembered."""
        spoiled = self._find_change(spec, function) if self._one_at_a_time else ""
        spoiled = spoiled or self._find_changed_module(spec, function)
        if spoiled and self._has_run and self._one_at_a_time:
            return Stale(call.token, spoiled), frozenset()
        if spoiled:
            observation.unsure = spoiled
        if not self._kept:
            return None, frozenset()
        kept = self._kept.of(_names(self._fingerprint(spec, function)))
        changed = find_changed(kept, self._places)
        if changed is not None and self._one_at_a_time:
            return Stale(call.token), kept
        if changed is not None:
            observation.unsure = f"{changed} changed after this process had read it"
        return None, kept

    def _compare_codes(
        self, call: Call, started: float, observation: Observation
    ) -> Broke | Stale | None:
        """The end of an attempt that must not run here, for its inputs are made of other code."""
        from pipekit.worker.code import compare_codes  # for steps that are given code

        found = compare_codes(self._fingerprinter().codes, call.codes, first=self._one_at_a_time)
        if found.other:
            other = _OtherCode(pickle.dumps(found.other, 5))
            return _broke(call, started, FailureKind.CODE_CHANGED, other, other.fingerprint)
        if found.changed and self._has_run and self._one_at_a_time:
            return Stale(call.token, found.changed)
        observation.unsure = observation.unsure or found.changed
        return None

    def _load(self, number: int, spec: ComponentSpec) -> Function:
        # What a module reads when it is imported, it keeps for those that import it in a step.
        observation = Observation(self._places)
        try:
            with observing(observation, alone=self._one_at_a_time):
                function = load_function(spec, self._main)
        finally:
            self._kept.add(observation.finish_kept())
        if spec.code:
            mine = self._fingerprint(spec, function)
            if (mine.digest if spec.origin else mine.around()) != spec.code:
                raise _OtherCode(pickle.dumps(mine, 5))
        self._functions[number] = function
        return function

    def _arguments(self, call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return load_arguments(call.arguments, call.inputs, self._artifacts)

    def _store(self, spec: ComponentSpec, value: Any) -> tuple[Output, ...]:
        names = spec.outputs
        if spec.whole:
            return (self._store_one(spec, names[0], value),)
        values = _split(spec, value)
        return tuple(
            self._store_one(spec, name, one) for name, one in zip(names, values, strict=True)
        )

    def _store_one(self, spec: ComponentSpec, name: str, value: Any) -> Output:
        stored, content = self._artifacts.put(
            value, where=f"Output {name!r} of component {spec.name!r}"
        )
        return Output(name, stored, content)


def _names(fingerprint: Fingerprint) -> frozenset[str]:
    return frozenset([part.name for part in fingerprint.parts if part.kind in _DEFINITIONS])


_DEFINITIONS = frozenset({"function", "class", "module"})


class _OtherCode(Exception):
    def __init__(self, fingerprint: bytes) -> None:
        super().__init__("the worker's code is not the controller's")
        self.fingerprint = fingerprint


Inputs = tuple[tuple[StoredValue, bytes | None, str], ...]


def load_arguments(
    arguments: bytes, inputs: Inputs, artifacts: ArtifactStore
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """(args, kwargs) of a call, each input loaded once and afresh.

    Raises:
        Exception: an input cannot be loaded, or what unpickling the user's classes raises.
    """
    if not inputs:
        return pickle.loads(arguments)  # type: ignore[no-any-return]
    return _Arguments(arguments, inputs, artifacts).load()  # type: ignore[no-any-return]


class _Arguments(pickle.Unpickler):
    def __init__(self, arguments: bytes, inputs: Inputs, artifacts: ArtifactStore) -> None:
        super().__init__(BytesIO(arguments))
        self._inputs = inputs
        self._artifacts = artifacts
        self._loaded: dict[int, Any] = {}

    def persistent_load(self, index: int) -> Any:
        if index not in self._loaded:
            stored, content, what = self._inputs[index]
            self._loaded[index] = self._artifacts.get(stored, content, what=what)
        return self._loaded[index]


def _split(spec: ComponentSpec, value: Any) -> tuple[Any, ...]:
    """One value for each name: of a tuple or list by position, of a dict by name."""
    names = spec.outputs
    if isinstance(value, dict):
        if set(value) == set(names):
            return tuple(value[name] for name in names)
        got = f"a dict with the keys {', '.join(map(repr, value)) or 'none'}"
        raise OutputMismatch(component=spec.name, outputs=names, got=got)
    if not isinstance(value, tuple | list):
        raise OutputMismatch(
            component=spec.name, outputs=names, got=f"one {type(value).__qualname__}"
        )
    if len(value) != len(names):
        raise OutputMismatch(component=spec.name, outputs=names, got=str(len(value)))
    return tuple(value)


def _collected(value: Any) -> Any:
    """What a coroutine returns, the list of what a generator yields."""
    kind = type(value)
    if kind is types.CoroutineType:
        return run_coroutine(value)
    if kind is types.AsyncGeneratorType:
        return run_async_generator(value)
    return list(value) if kind is types.GeneratorType else value


def _kind_of(error: BaseException) -> FailureKind:
    if isinstance(error, SystemExit):
        return FailureKind.EXITED
    if isinstance(error, KeyboardInterrupt):
        return FailureKind.STOPPED
    # An artifact that it logged could not be stored.
    return FailureKind.INFRASTRUCTURE if isinstance(error, StoreUnavailable) else FailureKind.ERROR


def _lacked(call: Call, started: float, error: Exception, what: str) -> Broke:
    broke = _broke(call, started, FailureKind.INFRASTRUCTURE, error)
    return broke._replace(message=sentence_of(error, what), traceback="", exception=b"")


def _broke(
    call: Call, started: float, kind: FailureKind, error: BaseException, attachment: bytes = b""
) -> Broke:
    cls = type(error)
    return Broke(
        call.token,
        perf_counter() - started,
        0,
        0,
        kind,
        _sentence(error),
        "" if is_debugger_quit(error) else user_traceback(error),
        class_name(cls),
        tuple(class_name(base) for base in cls.__mro__),
        attachment or pickled(error),
    )


def end_forked(error: BaseException | None) -> NoReturn:
    """A process that the step forked has come to the step's end: the answer is its parent's."""
    code = 0 if error is None else 1
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        sys.stderr.write(user_traceback(error))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def text_of(error: BaseException) -> str:
    """`str(error)`, of whatever length and whether or not it can be had."""
    try:
        return cut(str(error))
    except Exception as broken:  # noqa: BLE001 - user code: an exception's own `__str__`
        return f"<its text cannot be had: {type(broken).__name__}>"


def cut(text: str) -> str:
    """At most 64 KB of a text that goes into a record: its beginning and its end."""
    if len(text) <= _MOST_CHARACTERS:
        return text
    half = _MOST_CHARACTERS // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"


def is_debugger_quit(error: BaseException) -> bool:
    """Whether it is what `q` in a debugger raises, and the end of its input."""
    return type(error).__name__ == "BdbQuit"  # without an import of `bdb`


_NO_INPUT = "EOF when reading a line"
"""What `input()` says where there is nothing to read."""


def _sentence(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return cut(f"the step called sys.exit({error.code!r})")
    if isinstance(error, PipekitError):
        return str(error)
    text = text_of(error)
    name = type(error).__name__
    if is_debugger_quit(error):
        return (
            "a breakpoint was reached in a worker, which has no terminal. Hint: run the pipeline "
            "with .debug(), or with --executor inline."
        )
    if isinstance(error, EOFError) and _NO_INPUT in text:
        text += (
            " (there is no input to read). Hint: make it a parameter of the pipeline, or ask in a "
            "terminal, with .debug()."
        )
    return f"{name}: {text}" if text else name


_OWN = __file__.rpartition("worker")[0]


def user_traceback(error: BaseException) -> str:
    """The traceback as Python prints it, from the first frame that is not pipekit's."""
    import traceback

    trace = error.__traceback__
    while trace is not None and _is_plumbing(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    if trace is None:
        return ""
    try:
        return cut("".join(traceback.format_exception(type(error), error, trace)))
    except Exception:  # noqa: BLE001 - user code: an exception's own `__str__`
        return cut("".join(traceback.format_tb(trace)))


def _is_plumbing(file: str) -> bool:
    return file.startswith((_OWN, "<frozen importlib")) or "/asyncio/" in file
