"""Completion, by the protocol of each shell."""

from __future__ import annotations

from pathlib import Path

import pytest
from workspace import PIPEKIT, Said, Workspace

FLOW = """
    from __future__ import annotations

    from typing import Literal

    import pipekit as pk
    from pipekit import component, pipeline as flow

    @component
    def double(number: int) -> int:
        return 2 * number

    @flow
    def twice(number: int = 2, kind: Literal["big", "small"] = "big", fast: bool = False) -> int:
        \"\"\"Double a number.\"\"\"
        return double(number)

    @pk.pipeline(name="other name")
    def thrice(*, some_count: int) -> int:
        return double(some_count)
"""


class Shared(Workspace):
    """One with a run, whose flow cannot be imported any more."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.write("flow.py", FLOW)
        self.pipekit("run", "flow.py:twice")
        (self.run,) = self.pipekit("ls", "--json").json
        with (folder / "flow.py").open("a") as file:
            file.write("\nraise RuntimeError('imported')\n")
        self.write("helper.py", "x = 1\n")
        self.write("sub/inner.py", FLOW)
        self.write("broken.py", "pipeline = (\n")

    def bash(self, *words: str) -> list[str]:
        """What bash is answered where the last word is being typed."""
        said = self.asked(
            "complete_bash", COMP_WORDS="\n".join(words), COMP_CWORD=str(len(words) - 1)
        )
        return said.out.split()

    def asked(self, instruction: str, **variables: str) -> Said:
        said = self.pipekit(_PIPEKIT_COMPLETE=instruction, **variables)
        assert said.err == ""
        return said


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    return Shared(tmp_path_factory.mktemp("completion"))


def test_commands_and_their_options_are_completed(shared: Shared) -> None:
    assert shared.bash("pipekit", "do") == ["doctor"]
    assert "--follow" in shared.bash("pipekit", "logs", "--")


def test_a_target_is_a_file_and_then_a_pipeline_in_it_found_without_importing(
    shared: Shared,
) -> None:
    both = ["flow.py:twice", "flow.py:thrice"]
    assert shared.bash("pipekit", "run", "fl") == both
    assert shared.bash("pipekit", "run", "") == [*both, "home/", "sub/"]
    assert shared.bash("pipekit", "run", "sub/") == ["sub/inner.py:twice", "sub/inner.py:thrice"]
    assert shared.bash("pipekit", "run", "nothing") == []


def test_bash_breaks_a_target_at_its_colon(shared: Shared) -> None:
    assert shared.bash("pipekit", "run", "flow.py", ":") == ["twice", "thrice"]
    assert shared.bash("pipekit", "run", "flow.py", ":", "th") == ["thrice"]
    assert shared.bash("pipekit", "run", "sub.inner", ":", "tw") == ["twice"]


def test_parameters_of_the_target_are_options(shared: Shared) -> None:
    options = shared.bash("pipekit", "run", "flow.py", ":", "twice", "--")
    assert {"--number", "--kind", "--fast", "--no-fast", "--executor"} <= set(options)
    given = shared.bash("pipekit", "run", "flow.py", ":", "twice", "--number", "3", "--n")
    assert "--number" not in given
    assert shared.bash("pipekit", "run", "flow.py", ":", "thrice", "--s") == ["--some-count"]


def test_values_are_completed_where_they_are_known(shared: Shared) -> None:
    head = ("pipekit", "run", "flow.py", ":", "twice")
    assert shared.bash(*head, "--kind", "") == ["big", "small"]
    assert shared.bash(*head, "--kind", "=", "s") == ["small"]
    assert {"inline", "process"} <= set(shared.bash(*head, "--executor", ""))
    assert shared.bash(*head, "-p", "k") == ["kind="]


def test_ids_are_completed_shortened(shared: Shared) -> None:
    run = shared.run["id"]
    assert shared.bash("pipekit", "show", "") == [run[:13]]
    step = shared.pipekit("show", run, "--json").json["steps"][0]["id"]
    assert shared.bash("pipekit", "logs", step[:12]) == [step[:13]]
    assert shared.bash("pipekit", "show", "nothing") == []


def test_names_of_steps_and_artifacts_are_those_of_the_run(shared: Shared) -> None:
    run = shared.run["id"][:13]
    assert shared.bash("pipekit", "logs", run, "d") == ["double"]
    assert shared.bash("pipekit", "get", run, "") == ["value"]
    assert shared.bash("pipekit", "ls", "--pipeline", "t") == ["twice"]
    assert shared.bash("pipekit", "ls", "--status", "fa") == ["failed"]


def test_other_shells_get_the_whole_target_and_what_it_is(shared: Shared) -> None:
    fish = shared.asked(
        "complete_fish",
        _TYPER_COMPLETE_ARGS="pipekit run flow.py:tw",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )
    assert fish.out == "flow.py:twice\tDouble a number.\n"
    zsh = shared.asked("complete_zsh", _TYPER_COMPLETE_ARGS="pipekit run flow.py:tw")
    assert "twice" in zsh.out
    assert "Double a number." in zsh.out


def test_without_a_home_there_is_nothing_to_complete_and_nothing_is_made(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    said = workspace.pipekit(
        _PIPEKIT_COMPLETE="complete_bash", COMP_WORDS="pipekit\nshow\n", COMP_CWORD="2"
    )
    assert (said.out.strip(), said.err) == ("", "")
    assert not workspace.home.exists()


def test_the_script_for_a_shell_is_printed(shared: Shared) -> None:
    # Which shell it is would else be read from the processes above this one, if one is a shell.
    said = shared.pipekit(
        "--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"
    )
    assert said.code == 0
    assert "_PIPEKIT_COMPLETE=complete_bash" in said.out
    assert Path(PIPEKIT).name in said.out
