"""How a run reads while it goes on, and how tables and quantities read."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from pipekit.console.lines import LineReporter
from pipekit.console.message import Message
from pipekit.console.quantity import bytes_text, seconds_text
from pipekit.console.table import draw_facts, draw_table
from pipekit.model.failure import Failure, FailureKind
from pipekit.model.status import Status
from pipekit.reporting import Reporter, RunEnd, RunFacts, StepEnd

RUN = RunFacts("01j9zk7abcdefghijk", "train", "iris", "process")
CHILD = RunFacts("01j9zk8abcdefghijk", "prepare", "iris", "process", "train")
OTHER = RunFacts("01j9zk9abcdefghijk", "other", "iris", "process")
EMPTY = Failure(FailureKind.ERROR, "ValueError: empty\nand a second line")
TRACEBACK = """Traceback (most recent call last):
  File "flow.py", line 5, in score
    raise ValueError("empty")
ValueError: empty
"""
RAISED = Failure(FailureKind.ERROR, "ValueError: empty", TRACEBACK)


class Stream(io.StringIO):
    """A text stream that is a terminal, or is of an encoding."""

    def __init__(self, *, terminal: bool = False, encoding: str = "utf-8") -> None:
        super().__init__()
        self._terminal = terminal
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal

    @property
    def lines(self) -> list[str]:
        """Without the time that they begin with."""
        return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in self.getvalue().splitlines()]


class Hand:
    """Time and timers, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.due: list[Callable[[], None]] = []

    def monotonic(self) -> float:
        return self.now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        self.due.append(callback)


def step(
    name: str = "fit",
    *,
    run: RunFacts = RUN,
    component: str = "",
    status: Status = Status.COMPLETED,
    seconds: float | None = 1.24,
    reused_from: str = "",
    failure: Failure | None = None,
    attempt: int = 1,
    attempts: int = 1,
) -> StepEnd:
    return StepEnd(
        run, "01j9zk9abcdefghijk", name, component or name.partition("-")[0], status, seconds,
        reused_from, failure, attempt, attempts,
    )  # fmt: skip


def end(
    status: Status = Status.COMPLETED,
    *,
    run: RunFacts = RUN,
    unfinished: Sequence[StepEnd] = (),
    counts: dict[Status, int] | None = None,
    reused: int = 0,
    failure: Failure | None = None,
) -> RunEnd:
    return RunEnd(
        run, status, 3.21, failure, counts or {Status.COMPLETED: 12}, reused, unfinished
    )  # fmt: skip


def reporter(stream: Stream, hand: Hand | None = None) -> LineReporter:
    hand = hand or Hand()
    made = LineReporter(stream, monotonic=hand.monotonic, call_later=hand.call_later)
    made.run_began(RUN)
    return made


def said_of(*steps: StepEnd) -> list[str]:
    stream = Stream()
    reporter(stream).steps_ended(steps)
    return stream.lines[1:]


def test_the_first_line_names_the_run_its_short_id_and_the_executor() -> None:
    stream = Stream()
    reporter(stream)
    assert stream.lines == ["▶ train 01j9zk7abcdef  (process)"]


def test_a_completed_step_is_one_line_with_its_duration() -> None:
    assert said_of(step("fit-2")) == ["✓ fit-2        completed   1.24 s"]


def test_a_reused_step_says_which_run_it_comes_from() -> None:
    line = step("load", reused_from="train 01j9zk6", seconds=None)
    assert said_of(line) == ["↺ load         reused      from train 01j9zk6"]


def test_a_failed_step_is_told_with_its_attempt_its_id_its_traceback_and_what_to_type() -> None:
    failed = step("score", status=Status.FAILED, failure=RAISED, attempt=2, attempts=3)
    assert said_of(failed) == [
        "✗ score        failed      attempt 2 of 3 after 1.24 s, 01j9zk9abcdef",
        "    Traceback (most recent call last):",
        '      File "flow.py", line 5, in score',
        '        raise ValueError("empty")',
        "    ValueError: empty",
        "  pipekit logs 01j9zk7abcdef score",
    ]


