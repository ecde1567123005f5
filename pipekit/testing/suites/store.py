"""The contract of the port `Store`, sentence by sentence, as a suite."""

from __future__ import annotations

import pytest

from pipekit.ports import Store
from pipekit.testing.suites.store_change import ChangeContract
from pipekit.testing.suites.store_commit import CommitContract
from pipekit.testing.suites.store_queues import QueuesContract
from pipekit.testing.suites.store_reading import ReadingContract
from pipekit.testing.suites.store_running import RunningContract
from pipekit.testing.suites.store_upkeep import UpkeepContract


class StoreContract(
    ReadingContract,
    ChangeContract,
    CommitContract,
    RunningContract,
    QueuesContract,
    UpkeepContract,
):
    """What every implementation of `pipekit.ports.Store` keeps. To be subclassed.

    The subclass defines the fixture `store`: an empty store for each test.

    Example:
        ```python
        class TestMyStore(StoreContract):
            @pytest.fixture
            def store(self, tmp_path):
                store = MyStore(tmp_path / "records")
                yield store
                store.close()
        ```
    """

    @pytest.fixture
    def store(self) -> Store:
        """An empty store."""
        raise NotImplementedError(f"{type(self).__name__} is to define the fixture 'store'.")
