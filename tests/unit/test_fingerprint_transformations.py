"""Edits of programs, and what they do to the fingerprint: what a definition says about itself, what
stands in a variable although pickle does not see it, and any neutral or telling edit of a function
that was made up."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipekit.capture.fingerprint import Fingerprint, Fingerprinter


def load(source: str, name: str = "made_up") -> ModuleType:
    """A module of a source, without a file."""
    module = ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, f"<{name}>", "exec", dont_inherit=True), vars(module))
    return module


def fingerprint(source: str) -> Fingerprint:
    try:
        return Fingerprinter(root=Path(__file__).parent).fingerprint(load(source).main)
    finally:
        del sys.modules["made_up"]


# --- a table of edits that change the outcome ---------------------------------------------------

TELLING: list[tuple[str, str, str, str]] = [
    ("the docstring of the module, where it is read", "'old'", "'new'",
     "'old'\ndef main(): return __doc__"),
    ("a docstring that is read", "'old'", "'new'",
     "def h():\n    'old'\ndef main(): return h.__doc__"),
    ("the docstring of a class that its method reads", "'old'", "'new'",
     "class C:\n    'old'\n    def show(self): return self.__doc__\ndef main(): return C().show()"),
    ("a docstring that is asked for by name", "'old'", "'new'",
     "def h():\n    'old'\ndef main(h=h): return getattr(h, '__doc__', '')"),
    ("a docstring that `inspect` reads", "'old'", "'new'",
     "import inspect\ndef h():\n    'old'\ndef main(): return inspect.getdoc(h)"),
    ("an annotation that a decorator reads", "x: int", "x: float",
     "def deco(f):\n    return lambda x: f.__annotations__['x'](x)\n"
     "@deco\ndef h(x: int): return x\ndef main(): return h('1')"),
    ("an annotation that `inspect` reads", "x: int", "x: float",
     "from inspect import signature\ndef h(x: int): pass\ndef main(): return str(signature(h))"),
    ("an annotation of a class that is read", "x: int", "x: float",
     "class C:\n    x: int\ndef main(): return C.__annotations__"),
    ("the name of a local, where locals are listed", "aa = 1", "bb = 1",
     "def main():\n    aa = 1\n    return locals()"),
    ("the name of a local, where `vars` lists them", "aa = 1", "bb = 1",
     "def main():\n    aa = 1\n    return vars()"),
    ("the name of a local that evaluated text uses", "aa = 1", "bb = 1",
     "def main():\n    aa = 1\n    return eval('aa')"),
    ("a class attribute of thread-local state", "rate = 5", "rate = 6",
     "import threading\nclass C(threading.local):\n    rate = 5\nCONFIG = C()\n"
     "def main(): return CONFIG.rate"),
    ("a method of one's own logger", "+ 'a'", "+ 'b'",
     "import logging\nclass A(logging.LoggerAdapter):\n    def label(self): return '' + 'a'\n"
     "LOG = A(logging.getLogger(), {})\ndef main(): return LOG.label()"),
    ("what one's own handler holds", "[1]", "[2]",
     "import logging\nclass H(logging.Handler):\n    def __init__(self, xs):\n"
     "        super().__init__()\n        self.xs = xs\nH1 = H([1])\ndef main(): return H1.xs"),
    ("a class of thread-local state in a table", "rate = 5", "rate = 6",
     "import threading\nclass C(threading.local):\n    rate = 5\nCONFIG = {'a': C()}\n"
     "def main(): return CONFIG['a'].rate"),
    ("the default of a context variable", "=5", "=6",
     "import contextvars\nV = contextvars.ContextVar('v', default=5)\ndef main(): return V.get()"),
    ("what an object holds that is pickled by name", "rate = 1", "rate = 2",
     "class C:\n    def __reduce__(self): return 'X'\nX = C()\nX.rate = 1\n"
     "def main(): return X.rate"),
    ("the class of an object that is pickled by name", "rate = 1", "rate = 2",
     "class C:\n    rate = 1\n    def __reduce__(self): return 'X'\nX = C()\n"
     "def main(): return X.rate"),
    ("what `__getstate__` leaves out of a variable", "rate = 1", "rate = 2",
     "class C:\n    def __getstate__(self): return {}\nX = C()\nX.rate = 1\n"
     "def main(): return X.rate"),
    ("a cached property that was set", "= 1", "= 2",
     "import functools\nclass C:\n    @functools.cached_property\n    def y(self): return 0\n"
     "X = C()\nX.y = 1\ndef main(): return X.y"),
    ("a read-only mapping", "1", "2",
     "import types\nP = types.MappingProxyType({'a': 1})\ndef main(): return P"),
    ("the order of data in a class", "a = 1\n    b = 2", "b = 2\n    a = 1",
     "class C:\n    a = 1\n    b = 2\ndef main(): return list(vars(C))"),
    ("`__match_args__`", "'x',", "'y',",
     "class P:\n    __match_args__ = ('x',)\n"
     "def main(p):\n    match p:\n        case P(a): return a"),
    ("an attribute of an enumeration's member", "extra = 1", "extra = 2",
     "import enum\nclass E(enum.Enum):\n    A = 'a'\nE.A.extra = 1\n"
     "def main(): return E.A.extra"),
    ("a function that stands in for a library's", "return 1", "return 2",
     "import json\nbefore = json.dumps\ndef fake(x): return 1\njson.dumps = fake\n"
     "def main(): return json.dumps([])"),
    ("whether a cache tells types apart", "typed=True", "typed=False",
     "import functools\n@functools.lru_cache(typed=True)\ndef h(x): return x\n"
     "def main(): return h(1), h(1.0)"),
    *(
        (f"{option} of an attrs field", before, after,
         "import attrs\n@attrs.define\nclass C:\n"
         f"    a: int = attrs.field(default=1, {before})\ndef main(): return C()")
        for option, before, after in (
            ("repr", "repr=True", "repr=False"),
            ("alias", "alias='b'", "alias='c'"),
            ("eq", "eq=True", "eq=False"),
            ("metadata", "metadata={1: 1}", "metadata={1: 2}"),
        )
    ),
]  # fmt: skip


@pytest.fixture(autouse=True)
def restored_json() -> Any:
    import json

    before = json.dumps
    yield
    json.dumps = before


@pytest.mark.parametrize(("rule", "old", "new", "source"), TELLING, ids=lambda text: text[:60])
def test_an_edit_that_changes_the_outcome_changes_the_fingerprint(
    rule: str, old: str, new: str, source: str
) -> None:
    assert old in source
    before, after = fingerprint(source), fingerprint(source.replace(old, new))
    assert before.digest != after.digest
    assert before.parts != after.parts, "nothing could be named that differs"


@pytest.mark.parametrize(
    ("source", "spot"),
    [
        ("class B: pass\ndef main(): return B.__subclasses__()", "__subclasses__"),
        ("import inspect\ndef h(): pass\ndef main(): return inspect.getsource(h)", "text of code"),
        ("import numpy as np\nF = np.frompyfunc(lambda x: x, 1, 1)\ndef main(): return F(1)",
         "F"),
    ],
)  # fmt: skip
def test_what_the_outcome_goes_by_and_cannot_be_followed_is_named(source: str, spot: str) -> None:
    found = fingerprint(source).blind_spots
    assert any(spot in blind.what for blind in found)


def test_an_import_of_something_inside_a_module_that_is_no_package_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain.py").write_text("def __getattr__(name): return 1\nclass C: K = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    source = "import plain\ndef main():\n    from plain import C\n    return C.K, plain.other\n"
    first = fingerprint(source)
    assert {"module", "function"} <= {part.kind for part in first.parts}
    del sys.modules["plain"]


# --- functions that are made up -----------------------------------------------------------------

NAMES = st.sampled_from(["alpha", "beta", "gamma"])
EXPRESSIONS = st.recursive(
    NAMES | st.integers(0, 5).map(str) | st.sampled_from(["'a'", "None", "1.5", "x"]),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "==", "and", "or", "in"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        )
        | st.tuples(inner, inner).map(lambda parts: f"[{parts[0]}, {parts[1]}]")
        | st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})")
        | inner.map(lambda text: f"[{text} for item in x]")
        | inner.map(lambda text: f"helper({text})")
        | inner.map(lambda text: f"(lambda: {text})()")
    ),
    max_leaves=6,
)


def _indented(block: str) -> str:
    return "\n".join(f"    {line}" for line in block.splitlines())


STATEMENTS = st.recursive(
    st.tuples(NAMES, EXPRESSIONS).map(" = ".join)
    | EXPRESSIONS.map(lambda text: f"return {text}")
    | EXPRESSIONS.map(lambda text: f"print({text})"),
    lambda inner: (
        st.tuples(EXPRESSIONS, inner, inner).map(
            lambda p: f"if {p[0]}:\n{_indented(p[1])}\nelse:\n{_indented(p[2])}"
        )
        | st.tuples(inner, inner).map("\n".join)
        | inner.map(lambda block: f"for beta in x:\n{_indented(block)}")
        | inner.map(
            lambda block: f"try:\n{_indented(block)}\nexcept ValueError:\n    gamma = 0"
        )
        | inner.map(lambda block: f"with x:\n{_indented(block)}")
    ),
    max_leaves=6,
)  # fmt: skip
BODIES = st.lists(STATEMENTS, min_size=1, max_size=4).map("\n".join)


def program(body: str) -> str:
    return (
        "def helper(x): return x\n"
        "def main(x):\n    alpha = beta = gamma = 0\n"
        f"{_indented(body)}\n"
    )  # fmt: skip


QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


class Neutral(ast.NodeTransformer):
    """Other names for locals, annotations, a docstring."""

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id in ("alpha", "beta", "gamma"):
            node.id = f"{node.id}_renamed"
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.args.args[0].annotation = ast.parse("int", mode="eval").body
        node.returns = ast.parse("list[int]", mode="eval").body
        node.body.insert(0, ast.Expr(ast.Constant("Says something.")))
        return node


@QUICK
@given(BODIES)
def test_names_of_locals_annotations_docstrings_and_layout_do_not_count(body: str) -> None:
    source = program(body)
    tree = Neutral().visit(ast.parse(source))
    spread = ast.unparse(ast.fix_missing_locations(tree)).replace("\n", "  # a comment\n\n\n")
    assert fingerprint(spread).digest == fingerprint(source).digest


class Telling(ast.NodeTransformer):
    """Another constant, operator or branch at the place of a number."""

    def __init__(self, place: int) -> None:
        self.place = place

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Constant | ast.BinOp | ast.If | ast.Return):
            self.place -= 1
            if self.place == 0:
                return self._changed(node)
        return node

    def _changed(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Constant):
            return ast.Constant(7)
        if isinstance(node, ast.BinOp):
            return ast.BinOp(node.right, ast.Mult(), node.left)
        if isinstance(node, ast.If):
            return ast.If(node.test, node.orelse, node.body)
        return ast.Pass()


def outcome(source: str) -> list[str]:
    """What a program prints and gives, or raises, for a few arguments."""
    out: list[str] = []
    space: dict[str, Any] = {"print": lambda value: out.append(f"printed {value!r}")}
    exec(compile(source, "<made up>", "exec", dont_inherit=True), space)
    for argument in ([1, 2], "text", 3):
        try:
            out.append(repr(space["main"](argument)))
        except Exception as error:  # noqa: BLE001 - a made up program may raise anything
            out.append(repr(error))
    return [text.partition(" at 0x")[0] for text in out]


@QUICK
@given(BODIES, st.integers(1, 12))
def test_an_edit_after_which_a_program_does_something_else_changes_the_fingerprint(
    body: str, place: int
) -> None:
    source = ast.unparse(ast.parse(program(body)))
    tree = Telling(place).visit(ast.parse(source))
    edited = ast.unparse(ast.fix_missing_locations(tree))
    if outcome(source) != outcome(edited):
        assert fingerprint(source).digest != fingerprint(edited).digest
