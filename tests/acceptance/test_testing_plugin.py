"""The pytest plugin and the assertions, as a project meets them: a real pytest in a process of its
own runs the tests of a small project, and what it prints is read.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).parent / "testing_sample"
PASSING = {"flow": "flow", "conftest": "coroutines", "test_passing": "passing"}
OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR) \S+::(\w+)", re.MULTILINE)


def run_pytest(folder: Path, *arguments: str) -> str:
    """What a pytest in `folder` prints; no variable of this process's pipekit reaches it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIPEKIT_")}
    kept |= {"PIPEKIT_EXECUTOR": "process:1", "PIPEKIT_HOME": str(folder / "not-to-be-used")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "--color=no", *arguments],
        cwd=folder, env=kept, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert not (folder / "not-to-be-used").exists()
    return done.stdout + done.stderr


def outcomes(output: str) -> dict[str, str]:
    return {name: outcome for outcome, name in OUTCOME.findall(output)}


def copy_sample(folder: Path, **files: str) -> Path:
    """A project of files of the sample, each under the name that it has there."""
    for name, source in files.items():
        shutil.copyfile(SAMPLE / f"{source}.py", folder / f"{name}.py")
    # A project's own settings do not reach a home of a test's own.
    (folder / "pyproject.toml").write_text(
        '[tool.pipekit]\nexecutor = "process:1"\nstore = "sqlite:///nowhere/at/all.db"\n'
        '[tool.pytest.ini_options]\naddopts = "--strict-markers --strict-config"\n'
    )
    return folder


def names_in(name: str) -> list[str]:
    text = (SAMPLE / f"{name}.py").read_text(encoding="utf-8")
    return re.findall(r"^ *(?:async )?def (test_\w+)", text, re.MULTILINE)


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run_pytest(copy_sample(tmp_path_factory.mktemp("passing"), **PASSING))


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("failing")
    return run_pytest(copy_sample(folder, flow="flow", test_failing="failing"))


@pytest.mark.parametrize("name", names_in("passing"))
def test_what_the_sample_says_is_so(name: str, passing: str) -> None:
    assert outcomes(passing)[name] == "PASSED", passing


def test_the_sample_passes_in_several_processes_at_once(tmp_path: Path) -> None:
    pytest.importorskip("xdist")
    found = outcomes(run_pytest(copy_sample(tmp_path, **PASSING), "-n", "2"))
    assert found == dict.fromkeys(names_in("passing"), "PASSED")


# --- what a failing test prints ---------------------------------------------------------------


def section(output: str, name: str) -> str:
    """What pytest says of one failure, ids left out."""
    found = re.search(
        rf"^_+ (?:ERROR at setup of )?{name} _+\n(.*?)(?=^[_=]{{5}})", output, re.M | re.S
    )
    assert found is not None, output
    return re.sub(r"\b01[0-9a-z]{11}\b", "ID", found[1])


def said(text: str) -> list[str]:
    """The lines of the error alone."""
    return [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]


def test_every_test_of_the_failing_sample_fails(failing: str) -> None:
    found = outcomes(failing)
    assert set(found) == set(names_in("failing"))
    assert "PASSED" not in found.values()


def test_a_step_that_was_not_reused_is_listed_with_what_differs(failing: str) -> None:
    assert said(section(failing, "test_reused_after_another_limit")) == [
        "AssertionError: 3 of 4 steps were not reused in 'means' (ID):",
        "load    completed  reused from load of means ID",
        "> split   completed  ran",
        "compared with split of means ID: argument 'limit' is 4.0, was 3.0",
        "> mean    completed  ran",
        "compared with mean of means ID: argument 'numbers' is [4.0,5.0], was [3.0,4.0,5.0]",
        "> mean-2  completed  ran",
        "compared with mean-2 of means ID: argument 'numbers' is [0.0,1.0,2.0,3.0], "
        "was [0.0,1.0,2.0]",
    ]  # fmt: skip


