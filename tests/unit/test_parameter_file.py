"""Files of parameters: JSON, TOML and lines of NAME=value, read or refused with the reason."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pipekit.cli.parameter_file import read_parameter_file
from pipekit.errors import UsageError


def read(folder: Path, name: str, text: str) -> dict[str, object]:
    path = folder / name
    path.write_text(text)
    return read_parameter_file(str(path)).data


def test_json_keeps_its_types(tmp_path: Path) -> None:
    text = '\ufeff{"n": 3, "rate": 0.5, "on": true, "none": null, "at": {"x": [1]}}'
    expected = {"n": 3, "rate": 0.5, "on": True, "none": None, "at": {"x": [1]}}
    assert read(tmp_path, "p.json", text) == expected


def test_toml_keeps_its_types_and_gives_dates_as_text(tmp_path: Path) -> None:
    found = read(tmp_path, "p.toml", "n = 3\nday = 2026-03-14\n[at]\nx = [1, 2]\n")
    assert found == {"n": 3, "day": "2026-03-14", "at": {"x": [1, 2]}}


def test_lines_are_read_as_a_shell_would_read_them(tmp_path: Path) -> None:
    text = """
        # a comment
        N=3
        export RATE = 0.5   # of learning
        name="two words # and a mark"
        raw='a\\n$b'
        escaped="a\\tb \\"c\\""
        url=http://host/#part
        empty=
    """
    assert read(tmp_path, ".env", text) == {
        "N": "3",
        "RATE": "0.5",
        "name": "two words # and a mark",
        "raw": "a\\n$b",
        "escaped": 'a\tb "c"',
        "url": "http://host/#part",
        "empty": "",
    }


def test_a_dash_is_json_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"n": 3}'))
    file = read_parameter_file("-")
    assert (file.name, file.data, file.is_text) == ("stdin", {"n": 3}, False)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("p.json", '{"n": ', "is not JSON"),
        ("p.json", "[1]", "holds a JSON list, not an object"),
        ("p.json", '{"n": 1, "n": 2}', "gives 'n' twice"),
        ("p.json", '{"at": {"x": 1, "x": 2}}', "gives 'x' twice"),
        ("p.toml", "n = ", "is not TOML"),
        ("p.yaml", "n: 3", "is of a kind that is not read"),
        ("p.env", "n: 3", "Line 1 of"),
        ("p.env", 'a=1\nb="x', "Line 2 of"),
        ("p.env", "a=1\na=2", "gives 'a' a second time"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(
    tmp_path: Path, name: str, text: str, expected: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, name, text)
    assert expected in caught.value.message
    assert name in caught.value.message


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_file_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(UsageError, match=f"The file of parameters '{name}' cannot be read"):
        read_parameter_file(name)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        read_parameter_file(str(tmp_path / "p.json"))
