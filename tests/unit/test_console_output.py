"""What steps write, on its way to people: whole lines, with nothing in them that moves a cursor."""

from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import Mapping, Sequence
from itertools import chain

import pytest

from pipekit.console.guarded import GuardedReporter
from pipekit.console.line_stream import LineStream
from pipekit.console.lines import LineReporter
from pipekit.console.terminal import cells, clean, cut, has_colour
from pipekit.model.status import Status
from pipekit.reporting import RunFacts, StepEnd, StepFacts

RUN = RunFacts("01j9zk7abcdefghijk", "train", "iris", "process")


def step(name: str = "fit-2", task_id: str = "01j9zk9abcdefghijk") -> StepFacts:
    return StepFacts(RUN, task_id, name, name.partition("-")[0], 1, 1, 0.0)


class Stream(io.StringIO):
    encoding = "utf-8"


class Said:
    """A reporter on a text stream, and what it wrote, without the times."""

    def __init__(self) -> None:
        self.now = 100.0
        self._stream = Stream()
        self.reporter = LineReporter(self._stream, monotonic=lambda: self.now)
        self.reporter.run_began(RUN)

    @property
    def lines(self) -> list[str]:
        lines = self._stream.getvalue().splitlines()[1:]
        return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in lines]


def test_each_line_stands_behind_its_step_and_all_are_aligned() -> None:
    said = Said()
    said.reporter.step_wrote(step("fit-2"), ["epoch 1", "epoch 2"], 0)
    said.reporter.step_wrote(step("a-longer-name"), ["hello"], 0)
    said.reporter.step_wrote(step("fit-2"), ["epoch 3"], 0)
    assert said.lines == [
        "  fit-2        │ epoch 1",
        "  fit-2        │ epoch 2",
        "  a-longer-name │ hello",
        "  fit-2         │ epoch 3",
    ]


def test_what_came_before_and_is_not_shown_is_said_with_what_to_type() -> None:
    said = Said()
    said.reporter.step_wrote(step(), ["epoch 9"], 12_000_000)
    assert said.lines == [
        "  fit-2        │ … 12.0 MB not shown: pipekit logs 01j9zk7abcdef fit-2",
        "  fit-2        │ epoch 9",
    ]


def test_of_a_flood_the_rest_is_counted_and_told_when_the_step_ends() -> None:
    said = Said()
    for _ in range(30):
        said.reporter.step_wrote(step(), ["x" * 9] * 100, 0)
    assert len(said.lines) == 1000
    said.reporter.steps_ended([ended(step())])
    assert said.lines[1000] == (
        "  fit-2        │ … 20.0 KB not shown: pipekit logs 01j9zk7abcdef fit-2"
    )
    assert said.lines[1001].startswith("✓ fit-2")


def test_after_a_flood_lines_are_shown_again_and_nothing_is_left_out_in_silence() -> None:
    said = Said()
    said.reporter.step_wrote(step(), ["x"] * 1000, 0)
    for number in range(5):
        said.reporter.step_wrote(step(f"other-{number}", f"id-{number}"), ["y" * 99] * 10, 0)
    said.now += 1
    said.reporter.step_wrote(step(), ["again"], 0)
    assert said.lines[1000:] == [
        "  … 5.0 KB of 5 steps not shown: pipekit logs 01j9zk7abcdef",
        "  fit-2        │ again",
    ]


def ended(facts: StepFacts) -> StepEnd:
    return StepEnd(
        facts.run, facts.id, facts.name, facts.component, Status.COMPLETED, 1.0, "", None, 1, 1
    )


# --- one line --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb", "a       b"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("bell\x07 \x9b31m", "bell 31m"),
        ("turned \u202eround", "turned round"),
        ("\x1b", ""),
        ("日本 é 👍", "日本 é 👍"),
    ],
)
def test_nothing_that_moves_a_cursor_remains(text: str, shown: str) -> None:
    assert clean(text, keep_colours=False) == shown


def test_colours_remain_where_they_are_wanted_and_end_with_the_line() -> None:
    assert clean("\x1b[1;31mred\x1b[K", keep_colours=True) == "\x1b[1;31mred\x1b[0m"


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1)])
def test_width_is_counted_in_columns(text: str, width: int) -> None:
    assert cells(text) == width


@pytest.mark.parametrize("columns", range(8))
def test_a_text_that_is_cut_is_never_wider_than_asked(columns: int) -> None:
    assert cells(cut("日本語 text", columns, "…")) <= columns
    assert cells(cut("plain text", columns, "...")) <= columns


def test_who_forces_colours_gets_them_in_a_pipe_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert has_colour(io.StringIO())


# --- the stream ------------------------------------------------------------------------------


def pipe(encoding: str) -> tuple[int, io.TextIOWrapper]:
    read, write = os.pipe()
    return read, open(write, "w", buffering=1, encoding=encoding)


def test_a_line_that_others_have_begun_is_not_joined_with_ours() -> None:
    read, stream = pipe("utf-8")
    stream.write("begun, ")
    LineStream(stream).write(["ours"])
    stream.write("and ended\n")
    stream.close()
    assert os.read(read, 1000) == b"ours\nbegun, and ended\n"
    os.close(read)


def test_what_the_encoding_cannot_show_is_escaped() -> None:
    read, stream = pipe("ascii")
    LineStream(stream).write(["a \u2713 \udc80"])
    stream.close()
    assert os.read(read, 1000) == b"a \\u2713 \\udc80\n"
    os.close(read)


def test_lines_of_threads_that_write_at_once_stay_whole() -> None:
    read, stream = pipe("utf-8")
    lines = [[f"{thread}{'x' * 70}" for _ in range(100)] for thread in range(4)]
    threads = [threading.Thread(target=LineStream(stream).write, args=(each,)) for each in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stream.close()
    with open(read, encoding="utf-8") as reader:
        assert sorted(reader.read().splitlines()) == sorted(chain(*lines))


# --- a reporter that fails -------------------------------------------------------------------


class Broken(LineReporter):
    """Fails at the second thing that it hears."""

    def steps_called(self, run: RunFacts, count: int, components: Mapping[str, int]) -> None:
        raise KeyError("no such thing")

    def step_wrote(self, step: StepFacts, lines: Sequence[str], left_out_bytes: int) -> None:
        raise AssertionError("it was to be silent by now")


def test_what_raises_in_a_reporter_is_told_once_and_silences_it() -> None:
    stream = io.StringIO()
    guarded = GuardedReporter(Broken(stream), LineStream(stream))
    guarded.run_began(RUN)
    guarded.steps_called(RUN, 1, {})
    guarded.steps_called(RUN, 2, {})
    guarded.step_wrote(step(), ["x"], 0)
    assert len(stream.getvalue().splitlines()) == 2
    assert "the progress is not shown any more (KeyError: 'no such thing')" in stream.getvalue()
