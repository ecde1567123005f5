"""Where the key for signatures comes from."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pipekit.artifacts.key import read_key
from pipekit.errors import SettingsError


@pytest.fixture(autouse=True)
def _no_key_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIPEKIT_KEY", raising=False)


def test_the_key_is_made_at_first_use_and_stays(tmp_path: Path) -> None:
    key = read_key(tmp_path / "home")
    assert len(key) == 32
    assert read_key(tmp_path / "home") == key
    assert (tmp_path / "home" / "key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["key"]


def test_two_homes_have_two_keys(tmp_path: Path) -> None:
    assert read_key(tmp_path / "1") != read_key(tmp_path / "2")


def test_those_who_come_at_once_get_the_same_key(tmp_path: Path) -> None:
    start = threading.Barrier(8)
    keys: list[bytes] = []

    def work() -> None:
        start.wait(10)
        keys.append(read_key(tmp_path))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


def test_a_given_key_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPEKIT_KEY", "ab" * 32)
    assert read_key(tmp_path) == b"\xab" * 32
    assert not (tmp_path / "key").exists()


def test_a_given_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = read_key(tmp_path / "home")
    monkeypatch.setenv("PIPEKIT_KEY", str(tmp_path / "home" / "key"))
    assert read_key(tmp_path / "elsewhere") == key


def test_a_mistyped_key_is_an_error_that_does_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPEKIT_KEY", "ab" * 31)
    with pytest.raises(SettingsError, match="64 hexadecimal") as caught:
        read_key(tmp_path)
    assert "abab" not in str(caught.value)


def test_a_damaged_key_file_is_named_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("nonsense")
    with pytest.raises(SettingsError, match="key"):
        read_key(tmp_path)
    assert (tmp_path / "key").read_text() == "nonsense"


def test_a_home_that_cannot_be_made_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="PIPEKIT_HOME"):
        read_key(tmp_path / "file" / "home")
