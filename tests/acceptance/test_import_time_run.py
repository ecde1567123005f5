"""A pipeline may be called while its module is being imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from workspace import Workspace


@pytest.mark.parametrize("executor", ["process", "inline"])
def test_a_pipeline_called_by_an_imported_module_finds_that_modules_names(
    tmp_path: Path, executor: str
) -> None:
    workspace = Workspace(tmp_path)
    workspace.write(
        "measured.py",
        """
        from dataclasses import dataclass
        from pipekit import component, pipeline

        class Plain:
            def __init__(self, number):
                self.number = number

        @dataclass
        class Point:
            x: int

        def first(points):
            return points[0]

        @component
        def make(number):
            return Point(number)

        @component
        def total(points, plain, choose):
            return choose(points).x + points[1].x + plain[0].number + plain[1].x

        @pipeline
        def measure():
            a, b = make(1), make(2)
            return total([a, b, Point(3)], [Plain(10), a], first)

        value = measure()
        """,
    )
    workspace.write("main.py", "import measured\nprint(measured.value)\n")
    for _ in range(2):  # anew, and from the cache
        said = workspace.python("main.py", PIPEKIT_EXECUTOR=executor)
        assert (said.code, said.out) == (0, "14\n"), said.err
