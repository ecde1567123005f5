"""A cache of which a part was changed, cut off or lost never gives a wrong value: the step runs
again, or the error names what is damaged and the next run is right."""

from __future__ import annotations

import os
import shutil
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipekit import component, pipeline
from pipekit.control.session import close_sessions
from pipekit.errors import DamagedMemo, PipekitError


class Model:
    def __init__(self, x: int) -> None:
        self.x = x


@component
def plain() -> list[int]:
    return [1, 2, 3]


@component
def fitted() -> Model:
    return Model(7)


@component
def large() -> bytes:
    return bytes(range(256)) * 400


@component
def describe(numbers: list[int], model: Model, content: bytes) -> str:
    return f"{numbers} {model.x} {sum(content)}"


@pipeline(name="all_of_it")
def all_of_it() -> list[Any]:
    numbers, model, content = plain(), fitted(), large()
    text = describe(numbers, model, content)
    return [numbers, model.x, sum(content), text]


RIGHT = [[1, 2, 3], 7, 13056000, "[1, 2, 3] 7 13056000"]
Change = Callable[[sqlite3.Connection], object]


class Cache:
    """A filled home, which can be damaged and is as it was before each damage."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._saved = home.with_name("saved")
        assert all_of_it.options(executor="inline")() == RIGHT
        close_sessions()
        shutil.copytree(home, self._saved)

    def rows(self, query: str) -> list[Any]:
        with sqlite3.connect(self._saved / "pipekit.db") as connection:
            return list(connection.execute(query))

    def blob(self) -> Path:
        (path,) = [path for path in (self._saved / "blobs").rglob("*") if path.is_file()]
        return self.home / path.relative_to(self._saved)

    def damage(self, query: str, *parameters: object) -> None:
        self.restore()
        connection = sqlite3.connect(self.home / "pipekit.db")
        assert connection.execute(query, parameters).rowcount == 1
        connection.commit()
        connection.close()

    def restore(self) -> None:
        close_sessions()
        shutil.rmtree(self.home)
        shutil.copytree(self._saved, self.home)

    def run(self) -> tuple[list[bool], list[str]]:
        """Which of the four components were reused, and what was warned of; the value is right."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run = all_of_it.options(executor="inline").run()
        assert run.value == RIGHT
        reused = [step.reused for step in run.steps]
        close_sessions()
        return reused, [str(one.message) for one in caught if one.category is DamagedMemo]

    def check(self, *named: str) -> None:
        """It gives the right value, or an error that names one of these and then that value."""
        said = ""
        try:
            self.run()
        except PipekitError as error:
            said = str(error)
        if said:
            assert any(name in said for name in named)
            self.run()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cache]:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("corruption") / "home"
        patch.setenv("PIPEKIT_HOME", str(home))
        patch.setenv("PIPEKIT_PROGRESS", "off")
        yield Cache(home)
        close_sessions()


def flipped(text: Any, place: int, bit: int = 1) -> Any:
    if isinstance(text, bytes):
        return text[:place] + bytes([text[place] ^ bit]) + text[place + 1 :]
    return text[:place] + chr(ord(text[place]) ^ bit) + text[place + 1 :]


