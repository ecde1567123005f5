"""What a component holds on to counts as it is at the call, wherever the step runs."""

from __future__ import annotations

from typing import Any

import changing
import pytest
from workspace import Workspace

from pipekit.api.pipeline import Pipeline


@pytest.mark.parametrize("executor", ["process:1", "inline"])
@pytest.mark.parametrize(
    ("pipeline", "expected"), changing.EXPECTED, ids=lambda one: getattr(one, "name", "")
)
@pytest.mark.usefixtures("home")
def test_a_step_sees_what_its_component_holds_at_the_call(
    pipeline: Pipeline[[], Any], expected: Any, executor: str
) -> None:
    assert pipeline.options(executor=executor).run().value == expected
    assert pipeline.options(executor=executor).run().value == expected


FLOW = """
    from pathlib import Path
    from pipekit import component, pipeline, register_serializer

    class Degrees:
        def __init__(self, value): self.value = value

    def offset(value): return value + 1

    @register_serializer
    class DegreesSerializer:
        name = "degrees"
        def accepts(self, value): return isinstance(value, Degrees)
        def dump(self, value, sink): sink.write(repr(round(value.value, 1)).encode())
        def load(self, source):
            data = source if isinstance(source, bytes) else Path(source).read_bytes()
            return Degrees(offset(float(data)))
        def preview(self, value): return "degrees"

    @component
    def inner(value): return value * 2

    @component
    def measure(): return Degrees(1.26)

    @component
    def read(degrees, function): return function(degrees.value)

    @pipeline
    def flow() -> float: return read(measure(), inner)

    if __name__ == "__main__":
        run = flow.run()
        print(round(run.value, 3), [step.reused for step in run.steps])
"""
"""A component is an argument, a value is stored by a serializer of the user's."""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("value * 2", "value * 3", "6.9 [True, False]"),
        ("value.value, 1", "value.value, 2", "4.52 [False, False]"),
        ("value + 1", "value + 2", "6.6 [False, False]"),
    ],
    ids=["a component that is an argument", "what a serializer writes", "a helper of its load"],
)
def test_an_edit_of_what_a_value_carries_is_seen(
    tmp_path: Any, old: str, new: str, said: str
) -> None:
    there = Workspace(tmp_path)
    path = there.write("flow.py", FLOW)
    assert there.python("flow.py").out == "4.6 [False, False]\n"
    assert there.python("flow.py").out == "4.6 [True, True]\n"
    path.write_text(path.read_text().replace(old, new))
    assert there.python("flow.py").out == f"{said}\n"
    assert there.python("flow.py").out == f"{said.partition(' ')[0]} [True, True]\n"


def test_a_value_of_a_users_serializer_that_was_looked_at_is_still_the_steps_output(
    tmp_path: Any,
) -> None:
    there = Workspace(tmp_path)
    text = FLOW.replace("value + 1", "value + 0").replace(
        "return read(", "x = measure(); x.value; return read("
    )
    text = text.replace("read(measure(), inner)", "read(x, inner)")
    # Nothing of it but what its serializer writes can be compared.
    text = text.replace("self.value = value", "self.value, self.lock = value, threading.Lock()")
    there.write(
        "flow.py",
        "    import threading" + text.replace("run.steps]", "run.steps], len(run.graph().edges)"),
    )
    assert there.python("flow.py").out == "2.6 [False, False] 1\n"
