"""What a store in a file promises beyond the contract: opening, other processes, being killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import pipekit.stores.sqlite as sqlite_store
from pipekit.errors import SettingsError, StoreUnavailable, StoreVersionMismatch
from pipekit.model.records import Change, Kind, Task, TaskSpec
from pipekit.model.status import Status
from pipekit.stores import open_store
from pipekit.stores.schema import MIGRATIONS
from pipekit.stores.sqlite import SqliteStore

ROOT = Path(sqlite_store.__file__).parents[2]

WORDS = """
import sys
from pipekit.model.records import *
from pipekit.model.status import Status
from pipekit.stores.sqlite import SqliteStore

def a_change(task_id):
    task = Task(task_id, Kind.STEP, "fit", "p", Status.PENDING, 1.0, TaskSpec("m:f"))
    content = (task_id, bytes(3000))
    value = StoredValue(task_id, task_id, "json", "int", 1)
    artifact = Artifact(task_id, 1, "value", 1.0, value)
    return Change(task_id, create=task, artifacts=(artifact,), contents=(content,))
"""


def a_change(task_id: str) -> Change:
    task = Task(task_id, Kind.STEP, "fit", "p", Status.PENDING, 1.0, TaskSpec("m:f"))
    return Change(task_id, create=task)


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORDS + code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "pipekit.db"


@pytest.fixture
def foreign_writer(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program that holds the store's lock."""
    SqliteStore(path).close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


class TestOpening:
    def test_makes_folder_and_file_for_their_owner_alone(self, path: Path) -> None:
        old = os.umask(0)
        try:
            store = SqliteStore(path)
            store.commit([a_change("t1")])
            modes = {
                entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()
            }
            store.close()
        finally:
            os.umask(old)
        assert set(modes.values()) == {0o600}
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_again_finds_what_was_committed(self, path: Path) -> None:
        first = SqliteStore(path)
        first.commit([a_change("t1")])
        first.close()
        second = SqliteStore(path)
        assert second.find_ids("") == ["t1"]
        second.close()

    def test_takes_an_empty_file_that_a_killed_process_left(self, path: Path) -> None:
        path.parent.mkdir()
        path.touch()
        store = SqliteStore(path)
        assert store.find_ids("") == []
        store.close()

    def test_by_url_takes_a_relative_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        open_store("sqlite:///here/pipekit.db").close()
        assert (tmp_path / "here" / "pipekit.db").exists()

    @pytest.mark.parametrize(
        "url",
        ["", "pipekit.db", "mysql://host/db", "sqlite://pipekit.db", "sqlite:///", "memory://x"],
    )
    def test_by_a_url_that_names_no_store_says_which_there_are(self, url: str) -> None:
        with pytest.raises(SettingsError, match="Hint"):
            open_store(url)

    def test_refuses_an_option_that_it_does_not_know(self, path: Path) -> None:
        with pytest.raises(SettingsError, match="colour"):
            open_store(f"sqlite:///{path}", colour="red")
        with pytest.raises(SettingsError, match="durability"):
            open_store(f"sqlite:///{path}", durability="some")

    def test_refuses_a_store_of_a_newer_version(self, path: Path) -> None:
        newest = MIGRATIONS[-1][0]
        SqliteStore(path, migrations=(*MIGRATIONS, (newest + 1, ()))).close()
        with pytest.raises(StoreVersionMismatch, match=str(path)):
            SqliteStore(path)

    def test_brings_a_store_of_the_version_before_to_this(self, path: Path) -> None:
        old = SqliteStore(path)
        old.commit([a_change("t1")])
        old.close()
        column = "ALTER TABLE tasks ADD COLUMN owner TEXT NOT NULL DEFAULT 'ann'"
        new = SqliteStore(path, migrations=(*MIGRATIONS, (MIGRATIONS[-1][0] + 1, (column,))))
        assert new.find_ids("") == ["t1"]
        new.close()
        with sqlite3.connect(path) as connection:
            assert connection.execute("SELECT id, owner FROM tasks").fetchall() == [("t1", "ann")]
        connection.close()

    def test_by_many_processes_at_once_makes_one_store(self, path: Path) -> None:
        code = """
sys.stdin.readline()
store = SqliteStore(sys.argv[1])
print(store.commit([a_change(sys.argv[2])])[0])
"""
        processes = [python(code, path, f"t{number}") for number in range(6)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.communicate(timeout=60)[0] for process in processes] == ["True\n"] * 6
        store = SqliteStore(path)
        assert store.find_ids("") == [f"t{number}" for number in range(6)]
        store.close()


