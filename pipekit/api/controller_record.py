"""A controller's pipeline as it is recorded, so that another process can run it: its nodes as plain
data, functions and callbacks by the names under which they are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipekit.control.node import Node
from pipekit.errors import NotResumable, UsageError
from pipekit.origin import MAIN, Origin, find_imported, origin_of, stable_name, walk
from pipekit.worker import loading

GRAPH = ".graph"
"""Under which name among the run's arguments it is kept; no parameter is called so."""
CONTROLLER = "controller:"
"""What the entry of such a run begins with; the pipeline's name follows."""
_FUNCTIONS = (
    "function", "pre_execute_callback", "post_execute_callback", "status_change_callback",
)  # fmt: skip
_PLAIN = (
    "name", "base_task_project", "base_task_name", "queue", "cache", "retries", "retry_delay",
    "time_limit", "continue_on_fail", "task_type",
)  # fmt: skip
_LISTS = ("parents", "outputs", "tags")
_PAIRS = ("monitor_metrics", "monitor_artifacts")


def record_of(nodes: Mapping[str, Node], **more: Any) -> dict[str, Any]:
    """The nodes as plain data, but for what their functions are given.

    Raises:
        UsageError: a function or callback is found by no name; all of these are named.
    """
    without = [
        f"{option} of step {node.name!r}"
        for node in nodes.values()
        for option in _FUNCTIONS
        if (function := getattr(node, option)) is not None and _way_to(function) is None
    ]
    if without:
        raise UsageError(
            "Another process could not find these functions, for they are lambdas, or were "
            f"defined inside of functions or in a notebook: {', '.join(without)}.",
            hint="define them at the top level of a module; or run the pipeline here: "
            "pipe.start_locally()",
        )
    return {"nodes": [_plain(node) for node in nodes.values()], **more}


def _plain(node: Node) -> dict[str, Any]:
    shown: dict[str, Any] = {name: getattr(node, name) for name in _PLAIN}
    shown |= {name: list(getattr(node, name)) for name in _LISTS}
    shown |= {name: [list(pair) for pair in getattr(node, name)] for name in _PAIRS}
    shown |= {name: _way_to(getattr(node, name)) for name in _FUNCTIONS}
    # The very template that was found: another may be newer tomorrow.
    shown["base_task_id"] = node.template.id if node.template is not None else node.base_task_id
    shown["parameters"] = dict(node.parameters)
    return shown


def _way_to(function: Any) -> list[str] | None:
    if function is None:
        return None
    origin = origin_of(function)
    return None if origin is None else [origin.module, origin.qualname, origin.path]


def nodes_of(record: Mapping[str, Any], moved: Callable[[str], str]) -> dict[str, Node]:
    """The nodes that were recorded; `moved` says where a file of the project lies here.

    Raises:
        NotResumable: a function of theirs is not there any more.
        Exception: whatever importing its module raises.
    """
    nodes = {}
    for shown in record["nodes"]:
        given: dict[str, Any] = {name: shown[name] for name in _PLAIN}
        given |= {name: tuple(shown[name]) for name in _LISTS}
        given |= {name: tuple(map(tuple, shown[name])) for name in _PAIRS}
        given |= {name: _found(shown, name, moved) for name in _FUNCTIONS}
        given["base_task_id"] = shown["base_task_id"]
        given["parameters"] = dict(shown["parameters"])
        nodes[shown["name"]] = Node(**given)
    return nodes


def _found(
    shown: Mapping[str, Any], option: str, moved: Callable[[str], str]
) -> Callable[..., Any] | None:
    way = shown[option]
    if way is None:
        return None
    module, qualname, path = way
    path = moved(path)
    stable_name(MAIN)  # from now on the script that runs here is found by its stable name
    function = find_imported(module, qualname)
    if function is None:
        imported = loading.import_module(Origin(module, qualname, path), is_main=False)
        function = walk(imported, qualname)
    if not callable(function):
        raise NotResumable(
            f"{option} of step {shown['name']!r} is not found: {path or module} has no "
            f"{qualname!r} any more.",
            hint="put it back, or start the pipeline anew.",
        )
    return function  # type: ignore[no-any-return]
