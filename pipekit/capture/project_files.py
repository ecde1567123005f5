"""Which files belong to a project's source: what git tracks or would, else what a walk finds.

`.pipekitignore` in the project's root leaves out more, in the words of a `.gitignore`; where git
does not look after the project, so does its `.gitignore`. Reads names and sizes; opens no file.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipekit.errors import PipekitError, UsageError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".pipekitignore"
_LEFT_OUT = frozenset(
    (".git", ".hg", ".svn", ".venv", ".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache",
     ".hypothesis", "__pycache__", "node_modules", ".ipynb_checkpoints", ".eggs")
)  # fmt: skip
"""Folders that hold nothing that was written by hand."""
_GIT_SECONDS = 60.0
_MOST_NAMED = 5
_MOST_FILES = 50_000
"""Of a folder that nobody has called a project: it may be somebody's whole disk."""


class ProjectFile(NamedTuple):
    """One file of a project, or a link in it."""

    path: str
    """Below the root, with `/` between the parts."""
    size_bytes: int
    mode: int
    mtime_ns: int
    link: str = ""
    """Where a symbolic link leads; empty for a file."""


class TooLarge(UsageError):
    """The files of a project are more than may travel."""


def project_files(root: Path, *, home: Path, limit_bytes: int) -> list[ProjectFile]:
    """The project's files, by path. `home` is left out, wherever it lies.

    Raises:
        TooLarge: together they have more than `limit_bytes`; the largest are named.
    """
    ignored = _ignored(root, (IGNORE_FILE,))
    paths = _git_paths(root)
    if paths is None:
        ignored = _ignored(root, (".gitignore", IGNORE_FILE))
        paths = list(islice(_walked(root), _MOST_FILES + 1))
        if len(paths) > _MOST_FILES:
            raise TooLarge(
                f"The project {root} has more than {_MOST_FILES:,} files.",
                hint="put a pyproject.toml into the folder that is the project.",
            )
    left_out = os.path.realpath(home)
    files = []
    for path in sorted(set(paths)):
        if ignored is not None and ignored.match_file(path):
            continue
        whole = os.path.join(root, path)
        if f"{os.path.realpath(os.path.dirname(whole))}/".startswith(f"{left_out}/"):
            continue
        found = _look_at(root, path)
        if found is not None:
            files.append(found)
    _check_size(files, root, limit_bytes)
    return files


def commit_of(root: Path) -> str:
    """What git calls the project's state: `main@1a2b3c4d5e6f`, and whether files differ from it;
    empty where git does not look after it."""
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    if commit is None:
        return ""
    branch = (_git(root, "rev-parse", "--abbrev-ref", "HEAD") or "").strip()
    changed = " with changes" if _git(root, "status", "--porcelain", "--", ".") else ""
    return f"{branch}@{commit.strip()}{changed}"


def _look_at(root: Path, path: str) -> ProjectFile | None:
    """None of what is gone, and of what is neither file nor link."""
    whole = os.path.join(root, path)
    try:
        found = os.lstat(whole)
        if stat.S_ISLNK(found.st_mode):
            link = os.readlink(whole)
            if _stays_inside(root, path, link):
                return ProjectFile(path, 0, 0o777, 0, link)
            found = os.stat(whole)  # a file from elsewhere travels as what it holds
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    executable = 0o755 if found.st_mode & 0o100 else 0o644
    return ProjectFile(path, found.st_size, executable, found.st_mtime_ns)


def _stays_inside(root: Path, path: str, link: str) -> bool:
    if os.path.isabs(link):
        return False
    target = os.path.normpath(os.path.join(os.path.dirname(path), link))
    return not target.startswith("..") and os.path.lexists(os.path.join(root, target))


def _git_paths(root: Path) -> list[str] | None:
    """What git tracks or would; None where it does not look after the folder."""
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed is None:
        return None
    paths: list[str] = []
    for path in listed.split("\0"):
        whole = root / path
        if not path:
            continue
        if whole.is_dir() and not whole.is_symlink():  # a submodule, or a repository in this one
            within = _git_paths(whole)
            below = within if within is not None else list(_walked(whole))
            paths += [f"{path.rstrip('/')}/{one}" for one in below]
        else:
            paths.append(path)
    return paths


def _git(root: Path, *words: str) -> str | None:
    if not _has_git(root):
        return None
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True, timeout=_GIT_SECONDS, env=environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else os.fsdecode(done.stdout)


def _has_git(root: Path) -> bool:
    return any((folder / ".git").exists() for folder in (root, *root.parents))


def _walked(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _LEFT_OUT and not os.path.exists(f"{folder}/{name}/pyvenv.cfg")
        )
        below = os.path.relpath(folder, root)
        for name in [*names, *(one for one in folders if os.path.islink(f"{folder}/{one}"))]:
            yield name if below == "." else f"{below}/{name}"


def _ignored(root: Path, names: tuple[str, ...]) -> GitIgnoreSpec | None:
    lines: list[str] = []
    for name in names:
        try:
            lines += (root / name).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise PipekitError(
                f"{root / name} cannot be read: {error}.", hint="mend the file or remove it."
            ) from error
    if not lines:
        return None
    from pathspec import GitIgnoreSpec  # 23 ms, where there is something to leave out

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise PipekitError(
            f"A pattern in {' or '.join(names)} of {root} cannot be read: {error}.",
            hint="write patterns as for a .gitignore.",
        ) from error


def _check_size(files: list[ProjectFile], root: Path, limit_bytes: int) -> None:
    size = sum(file.size_bytes for file in files)
    if size <= limit_bytes:
        return
    largest = sorted(files, key=lambda file: -file.size_bytes)[:_MOST_NAMED]
    named = ", ".join(f"{file.path} ({_megabytes(file.size_bytes)})" for file in largest)
    raise TooLarge(
        f"The files of project {root} are {_megabytes(size)}, more than the "
        f"{_megabytes(limit_bytes)} that are sent along. The largest: {named}.",
        hint=f"name what a run does not need in {root / IGNORE_FILE}, or raise "
        "PIPEKIT_SNAPSHOT_LIMIT_BYTES.",
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
