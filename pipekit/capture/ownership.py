"""Whose code a file is: the user's, the standard library's, a distribution's or pipekit's own.

Decided by the file that the code came from, never by `__module__`, which `functools.wraps`
overwrites. Reads the names of installed distributions; imports nothing.
"""

from __future__ import annotations

import os
import re
import sys
from types import ModuleType
from typing import NamedTuple

from pipekit.model.hashing import digest_bytes
from pipekit.model.value import Digest

USER, STANDARD, PACKAGE, PIPEKIT = "user", "standard", "package", "pipekit"

_PIPEKIT_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_SITE_FOLDERS = ("site-packages", "dist-packages")


class Owner(NamedTuple):
    """Whose code it is; for a package also which distribution in which version."""

    kind: str
    distribution: str = ""
    version: str = ""
    digest: Digest = ""


_USER, _STANDARD, _PIPEKIT = Owner(USER), Owner(STANDARD), Owner(PIPEKIT)

_owners: dict[str, Owner] = {}
_tops: dict[tuple[str, str], Owner] = {}
_listings: dict[str, list[str]] = {}


def owner_of_file(file: str) -> Owner:
    """The owner of the code that came from a file (`co_filename`, `__file__`)."""
    owner = _owners.get(file)
    if owner is None:
        owner = _owners[file] = _find_owner(file)
    return owner


def owner_of_module(name: str) -> Owner:
    """The owner of a module that is loaded, else of one of that name that could be."""
    module = sys.modules.get(name)
    if module is not None:
        return owner_of_loaded(module)
    top = name.partition(".")[0]
    if top != name:
        return owner_of_module(top)
    return _STANDARD if top in sys.stdlib_module_names else _USER


def owner_of_loaded(module: ModuleType) -> Owner:
    """The owner of a module object."""
    space = vars(module)
    file = space.get("__file__")
    if isinstance(file, str):
        return owner_of_file(file)
    name = str(space.get("__name__", ""))
    if name in sys.builtin_module_names or name == "builtins":
        return _STANDARD
    folders = [str(folder) for folder in space.get("__path__", None) or ()]
    if folders:  # a namespace package
        return owner_of_file(os.path.join(folders[0], "__init__.py"))
    top, _, rest = name.partition(".")
    if rest and top in sys.modules:
        return owner_of_module(top)
    return _STANDARD if name in sys.stdlib_module_names else _USER


def _find_owner(file: str) -> Owner:
    if file.startswith("<"):
        return _STANDARD if file.startswith("<frozen ") else _USER
    path = os.path.abspath(file)
    if path.startswith(_PIPEKIT_FOLDER):
        return _PIPEKIT
    parts = path.split(os.sep)
    for place in range(len(parts) - 2, 0, -1):
        if parts[place] in _SITE_FOLDERS:
            return _find_distribution(os.sep.join(parts[: place + 1]), parts[place + 1 :])
    return _STANDARD if path.startswith(_standard_folders()) else _USER


def _standard_folders() -> tuple[str, ...]:
    global _standard
    if not _standard:
        # `os` and `opcode` lie in the library's folder whatever the layout of the installation.
        folder = os.path.dirname(os.path.abspath(os.__file__))
        found = {folder, os.path.realpath(folder)}
        for entry in sys.path:
            if entry.endswith((".zip", "lib-dynload")) and entry.startswith(sys.base_prefix):
                found.add(entry)
        _standard = tuple(entry + os.sep for entry in sorted(found))
    return _standard


_standard: tuple[str, ...] = ()


def _find_distribution(site: str, inside: list[str]) -> Owner:
    """The distribution that installed a file, by the lists that installers leave beside it."""
    top = inside[0]
    # Folders without `__init__` are shared by several distributions.
    depth = 1
    while depth < len(inside) and not _has_init(site, inside[:depth]):
        depth += 1
    key = (site, "/".join(inside[:depth]))
    owner = _tops.get(key)
    if owner is None:
        owner = _tops[key] = _search(site, top, "/".join(inside), key[1])
    return owner


def _has_init(site: str, inside: list[str]) -> bool:
    return os.path.exists(os.path.join(site, *inside, "__init__.py"))


def _search(site: str, top: str, relative: str, package: str) -> Owner:
    names = _listings.get(site)
    if names is None:
        names = _listings[site] = [
            name for name in _list_folder(site) if name.endswith((".dist-info", ".egg-info"))
        ]
    wanted = _plain(top.removesuffix(".py"))
    likely = [name for name in names if _plain(name).startswith(wanted)]
    for name in [*likely, *(name for name in names if name not in likely)]:
        record = _read(os.path.join(site, name, "RECORD"))
        if f"\n{relative},".encode() in b"\n" + record or (
            f"\n{package}/".encode() in b"\n" + record and package.count("/") == 0
        ):
            return _owner_from(site, name, record)
    for name in names:
        listed = _read(os.path.join(site, name, "top_level.txt")).decode("utf-8", "replace")
        if top.removesuffix(".py") in listed.split():
            return _owner_from(site, name, b"")
    return _search_slowly(top)


def _search_slowly(top: str) -> Owner:
    """Where no list beside it names the package (a system's own installer): ask the standard
    library, which reads every distribution there is. Else it was copied there by hand, and counts
    by its content like the user's own."""
    from importlib import metadata  # takes 60 ms, and is rarely needed

    for distribution in metadata.packages_distributions().get(top.removesuffix(".py"), ()):
        version = metadata.version(distribution)
        return _package(distribution, version, "")
    return _USER


def _owner_from(site: str, name: str, record: bytes) -> Owner:
    distribution, _, version = name.rpartition(".")[0].partition("-")
    version = version.partition("-")[0]
    content = ""
    if os.path.exists(os.path.join(site, name, "direct_url.json")):
        # Installed from a folder or a repository: the version stays while the content changes.
        files = (line.split(b",") for line in record.splitlines())
        kept = [b",".join(line[:2]) for line in files if b".dist-info/" not in line[0]]
        kept = [line for line in kept if not line.startswith(b"..") and b".pyc" not in line]
        content = digest_bytes(*sorted(kept))
    return _package(distribution.replace("_", "-"), version, content)


def _package(distribution: str, version: str, content: Digest) -> Owner:
    digest = digest_bytes("package", _plain(distribution), version, content)
    return Owner(PACKAGE, distribution, version, digest)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _list_folder(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
