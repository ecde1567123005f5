"""The parameters of a task, as users read and set them. What they mean is decided below."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pipekit.api.task_handle import TaskHandle
from pipekit.errors import UsageError, short
from pipekit.model.sections import merged, qualified

T = TypeVar("T")


class ParameterVerbs(TaskHandle):
    """The part of `Task` that is about parameters."""

    def connect(self, mutable: T, name: str = "") -> T:
        """Record what a script is set to, and take from the record what a clone was given instead.

        Call it on the task that `Task.init` returned, before the values are used. A dict is
        returned as one whose later writes are recorded too; what cannot be changed (a frozen
        dataclass) as another of its kind; all else as it is, with the values put into it. A value
        that was given is turned into the type of the one in the code: `'12'` stays text where that
        is text, and becomes 12 where it is a number.

        Args:
            mutable: A dict, a dataclass, a pydantic model, or what argparse's `parse_args` returns.
            name: The section; default: `General`, of argparse `Args`.

        Raises:
            UsageError: it is nothing of this kind, a value that was given does not fit, or the task
                is not that of this process's script.
        """
        from pipekit.api.connect import connect
        from pipekit.api.script import find_script

        script = find_script(self.id)
        if script is None:
            raise UsageError(
                f"Nothing can be connected with task {self._spoken()}: it is not the task of this "
                "script.",
                hint="task = Task.init(…), then task.connect(…). A step's parameters are its "
                "arguments.",
            )
        return connect(script, mutable, name)

    def get_parameters(self, *, cast: bool = True) -> dict[str, Any]:
        """All parameters by whole key (`General/rate`), each of its type.

        Args:
            cast: False: each as a text.
        """
        found = dict(self.record.spec.parameters)
        return found if cast else {key: _as_text(value) for key, value in found.items()}

    def get_parameter(self, name: str, default: Any = None, *, cast: bool = True) -> Any:
        """One of them, or `default` where it is not there. A name without a section means the one
        section that has it, else `General`."""
        known = self.record.spec.parameters
        key = qualified(name, known)
        if key not in known:
            return default
        return known[key] if cast else _as_text(known[key])

    def set_parameters(
        self, parameters: Mapping[str, Any] | None = None, *, replace: bool = False, **others: Any
    ) -> None:
        """Set parameters of a draft, or of the script that runs in this process, beside those that
        are there. Each takes the type of the one before; one that is not known is added, and that
        is said.

        Args:
            parameters: Key -> value. A key without a section means the one section that has it,
                else `General`, and goes before the same with a section.
            replace: Leave out what is not named.
            others: The same, for keys without a section.

        Raises:
            UsageError: it is no draft, or a value does not fit.
        """
        from pipekit.api.connect import as_recorded
        from pipekit.api.script import find_own, is_followed
        from pipekit.control import clone

        both = {**(parameters or {}), **others}
        given = {}
        for key, value in both.items():
            if not isinstance(key, str) or not key.strip("/"):
                raise UsageError(f"A parameter's key is to be text, not {key!r}.")
            given[key] = as_recorded(value)
        own = find_own(self.id)
        if is_followed(self.id):
            return
        if own is None:
            clone.set_parameters(self._archive, self.record, given, replaces=replace)
        else:
            # What the script says of itself is so, whatever was recorded before.
            own.set_parameters(merged(own.parameters, given, replace=replace), replaces=True)

    def set_parameter(self, name: str, value: Any) -> None:
        """Set one parameter: see `set_parameters`.

        Raises:
            UsageError: it is no draft, or the value does not fit.
        """
        self.set_parameters({name: value})

    def _spoken(self) -> str:
        """How messages speak of it."""
        return f"{self.record.name!r} ({short(self.id)})" if self.id else "that is not recorded"


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, list | dict) else str(value)
