"""What happens when a component is called in a pipeline: a step is made, futures come back.

Arguments are captured here, at the call: what the pipeline function does to them later is not seen
by the step. Nothing waits.
"""

from __future__ import annotations

import os
import pickle
import warnings
from io import BytesIO
from pathlib import Path, PosixPath
from threading import current_thread
from types import FunctionType
from typing import TYPE_CHECKING, Any

from pipekit.api.future import (
    Future,
    find_futures,
    is_future,
    output_of,
    replace_futures,
    source_of,
)
from pipekit.artifacts.pickling import reduce_named
from pipekit.artifacts.preview import line_of
from pipekit.control.current import current_run
from pipekit.control.output import Output
from pipekit.control.run import Run
from pipekit.control.step import Argument, Produced, Source, Step, Stored
from pipekit.errors import NotSerializable, UsageError
from pipekit.executors.inline import Mailbox
from pipekit.model.excerpt import excerpt
from pipekit.model.hashing import Hasher, Recording, digest_bytes
from pipekit.model.planner import StepCalled
from pipekit.model.value import Digest

if TYPE_CHECKING:
    from pipekit.control.use import Use

_PLAIN = frozenset({int, float, str, bool, type(None), bytes, complex, PosixPath})
"""Types whose values are sent as they are: immutable, and small or cheap to pickle."""
_PLAIN_BYTES = 65536
_SHOWN_CHARACTERS = 200
_JSON = frozenset({int, float, str, bool, type(None)})


def call(
    run: Run, use: Use, bound: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any],
    after: tuple[Any, ...] = (), key: str = "",
) -> Any:  # fmt: skip
    """Add the step to the run; its future, or a tuple of one future for each output.

    `after` are futures that it waits for without taking their values; `key` tells it from equal
    calls.

    Raises:
        NotSerializable: an argument cannot be stored.
    """
    if run.fatal is not None:
        raise run.fatal
    if run.stopping is not None:
        raise run.stopping
    capture = _Capture(run, use)
    arguments = tuple([capture.argument(name, value) for name, value in bound.items()])
    sent = capture.pickled(
        tuple([capture.sent(value) for value in args]),
        {name: capture.sent(value) for name, value in kwargs.items()} if kwargs else {},
    )
    before: tuple[Step, ...] = ()
    if after:
        before = tuple([step for future in after if (step := capture.wait_for(future))])
    step = add_step(run, use, arguments, tuple(capture.sources), sent, capture.needs, before, key)
    if step.mailbox is not None:
        _run_here(step)
    if run.until is not None:
        run.until.called(step)
    if use.spec.whole:
        return Future(step, use.outputs[0])
    return tuple([Future(step, output) for output in use.outputs])


def add_step(
    run: Run, use: Use, arguments: tuple[Argument, ...], sources: tuple[Source, ...], sent: bytes,
    needs: set[int], after: tuple[Step, ...], user_key: str,
) -> Step:  # fmt: skip
    """Add a step to the run whose arguments are captured."""
    parts = ["step", use.entry, user_key] if user_key else ["step", use.entry]
    counted = arguments
    if run.is_declared:
        parts, counted = ["declared", use.name], ()
    for argument in counted:
        parts.append(argument.name)
        if argument.digest is not None:
            parts.append(argument.digest)
        elif argument.path is not None:
            parts.append(argument.shown)
        elif argument.source >= 0:
            parts.append(_producer_key(sources[argument.source]))
        else:
            parts.append(digest_bytes(argument.shape, *map(_producer_key, sources)))
    base = digest_bytes(*parts)
    session = run.session
    inline = use.executor == "inline"
    with run.lock:
        if run.returned:
            raise UsageError(
                f"Component {use.name!r} was called for run {run.name!r} after its pipeline "
                "function had ended.",
                hint="let the function wait for the threads that it starts, and start its own in "
                "each run; a ThreadPoolExecutor may be kept.",
            )
        occurrence = run.occurrences.get(base, 0)
        run.occurrences[base] = occurrence + 1
        calling = current_thread()
        last = run.caller = run.caller or calling
        if run.callers or calling is not run.caller:
            last = run.callers.get(base, last)
            run.callers[base] = calling
        key = digest_bytes(base, str(occurrence)) if occurrence else base
        number = len(run.steps)
        earlier = run.recorded.take(key) if run.recorded is not None else None
        if earlier is None:
            task_id, name = session.new_id(), run.display_name(use.name)
        else:
            task_id, name = earlier.task.id, run.known_name(use.name, earlier.task.name)
        step = Step(
            run, use, number, task_id=task_id, name=name, key=key,
            called_at=session.now(), arguments=arguments, sources=sources, call=sent,
            after=after,
        )  # fmt: skip
        attempts = run.recorded.expect(step, earlier, needs) if run.recorded is not None else 0
        if inline:
            step.mailbox = Mailbox()
        run.steps.append(step)
        keyed = use.is_keyed
        session.scheduler.send(
            run,
            StepCalled(number, tuple(needs), keyed, use.is_watched, attempts, step.kept),
        )
    if occurrence and last is not calling and not keyed and not user_key:
        warnings.warn(
            f"Component {use.name!r} was called twice with equal arguments by different threads: "
            "which of the two is which cannot be told when the run is resumed. Hint: tell them "
            f"apart, with {use.name}.options(key='…').",
            RuntimeWarning,
            stacklevel=4,
        )
    return step


