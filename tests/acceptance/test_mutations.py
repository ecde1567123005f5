"""Real libraries as the user's project, changed in one place at a time: no edit of what a component
reaches leaves its key as it was, and few of the others change it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

HARNESS = Path(__file__).parents[2] / "benchmarks" / "mutations.py"
SHORT = ("statistics", "mdurl", "sortedcontainers", "attr")
BY_DESIGN = frozenset({"unused method", "unused function", "functions in another order"})
"""A class counts with all its methods, and a module that a function imports with all that its
import executes, its classes among it: these edits may be misses."""


def verdicts(*arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(HARNESS), "--json", *arguments],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return [verdict for result in json.loads(done.stdout) for verdict in result["verdicts"]]


def check(found: list[dict[str, Any]], *, least: int) -> None:
    words = Counter(verdict["word"] for verdict in found)
    assert [verdict for verdict in found if verdict["word"] == "false hit"] == []
    assert words["miss"] >= least, "too few edits mattered for this to say much"
    neutral = [v for v in found if v["word"] in ("hit", "false miss")]
    missed = [v for v in neutral if v["word"] == "false miss" and v["kind"] not in BY_DESIGN]
    assert len(missed) <= len(neutral) / 20, missed


def test_no_edit_of_what_a_component_reaches_leaves_its_key_as_it_was() -> None:
    libraries = [text for name in SHORT for text in ("--library", name)]
    check(verdicts(*libraries, "--count", "100"), least=40)


@pytest.mark.long
def test_none_of_three_thousand_edits_leaves_the_key_as_it_was() -> None:
    check(verdicts("--count", "3000", "--seed", "1"), least=1000)
