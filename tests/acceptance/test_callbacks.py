"""Callbacks of steps and runs: when they are called, in which thread, and what their errors do."""

from __future__ import annotations

import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import watched
from workspace import PIPEKIT, Workspace

from pipekit import StepFailed, StepSkipped, Task, component, pipeline
from pipekit.errors import CallbackFailed, UsageError

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(autouse=True)
def _no_calls_yet() -> None:
    watched.calls.clear()
    watched.threads.clear()
    watched.released.clear()


@pytest.fixture(params=["inline", "process:2"])
def executor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(flow: pipeline, executor: str, *args: object) -> Task:  # type: ignore[valid-type]
    task = flow.options(executor=executor).run(*args)  # type: ignore[attr-defined]
    assert isinstance(task, Task)
    return task


def test_before_status_and_after_come_in_the_order_of_what_happened(executor: str) -> None:
    assert run(watched.doubled, executor).value == 8
    assert watched.calls == [
        ("before", "double", {"x": "${increment.artifacts.value}"}, "pending"),
        ("double", "pending", "running"),
        ("double", "running", "completed"),
        ("after", "double", "completed"),
    ]


def test_callbacks_are_called_in_one_thread_of_the_controller(executor: str) -> None:
    run(watched.doubled, executor)
    assert len(watched.threads) == 1
    assert threading.get_ident() not in watched.threads


def test_a_reused_step_is_not_asked_before_and_told_of_its_end(executor: str) -> None:
    run(watched.doubled, executor)
    watched.calls.clear()
    run(watched.doubled, executor)
    assert watched.calls == [("double", "pending", "completed"), ("after", "double", "completed")]


def test_after_is_called_whatever_the_end_is(executor: str) -> None:
    assert run(watched.watched_failure, executor).value == "handled"
    assert watched.calls[-2:] == [("fail", "running", "failed"), ("after", "fail", "failed")]


def test_before_is_asked_once_and_each_attempt_is_told(executor: str, tmp_path: Path) -> None:
    step = watched.fail_until.options(
        retries=3, before=watched.note_before, on_status=watched.note_status
    )
    flow = pipeline(lambda: step(str(tmp_path / "journal"), 2))
    assert run(flow, executor).value == "done"
    changes = [call[1:] for call in watched.calls if call[0] == "fail_until"]
    assert changes == [
        ("pending", "running"),
        ("running", "pending"),
        ("pending", "running"),
        ("running", "completed"),
    ]
    assert sum(call[0] == "before" for call in watched.calls) == 1


def test_false_from_before_skips_the_step_and_its_dependants(executor: str) -> None:
    task = run(watched.declined, executor)
    assert task.status == "completed"
    reason = "'increment' was skipped: its before=refuse returned False"
    assert task.value == [
        "skipped",
        "skipped",
        "11",
        f"Step {reason}.",
        f"Step 'increment-2' was skipped: {reason} (increment-2 <- increment).",
    ]
    assert task["increment"].attempts == []
    assert task["increment"].error == f"Step {reason}."


def test_an_equal_step_is_computed_where_the_first_was_declined(executor: str) -> None:
    flow = pipeline(
        lambda: [watched.increment.options(before=watched.refuse)(1), watched.increment(1)][1]
    )
    task = run(flow, executor)
    assert task.value == 2
    assert [str(step.status) for step in task.steps] == ["skipped", "completed"]


@pytest.mark.parametrize("option", ["before", "after", "on_status"])
def test_an_error_in_a_callback_fails_the_run_and_names_callback_step_and_line(
    executor: str, option: str
) -> None:
    with pytest.raises(CallbackFailed) as caught:
        watched.broken.options(executor=executor)(option)
    text = str(caught.value)
    assert text.startswith(f"Callback {option}=fail_in_callback of step 'increment' (")
    assert "LookupError: no mail for increment" in text
    assert "watched.py:" in text
    assert "in fail_in_callback" in text
    assert isinstance(caught.value.__cause__, LookupError)
    task = watched.broken.options(executor=executor).run(option)
    assert task.status == "failed"
    assert task.failure is not None
    assert task.failure.kind == "callback"
    assert "fail_in_callback" in task.failure.traceback


def test_a_callback_that_pipekit_refuses_something_is_told_its_own_line(executor: str) -> None:
    with pytest.raises(CallbackFailed, match="has no value") as caught:
        watched.early.options(executor=executor)()
    assert str(caught.value).endswith(", in read_value).")


