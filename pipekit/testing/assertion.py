"""`assert_reused` and `assert_ran`: what a run took from the cache and what it computed."""

from __future__ import annotations

from collections.abc import Iterator

from pipekit.api.component import Component
from pipekit.api.pipeline import Pipeline
from pipekit.api.task import Task
from pipekit.control.earlier import explain, list_earlier_runs
from pipekit.control.run_text import run_text
from pipekit.errors import NotFound, UsageError, listed, nearest, short
from pipekit.model.reason import NO_EARLIER
from pipekit.ports import Store
from pipekit.testing.called_step import CalledStep, archive_of, list_called

Name = str | Component[..., object] | Pipeline[..., object]

_MOST_SHOWN = 40


def assert_reused(run_or_step: Task, *names: Name) -> None:
    """Fail unless steps were taken from the cache.

    Equal calls in one run are computed once; the others count as reused. A pipeline that was called
    in a pipeline counts by its own steps, called `child/fit`.

    Args:
        run_or_step: What `.run()` returned, `pipekit_home.last_run`, or one step of it.
        *names: Of the steps that are meant: `"fit-2"` is that very one, `"fit"`, or the component
            itself, is every step of the component. None: all steps.

    Raises:
        AssertionError: one was not reused. The message lists the steps, what became of each, and
            what differs from the run before, as far as that is recorded.
        NotFound: the run has no such step.
        UsageError: the first argument is no task.

    Example:
        ```python
        def test_other_epochs_leave_the_data_cached(pipekit_home):
            train.run(epochs=1)
            assert_reused(train.run(epochs=2), "load", "split")
        ```
    """
    __tracebackhide__ = True
    _check(run_or_step, names, wants_reused=True)


def assert_ran(run_or_step: Task, *names: Name) -> None:
    """Fail unless steps were computed, well or not: neither reused nor skipped.

    Args:
        run_or_step: As for `assert_reused`.
        *names: As for `assert_reused`.

    Raises:
        AssertionError: one did not run. The message lists the steps and what became of each.
        NotFound: the run has no such step.
        UsageError: the first argument is no task.

    Example:
        ```python
        def test_other_epochs_fit_again(pipekit_home):
            train.run(epochs=1)
            assert_ran(train.run(epochs=2), "fit")
        ```
    """
    __tracebackhide__ = True
    _check(run_or_step, names, wants_reused=False)


def _check(task: Task, names: tuple[Name, ...], *, wants_reused: bool) -> None:
    __tracebackhide__ = True
    if not isinstance(task, Task):
        raise UsageError(
            f"A run or a step is to be given, not a {type(task).__qualname__}.",
            hint="a run is what 'pipeline.run(…)' returns; a step of it is run['name'].",
        )
    steps = list_called(task)
    if not steps:
        raise AssertionError(f"{_spoken(task)} has no steps.{_why(task)}")
    meant = _select(task, steps, names)
    wrong = [step for step in meant if not (step.reused if wants_reused else step.ran)]
    if wrong:
        what = "were not reused" if wants_reused else "did not run"
        first = f"{len(wrong)} of {len(meant)} steps {what} in {_spoken(task)}:"
        raise AssertionError(
            "\n".join([first, *_list(task, steps, wrong, is_to_explain=wants_reused)])
        )


def _select(task: Task, steps: list[CalledStep], names: tuple[Name, ...]) -> list[CalledStep]:
    __tracebackhide__ = True
    if not names:
        return steps
    meant: dict[CalledStep, None] = {}
    for name in names:
        text = name.name if isinstance(name, Component | Pipeline) else name
        found = [step for step in steps if text in step.names]
        if not found:
            known = [step.path for step in steps]
            raise NotFound(
                f"{_spoken(task)} has no step {text!r}. It has: {listed(known)}.{_why(task)}",
                hint=nearest(str(text), known),
            )
        meant |= dict.fromkeys(found)
    return list(meant)


def _spoken(task: Task) -> str:
    return f"{task.name!r} ({short(task.id)})"


def _why(task: Task) -> str:
    return f" It is {task.status.value}: {task.error}" if task.error else ""


def _list(
    task: Task, steps: list[CalledStep], wrong: list[CalledStep], *, is_to_explain: bool
) -> Iterator[str]:
    """A line for each step, the wrong ones marked; why these were not reused below them."""
    shown = wrong[:_MOST_SHOWN] if len(steps) > _MOST_SHOWN else steps
    width = max(len(step.path) for step in shown)
    store = archive_of(task).store
    run = archive_of(task).root_of(task.record)
    is_first = not list_earlier_runs(store, run)
    for step in shown:
        mark = ">" if step in wrong else " "
        yield f"{mark} {step.path:<{width}}  {step.task.status.value:<9}  {step.describe()}"
        if is_to_explain and step in wrong and step.ran:
            for line in _explained(store, step, is_first=is_first):
                yield f"  {'':<{width}}  {line}"
    if len(shown) < len(steps):
        yield f"  and {len(steps) - len(shown)} other steps"
    if is_to_explain and is_first:
        yield f"This home has no earlier run of {run.name!r}."


def _explained(store: Store, step: CalledStep, *, is_first: bool) -> tuple[str, ...]:
    """Why a step ran; nothing where that is so because no run was before its own."""
    found, earlier = explain(store, step.task.record)
    if earlier is None:
        return () if found is NO_EARLIER and is_first else found.lines
    first, *rest = found.lines
    where = f"{earlier.step.name} of {run_text(earlier.run)}"
    return (f"compared with {where}: {first}", *rest)
