"""A home of a test's own: made, set up in the environment, and closed. Asserts nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipekit.api.task import Task
from pipekit.control.archive import Archive
from pipekit.control.executor_set import parse_executor
from pipekit.control.session import close_session, find_session, set_clock
from pipekit.errors import NotFound, UsageError
from pipekit.model.records import RUN_KINDS
from pipekit.settings import read_settings
from pipekit.testing.fake_clock import FakeClock

_STORES = ("sqlite", "memory")
_PREFIX = "PIPEKIT_"


class Home:
    """What a test knows of the home that its pipelines run in.

    Attributes:
        path: The folder. Records, values, logs and key are in it; it is made by the first run.
        variables: The environment variables by which it is set.

    Example:
        ```python
        def test_training_is_recorded(pipekit_home):
            train(epochs=1)
            assert pipekit_home.last_run.status == "completed"
            assert [step.name for step in pipekit_home.last_run.steps] == ["load", "fit"]
        ```
    """

    def __init__(
        self,
        path: Path,
        *,
        executor: str = "inline",
        store: str = "sqlite",
        real_clock: bool = False,
    ) -> None:
        """Arguments as for `temporary_home`. Opens nothing."""
        parse_executor(executor)
        if store not in _STORES:
            raise UsageError(f"store={store!r} is to be {' or '.join(map(repr, _STORES))}.")
        self.path: Path = Path(path).absolute()
        self.variables: dict[str, str] = {
            "PIPEKIT_HOME": str(self.path),
            "PIPEKIT_STORE": f"sqlite:///{self.path / 'pipekit.db'}",
            "PIPEKIT_ARTIFACTS": str(self.path / "blobs"),
            "PIPEKIT_EXECUTOR": executor,
            "PIPEKIT_PROGRESS": "off",
        }
        if store == "memory":
            self.variables["PIPEKIT_STORE"] = "memory://"
        self._is_in_memory = store == "memory"
        self._clock = None if real_clock else FakeClock()
        self._read: Archive | None = None

    @property
    def clock(self) -> FakeClock:
        """The clock that its runs go by.

        Raises:
            UsageError: it was set up with `real_clock=True`.
        """
        if self._clock is None:
            raise UsageError(
                "This home goes by the machine's clock, which cannot be moved.",
                hint="leave out real_clock=True.",
            )
        return self._clock

    @property
    def runs(self) -> list[Task]:
        """The runs in this home, newest first; those that are a step of another are among its
        steps. Runs of other processes (`pipekit run …`) count, unless the store is in memory."""
        archive = self._archive()
        if archive is None:
            return []
        found = archive.store.list_tasks(kinds=RUN_KINDS)
        return [Task(archive, record.id) for record in found if record.parent is None]

    @property
    def last_run(self) -> Task:
        """The newest run.

        Raises:
            NotFound: nothing has run here yet.
        """
        __tracebackhide__ = True
        runs = self.runs
        if not runs:
            raise NotFound(
                f"Nothing has run in the home {self.path} yet.",
                hint="call a pipeline; a component that is called outside of one leaves no record.",
            )
        return runs[0]

    def open(self) -> None:
        """Have the runs of this home go by its clock."""
        if self._clock is not None:
            set_clock(self.path, self._clock)

    def close(self) -> None:
        """End its workers and close its store; the folder stays. Idempotent."""
        close_session(self.path)
        if self._read is not None:
            self._read.close()
            self._read = None

    def _archive(self) -> Archive | None:
        """What is kept here, opened; None where there is nothing."""
        session = find_session(self.path)
        if session is not None:
            return session.archive
        if self._read is None and not self._is_in_memory:
            url = self.variables["PIPEKIT_STORE"]
            if (self.path / "pipekit.db").exists():
                self._read = Archive(read_settings(home=self.path, store=url))
        return self._read

    def __repr__(self) -> str:
        return f"<home {self.path}>"


@contextmanager
def temporary_home(
    path: Path | str, *, executor: str = "inline", store: str = "sqlite", real_clock: bool = False
) -> Iterator[Home]:
    """Have every pipeline run in a home of its own while the `with` block lasts.

    The fixture `pipekit_home` is this, for one test. Use it for fixtures of a wider scope, for a
    second home in one test, and with other test runners. All `PIPEKIT_*` variables are replaced,
    and restored at the end; other homes of the process stay open.

    Args:
        path: Folder of the home; made by the first run, and left in place.
        executor: Where steps run that do not say so themselves: `inline`, `process`, `process:2`.
        store: `sqlite` keeps the records in the folder; `memory` forgets them at the end, and does
            not show them to other processes.
        real_clock: Really wait before retries.

    Raises:
        UsageError: a value cannot be right.

    Example:
        ```python
        @pytest.fixture(scope="module")
        def trained(tmp_path_factory):
            with temporary_home(tmp_path_factory.mktemp("home"), executor="process:2"):
                yield train.run(epochs=1)
        ```
    """
    home = Home(Path(path), executor=executor, store=store, real_clock=real_clock)
    before = _variables()
    try:
        for name in before:
            del os.environ[name]
        os.environ.update(home.variables)
        home.open()
        yield home
    finally:
        home.close()
        for name in _variables():
            del os.environ[name]
        os.environ.update(before)


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}
