"""The same pipeline in worker processes and under a debugger.

    python examples/03_debug.py

`.debug()` runs every step in this process, at its call, in call order: a `breakpoint()` in a
component stops there, and so does a breakpoint of an editor that runs this file. Records and the
cache are the same in both modes, so a step that one of them computed is reused by the other.
Needs nothing beside pipekit.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipekit import component, pipeline


@component
def longest_line(path: Path) -> str:
    # A `breakpoint()` here stops at every run that does not reuse the step.
    return max(path.read_text().splitlines(), key=len)


@component(cache=False)  # each run wants its own answer
def process_id() -> int:
    return os.getpid()


@pipeline(name="inspect", project="examples")
def inspect(path: Path = Path(__file__)) -> tuple[str, int]:
    return longest_line(path), process_id()


if __name__ == "__main__":
    line, worker = inspect()
    print("in a worker process:", worker != os.getpid())
    same_line, here = inspect.debug()
    print("with .debug():", "in this process" if here == os.getpid() else "elsewhere")
    print("the same result:", line == same_line)
