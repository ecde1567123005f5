"""Where a script begins: its file, its module, or a function in it; and what is typed to start it.
Written into a task's spec, and read from there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipekit.errors import NotRunnable
from pipekit.model.records import TaskSpec

_SCRIPT, _MODULE, _FUNCTION = "script:", "module:", "function:"
INTERACTIVE = "interactive"
"""The entry of what was typed into a notebook or a prompt."""
_SEARCHED = "path"
"""Among the settings of a spec: folders of the project that Python looked for modules in."""
_CALL = "from pipekit.api.function_task import main; main()"


@dataclass(frozen=True, slots=True)
class ScriptEntry:
    """One way to start the code of a task, in a copy of its project.

    Attributes:
        path: Of the file, below the project's root; empty for a module.
        module: What stood behind `python -m`.
        function: Its name in the file, where it alone is to be called.
        search_path: Folders below the root that modules are looked for in, beside the file's own.
    """

    path: str = ""
    module: str = ""
    function: str = ""
    search_path: tuple[str, ...] = ()

    @classmethod
    def of(cls, spec: TaskSpec) -> ScriptEntry:
        """What a spec says.

        Raises:
            NotRunnable: nothing that could be started anew.
        """
        entry = spec.entry
        searched = tuple(spec.settings.get(_SEARCHED, ()))
        if entry.startswith(_SCRIPT):
            return cls(path=entry.removeprefix(_SCRIPT), search_path=searched)
        if entry.startswith(_MODULE):
            return cls(module=entry.removeprefix(_MODULE), search_path=searched)
        if entry.startswith(_FUNCTION):
            path, _, name = entry.removeprefix(_FUNCTION).rpartition(":")
            return cls(path=path, function=name, search_path=searched)
        raise NotRunnable(
            "What was typed into a notebook or a prompt cannot be run from its record.",
            hint="save it as a script.",
        )

    @property
    def text(self) -> str:
        """As a spec's entry."""
        if self.module:
            return f"{_MODULE}{self.module}"
        return f"{_FUNCTION}{self.path}:{self.function}" if self.function else _SCRIPT + self.path

    @property
    def settings(self) -> dict[str, list[str]]:
        """What a spec's settings are to hold of it."""
        return {_SEARCHED: list(self.search_path)} if self.search_path else {}

    def command(self, project: Path) -> list[str]:
        """The arguments of the interpreter, but for those of the script."""
        if self.module:
            return ["-m", self.module]
        if self.function:
            return ["-c", _CALL, str(project / self.path), self.function]
        return [str(project / self.path)]
