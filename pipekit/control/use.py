"""A component as one run uses it: its options, its code's fingerprint, how workers find it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, NamedTuple

from pipekit.artifacts import by_value
from pipekit.capture.fingerprint import Fingerprint, Fingerprinter
from pipekit.capture.source_text import NO_SOURCE, SourceText, source_text_of
from pipekit.capture.wrapper import unwrap
from pipekit.control.executor_set import parse_executor
from pipekit.errors import UsageError, nearest
from pipekit.model.hashing import digest_bytes
from pipekit.model.options import DEFAULT_OUTPUT, ComponentOptions
from pipekit.model.records import Kind, TaskSpec
from pipekit.model.value import Digest, StoredValue
from pipekit.origin import origin_of, stable_name
from pipekit.worker.message import ComponentSpec

SCRIPTS = "script"
"""The executor of steps whose code is a script's."""
_KEY_SCHEME = "memo-2"
"""Changes with anything that a memo key is made of, so that older memos are never found."""

_next_number = itertools.count()
_numbers: dict[Digest, int] = {}
"""Of specs by what they say: an equal one in a later run is known to the workers already."""


class ScriptShape(NamedTuple):
    """A step whose code is a script's: a clone of a task."""

    spec: TaskSpec
    """Its parameters are those of this step."""
    cloned_from: str
    queue: str
    """Where an agent takes it; empty: it runs on this machine."""
    given: tuple[tuple[str, StoredValue], ...] = ()
    """Artifacts that the task has before it runs."""


class Use:
    """One component in one run. Made before its first step there, then frozen."""

    __slots__ = (
        "_depends_on", "_fingerprinter", "_left_out", "blind_spots", "code", "defaults", "entry",
        "executor", "fingerprint", "function", "ignored", "is_keyed", "is_pipeline", "is_watched",
        "key_prefix", "name", "options", "outputs", "refusal", "script", "settings", "source",
        "spec",
    )  # fmt: skip

    def __init__(
        self,
        function: Callable[..., Any],
        options: ComponentOptions,
        *,
        outputs: tuple[str, ...],
        defaults: dict[str, Any],
        fingerprinter: Fingerprinter,
        executor: str,
        parameters: tuple[str, ...],
        blind_spots: str,
    ) -> None:
        """`parameters` are the function's, `blind_spots` the policy where the options name none.

        Raises:
            UsageError: `ignore` or `depends_on` names what is not there.
        """
        self.function = function
        self.options = options
        self.defaults = defaults
        self.name = options.name or getattr(function, "__name__", type(function).__name__)
        self.outputs = outputs or (DEFAULT_OUTPUT,)
        if options.executor:
            parse_executor(options.executor)
        self.executor = options.executor or executor
        self.is_pipeline = False
        self.script: ScriptShape | None = None
        self.refusal = ""
        self.is_watched = options.is_watched
        self._fingerprinter: Fingerprinter | None = fingerprinter
        self._depends_on = tuple(_named(other) for other in options.depends_on)
        self.ignored = frozenset(name for name in options.ignore if name in parameters)
        self._left_out = tuple(sorted(set(options.ignore) - self.ignored))
        if self._left_out:
            reached = fingerprinter.fingerprint(function, depends_on=self._depends_on)
            _check_ignored(self.name, self._left_out, parameters, reached)
        self.fingerprint: Fingerprint = fingerprinter.fingerprint(
            function, depends_on=self._depends_on, ignore=self._left_out
        )
        self.blind_spots = options.blind_spots or blind_spots
        is_blind = self.blind_spots == "rerun" and bool(self.fingerprint.blind_spots)
        self.is_keyed = options.cache is not False and not is_blind
        self.code = self.fingerprint.digest
        self.source = source_text_of(function, fingerprinter.root)
        self.settings = options.settings()
        origin = origin_of(function)
        self.entry = str(origin) if origin else f"{self.name} (by value)"
        here = self.executor == "inline"
        pickled = b"" if origin else _by_value(function, self.name, may_fail=here)
        code = self.code if origin else self.fingerprint.around()
        others = by_value.pack(self._depends_on) if self._depends_on else b""
        whole = len(outputs) < 2
        identity = digest_bytes(
            self.name, self.entry, pickled, code, self.code, str(whole), others,
            *self._left_out, "", *self.outputs,
        )  # fmt: skip
        self.spec = ComponentSpec(
            number=_numbers.setdefault(identity, next(_next_number)),
            name=self.name,
            origin=origin,
            pickled=pickled,
            outputs=self.outputs,
            whole=whole,
            code=code,
            depends_on=others,
            ignore=self._left_out,
        )
        self.key_prefix = digest_bytes(
            _KEY_SCHEME, self.code, str(self.spec.whole), *self.outputs, "", options.version,
            *sorted(self.ignored),
        )  # fmt: skip

    @classmethod
    def of_pipeline(
        cls, conduct: Callable[[Any], Any], *, name: str, entry: str, defaults: dict[str, Any],
        executor: str, source: SourceText, options: ComponentOptions, fingerprint: Fingerprint,
    ) -> Use:  # fmt: skip
        """A pipeline as a step of another: `conduct` takes the assignment and runs it; of the
        options count its name and callbacks. By its code a resumed run knows whether it is kept."""
        use = cls.__new__(cls)
        use._fingerprinter = None
        use._depends_on = use._left_out = ()
        use.ignored = frozenset()
        use.is_keyed = False
        use.blind_spots = "ok"
        use.function = conduct
        use.options = options
        use.is_watched = options.is_watched
        use.defaults = defaults
        use.name = name
        use.outputs = (DEFAULT_OUTPUT,)
        use.executor = executor
        use.is_pipeline = True
        use.script = None
        use.refusal = ""
        use.fingerprint = fingerprint
        use.code = fingerprint.digest
        use.source = source
        use.settings = {}
        use.entry = entry
        use.spec = ComponentSpec(-1, name, None, b"", use.outputs, True, "")
        use.key_prefix = ""
        return use

    @classmethod
    def of_script(cls, script: ScriptShape, options: ComponentOptions, *, refusal: str = "") -> Use:
        """A task of a script as a step; it is remembered where `options.cache` says so. `refusal`:
        why it cannot run, where it cannot."""
        spec = script.spec
        given = [text for name, value in script.given for text in (name, value.digest)]
        code = digest_bytes(
            "script", spec.snapshot, spec.entry, spec.folder, *spec.argv, "given", *given
        )
        use = cls._plain(options, entry=spec.entry, code=code, refusal=refusal)
        use.script = script
        use.outputs = ()
        use.is_keyed = bool(options.cache)
        use.key_prefix = digest_bytes(_KEY_SCHEME, code, options.version)
        return use

    @classmethod
    def of_refused(cls, options: ComponentOptions, *, entry: str, refusal: str) -> Use:
        """A step that was declared and cannot be called."""
        return cls._plain(options, entry=entry, code="", refusal=refusal)

    @classmethod
    def _plain(cls, options: ComponentOptions, *, entry: str, code: Digest, refusal: str) -> Use:
        use = cls.__new__(cls)
        use._fingerprinter = None
        use._depends_on = use._left_out = ()
        use.ignored = frozenset()
        use.is_keyed = use.is_pipeline = False
        use.blind_spots = "ok"
        use.function = _no_function
        use.options = options
        use.is_watched = options.is_watched
        use.defaults = {}
        use.name = options.name
        use.outputs = options.outputs or (DEFAULT_OUTPUT,)
        use.executor = SCRIPTS
        use.script = None
        use.refusal = refusal
        use.fingerprint = Fingerprint(code, (), ())
        use.code = code
        use.source = NO_SOURCE
        use.settings = options.settings()
        use.entry = entry
        use.spec = ComponentSpec(-1, use.name, None, b"", use.outputs, True, "")
        use.key_prefix = ""
        return use

    @property
    def kind(self) -> Kind:
        """Of what its steps are records."""
        if self.script is not None:
            return Kind.SCRIPT
        return Kind.PIPELINE if self.is_pipeline else Kind.STEP

    def find_change(self, *, quick: bool = False) -> str:
        """What it rests on and has changed in this process since, as a phrase; `quick` leaves out
        large arrays and the like."""
        if self._fingerprinter is None:
            return ""
        return self._fingerprinter.find_change(
            self.function, depends_on=self._depends_on, ignore=self._left_out, quick=quick
        )


