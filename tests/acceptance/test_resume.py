"""A run that did not complete goes on where it was: nothing that completed runs twice."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from workspace import PIPEKIT, Said, Workspace

from pipekit.cli.home import Home, open_home
from pipekit.model.records import Task
from pipekit.model.status import Status
from pipekit.settings import read_settings

_FLOWS = Path(__file__).with_name("resuming.py")


class Resuming(Workspace):
    """A workspace with the pipelines of `resuming.py`, and their journal."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        shutil.copy(_FLOWS, folder / "flow.py")

    def set_gate(self, word: str) -> None:
        self.write("gate", word)

    def open_gate(self) -> None:
        (self.folder / "gate").unlink()

    def run(self, function: str, *arguments: str) -> Said:
        return self.pipekit("run", f"flow.py:{function}", *arguments)

    def resume(self, *arguments: str) -> Said:
        return self.pipekit("resume", self.id, *arguments)

    @contextmanager
    def opened(self) -> Iterator[Home]:
        with open_home(read_settings(self.folder, home=str(self.home))) as home:
            yield home

    @property
    def newest(self) -> Task:
        with self.opened() as home:
            return home.list_runs(1)[0]

    @property
    def id(self) -> str:
        return self.newest.id

    @property
    def journal(self) -> list[str]:
        path = self.folder / "journal"
        return path.read_text().splitlines() if path.exists() else []

    def steps(self) -> dict[str, Task]:
        with self.opened() as home:
            return {step.name: step for step in home.list_steps(home.list_runs(1)[0])}

    def attempts(self) -> dict[str, int]:
        with self.opened() as home:
            counts = home.store.count_attempts(self.id)
            return {name: counts.get(step.id, 0) for name, step in self.steps().items()}

    @property
    def value(self) -> object:
        with self.opened() as home:
            return home.view(home.list_runs(1)[0]).value

    def edit(self, old: str, new: str) -> None:
        path = self.folder / "flow.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def assert_nothing_twice(self) -> None:
        assert [line for line, n in Counter(self.journal).items() if n > 1] == []


@pytest.fixture
def flows(tmp_path: Path) -> Resuming:
    return Resuming(tmp_path)


def test_a_failed_run_goes_on_with_what_completed_cached_or_not(flows: Resuming) -> None:
    flows.set_gate("fail")
    assert flows.run("plain", "--count", "2").code == 1
    before = flows.journal
    flows.open_gate()
    said = flows.resume()
    assert said.code == 0, said.err
    assert flows.journal == [*before, "gate 8"]
    assert flows.value == 24
    assert "5 kept from attempt 1" in said.err
    assert flows.newest.status == "completed"
    assert flows.attempts() == {
        "cached": 1, "cached-2": 1, "uncached": 1, "uncached-2": 1, "total": 1, "gate": 2,
    }  # fmt: skip


@pytest.mark.parametrize("function", ["plain", "winding", "nested"])
def test_a_run_whose_process_was_killed_goes_on(flows: Resuming, function: str) -> None:
    flows.set_gate("kill")
    assert flows.run(function).code == -9
    flows.open_gate()
    said = flows.resume()
    assert said.code == 0, said.err
    flows.assert_nothing_twice()
    value = flows.value
    assert {step.status for step in flows.steps().values()} == {Status.COMPLETED}
    shutil.rmtree(flows.home)
    assert flows.run(function).code == 0
    assert flows.value == value


def test_loops_branches_threads_and_completion_order_line_up(flows: Resuming) -> None:
    flows.set_gate("fail")
    assert flows.run("winding").code == 1
    before = flows.steps()
    flows.open_gate()
    said = flows.resume()
    assert said.code == 0, said.err
    assert "not called this time" not in said.err
    flows.assert_nothing_twice()
    assert {name: step.id for name, step in flows.steps().items()} == {
        name: step.id for name, step in before.items()
    }


def test_a_child_run_that_completed_is_kept_and_the_other_goes_on(flows: Resuming) -> None:
    flows.set_gate("fail")
    assert flows.run("nested").code == 1
    flows.open_gate()
    said = flows.resume()
    assert said.code == 0, said.err
    assert flows.value == 103
    flows.assert_nothing_twice()
    assert flows.attempts() == {"whole": 1, "inner": 2}


def test_files_that_the_run_wrote_itself_do_not_make_its_steps_run_again(flows: Resuming) -> None:
    (flows.folder / "out").mkdir()
    flows.set_gate("fail")
    assert flows.run("folders", "--out", "out").code == 1
    flows.open_gate()
    assert flows.resume().code == 0
    assert sorted(flows.journal) == ["gate 0", "write a", "write b"]


def test_a_path_that_leads_to_something_else_since_runs_its_step_again(flows: Resuming) -> None:
    (flows.folder / "out").mkdir()
    flows.set_gate("fail")
    assert flows.run("folders", "--out", "out").code == 1
    flows.open_gate()
    (flows.folder / "out" / "new").write_text("by the user")
    assert flows.resume().code == 0
    assert Counter(flows.journal)["write a"] == 2


