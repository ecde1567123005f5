"""A home of its own for each test, and its sessions closed behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipekit.control.session import close_sessions


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "home"
    monkeypatch.setenv("PIPEKIT_HOME", str(folder))
    monkeypatch.setenv("PIPEKIT_PROGRESS", "off")
    yield folder
    close_sessions()