def test_a_failure_without_a_traceback_is_told_by_its_message_and_the_hint_below() -> None:
    failure = Failure(FailureKind.OUTPUTS, "Output 'conn' cannot be stored. Hint: return a path.")
    lines = said_of(step("score", status=Status.FAILED, failure=failure))
    assert lines[1:3] == ["    Output 'conn' cannot be stored.", "    Hint: return a path."]


def test_the_middle_of_a_long_traceback_is_left_out() -> None:
    long = Failure(FailureKind.ERROR, "E: x", "\n".join(f"line {i}" for i in range(1000)))
    lines = said_of(step(status=Status.FAILED, failure=long))
    assert "    … 960 lines not shown …" in lines
    assert "    line 999" in lines
    assert len(lines) < 50


def test_a_hint_that_the_traceback_has_not_stands_below_it() -> None:
    stream = Stream()
    failure = replace(RAISED, message="ValueError: empty. Hint: give it rows.")
    reporter(stream).steps_ended([step("score", status=Status.FAILED, failure=failure)])
    assert "    ValueError: empty\n    Hint: give it rows.\n" in stream.getvalue()


def test_only_the_first_failure_of_a_component_is_told_in_full() -> None:
    stream = Stream()
    made = reporter(stream)
    made.steps_ended([step("score", status=Status.FAILED, failure=RAISED)])
    before = len(stream.lines)
    other = step("score-2", status=Status.FAILED, failure=EMPTY)._replace(id="other")
    made.steps_ended([other])
    assert stream.lines[before:] == ["✗ score-2      failed      ValueError: empty"]
    assert made.has_told("01j9zk9abcdefghijk")
    assert not made.has_told("other")


def test_a_parent_that_failed_of_its_child_s_step_does_not_repeat_the_traceback() -> None:
    stream = Stream()
    made = reporter(stream)
    made.steps_ended([step("score", run=CHILD, status=Status.FAILED, failure=RAISED)])
    before = len(stream.lines)
    outer = step("prepare", status=Status.FAILED, failure=RAISED)._replace(id="outer")
    made.steps_ended([outer])
    assert stream.lines[before:] == ["✗ prepare       failed      ValueError: empty"]
    assert made.has_told("outer")


def test_a_skipped_step_says_why() -> None:
    why = Failure(FailureKind.SKIPPED, "Step 'report' was skipped: 'train' failed.", step="train")
    line = step("report", status=Status.SKIPPED, failure=why, seconds=None)
    assert said_of(line) == ["– report       skipped     because of train"]


def test_a_retry_is_one_line_with_the_reason_and_when_it_is_tried_again() -> None:
    stream = Stream()
    reporter(stream).step_retried(
        step("score", status=Status.PENDING, failure=RAISED, attempt=1, attempts=3), 2.5
    )
    assert stream.lines[1:] == [
        "↻ score        retried     ValueError: empty (attempt 1 of 3), again in 2.50 s"
    ]


def test_columns_make_room_for_a_long_name() -> None:
    first, second = said_of(step("a_long_component_name"), step("b"))
    assert first.index("completed") == second.index("completed")


def test_steps_of_a_child_run_stand_behind_its_name_and_it_has_no_first_line() -> None:
    stream = Stream()
    made = reporter(stream)
    made.run_began(CHILD)
    made.steps_ended([step("load", run=CHILD)])
    made.run_ended(end(run=CHILD))
    assert stream.lines[1:] == ["✓ prepare/load completed   1.24 s"]


def test_the_last_line_counts_the_steps() -> None:
    stream = Stream()
    reporter(stream).run_ended(end(reused=7))
    assert stream.lines[1:] == [
        "✓ train completed in 3.21 s: 12 steps, 7 reused, 0 failed   pipekit show 01j9zk7abcdef"
    ]