def test_changed_code_is_named_and_runs_again(flows: Resuming) -> None:
    flows.set_gate("fail")
    assert flows.run("plain", "--count", "1").code == 1
    flows.open_gate()
    flows.edit('_note(f"uncached {number}")\n    return number + 1',
               '_note(f"uncached {number}")\n    return number + 11')  # fmt: skip
    said = flows.resume()
    assert said.code == 0, said.err
    assert "run again, for function 'flow.uncached' changed" in said.err
    assert flows.value == 13 * 3
    assert Counter(flows.journal) == {
        "cached 0": 1, "uncached 1": 2, "total 3": 1, "total 13": 1, "gate 13": 1,
    }  # fmt: skip


def test_changed_code_in_a_child_run_that_completed_is_noticed(flows: Resuming) -> None:
    flows.set_gate("fail")
    assert flows.run("nested").code == 1
    flows.open_gate()
    flows.edit('_note(f"uncached {number}")\n    return number + 1',
               '_note(f"uncached {number}")\n    return number + 11')  # fmt: skip
    said = flows.resume()
    assert said.code == 0, said.err
    assert flows.value == 1 + 11 + 11 + 100


def test_accepted_changes_run_nothing_that_completed(flows: Resuming) -> None:
    flows.set_gate("fail")
    assert flows.run("plain", "--count", "1").code == 1
    flows.open_gate()
    flows.edit('_note(f"uncached {number}")\n    return number + 1',
               '_note(f"uncached {number}")\n    return number + 11')  # fmt: skip
    said = flows.resume("--accept-changes")
    assert said.code == 0, said.err
    assert "are kept, though function 'flow.uncached' changed" in said.err
    flows.assert_nothing_twice()
    assert flows.value == 3 * 3


def test_from_runs_a_step_and_what_depends_on_it_again(flows: Resuming) -> None:
    assert flows.run("plain", "--count", "2").code == 0
    said = flows.resume("--from", "cached-2")
    assert said.code == 0, said.err
    counts = Counter(line.split()[0] for line in flows.journal)
    assert counts == {"cached": 3, "uncached": 3, "total": 2, "gate": 2}
    assert "2 kept from attempt 1" in said.err


def test_from_reaches_into_a_child_run(flows: Resuming) -> None:
    assert flows.run("nested").code == 0
    said = flows.resume("--from", "inner/gate")
    assert said.code == 0, said.err
    assert Counter(flows.journal) == {"uncached 1": 1, "uncached 2": 1, "gate 3": 2}


def test_from_an_unknown_step_names_the_nearest(flows: Resuming) -> None:
    assert flows.run("plain").code == 0
    said = flows.resume("--from", "totl")
    assert said.code == 2
    assert "has no step 'totl'" in said.err
    assert "total" in said.err


def test_a_completed_run_has_nothing_to_do(flows: Resuming) -> None:
    assert flows.run("plain").code == 0
    before = flows.journal
    said = flows.resume()
    assert (said.code, flows.journal) == (0, before)
    assert "nothing to do" in said.err


def test_a_run_that_goes_on_is_refused(flows: Resuming) -> None:
    flows.edit("time.sleep(60)", "pass")
    flows.edit('if word == "kill":', 'if word == "wait":\n        print("here", flush=True)\n'
               '        time.sleep(60)\n    if word == "kill":')  # fmt: skip
    flows.set_gate("wait")
    started = flows.start(PIPEKIT, "run", "flow.py:plain", PIPEKIT_PROGRESS="lines")
    try:
        started.wait_for("here", "err")
        said = flows.resume()
        assert said.code == 2
        assert f"goes on in process {started.process.pid}" in said.err
        assert "pipekit stop" in said.err
    finally:
        started.process.terminate()
        started.end()
    flows.open_gate()
    assert flows.resume().code == 0


def test_of_two_resumes_at_once_one_wins(flows: Resuming) -> None:
    flows.set_gate("fail")
    assert flows.run("plain").code == 1
    flows.open_gate()
    task_id = flows.id
    both = [flows.start(PIPEKIT, "resume", task_id) for _ in range(2)]
    said = [one.end() for one in both]
    assert flows.newest.status == "completed"
    flows.assert_nothing_twice()
    # Who came last found it going on, or completed already.
    assert sorted(one.code for one in said) in ([0, 2], [0, 0])


def test_steps_that_are_not_called_any_more_are_listed(flows: Resuming) -> None:
    flows.set_gate("fail")
    assert flows.run("shape").code == 1
    flows.open_gate()
    said = flows.resume()
    assert said.code == 0, said.err
    assert "not called this time: 'uncached-2', 'total', 'gate'." in said.err
    # Those that were not called then have names that were free.
    assert list(flows.steps()) == ["uncached", "uncached-2", "total", "gate", "total-2", "gate-2"]


