"""A component as one run uses it: its options, its code's fingerprint, how workers find it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from pipekit.artifacts import by_value
from pipekit.capture.fingerprint import Fingerprint, Fingerprinter
from pipekit.capture.source_text import SourceText, source_text_of
from pipekit.control.executor_set import parse_executor
from pipekit.errors import UsageError
from pipekit.model.hashing import digest_bytes
from pipekit.model.options import DEFAULT_OUTPUT, ComponentOptions
from pipekit.model.value import Digest
from pipekit.origin import origin_of
from pipekit.worker.message import ComponentSpec

_KEY_SCHEME = "memo-1"
"""Changes with anything that a memo key is made of, so that older memos are never found."""

_next_number = itertools.count()
_numbers: dict[Digest, int] = {}
"""Of specs by what they say: an equal one in a later run is known to the workers already."""


class Use:
    """One component in one run. Made before its first step there, then frozen."""

    __slots__ = (
        "code", "defaults", "entry", "executor", "fingerprint", "function", "is_pipeline",
        "key_prefix", "name", "options", "outputs", "settings", "source", "spec",
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
    ) -> None:
        self.function = function
        self.options = options
        self.defaults = defaults
        self.name = options.name or getattr(function, "__name__", type(function).__name__)
        self.outputs = outputs or (DEFAULT_OUTPUT,)
        if options.executor:
            parse_executor(options.executor)
        self.executor = options.executor or executor
        self.is_pipeline = False
        self.fingerprint: Fingerprint = fingerprinter.fingerprint(function)
        self.code = self.fingerprint.digest
        self.source = source_text_of(function, fingerprinter.root)
        self.settings = options.settings()
        origin = origin_of(function)
        self.entry = str(origin) if origin else f"{self.name} (by value)"
        here = self.executor == "inline"
        pickled = b"" if origin else _by_value(function, self.name, may_fail=here)
        code = self.code if origin else self.fingerprint.around()
        whole = len(outputs) < 2
        identity = digest_bytes(
            self.name, self.entry, pickled, code, self.code, str(whole), *self.outputs
        )
        self.spec = ComponentSpec(
            number=_numbers.setdefault(identity, next(_next_number)),
            name=self.name,
            origin=origin,
            pickled=pickled,
            outputs=self.outputs,
            whole=whole,
            code=code,
        )
        self.key_prefix = digest_bytes(
            _KEY_SCHEME, self.code, str(self.spec.whole), *self.outputs, "", options.version
        )

    @classmethod
    def of_pipeline(
        cls, conduct: Callable[[Any], Any], *, name: str, entry: str, defaults: dict[str, Any],
        executor: str, source: SourceText,
    ) -> Use:  # fmt: skip
        """A pipeline as a step of another: `conduct` takes the assignment and runs it."""
        use = cls.__new__(cls)
        use.function = conduct
        use.options = ComponentOptions(name=name)
        use.defaults = defaults
        use.name = name
        use.outputs = (DEFAULT_OUTPUT,)
        use.executor = executor
        use.is_pipeline = True
        use.fingerprint = Fingerprint("", (), ())
        use.code = ""
        use.source = source
        use.settings = {}
        use.entry = entry
        use.spec = ComponentSpec(-1, name, None, b"", use.outputs, True, "")
        use.key_prefix = ""
        return use


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
