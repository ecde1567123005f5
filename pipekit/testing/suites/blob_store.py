"""The contract of the port `BlobStore` as a suite."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3

from pipekit.errors import BlobMissing
from pipekit.ports import BlobStore


class BlobStoreContract:
    """What every implementation of `pipekit.ports.BlobStore` keeps. To be subclassed.

    The subclass defines the fixture `open_store`: a function that opens the same place anew at each
    call, a place of its own for each test.

    Example:
        ```python
        class TestBucketBlobStore(BlobStoreContract):
            @pytest.fixture
            def open_store(self, bucket):
                return lambda: BucketBlobStore(bucket)
        ```
    """

    @pytest.fixture
    def open_store(self) -> Callable[[], BlobStore]:
        """Opens the same place anew at each call."""
        raise NotImplementedError(f"{type(self).__name__} is to define the fixture 'open_store'.")

    @pytest.fixture
    def blobs(self, open_store: Callable[[], BlobStore]) -> BlobStore:
        """The store of one test."""
        return open_store()

    def test_an_adopted_blob_is_found_with_its_bytes(self, blobs: BlobStore) -> None:
        path = blobs.find(add(blobs, b"content"))
        assert path is not None
        assert path.read_bytes() == b"content"

    def test_an_empty_blob_is_a_blob(self, blobs: BlobStore) -> None:
        path = blobs.find(add(blobs, b""))
        assert path is not None
        assert path.read_bytes() == b""

    def test_what_was_never_adopted_is_absent(self, blobs: BlobStore) -> None:
        assert blobs.find("0" * 64) is None
        assert list(blobs.list_digests()) == []

    def test_what_is_staged_is_no_blob_yet_and_is_removed_at_exit(self, blobs: BlobStore) -> None:
        with blobs.stage() as staged:
            staged.write(b"half")
            staged.flush()
            assert Path(staged.name).exists()
            assert list(blobs.list_digests()) == []
        assert not Path(staged.name).exists()

    def test_staging_that_ends_in_an_exception_leaves_nothing(self, blobs: BlobStore) -> None:
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

    def test_adopting_a_known_blob_again_mends_it(self, blobs: BlobStore) -> None:
        digest = add(blobs, b"content")
        path = blobs.find(digest)
        assert path is not None
        path.chmod(0o600)
        path.write_bytes(b"damaged")
        assert add(blobs, b"content") == digest
        assert path.read_bytes() == b"content"
        assert list(blobs.list_digests()) == [digest]

    def test_who_reads_a_blob_is_not_disturbed_when_it_is_adopted_again(
        self, blobs: BlobStore
    ) -> None:
        path = blobs.find(add(blobs, b"content"))
        assert path is not None
        with path.open("rb") as reader:
            add(blobs, b"content")
            assert reader.read() == b"content"

    def test_a_blob_is_seen_by_a_store_that_is_opened_later(
        self,
        open_store: Callable[[], BlobStore],
    ) -> None:
        digest = add(open_store(), b"content")
        assert open_store().find(digest) is not None

    def test_removing_says_whether_there_was_one(self, blobs: BlobStore) -> None:
        digest = add(blobs, b"content")
        assert blobs.remove(digest) is True
        assert blobs.find(digest) is None
        assert blobs.remove(digest) is False

    def test_an_open_blob_can_be_read_to_its_end_while_it_is_removed(
        self, blobs: BlobStore
    ) -> None:
        digest = add(blobs, b"content")
        path = blobs.find(digest)
        assert path is not None
        with path.open("rb") as file:
            blobs.remove(digest)
            assert file.read() == b"content"

    def test_every_blob_is_listed(self, blobs: BlobStore) -> None:
        digests = {add(blobs, str(i).encode()) for i in range(20)}
        assert set(blobs.list_digests()) == digests

    def test_threads_that_adopt_the_same_blob_at_once_all_succeed(self, blobs: BlobStore) -> None:
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

    def test_a_folder_becomes_one_blob(self, blobs: BlobStore, tmp_path: Path) -> None:
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

    def test_an_old_blob_is_removed_and_one_that_is_not_stays(self, blobs: BlobStore) -> None:
        digest = add(blobs, b"x" * 10)
        ((listed, size, at),) = blobs.list_sizes()
        assert (listed, size) == (digest, 10)
        assert blobs.remove_old(digest, before=at) is None
        assert blobs.find(digest) is not None
        assert blobs.remove_old(digest, before=at + 1) == 10
        assert blobs.find(digest) is None
        assert blobs.remove_old(digest, before=at + 1) is None

    def test_a_folder_that_is_adopted_again_is_not_old(
        self, blobs: BlobStore, tmp_path: Path
    ) -> None:
        digest = "ab" * 32
        for _ in range(2):
            folder = tmp_path / "made"
            folder.mkdir()
            (folder / "file").write_text("xyz")
            blobs.adopt_folder(folder, digest)
            found = blobs.find(digest)
            assert found is not None
            before = found.stat().st_mtime
            os.utime(found, (1.0, 1.0))
        folder = tmp_path / "made"
        folder.mkdir()
        blobs.adopt_folder(folder, digest)
        assert blobs.remove_old(digest, before=before) is None
        assert blobs.remove_old(digest, before=before + 3600) == 3

    @pytest.mark.parametrize(
        "name", ["", "..", "../../etc/passwd", "a" * 63, "A" * 64, "/" + "a" * 63, "a" * 62 + "\n"]
    )
    def test_a_name_that_is_no_digest_never_becomes_a_path(
        self, blobs: BlobStore, name: str
    ) -> None:
        with pytest.raises(BlobMissing):
            blobs.find(name)
        with pytest.raises(BlobMissing):
            blobs.remove(name)
        with blobs.stage() as staged, pytest.raises(BlobMissing):
            blobs.adopt(staged, name)


def add(blobs: BlobStore, data: bytes) -> str:
    """Stage and adopt some bytes; their digest."""
    digest = blake3(data).hexdigest()
    with blobs.stage() as staged:
        staged.write(data)
        blobs.adopt(staged, digest)
    return digest
