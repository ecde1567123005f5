"""Audit events of the interpreter by which a step reaches out of its process, and what they
tell of. Pure: names of hosts and programs alone, for the rest may hold secrets.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from pipekit.model.audit import LIBRARY, NETWORK, PROGRAM


def _host(host: Any, port: Any = None, *_: Any) -> str:
    name = os.fsdecode(host) if host else "localhost"
    name = f"[{name}]" if ":" in name else name
    return f"{name}:{os.fsdecode(port) if isinstance(port, bytes) else port}" if port else name


def _address(_socket: Any, address: Any = None, *_: Any) -> str:
    if isinstance(address, tuple) and len(address) >= 2:
        return _host(*address[:2]) if isinstance(address[0], str | bytes) else repr(address)
    if isinstance(address, str | bytes):
        return os.fsdecode(address).replace("\0", "@")  # a socket of this machine
    return ""


def _url(url: Any, *_: Any) -> str:
    parts = urlsplit(str(url))
    port = parts.port or {"http": 80, "https": 443, "ftp": 21}.get(parts.scheme)
    return _host(parts.hostname, port) if parts.hostname else ""


def _connection(_connection: Any, host: Any, port: Any = None, *_: Any) -> str:
    return _host(host, port)


def _started(_executable: Any, arguments: Any, *_: Any) -> str:
    if isinstance(arguments, str | bytes | os.PathLike):
        return _command(arguments)
    words = [os.fsdecode(word) for word in arguments]
    if len(words) > 2 and words[1] == "-c" and os.path.basename(words[0]) in _SHELLS:
        return _command(words[2])
    return os.path.basename(words[0]) if words else ""


_SHELLS = ("sh", "bash", "dash", "zsh")


def _command(command: Any, *_: Any) -> str:
    """The program alone: what follows may hold a secret."""
    words = os.fsdecode(command).split(maxsplit=1)
    return os.path.basename(words[0]) if words else ""


def _program(path: Any, *_: Any) -> str:
    return os.path.basename(os.fsdecode(path))


def _spawned(_mode: Any, path: Any, *_: Any) -> str:
    return _program(path)


def _forked(*_: Any) -> str:
    return "a fork of its process"


def _library(name: Any, *_: Any) -> str:
    return os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else ""


EVENTS: dict[str, tuple[str, Callable[..., str]]] = {
    "socket.connect": (NETWORK, _address),
    "socket.bind": (NETWORK, _address),
    "socket.sendto": (NETWORK, _address),
    "socket.sendmsg": (NETWORK, _address),
    "socket.getaddrinfo": (NETWORK, _host),
    "socket.gethostbyname": (NETWORK, _host),
    "socket.gethostbyaddr": (NETWORK, _host),
    "urllib.Request": (NETWORK, _url),
    "http.client.connect": (NETWORK, _connection),
    "subprocess.Popen": (PROGRAM, _started),
    "os.system": (PROGRAM, _command),
    "os.exec": (PROGRAM, _program),
    "os.posix_spawn": (PROGRAM, _program),
    "os.spawn": (PROGRAM, _spawned),
    "os.startfile": (PROGRAM, _program),
    "os.fork": (PROGRAM, _forked),
    "os.forkpty": (PROGRAM, _forked),
    "ctypes.dlopen": (LIBRARY, _library),
}
"""Event -> which kind of thing it is, and what makes a text of its arguments: empty where there is
nothing to tell."""
