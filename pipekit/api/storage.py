"""Files by URL: `get_local_copy` and `upload`."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipekit.control.current import current_run
from pipekit.errors import PipekitError, UsageError
from pipekit.settings import Settings, read_settings
from pipekit.worker.task_log import current_step

if TYPE_CHECKING:
    from pipekit.artifacts.downloads import Downloads


def get_local_copy(
    url: str | os.PathLike[str], *, extract: bool = False, force: bool = False, checksum: str = ""
) -> Path:
    """The path of a local copy of what lies at a URL. It is downloaded the first time; from then on
    the copy in the home is taken, and the network is left alone.

    Copies are kept until all of them are larger than `PIPEKIT_DOWNLOADS_LIMIT_BYTES`: then those
    go that were used longest ago, and none that was within the last hour. Do not change a copy: a
    changed one is downloaded again, with a warning.

    A step that calls this is reused as any other, whatever has become of the file. Called in the
    pipeline function and passed on, the path counts by its content.

    Args:
        url: `https://…`, `s3://…`, `gs://…` or any other URL of fsspec (`pip install
            'pipekit[files]'`; http needs nothing), where it has folders a folder too. A path or
            `file://` is given back as it is.
        extract: Unpack the archive that it is (zip, or tar with gzip, bzip2 or xz), and give the
            folder.
        force: Ask there whether it has changed, and download it again unless it has not. Otherwise
            nobody asks.
        checksum: What it must be: `sha256:…`, or md5, sha1, sha512 or blake3. The ones that the
            server gives, and its length, count in any case.

    Raises:
        TransferFailed: it cannot be had, or not whole; nothing is kept then.
        ArchiveRefused: it is no archive, is damaged, or has what could do harm.
        UsageError: it is empty, no such URL is known, or it needs a package that is not installed.
    """
    from pipekit.artifacts import remote

    url = _named(url)
    local = remote.find_local(url)
    if local is None:
        with _downloads() as downloads, _bar(remote.name_of(url)) as told:
            path = downloads.get(url, force=force, checksum=checksum, told=told)
            return downloads.unpacked(path) if extract else path
    if not local.exists():
        raise _nothing_at(local)
    if checksum:
        _check(local, checksum)
    if not extract or local.is_dir():
        return local
    with _downloads() as downloads:
        return downloads.unpacked(local)


def upload(path: str | os.PathLike[str], url: str | os.PathLike[str]) -> str:
    """Put a file, or all files of a folder, where a URL leads. What was there is replaced; of a
    folder, file by file.

    Args:
        path: A file or folder.
        url: Any that `get_local_copy` takes; http and https get a PUT. Where it ends with `/`, the
            file or folder is put into it under its own name.

    Returns:
        The URL of what was put there.

    Raises:
        TransferFailed: it could not be put there whole.
        UsageError: there is no such file, or no such URL is known.
    """
    from pipekit.artifacts import remote

    source, target = Path(_named(path)).expanduser(), _named(url)
    if not source.exists():
        raise _nothing_at(source)
    if target.endswith("/"):
        target += source.absolute().name
    with _bar(source.name) as told:
        if source.is_file():
            remote.send(source, target, told=told)
            return target
        for folder, folders, names in os.walk(source):
            folders.sort()
            for name in sorted(names):
                file = Path(folder, name)
                below = file.relative_to(source).as_posix()
                remote.send(file, f"{target.rstrip('/')}/{below}", told=told)
    return target


def _named(place: str | os.PathLike[str]) -> str:
    text = os.fspath(place)
    if not text:
        raise UsageError(
            "An empty text is no path and no URL.",
            hint="a parameter that was left empty, maybe? Give it a value: --set url=https://…",
        )
    return text


def _downloads() -> Downloads:
    from pipekit.artifacts.downloads import Downloads
    from pipekit.control.session import archive_for

    archive = archive_for(_settings())
    home = archive.settings.home
    return Downloads(
        home / "downloads",
        temporary=home / "tmp",
        limit_bytes=archive.settings.downloads_limit_bytes,
        now=archive.clock.now,
    )


def _settings() -> Settings:
    """Of the home that the calling code belongs to."""
    step, run = current_step(), current_run.get()
    if step is not None:
        return step.settings
    return run.session.archive.settings if run is not None else read_settings()


def _bar(label: str) -> AbstractContextManager[Any]:
    """What shows how far a transfer has come; nothing in a run, whose own lines are there."""
    if current_step() is not None or current_run.get() is not None:
        return nullcontext()
    from pipekit.console.transfer import TransferBar

    return TransferBar(label)


def _check(path: Path, checksum: str) -> None:
    from pipekit.artifacts import remote

    algorithm, wanted = remote.parse_checksum(checksum)
    found = remote.digest_of(path, algorithm) if path.is_file() else "that of a folder"
    if found != wanted:
        raise PipekitError(f"The {algorithm} of {path} is {found}, not {wanted}.")


def _nothing_at(path: Path) -> UsageError:
    return UsageError(
        f"There is no file or folder {str(path)!r}.",
        hint="a path leads from the working folder; a URL begins with https:// or the like.",
    )
