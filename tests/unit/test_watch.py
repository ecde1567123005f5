"""Which changes of a loaded program are found before its next call, as a table.

Each row is a module `flow` with a function `main`, and a statement that is run in that module.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipekit.capture.fingerprint import Fingerprinter

Load = Callable[..., ModuleType]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    known = set(sys.modules)

    def load_program(flow: str, **modules: str) -> ModuleType:
        for name, text in {"flow": flow, **modules}.items():
            (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module("flow")

    sys.path.insert(0, str(tmp_path))
    yield load_program
    sys.path.remove(str(tmp_path))
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def run_in(module: ModuleType, statement: str) -> None:
    exec(statement, vars(module))


CHANGES = [
    ("RATE = 1\ndef main(): return RATE", "RATE = 7"),
    ("RATE = 1\ndef main(): return RATE", "RATE = True"),
    ("RATE = 1\ndef main(): return RATE", "del RATE"),
    ("def main(): return RATE", "RATE = 7"),
    ("def main(x): return len(x)", "len = sum"),
    ("CONFIG = {'rate': 1}\ndef main(): return CONFIG['rate']", "CONFIG['rate'] = 7"),
    ("CONFIG = {'a': {'b': [1]}}\ndef main(): return CONFIG", "CONFIG['a']['b'].append(2)"),
    ("CONFIG = {'a': 1, 'b': 2}\ndef main(): return CONFIG", "CONFIG['a'] = CONFIG.pop('a')"),
    ("NAMES = []\ndef main(): return NAMES", "NAMES.append(1)"),
    ("NAMES = {1}\ndef main(): return NAMES", "NAMES.remove(1); NAMES.add(True)"),
    ("PAIR = ([],)\ndef main(): return PAIR", "PAIR[0].append(1)"),
    ("DATA = bytearray(b'a')\ndef main(): return DATA", "DATA[0] = 1"),
    ("import numpy\nA = numpy.zeros(3)\ndef main(): return A", "A[0] = 1"),
    ("import collections\nQ = collections.deque()\ndef main(): return Q", "Q.append(1)"),
    ("import random\nR = random.Random(1)\ndef main(): return R.random()", "R.random()"),
    ("class C:\n    n = 1\ndef main(): return C.n", "C.n = 2"),
    ("class C:\n    n = []\ndef main(): return C.n", "C.n.append(2)"),
    ("class C:\n    def m(self): return 1\ndef main(): return C().m()", "C.m = lambda self: 2"),
    ("class B: pass\nclass C(B):\n    pass\ndef main(): return C()", "B.n = 2"),
    ("class C:\n    def __init__(self): self.n = 1\nI = C()\ndef main(): return I.n", "I.n = 2"),
    ("class C:\n    __slots__ = 'n'\nI = C()\nI.n = 1\ndef main(): return I.n", "I.n = 2"),
    ("def helper(): return 1\ndef main(): return helper()", "helper.calls = 1"),
    ("def helper(): return 1\ndef main(): return helper()", "helper = lambda: 2"),
    ("def helper(): return 1\ndef main(): return helper()",
     "helper.__code__ = (lambda: 2).__code__"),
    ("def main(seen=[]): return seen", "main.__defaults__[0].append(1)"),
    ("def main(*, n=1): return n", "main.__kwdefaults__['n'] = 2"),
    ("def make(n):\n    def inner(): return n\n    return inner\nmain = make([])",
     "main.__closure__[0].cell_contents.append(1)"),
    ("def make(n):\n    def inner(): return n\n    return inner\nmain = make(1)",
     "main.__closure__[0].cell_contents = 2"),
    ("def make():\n    def inner(): return late\n    yield inner\n    late = 1\n    yield\n"
     "made = make()\nmain = next(made)", "next(made)"),
    ("import functools\nmain = functools.partial(max, [])", "main.args[0].append(1)"),
    ("import functools\n@functools.singledispatch\ndef main(x): return 1",
     "main.register(int, lambda x: 2)"),
    ("import enum\nclass E(enum.Enum):\n    A = [1]\ndef main(): return E.A",
     "E.A.value.append(2)"),
    ("TABLE = {'a': lambda: 1}\ndef main(): return TABLE['a']()", "TABLE['a'] = lambda: 2"),
    ("import json\ndef main(): return json.dumps(1)",
     "kept = json.dumps; json.dumps = lambda x: kept(x)"),
]  # fmt: skip


@pytest.mark.parametrize(("flow", "statement"), CHANGES)
def test_what_has_changed_is_found(
    load: Load, monkeypatch: pytest.MonkeyPatch, flow: str, statement: str
) -> None:
    import json

    monkeypatch.setattr(json, "dumps", json.dumps)  # to have it back after the last row
    module = load(flow)
    fingerprinter = Fingerprinter()
    fingerprinter.fingerprint(module.main)
    assert fingerprinter.find_change(module.main) == ""
    run_in(module, statement)
    assert fingerprinter.find_change(module.main) != ""


SAME = [
    ("RATE = 1000\nOTHER = 1\ndef main(): return RATE", "OTHER = 7"),
    ("CONFIG = {'rate': 1}\ndef main(): return CONFIG", "CONFIG = {'rate': 1}"),
    ("NAMES = [1000]\ndef main(): return NAMES", "NAMES.append(1); NAMES.pop()"),
    ("import functools\n@functools.lru_cache\ndef helper(): return 1\ndef main(): return helper()",
     "main()"),
    ("import functools\n@functools.singledispatch\ndef main(x): return 1", "main(2)"),
    ("import logging\nLOG = logging.getLogger('x')\ndef main(): LOG.debug('a')",
     "main(); LOG.setLevel(10); main()"),
    ("import threading\nLOCK = threading.Lock()\ndef main(): return LOCK", "LOCK.acquire()"),
    ("import re\nWORD = re.compile('a')\ndef main(): return WORD", "WORD.match('a')"),
]  # fmt: skip


@pytest.mark.parametrize(("flow", "statement"), SAME)
def test_what_does_not_count_is_no_change(load: Load, flow: str, statement: str) -> None:
    module = load(flow)
    fingerprinter = Fingerprinter()
    fingerprinter.fingerprint(module.main)
    run_in(module, statement)
    assert fingerprinter.find_change(module.main) == ""


def test_a_change_is_told_with_both_values(load: Load) -> None:
    module = load("CONFIG = {'rate': 1}\ndef main(): return CONFIG")
    fingerprinter = Fingerprinter()
    fingerprinter.fingerprint(module.main)
    module.CONFIG["rate"] = 7
    told = fingerprinter.find_change(module.main)
    assert told == "global 'flow.CONFIG' was {'rate': 1} and is {'rate': 7}"


def test_a_change_that_is_taken_back_is_none(load: Load) -> None:
    module = load("CONFIG = {'rate': 1000}\ndef main(): return CONFIG")
    fingerprinter = Fingerprinter()
    fingerprinter.fingerprint(module.main)
    module.CONFIG["rate"] = 7
    assert fingerprinter.find_change(module.main)
    module.CONFIG["rate"] = int("1000")
    assert fingerprinter.find_change(module.main) == ""


def test_an_ignored_global_may_change(load: Load) -> None:
    module = load("SEEN = []\ndef main(): return SEEN")
    fingerprinter = Fingerprinter()
    ignored = {"ignore": ("flow.SEEN",)}
    fingerprinter.fingerprint(module.main, **ignored)
    module.SEEN.append(1)
    assert fingerprinter.find_change(module.main, **ignored) == ""


def test_a_component_seen_after_the_change_of_its_module_is_compared_with_what_was_before(
    load: Load,
) -> None:
    module = load(
        "from pipekit import component\nRATE = 1\n"
        "@component\ndef main(): return 1\n@component\ndef other(): return RATE"
    )
    fingerprinter = Fingerprinter()
    fingerprinter.fingerprint(module.main)
    module.RATE = 7
    assert "7" in fingerprinter.find_change(module.other.function)


# modules that are imported when the function runs

LATE = "def main():\n    import late\n    return late.CONFIG['rate']"


def find_late(fingerprinter: Fingerprinter, main: Any, **given: Any) -> str:
    return fingerprinter.find_changed_module(main, **given)


@pytest.mark.parametrize("statement", ["CONFIG['rate'] = 7", "CONFIG = {}", "extra = 1"])
def test_what_is_set_in_a_module_after_its_late_import_is_found(load: Load, statement: str) -> None:
    module = load(LATE, late="CONFIG = {'rate': 1}")
    fingerprinter = Fingerprinter()
    fingerprinter.fingerprint(module.main)
    module.main()
    assert find_late(fingerprinter, module.main) == ""
    run_in(sys.modules["late"], statement)
    assert "'late." in find_late(fingerprinter, module.main)


def test_a_variable_of_a_late_module_can_be_ignored(load: Load) -> None:
    module = load(LATE, late="CONFIG = {'rate': 1}")
    fingerprinter = Fingerprinter()
    fingerprinter.fingerprint(module.main)
    module.main()
    run_in(sys.modules["late"], "CONFIG['rate'] = 7")
    assert find_late(fingerprinter, module.main, ignore=("late.CONFIG",)) == ""


def test_getattr_with_a_name_that_begins_with_a_constant_is_computed(load: Load) -> None:
    module = load("import late\ndef main(x): return getattr(late, 'A' + x)", late="AB = 1")
    spots = Fingerprinter().fingerprint(module.main).blind_spots
    assert any("computed name" in spot.what for spot in spots)
