"""Steps that lack something around them: a folder of the home that is a file for a while."""

from __future__ import annotations

import time
from pathlib import Path

from pipekit import component, get, pipeline, task_of


def block(folder: str) -> None:
    path = Path(folder)
    if path.is_dir():
        path.rename(f"{folder}-away")
    path.touch()


def clear(folder: str) -> None:
    path = Path(folder)
    if path.is_file():
        path.unlink()
        path.mkdir()


@component(cache=False)
def make_large(folder: str, journal: str, blocked: int) -> bytes:
    """Its value is a file, which cannot be written in its first `blocked` attempts."""
    with open(journal, "a") as file:
        file.write("x")
    if len(Path(journal).read_text()) <= blocked:
        block(folder)
    else:
        clear(folder)
    return b"x" * 200_000


@component(cache=False)
def alternating(folder: str, journal: str) -> bytes:
    """The user's error, then no space, then the user's error again, then all is well."""
    with open(journal, "a") as file:
        file.write("x")
    attempt = len(Path(journal).read_text())
    if attempt in (1, 3):
        raise ValueError(f"attempt {attempt}")
    if attempt == 2:
        block(folder)
    else:
        clear(folder)
    return b"x" * 200_000


@component
def small(x: int) -> int:
    return x


@pipeline
def large(folder: str, journal: str, blocked: int) -> int:
    return len(make_large(folder, journal, blocked))


@pipeline
def mixed(folder: str, journal: str, retries: int) -> int:
    return len(alternating.options(retries=retries, retry_delay=100)(folder, journal))


@pipeline
def workers_later(folder: str) -> int:
    block(folder)
    step = small(2)
    while not task_of(step).attempts:
        time.sleep(0.01)
    clear(folder)
    return get(step)


@pipeline
def without_workers(folder: str) -> int:
    block(folder)
    try:
        return get(small(1))
    finally:
        clear(folder)
