"""What the machine is to blame for has retries of its own, and says what to do."""

from __future__ import annotations

from pathlib import Path

import lacking
import pytest

from pipekit import StepFailed
from pipekit.control.session import set_clock
from pipekit.testing import FakeClock


@pytest.fixture
def clock(home: Path) -> FakeClock:
    """Delays before retries pass at once."""
    clock = FakeClock()
    set_clock(home, clock)
    return clock


@pytest.fixture(params=["inline", "process:2"])
def executor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def near(waits: list[float], wanted: list[float]) -> bool:
    return len(waits) == len(wanted) and all(
        0.75 * one <= wait <= 1.25 * one for wait, one in zip(waits, wanted, strict=True)
    )


def test_a_step_whose_value_cannot_be_stored_is_tried_again_whatever_retries_says(
    home: Path, tmp_path: Path, executor: str, clock: FakeClock
) -> None:
    folder, journal = str(home / "blobs"), str(tmp_path / "journal")
    task = lacking.large.options(executor=executor).run(folder, journal, 2)
    assert task.value == 200_000
    exits = [attempt.exit for attempt in task.steps[0].attempts]
    assert exits == ["infrastructure", "infrastructure", "completed"]
    assert near(clock.waits, [1.0, 2.0])


def test_it_fails_after_three_further_attempts_and_says_what_to_do(
    home: Path, tmp_path: Path, executor: str, clock: FakeClock
) -> None:
    folder, journal = str(home / "blobs"), str(tmp_path / "journal")
    task = lacking.large.options(executor=executor).run(folder, journal, 9)
    lacking.clear(folder)
    assert task.status == "failed"
    step = task.steps[0]
    assert [attempt.exit for attempt in step.attempts] == ["infrastructure"] * 4
    assert near(clock.waits, [1.0, 2.0, 4.0])
    assert "The artifact store cannot use" in str(step.error)
    assert "Hint: set PIPEKIT_HOME or PIPEKIT_ARTIFACTS" in str(step.error)


def test_the_users_errors_and_the_machines_are_counted_apart(
    home: Path, tmp_path: Path, executor: str, clock: FakeClock
) -> None:
    folder, journal = str(home / "blobs"), str(tmp_path / "journal")
    task = lacking.mixed.options(executor=executor).run(folder, journal, 2)
    assert task.value == 200_000
    attempts = task.steps[0].attempts
    assert [attempt.number for attempt in attempts] == [1, 2, 3, 4]
    assert [attempt.exit for attempt in attempts] == [
        "error", "infrastructure", "error", "completed",
    ]  # fmt: skip
    assert near(clock.waits, [100.0, 1.0, 200.0])


def test_where_no_worker_can_be_started_the_step_says_so(home: Path, clock: FakeClock) -> None:
    with pytest.raises(StepFailed, match=r"No worker process can be started: .* Hint: ") as caught:
        lacking.without_workers.options(executor="process:2")(str(home / "tmp"))
    assert caught.value.attempt == 4
    assert near(clock.waits, [1.0, 2.0, 4.0])


def test_a_step_for_which_a_worker_is_had_later_completes(home: Path) -> None:
    task = lacking.workers_later.options(executor="process:2").run(str(home / "tmp"))
    assert task.value == 2
    exits = [attempt.exit for attempt in task.steps[0].attempts]
    assert exits == ["infrastructure", "completed"]