def _producer_key(source: Source) -> Digest:
    if isinstance(source, Produced):
        return digest_bytes(source.step.key, source.output)
    return source.output.value.digest


def _run_here(step: Step) -> None:
    """Run the step's attempts in this thread, as the loop delivers them, until it has ended."""
    session = step.run.session
    try:
        while (assignment := step.mailbox.take()) is not None:
            token = current_run.set(None)  # a component called by the step is a plain function
            try:
                where = "pipeline" if step.use.is_pipeline else "inline"
                executor: Any = session.executors.get(where)
                executor.run(assignment)
            finally:
                current_run.reset(token)
    except BaseException:  # an interrupt, wherever it came
        session.scheduler.leave_step(step)
        raise
    if step.run.fatal is not None:
        raise step.run.fatal


class _Capture:
    """Captures the arguments of one call."""

    __slots__ = ("_encoded", "_run", "_use", "needs", "sources")

    def __init__(self, run: Run, use: Use) -> None:
        self._run = run
        self._use = use
        self.sources: list[Source] = []
        self.needs: set[int] = set()
        self._encoded: dict[int, Any] = {}

    def argument(self, name: str, value: Any) -> Argument:
        """One parameter as the key needs it; how its value is sent is kept for `sent`."""
        kind = type(value)
        hasher = self._run.session.archive.hasher
        if kind in _PLAIN and (kind not in (str, bytes) or len(value) <= _PLAIN_BYTES):
            if kind is PosixPath:
                return self._path(name, value)
            text = value if kind is str else ""
            return Argument(name, hasher.digest(value), _shown(value, kind), text=text)
        if is_future(value):
            return self._future(name, value)
        if _is_default(self._use, name, value):
            return Argument(name, self._digest(name, value), line_of(value, _SHOWN_CHARACTERS))
        if find_futures(value):
            return self._nested(name, value)
        stored = self._stored(name, value)
        index = self._source(Stored(stored))
        self._encoded[id(value)] = _Ref(index)
        return Argument(name, stored.value.digest, _preview(stored), index)

    def wait_for(self, future: Any) -> Step | None:
        """Have the step wait for another without taking its value; None where that is no step of
        this run, which is waited for here and now."""
        step = source_of(future)
        assert isinstance(step, Step)
        if step.run is not self._run:
            step.get_output(output_of(future))
            return None
        self.needs.add(step.number)
        return step

    def _path(self, name: str, path: PosixPath) -> Argument:
        """A path counts as what lies where it leads at the call, whoever changes the folder later:
        a default leads from the run's folder, where the step takes it, others from here."""
        if _is_default(self._use, name, path):
            lies = Path(self._run.folder, path)
        else:
            self._encoded[id(path)] = self._located(path)
            lies = path.absolute()
        return Argument(name, None, str(path), path=lies)

    def _future(self, name: str, future: Any) -> Argument:
        step, output = source_of(future), output_of(future)
        index = self._source_of_future(name, future)
        self._encoded[id(future)] = _Ref(index)
        source = self.sources[index]
        if type(source) is Stored:
            return Argument(name, source.output.value.digest, _preview(source.output), index)
        return Argument(name, None, _reference(step, output), index)

    def _source_of_future(self, name: str, future: Any) -> int:
        step, output = source_of(future), output_of(future)
        assert isinstance(step, Step)
        changed = self._changed_value(name, step, output)
        if changed is not None:
            return self._source(Stored(changed))
        if step.run is not self._run:
            # Another run's step: its value is an input like any other of the pipeline function's.
            return self._source(Stored(self._stored(name, step.get_output(output))))
        self.needs.add(step.number)
        return self._source(Produced(step, output))

    def _changed_value(self, name: str, step: Step, output: str) -> Output | None:
        """The value, stored anew, where the pipeline function has touched it and changed it."""
        if step.values is None or output not in step.values:
            return None
        value = step.values[output]
        if type(value) in _PLAIN:
            return None
        stored = step.outputs[output].value
        archive = self._run.session.archive
        if archive.artifacts.is_registered(stored):
            anew = self._stored(name, value)
            return None if anew.value.digest == stored.digest else anew
        if archive.hasher.digest(value) == stored.digest:
            return None
        return self._stored(name, value)

    def _nested(self, name: str, value: Any) -> Argument:
        replaced = replace_futures(value, lambda f: _Ref(self._source_of_future(name, f)))
        nested, has_code = _pickled(replaced, self._where(name))
        self._encoded[id(value)] = replaced
        shape = self._shape(replaced) or digest_bytes(nested)
        argument = Argument(name, None, line_of(value, _SHOWN_CHARACTERS), -1, nested, shape=shape)
        return self._with_codes(argument, replaced) if has_code else argument

    def _shape(self, replaced: Any) -> Digest:
        """What the step's key says of the structure: the same in every process, as a pickle of it
        is not, whatever its paths lead to and its classes have become; empty where it has none."""
        try:
            return _BY_NAME.digest(replaced)
        except Exception:  # noqa: BLE001 - user code: what hashing a value calls
            return ""

    def _with_codes(self, argument: Argument, replaced: Any) -> Argument:
        """With the code in it as it is now, before the pipeline function goes on."""
        archive = self._run.session.archive
        hasher = Recording(archive.hasher, {_Ref: lambda _: ""})
        try:
            hasher.digest(replaced)
        except Exception:  # noqa: BLE001 - user code; it is told where the key is made
            return argument
        codes = archive.artifacts.codes_of(hasher)
        return argument._replace(codes=codes, met=tuple(hasher.met.values()))

    def _located(self, path: PosixPath) -> PosixPath:
        """The path as the step is to see it: as it is, unless the working folder is another now."""
        if path.is_absolute() or os.getcwd() == self._run.folder:
            return path
        return path.absolute()

    def _digest(self, name: str, value: Any) -> Digest:
        try:
            return self._run.session.archive.hasher.digest(value)
        except TypeError as error:
            raise NotSerializable(
                where=self._where(name), type_name=type(value).__name__, reason=str(error)
            ) from error

    def _stored(self, name: str, value: Any) -> Output:
        stored, content = self._run.session.archive.artifacts.put(value, where=self._where(name))
        return Output(stored, content)

    def _where(self, name: str) -> str:
        return f"Argument {name!r} of component {self._use.name!r}"

    def _source(self, source: Source) -> int:
        self.sources.append(source)
        return len(self.sources) - 1

    def sent(self, value: Any) -> Any:
        """What stands for a captured value in what is sent."""
        encoded = self._encoded.get(id(value))
        if encoded is None and type(value) in _PLAIN:
            return self._located(value) if type(value) is PosixPath else value
        if encoded is not None:
            return encoded
        # One of several under a star: its parameter was captured as a whole.
        return replace_futures(value, lambda f: _Ref(self._source_of_future("*", f)))

    def pickled(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        if not self.sources:
            return pickle.dumps((args, kwargs), 5)
        return _pickled((args, kwargs), f"An argument of component {self._use.name!r}")[0]


def _is_default(use: Use, name: str, value: Any) -> bool:
    """Whether the value is the parameter's default: the function has that already."""
    return use.defaults.get(name, _Ref) is value


class _Ref:
    """Where a source stands; becomes a persistent id."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


_BY_NAME = Hasher(
    digest_path=lambda path: digest_bytes(str(path)),
    known={_Ref: lambda ref: digest_bytes(str(ref.index))},
)


class _CallPickler(pickle.Pickler):
    has_code = False
    """It has met a class or function."""

    def persistent_id(self, obj: Any) -> int | None:
        return obj.index if type(obj) is _Ref else None

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, type | FunctionType):
            return NotImplemented
        self.has_code = True
        return reduce_named(obj)


def _pickled(value: Any, where: str) -> tuple[bytes, bool]:
    """The pickle, and whether there are classes or functions in it."""
    buffer = BytesIO()
    pickler = _CallPickler(buffer)
    try:
        pickler.dump(value)
    except Exception as error:
        raise NotSerializable(
            where=where, type_name=type(value).__name__, reason=str(error)
        ) from error
    return buffer.getvalue(), pickler.has_code


def _shown(value: Any, kind: type) -> Any:
    if kind in _JSON:
        return excerpt(value, _SHOWN_CHARACTERS) if kind is str else value
    return line_of(value, _SHOWN_CHARACTERS)


def _preview(output: Output) -> str:
    first = output.value.preview.partition("\n")[0]
    return excerpt(f"<{output.value.type}> {first}", _SHOWN_CHARACTERS)


def _reference(step: Any, output: str) -> str:
    return f"${{{step.name}.artifacts.{output}}}"
