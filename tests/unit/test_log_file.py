"""Parts of a log file, forward and from the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipekit.cli import log_file
from pipekit.cli.log_file import LogFile, find_tail
from pipekit.cli.log_printer import text_of


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "PIECE_BYTES", 4)


def test_only_the_part_of_the_attempt_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before|the attempt|after")
    file = LogFile(path, 7)
    assert b"".join(file.read(18)) == b"the attempt"
    assert list(file.read(18)) == []


def test_a_file_that_grows_is_read_on_from_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = LogFile(path, 0)
    assert list(file.read()) == []
    path.write_bytes(b"one")
    assert b"".join(file.read()) == b"one"
    path.write_bytes(b"one two")
    assert b"".join(file.read()) == b" two"


@pytest.mark.parametrize(
    ("lines", "shown", "count"),
    [
        (0, b"", 0),
        (1, b"the last\n", 1),
        (2, b"\nthe last\n", 2),
        (3, b"a much longer second\n\nthe last\n", 3),
        (9, b"first\na much longer second\n\nthe last\n", 4),
    ],
)
def test_the_last_lines_are_found_from_the_end(
    tmp_path: Path, lines: int, shown: bytes, count: int
) -> None:
    path = tmp_path / "log"
    text = b"of another\nfirst\na much longer second\n\nthe last\n"
    path.write_bytes(text + b"of the next\n")
    begin, found = find_tail(path, 11, len(text), lines)
    assert (text[begin:], found) == (shown, count)


def test_a_last_line_without_an_end_counts(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthr")
    assert find_tail(path, 0, None, 2) == (4, 2)


def test_an_empty_part_and_a_missing_file_have_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert find_tail(path, 5, None, 2) == (5, 0)
    path.write_bytes(b"12345")
    assert find_tail(path, 5, 5, 2) == (5, 0)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"plain", "plain"),
        (b"dos\r", "dos"),
        (b" 10%\r 50%\r100%", "100%"),
        (b" 10%\r100%\r", "100%"),
        (b"\xff", "�"),
    ],
)
def test_a_line_reads_as_it_stood_when_it_ended(line: bytes, text: str) -> None:
    assert text_of(line) == text
