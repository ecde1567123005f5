"""What a script is connected with is recorded, and takes what a clone was given: of the type of the
value in the code, or loudly not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from script_bench import ScriptBench, bench_in, printed

from pipekit import Task
from pipekit.errors import UsageError

KINDS = """
    import argparse, dataclasses, enum, json, pathlib
    from pipekit import Task
    from pydantic import BaseModel

    class Colour(enum.Enum):
        RED = "red"
        BLUE = "blue"

    @dataclasses.dataclass
    class Inner:
        depth: int = 3

    @dataclasses.dataclass
    class Settings:
        rate: float = 0.1
        colour: Colour = Colour.RED
        path: pathlib.Path = pathlib.Path("data.csv")
        inner: Inner = dataclasses.field(default_factory=Inner)

    @dataclasses.dataclass(frozen=True)
    class Fixed:
        seed: int = 1

    class Model(BaseModel):
        layers: list[int] = [8, 4]
        name: str = "12"

    task = Task.init("p", "kinds")
    plain = task.connect({"flag": True, "empty": "", "none": None, "deep": {"x": 1}})
    settings = task.connect(Settings(), "Settings")
    fixed = task.connect(Fixed(), "Fixed")
    model = task.connect(Model(), "Model")
    parser = argparse.ArgumentParser()
    parser.add_argument("--random-state", type=int, default=42)
    parser.add_argument("--test-size", type=float, default=0.25)
    args = task.connect(parser.parse_args())
    print(repr((dict(plain), settings, fixed, model, args)))
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptBench]:
    with bench_in(tmp_path, monkeypatch) as made:
        yield made


def test_every_kind_is_recorded_with_its_types_and_takes_overrides(bench: ScriptBench) -> None:
    """Feature rows 2, 9, 22 and 45."""
    assert bench.run(KINDS).code == 0
    template = bench.task
    assert template.get_parameters() == {
        "General/flag": True, "General/empty": "", "General/none": None, "General/deep/x": 1,
        "Settings/rate": 0.1, "Settings/colour": "red", "Settings/path": "data.csv",
        "Settings/inner/depth": 3, "Fixed/seed": 1, "Model/layers": [8, 4], "Model/name": "12",
        "Args/random_state": 42, "Args/test_size": 0.25,
    }  # fmt: skip
    typed = {
        "flag": "no", "empty": "34", "none": "text", "deep/x": "7", "rate": "1e-3",
        "colour": "blue", "path": "other.csv", "inner/depth": "9", "seed": "5",
        "layers": "[1, 2]", "name": "007", "random_state": "7", "test_size": "1",
    }  # fmt: skip
    words = [word for key, value in typed.items() for word in ("--set", f"{key}={value}")]
    said = bench.pipekit("clone", template.id, "--run", *words)
    assert said.out.splitlines()[-1] == (
        "({'flag': False, 'empty': '34', 'none': 'text', 'deep': {'x': 7}}, "
        "Settings(rate=0.001, colour=<Colour.BLUE: 'blue'>, path=PosixPath('other.csv'), "
        "inner=Inner(depth=9)), Fixed(seed=5), Model(layers=[1, 2], name='007'), "
        "Namespace(random_state=7, test_size=1.0))"
    )
    assert bench.task.get_parameter("test_size") == 1.0
    assert type(bench.task.get_parameter("test_size")) is float


@pytest.mark.parametrize(
    ("key", "value"),
    [("flag", "perhaps"), ("seed", "1.5"), ("rate", "fast"), ("layers", "8, 4"), ("seed", "")],
)
def test_a_text_that_does_not_fit_is_refused_by_name(
    bench: ScriptBench, key: str, value: str
) -> None:
    draft = _draft(bench, {"flag": True, "seed": 1, "rate": 0.1, "layers": [8]})
    said = bench.pipekit("clone", draft.id, "--set", f"{key}={value}")
    assert said.code == 2
    assert f"General/{key}" in said.err
    assert bench.tasks == [draft]


@pytest.mark.parametrize(
    ("default", "value"),
    [(1, 1.5), (1, True), ("text", 3), ("text", None), (0.5, "x"), (True, 1), ([1], {"a": 1})],
)
def test_a_value_that_does_not_fit_is_refused_too(
    bench: ScriptBench, default: Any, value: Any
) -> None:
    draft = _draft(bench, {"x": default})
    with pytest.raises(UsageError, match="'General/x'"):
        draft.clone(parameters={"x": value})
    with pytest.raises(UsageError, match="'General/x'"):
        draft.set_parameter("x", value)


