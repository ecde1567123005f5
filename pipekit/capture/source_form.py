"""What is said of a module that counts by its file, and of what is taken from it by a dotted name.
Looks at no object of the module: whether it is imported makes no difference.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pipekit.capture.description import Description
from pipekit.capture.outline import Outline
from pipekit.capture.ownership import PIPEKIT, USER
from pipekit.capture.references import Use
from pipekit.capture.source_module import Found, absolute_name, find_module, find_outline

_OF_EACH = frozenset({"__name__", "__file__"})


class FromFile(NamedTuple):
    """The module that code was read from."""

    found: Found
    outline: Outline | None
    """None where the code is the whole module's."""

    @property
    def space(self) -> dict[str, Any]:
        """As much of the globals as is known."""
        found = self.found
        package = found.name if found.is_package else found.name.rpartition(".")[0]
        return {"__name__": found.name, "__package__": package}

    def refer(self, to: Description, name: str) -> None:
        """Say what a global of the module leads to, where that does not count with its import."""
        if self.outline is not None and name in self.outline.functions:
            to.refer(to.nodes.of_definition(self.found, name))


def refer_module(to: Description, name: str) -> None:
    """Say what the import of a module executes."""
    found = find_module(name)
    if found is not None and found.owner.kind == USER and found.file:
        to.refer(to.nodes.of_import(found))


def refer_whole(to: Description, name: str) -> None:
    """Say all that is in a module."""
    found = find_module(name)
    if found is not None and found.owner.kind == USER and found.file:
        to.refer(to.nodes.of_module(found))


def modules_in(parts: list[str]) -> list[Found]:
    """The modules that a dotted name leads through, as far as they are the user's."""
    found: list[Found] = []
    for end in range(1, len(parts) + 1):
        module = find_module(".".join(parts[:end]))
        if module is None:
            break
        found.append(module)
        if module.owner.kind != USER:
            break
    return found


def refer_taken(to: Description, parts: list[str], use: Use) -> None:
    """Say what a dotted name leads to; a module that is not taken from any further, as a whole."""
    _Taking(to, use).take(parts)


class _Taking:
    """Follows a dotted name through the modules that import what it names from others."""

    def __init__(self, to: Description, use: Use) -> None:
        self._to = to
        self._use = use
        self._seen: set[tuple[str, ...]] = set()
        self._followed: set[tuple[str, str]] = set()

    def take(self, parts: list[str]) -> None:
        if tuple(parts) in self._seen:
            return
        self._seen.add(tuple(parts))
        modules = modules_in(parts)
        if not modules or modules[0].owner.kind == PIPEKIT:
            return
        if modules[-1].owner.kind != USER:
            use = self._use
            self._to.name_library(".".join(parts), modules[-1].owner, use.called_with, use.line)
            return
        for place, found in enumerate(modules, 1):
            if not found.file:  # a folder without `__init__`
                continue
            if place < len(parts):
                self._take_from(found, parts[place:], leads_on=place < len(modules))
            elif place == 1 or not _is_hidden(modules[-2], found):
                self._to.refer(self._to.nodes.of_module(found))

    def _take_from(self, found: Found, names: list[str], *, leads_on: bool) -> None:
        outline = find_outline(found)
        name = names[0]
        if not found.file:
            return
        if outline is None:
            self._to.refer(self._to.nodes.of_module(found))
            return
        self._to.refer(self._to.nodes.of_import(found))
        if name in outline.functions:
            self._to.refer(self._to.nodes.of_definition(found, name))
        bound = outline.imported.get(name, ())
        if bound and (found.name, name) in self._followed:  # round and round, ever further in
            self._to.refer(self._to.nodes.of_module(found))
            return
        self._followed.add((found.name, name))
        for dotted in bound:
            parts = _absolute(found, dotted)
            modules = modules_in(parts)
            if modules and modules[-1].owner.kind == USER and len(modules) < len(parts):
                # An import finds the module whatever the package has under its name.
                inside = [*parts[len(modules) :], *names[1:]]
                self._take_from(modules[-1], inside, leads_on=False)
            else:
                self.take([*parts, *names[1:]])
        known = name in outline.functions or name in outline.variables or name in _OF_EACH
        if not (known or bound or leads_on):
            self._to.refer(self._to.nodes.of_module(found))


def _absolute(found: Found, dotted: str) -> list[str]:
    level = len(dotted) - len(dotted.lstrip("."))
    return absolute_name(level, dotted[level:], FromFile(found, None).space).split(".")


def _is_hidden(package: Found, module: Found) -> bool:
    """Whether a package has something out of a module under the module's own name, for good: the
    import that binds it has imported the module before."""
    outline = find_outline(package)
    name = module.name.rpartition(".")[2]
    if outline is None or name in outline.functions or name in outline.variables:
        return False
    inside = module.name.split(".")
    bound = [_absolute(package, dotted) for dotted in outline.imported.get(name, ())]
    return bool(bound) and all(
        len(parts) == len(inside) + 1 and parts[:-1] == inside for parts in bound
    )
