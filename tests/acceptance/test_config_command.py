"""`pipekit config`, and `PIPEKIT_LOG`: what is set, where it came from, what pipekit does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from workspace import Workspace

FLOW = """
    from pipekit import component, pipeline

    @component
    def double(number: int) -> int:
        return 2 * number

    @pipeline
    def twice(number: int = 2) -> int:
        return double(number)

    if __name__ == "__main__":
        twice()
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    made.write("flow.py", FLOW)
    return made


def settings_of(workspace: Workspace, **variables: str) -> dict[str, tuple[Any, str]]:
    shown = workspace.pipekit("config", "--json", **variables).json
    return {item["name"]: (item["value"], item["source"]) for item in shown["settings"]}


def test_each_setting_is_told_with_its_value_and_where_that_is_from(workspace: Workspace) -> None:
    project = workspace.write("pyproject.toml", '[tool.pipekit]\nexecutor = "process:3"\n')
    found = settings_of(workspace, PIPEKIT_LOG_LIMIT_BYTES="1000")
    assert found["executor"] == ("process:3", str(project))
    assert found["log_limit_bytes"] == (1000, "PIPEKIT_LOG_LIMIT_BYTES")
    assert found["home"] == (str(workspace.home), "PIPEKIT_HOME")
    assert found["durability"] == ("normal", "default")
    assert found["store"] == (f"sqlite:///{workspace.home}/pipekit.db", "default")


def test_a_variable_beats_the_project_s_file(workspace: Workspace) -> None:
    workspace.write("pyproject.toml", '[tool.pipekit]\nexecutor = "process:3"\n')
    found = settings_of(workspace, PIPEKIT_EXECUTOR="inline")
    assert found["executor"] == ("inline", "PIPEKIT_EXECUTOR")


def test_no_secret_is_printed(workspace: Workspace) -> None:
    variables = {
        "PIPEKIT_KEY": "ab" * 32,
        "PIPEKIT_STORE": "postgresql://me:hush@db.example/pipekit?sslpassword=quiet",
    }
    for arguments in (["config"], ["config", "--json"], ["doctor"], ["doctor", "--json"]):
        said = workspace.pipekit(*arguments, **variables)
        for secret in ("ab" * 32, "hush", "quiet"):
            assert secret not in said.out + said.err, arguments
    found = settings_of(workspace, **variables)
    assert found["key"] == ("(secret)", "PIPEKIT_KEY")
    assert found["store"][0] == "postgresql://me:***@db.example/pipekit?sslpassword=***"


def test_a_variable_that_is_no_setting_is_named_with_what_may_be_meant(
    workspace: Workspace,
) -> None:
    said = workspace.pipekit("config", PIPEKIT_EXECUTER="inline")
    assert said.code == 0
    assert "PIPEKIT_EXECUTER means nothing to pipekit" in said.err
    assert "did you mean 'PIPEKIT_EXECUTOR'?" in said.err
    shown = workspace.pipekit("config", "--json", PIPEKIT_EXECUTER="inline").json
    assert shown["unknown"] == {"PIPEKIT_EXECUTER": "did you mean 'PIPEKIT_EXECUTOR'?"}
    doctor = workspace.pipekit("doctor", PIPEKIT_EXECUTER="inline")
    assert doctor.code == 1
    assert "PIPEKIT_EXECUTER: no such setting" in doctor.out


def test_a_key_of_the_project_s_file_that_is_no_setting_is_an_error(workspace: Workspace) -> None:
    workspace.write("pyproject.toml", '[tool.pipekit]\nexecuter = "inline"\n')
    said = workspace.pipekit("config")
    assert (said.code, said.out) == (2, "")
    assert "did you mean 'executor'?" in said.err


def test_nothing_is_made_by_asking(workspace: Workspace) -> None:
    workspace.pipekit("config")
    assert not workspace.home.exists()


# --- diagnostics -----------------------------------------------------------------------------


def test_pipekit_is_silent_of_its_own_work_unless_asked(workspace: Workspace) -> None:
    quiet = workspace.python("flow.py")
    assert "pipekit." not in quiet.err
    told = workspace.python("flow.py", PIPEKIT_LOG="debug")
    for part in (
        "pipekit.settings: home ",
        "pipekit.store: SqliteStore opened",
        "pipekit.run: twice",
        "1 steps, of which 1 reused",
    ):
        assert part in told.err, part
    assert told.out == ""


def test_a_program_s_own_logging_receives_it(workspace: Workspace) -> None:
    workspace.write(
        "own.py",
        """
        import logging
        logging.basicConfig(level=logging.DEBUG, format="mine %(name)s %(levelname)s")
        import flow
        flow.twice()
        """,
    )
    said = workspace.python("own.py")
    assert "mine pipekit.run DEBUG" in said.err


def test_logging_is_not_imported_for_nothing(workspace: Workspace) -> None:
    workspace.write(
        "own.py",
        """
        import sys
        import flow
        flow.twice.debug()
        print("logging" in sys.modules)
        """,
    )
    assert workspace.python("own.py").out == "False\n"
