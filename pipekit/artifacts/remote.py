"""Carries files from and to where a URL leads: http(s) by the standard library, `file` and plain
paths by the system, everything else by fsspec. Keeps nothing: see `downloads`.

A transfer writes to a name that its caller gives, and raises unless all of it has come.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import re
import shutil
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import IO, Any, NamedTuple, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pipekit.errors import TransferFailed, UsageError
from pipekit.settings import without_password

Told = Callable[[int, int | None], None]
"""Hears how many bytes have come, and of how many."""

T = TypeVar("T")

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 60.0
"""Without a byte."""
_DELAYS_SECONDS = (0.2, 1.0)
"""Before a further attempt, where the failure may pass."""
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_SECRET = re.compile(r"(?i)([?&][^=&#]*(?:sign|sig|key|token|credential|auth)[^=&#]*=)[^&#]*")
_USER = re.compile(r"(?i)(?<=^https://)[^/?#@:]+(?=@)")
_VERSIONS = ("ETag", "etag", "generation", "version_id", "VersionId", "md5Hash", "content_md5")
"""What file systems call that which changes with a file's content."""
_SAFE = "%/:=&?~#+!$,;'@()*[]"


class Fetched(NamedTuple):
    """What has come."""

    size_bytes: int
    version: str
    """What the other side calls this content; empty where it gives it no name."""
    checksums: tuple[str, ...] = ()
    """`sha256:…`: that what has come was held against."""


class _Head(NamedTuple):
    """What is said of a file before its bytes come."""

    size_bytes: int | None
    version: str = ""
    checksums: tuple[str, ...] = ()


class _Cut(Exception):
    """The transfer failed, and may not when it is tried again."""


def shown(url: str) -> str:
    """A URL as it may be told: without passwords, keys and signatures."""
    return _USER.sub("***", _SECRET.sub(r"\1***", without_password(url)))


def find_local(url: str) -> Path | None:
    """The path that a URL, or what is none, leads to on this machine; None for other URLs.

    Raises:
        UsageError: it is a file of another machine.
    """
    if "://" not in url and not url.lower().startswith("file:"):
        return Path(url).expanduser().absolute()
    if not url.lower().startswith("file:"):
        return None
    parts = _split(url)
    if parts.netloc not in ("", "localhost"):
        raise UsageError(
            f"{shown(url)} is a file of the machine {parts.netloc!r}.",
            hint="a file of this one has three slashes: file:///data/file.csv",
        )
    return Path(unquote(parts.path)).absolute()


def name_of(url: str) -> str:
    """What a copy is called: as at the URL, as far as that is a plain name."""
    name = unquote(_split(url).path.rstrip("/").rpartition("/")[2])
    name = re.sub(r"[^\w.\- ]", "_", name).strip(". ") or "download"
    stem, dot, suffix = name[-120:].rpartition(".")
    return f"{stem}{dot}{suffix}" if len(suffix) < 20 else name[:120]


def _split(url: str) -> SplitResult:
    """
    Raises:
        UsageError: it is no URL.
    """
    try:
        return urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{shown(url)} is no URL: {error}.") from error


def parse_checksum(text: str) -> tuple[str, str]:
    """Algorithm and hexadecimal digest of `sha256:…`.

    Raises:
        UsageError: it is not of that form, or no such algorithm is known.
    """
    algorithm, colon, digest = text.lower().partition(":")
    try:
        wanted = _hash_of(algorithm).digest_size * 2
    except ValueError:
        wanted = 0
    if not colon or not re.fullmatch(f"[0-9a-f]{{{wanted}}}", digest) or not wanted:
        raise UsageError(
            f"checksum={text!r} is no checksum.",
            hint="write 'sha256:' and 64 hexadecimal digits; md5, sha1, sha512 and blake3 are "
            "known too.",
        )
    return algorithm, digest


def digest_of(path: Path, algorithm: str) -> str:
    """The hexadecimal digest of a file."""
    hasher = _hash_of(algorithm)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            hasher.update(chunk)
    return str(hasher.hexdigest())


def _hash_of(algorithm: str) -> Any:
    if algorithm == "blake3":
        from blake3 import blake3

        return blake3()
    if algorithm not in ("md5", "sha1", "sha256", "sha512"):
        raise ValueError(algorithm)
    return hashlib.new(algorithm, usedforsecurity=False)


# from there to here


def fetch(
    url: str, target: Path, *, known: str = "", most_bytes: int | None = None,
    told: Told | None = None,
) -> Fetched | None:  # fmt: skip
    """Write what lies at a URL to `target`, which does not exist: a file, or a folder where there
    are such. None, and nothing is written, where it is still the version `known`.

    Raises:
        TransferFailed: it cannot be had, not all of it came, it is not what its server says, or it
            has more than `most_bytes`.
        UsageError: no such URL is known here.
    """
    if _split(url).scheme.lower() in ("http", "https"):
        return _attempted(url, lambda: _fetch_http(url, target, known, most_bytes, told), target)
    files, path = _file_system(url)
    with _failing(url, "downloaded"):
        if files.isdir(path):
            return _fetch_folder(url, files, path, target, most_bytes, told)
        info = files.info(path)
        version = next((f"{key}:{info[key]}" for key in _VERSIONS if info.get(key)), "")
        if version and version == known:
            return None
        with files.open(path, "rb") as source:
            head = _Head(info.get("size"), version)
            return _write(url, source, target, head, most_bytes, told)


