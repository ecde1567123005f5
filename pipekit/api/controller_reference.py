"""What the references of a controller's pipeline stand for, once the steps that they name have
ended. Asks the store; waits for nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pipekit.api.artifact import Artifacts
from pipekit.api.component import Component
from pipekit.api.future import Future
from pipekit.api.metric import Metrics
from pipekit.api.signature import outputs_from_annotation
from pipekit.control.node import Node
from pipekit.errors import UsageError
from pipekit.model.options import DEFAULT_OUTPUT
from pipekit.model.reference import PIPELINE, Part, Reference, parse, resolved
from pipekit.model.sections import check_known

if TYPE_CHECKING:
    from pipekit.control.archive import Archive
    from pipekit.control.step import Step

_PLAIN = (bool, int, float, str, type(None))


def is_given(reference: Reference, nodes: Mapping[str, Node]) -> bool:
    """Whether a future stands for it, so that nobody need wait: what a function returns, and the
    parameters of the pipeline."""
    if reference.step == PIPELINE:
        return True
    return _is_return(reference, nodes[reference.step])


def is_all_given(value: Any, nodes: Mapping[str, Node]) -> bool:
    """Whether no step need have ended before the value can be passed on."""
    for text in _texts(value):
        parts = parse(text, nodes)
        for part in parts:
            if isinstance(part, Reference):
                # In a longer text the value itself is wanted.
                is_alone = len(parts) == 1 or part.step == PIPELINE
                if not (is_alone and is_given(part, nodes)):
                    return False
    return True


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _texts(item)]
    return []


def outputs_of(node: Node) -> tuple[str, ...]:
    """The names of what a function step returns: as they were given, else those that a component
    of the function has."""
    function: Any = node.function
    if isinstance(function, Component):
        own = function._options.outputs
        function = function.function
    else:
        own = ()
    return node.outputs or own or outputs_from_annotation(function) or (DEFAULT_OUTPUT,)


def _is_return(reference: Reference, node: Node) -> bool:
    named = reference.part in (Part.RETURN, Part.ARTIFACT) and not reference.fact
    return named and node.is_function and reference.name in outputs_of(node)


class Resolver:
    """Finds what references stand for in one run."""

    def __init__(
        self, archive: Archive, nodes: Mapping[str, Node], values: Mapping[str, Any],
        step_of: Callable[[str], Step], passed: Mapping[str, Mapping[str, Any]],
    ) -> None:  # fmt: skip
        """`values` are the pipeline's parameters, `passed` what steps were called with."""
        self._archive = archive
        self._nodes = nodes
        self._values = values
        self._step_of = step_of
        self._passed = passed

    def resolve(self, value: Any) -> Any:
        """The value with what its references stand for in their place; what steps gave may stand
        there as futures.

        Raises:
            UsageError, NotFound, ArtifactError: a reference stands for nothing.
        """
        return resolved(value, self._nodes, self._one)

    def resolve_plain(self, value: Any, *, where: str) -> Any:
        """The same with plain values alone, as parameters of a task hold them.

        Raises:
            UsageError: one is not plain; and as `resolve` does.
        """

        def one(reference: Reference) -> Any:
            found = self._one(reference, is_plain=True)
            if not _is_json(found):
                raise UsageError(
                    f"{where} cannot take {reference}: it is a {type(found).__qualname__}, and a "
                    "parameter is a number, a text, or a list or dict of such.",
                    hint=f"pass its address, ${{{reference.step}.artifacts.{reference.name}.url}}, "
                    f"or the id of the task that has it, ${{{reference.step}.id}}.",
                )
            return found

        return resolved(value, self._nodes, one)

    def _one(self, reference: Reference, *, is_plain: bool = False) -> Any:
        if reference.step == PIPELINE:
            return self._values[reference.name]
        node = self._nodes[reference.step]
        step = self._step_of(reference.step)
        if _is_return(reference, node):
            future: Any = Future(step, reference.name)
            return step.get_output(reference.name) if is_plain else future
        if reference.part is Part.FACT:
            # Of a reused step: the task that has what it would have made.
            facts = {
                "id": step.reused_from or step.task_id,
                "name": step.name,
                "status": step.status.value,
            }
            return facts[reference.name]
        if reference.part is Part.PARAMETER:
            return self._parameter(reference, step)
        if reference.part is Part.METRIC:
            logged = self._archive.store.list_metrics(step.reused_from or step.task_id)
            return Metrics(step.task_id, step.name, logged)[reference.name]
        return self._artifact(reference, step, is_plain=is_plain)

    def _parameter(self, reference: Reference, step: Step) -> Any:
        task = self._archive.store.find_task(step.task_id)
        known: Mapping[str, Any] = self._passed.get(reference.step, {})
        if task is not None and step.use.script is not None:
            known = task.spec.parameters  # as it has them itself
        key = check_known(reference.name, known, whose=f"Step {step.name!r}")
        return known[key]

    def _artifact(self, reference: Reference, step: Step, *, is_plain: bool) -> Any:
        found = Artifacts(self._archive, step.task_id, step.name, step.reused_from)
        view = found[reference.name]
        if reference.fact == "size":
            return view.size_bytes
        if reference.fact:
            return getattr(view, reference.fact)
        if not is_plain and reference.name in step.outputs:
            return Future(step, reference.name)
        return view.get()


def _is_json(value: Any) -> bool:
    if type(value) in _PLAIN:
        return True
    if type(value) in (list, tuple):
        return all(map(_is_json, value))
    return type(value) is dict and all(
        type(key) is str and _is_json(item) for key, item in value.items()
    )
