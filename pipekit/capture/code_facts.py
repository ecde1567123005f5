"""What the analysis of a code object finds: facts that depend on that object alone. Owns what was
found in this process, and whether a memo is worth it; what outlives the process is `code_memo`'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pipekit.capture.bytecode import decode, normalize
from pipekit.capture.references import References, find_references
from pipekit.capture.rewritten import as_written
from pipekit.clock import SystemClock
from pipekit.model.value import Digest

if TYPE_CHECKING:
    from pipekit.capture.code_memo import CodeMemo

CodeFacts = tuple[Digest, tuple[str, ...], References]
"""Digest, free variables in the order of their use, and references of a code object."""

IMPORTED_AT = SystemClock.now()
"""About when this process imported the analysis."""

_MANY = 20
"""So many code objects are worth the making of a memo, or that it is written before the end."""

_found: WeakKeyDictionary[CodeType, CodeFacts] = WeakKeyDictionary()


def analyse(code: CodeType) -> CodeFacts:
    """The facts of a code object, found anew."""
    decoded = decode(code)
    return (*normalize(code, decoded), find_references(code, decoded))


class Facts:
    """Gives code objects their facts. Thread-safe.

    Args:
        folder: Where facts outlive the process; None keeps none.
        key: Gives the secret that they are signed with there. Asked for when that is opened.
        writes: Whether what is found here goes there too.
    """

    def __init__(
        self,
        folder: Path | None = None,
        key: Callable[[], bytes] = bytes,
        *,
        writes: bool = True,
    ) -> None:
        self._file = None if folder is None else folder / "code-facts"
        self._key = key
        self._writes = writes
        self._memo: CodeMemo | None = None
        self._is_closed = folder is not None
        self._early: list[tuple[CodeType, CodeFacts]] = []
        """What was found while the memo was closed."""

    def of(self, code: CodeType) -> CodeFacts:
        """The facts of a code object."""
        facts = _found.get(code)
        if facts is None:
            facts = _found[code] = self._find(as_written(code))
        return facts

    def _find(self, code: CodeType) -> CodeFacts:
        if self._is_closed:
            self._open()
        if self._memo is not None:
            return self._memo.facts(code)
        facts = analyse(code)
        if self._is_closed:
            self._early.append((code, facts))
        return facts

    def _open(self) -> None:
        """Open the memo where there is one, or where there is enough to make one of."""
        assert self._file is not None
        is_there = not self._early and os.path.exists(self._file)
        if not is_there and len(self._early) < _MANY:
            self._is_closed = self._writes
            return
        from pipekit.capture.code_memo import CodeMemo  # where there is much code, and only there

        memo = CodeMemo(self._file, self._key())
        for code, facts in self._early:
            memo.add(code, facts)
        self._early.clear()
        self._memo = memo
        self._is_closed = False

    def save(self, *, if_much: bool = False) -> None:
        """Have what was found outlive the process; `if_much`: where it is worth that by itself.
        Raises nothing: what is not written is found again."""
        memo = self._memo
        if memo is not None and self._writes and memo.count_new() >= (_MANY if if_much else 1):
            memo.save()