def _attempted(url: str, attempt: Callable[[], T], target: Path | None = None) -> T:
    """What the attempt gives; where it is cut, it is made again twice."""
    for delay in (*_DELAYS_SECONDS, None):
        try:
            return attempt()
        except _Cut as cut:
            if target is not None:
                target.unlink(missing_ok=True)
            if delay is None:
                raise _failed(url, "downloaded" if target else "uploaded", str(cut)) from cut
            sleep(delay)
    raise AssertionError("unreachable")


def _fetch_http(
    url: str, target: Path, known: str, most_bytes: int | None, told: Told | None
) -> Fetched | None:
    headers = {"If-None-Match": known} if known else {}
    try:
        response = _open(url, headers)
    except HTTPError as error:
        if error.code == 304 and known:
            error.close()
            return None
        raise
    with response:
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding not in ("identity", "") and not target.name.endswith((".gz", ".tgz", ".br")):
            raise _failed(
                url, "downloaded", f"it came with the content encoding {encoding!r}, unasked"
            )
        length = response.headers.get("Content-Length")
        head = _Head(
            int(length) if length and length.isdigit() else None,
            response.headers.get("ETag", ""),
            tuple(_promised(response.headers)),
        )
        try:
            return _write(url, response, target, head, most_bytes, told)
        except (http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
            raise _Cut(f"the connection was cut ({_reason(error)})") from error


def _promised(headers: http.client.HTTPMessage) -> Iterator[str]:
    """The checksums that a server gives of a content as it is sent."""
    if "Content-MD5" in headers:
        yield from _decoded("md5", headers["Content-MD5"])
    google = re.search(r"md5=([A-Za-z0-9+/=]+)", headers.get("x-goog-hash", ""))
    if google:
        yield from _decoded("md5", google[1])
    for name in ("Repr-Digest", "Content-Digest", "Digest"):
        sha = re.search(r"sha-256=:?([A-Za-z0-9+/]+=*)", headers.get(name, ""), re.IGNORECASE)
        if sha:
            yield from _decoded("sha256", sha[1])


def _decoded(algorithm: str, text: str) -> Iterator[str]:
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:
        return  # a header in a form of its own says nothing
    if len(digest) == _hash_of(algorithm).digest_size:
        yield f"{algorithm}:{digest.hex()}"


def _write(
    url: str, source: IO[bytes] | http.client.HTTPResponse, target: Path, head: _Head,
    most_bytes: int | None, told: Told | None,
) -> Fetched:  # fmt: skip
    """Write all of `source`, and hold it against what was said of it."""
    if most_bytes is not None and head.size_bytes is not None:
        _check_size(url, head.size_bytes, most_bytes)
    hashers = {text: _hash_of(text.partition(":")[0]) for text in head.checksums}
    done = 0
    with target.open("xb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            for hasher in hashers.values():
                hasher.update(chunk)
            if most_bytes is not None:
                _check_size(url, done, most_bytes)
            if told is not None:
                told(done, head.size_bytes)
    if head.size_bytes is not None and done != head.size_bytes:
        raise _Cut(f"{done} of {head.size_bytes} bytes came")
    for text, hasher in hashers.items():
        if hasher.hexdigest() != text.partition(":")[2]:
            raise _Cut(f"what came has another checksum than its server says ({text})")
    return Fetched(done, head.version, head.checksums)


def _fetch_folder(
    url: str, files: Any, path: str, target: Path, most_bytes: int | None, told: Told | None
) -> Fetched:
    root = files._strip_protocol(path).rstrip("/")
    found = {name: info for name, info in files.find(root, detail=True).items() if name != root}
    total = sum(info.get("size") or 0 for info in found.values())
    if most_bytes is not None:
        _check_size(url, total, most_bytes)
    target.mkdir()
    done = 0
    for name, info in sorted(found.items()):
        parts = name.removeprefix(root).strip("/").split("/")
        if not {"", ".", ".."}.isdisjoint(parts):
            raise _failed(url, "downloaded", f"it has a file whose name leads elsewhere: {name!r}")
        place = target.joinpath(*parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        with files.open(name, "rb") as source:
            head = _Head(info.get("size"))
            one = _write(url, source, place, head, most_bytes, _after(done, total, told))
        done += one.size_bytes
    return Fetched(done, "")


def _after(before: int, total: int, told: Told | None) -> Told | None:
    """For one file of several, when so many bytes have come already."""
    if told is None:
        return None
    return lambda done, _: told(before + done, total)


def _check_size(url: str, size_bytes: int, most_bytes: int) -> None:
    if size_bytes > most_bytes:
        raise TransferFailed(
            url=shown(url),
            what="downloaded",
            reason=f"it has more than the {most_bytes} bytes that local copies may take in all",
            hint="raise PIPEKIT_DOWNLOADS_LIMIT_BYTES.",
        )


# from here to there


def send(path: Path, url: str, *, told: Told | None = None) -> None:
    """Put a file where a URL leads. What was there is replaced, as far as it can be at once.

    Raises:
        TransferFailed: it could not be put there, or not all of it.
        UsageError: no such URL is known here.
    """
    local = find_local(url)
    if local is not None:
        with _failing(url, "uploaded"):
            _copy(path, local)
        return
    if _split(url).scheme.lower() in ("http", "https"):
        _attempted(url, lambda: _put(path, url, told))
        return
    files, place = _file_system(url)
    size = path.stat().st_size
    with _failing(url, "uploaded"):
        files.makedirs(files._parent(place), exist_ok=True)
        files.put_file(os.fspath(path), place)
        files.invalidate_cache()
        there = files.info(place).get("size")
        if there != size:
            raise _Cut(f"{there} of {size} bytes arrived")
    if told is not None:
        told(size, size)


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; a URL that ends with '/' names one")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(path, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _put(path: Path, url: str, told: Told | None) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        body = _Counted(file, size, told) if size else b""
        with _open(url, {"Content-Length": str(size)}, method="PUT", body=body) as response:
            response.read()


class _Counted:
    """A file whose reader is watched."""

    def __init__(self, file: IO[bytes], size: int, told: Told | None) -> None:
        self._file, self._size, self._told, self._done = file, size, told, 0

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(count)
        self._done += len(data)
        if self._told is not None:
            self._told(self._done, self._size)
        return data


# what carries


class _WebOnly(HTTPRedirectHandler):
    """Follows a redirection within the web, and never to a file."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme.lower() not in ("http", "https"):
            raise _failed(req.full_url, "downloaded", f"it leads on to {shown(newurl)}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(
    url: str, headers: Mapping[str, str], *, method: str = "GET", body: Any = None
) -> http.client.HTTPResponse:
    """
    Raises:
        TransferFailed: the server refuses it.
        HTTPError: it answers 304.
        _Cut: it may answer otherwise another time.
    """
    parts = urlsplit(url)
    what = "downloaded" if method == "GET" else "uploaded"
    bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], *parts[2:4], ""))
    request = Request(quote(bare, safe=_SAFE), data=body, method=method)
    for name, value in {"User-Agent": "pipekit", "Accept-Encoding": "identity", **headers}.items():
        request.add_header(name, value)
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        encoded = base64.b64encode(login.encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {encoded}")  # for this server only
    try:
        opened: http.client.HTTPResponse = build_opener(_WebOnly).open(
            request, timeout=_TIMEOUT_SECONDS
        )
    except HTTPError as error:
        if error.code == 304:
            raise
        answer = f"the server answered {error.code} ({error.reason})"
        error.close()
        if error.code in _PASSING:
            raise _Cut(answer) from error
        raise _failed(url, what, answer, hint=_hint_for(error.code)) from error
    except (http.client.InvalidURL, ValueError) as error:
        raise UsageError(f"{shown(url)} is no URL: {error}.") from error
    except (URLError, http.client.HTTPException, OSError) as error:
        raise _Cut(f"the server does not answer ({_reason(error)})") from error
    return opened


def _hint_for(code: int) -> str:
    if code in (401, 403):
        return "it wants a name and a password: https://NAME:PASSWORD@host/…, or a signed URL."
    if code in (404, 410):
        return "look whether the URL is spelled right."
    return ""


def _file_system(url: str) -> tuple[Any, str]:
    """
    Raises:
        UsageError: the package that knows such URLs is not there, or none does.
    """
    scheme = url.partition("://")[0]
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise UsageError(
            f"{shown(url)} cannot be reached: URLs of {scheme!r} need the package fsspec.",
            hint="pip install 'pipekit[files]'",
        ) from error
    try:
        files, path = url_to_fs(url)
    except ImportError as error:
        raise UsageError(
            f"{shown(url)} cannot be reached: {error}.",
            hint=f"URLs of {scheme!r} need a package of their own: s3fs for s3, gcsfs for gs, "
            "adlfs for az.",
        ) from error
    except ValueError as error:
        raise UsageError(
            f"No URL is known that begins with {scheme}://.",
            hint="http, https, file, s3, gs, az, sftp and what else fsspec knows.",
        ) from error
    files.invalidate_cache()
    return files, path


@contextmanager
def _failing(url: str, what: str) -> Iterator[None]:
    """Whatever a file system raises becomes one error that names the URL."""
    try:
        yield
    except (TransferFailed, UsageError):
        raise
    except FileNotFoundError as error:
        raise _failed(
            url, what, "there is nothing there", hint="look whether the URL is spelled right."
        ) from error
    except Exception as error:  # a border: each file system has errors of its own
        raise _failed(url, what, _reason(error)) from error


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", None)
    if isinstance(inner, BaseException):
        error = inner
    text = getattr(error, "strerror", None) or shown(str(error)) or type(error).__name__
    return str(text)


def _failed(url: str, what: str, reason: str, *, hint: str = "") -> TransferFailed:
    return TransferFailed(url=shown(url), what=what, reason=reason, hint=hint)
