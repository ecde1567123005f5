"""A remembered outcome is used only where all that the step read is as it was: files, names in
folders, environment variables, seen in whatever library and on every executor of this machine.
"""

from __future__ import annotations

import gzip
import importlib
import os
import shutil
import sqlite3
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipekit import Task
from pipekit.control.session import close_sessions

_HERE = Path(__file__).parent
_MODULES = ("observed", "observed_reader", "observed_config")


class Project:
    """A user's project whose pipelines run in this process's session."""

    def __init__(self, folder: Path, executor: str) -> None:
        self.folder = folder
        self._executor = executor
        self._flows: Any = importlib.import_module("observed")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def run(self, pipeline: str, *arguments: str) -> Task:
        task = getattr(self._flows, pipeline).options(executor=self._executor).run(*arguments)
        assert task.error is None, task.error
        return task

    def once(self, which: str, *arguments: str) -> tuple[Any, bool]:
        """A step's value, and whether it was reused."""
        task = self.run("given" if arguments else "single", which, *arguments)
        return task.value, task.steps[0].reused

    def restart(self) -> None:
        """End the session and what it keeps warm, as another process of the user's would find."""
        close_sessions()

    def note(self, task: Task) -> str:
        """Why the step is not remembered, as it is recorded."""
        step = task.steps[0]
        return next(
            event.detail
            for event in step._archive.store.list_events(step.id)
            if event.name == "completed"
        )


@pytest.fixture(params=["inline", "process:1"])
def executor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def project(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, executor: str
) -> Iterator[Project]:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("[project]\nname = 'observed'\n")
    for name in _MODULES:
        shutil.copy(_HERE / f"{name}.py", folder)
        sys.modules.pop(name, None)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delenv("OBSERVED", raising=False)
    yield Project(folder, executor)
    for name in _MODULES:
        sys.modules.pop(name, None)


def write_csv(path: Path, rows: int) -> None:
    path.write_text("a,b\n" + "1,2\n" * rows)


def write_array(path: Path, rows: int) -> None:
    with path.open("wb") as file:
        np.save(file, np.ones(rows))


def write_gzip(path: Path, rows: int) -> None:
    with gzip.open(path, "wb") as file:
        file.write(b"x" * rows)


def write_zip(path: Path, rows: int) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for row in range(rows):
            file.writestr(str(row), "x")


def write_database(path: Path, rows: int) -> None:
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.executemany("INSERT INTO t VALUES (?)", [(row,) for row in range(rows)])
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("which", "write"),
    [
        ("by_open", write_csv),
        ("by_path", write_csv),
        ("by_helper", write_csv),
        ("by_csv", write_csv),
        ("by_json", write_csv),
        ("by_pandas", write_csv),
        ("by_numpy", write_array),
        ("by_gzip", write_gzip),
        ("by_zip", write_zip),
        ("by_sqlite", write_database),
        ("by_copy", write_csv),
        ("by_descriptor", write_csv),
        ("by_thread", write_csv),
        ("by_import_system", write_csv),
    ],
)
def test_a_step_runs_again_where_a_file_that_it_read_holds_something_else(
    project: Project, which: str, write: Any
) -> None:
    path = project.folder / "data.txt"
    write(path, 2)
    first, _ = project.once(which)
    assert project.once(which) == (first, True)
    os.utime(path, (1, 1))
    assert project.once(which) == (first, True)
    write(path, 3)
    second, reused = project.once(which)
    assert not reused
    assert second != first
    assert project.once(which) == (second, True)


def test_a_step_runs_again_where_a_link_leads_elsewhere(project: Project) -> None:
    project.write("data.txt", "one")
    project.write("other.txt", "two")
    link = project.folder / "link.txt"
    link.symlink_to("data.txt")
    assert project.once("by_link") == ("one", False)
    assert project.once("by_link") == ("one", True)
    link.unlink()
    link.symlink_to("other.txt")
    assert project.once("by_link") == ("two", False)


