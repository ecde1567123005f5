"""What the modules that functions import when they run held right after their import. A fingerprint
has these by their file: what is set in them afterwards, in this process, is found out here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from types import FunctionType, ModuleType
from typing import Any

from pipekit.capture.snapshot import Snapshot
from pipekit.capture.watch import Watch
from pipekit.model.value import Digest
from pipekit.origin import stable_name

DigestOf = Callable[[Any], Digest]


class _Contents:
    """The variables, functions and classes of a module, as they were."""

    def __init__(self, module: ModuleType, digest: DigestOf) -> None:
        self.module = module
        self._digest = digest
        self._watches = {name: self._watch(name, value) for name, value in _members(module).items()}

    def _watch(self, name: str, value: Any) -> Watch:
        snapshot = Snapshot()
        snapshot.look_up(vars(self.module), name)
        own = getattr(value, "__module__", None) == self.module.__name__
        if isinstance(value, FunctionType) and own:
            snapshot.function(value, self._digest)
        elif isinstance(value, type) and own:
            snapshot.members(value, self._digest)
        else:
            snapshot.value(value, self._digest)
        return Watch((snapshot,), self._digest)

    def find_changed(self, ignore: Collection[str]) -> str:
        """A name that leads to something else now; empty where none does."""
        prefix = f"{stable_name(self.module.__name__)}."
        names = {**_members(self.module), **self._watches}
        for name in names:
            watch = self._watches.get(name)
            if prefix + name not in ignore and not (watch and watch.is_as_it_was()):
                return prefix + name
        return ""


def _members(module: ModuleType) -> dict[str, Any]:
    return {
        name: value
        for name, value in list(vars(module).items())
        if not isinstance(value, ModuleType) and not (name[:2] == "__" == name[-2:])
    }


_contents: dict[str, _Contents] = {}
_wanted: dict[str, DigestOf] = {}


def watch_module(name: str, digest: DigestOf) -> None:
    """Take what a module holds: now where it is imported, else when it will be."""
    module = sys.modules.get(name)
    known = _contents.get(name)
    if module is None:
        _wanted[name] = digest
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
    elif known is None or known.module is not module:
        _contents[name] = _Contents(module, digest)


def find_changed(names: Collection[str], ignore: Collection[str]) -> str:
    """What has been set in one of these modules since it was imported, as a phrase."""
    for name in names:
        module = sys.modules.get(name)
        if module is None:
            continue
        contents = _contents.get(name)
        if contents is None or contents.module is not module:
            return f"module {stable_name(name)!r} was imported in a way that is not seen"
        changed = contents.find_changed(ignore)
        if changed:
            return f"global {changed!r} has changed since its module was imported"
    return ""


class _Finder:
    """Has the loader of a wanted module call back when it has executed it; finds nothing itself."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The specification that the others find."""
        if name not in _wanted:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find and finder is not self else None
            if spec is not None:
                _call_back(spec.loader, name)
                return spec
        return None


_FINDER: Any = _Finder()


def _call_back(loader: Any, name: str) -> None:
    execute = getattr(loader, "exec_module", None)
    if execute is None:
        return

    def exec_module(module: ModuleType) -> None:
        execute(module)
        digest = _wanted.pop(name, None)
        if digest is not None:
            _contents[name] = _Contents(module, digest)

    try:
        loader.exec_module = exec_module
    except AttributeError:
        pass  # a loader without attributes: its module counts as imported unseen
