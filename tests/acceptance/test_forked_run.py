"""A process that a pipeline function forks is outside of the run: it ends as it would with the
plain function, and what is the parent's stays the parent's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from workspace import Workspace

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

_FLOW = """
    import os, sys
    from pipekit import component, get, pipeline

    @component
    def double(number):
        return 2 * number

    @pipeline
    def forks():
        used, unused = double(1), double(2)
        assert get(used) == 2
        double.map([3, 4])
        pid = os.fork()
        if pid == 0:
            {child}
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return [code, unused]

    @pipeline
    def another():
        return double(50)

    if __name__ == "__main__":
        parent = os.getpid()
        value = forks()
        {after}
        if os.getpid() == parent:
            print("parent", value, flush=True)
        else:
            print("child", value, flush=True)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def _run(workspace: Workspace, child: str, after: str = "pass") -> tuple[list[str], str]:
    """What parent and child printed, and stderr; the run is recorded as completed."""
    workspace.write("flow.py", _FLOW.format(child=child, after=after))
    said = workspace.python("flow.py", PIPEKIT_PROGRESS="off")
    assert said.code == 0, said.err
    runs = [run["status"] for run in workspace.pipekit("ls", "--json").json]
    assert set(runs) == {"completed"}, runs
    return said.out.splitlines(), said.err


def test_a_forked_child_that_returns_goes_on_with_its_value(workspace: Workspace) -> None:
    out, _ = _run(workspace, "return used + 1")
    assert out == ["child 3", "parent [0, 4]"]


def test_a_forked_child_that_exits_has_its_own_exit_code(workspace: Workspace) -> None:
    out, _ = _run(workspace, "sys.exit(3)")
    assert out == ["parent [3, 4]"]


def test_a_forked_child_that_raises_shows_its_own_error(workspace: Workspace) -> None:
    out, err = _run(workspace, "raise ValueError('in the child')")
    assert out == ["parent [1, 4]"]
    assert "ValueError: in the child" in err


@pytest.mark.parametrize("child", ["return unused + 1", "return double(9)", "return unused"])
def test_a_forked_child_is_told_that_the_run_is_not_there(workspace: Workspace, child: str) -> None:
    out, err = _run(workspace, child)
    assert out == ["parent [1, 4]"]
    assert "RunElsewhere: Run 'forks'" in err
    assert "before the fork" in err


def test_a_forked_child_can_have_runs_of_its_own(workspace: Workspace) -> None:
    out, _ = _run(workspace, "return 0", after="value = [value, another()]")
    assert out == ["child [0, 100]", "parent [[0, 4], 100]"]


def test_a_child_that_a_nested_pipeline_forks_ends_where_a_steps_would(
    workspace: Workspace,
) -> None:
    for executor in ("process", "inline"):
        workspace.write(
            "nested.py",
            f"""
            import os
            from pipekit import pipeline

            @pipeline
            def inner():
                pid = os.fork()
                if pid == 0:
                    return 5
                return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

            @pipeline
            def outer():
                return inner() + 1

            if __name__ == "__main__":
                print(outer.options(executor={executor!r})())
            """,
        )
        said = workspace.python("nested.py", PIPEKIT_PROGRESS="off")
        assert (said.code, said.out) == (0, "1\n"), said.err
