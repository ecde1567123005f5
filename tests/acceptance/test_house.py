"""The rules of the house: layers, types, style, and what a light start may import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def output_of(*command: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def imported_by(statement: str) -> set[str]:
    report = "import sys, json; print(json.dumps(sorted(sys.modules)))"
    return set(json.loads(output_of(sys.executable, "-c", f"{statement}\n{report}")))


def test_a_file_imports_only_from_the_floors_below() -> None:
    output_of(str(BIN / "lint-imports"))


def test_types_are_complete() -> None:
    output_of(sys.executable, "-m", "mypy")


@pytest.mark.parametrize("check", [("check",), ("format", "--check")])
def test_style(check: tuple[str, ...]) -> None:
    output_of(sys.executable, "-m", "ruff", *check, "pipekit", "tests", "examples", "benchmarks")


HEAVY = {"sqlite3", "pydantic", "rich", "networkx", "diskcache", "cloudpickle", "asyncio", "numpy"}


def test_importing_the_package_imports_next_to_nothing() -> None:
    assert not imported_by("import pipekit") & (HEAVY | {"inspect", "blake3", "dataclasses"})


def test_decorating_imports_nothing_heavy() -> None:
    assert not imported_by("from pipekit import component, pipeline, get") & HEAVY


def test_a_worker_imports_no_database_and_nothing_heavy() -> None:
    assert not imported_by("import pipekit.worker.process") & (HEAVY | {"typer", "subprocess"})
