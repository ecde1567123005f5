"""What `pipekit.testing` says and does before anything runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import pipekit.testing
from pipekit import component, pipeline
from pipekit.clock import SystemClock
from pipekit.control.session import find_session
from pipekit.errors import NotFound, UnknownExecutor, UsageError
from pipekit.stores import open_store
from pipekit.testing import FakeClock, Home, assert_ran, assert_reused, run_step, temporary_home


class Timers:
    """Runs what was posted when it is told to; really waits for nothing."""

    def __init__(self) -> None:
        self.posted: list[Callable[[], None]] = []

    def post(self, callback: Callable[[], None]) -> None:
        self.posted.append(callback)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        raise AssertionError(f"{seconds} seconds were to be waited")


class TestFakeClock:
    def test_tells_the_machines_time_until_it_is_moved(self) -> None:
        before = time.time()
        assert before <= FakeClock().now() <= time.time()

    def test_goes_on_from_where_it_was_moved_to(self) -> None:
        clock = FakeClock()
        wall, steady = time.time(), time.monotonic()
        clock.advance(3600)
        clock.advance(0.5)
        assert wall + 3600.5 <= clock.now() <= time.time() + 3600.5
        assert steady + 3600.5 <= clock.monotonic() <= time.monotonic() + 3600.5

    @pytest.mark.parametrize("seconds", [-1, float("nan")])
    def test_does_not_go_backwards(self, seconds: float) -> None:
        with pytest.raises(UsageError, match="forwards"):
            FakeClock().advance(seconds)

    def test_lets_a_wait_pass_at_once_and_stands_later_by_as_much(self) -> None:
        clock, timers = FakeClock(), Timers()
        found: list[float] = []
        before = time.time()
        clock.wait(60.0, lambda: found.append(clock.now()), timers)
        assert found == []
        timers.posted[0]()
        assert before + 60 <= found[0] <= time.time() + 60
        assert clock.waits == [60.0]

    def test_waits_that_began_together_pass_together(self) -> None:
        clock, timers = FakeClock(), Timers()
        clock.wait(60.0, lambda: None, timers)
        clock.wait(10.0, lambda: None, timers)
        for callback in timers.posted:
            callback()
        assert clock.now() <= time.time() + 60
        assert clock.waits == [60.0, 10.0]

    def test_no_wait_is_none(self) -> None:
        clock = FakeClock()
        clock.wait(0.0, lambda: None, Timers())
        assert clock.waits == []

    def test_the_machines_clock_really_waits(self) -> None:
        with pytest.raises(AssertionError, match=r"60\.0 seconds"):
            SystemClock.wait(60.0, lambda: None, Timers())


class TestTemporaryHome:
    def test_replaces_every_variable_and_restores_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PIPEKIT_EXECUTOR", "process:3")
        monkeypatch.setenv("PIPEKIT_DURABILITY", "full")
        before = dict(os.environ)
        with temporary_home(tmp_path / "home", executor="process:2") as home:
            assert os.environ["PIPEKIT_HOME"] == str(tmp_path / "home")
            assert os.environ["PIPEKIT_EXECUTOR"] == "process:2"
            assert "PIPEKIT_DURABILITY" not in os.environ
            assert home.path == tmp_path / "home"
        assert dict(os.environ) == before

    def test_restores_what_was_set_inside(self, tmp_path: Path) -> None:
        before = dict(os.environ)
        with temporary_home(tmp_path):
            os.environ["PIPEKIT_LOG_LIMIT_BYTES"] = "1000"
        assert dict(os.environ) == before

    def test_restores_after_an_error(self, tmp_path: Path) -> None:
        before = dict(os.environ)
        with pytest.raises(KeyError), temporary_home(tmp_path):
            raise KeyError
        assert dict(os.environ) == before

    def test_opens_and_makes_nothing_by_itself(self, tmp_path: Path) -> None:
        with temporary_home(tmp_path / "home") as home:
            assert home.runs == []
            assert find_session(home.path) is None
        assert not (tmp_path / "home").exists()

    def test_without_runs_it_has_no_last_one(self, tmp_path: Path) -> None:
        with (
            temporary_home(tmp_path / "home") as home,
            pytest.raises(NotFound, match=r"Nothing has run.*Hint: call a pipeline"),
        ):
            _ = home.last_run

    def test_with_the_machines_clock_there_is_none_to_move(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="real_clock"):
            _ = Home(tmp_path, real_clock=True).clock

    def test_a_wrong_word_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="'sqlite' or 'memory'"):
            Home(tmp_path, store="postgres")
        with pytest.raises(UnknownExecutor, match="'proces'"):
            Home(tmp_path, executor="proces")


def test_the_store_in_memory_takes_the_setting_that_every_session_passes() -> None:
    open_store("memory://", durability="normal").close()


@pytest.mark.parametrize("check", [assert_ran, assert_reused])
def test_only_a_task_can_be_asserted_about(check: Callable[..., None]) -> None:
    with pytest.raises(UsageError, match=r"not a float.*pipeline\.run"):
        check(0.9)


def test_only_a_component_can_be_run_as_a_step() -> None:
    with pytest.raises(UsageError, match=r"not a builtin_function_or_method.*@component"):
        run_step(len, [1])  # type: ignore[arg-type]


def test_every_name_is_there() -> None:
    assert [name for name in pipekit.testing.__all__ if not hasattr(pipekit.testing, name)] == []
    with pytest.raises(AttributeError, match="assert_cached"):
        _ = pipekit.testing.assert_cached  # type: ignore[attr-defined]


def test_the_plugin_imports_nothing_but_pytest_and_the_names_of_its_packages() -> None:
    code = (
        "import pytest, sys, json; before = set(sys.modules); import pipekit.testing.plugin;"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["pipekit", "pipekit.testing", "pipekit.testing.plugin"]


def test_a_component_with_a_number_in_its_name_is_no_other_call_of_the_one_without(
    tmp_path: Path,
) -> None:
    def fit(number: int) -> int:
        return number

    def other(number: int) -> int:
        return -number

    def both(number: int) -> list[int]:
        return [component(fit)(1), component(other, name="fit-2")(number)]

    with temporary_home(tmp_path / "home", store="memory"):
        pipeline(both).run(1)
        run = pipeline(both).run(2)
        assert_reused(run, "fit")
        assert_ran(run, "fit-2")
        assert_ran(run["fit-2"], "fit-2")
        with pytest.raises(NotFound):
            assert_ran(run["fit-2"], "fit")