@pytest.mark.parametrize("text", ["", "12", "null", "true", "[1]", " x "])
def test_a_text_stays_the_text_that_it_is(bench: ScriptBench, text: str) -> None:
    """Complaint 6: '' stays '', and '12' stays '12'."""
    clone = _draft(bench, {"x": "default"}).clone(parameters={"x": text})
    assert clone.get_parameter("x") == text


def test_a_key_without_a_section_means_the_one_that_has_it(bench: ScriptBench) -> None:
    """Feature row 7."""
    draft = _draft(bench, {"Args/rate": 0.1, "both": 1, "Args/both": 1})
    draft.set_parameters({"rate": 0.5, "Args/rate": 0.9}, both=2)
    assert draft.get_parameters() == {"Args/rate": 0.5, "General/both": 2, "Args/both": 1}
    assert draft.get_parameter("rate") == 0.5
    assert draft.get_parameter("Args/both") == 1
    assert draft.get_parameter("nothing", "default") == "default"
    assert draft.get_parameters(cast=False)["Args/rate"] == "0.5"


def test_parameters_are_merged_or_replaced(bench: ScriptBench) -> None:
    draft = _draft(bench, {"a": 1, "b": 2})
    draft.set_parameters(b=3)
    assert draft.get_parameters() == {"General/a": 1, "General/b": 3}
    draft.set_parameters({"b": 4}, replace=True)
    assert draft.get_parameters() == {"General/b": 4}


def test_only_a_draft_can_be_changed(bench: ScriptBench) -> None:
    bench.run("from pipekit import Task\nTask.init('p', 'n').connect({'a': 1})")
    with pytest.raises(UsageError, match="it is completed"):
        bench.task.set_parameters(a=2)
    assert bench.task.get_parameters() == {"General/a": 1}


def test_an_override_that_the_template_does_not_know_is_added_and_found(
    bench: ScriptBench,
) -> None:
    """Feature row 24: left out in the template, filled in for the run; other objects of the section
    do not get it twice."""
    bench.run("""
        import json
        from pipekit import Task
        task = Task.init("p", "n")
        first = task.connect({"url": "", "rate": 1})
        second = task.connect({"depth": 2}, "Other")
        print(json.dumps([first, second]))
    """)
    clone = bench.pipekit(
        "clone", bench.task.id, "--run", "--set", "url=s3://x", "--set", "extra=5"
    )
    assert "no parameter 'General/extra': added" in clone.err
    assert printed(clone) == [{"url": "s3://x", "rate": 1, "extra": 5}, {"depth": 2}]


def test_a_dict_given_for_a_dict_changes_what_is_in_it(bench: ScriptBench) -> None:
    bench.run("""
        import json
        from pipekit import Task
        print(json.dumps(Task.init("p", "n").connect({"model": {"net": {"depth": 1}, "rate": 2}})))
    """)
    clone = bench.pipekit("clone", bench.task.id, "--run", "--set", 'model={"net": {"depth": 5}}')
    assert printed(clone) == {"model": {"net": {"depth": 5}, "rate": 2}}
    draft = bench.task.clone(parameters={"model": {"net": {"depth": 7}}})
    assert draft.get_parameters() == {"General/model/net/depth": 7, "General/model/rate": 2}


def test_what_is_none_in_the_code_takes_any_type_in_a_clone_of_a_clone(bench: ScriptBench) -> None:
    bench.run("""
        from pipekit import Task
        print(repr(Task.init("p", "n").connect({"some": None})["some"]))
    """)
    first = bench.pipekit("clone", bench.task.id, "--run", "--set", "some=5")
    assert first.out.startswith("5\n")
    second = bench.task.clone(parameters={"some": "text"})
    assert second.clone(parameters={"some": [1]}).get_parameters() == {"General/some": [1]}
    third = bench.pipekit("clone", second.id, "--run", "--set", "some=0.5")
    assert third.out.startswith("0.5\n")


