"""What is looked at before anything of a controller's pipeline starts: that its steps can follow
each other, that what they name is there. Finds the templates; changes nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipekit.api.component import Component
from pipekit.api.controller_reference import outputs_of
from pipekit.control.execute import check_runnable
from pipekit.control.node import Node, parents_of
from pipekit.control.script import defaults_of
from pipekit.errors import (
    PipekitError,
    TaskNotFound,
    UsageError,
    listed,
    nearest,
    short,
)
from pipekit.model.records import Kind, Task
from pipekit.model.reference import PIPELINE, Part, Reference, references_in
from pipekit.model.sections import added, check_known, fitted, group_of, qualified, spread
from pipekit.model.status import Status

if TYPE_CHECKING:
    from pipekit.control.archive import Archive

_MOST_CANDIDATES = 200
_FACTS = "an id, parameters, artifacts, metrics"


def check_graph(nodes: Mapping[str, Node], parameters: Sequence[str]) -> dict[str, Node]:
    """The nodes in an order in which each comes after all that it waits for, which they know then.

    Raises:
        UsageError: a step waits for one that is not there, or in the end for itself; a reference
            names what cannot be there; a function does not take what it is to be given.
    """
    if not nodes:
        raise UsageError(
            "The pipeline has no steps.", hint="add some with add_step or add_function_step."
        )
    names = list(nodes)
    for node in nodes.values():
        for parent in node.parents:
            if parent not in nodes:
                raise UsageError(
                    f"Step {node.name!r} waits for {parent!r}, which is not there. There are: "
                    f"{listed(names)}.",
                    hint=nearest(parent, names),
                )
        node.parents = _naming(node, lambda node=node: parents_of(node, names))  # type: ignore[misc]
        for reference in references_in(node.parameters, names):
            _check_reference(node, reference, nodes, parameters)
        if node.function is not None:
            _check_arguments(node)
    return _ordered(nodes)


def _naming(node: Node, find: Callable[[], Any]) -> Any:
    """What `find` gives; an error also says whose reference it is."""
    try:
        return find()
    except UsageError as error:
        raise UsageError(f"Step {node.name!r}: {error.message}", hint=error.hint) from None


def _check_reference(
    node: Node, reference: Reference, nodes: Mapping[str, Node], parameters: Sequence[str]
) -> None:
    who = f"Step {node.name!r} takes {reference}"
    if reference.step == PIPELINE:
        if reference.name not in parameters:
            known = f"It has: {listed(list(parameters))}." if parameters else "It has none."
            raise UsageError(
                f"{who}, but the pipeline has no parameter {reference.name!r}. {known}",
                hint=nearest(reference.name, list(parameters))
                or f"pipe.add_parameter({reference.name!r}, default=…)",
            )
        return
    other = nodes[reference.step]
    if reference.part is not Part.RETURN:
        if reference.part is Part.PARAMETER and other.is_function:
            given = list(other.parameters)
            if reference.name not in given:
                raise UsageError(
                    f"{who}, but {reference.step!r} is given no argument {reference.name!r}. It is "
                    f"given: {listed(given) or 'none'}.",
                    hint=nearest(reference.name, given),
                )
        return
    if not other.is_function:
        raise UsageError(
            f"{who}, but {reference.step!r} is a task: it has {_FACTS}.",
            hint=f"write ${{{reference.step}.artifacts.{reference.name}}} for an artifact's value, "
            f"${{{reference.step}.artifacts.{reference.name}.url}} for its address.",
        )
    outputs = outputs_of(other)
    if reference.name not in outputs:
        raise UsageError(
            f"{who}, but {reference.step!r} returns no {reference.name!r}. It returns: "
            f"{listed(list(outputs))}.",
            hint=nearest(reference.name, list(outputs))
            or f"name what it returns: function_return=[{reference.name!r}].",
        )


def _check_arguments(node: Node) -> None:
    function = node.function.function if isinstance(node.function, Component) else node.function
    try:
        signature = inspect.signature(function)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return  # some functions of C have none
    try:
        signature.bind(**node.parameters)
    except TypeError as error:
        name = getattr(function, "__name__", node.name)
        raise UsageError(
            f"Step {node.name!r} cannot call {name}(): {error}.",
            hint=f"it takes: {', '.join(signature.parameters) or 'nothing'}.",
        ) from None


def _ordered(nodes: Mapping[str, Node]) -> dict[str, Node]:
    ordered: dict[str, Node] = {}
    open_: dict[str, None] = {}
    for name in nodes:
        trail = [(name, iter(nodes[name].parents))]
        open_[name] = None
        while trail and name not in ordered:
            at, parents = trail[-1]
            parent = next((one for one in parents if one not in ordered), None)
            if parent is None:
                trail.pop()
                ordered[at] = nodes[at]
                open_.pop(at, None)
            elif parent in open_:
                path = [one for one, _ in trail]
                raise _is_cycle([*path[path.index(parent) :], parent])
            else:
                open_[parent] = None
                trail.append((parent, iter(nodes[parent].parents)))
        open_.pop(name, None)
    # As they were declared, as far as they can.
    return ordered


def _is_cycle(path: list[str]) -> UsageError:
    return UsageError(
        f"The steps wait for each other in a circle: {' <- '.join(path)}.",
        hint="take one of these parents, or one of these references, away.",
    )


# templates


def find_templates(archive: Archive, nodes: Mapping[str, Node], say: Callable[[str], None]) -> None:
    """Find the task that each node clones; `say` takes what people should know of the choice.

    Raises:
        TaskNotFound: there is none.
        UsageError, NotRunnable: it cannot be cloned so.
    """
    for node in nodes.values():
        if node.is_function:
            continue
        node.template = _naming_error(node, lambda node=node: _find(archive, node, say))  # type: ignore[misc]
        _check_overrides(node, node.template, nodes, say)
    for node in nodes.values():
        for reference in references_in(node.parameters, list(nodes)):
            other = nodes.get(reference.step)
            if other is not None and other.template is not None:
                _check_parameter(node, reference, other)


def _naming_error(node: Node, find: Callable[[], Task]) -> Task:
    try:
        return find()
    except PipekitError as error:
        raise type(error)(f"Step {node.name!r}: {error.message}", hint=error.hint) from None


def _find(archive: Archive, node: Node, say: Callable[[str], None]) -> Task:
    if node.base_task_id:
        found = archive.get_task(node.base_task_id)
        if found.kind is not Kind.SCRIPT:
            raise UsageError(
                f"{found.name!r} ({short(found.id)}) is a {found.kind.value}; a template is the "
                "task of a script.",
                hint="list them: pipekit ls",
            )
    else:
        found = _newest(archive, node, say)
    check_runnable(found)
    return found


def _newest(archive: Archive, node: Node, say: Callable[[str], None]) -> Task:
    listed_tasks = archive.store.list_tasks(
        kinds=(Kind.SCRIPT,),
        name=node.base_task_name or None,
        project=node.base_task_project or None,
        limit=_MOST_CANDIDATES,
    )
    # A step of another pipeline is a clone itself.
    own = [task for task in listed_tasks if task.parent is None]
    good = [task for task in own if task.status is not Status.FAILED]
    if not own:
        raise _no_template(archive, node)
    found = (good or own)[0]
    if not good:
        say(
            f"Step {node.name!r}: its template {found.name!r} ({short(found.id)}) has failed, as "
            f"all {len(own)} of that name have; its code is taken all the same."
        )
    elif len(own) > 1:
        at = datetime.fromtimestamp(found.created_at).strftime("%Y-%m-%d %H:%M:%S")
        say(
            f"Step {node.name!r}: of {len(own)} tasks named {found.name!r} in project "
            f"{found.project!r} the newest is taken{_that_has_not_failed(found, own)}: "
            f"{short(found.id)} of {at}."
        )
    return found


def _that_has_not_failed(found: Task, own: list[Task]) -> str:
    return " that has not failed" if own[0] is not found else ""


def _no_template(archive: Archive, node: Node) -> TaskNotFound:
    project, name = node.base_task_project, node.base_task_name
    wanted = " and ".join(
        text
        for text in (f"the project {project!r}" * bool(project), f"the name {name!r}" * bool(name))
        if text
    )
    scripts = archive.store.list_tasks(kinds=(Kind.SCRIPT,), limit=_MOST_CANDIDATES)
    known = sorted({f"{task.project}/{task.name}" for task in scripts if task.parent is None})
    has = f"There are: {listed(known)}." if known else "There are none."
    near = nearest(f"{project}/{name}", known)
    return TaskNotFound(
        f"no task of a script has {wanted}. {has}",
        hint=near
        or "run the script once, or make a template of it: pipekit task create --script PATH",
    )


def _check_overrides(
    node: Node, template: Task, nodes: Mapping[str, Node], say: Callable[[str], None]
) -> None:
    known, defaults = template.spec.parameters, defaults_of(template.spec)
    plain = {
        key: value
        for key, value in node.parameters.items()
        if not (isinstance(value, str) and references_in(value, list(nodes)))
    }
    # What a reference stands for may be a dict too: that is seen when it is there.
    later = {key: value for key, value in node.parameters.items() if key not in plain}
    parts = _naming(node, lambda: spread(plain, known))
    unknown = {**parts, **{key: None for key in later if not group_of(key, known)}}
    for key in added(known, unknown):
        near = nearest(key, list(known))
        say(
            f"Step {node.name!r}: its template {template.name!r} ({short(template.id)}) has no "
            f"parameter {key!r}; it is added.{f' {near}' if near else ''}"
        )
    for key, value in parts.items():
        if not references_in(value, list(nodes)):
            whole = qualified(key, known)
            _naming(node, lambda w=whole, v=value: fitted(w, v, defaults.get(w)))  # type: ignore[misc]


def _check_parameter(node: Node, reference: Reference, other: Node) -> None:
    if reference.part is not Part.PARAMETER or other.template is None:
        return
    known = {*other.template.spec.parameters, *added({}, other.parameters)}
    if reference.name in known or any(one.endswith(f"/{reference.name}") for one in known):
        return
    _naming(node, lambda: check_known(reference.name, known, whose=f"Step {reference.step!r}"))