class TestUnavailable:
    def test_on_a_network_file_system_with_the_way_out(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite_store, "find_network_file_system", lambda folder: "nfs4")
        with pytest.raises(StoreUnavailable, match=r"nfs4.*PIPEKIT_HOME"):
            SqliteStore(path)
        assert not path.exists()

    def test_where_a_file_stands_in_the_way_of_the_folder(self, path: Path) -> None:
        path.parent.write_text("a file")
        with pytest.raises(StoreUnavailable, match=r"pipekit\.db.*PIPEKIT_HOME"):
            SqliteStore(path)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_in_a_folder_that_is_not_ours_to_write(self, path: Path) -> None:
        path.parent.mkdir()
        path.parent.chmod(0o500)
        with pytest.raises(StoreUnavailable, match=r"pipekit\.db.*PIPEKIT_HOME"):
            SqliteStore(path)

    def test_where_the_file_is_no_database(self, path: Path) -> None:
        path.parent.mkdir()
        path.write_text("this is not a database" * 100)
        with pytest.raises(StoreUnavailable, match=r"damaged.*Hint"):
            SqliteStore(path)

    def test_where_the_file_is_damaged(self, path: Path) -> None:
        store = SqliteStore(path)
        store.commit([a_change(f"t{number:04d}") for number in range(500)])
        store.close()
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (path.stat().st_size - 4096))
        with pytest.raises(StoreUnavailable, match=r"damaged.*recover"):
            SqliteStore(path).list_tasks()

    def test_while_another_process_writes_for_too_long(
        self, path: Path, foreign_writer: sqlite3.Connection
    ) -> None:
        store = SqliteStore(path, busy_seconds=0.05)
        with pytest.raises(StoreUnavailable, match=r"locked by another process.*0\.05 s"):
            store.commit([a_change("t1")])
        assert store.find_ids("") == []
        foreign_writer.execute("COMMIT")
        assert store.commit([a_change("t1")]) == [True]
        store.close()

    def test_where_the_disk_is_full_and_nothing_has_landed(self, path: Path) -> None:
        store = SqliteStore(path)
        store.commit([a_change("t1")])
        pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
        store._writer.execute(f"PRAGMA max_page_count = {pages}")
        large = Change("", contents=(("b" * 64, bytes(60_000)),))
        with pytest.raises(StoreUnavailable, match=r"disk is full.*Hint"):
            store.commit([a_change("t2"), large])
        assert store.find_ids("") == ["t1"]
        store._writer.execute(f"PRAGMA max_page_count = {pages + 1000}")
        assert store.commit([a_change("t2"), large]) == [True, True]
        store.close()


class TestProcesses:
    def test_racing_on_one_guard_land_once(self, path: Path) -> None:
        rounds, processes = 30, 3
        code = """
store = SqliteStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    key = f"t{number:02d}"
    move = Move(frozenset({Status.PENDING}), Status.RUNNING, 2.0)
    attempt = Attempt(key, 1, 2.0, "h", 1, 1.0)
    print(int(store.commit([Change(key, open=attempt, move=move)])[0]), end=" ")
"""
        store = SqliteStore(path)
        ids = [f"t{number:02d}" for number in range(rounds)]
        store.commit([a_change(key) for key in ids])
        racers = [python(code, path, rounds) for _ in range(processes)]
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        answers = []
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        for racer in racers:
            answers.append([int(word) for word in racer.communicate(timeout=60)[0].split()])
        assert [sum(column) for column in zip(*answers, strict=True)] == [1] * rounds
        assert [len(store.list_attempts(key)) for key in ids] == [1] * rounds
        store.close()

    @pytest.mark.parametrize("lines", [1, 3, 20, 60])
    def test_killed_while_committing_keep_all_that_was_acknowledged(
        self, path: Path, lines: int
    ) -> None:
        """Killed after so many acknowledgements, in the middle of whatever came next."""
        code = """
store = SqliteStore(sys.argv[1])
for batch in range(10_000):
    store.commit([a_change(f"{batch:05d}-{number}") for number in range(7)])
    print(batch, flush=True)
"""
        process = python(code, path)
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        # Not `communicate`: it would lose what `readline` has read ahead.
        acknowledged = lines + process.stdout.read().count("\n")
        process.communicate(timeout=60)
        store = SqliteStore(path)
        ids = store.find_ids("", limit=100_000)
        whole, part = divmod(len(ids), 7)
        assert part == 0
        assert acknowledged <= whole <= acknowledged + 1
        assert all(len(store.list_artifacts(key)) == 1 for key in ids)
        assert store.read_contents(ids).keys() == set(ids)
        store.close()
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()


class TestConnections:
    def test_of_threads_that_ended_are_closed(self, path: Path) -> None:
        store = SqliteStore(path)
        for _ in range(5):
            thread = threading.Thread(target=lambda: store.find_ids(""))
            thread.start()
            thread.join()
        assert len(store._readers) == 0
        store.close()

    def test_read_while_another_process_writes(
        self, path: Path, foreign_writer: sqlite3.Connection
    ) -> None:
        store = SqliteStore(path, busy_seconds=0.0)
        assert store.find_task("t1") is None
        store.close()


FORKS = f"""
{WORDS}
import os
import threading

path = sys.argv[1]
store, is_over = SqliteStore(path), threading.Event()

def write():
    number = 0
    while not is_over.is_set():
        store.commit([a_change(f"p{{number}}-{{i}}") for i in range(200)])
        number += 1

writer = threading.Thread(target=write)
writer.start()
failed = 0
for number in range(30):
    pid = os.fork()
    if pid == 0:
        try:
            SqliteStore(path, busy_seconds=3.0).commit([a_change(f"c{{number}}")])
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    failed += os.waitpid(pid, 0)[1] != 0
is_over.set()
writer.join()
sys.exit(failed)
"""


def test_a_process_that_is_forked_while_another_thread_writes_can_write_too(path: Path) -> None:
    """SQLite remembers the locks of its process: the child must not have those of a writer that is
    not there."""
    done = subprocess.run(
        [sys.executable, "-c", FORKS, str(path)], cwd=ROOT, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