def test_an_outcome_whose_bytes_are_damaged_is_computed_again(flows: Resuming) -> None:
    flows.edit("return number + 1\n\n\n@component(cache=False)\ndef uncached",
               "return Big(number)\n\n\nclass Big(int):\n"
               "    def __reduce__(self):\n        return Big, (int(self),), {'x': bytes(200000)}"
               "\n\n\n@component(cache=False)\ndef uncached")  # fmt: skip
    flows.set_gate("fail")
    assert flows.run("plain", "--count", "1").code == 1
    flows.open_gate()
    blobs = [path for path in (flows.home / "blobs").rglob("*") if path.is_file()]
    assert blobs
    for path in blobs:
        path.chmod(0o600)
        path.write_bytes(b"damaged")
    said = flows.resume()
    assert said.code == 0, said.err
    assert "runs again: what it gave cannot be used" in said.err
    assert Counter(flows.journal)["cached 0"] == 2


def test_a_moved_file_and_a_renamed_function_are_said(flows: Resuming) -> None:
    flows.set_gate("fail")
    assert flows.run("plain").code == 1
    (flows.folder / "flow.py").rename(flows.folder / "other.py")
    said = flows.resume()
    assert said.code == 2
    assert "flow.py does not exist any more" in said.err
    assert "Hint: put it back" in said.err
    (flows.folder / "other.py").rename(flows.folder / "flow.py")
    flows.edit("def plain(", "def simple(")
    said = flows.resume()
    assert said.code == 2
    assert "'plain'" in said.err
    assert "Hint: put it back" in said.err


def test_a_failed_run_of_which_only_a_child_has_something_to_keep_says_how_to_go_on(
    flows: Resuming,
) -> None:
    flows.set_gate("fail")
    flows.edit(
        "def nested() -> int:\n    first = whole(1)\n", "def nested() -> int:\n    first = 1\n"
    )
    said = flows.run("nested")
    assert said.code == 1
    assert f"pipekit resume {flows.id[:13]}" in said.err


def test_a_step_leads_to_its_run(flows: Resuming) -> None:
    flows.set_gate("fail")
    assert flows.run("nested").code == 1
    run = flows.id
    said = flows.pipekit("resume", flows.steps()["inner"].id)
    assert said.code == 2
    assert f"pipekit resume {run[:13]}" in said.err
    assert "--from inner" in said.err


def test_it_runs_in_the_folder_that_it_was_started_in(flows: Resuming) -> None:
    flows.set_gate("fail")
    assert flows.run("plain").code == 1
    flows.open_gate()
    task_id = flows.id
    done = subprocess.run(
        [PIPEKIT, "resume", task_id], cwd="/", env=flows.environment(), capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    flows.assert_nothing_twice()


def test_a_module_of_a_package_is_found(flows: Resuming) -> None:
    flows.write("pkg/__init__.py", "")
    (flows.folder / "flow.py").rename(flows.folder / "pkg" / "flow.py")
    flows.set_gate("fail")
    assert flows.pipekit("run", "pkg.flow:plain").code == 1
    flows.open_gate()
    said = flows.resume()
    assert said.code == 0, said.err
    flows.assert_nothing_twice()


def test_an_argument_that_cannot_be_stored_is_named_and_passed_again(flows: Resuming) -> None:
    flows.write("script.py", """
        import sys
        import threading
        from flow import holding
        from pipekit import Task

        if __name__ == "__main__":
            if sys.argv[1:] == ["again"]:
                run = holding.resume(Task.get_tasks(kind="pipeline")[0], lock=threading.Lock())
            else:
                run = holding.run(threading.Lock())
            print(run.status, run.value if run.status == "completed" else "")
    """)  # fmt: skip
    flows.set_gate("fail")
    assert flows.python("script.py").out.startswith("failed")
    flows.open_gate()
    said = flows.resume()
    assert said.code == 2
    assert "argument 'lock' could not be stored" in said.err
    assert f"holding.resume('{flows.id[:13]}', lock=…)" in said.err
    flows.write("again.py", "import sys\nsys.argv.append('again')\n"
                "exec(open('script.py').read())\n")  # fmt: skip
    said = flows.python("again.py")
    assert said.out.strip() == "completed 2", said.err
    flows.assert_nothing_twice()


def test_a_script_resumes_its_own_run(flows: Resuming) -> None:
    flows.write("script.py", """
        from pathlib import Path
        from flow import plain

        if __name__ == "__main__":
            run = plain.run(count=1, scale=(2, 3))
            print(run.status)
            Path("gate").unlink()
            run = run.resume()
            print(run.status, run.value, {str(step.status) for step in run.steps})
    """)  # fmt: skip
    flows.set_gate("fail")
    assert flows.python("script.py").out.split("\n")[:2] == ["failed", "completed 15 {'completed'}"]
    flows.assert_nothing_twice()