def test_a_relative_path_counts_from_the_folder_that_the_step_had_gone_to(
    project: Project,
) -> None:
    project.write("folder/inner.txt", "one")
    assert project.once("elsewhere") == ("one", False)
    assert project.once("elsewhere") == ("one", True)
    project.write("folder/inner.txt", "two")
    assert project.once("elsewhere") == ("two", False)


def test_a_file_that_was_looked_for_counts_by_its_absence(project: Project) -> None:
    assert project.once("if_there") == ("nothing", False)
    assert project.once("if_there") == ("nothing", True)
    path = project.write("data.txt", "there")
    assert project.once("if_there") == ("there", False)
    path.unlink()
    assert project.once("if_there") == ("nothing", False)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_may_not_be_read_counts_as_such(project: Project) -> None:
    path = project.write("data.txt", "there")
    path.chmod(0)
    assert project.once("if_allowed") == ("not allowed", False)
    assert project.once("if_allowed") == ("not allowed", True)
    path.chmod(0o600)
    assert project.once("if_allowed") == ("there", False)


@pytest.mark.parametrize("which", ["asks_by_path", "asks_by_text"])
def test_a_step_that_asks_whether_a_file_is_there_depends_on_that_alone(
    project: Project, which: str
) -> None:
    assert project.once(which) == (False, False)
    assert project.once(which) == (False, True)
    path = project.write("data.txt", "1")
    assert project.once(which) == (True, False)
    path.write_text("2")
    assert project.once(which) == (True, True)
    path.unlink()
    assert project.once(which) == (False, False)


def test_a_step_that_asks_for_size_or_time_depends_on_them(project: Project) -> None:
    path = project.write("data.txt", "1")
    os.utime(path, (1, 1))
    assert project.once("asks_for_size") == (1, False)
    assert project.once("asks_for_time") == (1.0, False)
    assert project.once("asks_for_time") == (1.0, True)
    path.write_text("12")
    os.utime(path, (2, 2))
    assert project.once("asks_for_size") == (2, False)
    assert project.once("asks_for_time") == (2.0, False)


def test_what_a_step_makes_because_it_was_not_there_is_not_remembered_until_it_is(
    project: Project,
) -> None:
    assert project.once("makes_unless_there") == (False, False)
    assert project.once("makes_unless_there") == (True, False)
    assert project.once("makes_unless_there") == (True, True)


def test_a_question_of_the_standard_library_is_not_the_steps_own(project: Project) -> None:
    project.write("data.txt", "1")
    assert project.once("copies") == ("out.txt", False)
    assert project.once("copies") == ("out.txt", True)


@pytest.mark.parametrize("which", ["names", "listing"])
def test_a_folder_that_was_listed_counts_by_its_names(project: Project, which: str) -> None:
    path = project.write("folder/a.txt", "1")
    assert project.once(which) == (["a.txt"], False)
    path.write_text("2")
    assert project.once(which) == (["a.txt"], True)
    project.write("folder/b.txt", "1")
    assert project.once(which) == (["a.txt", "b.txt"], False)


def test_a_folder_named_by_a_text_counts_by_what_is_read_in_it(project: Project) -> None:
    project.write("folder/a.txt", "1")
    assert project.once("named", "folder") == (6, False)
    project.write("folder/b.txt", "1")
    assert project.once("named", "folder") == (6, True)


def test_an_environment_variable_counts_where_the_step_looks_at_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.once("variable") == ("not set", False)
    monkeypatch.setenv("UNOBSERVED", "1")
    assert project.once("variable") == ("not set", True)
    monkeypatch.setenv("OBSERVED", "one")
    assert project.once("variable") == ("one", False)
    monkeypatch.delenv("OBSERVED")
    assert project.once("variable") == ("not set", False)


