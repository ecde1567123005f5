"""What the artifact store promises: where bytes go, what is checked before they are loaded, and
what its errors say."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from blake3 import blake3

from pipekit.artifacts.blob import LocalBlobStore
from pipekit.artifacts.store import ArtifactStore
from pipekit.errors import (
    ArtifactError,
    BlobCorrupt,
    BlobMissing,
    NotSerializable,
    StoreUnavailable,
    UntrustedPickle,
)
from pipekit.model.hashing import Hasher
from pipekit.model.value import StoredValue

HASHER = Hasher()


def open_store(folder: Path, *, key: bytes = b"k" * 32, inline_bytes: int = 65536) -> ArtifactStore:
    return ArtifactStore(
        LocalBlobStore(folder / "blobs"), hasher=HASHER, key=lambda: key, inline_bytes=inline_bytes,
        copies=folder / "copies",
    )  # fmt: skip


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return open_store(tmp_path)


@pytest.fixture
def filed(tmp_path: Path) -> ArtifactStore:
    """A store that keeps nothing inline."""
    return open_store(tmp_path, inline_bytes=-1)


class Thing:
    def __init__(self, x: Any) -> None:
        self.x = x


class Bomb:
    exploded: ClassVar[list[str]] = []

    def __reduce__(self) -> Any:
        return (Bomb.exploded.append, ("!",))


def path_of(artifacts: ArtifactStore, stored: StoredValue) -> Path:
    path = artifacts._blobs.find(stored.blob)
    assert path is not None
    return path


# --- where bytes go ---------------------------------------------------------------------------


def test_small_values_are_given_back_and_make_no_file(
    artifacts: ArtifactStore, tmp_path: Path
) -> None:
    for value in (1, "text", [1], {"a": (1, 2)}, np.arange(10), Thing(1)):
        stored, content = artifacts.put(value, where="It")
        assert stored.inline
        assert content is not None
        assert stored.blob == blake3(content).hexdigest()
        assert stored.size_bytes == len(content)
    assert not (tmp_path / "blobs").exists()


def test_large_values_are_durable_blobs_under_the_digest_of_their_bytes(
    artifacts: ArtifactStore,
) -> None:
    for value in ("x" * 70_000, np.zeros(10_000), list(range(50_000)), Thing(b"x" * 70_000)):
        stored, content = artifacts.put(value, where="It")
        assert (stored.inline, content) == (False, None)
        data = path_of(artifacts, stored).read_bytes()
        assert stored.blob == blake3(data).hexdigest()
        assert stored.size_bytes == len(data)
        artifacts.verify(stored)


def test_equal_values_are_stored_once(artifacts: ArtifactStore) -> None:
    first, _ = artifacts.put(np.zeros(10_000), where="It")
    second, _ = artifacts.put(np.zeros(10_000), where="Other")
    assert first == second
    assert len(list(artifacts._blobs.list_digests())) == 1


@pytest.mark.parametrize(
    "value",
    [1, True, None, 1.5, "text", "x" * 10_000, b"x" * 100_000, bytearray(b"ab"), [1, (2,)],
     np.arange(100_000.0), np.arange(100_000.0).reshape(100, 1000).T, np.array([]), np.float32(1),
     np.zeros(3, [("a", "i1"), ("b", "f8")]), {"a": np.arange(50_000)}],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_the_value_digest_is_the_hashers_in_whatever_way_it_was_made(
    artifacts: ArtifactStore, filed: ArtifactStore, value: object
) -> None:
    for store in (artifacts, filed):
        assert store.put(value, where="It")[0].digest == HASHER.digest(value)


def test_true_one_and_one_point_zero_stay_apart(artifacts: ArtifactStore) -> None:
    stored = [artifacts.put(value, where="It")[0] for value in (True, 1, 1.0, "1")]
    assert len({each.digest for each in stored}) == 4
    assert [each.type for each in stored] == ["bool", "int", "float", "str"]


def test_a_pickle_of_a_pickle_changes_bytes_and_keeps_the_digest(artifacts: ArtifactStore) -> None:
    shared = "".join(["a", "b"])
    one, _ = artifacts.put(Thing([shared, shared]), where="It")
    two, _ = artifacts.put(Thing(["".join(["a", "b"]), "".join(["a", "b"])]), where="It")
    assert one.blob != two.blob
    assert one.digest == two.digest


def test_a_value_is_seen_by_a_store_that_is_opened_later(tmp_path: Path) -> None:
    stored, _ = open_store(tmp_path).put(Thing(np.arange(100_000)), where="It")
    assert open_store(tmp_path).get(stored).x[5] == 5


# --- what cannot be stored --------------------------------------------------------------------


def test_a_value_that_no_serializer_takes_is_named_with_type_and_reason(
    artifacts: ArtifactStore,
) -> None:
    with pytest.raises(NotSerializable) as caught:
        artifacts.put(threading.Lock(), where="Output 'conn' of component 'load'")
    message = str(caught.value)
    assert message.startswith("Output 'conn' of component 'load' is a _thread.lock")
    assert "cannot pickle" in message
    assert "Hint: return a path" in message


class Reluctant:
    def __reduce__(self) -> Any:
        raise RuntimeError("not today")


@pytest.mark.parametrize(
    "make", [lambda: [Reluctant()], lambda: (i for i in ()), lambda: sys.stdout]
)
def test_whatever_a_value_raises_it_is_one_clear_error_and_leaves_no_file(
    filed: ArtifactStore, tmp_path: Path, make: Any
) -> None:
    with pytest.raises(NotSerializable):
        filed.put(make(), where="It")
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_nesting_without_end_is_one_clear_error(artifacts: ArtifactStore) -> None:
    value: list[Any] = []
    for _ in range(50_000):
        value = [value]
    with pytest.raises(NotSerializable):
        artifacts.put(value, where="It")


class FullDisk(LocalBlobStore):
    """A store on a device that is always full."""

    @contextmanager
    def stage(self) -> Iterator[IO[bytes]]:
        with open("/dev/full", "wb", buffering=0) as file:
            yield file


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
@pytest.mark.parametrize(
    "value",
    [np.zeros(100_000), "x" * 100_000, Thing(b"x" * 100_000), pd.DataFrame({"a": range(100_000)}),
     {"k": ["x" * 100_000]}],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_full_disk_is_said_to_be_full_by_every_serializer(tmp_path: Path, value: object) -> None:
    store = ArtifactStore(FullDisk(tmp_path), hasher=HASHER, key=lambda: b"k" * 32)
    with pytest.raises(StoreUnavailable, match=r"No space left on device.*Hint: free some space"):
        store.put(value, where="It")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("in the way")
    store = open_store(tmp_path)
    with pytest.raises(StoreUnavailable, match="blobs"):
        store.put(np.zeros(10_000), where="It")
    assert store.put(5, where="It")[1] == b"5"  # what needs no file is stored all the same


# --- what is checked --------------------------------------------------------------------------

VALUES: list[Any] = [
    5, "text", [1, 2], (1, 2), b"x" * 100, np.arange(20_000), pd.DataFrame({"a": range(20_000)}),
    Thing([1]), Thing(np.arange(20_000)), "x" * 100_000, list(range(50_000)),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_bytes_that_are_gone_are_reported_with_what_they_were(
    artifacts: ArtifactStore, value: object
) -> None:
    stored, _ = artifacts.put(value, where="It")
    if not stored.inline:
        artifacts._blobs.remove(stored.blob)
    for act in (artifacts.get, artifacts.verify):
        with pytest.raises(BlobMissing, match="output 'value' of 'fit'"):
            act(stored, None, what="output 'value' of 'fit'")


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_truncated_bytes_are_not_loaded(
    artifacts: ArtifactStore, filed: ArtifactStore, value: object
) -> None:
    for store in (artifacts, filed):
        stored, content = store.put(value, where="It")
        if content is None:
            path = path_of(store, stored)
            path.write_bytes(path.read_bytes()[:-1])
        for act in (store.get, store.verify):
            with pytest.raises(BlobCorrupt):
                act(stored, None if content is None else content[:-1])


def flip(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_flipped_bit_is_found_by_verify_and_by_get_where_it_reads_everything(
    artifacts: ArtifactStore, value: object
) -> None:
    stored, content = artifacts.put(value, where="It")
    mapped = stored.serializer == "npy" and content is None
    if content is None:
        path = path_of(artifacts, stored)
        path.write_bytes(flip(path.read_bytes(), stored.size_bytes // 2))
    else:
        content = flip(content, len(content) // 2)
    with pytest.raises(BlobCorrupt, match="digest differs"):
        artifacts.verify(stored, content)
    if not mapped:
        with pytest.raises(BlobCorrupt):
            artifacts.get(stored, content)


def test_a_damaged_heading_of_a_mapped_array_is_found_at_load(filed: ArtifactStore) -> None:
    stored, _ = filed.put(np.arange(20_000), where="It")
    path = path_of(filed, stored)
    path.write_bytes(flip(path.read_bytes(), 20))
    with pytest.raises(BlobCorrupt):
        filed.get(stored)


def forged(data: bytes, serializer: str, *, inline: bool = True) -> StoredValue:
    """A record that someone who can write store and blobs may make."""
    digest = blake3(data).hexdigest()
    return StoredValue("0" * 64, digest, serializer, "Thing", len(data), "", inline)


@pytest.mark.parametrize("serializer", ["pickle", "figure", "record"])
def test_what_is_signed_with_another_key_is_not_loaded(tmp_path: Path, serializer: str) -> None:
    theirs, ours = open_store(tmp_path / "a", key=b"a" * 32), open_store(tmp_path / "b")
    stored, content = theirs.put(Bomb(), where="It")
    Bomb.exploded.clear()
    with pytest.raises(UntrustedPickle, match=r"Hint: set PIPEKIT_KEY"):
        ours.get(replace(stored, serializer=serializer), content)
    assert Bomb.exploded == []


@pytest.mark.parametrize("inline", [True, False])
def test_a_pickle_without_a_signature_is_not_loaded(artifacts: ArtifactStore, inline: bool) -> None:
    data = pickle.dumps(Bomb()) + bytes(32)
    if not inline:
        with artifacts._blobs.stage() as staged:
            staged.write(data)
            artifacts._blobs.adopt(staged, blake3(data).hexdigest())
    with pytest.raises(UntrustedPickle):
        artifacts.get(forged(data, "pickle", inline=inline), data if inline else None)
    assert Bomb.exploded == []


def test_the_signature_of_one_pickle_does_not_fit_another(artifacts: ArtifactStore) -> None:
    _, one = artifacts.put(Thing(1), where="It")
    _, two = artifacts.put(Thing(2), where="It")
    assert one is not None
    assert two is not None
    mixed = one[:-32] + two[-32:]
    with pytest.raises(UntrustedPickle):
        artifacts.get(forged(mixed, "pickle"), mixed)


def test_a_large_buffer_of_a_pickle_is_signed_too(filed: ArtifactStore) -> None:
    stored, _ = filed.put(Thing(np.zeros(100_000)), where="It")
    data = flip(path_of(filed, stored).read_bytes(), 1000)
    with filed._blobs.stage() as staged:
        staged.write(data)
        filed._blobs.adopt(staged, blake3(data).hexdigest())
    with pytest.raises(UntrustedPickle):
        filed.get(forged(data, "pickle", inline=False))


@pytest.mark.parametrize(
    "data",
    [b'["dataclass","subprocess:Popen",["args",["list","true"]]]', b'["enum","os:environ","PATH"]',
     b'["model","os:system",["dict"]]'],
)  # fmt: skip
def test_what_is_not_signed_names_no_class(artifacts: ArtifactStore, data: bytes) -> None:
    with pytest.raises(ArtifactError, match="class"):
        artifacts.get(forged(data, "tree"), data)


def test_an_array_of_objects_in_npy_is_not_unpickled(artifacts: ArtifactStore) -> None:
    from io import BytesIO

    out = BytesIO()
    np.save(out, np.array([Bomb()], object), allow_pickle=True)
    Bomb.exploded.clear()
    data = out.getvalue()
    with pytest.raises(ArtifactError):
        artifacts.get(forged(data, "npy"), data)
    assert Bomb.exploded == []


@pytest.mark.parametrize("name", ["../../../escaped", "/escaped", "a/../../../escaped"])
def test_no_name_in_a_stored_folder_leads_out_of_it(
    artifacts: ArtifactStore, tmp_path: Path, name: str
) -> None:
    import json

    heading = json.dumps(
        {
            "path": "/nowhere/f", "absolute": "/nowhere/f", "digest": "0" * 64, "folder": True,
            "entries": [["", -1], [name, 1]],
        }
    ).encode()  # fmt: skip
    data = len(heading).to_bytes(8, "little") + heading + b"x"
    with pytest.raises(ArtifactError, match="leads out"):
        artifacts.get(forged(data, "path"), data)
    assert list(tmp_path.rglob("escaped")) == []


def test_a_class_that_is_gone_is_no_damage_and_says_so(artifacts: ArtifactStore) -> None:
    stored, content = artifacts.put(Thing(1), where="It")
    there = globals().pop("Thing")
    try:
        with pytest.raises(ArtifactError, match="Thing") as caught:
            artifacts.get(stored, content)
        assert not isinstance(caught.value, BlobCorrupt)
    finally:
        globals()["Thing"] = there


def test_the_key_is_asked_for_only_when_something_is_signed(tmp_path: Path) -> None:
    asked: list[int] = []

    def key() -> bytes:
        asked.append(1)
        return b"k" * 32

    store = ArtifactStore(LocalBlobStore(tmp_path), hasher=HASHER, key=key)
    store.get(*store.put([1, "a", (2,)], where="It"))
    assert asked == []
    store.get(*store.put(Thing(1), where="It"))
    store.get(*store.put(Thing(2), where="It"))
    assert asked == [1]


# --- other processes, previews ----------------------------------------------------------------

SCRIPT = """
import pickle, sys
from dataclasses import dataclass
from pathlib import Path
from pipekit.artifacts.blob import LocalBlobStore
from pipekit.artifacts.store import ArtifactStore
from pipekit.model.hashing import Hasher

