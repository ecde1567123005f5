"""`pipekit doctor`: what is set, and whether it works. Makes nothing that was not there."""

from __future__ import annotations

import json
import os
import platform
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pipekit import __version__
from pipekit.cli.config import list_entries, unknown_variables
from pipekit.cli.home import has_store
from pipekit.cli.outcome import DONE, FAILED
from pipekit.console.quantity import bytes_text, seconds_text
from pipekit.console.table import draw_table
from pipekit.control.private import check_unwritable
from pipekit.errors import PipekitError
from pipekit.settings import Settings, read_settings, without_password

_OLDEST_PYTHON = (3, 11)
_LEAST_FREE_BYTES = 200_000_000
_WORKER_SECONDS = 20.0
_LIBRARIES = ("numpy", "pandas", "polars", "pyarrow", "matplotlib", "torch")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


def doctor(*, as_json: bool) -> int:
    """Check everything and print what was found; the exit code says whether all is well.

    Raises:
        SettingsError: a setting does not fit, so nothing can be checked.
    """
    settings = read_settings()
    checks: tuple[tuple[str, Callable[[Settings], Finding]], ...] = (
        ("python", _python),
        ("pipekit", _pipekit),
        ("settings", _settings),
        ("home", _home),
        ("store", _store),
        ("blobs", _blobs),
        ("key", _key),
        ("worker", _worker),
        ("libraries", _libraries),
    )
    findings = [_checked(name, check, settings) for name, check in checks]
    is_well = all(finding.ok for finding in findings)
    if as_json:
        shown = {"ok": is_well, "checks": [asdict(finding) for finding in findings]}
        print(json.dumps(shown))
    else:
        _draw(findings)
    return DONE if is_well else FAILED


def _draw(findings: list[Finding]) -> None:
    rows = []
    for finding in findings:
        rows.append([finding.name, "ok" if finding.ok else "problem", finding.detail])
        if finding.hint:
            rows.append(["", "", f"Hint: {finding.hint}"])
    draw_table(("check", "result", "what was found"), rows)


def _checked(name: str, check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    try:
        return check(settings)
    except PipekitError as error:
        return Finding(name, False, error.message, error.hint)
    except OSError as error:
        return Finding(name, False, str(error))


def _python(settings: Settings) -> Finding:
    detail = f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}"
    if sys.version_info < _OLDEST_PYTHON:
        return Finding("python", False, detail, "pipekit needs Python 3.11 or newer.")
    return Finding("python", True, detail)


def _pipekit(settings: Settings) -> Finding:
    return Finding("pipekit", True, f"{__version__}, {Path(__file__).parent.parent}")


def _settings(settings: Settings) -> Finding:
    given = [
        f"{entry.name} = {entry.value} ({entry.source})"
        for entry in list_entries(settings)
        if entry.name in settings.sources
    ]
    detail = ", ".join(given) or "defaults alone"
    unknown = unknown_variables(os.environ)
    if unknown:
        name, hint = next(iter(unknown.items()))
        detail += f"; {', '.join(unknown)}: no such setting"
        return Finding("settings", False, detail, hint or f"unset {name}")
    return Finding("settings", True, detail)


def _home(settings: Settings) -> Finding:
    home = settings.home
    if not home.exists():
        return _unmade("home", home)
    if not home.is_dir():
        return Finding("home", False, f"{home} is not a folder", "set PIPEKIT_HOME to a folder.")
    if not os.access(home, os.W_OK | os.X_OK):
        hint = "set PIPEKIT_HOME to a folder that you can write to."
        return Finding("home", False, f"{home} is read-only", hint)
    check_unwritable(settings)
    return Finding("home", True, str(home))


def _unmade(name: str, place: Path) -> Finding:
    """Nothing is there yet: could it be made?"""
    above = place
    while not above.exists():
        above = above.parent
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return Finding(name, True, f"{place}, made at the first run")
    hint = "set PIPEKIT_HOME to a folder that you can write to."
    return Finding(name, False, f"{place} cannot be made: {above} cannot be written", hint)


def _store(settings: Settings) -> Finding:
    url = settings.store_url
    if not has_store(settings):
        return _unmade("store", Path(url.partition(":///")[2]))
    from pipekit.stores import open_store
    from pipekit.stores.schema import MIGRATIONS

    store = open_store(url)  # refuses another schema, and migrates an older one
    try:
        store.remove_memo("")  # takes the lock for writing, and changes nothing: no key is empty
    finally:
        store.close()
    return Finding(
        "store", True, f"{without_password(url)}, writable, schema version {MIGRATIONS[-1][0]}"
    )


def _blobs(settings: Settings) -> Finding:
    folder = settings.blob_folder
    above = folder
    while not above.exists():
        above = above.parent
    if folder.exists():
        from pipekit.artifacts.blob import LocalBlobStore

        with LocalBlobStore(folder).stage() as staged:
            staged.write(b"\0")
            staged.flush()
    elif not (found := _unmade("blobs", folder)).ok:
        return found
    free = shutil.disk_usage(above).free
    detail = f"{folder}, {bytes_text(free)} free"
    if free < _LEAST_FREE_BYTES:
        return Finding("blobs", False, detail, "free some space, or set PIPEKIT_ARTIFACTS.")
    return Finding("blobs", True, detail if folder.exists() else f"{detail}, made when needed")


def _key(settings: Settings) -> Finding:
    from pipekit.artifacts.key import VARIABLE, read_key

    path = settings.home / "key"
    if os.environ.get(VARIABLE):
        read_key(settings.home)
        return Finding("key", True, f"from {VARIABLE}")
    if not path.exists():
        return Finding("key", True, f"{path}, made when needed")
    read_key(settings.home)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        detail = f"{path} can be read by other users (mode {mode:o})"
        return Finding("key", False, detail, f"chmod 600 {path}")
    return Finding("key", True, f"{path}, mode {mode:o}")


def _worker(settings: Settings) -> Finding:
    """Start a worker process, and wait until it says that it is ready."""
    import select
    from time import perf_counter

    from pipekit.executors.worker_process import WorkerProcess
    from pipekit.worker.message import Ready, Setup

    with tempfile.TemporaryDirectory(prefix="pipekit-doctor-") as name:
        folder = Path(name)
        setup = Setup(
            sys_path=list(sys.path),
            argv=[""],
            main_module="",
            main_path="",
            python_path=os.environ.get("PYTHONPATH"),
            settings=Settings(home=folder, project_root=settings.project_root),
            key=bytes(32),
        )
        began = perf_counter()
        log = folder / "worker.log"
        worker = WorkerProcess(setup, log=log, log_name=log.name, folder=folder)
        try:
            worker.flush()
            answers = select.select([worker.fd], [], [], _WORKER_SECONDS)[0]
            messages = worker.receive() if answers else []
            took = perf_counter() - began
        finally:
            worker.end()
        if messages and isinstance(messages[0], Ready):
            return Finding("worker", True, f"ready after {seconds_text(took)}")
        said = log.read_text(errors="replace").strip() if log.exists() else ""
    detail = "a worker process ended" if messages is None else "a worker process does not answer"
    return Finding("worker", False, f"{detail}: {said}" if said else detail)


def _libraries(settings: Settings) -> Finding:
    """Those that pipekit stores values of in a format of their own."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for library in _LIBRARIES:
        try:
            found.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            pass
    return Finding("libraries", True, ", ".join(found) or "none of the optional ones")
