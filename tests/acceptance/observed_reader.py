"""A user's module of readers, of which some keep what they read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

TABLE: dict[str, str] = {}
_text = ""


def read(name: str) -> str:
    return Path(name).read_text()


@functools.lru_cache
def read_once() -> str:
    return read("data.txt")


def read_into_table(name: str) -> str:
    if name not in TABLE:
        TABLE[name] = read(name)
    return TABLE[name]


def read_into_global() -> str:
    global _text
    _text = _text or read("data.txt")
    return _text


def keeping(function: Callable[[str], str]) -> Callable[[str], str]:
    results: dict[str, str] = {}

    def wrapper(name: str) -> str:
        if name not in results:
            results[name] = function(name)
        return results[name]

    return wrapper


@keeping
def read_by_closure(name: str) -> str:
    return read(name)


class Reader:
    def __init__(self) -> None:
        self.text = ""

    def read(self) -> str:
        self.text = self.text or read("data.txt")
        return self.text


READER = Reader()