def _no_function(*args: Any, **kwargs: Any) -> None:
    """Stands where a step has no function in this process."""


def _named(other: object) -> object:
    """What another process is told of it: a module by its name."""
    return stable_name(other.__name__) if isinstance(other, ModuleType) else unwrap(other)


def _check_ignored(
    name: str, left_out: tuple[str, ...], parameters: tuple[str, ...], reached: Fingerprint
) -> None:
    known = [part.name for part in reached.parts if part.kind in ("global", "function", "class")]
    modules = {part.name for part in reached.parts if part.kind == "module"}
    for item in left_out:
        if item in known or item.rpartition(".")[0] in modules:
            continue
        if "." in item:
            shown = sorted(part.name for part in reached.parts if part.kind == "global")
            what = f"which its code does not reach. It reaches the globals {_listed(shown)}."
        else:
            what = f"which it does not take. It takes {_listed(parameters)}."
        raise UsageError(
            f"Component {name!r} is to ignore {item!r}, {what}",
            hint=nearest(item, (*parameters, *known))
            or "name an argument, or a global as 'module.NAME'.",
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"


def _by_value(function: Callable[..., Any], name: str, *, may_fail: bool) -> bytes:
    try:
        return by_value.pack(function)
    except Exception as error:
        if may_fail:
            return b""
        raise UsageError(
            f"Component {name!r} cannot be sent to a worker: it is defined where no import finds "
            f"it, and what it holds on to cannot be pickled ({error}).",
            hint="define it at the top level of a module, or use executor='inline'.",
        ) from error
