"""The code of classes and functions in values: of what is passed as an argument, of instances. Owns
what each was when it was first met, and what it is now.

A component's code is frozen for a run; this is not. In the process of the pipeline function, what
is passed counts as it is at the call. In a worker, what a step returns counts with the code as the
worker found it, for what a step does to a class is not seen by others.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pipekit.capture.imported import find_changed
from pipekit.capture.library import find_library_name
from pipekit.capture.named import VARIABLE, find_name, names_behind
from pipekit.capture.part import Fingerprint
from pipekit.capture.passing import is_passing
from pipekit.capture.wrapper import unwrap
from pipekit.model.hashing import digest_bytes
from pipekit.model.value import Digest
from pipekit.origin import find_imported

if TYPE_CHECKING:
    from pipekit.capture.fingerprint import Fingerprinter, Made


class Code:
    """One definition or variable."""

    __slots__ = ("_made", "first", "now", "what")

    def __init__(self, made: Made, what: object) -> None:
        """`what`: a class or function, or the module's namespace and the name of a variable."""
        self.first = self.now = made.fingerprint
        self.what = what
        self._made = made

    def follow(self, again: Made) -> None:
        """It was looked at anew."""
        self.now = again.fingerprint
        self._made.watch = again.watch

    def is_as_it_was(self) -> bool:
        """Whether it certainly is what `now` says. Of a variable that is never certain: what it
        holds is watched, not what it is bound to."""
        return not isinstance(self.what, tuple) and self._made.watch.is_as_it_was()

    def find_changed_module(self) -> str:
        """What has changed since their import in the modules that it imports when it runs, as a
        phrase."""
        return find_changed(self._made.modules, ()) if self._made.modules else ""


class Codes:
    """The codes that one fingerprinter has met. Thread-safe.

    Args:
        fingerprinter: Describes definitions.
    """

    def __init__(self, fingerprinter: Fingerprinter) -> None:
        self._fingerprinter = fingerprinter
        self._known: WeakKeyDictionary[Any, Code | Digest] = WeakKeyDictionary()
        self._variables: dict[str, Code] = {}
        self._by_digest: dict[Digest, Fingerprint] = {}

    def digest(self, obj: Any, *, first: bool = False) -> Digest:
        """The digest of all the code that a class or function reaches: as it is now, or as it was
        when it was `first` met."""
        if is_passing(obj):
            return self._passing(obj, first=first).fingerprint.digest
        code = self._find(obj)
        if isinstance(code, str):
            return code
        return code.first.digest if first else self._follow(code).digest

    def named(self, objs: Iterable[Any], *, first: bool = False) -> dict[str, Digest]:
        """The digest of all that another process finds on its own, by its name, where these classes
        and functions are sent there. A library's are left out."""
        found: dict[str, Digest] = {}
        for obj in objs:
            if find_library_name(obj) is not None:
                continue
            obj = unwrap(obj)
            name = find_name(obj)
            if name:
                found[name] = self._kept(self._fingerprint(obj, first=first))
                continue
            made = self._passing(obj, first=first)
            for name, node in names_behind(made.root):
                if VARIABLE in name:
                    behind = self._fingerprinter.collect(node).fingerprint
                else:
                    behind = self._fingerprint(node.held, first=first)
                found[name] = self._kept(behind)
        return found

    def find(self, name: str) -> Code | None:
        """What has a name of those that `named` gives, here; None where it is not there."""
        module, _, path = name.partition(":")
        space = sys.modules.get(module)
        if space is None:
            return None
        if VARIABLE in name:
            return self._find_variable(name, vars(space), path.removeprefix(":"))
        found = find_imported(module, path)
        code = None if found is None else self._find(found)
        return None if isinstance(code, str) else code

    def is_missing(self, name: str) -> bool:
        """Whether a class or function of a name that `named` gave is not there at all."""
        module, _, path = name.partition(":")
        return VARIABLE not in name and find_imported(module, path) is None

    def _find_variable(self, name: str, space: dict[str, Any], path: str) -> Code | None:
        known = self._variables.get(name)
        if known is None and path in space:
            made = self._fingerprinter.describe_variable(space, path)
            known = self._variables[name] = Code(made, (space, path))
        return known

    def look_again(self, code: Code) -> Fingerprint:
        """What a definition is now."""
        return self._follow(code)

    def find_fingerprint(self, digest: Digest) -> Fingerprint | None:
        """What stands behind one of the digests that `named` gave."""
        return self._by_digest.get(digest)

    def _fingerprint(self, obj: Any, *, first: bool) -> Fingerprint:
        code = self._find(obj)
        assert not isinstance(code, str)  # a library's
        return code.first if first else self._follow(code)

    def _kept(self, fingerprint: Fingerprint) -> Digest:
        self._by_digest[fingerprint.digest] = fingerprint
        return fingerprint.digest

    def _find(self, obj: Any) -> Code | Digest:
        try:
            known = self._known.get(obj)
        except TypeError:  # no weak reference to it
            return self._make(obj)
        if known is None:
            known = self._make(obj)
            try:
                self._known[obj] = known
            except TypeError:
                pass
        return known

    def _make(self, obj: Any) -> Code | Digest:
        named = find_library_name(unwrap(obj))
        if named is not None:
            return digest_bytes("library", named[0], named[1].digest)
        return Code(self._fingerprinter.describe(obj, passing=False), unwrap(obj))

    def _follow(self, code: Code) -> Fingerprint:
        if not code.is_as_it_was():
            fresh = self._fingerprinter.fresh()
            if isinstance(code.what, tuple):
                space, name = code.what
                if name not in space:
                    return Fingerprint("", (), ())
                code.follow(fresh.describe_variable(space, name))
            else:
                code.follow(fresh.describe(code.what, passing=False))
        return code.now

    def _passing(self, obj: Any, *, first: bool) -> Made:
        """What a function or class in a function's body is now; what it reaches by name as that was
        when it was `first` met, or now."""
        made = self._fingerprinter.describe(obj, passing=True)
        if first or made.watch.is_as_it_was():
            return made
        return self._fingerprinter.fresh().describe(obj, passing=True)