def test_a_failed_run_lists_what_did_not_complete_and_what_to_type() -> None:
    stream = Stream()
    why = Failure(FailureKind.SKIPPED, "Step 'report' was skipped: 'score' failed.", step="score")
    rows = [
        step("score", status=Status.FAILED, failure=EMPTY),
        step("report", status=Status.SKIPPED, failure=why),
        step("mail", status=Status.SKIPPED, failure=why),
    ]
    counts = {Status.FAILED: 1, Status.SKIPPED: 2}
    reporter(stream).run_ended(end(Status.FAILED, unfinished=rows, counts=counts, failure=EMPTY))
    assert stream.lines[1:] == [
        "✗ train failed in 3.21 s: 3 steps, 0 reused, 1 failed, 2 skipped",
        "  failed   score  ValueError: empty",
        "  skipped  report, mail (because of score)",
        "  pipekit logs 01j9zk7abcdef score",
        "  pipekit show 01j9zk7abcdef",
    ]


def test_a_failure_that_stands_above_in_full_is_not_repeated_at_the_end() -> None:
    stream = Stream()
    made = reporter(stream)
    failed = step("score", status=Status.FAILED, failure=RAISED)
    made.steps_ended([failed])
    before = len(stream.lines)
    made.run_ended(end(Status.FAILED, unfinished=[failed], counts={Status.FAILED: 1}))
    assert stream.lines[before:] == [
        "✗ train failed in 3.21 s: 1 step, 0 reused, 1 failed",
        "  pipekit show 01j9zk7abcdef",
    ]


def test_a_long_run_names_its_slowest_steps() -> None:
    stream = Stream()
    made = reporter(stream)
    made.steps_ended([step(f"fit-{i}", seconds=float(i)) for i in range(8)])
    made.run_ended(end()._replace(seconds=12.0))
    slowest = "  slowest  fit-7 7.00 s, fit-6 6.00 s, fit-5 5.00 s, fit-4 4.00 s, fit-3 3.00 s"
    assert slowest in stream.lines


def test_a_line_begins_with_the_time() -> None:
    stream = Stream()
    at = datetime(2026, 3, 14, 15, 9, 26).timestamp()
    LineReporter(stream, now=lambda: at).run_began(RUN)
    assert stream.getvalue() == "15:09:26 ▶ train 01j9zk7abcdef  (process)\n"


def test_why_a_step_ran_stands_behind_its_duration() -> None:
    line = Message(None).step(step("fit"), "argument 'rate' changed")
    assert line.endswith("completed   1.24 s   argument 'rate' changed")


def test_steps_of_two_runs_at_once_stand_behind_the_names_of_their_runs() -> None:
    stream = Stream()
    made = reporter(stream)
    made.run_began(OTHER)
    made.steps_ended([step("fit")])
    made.run_ended(end(run=OTHER))
    made.steps_ended([step("fit")])
    fits = [line.split()[1] for line in stream.lines if " completed " in line and "fit" in line]
    assert fits == ["train/fit", "fit"]


def test_what_is_typed_next_begins_with_what_leads_to_the_home() -> None:
    stream = Stream()
    made = LineReporter(stream, command=lambda: "PIPEKIT_HOME=/x pipekit")
    made.run_began(RUN)
    made.run_ended(end(Status.FAILED))
    assert stream.lines[-1] == "  PIPEKIT_HOME=/x pipekit show 01j9zk7abcdef"


def test_of_very_many_failures_the_last_ones_are_counted() -> None:
    stream = Stream()
    rows = [step(f"s-{i}", status=Status.FAILED, failure=EMPTY) for i in range(100)]
    reporter(stream).run_ended(end(Status.FAILED, unfinished=rows))
    assert "  … and 80 more" in stream.lines
    assert len(stream.lines) < 30


def test_a_run_that_failed_by_itself_says_how() -> None:
    stream = Stream()
    reporter(stream).run_ended(end(Status.FAILED, failure=EMPTY))
    assert "  ValueError: empty" in stream.lines


def test_a_run_that_failed_by_itself_says_where() -> None:
    stream = Stream()
    reporter(stream).run_ended(end(Status.FAILED, failure=RAISED))
    assert "  ValueError: empty (flow.py:5, in score)" in stream.lines


