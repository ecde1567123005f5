"""Ctrl-C while pipekit works for an inline step, outside of the user's code, ends the run too."""

from __future__ import annotations

from pathlib import Path

import pytest
from workspace import Said, Workspace

_FLOW = """
    from pipekit import component, pipeline

    class Pressed:
        \"\"\"Stands for a value that takes long to load: Ctrl-C is pressed meanwhile.\"\"\"
        def __reduce__(self):
            return press, ()

    def press():
        raise KeyboardInterrupt

    @component(cache=False, retries=1)
    def use(value):
        return 1

    @pipeline
    def inner():
        return use(Pressed())

    @pipeline
    def outer():
        return {body}

    @pipeline
    def goes_on():
        try:
            return use(Pressed())
        except KeyboardInterrupt:
            return use(2)

    if __name__ == "__main__":
        print({call}.debug())
"""


def _run(folder: Path, body: str, call: str) -> tuple[Said, list[str]]:
    workspace = Workspace(folder)
    workspace.write("flow.py", _FLOW.format(body=body, call=call))
    said = workspace.python("flow.py", PIPEKIT_PROGRESS="off")
    return said, [run["status"] for run in workspace.pipekit("ls", "--json").json]


@pytest.mark.parametrize("body", ["use(Pressed())", "inner()"])
def test_an_interrupt_while_inputs_are_loaded_stops_the_run(tmp_path: Path, body: str) -> None:
    said, statuses = _run(tmp_path, body, "outer")
    assert said.code != 0
    assert said.err.rstrip().endswith("KeyboardInterrupt"), said.err
    assert statuses == ["stopped"]


def test_a_pipeline_function_that_handles_the_interrupt_goes_on(tmp_path: Path) -> None:
    said, _ = _run(tmp_path, "None", "goes_on")
    assert (said.code, said.out) == (0, "1\n"), said.err
