"""Tests of the pipelines in `flow`, none of which passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from flow import load, mean, means, reading

from pipekit import Pipeline, component, pipeline
from pipekit.testing import Home, assert_ran, assert_reused, run_step


def test_reused_after_another_limit(pipekit_home: Home) -> None:
    means.run(limit=3.0)
    assert_reused(means.run(limit=4.0))


def test_ran_although_nothing_changed(pipekit_home: Home) -> None:
    means.run()
    assert_ran(means.run(), "mean-2")


def pipeline_of(added: int = 0, **options: str | bool) -> Pipeline[[], int]:
    @component(**options)  # type: ignore[call-overload]
    def step(number: int) -> int:
        return number + added

    @pipeline
    def one_step() -> int:
        return step(1)  # type: ignore[no-any-return]

    return one_step


def test_reused_after_other_code(pipekit_home: Home) -> None:
    pipeline_of(added=1).run()
    assert_reused(pipeline_of(added=2).run())


def test_reused_after_another_version(pipekit_home: Home) -> None:
    pipeline_of(version="1").run()
    assert_reused(pipeline_of(version="2").run())


def test_reused_after_another_file(pipekit_home: Home, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    reading.run(path)
    path.write_text("another")
    assert_reused(reading.run(path))


def test_reused_after_none(pipekit_home: Home) -> None:
    run = pipeline(lambda: component(print)("x"), name="printing").run
    run()
    assert_reused(run())


def test_reused_without_cache(pipekit_home: Home) -> None:
    pipeline_of(cache=False).run()
    assert_reused(pipeline_of(cache=False).run())


def test_reused_after_a_failure(pipekit_home: Home) -> None:
    run_step(mean, [])
    assert_reused(run_step(mean, []))


def test_reused_in_a_first_run(pipekit_home: Home) -> None:
    assert_reused(means.run())


def test_reused_as_a_new_step(pipekit_home: Home) -> None:
    @pipeline
    def growing(more: bool) -> list[float]:
        return [mean([1.0]), *([mean([2.0])] if more else [])]

    growing.run(False)
    assert_reused(growing.run(True))


def test_unknown_name(pipekit_home: Home) -> None:
    assert_ran(means.run(), "meen")


def test_skipped_is_not_run(pipekit_home: Home) -> None:
    @pipeline
    def skipping() -> float:
        return mean([mean([]), 1.0])

    assert_ran(skipping.run())


def test_run_without_steps(pipekit_home: Home) -> None:
    @pipeline
    def early() -> None:
        raise KeyError("x")

    assert_ran(early.run())


@pytest.mark.pipekit(excutor="process")
def test_wrong_option_of_the_mark(pipekit_home: Home) -> None:
    load(1)


@pytest.mark.pipekit(executor="proc")
def test_wrong_value_in_the_mark(pipekit_home: Home) -> None:
    load(1)


@pytest.mark.pipekit(executor="process")
def test_mark_without_fixture() -> None:
    load(1)


def test_input_that_cannot_be_stored(pipekit_home: Home) -> None:
    run_step(mean, (number for number in [1.0]))  # type: ignore[arg-type]


def test_failing_pipeline(pipekit_home: Home) -> None:
    means(limit=0.0)