@dataclass
class Record:
    x: int

class Thing:
    def __init__(self, x): self.x = x

def double(x): return 2 * x

def store():
    return ArtifactStore(LocalBlobStore(Path(sys.argv[1])), hasher=Hasher(), key=lambda: b"k" * 32)

if __name__ == "__main__":
    artifacts = store()
    values = [artifacts.put(v, where="It") for v in (Record(1), Thing(2), double, Thing)]
    loaded = [artifacts.get(*value) for value in values]
    assert type(loaded[0]) is Record and type(loaded[1]) is Thing
    assert loaded[2] is double and loaded[3] is Thing
    Path(sys.argv[2]).write_bytes(pickle.dumps(values))
"""

READER = """
import pickle, sys
sys.path.insert(0, sys.argv[3])
import flow
values = pickle.loads(open(sys.argv[2], "rb").read())
loaded = [flow.store().get(*value) for value in values]
assert loaded[0] == flow.Record(1), loaded
assert type(loaded[1]) is flow.Thing and loaded[1].x == 2
assert loaded[2] is flow.double and loaded[3] is flow.Thing
assert [flow.store().put(v, where="It")[0].digest for v in loaded] == [s.digest for s, _ in values]
"""


def test_what_a_script_defines_comes_back_as_its_own_class_in_any_process(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    arguments = [str(tmp_path / "blobs"), str(tmp_path / "values"), str(tmp_path)]
    for command in ([str(tmp_path / "flow.py")], ["-c", READER]):
        done = subprocess.run(
            [sys.executable, *command, *arguments], env=environment, capture_output=True, text=True,
            cwd=tmp_path, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "shown"),
    [(5, "5"), (None, "null"), ("hello", "hello"), ({"a": [1]}, '{"a":[1]}'),
     (b"ab", "2 bytes: b'ab'"),
     (np.arange(10.0), "array 10 float64\n[0.0, 1.0, 2.0, 3.0, 4.0, …]"), ((1, 2), "(1, 2)"),
     (list(range(5000)), "list of 5000: [0, 1, 2"), (Rude(), "<Rude instance at"),
     (pd.DataFrame({"a": [1, 2]}), "frame, 2 rows × 1 columns\n   a\n0  1\n1  2")],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
def test_previews_show_the_beginning(artifacts: ArtifactStore, value: object, shown: str) -> None:
    assert artifacts.put(value, where="It")[0].preview.startswith(shown)


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, list(range(10**5)), {str(i): "x" * 100 for i in range(1000)}, b"x" * 10**6,
     np.arange(10**6), np.array(["x" * 9999] * 10), pd.DataFrame(np.zeros((100, 100))),
     pd.DataFrame({"a": ["x" * 10**5]}), Thing("x" * 10**6)],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
def test_previews_stay_short(artifacts: ArtifactStore, value: object) -> None:
    assert len(artifacts.put(value, where="It")[0].preview) <= 2000


def test_threads_may_store_and_load_at_once(artifacts: ArtifactStore) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(20):
                for value in (i, np.full(10_000, i % 3), Thing([i, number])):
                    stored, content = artifacts.put(value, where="It")
                    artifacts.get(stored, content)
                    artifacts.verify(stored, content)
        except BaseException as error:  # noqa: BLE001 - the thread's outcome
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
