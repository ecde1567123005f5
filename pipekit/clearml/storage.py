"""`StorageManager`: ClearML's names for files by URL, over `pipekit.get_local_copy`, `upload`."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from pipekit.api import storage
from pipekit.clearml.unused import Unused, take_unused
from pipekit.errors import UsageError

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_UNUSED = {
    "cache_context": Unused("there is one cache, in the home"),
    "name": Unused(""),
    "retries": Unused(""),
    "wait_for_upload": Unused("an upload is waited for", (None, True)),
    "skip_zero_size_check": Unused(""),
    "silence_errors": Unused("what cannot be had is an error", (None, False)),
    "match_wildcard": Unused("all files of the folder are taken"),
    "cache_file_limit": Unused("PIPEKIT_DOWNLOADS_LIMIT_BYTES bounds the cache, by size"),
}


class StorageManager:
    """Files by URL."""

    @classmethod
    def get_local_copy(
        cls, remote_url: str, cache_context: str | None = None, extract_archive: bool = True,
        name: str | None = None, force_download: bool = False,
    ) -> str:  # fmt: skip
        """The path of a local copy of what lies at a URL, downloaded the first time. Of an archive,
        by its name, the folder that it was unpacked into.

        Raises:
            TransferFailed, UsageError: it cannot be had. (ClearML returns None.)
        """
        _take("get_local_copy", cache_context=cache_context)
        url = str(remote_url)
        path = url.partition("?")[0].partition("#")[0].lower()
        extract = extract_archive and path.endswith(_ARCHIVES)
        return str(storage.get_local_copy(url, extract=extract, force=force_download))

    @classmethod
    def upload_file(
        cls, local_file: str, remote_url: str, wait_for_upload: bool = True, retries: int = 3
    ) -> str:
        """Put a file where a URL leads; the URL.

        Raises:
            TransferFailed, UsageError: it could not be put there.
        """
        _take("upload_file", wait_for_upload=wait_for_upload)
        return storage.upload(local_file, remote_url)

    @classmethod
    def upload_folder(
        cls, local_folder: str, remote_url: str, match_wildcard: str | None = None, **others: Any
    ) -> str:
        """Put all files of a folder where a URL leads; the URL.

        Raises:
            TransferFailed, UsageError: one could not be put there.
        """
        _take("upload_folder", match_wildcard=match_wildcard, **others)
        if not Path(local_folder).is_dir():
            raise UsageError(f"There is no folder {str(local_folder)!r}.")
        return storage.upload(local_folder, remote_url)

    @classmethod
    def download_file(
        cls, remote_url: str, local_folder: str | None = None, overwrite: bool = False,
        **others: Any,
    ) -> str:  # fmt: skip
        """Download a file into a folder, the working folder where none is named; its path.

        Raises:
            TransferFailed, UsageError: it cannot be had.
        """
        _take("download_file", **others)
        copy = storage.get_local_copy(str(remote_url), force=overwrite)
        target = Path(local_folder or ".", PurePosixPath(urlsplit(str(remote_url)).path).name)
        if overwrite or not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(copy, target)
        return str(target)

    @classmethod
    def set_cache_file_limit(cls, cache_file_limit: int, cache_context: str | None = None) -> None:
        """Nothing: `PIPEKIT_DOWNLOADS_LIMIT_BYTES` bounds the cache, by size."""
        _take("set_cache_file_limit", cache_file_limit=cache_file_limit)


def _take(call: str, **given: Any) -> None:
    take_unused(f"StorageManager.{call}", given, _UNUSED)