def test_a_variable_counts_that_the_standard_library_looks_up_for_the_step(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBSERVED", "a")
    assert project.once("variable_in_text") == ("aa", False)
    assert project.once("variable_in_text") == ("aa", True)
    monkeypatch.setenv("OBSERVED", "b")
    assert project.once("variable_in_text") == ("bb", False)


def test_what_libraries_look_up_for_themselves_does_not_count(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, _ = project.once("library_variables")
    monkeypatch.setenv("HOME", "/another")
    monkeypatch.setenv("PATH", os.environ["PATH"] + ":/another")
    assert project.once("library_variables") == (value, True)


def test_a_variable_that_the_step_has_set_is_its_own(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBSERVED", "before")
    assert project.once("own_variable") == ("mine", False)
    monkeypatch.setenv("OBSERVED", "after")
    assert project.once("own_variable") == ("mine", True)


def test_the_whole_environment_counts_where_the_step_copies_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    count, _ = project.once("whole_environment")
    assert project.once("whole_environment") == (count, True)
    monkeypatch.setenv("OBSERVED", "one")
    assert project.once("whole_environment") == (count + 1, False)


def test_a_file_in_the_project_that_the_step_wrote_must_be_as_it_left_it(
    project: Project,
) -> None:
    for which in ("write", "write_by_rename"):
        out = project.folder / "out.txt"
        assert project.once(which) == (1, False)
        assert project.once(which) == (1, True)
        out.unlink()
        assert project.once(which) == (1, False)
        out.write_text("edited")
        assert project.once(which) == (1, False)
        assert out.read_text() == "out"
        out.unlink()


def test_a_file_that_the_step_removed_must_be_absent(project: Project) -> None:
    project.write("data.txt", "1")
    assert project.once("remove") == (1, False)
    assert project.once("remove") == (1, True)
    project.write("data.txt", "1")
    assert project.once("remove") == (1, False)


def test_a_log_that_the_step_added_to_must_be_there_whatever_others_add(
    project: Project,
) -> None:
    log = project.write("log.txt", "before")
    assert project.once("add_to_log") == (1, False)
    log.write_text(log.read_text() + "others")
    assert project.once("add_to_log") == (1, True)
    log.unlink()
    assert project.once("add_to_log") == (1, False)


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("add_and_read", "not remembered: file 'log.txt' was added to and read"),
        ("read_and_write", "not remembered: file 'data.txt' changed while it ran"),
        ("edited_meanwhile", "not remembered: file 'data.txt' changed while it ran"),
    ],
)
def test_a_step_whose_inputs_changed_while_it_ran_is_not_remembered_and_says_why(
    project: Project, which: str, said: str
) -> None:
    project.write("log.txt", "1")
    project.write("data.txt", "1")
    assert project.note(project.run("single", which)) == said
    assert not project.once(which)[1]


def test_files_of_the_steps_own_are_no_inputs(project: Project) -> None:
    value, _ = project.once("own_files")
    assert value == ["a", "a", "b.txt", "inner"]
    assert project.once("own_files") == (value, True)


def test_a_text_that_names_a_file_counts_by_what_it_holds(project: Project) -> None:
    path = project.write("data.txt", "1")
    assert project.once("named", "data.txt") == (8, False)
    assert project.once("named", "data.txt") == (8, True)
    path.write_text("2")
    assert project.once("named", "data.txt") == (8, False)


def test_a_text_that_names_what_the_step_writes_does_not_count_by_what_was_there(
    project: Project,
) -> None:
    project.write("out.txt", "before")
    assert project.once("named_and_written", "out.txt") == (1, False)
    assert project.once("named_and_written", "out.txt") == (1, True)


@pytest.mark.parametrize(
    "second",
    [
        "kept_by_function",
        "kept_by_table",
        "kept_by_global",
        "kept_by_closure",
        "kept_by_object",
        "kept_by_module",
    ],
)
def test_what_an_earlier_step_read_and_kept_counts_for_those_that_get_it_from_there(
    project: Project, second: str
) -> None:
    project.write("data.txt", "one")
    assert project.once(second) == ("one", False)
    # Another key: it runs, and finds in the warm process what the first has kept.
    assert project.once(second, "an argument") == ("one", False)
    project.restart()
    assert project.once(second, "an argument") == ("one", True)
    project.write("data.txt", "two")
    assert not project.once(second, "an argument")[1]


def test_two_steps_that_meet_in_a_file_are_named_unless_one_waits_for_the_other(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIPEKIT_PROGRESS", "lines")
    project.run("ordered")
    project.run("awaited")
    assert "depend on it" not in capfd.readouterr().err
    project.run("unordered")
    said = capfd.readouterr().err
    assert "Step 'reads_out' read 'out.txt', which step 'write' of the same run wrote" in said
    assert "reads_out.options(after=…)" in said


def test_what_a_step_had_read_when_it_failed_is_kept_too(project: Project) -> None:
    project.write("data.txt", "one")
    assert project._flows.single.options(executor=project._executor).run("fails").error
    assert project.once("kept_by_function", "an argument") == ("one", False)
    project.restart()
    project.write("data.txt", "two")
    assert not project.once("kept_by_function", "an argument")[1]


def test_two_runs_at_once_are_told_apart(project: Project) -> None:
    names = ("one", "two")
    tasks: dict[str, Task] = {}
    for name in names:
        project.write(name, name)
        project.write(f"{name}.more", "")
    threads = [
        threading.Thread(
            target=lambda name=name: tasks.update(
                {name: project.run("given", "reads_slowly", name)}
            )
        )
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        step = tasks[name].steps[0]
        memo = step._archive.store.find_memo_of(step.id)
        assert memo is not None
        assert {read.name for read in memo.reads} == {name, f"{name}.more"}


def test_a_warm_worker_does_not_answer_from_what_has_changed(project: Project) -> None:
    if project._executor == "inline":
        pytest.skip("the user's own process is not replaced")
    project.write("data.txt", "one")
    assert project.once("kept") == ("oneone", False)
    project.write("data.txt", "two")
    assert project.once("kept") == ("twotwo", False)
    assert project.once("kept") == ("twotwo", True)


def test_what_the_own_process_has_kept_of_a_changed_file_is_not_remembered(
    project: Project,
) -> None:
    if project._executor != "inline":
        pytest.skip("a worker is replaced")
    project.write("data.txt", "one")
    assert project.once("kept_by_function") == ("one", False)
    project.write("data.txt", "two")
    task = project.run("single", "kept_by_function")
    assert not task.steps[0].reused
    assert "changed after this process had read it" in project.note(task)


def test_a_reader_that_keeps_nothing_ties_no_steps_together(project: Project) -> None:
    project.write("data.txt", "one")
    project.write("other.txt", "one")
    project.run("two_files")
    project.write("data.txt", "two")
    task = project.run("two_files")
    assert [step.reused for step in task.steps] == [False, False]
    project.write("other.txt", "two")
    task = project.run("two_files")
    assert [step.reused for step in task.steps] == [True, False]


def test_many_files_are_observed_each(project: Project) -> None:
    for number in range(1000):
        project.write(f"many/{number}", "1")
    assert project.once("many") == (1000, False)
    assert project.once("many") == (1000, True)
    project.write("many/999", "12")
    assert project.once("many") == (1001, False)


def test_what_a_step_read_is_the_same_on_every_executor(project: Project) -> None:
    project.write("data.txt", "1")
    project.write("folder/a.txt", "1")
    for which in ("by_copy", "names", "variable", "write", "own_files", "by_thread"):
        task = project.run("single", which)
        step = task.steps[0]
        memo = step._archive.store.find_memo_of(step.id)
        assert memo is not None
        assert (
            sorted(f"{read.kind} {read.name}" for read in memo.reads)
            == {
                "by_copy": ["file data.txt"],
                "names": ["listing folder"],
                "variable": ["variable OBSERVED"],
                "write": ["wrote out.txt"],
                "own_files": [],
                "by_thread": ["file data.txt"],
            }[which]
        )
