"""What `depends_on`, `ignore` and `blind_spots` do to the reuse of steps."""

from __future__ import annotations

import types
from pathlib import Path

import flows
import pytest

from pipekit import Component, component, pipeline
from pipekit.errors import BlindSpotRefused, UsageError

pytestmark = pytest.mark.usefixtures("home")

RATE = 1


def helper() -> int:
    return 1


def add(number: int, verbose: bool = False) -> int:
    return number + RATE


def computed(name: str) -> object:
    return getattr(flows, "comp" + name)


def reused(given: Component[..., object], *args: object, **named: object) -> bool:
    """Whether a step is reused in a run of its own."""

    @pipeline
    def alone() -> None:
        given(*args, **named)

    run = alone.options(executor="process:1").run()
    (step,) = run.steps
    assert step.status == "completed", step.error
    return step.reused


def call(given: Component[..., object], *args: object) -> None:
    @pipeline
    def alone() -> None:
        given(*args)

    alone()


def test_an_ignored_argument_does_not_count() -> None:
    given = component(add, ignore="verbose")
    assert not reused(given, 1, verbose=False)
    assert reused(given, 1, verbose=True)
    assert not reused(given, 2, verbose=True)


def test_an_argument_counts_again_where_it_is_ignored_no_more() -> None:
    assert not reused(component(add, ignore="verbose"), 1)
    assert not reused(component(add), 1)


def test_an_argument_that_is_not_there_cannot_be_ignored() -> None:
    with pytest.raises(UsageError, match=r"'verbos', which it does not take. It takes 'number', "):
        call(component(add, ignore="verbos"), 1)


def test_a_global_that_is_not_reached_cannot_be_ignored() -> None:
    with pytest.raises(UsageError, match=r"reaches the globals 'test_code_options.RATE'"):
        call(component(add, ignore="test_code_options.RAT"), 1)


def test_a_file_that_a_component_depends_on_counts_by_its_content(tmp_path: Path) -> None:
    data = tmp_path / "model.bin"
    data.write_text("a")
    given = component(add, depends_on=data)
    assert not reused(given, 1)
    assert reused(given, 1)
    data.write_text("b")
    assert not reused(component(add, depends_on=data), 1)


def test_functions_and_modules_can_be_depended_on() -> None:
    assert not reused(component(add), 1)
    given = component(add, depends_on=[helper, types, flows])
    assert not reused(given, 1)
    assert reused(given, 1)


def test_what_a_component_depends_on_must_exist() -> None:
    with pytest.raises(UsageError, match="does not exist"):
        call(component(add, depends_on=Path("nowhere.bin")), 1)


def test_a_step_with_blind_spots_is_reused_and_they_are_named(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPEKIT_PROGRESS", "lines")
    given = component(lambda name: getattr(flows, name).__name__)
    assert not reused(given, "increment")
    assert "computed name" in capfd.readouterr().err
    assert reused(given, "increment")


def test_a_step_with_blind_spots_runs_each_time_where_that_is_wanted() -> None:
    given = component(lambda name: getattr(flows, name).__name__, blind_spots="rerun")
    assert not reused(given, "increment")
    assert not reused(given, "increment")


def test_a_run_with_blind_spots_is_refused_where_that_is_wanted() -> None:
    with pytest.raises(BlindSpotRefused, match=r"depends_on=\[…\], or change version") as refused:
        call(component(computed, blind_spots="error"), "onent")
    assert "test_code_options.py:" in str(refused.value)


def test_the_policy_can_be_set_for_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPEKIT_BLIND_SPOTS", "error")
    with pytest.raises(BlindSpotRefused):
        call(component(computed), "onent")


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'rerun'"):
        component(add, blind_spots="rerum")  # type: ignore[arg-type]


def test_the_record_of_a_step_says_what_it_was_set_to() -> None:
    @pipeline
    def alone() -> None:
        component(add, ignore="verbose", depends_on=[helper, flows], blind_spots="ok")(1)

    (step,) = alone.options(executor="inline").run().steps
    assert step.record.spec.settings == {
        "ignore": ["verbose"], "depends_on": ["helper", "flows"], "blind_spots": "ok"
    }  # fmt: skip
