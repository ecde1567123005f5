"""The contract of the port `BlobStore`, run on every implementation."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3

from pipekit.artifacts.blob import LocalBlobStore
from pipekit.errors import BlobMissing, StoreUnavailable
from pipekit.ports import BlobStore

IMPLEMENTATIONS: dict[str, Callable[[Path], BlobStore]] = {
    "local": lambda folder: LocalBlobStore(folder / "blobs"),
    "local with fsync": lambda folder: LocalBlobStore(folder / "blobs", fsync=True),
}


@pytest.fixture(params=list(IMPLEMENTATIONS))
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], BlobStore]:
    """Opens the same place anew at each call."""
    return lambda: IMPLEMENTATIONS[request.param](tmp_path)


@pytest.fixture
def blobs(open_store: Callable[[], BlobStore]) -> BlobStore:
    return open_store()


def add(blobs: BlobStore, data: bytes) -> str:
    digest = blake3(data).hexdigest()
    with blobs.stage() as staged:
        staged.write(data)
        blobs.adopt(staged, digest)
    return digest


def test_an_adopted_blob_is_found_with_its_bytes(blobs: BlobStore) -> None:
    path = blobs.find(add(blobs, b"content"))
    assert path is not None
    assert path.read_bytes() == b"content"


def test_an_empty_blob_is_a_blob(blobs: BlobStore) -> None:
    path = blobs.find(add(blobs, b""))
    assert path is not None
    assert path.read_bytes() == b""


def test_what_was_never_adopted_is_absent(blobs: BlobStore) -> None:
    assert blobs.find("0" * 64) is None
    assert list(blobs.list_digests()) == []


def test_what_is_staged_is_no_blob_yet_and_is_removed_at_exit(blobs: BlobStore) -> None:
    with blobs.stage() as staged:
        staged.write(b"half")
        staged.flush()
        assert Path(staged.name).exists()
        assert list(blobs.list_digests()) == []
    assert not Path(staged.name).exists()


def test_staging_that_ends_in_an_exception_leaves_nothing(blobs: BlobStore) -> None:
    names: list[str] = []

    def fail() -> None:
        with blobs.stage() as staged:
            names.append(staged.name)
            staged.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not Path(names[0]).exists()
    assert list(blobs.list_digests()) == []


def test_adopting_a_known_blob_again_mends_it(blobs: BlobStore) -> None:
    digest = add(blobs, b"content")
    path = blobs.find(digest)
    assert path is not None
    path.chmod(0o600)
    path.write_bytes(b"damaged")
    assert add(blobs, b"content") == digest
    assert path.read_bytes() == b"content"
    assert list(blobs.list_digests()) == [digest]


def test_who_reads_a_blob_is_not_disturbed_when_it_is_adopted_again(blobs: BlobStore) -> None:
    path = blobs.find(add(blobs, b"content"))
    assert path is not None
    with path.open("rb") as reader:
        add(blobs, b"content")
        assert reader.read() == b"content"


def test_a_blob_is_seen_by_a_store_that_is_opened_later(
    open_store: Callable[[], BlobStore],
) -> None:
    digest = add(open_store(), b"content")
    assert open_store().find(digest) is not None


def test_removing_says_whether_there_was_one(blobs: BlobStore) -> None:
    digest = add(blobs, b"content")
    assert blobs.remove(digest) is True
    assert blobs.find(digest) is None
    assert blobs.remove(digest) is False


def test_an_open_blob_can_be_read_to_its_end_while_it_is_removed(blobs: BlobStore) -> None:
    digest = add(blobs, b"content")
    path = blobs.find(digest)
    assert path is not None
    with path.open("rb") as file:
        blobs.remove(digest)
        assert file.read() == b"content"


def test_every_blob_is_listed(blobs: BlobStore) -> None:
    digests = {add(blobs, str(i).encode()) for i in range(20)}
    assert set(blobs.list_digests()) == digests


def test_threads_that_adopt_the_same_blob_at_once_all_succeed(blobs: BlobStore) -> None:
    data = b"x" * 100_000
    start = threading.Barrier(8)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            start.wait(10)
            for _ in range(5):
                add(blobs, data)
        except BaseException as error:  # noqa: BLE001 - the thread's outcome
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    (digest,) = blobs.list_digests()
    path = blobs.find(digest)
    assert path is not None
    assert path.read_bytes() == data


def test_a_folder_becomes_one_blob(blobs: BlobStore, tmp_path: Path) -> None:
    digest = "ab" * 32
    for _ in range(2):  # the second is dropped
        folder = tmp_path / "made"
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / "file").write_text("x")
        blobs.adopt_folder(folder, digest)
        assert not folder.exists()
    found = blobs.find(digest)
    assert found is not None
    assert (found / "inner" / "file").read_text() == "x"
    assert blobs.remove(digest) is True
    assert blobs.find(digest) is None


@pytest.mark.parametrize(
    "name", ["", "..", "../../etc/passwd", "a" * 63, "A" * 64, "/" + "a" * 63, "a" * 62 + "\n"]
)
def test_a_name_that_is_no_digest_never_becomes_a_path(blobs: BlobStore, name: str) -> None:
    with pytest.raises(BlobMissing):
        blobs.find(name)
    with pytest.raises(BlobMissing):
        blobs.remove(name)
    with blobs.stage() as staged, pytest.raises(BlobMissing):
        blobs.adopt(staged, name)


# --- what holds for a local folder ------------------------------------------------------------


def test_no_one_else_may_read_a_local_store(tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path / "home" / "blobs")
    path = blobs.find(add(blobs, b"content"))
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o400
    for folder in (path.parent, blobs.root, blobs.root / "tmp"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_written_is_named_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreUnavailable, match=r"file/blobs.*Hint: set PIPEKIT_HOME"),
        LocalBlobStore(tmp_path / "file" / "blobs").stage(),
    ):
        pass


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named_with_a_way_out(tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path / "blobs")
    digest = add(blobs, b"content")
    (tmp_path / "blobs" / "tmp").chmod(0o500)
    try:
        with pytest.raises(StoreUnavailable, match="Permission denied"), blobs.stage():
            pass
        assert blobs.find(digest) is not None
    finally:
        (tmp_path / "blobs" / "tmp").chmod(0o700)
