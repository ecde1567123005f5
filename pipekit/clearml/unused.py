"""Arguments of ClearML's that mean nothing here: taken, and named once."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pipekit.errors import nearest
from pipekit.worker import loading


class UnusedArgument(UserWarning):
    """An argument that ClearML knows, and that has no effect here."""


class Unused(NamedTuple):
    """What is said of one argument."""

    why: str
    """`steps run in the environment of this process`; empty: it need not be said."""
    unless: tuple[Any, ...] = (None,)
    """Values with which it says what is so in any case."""


_HERE = "code runs in the environment that it is started in"
_TREE = "the code that is run is that of the working tree"
PLACE = {
    "docker": Unused(_HERE),
    "docker_args": Unused(_HERE),
    "docker_bash_setup_script": Unused(_HERE),
    "packages": Unused(_HERE, (None, False)),
    "repo": Unused(_TREE, (None, "")),
    "repo_branch": Unused(_TREE),
    "repo_commit": Unused(_TREE),
    "working_dir": Unused("it is that of the run"),
    "output_uri": Unused("PIPEKIT_ARTIFACTS says where artifacts are kept", (None, True)),
}
"""Where code runs, and what comes of it."""
CONNECTS = {
    "auto_connect_frameworks": Unused(
        "figures and models are stored where the code says so", (None, False)
    ),
    "auto_connect_arg_parser": Unused(
        "what parse_args() returns is recorded by task.connect(args)", (None, True, False)
    ),
}
_PACKAGE = __file__.rpartition("clearml")[0]
_told: set[tuple[str, str]] = set()


def take_unused(
    call: str, given: Mapping[str, Any], known: Mapping[str, Unused], also: Iterable[str] = ()
) -> None:
    """Name the arguments that have no effect, each once in a process; nothing is said while a
    worker imports the script.

    Args:
        call: Whose they are: `PipelineDecorator.component`.
        given: Those that mean nothing here, with their values.
        known: What is said of each.
        also: Names of the arguments that do mean something, for the nearest one.

    Raises:
        TypeError: an argument is not known at all.
    """
    for name, value in given.items():
        if name not in known:
            near = nearest(name, [*known, *also])
            raise TypeError(
                f"{call}() got an unexpected keyword argument {name!r}{'; ' + near if near else ''}"
            )
        if not known[name].why or any(_is(value, same) for same in known[name].unless):
            continue
        if (call, name) not in _told and not loading.importing:
            _told.add((call, name))
            warn(f"{call}({name}=…) has no effect: {known[name].why}.")


def _is(value: Any, same: Any) -> bool:
    return value is same or (type(value) is type(same) and bool(value == same))


def warn(text: str) -> None:
    """A warning of the line of the user's that led here."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    module = frame.f_globals.get("__name__", "__main__")
    warnings.warn_explicit(
        UnusedArgument(text), UnusedArgument, frame.f_code.co_filename, frame.f_lineno, module
    )