def test_what_is_typed_for_an_empty_draft_becomes_of_the_type_in_the_code(
    bench: ScriptBench,
) -> None:
    """A draft of a script that never ran knows no parameters, so no types."""
    bench.script("""
        import json
        from pipekit import Task
        settings = {"tag": "", "version": "1", "epochs": 1, "rate": 0.5, "fast": False}
        print(json.dumps(Task.init("p", "n").connect(settings)))
    """)
    draft = bench.pipekit("task", "create", "--script", "job.py").out.strip()
    given = ("tag=007", "tag=12", "version=1.10", "epochs=3.0", "rate=2", "fast=1")
    words = [word for text in given for word in ("--set", text)]
    expected = {"tag": "12", "version": "1.10", "epochs": 3, "rate": 2.0, "fast": True}
    assert printed(bench.pipekit("clone", draft, "--run", *words)) == expected
    assert printed(bench.pipekit("clone", bench.task.id, "--run")) == expected
    again = bench.task.clone(parameters={"tag": "13"})
    assert printed(bench.pipekit("execute", again.id)) == expected | {"tag": "13"}


def test_a_section_is_shared_by_what_is_connected_with_it(bench: ScriptBench) -> None:
    """Each object gets the keys that it has, in a clone as in the first run."""
    bench.run("""
        import json
        from pipekit import Task
        task = Task.init("p", "n")
        print(json.dumps([task.connect({"a": 1}), task.connect({"b": 2}), task.connect({"a": 3})]))
    """)
    assert bench.task.get_parameters() == {"General/a": 3, "General/b": 2}
    clone = bench.pipekit("clone", bench.task.id, "--run", "--set", "a=9")
    assert printed(clone) == [{"a": 9}, {"b": 2}, {"a": 9}]


def test_later_writes_are_recorded_however_they_are_made(bench: ScriptBench) -> None:
    """Feature row 3."""
    bench.run("""
        import argparse, dataclasses
        from pipekit import Task

        @dataclasses.dataclass
        class Settings:
            rate: float = 0.1

        task = Task.init("p", "n")
        given = {"a": 1, "deep": {"x": 1}}
        held = task.connect(given)
        held["b"] = 2
        held.update(c=3)
        held |= {"d": 4}
        held["deep"]["x"] = 5
        given["e"] = 6
        settings = task.connect(Settings(), "S")
        settings.rate = 0.5
        task.set_parameter("said", "too")
    """)
    assert bench.task.get_parameters() == {
        "General/a": 1, "General/b": 2, "General/c": 3, "General/d": 4, "General/deep/x": 5,
        "General/e": 6, "S/rate": 0.5, "General/said": "too",
    }  # fmt: skip


def test_what_cannot_be_connected_is_said(bench: ScriptBench) -> None:
    said = bench.run("""
        import argparse, json
        from pipekit import Task, component, pipeline
        task = Task.init("p", "n")

        def refusal(obj, **more):
            try:
                task.connect(obj, **more)
            except Exception as error:
                return str(error)

        @component(cache=False)
        def step():
            try:
                Task.current_task().connect({"a": 1})
            except Exception as error:
                return str(error)

        @pipeline
        def train():
            return step()

        if __name__ == "__main__":
            print(json.dumps([refusal(argparse.ArgumentParser()), refusal(3), refusal(dict),
                              refusal({}, name="a/b"), train.debug()]))
    """, PIPEKIT_PROGRESS="off")  # fmt: skip
    parser, number, cls, section, step = printed(said)
    assert "task.connect(args)" in parser
    assert "A int cannot be connected" in number
    assert "dict is a class" in cls
    assert "section cannot be named 'a/b'" in section
    assert "A step's parameters are its arguments" in step


def test_what_cannot_be_made_again_from_a_text_is_left_as_it_is(bench: ScriptBench) -> None:
    bench.run("""
        from pipekit import Task
        task = Task.init("p", "n")
        task.connect({"act": lambda x: x, "object": object(), "rate": 1})
        print("ran")
    """)
    clone = bench.pipekit("clone", bench.task.id, "--run", "--set", "rate=2")
    assert clone.out == "ran\n", clone.err


def _draft(bench: ScriptBench, parameters: dict[str, Any]) -> Task:
    bench.script("print('never run')", "draft.py")
    return Task.create(script="draft.py", parameters=parameters)
