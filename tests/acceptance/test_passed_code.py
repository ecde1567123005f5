"""A class, function or instance that is passed as an argument, and changed by the pipeline
function: no step computes with other code than its key says, and an unchanged one is reused.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from workspace import Workspace

FLOW = """
    import dataclasses
    import enum
    import functools
    import settings
    from pipekit import component, get, pipeline

    RATE = 1
    SEEN = []

    class Base:
        rate = 1

    class C(Base):
        own = 1
        def get(self): return 1

    def five(self): return 5
    five.__name__ = "get"

    @dataclasses.dataclass
    class Data:
        made: int = 1
        def get(self): return type(self).made

    class Kind(enum.Enum):
        A = 1
        def get(self): return Kind.A.factor
    Kind.A.factor = 1

    def by_global(x=0): return RATE
    def by_items(x=0): return len(SEEN)
    def by_default(x=1): return x
    def by_helper(x=0): return helper()
    def helper(): return 1

    def make():
        n = 1
        def inner(x=0): return n
        return inner
    by_closure = make()
    by_closure.__qualname__ = "by_closure"

    @component
    def own(o): return o.own
    @component
    def inherited(o): return o.rate
    @component
    def method(o): return o().get() if isinstance(o, type) else o.get()
    @component
    def inside(o): return o["all"][0].own
    @component
    def call(f): return f()
    @component
    def give(n): return C()

    def set_global(name, value): globals()[name] = value

    WAYS = {
        "class attribute": (own, lambda: C, lambda: setattr(C, "own", 5)),
        "attribute of an instance's class": (own, lambda: C(), lambda: setattr(C, "own", 5)),
        "in a container": (inside, lambda: {"all": [C()]}, lambda: setattr(C, "own", 5)),
        "beside a future": (inside, lambda: {"all": [C()], "n": give(1)},
                            lambda: setattr(C, "own", 5)),
        "attribute of the base": (inherited, lambda: C, lambda: setattr(Base, "rate", 5)),
        "method": (method, lambda: C(), lambda: setattr(C, "get", lambda self: 5)),
        "bound method": (call, lambda: C().get, lambda: setattr(C, "get", five)),
        "default of a dataclass": (method, lambda: Data(2),
                                   lambda: setattr(Data, "made", 5)),
        "enum": (method, lambda: Kind.A, lambda: setattr(Kind.A, "factor", 5)),
        "global": (call, lambda: by_global, lambda: set_global("RATE", 5)),
        "items of a global": (call, lambda: by_items, lambda: SEEN.append(5)),
        "default": (call, lambda: by_default, lambda: setattr(by_default, "__defaults__", (5,))),
        "closure": (call, lambda: by_closure,
                    lambda: setattr(by_closure.__closure__[0], "cell_contents", 5)),
        "helper": (call, lambda: by_helper, lambda: set_global("helper", lambda: 5)),
        "partial": (call, lambda: functools.partial(by_global, 1), lambda: set_global("RATE", 5)),
        "module of a lambda": (call, lambda: (lambda: settings.RATE),
                               lambda: setattr(settings, "RATE", 5)),
        "function of a lambda": (call, lambda: (lambda: by_global()),
                                 lambda: set_global("RATE", 5)),
    }

    @pipeline
    def clean(way: str) -> str:
        step, make, _ = WAYS[way]
        return str(get(step(make())))

    @pipeline
    def dirty(way: str) -> str:
        step, make, change = WAYS[way]
        before = get(step(make()))
        change()
        return f"{before} {get(step(make()))}"

    @pipeline
    def dirty_first(way: str) -> str:
        step, make, change = WAYS[way]
        change()
        return str(get(step(make())))

    @pipeline
    def given() -> str:
        made = give(1)
        before = get(own(made))
        C.own = 5
        return f"{before} {get(own(made))}"

    @component(cache=False)
    def spoil(name):
        import importlib
        setattr(importlib.import_module("flow").C, name, 7)
        return name

    @pipeline
    def spoiled() -> str:
        spoil("own")
        return str(get(own(C())))

    @pipeline
    def given_clean() -> str:
        return str(get(own(give(1))))