def test_a_step_whose_before_raised_has_failed_without_an_attempt(executor: str) -> None:
    task = run(watched.broken, executor, "before")
    assert task["increment"].status == "failed"
    assert task["increment"].attempts == []


def test_a_callback_that_fails_stops_the_rest() -> None:
    task = watched.broken.options(executor="process:2").run("before", 30.0)
    assert task["rest"].status == "stopped"


def test_with_continue_the_rest_goes_on_after_a_callback_failed() -> None:
    task = watched.broken.options(executor="process:2", on_failure="continue").run("after", 0.3)
    assert task.status == "failed"
    assert [str(step.status) for step in task.steps] == ["completed"] * 3


def test_an_answer_that_is_no_answer_is_an_error(executor: str) -> None:
    with pytest.raises(CallbackFailed, match="it returned 0, wanted True, False or None"):
        watched.undecided.options(executor=executor)()


def test_a_callback_that_blocks_holds_up_its_step_alone() -> None:
    assert watched.blocked.options(executor="process:2")() == 8
    assert watched.calls == ["blocked", "other is done"]


def test_a_callback_may_run_a_pipeline_and_calls_components_plainly(executor: str) -> None:
    assert run(watched.runs_in_callback, executor).value == 8
    assert watched.calls[-1] == (21, 8)
    assert ("after", "watched", "completed") in watched.calls


# --- of a pipeline ----------------------------------------------------------------------------


def test_those_of_a_pipeline_are_told_of_the_run_itself(executor: str) -> None:
    assert run(watched.watched, executor).value == 2
    assert watched.calls == [
        ("before", "watched", {"x": 1}, "running"),
        ("watched", "pending", "running"),
        "function",
        ("watched", "running", "completed"),
        ("after", "watched", "completed"),
    ]


def test_a_pipeline_in_a_pipeline_is_watched_as_the_step_that_it_is(executor: str) -> None:
    assert run(watched.parent, executor).value == 7
    watched.calls.remove("function")  # nobody waits for what on_status does
    assert watched.calls == [
        ("before", "watched", {"x": 5}, "pending"),
        ("watched", "pending", "running"),
        ("watched", "running", "completed"),
        ("after", "watched", "completed"),
    ]


def test_false_from_before_skips_a_run(executor: str) -> None:
    flow = watched.watched.options(executor=executor, before=watched.refuse)
    with pytest.raises(StepSkipped, match=r"'watched' .* was skipped: its before=refuse"):
        flow()
    task = flow.run()
    assert task.status == "skipped"
    assert task.steps == []
    assert "function" not in watched.calls
    assert watched.calls[-1] == ("after", "watched", "skipped")


def test_a_before_of_a_pipeline_that_raises_fails_the_run(executor: str) -> None:
    flow = watched.watched.options(executor=executor, before=watched.fail_in_callback)
    with pytest.raises(CallbackFailed, match="before=fail_in_callback of run 'watched'"):
        flow()
    assert flow.run().status == "failed"
    assert "function" not in watched.calls


def test_an_after_of_a_pipeline_that_raises_is_said_and_leaves_the_record(executor: str) -> None:
    flow = watched.watched.options(executor=executor, after=watched.fail_in_callback)
    with pytest.raises(CallbackFailed, match="after=fail_in_callback of run 'watched'"):
        flow.run()
    assert Task.get_task(task_name="watched").status == "completed"


# --- given wrongly ----------------------------------------------------------------------------


async def waits(task: Task) -> None:
    """Nobody would wait for it."""


@pytest.mark.parametrize("option", ["before", "after", "on_status"])
@pytest.mark.parametrize("given", ["notify", 3, waits])
def test_what_is_no_plain_function_is_refused(option: str, given: object) -> None:
    options = {option: given}
    with pytest.raises(UsageError, match=f"{option}="):
        component(**options)(len)  # type: ignore[call-overload]
    with pytest.raises(UsageError, match=f"{option}="):
        pipeline(**options)(len)  # type: ignore[call-overload]


def test_callbacks_do_not_count_into_the_key(executor: str) -> None:
    plain = pipeline(lambda: watched.increment(100))
    watching = pipeline(lambda: watched.increment.options(after=watched.note_after)(100))
    run(plain, executor)
    assert run(watching, executor).steps[0].reused


# --- policies ---------------------------------------------------------------------------------


