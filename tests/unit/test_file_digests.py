"""Digests of files and folders, and what is remembered of them."""

from __future__ import annotations

import os
import pickle
import sqlite3
from pathlib import Path
from typing import Any, ClassVar

import pytest
from blake3 import blake3

from pipekit.artifacts.bytes_cache import open_cache
from pipekit.artifacts.files import KEPT_BYTES, FileDigests


class Later:
    """A clock on which every file was changed long ago."""

    def now(self) -> float:
        return 4e9

    def monotonic(self) -> float:
        return 0.0


def fresh() -> FileDigests:
    return FileDigests(None)


def remembering(folder: Path | None = None) -> FileDigests:
    return FileDigests(folder, clock=Later())


def change_unseen(path: Path, content: bytes) -> None:
    """Other content under the same identity: only what remembers gives the old digest."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_counts_by_its_bytes_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "b").write_bytes(b"content")
    (tmp_path / "b").chmod(0o700)
    assert fresh().digest(tmp_path / "a") == fresh().digest(tmp_path / "b")
    assert fresh().digest(tmp_path / "a") == blake3(b"content").hexdigest()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.csv"):
        fresh().digest(tmp_path / "gone.csv")


def test_a_changed_file_has_another_digest(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    digests = remembering()
    before = digests.digest(path)
    path.write_bytes(b"two")
    assert digests.digest(path) != before


def test_a_same_size_edit_with_the_old_mtime_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    digests = remembering()
    before = digests.digest(path)
    change_unseen(path, b"two")
    assert digests.digest(path) != before


def test_a_file_that_was_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    class SameInstant(Later):
        def now(self) -> float:
            return path.stat().st_mtime

    path = tmp_path / "a"
    path.write_bytes(b"one")
    careful, careless = FileDigests(None, clock=SameInstant()), remembering()
    for digests in (careful, careless):
        digests.digest(path)
    assert careful._memory == {}
    assert len(careless._memory) == 1


def make_folder(folder: Path, **contents: str) -> Path:
    for name, text in contents.items():
        file = folder / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def test_a_folder_counts_by_names_and_contents(tmp_path: Path) -> None:
    digest = fresh().digest(make_folder(tmp_path / "1", a="x", b__c="y"))
    assert fresh().digest(make_folder(tmp_path / "2", b__c="y", a="x")) == digest
    others = [
        make_folder(tmp_path / "3", a="x", b__c="z"),
        make_folder(tmp_path / "4", a="x", b__d="y"),
        make_folder(tmp_path / "5", a="x", b="y"),
        make_folder(tmp_path / "6", a="x"),
    ]
    assert len({digest, *(fresh().digest(other) for other in others)}) == 5


def test_an_empty_folder_inside_counts(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "1", a="x")
    before = fresh().digest(folder)
    (folder / "empty").mkdir()
    assert fresh().digest(folder) != before


def test_links_are_followed_and_those_in_a_circle_end(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "1", a="x")
    outside = tmp_path / "outside"
    outside.write_text("one")
    (folder / "link").symlink_to(outside)
    (folder / "circle").symlink_to(folder)
    (folder / "dangling").symlink_to(tmp_path / "nothing")
    before = fresh().digest(folder)
    outside.write_text("two")
    assert fresh().digest(folder) != before


def test_a_pipe_is_refused_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="neither a file nor a folder"):
        fresh().digest(tmp_path / "pipe")


# --- what outlives the process ----------------------------------------------------------------


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(b"x" * KEPT_BYTES)
    return path


def rows(cache: Path) -> list[Any]:
    with sqlite3.connect(cache / "cache.db") as connection:
        return connection.execute("select key, raw, mode, filename, value from Cache").fetchall()


def tamper(cache: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(cache / "cache.db") as connection:
        connection.execute(statement, values)


def test_a_large_file_is_remembered_beyond_the_process(tmp_path: Path, large: Path) -> None:
    digest = remembering(tmp_path / "cache").digest(large)
    assert digest == blake3(large.read_bytes()).hexdigest()
    ((key, raw, _, filename, value),) = rows(tmp_path / "cache")
    assert (type(key), raw, filename, value) == (str, 1, None, digest.encode())
    # A second process believes what is remembered.
    tamper(tmp_path / "cache", "update Cache set value = ?", b"ab" * 32)
    assert remembering(tmp_path / "cache").digest(large) == "ab" * 32


def test_a_small_file_is_remembered_in_memory_only(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"x")
    remembering(tmp_path / "cache").digest(tmp_path / "small")
    assert not (tmp_path / "cache").exists()


class Bomb:
    exploded: ClassVar[list[str]] = []

    def __reduce__(self) -> Any:
        return (Bomb.exploded.append, ("!",))


BOMB = pickle.dumps(Bomb())

ATTACKS = {
    "pickled value": ("update Cache set mode = 4, value = ?", BOMB),
    "pickled value in place": ("update Cache set value = ?", BOMB),
    "text mode": ("update Cache set mode = 3, value = ?", "ab" * 32),
    "file outside": ("update Cache set mode = 2, value = null, filename = ?", "../secret"),
    "absolute file": ("update Cache set mode = 3, value = null, filename = ?", "/etc/hostname"),
    "pickled file": ("update Cache set mode = 4, value = null, filename = ?", "../bomb"),
    "number": ("update Cache set value = ?", 5),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_poisoned_value_is_forgotten_and_the_file_is_read(
    tmp_path: Path, large: Path, attack: str
) -> None:
    (tmp_path / "secret").write_bytes(b"ab" * 32)
    (tmp_path / "bomb").write_bytes(BOMB)
    digest = remembering(tmp_path / "cache").digest(large)
    tamper(tmp_path / "cache", *ATTACKS[attack])
    assert remembering(tmp_path / "cache").digest(large) == digest
    assert Bomb.exploded == []
    assert (tmp_path / "secret").exists()
    assert (tmp_path / "bomb").exists()


def test_a_poisoned_key_is_not_unpickled_by_listing(tmp_path: Path, large: Path) -> None:
    remembering(tmp_path / "cache").digest(large)
    tamper(tmp_path / "cache", "update Cache set raw = 0, key = ?", BOMB)
    with open_cache(tmp_path / "cache", size_limit=1 << 20) as cache, pytest.raises(Exception):  # noqa: B017, PT011
        list(cache)
    assert Bomb.exploded == []


def test_a_poisoned_file_name_removes_nothing_outside(tmp_path: Path, large: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    remembering(tmp_path / "cache").digest(large)
    tamper(tmp_path / "cache", "update Cache set filename = ?, expire_time = 1", "../secret")
    with open_cache(tmp_path / "cache", size_limit=1 << 20) as cache:
        cache.expire()
        cache.clear()
    assert (tmp_path / "secret").exists()


@pytest.mark.parametrize(("key", "value"), [(1, b"x"), (b"k", b"x"), ("k", "text"), ("k", [1])])
def test_only_text_keys_and_bytes_are_kept(tmp_path: Path, key: Any, value: Any) -> None:
    with open_cache(tmp_path / "cache", size_limit=1 << 20) as cache, pytest.raises(TypeError):
        cache.set(key, value)


def test_values_of_any_size_stay_within_the_database(tmp_path: Path) -> None:
    with open_cache(tmp_path / "cache", size_limit=1 << 26) as cache:
        cache.set("k", b"x" * 1_000_000)
        assert len(cache.get("k")) == 1_000_000
    assert {path.name.split("-")[0] for path in (tmp_path / "cache").iterdir()} == {"cache.db"}


def test_a_cache_that_is_no_database_costs_time_only(tmp_path: Path, large: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "cache.db").write_bytes(b"nonsense" * 1000)
    assert remembering(tmp_path / "cache").digest(large) == blake3(large.read_bytes()).hexdigest()


def test_a_cache_folder_that_cannot_be_made_costs_time_only(tmp_path: Path, large: Path) -> None:
    digests = remembering(large / "below a file")
    assert digests.digest(large) == blake3(large.read_bytes()).hexdigest()
