"""The contract of the port `BlobStore` on every implementation; the suite is
`pipekit.testing.suites`. And what holds for a local folder alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipekit.artifacts.blob import LocalBlobStore
from pipekit.errors import StoreUnavailable
from pipekit.ports import BlobStore
from pipekit.testing.suites import BlobStoreContract
from pipekit.testing.suites.blob_store import add

IMPLEMENTATIONS: dict[str, Callable[[Path], BlobStore]] = {
    "local": lambda folder: LocalBlobStore(folder / "blobs"),
    "local with fsync": lambda folder: LocalBlobStore(folder / "blobs", fsync=True),
}


class TestBlobStore(BlobStoreContract):
    @pytest.fixture(params=list(IMPLEMENTATIONS))
    def open_store(self, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], BlobStore]:
        return lambda: IMPLEMENTATIONS[request.param](tmp_path)


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