def places(length: int, request: pytest.FixtureRequest, *, most: int) -> range:
    """Every place in the long form, else places all over it."""
    if request.config.getoption("--long"):
        return range(length)
    return range(0, length, max(1, -(-length // most)))


def test_a_filled_cache_is_used(cache: Cache) -> None:
    cache.restore()
    assert cache.run() == ([True] * 4, [])


def test_a_memo_of_which_any_byte_changed_is_a_miss_that_is_named(
    cache: Cache, request: pytest.FixtureRequest
) -> None:
    for number, (key, outputs) in enumerate(cache.rows("SELECT key, outputs FROM memos")):
        for place in places(len(outputs), request, most=40):
            cache.damage("UPDATE memos SET outputs = ? WHERE key = ?", flipped(outputs, place), key)
            reused, warned = cache.run()
            assert reused.count(False) == 1
            assert [key[:12] in text for text in warned] == [True]
        assert number < 4


@pytest.mark.parametrize(
    "text", ["", "[[", "null", "[]", '[["value",["a"]]]', b"\xff\x00", 5, "[] 0"]
)
def test_a_memo_that_holds_something_else_is_a_miss_that_is_named(
    cache: Cache, text: object
) -> None:
    for column in ("outputs", "reads"):
        if (column, text) == ("reads", ""):
            continue  # nothing was read
        (key,) = cache.rows("SELECT key FROM memos LIMIT 1")[0]
        cache.damage(f"UPDATE memos SET {column} = ? WHERE key = ?", text, key)
        reused, warned = cache.run()
        assert reused.count(False) == 1
        assert len(warned) == 1


def test_a_damaged_memo_is_replaced(cache: Cache) -> None:
    cache.damage("UPDATE memos SET outputs = '[[' WHERE rowid = (SELECT MIN(rowid) FROM memos)")
    cache.run()
    assert cache.run() == ([True] * 4, [])


def test_other_columns_of_a_memo_change_no_value(cache: Cache) -> None:
    for column in ("key", "task_id", "run", "created_at", "duration_seconds"):
        cache.damage(
            f"UPDATE memos SET {column} = 'x' WHERE rowid = (SELECT MIN(rowid) FROM memos)"
        )
        cache.run()


def test_a_memo_of_an_older_scheme_is_a_miss(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.restore()
    monkeypatch.setattr("pipekit.control.use._KEY_SCHEME", "memo-0")
    assert cache.run() == ([False] * 4, [])
    monkeypatch.undo()
    assert cache.run() == ([True] * 4, [])


def test_content_in_the_store_of_which_any_byte_changed_is_never_a_value(
    cache: Cache, request: pytest.FixtureRequest
) -> None:
    for blob, data in cache.rows("SELECT blob, data FROM contents WHERE LENGTH(data) < 1000"):
        for place in places(len(data), request, most=12):
            cache.damage("UPDATE contents SET data = ? WHERE blob = ?", flipped(data, place), blob)
            cache.check(blob[:12])


@pytest.mark.parametrize("change", ["DELETE FROM contents", "UPDATE contents SET data = x'00'",
                                    "UPDATE contents SET data = 'text'",
                                    "UPDATE contents SET data = substr(data, 2)"])  # fmt: skip
def test_content_that_is_lost_or_something_else_is_never_a_value(cache: Cache, change: str) -> None:
    for (blob,) in cache.rows("SELECT blob FROM contents"):
        cache.damage(f"{change} WHERE blob = ?", blob)
        cache.check(blob[:12])


def test_a_blob_of_which_any_byte_changed_is_never_a_value(
    cache: Cache, request: pytest.FixtureRequest
) -> None:
    blob = cache.blob()
    data = blob.read_bytes()
    near_the_ends = {*range(8), *range(len(data) - 8, len(data))}
    for place in sorted({*places(len(data), request, most=20)[:3000], *near_the_ends}):
        cache.restore()
        blob.chmod(0o600)
        blob.write_bytes(flipped(data, place))
        cache.check(blob.name[:10])


@pytest.mark.parametrize("length", [0, 1, 102399, 102401])
def test_a_blob_of_another_length_is_never_a_value(cache: Cache, length: int) -> None:
    cache.restore()
    blob = cache.blob()
    blob.chmod(0o600)
    os.truncate(blob, length)
    cache.check(blob.name[:10])


def test_a_lost_blob_is_a_miss(cache: Cache) -> None:
    cache.restore()
    cache.blob().unlink()
    reused, _ = cache.run()
    assert reused.count(False) == 1


def test_a_pickle_is_not_loaded_where_its_signature_changed_with_its_address(
    cache: Cache,
) -> None:
    """Whoever can write the store can make a pickle fit its address; not sign it."""
    from blake3 import blake3

    for blob, data in cache.rows("SELECT blob, data FROM contents WHERE LENGTH(data) < 1000"):
        if b"Model" not in data or b"\x80\x05" not in data:
            continue
        for place in range(0, len(data), 5):
            forged = flipped(data, place)
            address = blake3(forged).hexdigest()
            cache.damage("UPDATE contents SET data = ?, blob = ? WHERE blob = ?", forged, address,
                         blob)  # fmt: skip
            connection = sqlite3.connect(cache.home / "pipekit.db")
            for table, column in (("memos", "outputs"), ("artifacts", "value")):
                connection.execute(
                    f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (blob, address)
                )
            connection.commit()
            connection.close()
            cache.check(address[:12], "sign")
        return
    raise AssertionError("no pickle was stored inline")
