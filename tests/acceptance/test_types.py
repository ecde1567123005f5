"""What type checkers and editors know of the public names, by the samples in `tests/typing`."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import pipekit
import pipekit.testing
from pipekit.api import options, pipeline
from pipekit.model.options import ComponentOptions

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "typing"
BIN = Path(sys.executable).parent
WITH_BIN = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
"""The search path on which pyright finds the `python` that has pipekit."""

Found = dict[tuple[str, int], dict[str, str]]
"""File and line -> code -> message."""


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=SAMPLES, capture_output=True, text=True,
        timeout=300, check=False, env={**os.environ, "PATH": WITH_BIN},
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.stdout


def found_by_mypy() -> Found:
    samples = [file.name for file in SAMPLES.glob("*.py")]
    nowhere = f"--cache-dir={os.devnull}"
    said = run("mypy", "--strict", "--config-file=", nowhere, "--output=json", *samples)
    found: Found = {}
    for line in said.splitlines():
        if line.startswith("{") and (one := json.loads(line))["severity"] == "error":
            place = Path(one["file"]).name, one["line"]
            found.setdefault(place, {})[one["code"]] = one["message"]
    return found


def found_by_pyright() -> Found:
    said = json.loads(run("basedpyright", "--outputjson", f"--pythonpath={sys.executable}"))
    assert said["summary"]["filesAnalyzed"] == len(list(SAMPLES.glob("*.py")))
    found: Found = {}
    for one in said["generalDiagnostics"]:
        place = Path(one["file"]).name, one["range"]["start"]["line"] + 1
        found.setdefault(place, {})[one.get("rule", "")] = one["message"]
    return found


@pytest.fixture(scope="module", params=["mypy", "pyright"])
def checked(request: pytest.FixtureRequest) -> tuple[Found, int]:
    """What a checker said of the samples, and which of the two it is."""
    if request.param == "mypy":
        return found_by_mypy(), 0
    return found_by_pyright(), 1


def expected(checker: int) -> dict[int, str]:
    """Line of `mistakes.py` -> the code that this checker is to give it."""
    lines = (SAMPLES / "mistakes.py").read_text().splitlines()
    marks = ((n, re.search(r"# expect ([\w-]+), (\w+)$", line)) for n, line in enumerate(lines, 1))
    codes = {number: mark.groups()[checker] for number, mark in marks if mark}
    return {number: code for number, code in codes.items() if code != "nothing"}


def test_right_use_is_right_and_has_the_types_that_the_samples_assert(
    checked: tuple[Found, int],
) -> None:
    found, _ = checked
    assert {place: said for place, said in found.items() if place[0] != "mistakes.py"} == {}


def test_each_mistake_is_found_and_nothing_else_is(checked: tuple[Found, int]) -> None:
    found, checker = checked
    wanted = expected(checker)
    assert len(wanted) > 50
    mistakes = {place[1]: said for place, said in found.items() if place[0] == "mistakes.py"}
    assert sorted(mistakes) == sorted(wanted), mistakes
    assert {n: code for n, code in wanted.items() if code not in mistakes[n]} == {}, mistakes


def test_a_wrong_step_is_named_by_its_parameter_and_its_types(checked: tuple[Found, int]) -> None:
    found, _ = checked
    said = "\n".join(
        message for place, codes in found.items() if place[0] == "mistakes.py"
        for message in codes.values()
    )  # fmt: skip
    assert re.search(r'"Model".*(expected|parameter "frame" of type) "Frame"', said)
    assert re.search(r'(positional argument|parameter) "frame"', said)
    assert re.search(r'(keyword argument|parameter named) "deep"', said)


def test_every_public_name_has_a_type_of_its_own() -> None:
    modules = {
        *pipekit._EXPORTS.values(),
        *pipekit.testing._EXPORTS.values(),
        "pipekit.api.artifact",
        "pipekit.api.metric",
        "pipekit.errors",
        "pipekit.model.records",
        "pipekit.ports",
    }
    said = json.loads(run("basedpyright", "--verifytypes", "pipekit", "--outputjson"))
    report = said["typeCompleteness"]
    assert Path(report["pyTypedPath"]).name == "py.typed"
    public = [one for one in report["symbols"] if one["name"].startswith(tuple(modules))]
    assert len(public) > 200
    untyped = [
        f"{one['name']}: {problem['message']}"
        for one in public
        for problem in one["diagnostics"]
        if problem["severity"] == "error" and not is_of_another(problem["message"])
    ]
    assert untyped == []


def is_of_another(message: str) -> bool:
    """Whether it only says that a class which it names is not known in full."""
    return "is partially unknown" in message and "Unknown" not in message


@pytest.mark.parametrize("package", [pipekit, pipekit.testing])
def test_checkers_know_the_names_that_can_be_imported_and_no_others(package: Any) -> None:
    tree = ast.parse(Path(package.__file__).read_text())
    known = {
        (alias.asname, f"{node.module}")
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert known == set(package._EXPORTS.items())
    for name in package.__all__:
        assert getattr(package, name) is not None


@pytest.mark.parametrize(
    ("known", "held"),
    [
        (options.ComponentKeywords, [field.name for field in fields(ComponentOptions)]),
        (options.PipelineKeywords, pipeline._OPTIONS),
    ],
)
def test_checkers_know_the_options_that_there_are(known: Any, held: Any) -> None:
    annotations: Mapping[str, Any] = known.__annotations__
    assert set(annotations) == set(held)


def test_an_installed_pipekit_says_that_it_has_types(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("*.whl")
    assert "pipekit/py.typed" in zipfile.ZipFile(wheel).namelist()


class Editor:
    """As much of an editor as it takes to ask a language server what it shows at a place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._server = subprocess.Popen(
            [str(BIN / "basedpyright-langserver"), "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PATH": WITH_BIN},
        )
        self._count = 0
        self.ask(
            "initialize",
            processId=os.getpid(),
            rootUri=folder.as_uri(),
            capabilities={"textDocument": {"hover": {"contentFormat": ["plaintext"]}}},
        )
        self.tell("initialized")

    def tell(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def ask(self, method: str, **params: Any) -> Any:
        self._count += 1
        self._send({"id": self._count, "method": method, "params": params})
        while True:
            answer = self._read()
            if "method" in answer and "id" in answer:  # it asks us: it has to do without
                self._send({"id": answer["id"], "result": None})
            elif answer.get("id") == self._count:
                return answer["result"]

    def ask_at_the_end(self, method: str, text: str) -> Any:
        """What is shown at the end of a file with that text."""
        uri = (self.folder / "sample.py").as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self.tell("textDocument/didOpen", textDocument=document)
        lines = text.splitlines()
        position = {"line": len(lines) - 1, "character": len(lines[-1])}
        shown = self.ask(f"textDocument/{method}", textDocument={"uri": uri}, position=position)
        self.tell("textDocument/didClose", textDocument={"uri": uri})
        return shown

    def close(self) -> None:
        self.ask("shutdown")
        self.tell("exit")
        self._server.communicate(timeout=60)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._server.stdin is not None
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self._server.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        length = 0
        while line := self._server.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        read: dict[str, Any] = json.loads(self._server.stdout.read(length))
        return read


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    editor = Editor(tmp_path_factory.mktemp("project"))
    yield editor
    editor.close()


FLOW = """
from pipekit import component, pipeline

@component
def load(path: str, rows: int = 100) -> bytes:
    '''Reads a table.'''
    return b""

@pipeline(name="all")
def train(data: str) -> bytes:
    '''Trains a model.'''
    return load(data)

"""


@pytest.mark.parametrize(
    ("use", "signature", "docstring"),
    [
        ("load", "path: str, rows: int = 100", "Reads a table."),
        ("train", "data: str", "Trains a model."),
    ],
)
def test_an_editor_shows_signature_and_docstring_where_one_is_used(
    editor: Editor, use: str, signature: str, docstring: str
) -> None:
    shown = editor.ask_at_the_end("hover", FLOW + use)["contents"]["value"]
    assert f"({signature})" in shown
    assert docstring in shown


def test_an_editor_shows_the_parameters_in_a_call(editor: Editor) -> None:
    [shown] = editor.ask_at_the_end("signatureHelp", FLOW + "load(")["signatures"]
    assert shown["label"] == "(path: str, rows: int = 100) -> bytes"


@pytest.mark.parametrize("use", ["component(load, ", "load.options("])
def test_an_editor_offers_the_options(editor: Editor, use: str) -> None:
    shown = editor.ask_at_the_end("completion", FLOW + use)
    offered = {item["label"] for item in shown["items"]}
    assert {"retries=", "cache=", "outputs=", "timeout="} <= offered