def test_a_step_that_was_reused_is_listed_with_where_from(failing: str) -> None:
    assert said(section(failing, "test_ran_although_nothing_changed")) == [
        "AssertionError: 1 of 1 steps did not run in 'means' (ID):",
        "load    completed  reused from load of means ID",
        "split   completed  reused from split of means ID",
        "mean    completed  reused from mean of means ID",
        "> mean-2  completed  reused from mean-2 of means ID",
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("test_reused_after_other_code", "its code changed, or code, a global or a package"),
        ("test_reused_after_another_version", "its version= is '2', was '1'"),
        ("test_reused_after_another_file", "argument 'path' (Path) has other content"),
        ("test_reused_after_none", "it returned only None then"),
        ("test_reused_without_cache", "it has cache=False: it runs each time"),
        ("test_reused_after_a_failure", "it was failed then; only what completed is remembered"),
        ("test_reused_in_a_first_run", "This home has no earlier run of 'means'."),
        ("test_reused_as_a_new_step", "no earlier run has this step"),
    ],
)
def test_the_reason_is_named_as_far_as_it_is_known(name: str, reason: str, failing: str) -> None:
    assert reason in section(failing, name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("test_unknown_name", "'means' (ID) has no step 'meen'. It has: 'load', 'split', 'mean', "
         "'mean-2'. Hint: did you mean 'mean'?"),
        ("test_skipped_is_not_run", "> mean-2  skipped    did not run: Step 'mean-2' was skipped"),
        ("test_run_without_steps", "'early' (ID) has no steps. It is failed: KeyError: 'x'"),
        ("test_wrong_option_of_the_mark", "takes executor=, store=, real_clock=; it was given "
         "excutor"),
        ("test_wrong_value_in_the_mark", "No executor is named 'proc'."),
        ("test_mark_without_fixture", "Hint: add pipekit_home to its arguments."),
        ("test_input_that_cannot_be_stored", "Argument 'numbers' of component 'mean' is a "
         "generator"),
        ("test_failing_pipeline", "ZeroDivisionError"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(name: str, message: str, failing: str) -> None:
    assert message in section(failing, name)


@pytest.mark.parametrize(
    "name", ["test_reused_in_a_first_run", "test_unknown_name", "test_failing_pipeline"]
)
def test_a_traceback_ends_at_the_users_line(name: str, failing: str) -> None:
    assert "pipekit/" not in section(failing, name)


# --- the suites, and the README ----------------------------------------------------------------

ADAPTER = """
import pytest
from pipekit.artifacts.blob import LocalBlobStore
from pipekit.stores.memory import MemoryStore
from pipekit.testing.suites import BlobStoreContract, StoreContract

class Careless(MemoryStore):
    def find_ids(self, prefix, *, limit=10):
        return super().find_ids(prefix, limit=limit)[::-1]

class TestCareless(StoreContract):
    @pytest.fixture
    def store(self):
        return Careless()

class TestLocal(BlobStoreContract):
    @pytest.fixture
    def open_store(self, tmp_path):
        return lambda: LocalBlobStore(tmp_path / "blobs")

class TestForgotten(StoreContract):
    pass
"""


def test_a_suite_finds_what_an_adapter_does_wrong_and_shows_the_values(tmp_path: Path) -> None:
    (tmp_path / "test_adapter.py").write_text(ADAPTER)
    output = run_pytest(tmp_path, "-k", "find_ids or Local or (Forgotten and closing)")
    found = outcomes(output)
    assert found["test_find_ids_gives_the_oldest_with_the_prefix"] == "FAILED"
    assert "assert ['b3', 'b2', " in output
    assert found["test_an_adopted_blob_is_found_with_its_bytes"] == "PASSED"
    assert "TestForgotten is to define the fixture 'store'." in output


def test_the_readmes_tests_pass(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    part = text.partition("\n## Testing with pipekit\n")[2].partition("\n## ")[0]
    files = re.findall(r"^```py\n# (\w+\.py)\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in files] == ["flow.py", "test_flow.py"]
    for name, code in files:
        (tmp_path / name).write_text(code, encoding="utf-8")
    found = outcomes(run_pytest(tmp_path))
    assert len(found) >= 4
    assert set(found.values()) == {"PASSED"}