def test_a_blind_spot_is_named_with_its_line() -> None:
    stream = Stream()
    reporter(stream).blind_spot("fit", "reads the clock", "flow.py", 12)
    assert stream.lines[1:] == [
        "! 'fit': reads the clock (flow.py:12); a cached result does not see it"
    ]


def test_more_than_eight_ends_in_one_call_are_folded_by_component_and_status() -> None:
    many = [step(f"noop-{i}") for i in range(243)]
    many += [step(f"noop-{i}", status=Status.FAILED, failure=EMPTY) for i in range(3)]
    lines = said_of(*many)
    assert lines[0] == "✗ noop-0       failed      attempt 1 of 1 after 1.24 s, 01j9zk9abcdef"
    assert lines[-2:] == [
        "✓ noop ×243    completed",
        "✗ noop ×2      failed      ValueError: empty",
    ]


def test_a_single_end_among_many_keeps_its_own_line() -> None:
    lines = said_of(*(step(f"noop-{i}") for i in range(20)), step("load"))
    assert lines == ["✓ noop ×20     completed", "✓ load         completed   1.24 s"]


def test_beyond_forty_lines_a_second_ends_are_held_and_folded() -> None:
    stream, hand = Stream(), Hand()
    made = reporter(stream, hand)
    for i in range(500):
        made.steps_ended([step(f"noop-{i}")])
    assert len(stream.lines) == 1 + 40
    hand.now += 1
    made.steps_ended([step("noop-500")])
    assert stream.lines[41:] == ["✓ noop ×461    completed"]


def test_what_is_held_is_written_when_nothing_more_ends() -> None:
    stream, hand = Stream(), Hand()
    made = reporter(stream, hand)
    for i in range(60):
        made.steps_ended([step(f"noop-{i}")])
    assert len(hand.due) == 1
    hand.due.pop()()
    assert stream.lines[41:] == ["✓ noop ×20     completed"]


def test_what_is_held_is_written_before_the_run_s_last_line() -> None:
    stream, hand = Stream(), Hand()
    made = reporter(stream, hand)
    for i in range(60):
        made.steps_ended([step(f"noop-{i}")])
    made.run_ended(end())
    assert stream.lines[41:] == [
        "✓ noop ×20     completed",
        "✓ train completed in 3.21 s: 12 steps, 0 reused, 0 failed   pipekit show 01j9zk7abcdef",
    ]


def test_nothing_is_lost_or_told_twice_in_a_burst() -> None:
    stream, hand = Stream(), Hand()
    made = reporter(stream, hand)
    ended = 0
    for i in range(300):
        count = i % 13
        made.steps_ended([step(f"noop-{i}") for i in range(count)])
        ended += count
        hand.now += 0.01
    made.run_ended(end())
    steps = [line for line in stream.lines if "noop" in line]
    told = sum(int(line.partition("×")[2].split()[0]) if "×" in line else 1 for line in steps)
    assert told == ended


def test_a_pipe_gets_no_colours() -> None:
    stream = Stream()
    reporter(stream).steps_ended([step()])
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = Stream(terminal=True)
    reporter(stream).steps_ended([step()])
    assert "\x1b[32m✓ fit\x1b[0m" in stream.getvalue()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_asks_for_no_colours_gets_none(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    stream = Stream(terminal=True)
    reporter(stream).steps_ended([step()])
    assert "\x1b" not in stream.getvalue()


def test_an_encoding_without_the_marks_gets_plain_ones() -> None:
    stream = Stream(encoding="ascii")
    made = reporter(stream)
    made.steps_ended([step(f"noop-{i}") for i in range(9)])
    made.run_ended(end())
    assert stream.getvalue().isascii()
    assert stream.lines[1].startswith("+ noop x9")


def test_an_error_s_text_cannot_move_the_cursor() -> None:
    wild = Failure(FailureKind.ERROR, "ValueError: \x1b[2Jgone\rover")
    lines = said_of(step(status=Status.FAILED, failure=wild))
    assert all(line.isprintable() for line in lines)


def test_a_closed_stream_silences_the_reporter_and_raises_nothing() -> None:
    stream = Stream()
    made = reporter(stream)
    stream.close()
    made.steps_ended([step()])
    made.step_retried(step(status=Status.PENDING, failure=EMPTY), 0.0)
    made.blind_spot("fit", "x", "flow.py", 1)
    made.run_began(RUN)
    made.run_ended(end())


def test_a_process_without_stderr_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    made: Reporter = LineReporter()
    made.run_began(RUN)
    made.steps_ended([step()])
    made.run_ended(end())


def test_stderr_is_looked_up_when_a_line_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    made = LineReporter()
    stream = Stream()
    monkeypatch.setattr("sys.stderr", stream)
    made.steps_ended([step()])
    assert len(stream.lines) == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"), (0.34, "340 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"), (1.239, "1.24 s"),
        (9.999, "10.0 s"), (59.97, "1 min 00 s"), (192, "3 min 12 s"), (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)  # fmt: skip
def test_durations_read_well(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1 byte"), (812, "812 bytes"), (24_100, "24.1 KB"), (999_960, "1.0 MB"),
     (3_200_000_000, "3.2 GB")],
)  # fmt: skip
def test_sizes_read_well(count: int, text: str) -> None:
    assert bytes_text(count) == text


