"""One run of a controller's pipeline: calls its steps as they can be, in the run's context. What a
step waits for, whether it is reused, tried again or skipped is the planner's matter, as in every
run.

A step is called at once where futures stand for all that it takes. Where it wants more of another
(an id, an address, a text made with either) or has a `pre_execute_callback`, it is called when all
that it waits for has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from pipekit.api.call import add_step
from pipekit.api.component import Component
from pipekit.api.controller_reference import Resolver, is_all_given
from pipekit.api.future import Future, find_futures, source_of
from pipekit.api.mirror import Mirror
from pipekit.clock import LOOK_UP_SECONDS
from pipekit.control.callbacks import SHOWN_AS, Callback, agrees, wait_for
from pipekit.control.node import Node
from pipekit.control.run import Run
from pipekit.control.script import ADDED, defaults_of
from pipekit.control.step import Argument, Mark, Step
from pipekit.control.use import ScriptShape, Use
from pipekit.errors import CallbackFailed, PipekitError
from pipekit.model.options import ComponentOptions, check_callback
from pipekit.model.sections import added, fitted, merged, qualified, spread
from pipekit.model.status import Status

if TYPE_CHECKING:
    from pipekit.api.controller import PipelineController
    from pipekit.model.records import Task
    from pipekit.model.value import StoredValue

_MIRROR_SECONDS = 2.0


class ControllerRun:
    """One run, in the thread of its pipeline function."""

    def __init__(
        self, controller: PipelineController, nodes: Mapping[str, Node], run: Run,
        values: Mapping[str, Any], *, is_here: bool, stops_on_failure: bool,
    ) -> None:  # fmt: skip
        """`values` are the pipeline's parameters; `is_here`: tasks run on this machine, whatever
        their queues."""
        self._controller = controller
        self._nodes = nodes
        self._run = run
        self._is_here = is_here
        self._stops_on_failure = stops_on_failure
        self._steps: dict[str, Step] = {}
        self._passed: dict[str, Mapping[str, Any]] = {}
        self._ended: SimpleQueue[Node] = SimpleQueue()
        self._mirror = Mirror(run)
        self._resolver = Resolver(
            run.session.archive, nodes, values, self._steps.__getitem__, self._passed
        )
        self._late = {
            name
            for name, node in nodes.items()
            if node.pre_execute_callback is not None or not is_all_given(node.parameters, nodes)
        }
        """Steps that are called when all that they wait for has ended."""
        run.is_declared = True

    def go(self) -> None:
        """Run all of it to its end.

        Raises:
            StepFailed: a step failed, and that is to stop the others.
            Stopped: the run is to stop.
        """
        left = dict(self._nodes)
        open_ = self._call_some(left)
        while open_:
            node = self._next()
            if node is None:
                self._mirror_running()
                continue
            open_ -= 1
            self._see_end(node)
            open_ += self._call_some(left)

    # calling

    def _call_some(self, left: dict[str, Node]) -> int:
        """Call what can be called; how many steps that were. Parents stand before their children in
        the order that they are gone through."""
        called = 0
        for name, node in list(left.items()):
            if self._can_call(node):
                del left[name]
                self._call(node)
                called += 1
        return called

    def _can_call(self, node: Node) -> bool:
        parents = [self._steps.get(name) for name in node.parents]
        known = [step for step in parents if step is not None]
        if len(known) < len(parents):
            return False
        if any(step.ended and step.status is not Status.COMPLETED for step in known):
            return True  # only to be skipped
        if node.name not in self._late:
            return True
        return all(step.ended for step in known)

    def _call(self, node: Node) -> None:
        self._run.marks[node.name] = Mark(node.task_type, node.tags)
        before = [self._steps[name] for name in node.parents]
        options = self._options(node)
        failed = any(step.ended and step.status is not Status.COMPLETED for step in before)
        try:
            if failed:
                step = self._add(node, self._refused(node, options, "what it needs failed"), before)
            else:
                step = self._call_resolved(node, options, before)
        except PipekitError as error:
            step = self._add(node, self._refused(node, options, str(error)), before)
        self._steps[node.name] = step
        node.executed = step.task_id
        if not step.run.on_end(step, _Bell(node, self._ended)):
            self._ended.put(node)

    def _call_resolved(self, node: Node, options: ComponentOptions, before: list[Step]) -> Step:
        if node.function is None:
            where = f"Step {node.name!r}"
            resolved = self._resolver.resolve_plain(node.parameters, where=where)
        else:
            resolved = self._resolver.resolve(node.parameters)
        node.parameters = resolved
        if node.pre_execute_callback is not None:
            options = self._asked(node, options, resolved)
        self._passed[node.name] = resolved
        if node.function is None:
            return self._add_script(node, options, resolved, before)
        function = node.function
        if isinstance(function, Component):
            function = function.function
        component: Any = Component(function, options)
        after: list[Any] = [Future(step, "") for step in before]
        called = component.options(after=after)(**resolved)
        step = source_of(find_futures(called)[0])
        assert isinstance(step, Step)
        return step

    def _asked(
        self, node: Node, options: ComponentOptions, resolved: dict[str, Any]
    ) -> ComponentOptions:
        """Ask its `pre_execute_callback`, which may change the parameters: the options of a step
        that is skipped where it says so, and fails where it raised."""
        function: Any = node.pre_execute_callback
        callback = Callback("pre_execute_callback", function, f"step {node.name!r}")
        say: Callable[[Any], bool]
        try:
            agreed = wait_for(
                self._run.callbacks, callback, lambda: (self._controller, node, resolved), agrees
            )
        except CallbackFailed as error:
            say = _raiser(error)
        else:
            if agreed:
                return options
            say = lambda task: False  # noqa: E731
        setattr(say, SHOWN_AS, callback.name)
        return replace(options, before=say, cache=False)  # it asks before it looks

    def _add_script(
        self, node: Node, options: ComponentOptions, resolved: Mapping[str, Any],
        before: list[Step],
    ) -> Step:  # fmt: skip
        template = node.template
        assert template is not None  # checked before the run began
        known, defaults = template.spec.parameters, defaults_of(template.spec)
        fitting = {}
        for key, value in spread(resolved, known).items():
            whole = qualified(key, known)
            fitting[key] = _as_json(fitted(whole, value, defaults.get(whole)))
        parameters = merged(known, fitting)
        settings = {**template.spec.settings, **options.settings()}
        if keys := added(known, fitting):
            settings[ADDED] = sorted({*settings.get(ADDED, ()), *keys})
        spec = replace(template.spec, parameters=parameters, settings=settings)
        shape = ScriptShape(spec, template.id, self._queue(node), self._given(template))
        hasher = self._run.session.archive.hasher
        arguments = tuple(
            Argument(name, hasher.digest(value), value) for name, value in parameters.items()
        )
        if not node.task_type:
            self._run.marks[node.name] = Mark(template.type, node.tags)
        return self._add(node, Use.of_script(shape, options), before, arguments)

    def _given(self, template: Task) -> tuple[tuple[str, StoredValue], ...]:
        """What was given to the template, not made by it."""
        if template.reused_from is not None:
            return ()
        found = self._run.session.archive.store.list_artifacts(template.id)
        return tuple((one.name, one.value) for one in found if one.attempt == 0)

    def _queue(self, node: Node) -> str:
        return "" if self._is_here else node.queue or self._controller.default_queue

    def _refused(self, node: Node, options: ComponentOptions, why: str) -> Use:
        if node.function is None:
            assert node.template is not None
            shape = ScriptShape(node.template.spec, node.template.id, "")
            return Use.of_script(shape, replace(options, cache=False), refusal=why)
        entry = getattr(node.function, "__qualname__", node.name)
        return Use.of_refused(options, entry=entry, refusal=why)

    def _add(
        self, node: Node, use: Use, before: list[Step], arguments: tuple[Argument, ...] = ()
    ) -> Step:
        if self._run.stopping is not None:
            raise self._run.stopping
        needs = {step.number for step in before}
        return add_step(self._run, use, arguments, (), b"", needs, tuple(before), "")

    def _options(self, node: Node) -> ComponentOptions:
        options = options_of(node)
        if node.post_execute_callback is not None:
            options = replace(options, after=self._after(node, node.post_execute_callback))
        if node.status_change_callback is not None:
            options = replace(options, on_status=self._on_status(node, node.status_change_callback))
        return options

    def _after(self, node: Node, function: Callable[..., Any]) -> Callable[[Any], object]:
        def after(task: Any) -> None:
            node.status, node.executed = task.status, task.id
            function(self._controller, node)

        setattr(after, SHOWN_AS, Callback("post_execute_callback", function, "").name)
        return after

    def _on_status(self, node: Node, function: Callable[..., Any]) -> Callable[..., object]:
        def on_status(task: Any, old: Status, new: Status) -> None:
            node.status, node.executed = new, task.id
            function(self._controller, node, old)

        setattr(on_status, SHOWN_AS, Callback("status_change_callback", function, "").name)
        return on_status

    # ends

    def _next(self) -> Node | None:
        """The next step that has ended; None where a while has passed without."""
        waited = 0.0
        while True:
            try:
                node = self._ended.get(timeout=LOOK_UP_SECONDS)
            except Empty:
                node = None
            if self._run.fatal is not None:
                raise self._run.fatal
            if self._run.stopping is not None:
                raise self._run.stopping
            waited += LOOK_UP_SECONDS
            if node is not None or waited >= _MIRROR_SECONDS:
                return node

    def _mirror_running(self) -> None:
        for name, step in self._steps.items():
            if not step.ended and step.status is Status.RUNNING:
                self._mirror.look(self._nodes[name], step)

    def _see_end(self, node: Node) -> None:
        step = self._steps[node.name]
        node.status = step.status
        self._mirror.look(node, step)
        if step.status in (Status.FAILED, Status.STOPPED):
            if node.continue_on_fail:
                self._run.tell_failure(step)
            elif self._stops_on_failure:
                step.check()


class _Bell:
    """Says which step has ended."""

    def __init__(self, node: Node, ended: SimpleQueue[Node]) -> None:
        self._node = node
        self._ended = ended

    def one_ended(self) -> None:
        self._ended.put(self._node)

    give_up = one_ended


def options_of(node: Node) -> ComponentOptions:
    """How the step of a node is named, stored, reused and retried.

    Raises:
        UsageError: an option cannot be right.
    """
    base = node.function._options if isinstance(node.function, Component) else None
    given: dict[str, Any] = {"name": node.name}
    if node.outputs:
        given["outputs"] = node.outputs
    if node.cache is not None or base is None:
        given["cache"] = bool(node.cache)
    if node.retries is not None:
        given["retries"] = node.retries
    if node.retry_delay is not None:
        given["retry_delay"] = node.retry_delay
    if node.time_limit is not None:
        given["timeout"] = node.time_limit
    options = (base or ComponentOptions()).replaced(f"Step {node.name!r}", given)
    for name in ("pre_execute_callback", "post_execute_callback", "status_change_callback"):
        check_callback(name, getattr(node, name))
    return options


def _raiser(error: CallbackFailed) -> Callable[[Any], bool]:
    def say(task: Any) -> bool:
        raise error.__cause__ or error

    return say


def _as_json(value: Any) -> Any:
    """Plain values as JSON has them."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_as_json(item) for item in value]
    return value