def test_a_policy_is_asked_with_the_error_and_the_attempt(executor: str, tmp_path: Path) -> None:
    watched.asked.clear()
    task = run(watched.retried, executor, str(tmp_path / "journal"), "note_policy")
    assert task.value == "done"
    assert watched.asked == [
        ("ConnectionError", "attempt 1", 1),
        ("ConnectionError", "attempt 2", 2),
    ]
    assert threading.get_ident() not in watched.threads


def test_a_policy_is_not_asked_where_no_retry_is_left(executor: str, tmp_path: Path) -> None:
    watched.asked.clear()
    task = run(watched.retried, executor, str(tmp_path / "journal"), "note_policy", 1)
    assert task.status == "failed"
    assert len(watched.asked) == 1


def test_a_policy_that_says_no_ends_the_step(executor: str, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="in attempt 2 of 4 with ConnectionError: attempt 2"):
        watched.retried.options(executor=executor)(str(tmp_path / "journal"), "give_up_at_two")


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("fail_as_policy", r"retry_on=fail_as_policy of step .* failed: KeyError: 'limit' \("),
        ("return_none", "retry_on=return_none of .* it returned None, wanted True, False or sec"),
    ],
)
def test_an_error_in_a_policy_fails_the_step_and_says_both(
    executor: str, tmp_path: Path, policy: str, said: str
) -> None:
    with pytest.raises(StepFailed, match=f"ConnectionError: attempt 1.*{said}") as caught:
        watched.retried.options(executor=executor)(str(tmp_path / "journal"), policy)
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_the_command_says_what_a_callback_did_wrong(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    space.write("flow.py", FLOW)
    said = space.pipekit("run", "flow.py:flow")
    assert said.code == 1
    assert "Error: Callback after=mail of step 'load' (" in said.err
    assert 'flow.py", line 4, in mail' in said.err
    skipped = space.pipekit("run", "flow.py:idle", "--json")
    assert skipped.code == 0
    assert skipped.json["status"] == "skipped"
    assert "its before=never returned False" in skipped.err


FLOW = """\
    from pipekit import component, pipeline

    def mail(task):
        raise OSError("no network")

    def never(task):
        return False

    @component(after=mail)
    def load():
        return 1

    @pipeline
    def flow():
        return load()

    @pipeline(before=never)
    def idle():
        return load()
"""


BLOCKED = """\
    import time
    from pipekit import component, pipeline

    def wait(*what):
        print("asked", flush=True)
        time.sleep(600)

    @component(before=wait)
    def held():
        return 1

    @component(retries=1, retry_on=wait, cache=False)
    def failing():
        raise ValueError("no")

    @component(after=wait)
    def told():
        return 3

    @pipeline
    def before():
        return held()

    @pipeline
    def policy():
        return failing()

    @pipeline
    def after():
        return told()
"""


@pytest.mark.parametrize(
    ("name", "presses", "status"),
    [("before", 1, "stopped"), ("policy", 1, "stopped"), ("after", 2, "completed")],
)
def test_ctrl_c_ends_a_run_whose_callback_does_not_return(
    tmp_path: Path, name: str, presses: int, status: str
) -> None:
    space = Workspace(tmp_path)
    space.write("flow.py", BLOCKED)
    started = space.start(PIPEKIT, "run", f"flow.py:{name}")
    started.wait_for("asked")
    for _ in range(presses):  # two at once would be one
        started.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            started.process.wait(3)
    assert started.end().code == 130
    run = space.pipekit("show", "--json").json
    assert run["status"] == "stopped"
    assert [step["status"] for step in run["steps"]] == [status]


RESUMED = """\
    from pathlib import Path
    from pipekit import component, pipeline

    def note(task):
        with open("journal", "a") as file:
            file.write(f"{task.name} {task.status}\\n")

    @component(cache=False, after=note)
    def load():
        return 1

    @component(cache=False, after=note)
    def fit(x):
        if not Path("ready").exists():
            raise ValueError("not ready")
        return x

    @pipeline
    def flow():
        return fit(load())
"""


def test_a_step_that_a_resumed_run_keeps_is_not_told_of_again(tmp_path: Path) -> None:
    space = Workspace(tmp_path)
    space.write("flow.py", RESUMED)
    assert space.pipekit("run", "flow.py:flow").code == 1
    (tmp_path / "ready").touch()
    run = space.pipekit("show", "--json").json["id"]
    assert space.pipekit("resume", run).code == 0
    told = (tmp_path / "journal").read_text().splitlines()
    assert told == ["load completed", "fit failed", "fit completed"]