"""
WAYS = [
    "class attribute", "attribute of an instance's class", "in a container", "beside a future",
    "attribute of the base", "method", "bound method", "default of a dataclass", "enum", "global",
    "items of a global", "default", "closure", "helper", "partial", "module of a lambda",
    "function of a lambda",
]  # fmt: skip
EXPECTED = {"items of a global": ("0", "1")}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    made.write("flow.py", FLOW)
    made.write("settings.py", "RATE = 1\n")
    return made


def value_of(workspace: Workspace, *arguments: str) -> tuple[str, str]:
    """The value of a run, and what was said of it."""
    said = workspace.pipekit("run", *arguments)
    assert said.code == 0, said.err
    shown = workspace.pipekit("get", said.err.rpartition("pipekit show ")[2].split()[0])
    return shown.out.strip(), said.err


@pytest.mark.parametrize("way", WAYS)
def test_inline_a_step_counts_with_the_code_that_its_argument_has_at_the_call(
    workspace: Workspace, way: str
) -> None:
    inline = ("--way", way, "--executor", "inline")
    before, after = EXPECTED.get(way, ("1", "5"))
    assert value_of(workspace, "flow.py:dirty", *inline)[0] == f"{before} {after}"
    assert value_of(workspace, "flow.py:clean", *inline)[0] == before
    again, said = value_of(workspace, "flow.py:clean", *inline)
    assert again == before
    assert " 0 reused" not in said


@pytest.mark.parametrize("way", WAYS)
def test_a_worker_refuses_a_step_whose_argument_has_other_code_in_the_pipeline(
    workspace: Workspace, way: str
) -> None:
    before, _ = EXPECTED.get(way, ("1", "5"))
    said = workspace.pipekit("run", "flow.py:dirty_first", "--way", way)
    assert said.code == 1, said.err
    assert "is not the same code in the worker" in said.err
    assert value_of(workspace, "flow.py:clean", "--way", way)[0] == before


def test_the_refusal_names_the_attribute_with_both_values_and_a_way_out(
    workspace: Workspace,
) -> None:
    said = workspace.pipekit("run", "flow.py:dirty_first", "--way", "class attribute")
    assert "class 'flow.C' has own = 1 there and own = 5 here" in said.err
    assert "executor='inline'" in said.err


def test_a_global_behind_a_passed_function_is_named_with_both_values(workspace: Workspace) -> None:
    said = workspace.pipekit("run", "flow.py:dirty_first", "--way", "global")
    assert "global 'flow.RATE' is 1 there and 5 here" in said.err


@pytest.mark.parametrize("way", ["class attribute", "in a container", "function of a lambda"])
def test_in_workers_what_is_passed_and_not_changed_is_reused(
    workspace: Workspace, way: str
) -> None:
    assert value_of(workspace, "flow.py:clean", "--way", way)[0] == "1"
    value, said = value_of(workspace, "flow.py:clean", "--way", way)
    assert value == "1"
    assert "1 reused" in said or "2 reused" in said


def test_inline_what_a_step_gave_counts_with_the_code_that_is_loaded_where_it_is_used(
    workspace: Workspace,
) -> None:
    inline = ("--executor", "inline")
    assert value_of(workspace, "flow.py:given_clean", *inline)[0] == "1"
    assert value_of(workspace, "flow.py:given", *inline)[0] == "1 5"
    value, said = value_of(workspace, "flow.py:given_clean", *inline)
    assert value == "1"
    assert "2 reused" in said


def test_what_a_step_gave_is_used_in_workers_with_the_code_that_they_import(
    workspace: Workspace,
) -> None:
    assert value_of(workspace, "flow.py:given_clean")[0] == "1"
    assert value_of(workspace, "flow.py:given_clean", "--executor", "inline")[0] == "1"


def test_a_step_that_changes_the_class_of_what_others_were_given_gets_them_another_worker(
    workspace: Workspace,
) -> None:
    said, _ = value_of(workspace, "flow.py:spoiled", "--executor", "process:1")
    assert said == "1"


def test_an_instance_of_a_model_that_is_completed_at_its_first_use_is_passed_to_a_worker(
    workspace: Workspace,
) -> None:
    workspace.write(
        "model.py",
        """
        import pydantic
        from pipekit import component, pipeline

        class Outer(pydantic.BaseModel):
            inner: "Inner | None" = None
            n: int = 1

        class Inner(pydantic.BaseModel):
            n: int = 2

        @component
        def number(o):
            return o.n

        @pipeline
        def run() -> str:
            return str(number(Outer(inner=Inner())) + 0)
        """,
    )
    assert value_of(workspace, "model.py:run")[0] == "1"
