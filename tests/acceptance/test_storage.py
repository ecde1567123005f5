"""Files by URL, with a server of the test's own: feature row 43."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import pipekit
from pipekit import get_local_copy, upload
from pipekit.api import storage
from pipekit.artifacts import remote
from pipekit.artifacts.downloads import Downloads
from pipekit.errors import ArchiveRefused, PipelineWarning, TransferFailed, UsageError

CONTENT = b"a,b\n1,2\n" * 1000


class Server(ThreadingHTTPServer):
    """Serves `files`, and does what a path asks for; notes every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"/data.csv": CONTENT}
        self.headers: dict[str, str] = {}
        """Sent with every file."""
        self.requests: list[str] = []
        self.seen: list[dict[str, str]] = []
        self.gate = threading.Event()
        """Whoever asks below `/held/` waits for it."""
        self.failures = 0
        """How many requests below `/weak/` fail."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.server.seen.append(dict(self.headers))
        path = self.path.partition("?")[0]
        first = path.split("/")[1]
        if first == "held":
            self.server.gate.wait(10)
            path = path.removeprefix("/held")
        if first == "to":
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        if first == "weak":
            path = path.removeprefix("/weak")
            if self.server.failures:
                self.server.failures -= 1
                self.send_error(503)
                return
        cut = first == "cut"
        content = self.server.files.get(path.removeprefix("/cut"))
        if content is None:
            self.send_error(404)
            return
        if (
            self.headers.get("If-None-Match")
            and self.server.headers.get("ETag") == (self.headers["If-None-Match"])
        ):
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[:100] if cut else content)

    def do_PUT(self) -> None:
        self.server.requests.append(f"PUT {self.path}")
        if self.path.startswith("/closed/"):
            self.send_error(403)
            return
        self.server.files[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.gate.set()
    served.shutdown()
    thread.join()
    served.server_close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "home"
    monkeypatch.setenv("PIPEKIT_HOME", str(folder))
    monkeypatch.setattr(remote, "_DELAYS_SECONDS", (0.0, 0.0))
    monkeypatch.setenv("no_proxy", "*")
    yield folder
    from pipekit.control.session import close_session

    close_session(folder)


def left_over(home: Path) -> list[str]:
    """Files of the home that are neither whole copies nor its own."""
    return [str(path) for path in (home / "tmp").rglob("*")]


def copies(home: Path) -> list[Path]:
    return [path for path in (home / "downloads" / "files").rglob("*") if path.is_file()]


# one file


def test_the_second_call_uses_no_network(server: Server) -> None:
    """Feature row 43: a remote file is downloaded once, and its local path is returned."""
    first = get_local_copy(f"{server.url}/data.csv")
    assert first.read_bytes() == CONTENT
    assert first.name == "data.csv"
    server.shutdown()
    server.server_close()
    assert get_local_copy(f"{server.url}/data.csv") == first


def test_force_asks_and_takes_what_is_new(server: Server) -> None:
    first = get_local_copy(f"{server.url}/data.csv")
    server.files["/data.csv"] = b"new"
    assert get_local_copy(f"{server.url}/data.csv").read_bytes() == CONTENT
    newer = get_local_copy(f"{server.url}/data.csv", force=True)
    assert newer.read_bytes() == b"new"
    assert first.read_bytes() == CONTENT  # who holds the older path still has it
    assert get_local_copy(f"{server.url}/data.csv") == newer


def test_force_downloads_nothing_where_the_server_says_that_nothing_changed(
    server: Server,
) -> None:
    server.headers["ETag"] = '"one"'
    first = get_local_copy(f"{server.url}/data.csv")
    server.files["/data.csv"] = b"the same version, says its server"
    assert get_local_copy(f"{server.url}/data.csv", force=True) == first
    assert server.seen[-1]["If-None-Match"] == '"one"'
    server.headers["ETag"] = '"two"'
    assert get_local_copy(f"{server.url}/data.csv", force=True) != first


def test_a_redirection_is_followed(server: Server) -> None:
    copy = get_local_copy(f"{server.url}/to/{server.url}/data.csv")
    assert copy.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("to", "said"),
    [("file:///etc/hostname", "is not allowed"), ("ftp://127.0.0.1:1/x", "leads on to ftp:")],
)
def test_a_redirection_out_of_the_web_is_not_followed(
    server: Server, home: Path, to: str, said: str
) -> None:
    with pytest.raises(TransferFailed, match=said):
        get_local_copy(f"{server.url}/to/{to}")
    assert left_over(home) == []


def test_threads_that_ask_at_once_download_once(server: Server) -> None:
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(get_local_copy(f"{server.url}/held/data.csv")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    server.gate.set()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert server.requests == ["/held/data.csv"]


def test_a_copy_that_was_changed_is_downloaded_again_with_a_warning(server: Server) -> None:
    copy = get_local_copy(f"{server.url}/data.csv")
    copy.chmod(0o600)
    copy.write_bytes(b"spoilt")
    with pytest.warns(PipelineWarning, match="was changed, and is made anew"):
        again = get_local_copy(f"{server.url}/data.csv")
    assert again.read_bytes() == CONTENT


def test_a_copy_that_was_touched_is_still_good(server: Server) -> None:
    copy = get_local_copy(f"{server.url}/data.csv")
    os.utime(copy)
    assert get_local_copy(f"{server.url}/data.csv") == copy
    assert len(server.requests) == 1


def test_a_copy_that_was_deleted_is_downloaded_again(server: Server) -> None:
    copy = get_local_copy(f"{server.url}/data.csv")
    copy.unlink()
    assert get_local_copy(f"{server.url}/data.csv").read_bytes() == CONTENT


def test_names_of_copies_are_plain_whatever_the_url_says(server: Server, home: Path) -> None:
    server.files["/%2e%2e%2fkey"] = b"x"
    copy = get_local_copy(f"{server.url}/%2e%2e%2fkey")
    assert copy.is_relative_to(home / "downloads" / "files")
    assert copy.name == "_key"


# what goes wrong


def test_a_cut_connection_is_an_error_and_leaves_nothing(server: Server, home: Path) -> None:
    with pytest.raises(
        TransferFailed, match=r"cut/data\.csv could not be downloaded: .*100 of 8000"
    ):
        get_local_copy(f"{server.url}/cut/data.csv")
    assert len(server.requests) == 3  # it was tried again
    assert (left_over(home), copies(home)) == ([], [])


def test_an_answer_that_passes_is_asked_for_again(server: Server) -> None:
    server.failures = 2
    assert get_local_copy(f"{server.url}/weak/data.csv").read_bytes() == CONTENT


def test_what_is_not_there_is_told_with_its_url(server: Server, home: Path) -> None:
    """Feature row 43: an error raises."""
    with pytest.raises(TransferFailed, match=r"/gone\.csv could not be downloaded: .*404") as error:
        get_local_copy(f"{server.url}/gone.csv")
    assert "spelled right" in error.value.hint
    assert len(server.requests) == 1
    assert left_over(home) == []


def test_a_failed_download_keeps_the_copy_that_was_there(server: Server) -> None:
    first = get_local_copy(f"{server.url}/data.csv")
    del server.files["/data.csv"]
    with pytest.raises(TransferFailed, match="404"):
        get_local_copy(f"{server.url}/data.csv", force=True)
    assert get_local_copy(f"{server.url}/data.csv") == first


def test_errors_show_no_password_and_no_signature(server: Server) -> None:
    where = server.url.removeprefix("http://")
    with pytest.raises(TransferFailed) as error:
        get_local_copy(
            f"http://anna:hunter2@{where}/gone?X-Amz-Signature=abcdef&part=7&api_key=k123"
        )
    assert "anna:***@" in str(error.value)
    assert "part=7" in str(error.value)
    for secret in ("hunter2", "abcdef", "k123"):
        assert secret not in str(error.value)


def test_the_password_goes_to_the_server_and_nowhere_else(server: Server) -> None:
    where = server.url.removeprefix("http://")
    get_local_copy(f"http://anna:hunter2@{where}/to/{server.url}/data.csv")
    assert "Authorization" in server.seen[0]
    assert "Authorization" not in server.seen[1]


def test_a_server_that_is_not_there_is_told(server: Server) -> None:
    url = server.url
    server.shutdown()
    server.server_close()
    with pytest.raises(TransferFailed, match="does not answer"):
        get_local_copy(f"{url}/data.csv")


@pytest.mark.parametrize("url", ["nonsense://host/file", "http://[half/file"])
def test_a_url_that_is_none_is_wrong_use(url: str) -> None:
    with pytest.raises(UsageError):
        get_local_copy(url)


def test_a_content_encoding_that_nobody_asked_for_is_an_error(server: Server) -> None:
    server.headers["Content-Encoding"] = "br"
    with pytest.raises(TransferFailed, match="'br', unasked"):
        get_local_copy(f"{server.url}/data.csv")


# checksums


def test_the_checksum_that_is_given_counts(server: Server, home: Path) -> None:
    good = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    copy = get_local_copy(f"{server.url}/data.csv", checksum=good)
    assert get_local_copy(f"{server.url}/data.csv", checksum=good) == copy
    assert len(server.requests) == 1
    with pytest.raises(TransferFailed, match="its sha256 is"):
        get_local_copy(f"{server.url}/data.csv", checksum=f"sha256:{'0' * 64}")
    assert get_local_copy(f"{server.url}/data.csv") == copy
    with pytest.raises(UsageError, match="is no checksum"):
        get_local_copy(f"{server.url}/data.csv", checksum="sha256:12")


def test_the_checksum_that_the_server_gives_counts(server: Server, home: Path) -> None:
    server.headers["Content-MD5"] = "1B2M2Y8AsgTpgAmY7PhCfg=="  # of nothing
    with pytest.raises(TransferFailed, match="another checksum than its server says"):
        get_local_copy(f"{server.url}/data.csv")
    assert copies(home) == []


# the bound


def test_copies_used_longest_ago_go_first(tmp_path: Path, server: Server) -> None:
    now = [0.0]
    with Downloads(
        tmp_path / "d", temporary=tmp_path / "t", limit_bytes=2500, now=lambda: now[0]
    ) as kept:
        paths = []
        for number in range(4):
            server.files[f"/{number}"] = bytes(1000)
            now[0] += 7200
            paths.append(kept.get(f"{server.url}/{number}"))
            if number > 0:
                kept.get(f"{server.url}/0")  # in use
    assert [path.exists() for path in paths] == [True, False, False, True]


def test_what_was_used_within_the_hour_stays(tmp_path: Path, server: Server) -> None:
    with Downloads(
        tmp_path / "d", temporary=tmp_path / "t", limit_bytes=1500, now=lambda: 0.0
    ) as kept:
        for number in range(2):
            server.files[f"/{number}"] = bytes(1000)
        paths = [kept.get(f"{server.url}/{number}") for number in range(2)]
        assert all(path.exists() for path in paths)


def test_more_than_the_bound_is_not_downloaded(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPEKIT_DOWNLOADS_LIMIT_BYTES", "5000")
    with pytest.raises(TransferFailed, match="PIPEKIT_DOWNLOADS_LIMIT_BYTES"):
        get_local_copy(f"{server.url}/data.csv")
    assert left_over(home) == []


def test_a_lost_index_costs_a_download_and_no_more(server: Server, home: Path) -> None:
    get_local_copy(f"{server.url}/data.csv")
    for file in (home / "downloads" / "index").iterdir():
        file.unlink()
    assert get_local_copy(f"{server.url}/data.csv").read_bytes() == CONTENT


def test_an_index_that_someone_else_wrote_leads_nowhere(server: Server, home: Path) -> None:
    """CVE-2025-69872: rows of diskcache that are pickled, or that name a file elsewhere."""
    import sqlite3

    url = f"{server.url}/data.csv"
    get_local_copy(url)
    database = home / "downloads" / "index" / "cache.db"
    marker = home / "was-run"
    pickled = f"cos\nsystem\n(S'touch {marker}'\ntR.".encode()
    attacks: list[tuple[str, tuple[object, ...]]] = [
        ("mode = 4, value = ?", (pickled,)),
        ("filename = ?, mode = 2", ("../../key",)),
        ("mode = 1, value = ?", (b'{"digest": "../../../.."}',)),
    ]
    for what, values in attacks:
        with sqlite3.connect(database) as connection:
            connection.execute(f"UPDATE Cache SET {what}", values)
        assert get_local_copy(url).read_bytes() == CONTENT
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE Cache SET key = ?, raw = 0", (pickled,))
    assert get_local_copy(url).read_bytes() == CONTENT
    assert not marker.exists()


def test_what_is_kept_is_private(server: Server, home: Path) -> None:
    copy = get_local_copy(f"{server.url}/data.csv")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o400
    for folder in (copy.parent, home / "downloads" / "files"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


# other places


def test_a_path_and_a_file_url_are_given_back(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "a file.csv"
    file.write_text("x")
    assert get_local_copy(file) == file
    assert get_local_copy(str(file)) == file
    assert get_local_copy(f"file://{tmp_path}/a%20file.csv") == file
    assert not home.exists()
    with pytest.raises(UsageError, match="There is no file or folder"):
        get_local_copy(tmp_path / "gone")
    with pytest.raises(UsageError, match="of the machine 'elsewhere'"):
        get_local_copy("file://elsewhere/x")


def test_local_files_and_http_need_no_further_package(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("fsspec", "aiohttp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    assert get_local_copy(f"{server.url}/data.csv").read_bytes() == CONTENT
    upload(get_local_copy(f"{server.url}/data.csv"), f"file://{tmp_path}/out/data.csv")
    assert (tmp_path / "out" / "data.csv").read_bytes() == CONTENT
    with pytest.raises(UsageError, match=r"pip install 'pipekit\[files\]'"):
        get_local_copy("s3://bucket/key")


def test_any_url_of_fsspec_is_known() -> None:
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    files.pipe_file("/box/data.csv", CONTENT)
    copy = get_local_copy("memory://box/data.csv")
    assert copy.read_bytes() == CONTENT
    files.rm("/box/data.csv")
    assert get_local_copy("memory://box/data.csv") == copy
    with pytest.raises(TransferFailed, match="there is nothing there"):
        get_local_copy("memory://box/data.csv", force=True)


def test_a_folder_comes_whole() -> None:
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    files.pipe({"/tree/a.txt": b"a", "/tree/below/b.txt": b"bb"})
    copy = get_local_copy("memory://tree")
    found = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert found == {"a.txt", "below/b.txt"}
    assert get_local_copy("memory://tree") == copy
    (copy / "below" / "b.txt").unlink()
    with pytest.warns(PipelineWarning, match="was changed"):
        assert (get_local_copy("memory://tree") / "below" / "b.txt").read_bytes() == b"bb"


@pytest.mark.parametrize("where", ["file", "memory", "http"])
def test_what_is_uploaded_can_be_had_again(server: Server, tmp_path: Path, where: str) -> None:
    if where == "memory":
        pytest.importorskip("fsspec")
    root = {"file": f"file://{tmp_path}/there", "memory": "memory://there", "http": server.url}
    folder = tmp_path / "mine"
    (folder / "below").mkdir(parents=True)
    (folder / "one.txt").write_text("one")
    (folder / "below" / "empty.txt").touch()
    assert upload(folder / "one.txt", f"{root[where]}/in/") == f"{root[where]}/in/one.txt"
    assert get_local_copy(f"{root[where]}/in/one.txt").read_text() == "one"
    url = upload(folder, f"{root[where]}/tree")
    assert get_local_copy(f"{url}/one.txt").read_text() == "one"
    assert get_local_copy(f"{url}/below/empty.txt").read_text() == ""


def test_an_empty_text_is_no_file(tmp_path: Path) -> None:
    """It is a parameter that was left empty, not the working folder."""
    (tmp_path / "x").write_text("x")
    for call in (
        lambda: get_local_copy(""),
        lambda: upload("", f"file://{tmp_path}/y/"),
        lambda: upload(tmp_path / "x", ""),
    ):
        with pytest.raises(UsageError, match="An empty text is no path and no URL"):
            call()


def test_an_upload_that_is_refused_raises(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with pytest.raises(TransferFailed, match=r"Nothing came to .*403"):
        upload(tmp_path / "x", f"{server.url}/closed/x")
    with pytest.raises(UsageError, match="There is no file or folder"):
        upload(tmp_path / "gone", f"{server.url}/x")


# archives


def packed(path: Path, members: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        compression = {".bz2": "bz2", ".xz": "xz"}.get(path.suffix, "gz")
        with tarfile.open(path, f"w:{compression}") as tar:  # type: ignore[call-overload]
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["data.zip", "data.tar.gz"])
def test_an_archive_is_unpacked_on_wish_once(server: Server, tmp_path: Path, name: str) -> None:
    archive = packed(tmp_path / name, {"a.txt": b"a", "below/b.txt": b"b"})
    server.files[f"/{name}"] = archive.read_bytes()
    folder = get_local_copy(f"{server.url}/{name}", extract=True)
    assert folder.name == "data"
    assert (folder / "below" / "b.txt").read_bytes() == b"b"
    assert get_local_copy(f"{server.url}/{name}", extract=True) == folder
    assert get_local_copy(f"{server.url}/{name}").name == name
    assert len(server.requests) == 1


def test_an_unpacked_folder_that_was_changed_is_unpacked_again(
    server: Server, tmp_path: Path
) -> None:
    server.files["/d.zip"] = packed(tmp_path / "d.zip", {"a": b"a"}).read_bytes()
    folder = get_local_copy(f"{server.url}/d.zip", extract=True)
    (folder / "more").touch()
    with pytest.warns(PipelineWarning, match="was changed"):
        again = get_local_copy(f"{server.url}/d.zip", extract=True)
    assert [path.name for path in again.iterdir()] == ["a"]
    assert len(server.requests) == 1


def test_a_local_archive_is_unpacked_by_its_content(tmp_path: Path) -> None:
    archive = packed(tmp_path / "d.zip", {"a": b"old"})
    old = get_local_copy(archive, extract=True)
    packed(tmp_path / "d.zip", {"a": b"new"})
    assert (get_local_copy(archive, extract=True) / "a").read_bytes() == b"new"
    assert (old / "a").read_bytes() == b"old"


def hostile(path: Path, *infos: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as tar:
        for info in infos:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    return path


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def file(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info


HOSTILE = {
    "a name that climbs": [file("../x")],
    "a name that climbs later": [file("a/../../x")],
    "an absolute name": [file("/tmp/x")],
    "a link out": [link("a", "/etc")],
    "a link up": [link("a/b", "../../..")],
    "a file through a link": [link("a", "/tmp"), file("a/x")],
    "links that lead out together": [
        file("d/f"), link("d/up", ".."), link("out", "d/up/../.."),
    ],
    "a link to a link out": [link("b", "a"), link("a", "../..")],
    "a hard link out": [link("a", "/etc/passwd", tarfile.LNKTYPE)],
    "a device": [file("null", tarfile.CHRTYPE)],
    "a pipe": [file("pipe", tarfile.FIFOTYPE)],
    "a name twice": [file("a"), file("a/b")],
    "a name that no file can have": [file("x" * 300)],
    "a link to nothing": [link("a", "")],
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_an_archive_that_could_do_harm_is_refused(tmp_path: Path, home: Path, what: str) -> None:
    archive = hostile(tmp_path / "bad.tar", *HOSTILE[what])
    with pytest.raises(ArchiveRefused, match=r"bad\.tar was not unpacked"):
        get_local_copy(archive, extract=True)
    assert (left_over(home), copies(home)) == ([], [])
    assert {path.name for path in tmp_path.iterdir()} == {"bad.tar", "home"}


def test_links_within_an_archive_are_made(tmp_path: Path) -> None:
    archive = hostile(
        tmp_path / "good.tar",
        file("a/f", size=3), link("a/l", "f"), link("h", "a/f", tarfile.LNKTYPE),
    )  # fmt: skip
    folder = get_local_copy(archive, extract=True)
    assert (folder / "a" / "l").read_bytes() == (folder / "h").read_bytes() == bytes(3)


def test_a_zip_that_climbs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="to lie outside"):
        get_local_copy(packed(tmp_path / "bad.zip", {"../x": b"x"}), extract=True)


def test_an_archive_that_is_larger_inside_than_the_bound_is_refused(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPEKIT_DOWNLOADS_LIMIT_BYTES", "100000")
    bomb = packed(tmp_path / "bomb.tar.gz", {"a": bytes(60_000), "b": bytes(60_000)})
    assert bomb.stat().st_size < 1000
    with pytest.raises(ArchiveRefused, match="more than local copies may take"):
        get_local_copy(bomb, extract=True)
    assert left_over(home) == []


def test_what_is_no_archive_or_damaged_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_text("no archive")
    with pytest.raises(ArchiveRefused, match="no archive that is known"):
        get_local_copy(tmp_path / "x.zip", extract=True)
    whole = packed(tmp_path / "y.tar.gz", {"a": os.urandom(10_000)})
    whole.write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(ArchiveRefused, match="damaged"):
        get_local_copy(whole, extract=True)


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.bz2", "tar.xz"])
def test_what_is_not_as_it_was_packed_is_not_unpacked(tmp_path: Path, suffix: str) -> None:
    """The checksum of the whole stands at its end, behind all that is in it."""
    damaged = packed(tmp_path / f"x.{suffix}", {"a": os.urandom(10_000)})
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged.write_bytes(content)
    with pytest.raises(ArchiveRefused):
        get_local_copy(damaged, extract=True)


def test_an_archive_is_not_unpacked_up_to_where_it_is_damaged(tmp_path: Path) -> None:
    damaged = hostile(tmp_path / "x.tar", file("a", size=3), file("b", size=3))
    content = bytearray(damaged.read_bytes())
    content[1024] ^= 0xFF  # the name of the second
    damaged.write_bytes(content)
    with pytest.raises(ArchiveRefused, match="damaged"):
        get_local_copy(damaged, extract=True)


def test_a_link_of_a_zip_that_no_link_can_be_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        info = zipfile.ZipInfo("a")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, b"a\0b")
    with pytest.raises(ArchiveRefused, match="its link 'a'"):
        get_local_copy(tmp_path / "bad.zip", extract=True)


def test_a_copy_that_another_process_lets_go_at_this_moment_is_none_of_this_ones_matter(
    server: Server, home: Path
) -> None:
    get_local_copy(f"{server.url}/data.csv")
    (home / "downloads" / "files" / ("0" * 32)).symlink_to("gone")
    assert get_local_copy(f"{server.url}/data.csv?again").read_bytes() == CONTENT


# in a pipeline


def test_a_long_download_shows_a_bar_on_a_terminal(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipekit.console import transfer

    told: list[tuple[int, int | None]] = []
    monkeypatch.setattr(transfer, "_SHOWN_AFTER_SECONDS", 0.0)
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    with transfer.TransferBar("data.csv") as bar:
        bar(10, 20)
        told.append((10, 20))
    assert "data.csv" in terminal.getvalue()


def test_steps_share_the_copies_of_their_home(server: Server, home: Path, tmp_path: Path) -> None:
    url = f"{server.url}/data.csv"
    copy = get_local_copy(url)

    @pipekit.component(cache=False)
    def where(url: str) -> str:
        return str(get_local_copy(url))

    @pipekit.pipeline
    def flow(url: str) -> str:
        return where(url)

    assert flow.debug(url) == str(copy)
    assert len(server.requests) == 1
    assert storage._settings().home == home


def test_a_copy_that_is_passed_to_a_step_counts_by_its_content(server: Server, home: Path) -> None:
    @pipekit.component
    def size(path: Path) -> int:
        return path.stat().st_size

    @pipekit.pipeline
    def flow(force: bool) -> int:
        return size(get_local_copy(f"{server.url}/data.csv", force=force))

    assert flow.debug(False) == len(CONTENT)
    assert flow.options(executor="inline").run(False)["size"].reused
    server.files["/data.csv"] = b"new"
    run = flow.options(executor="inline").run(True)
    assert (run.value, run["size"].reused) == (3, False)