def test_a_table_in_a_pipe_is_aligned_text_with_nothing_cut() -> None:
    stream = Stream()
    draw_table(("id", "name"), [["1", "x" * 300], ["22", "y"]], stream)
    assert stream.lines == ["ID  NAME", "1   " + "x" * 300, "22  y"]


def test_a_table_on_a_terminal_never_cuts_an_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stream = Stream(terminal=True)
    draw_table(("id", "name"), [["01j9zk7abcdef", "word " * 30]], stream)
    assert "01j9zk7abcdef" in stream.getvalue()
    assert stream.getvalue().count("word") == 30


def test_a_narrow_terminal_keeps_ids_names_and_statuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    stream = Stream(terminal=True)
    headers = ("id", "name", "project", "status", "started", "duration", "parameters")
    status = "running (its process is gone)"
    row = ["01j9zk7abcdef", "train", "iris", status, "2026-11-20 17:30:38", "1.43 s", "n=1"]
    draw_table(headers, [row], stream)
    text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert "01j9zk7abcdef   train   running (" in text
    assert max(map(len, text.splitlines())) <= 50


def test_names_do_not_stand_in_columns_of_two_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    stream = Stream(terminal=True)
    headers = ("id", "step", "status", "attempts", "started", "duration")
    row = ["01j9zk7abcdef", "prepare-2", "completed", "1", "17:30:38", "506 ms"]
    draw_table(headers, [row], stream)
    assert "prepare-2" in stream.getvalue()


def test_wide_characters_take_two_columns_of_a_table_in_a_pipe() -> None:
    stream = Stream()
    draw_table(("name", "id"), [["漢字漢字漢字", "1"], ["fit", "2"]], stream)
    assert stream.lines == ["NAME          ID", "漢字漢字漢字  1", "fit           2"]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_table_and_facts_pass_nothing_on_that_moves_the_cursor(terminal: bool) -> None:
    stream = Stream(terminal=terminal)
    draw_table(("name",), [["a\x1b[2Jb\x07\nc"]], stream)
    draw_facts([("error", "d\x1b]0;owned\x07e\nf")], stream)
    text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert "abc" in text
    assert "de\n" in text
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_table_writes_as_escapes_what_an_encoding_cannot_show() -> None:
    stream = Stream(encoding="ascii")
    draw_table(("name",), [["fit é"]], stream)
    assert stream.lines == ["NAME", "fit \\xe9"]


def test_a_table_takes_brackets_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(terminal=True)
    draw_table(("name",), [["[bold]x[/bold] :smile:"]], stream)
    assert "[bold]x[/bold] :smile:" in stream.getvalue()


def test_the_lines_of_a_long_fact_stand_below_each_other() -> None:
    stream = Stream()
    draw_facts([("id", "1"), ("error", "a\nb")], stream)
    assert stream.lines == ["id     1", "error  a", "       b"]
