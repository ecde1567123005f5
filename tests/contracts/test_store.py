"""The contract of `pipekit.ports.Store` on every store; the suite is `pipekit.testing.suites`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipekit.ports import Store
from pipekit.stores import open_store
from pipekit.testing.suites import StoreContract

STORES = ("memory", "sqlite")


class TestStore(StoreContract):
    @pytest.fixture(params=STORES)
    def store(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
        url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/pipekit.db"
        opened = open_store(url)
        yield opened
        opened.close()
