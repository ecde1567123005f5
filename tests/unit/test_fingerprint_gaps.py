"""Ways in which code reaches other code that are easily missed: an edit there is another
fingerprint, or the way is named as a blind spot.
"""

from __future__ import annotations

# ruff: noqa: E501 - a program stands in one line
import json
from fractions import Fraction
from pathlib import Path

import pandas
import pytest
from test_fingerprint import load_and_fingerprint

REACHED = [
    pytest.param(
        "from typing import TypeVar\nclass N:\n    v = 1\nT = TypeVar('T', bound=N)\ndef main(): return T.__bound__.v",
        "v = 1",
        "v = 2",
        {},
        id="bound of a type variable",
    ),
    pytest.param(
        "from typing import TypeVar\nclass N:\n    v = 1\nT = TypeVar('T', N, int)\ndef main(): return T.__constraints__[0].v",
        "v = 1",
        "v = 2",
        {},
        id="constraint of a type variable",
    ),
    pytest.param(
        "from typing import TypeVar\nT = TypeVar('T', bound='int')\ndef main(): return T.__bound__",
        "'int'",
        "'str'",
        {},
        id="bound of a type variable as a text",
    ),
    pytest.param(
        "from typing import NewType\nclass N:\n    v = 1\nU = NewType('U', N)\ndef main(): return U.__supertype__.v",
        "v = 1",
        "v = 2",
        {},
        id="class behind a new type",
    ),
    pytest.param(
        "import contextvars\nV = contextvars.ContextVar('v', default=1)\ndef main(): return V.get()",
        "default=1",
        "default=2",
        {},
        id="contextvar default",
    ),
    pytest.param(
        "import logging\nclass L(logging.Logger):\n    def f(self): return 1\nLOG = L('x')\ndef main(): return LOG.f()",
        "return 1",
        "return 2",
        {},
        id="logger subclass",
    ),
    pytest.param(
        "import logging\nclass L(logging.Logger): pass\nLOG = L('x')\nLOG.k = 1\ndef main(): return LOG.k",
        "k = 1",
        "k = 2",
        {},
        id="logger subclass attr",
    ),
    pytest.param(
        "import threading\nclass T(threading.local):\n    k = 1\nT = T()\ndef main(): return T.k",
        "k = 1",
        "k = 2",
        {},
        id="thread local subclass",
    ),
    pytest.param(
        "import pandas as pd\n@pd.api.extensions.register_dataframe_accessor('geo')\nclass G:\n    def __init__(self, o): pass\n    def f(self): return 1\ndef main(): return pd.DataFrame().geo.f()",
        "return 1",
        "return 2",
        {},
        id="pandas accessor",
    ),
    pytest.param(
        "import json\njson.foo = lambda: 1\ndef main(): return json.foo()",
        ": 1",
        ": 2",
        {},
        id="monkeypatch module fn",
    ),
    pytest.param(
        "import decimal, fractions\nfractions.Fraction.foo = lambda s: 1\ndef main(): return fractions.Fraction(1).foo()",
        ": 1",
        ": 2",
        {},
        id="monkeypatch lib class method",
    ),
    pytest.param(
        "import fractions\nfractions.Fraction.limit_denominator = lambda s: 1\ndef main(): return fractions.Fraction(1).limit_denominator()",
        ": 1",
        ": 2",
        {},
        id="monkeypatch lib class existing",
    ),
    pytest.param(
        "def helper(x: 'int'): pass\ndef main(): return helper.__annotations__",
        "'int'",
        "'str'",
        {},
        id="annotations",
    ),
    pytest.param(
        "import typing\ndef helper(x: int): pass\ndef main(): return typing.get_type_hints(helper)",
        "x: int",
        "x: str",
        {},
        id="get_type_hints",
    ),
    pytest.param(
        "N = 1\ndef setn():\n    global N\n    N = 2\ndef main():\n    setn()\n    return N",
        "N = 2",
        "N = 3",
        {},
        id="store global",
    ),
    pytest.param(
        "import functools\nclass C:\n    pass\ndef f(self): return 1\np = functools.cached_property(f)\np.__set_name__(C, 'p')\nC.p = p\ndef main(): return C().p",
        "return 1",
        "return 2",
        {},
        id="cached_property assigned",
    ),
    pytest.param(
        "import operator, lib\ng = operator.attrgetter('f')\ndef main(): return g(lib)()",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="attrgetter",
    ),
    pytest.param(
        "import operator, lib\ndef main(): return operator.attrgetter('f')(lib)()",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="attrgetter inline",
    ),
    pytest.param(
        "import operator, lib\ndef main(): return operator.methodcaller('f')(lib)",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="methodcaller",
    ),
    pytest.param(
        "import operator\nclass C:\n    @staticmethod\n    def f(): return 1\ndef main(): return operator.attrgetter('f')(C)()",
        "return 1",
        "return 2",
        {},
        id="attrgetter class",
    ),
    pytest.param(
        "import lib\ndef main(n): return getattr(lib, n)()",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="computed getattr",
    ),
    pytest.param(
        "import builtins, lib\ndef main(n): return builtins.getattr(lib, n)()",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="getattr builtins module",
    ),
    pytest.param(
        "import lib\ndef main(n): return lib.__dict__[n]()",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="lib.__dict__",
    ),
    pytest.param(
        "import lib\ndef main(n): return vars(lib)[n]()",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="vars(lib)",
    ),
    pytest.param(
        "import lib\ndef h(m, n): return getattr(m, n)()\ndef main(n): return h(lib, n)",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="module passed to helper",
    ),
    pytest.param(
        "import lib\ndef main(n):\n    m = lib\n    return m.f()",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="module in local",
    ),
    pytest.param(
        "import lib\nM = {'a': lib}\ndef main(n):\n    return M['a'].f()",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="module in global dict",
    ),
    pytest.param(
        "import lib\nclass C:\n    m = lib\ndef main(n):\n    return C.m.f()",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="module in class attr",
    ),
    pytest.param(
        "import lib\ndef main(m=lib):\n    return m.f()",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="module in default",
    ),
    pytest.param(
        "import lib\ndef main(n): return list(map(getattr, [lib], [n]))",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="map(getattr)",
    ),
    pytest.param(
        "def a(): return 1\nD = {'a': a}\ndef main(n): return D[n]()",
        "return 1",
        "return 2",
        {},
        id="dispatch dict",
    ),
    pytest.param(
        "import functools\nclass C:\n    @functools.singledispatchmethod\n    def f(self, x): return 0\n    @f.register\n    def _(self, x: int): return 1\ndef main(): return C().f(1)",
        "return 1",
        "return 2",
        {},
        id="singledispatchmethod",
    ),
    pytest.param(
        "import lib\ndef main(): return lib.dyn",
        "return 1",
        "return 2",
        {"lib": "def __getattr__(n): return 1"},
        id="pep562",
    ),
    pytest.param(
        "class B:\n    def __init_subclass__(cls): cls.n = 1\nclass C(B): pass\ndef main(): return C.n",
        "n = 1",
        "n = 2",
        {},
        id="init_subclass",
    ),
    pytest.param(
        "class M(type):\n    def f(cls): return 1\nclass C(metaclass=M): pass\ndef main(): return C.f()",
        "return 1",
        "return 2",
        {},
        id="metaclass",
    ),
    pytest.param(
        "class D:\n    def __get__(s, o, t): return 1\nclass C:\n    d = D()\ndef main(): return C.d",
        "return 1",
        "return 2",
        {},
        id="descriptor",
    ),
    pytest.param(
        "import typing\nclass P(typing.Protocol):\n    def f(self): return 1\nclass C(P): pass\ndef main(): return C().f()",
        "return 1",
        "return 2",
        {},
        id="protocol",
    ),
    pytest.param(
        "import typing\n@typing.runtime_checkable\nclass P(typing.Protocol):\n    a: int\ndef main(x): return isinstance(x, P)",
        "    a: int",
        "    b: int",
        {},
        id="runtime protocol members",
    ),
    pytest.param(
        "import dataclasses\n@dataclasses.dataclass\nclass C:\n    a: list = dataclasses.field(default_factory=lambda: [1])\ndef main(): return C()",
        "[1]",
        "[2]",
        {},
        id="default_factory",
    ),
    pytest.param(
        "import pydantic\nclass C(pydantic.BaseModel):\n    a: int\n    @pydantic.field_validator('a')\n    @classmethod\n    def v(cls, x): return x + 1\ndef main(): return C(a=1)",
        "+ 1",
        "+ 2",
        {},
        id="pydantic validator",
    ),
    pytest.param(
        "import pydantic, typing\nT = typing.Annotated[int, pydantic.AfterValidator(lambda x: x + 1)]\nclass C(pydantic.BaseModel):\n    a: T\ndef main(): return C(a=1)",
        "+ 1",
        "+ 2",
        {},
        id="pydantic annotated",
    ),
    pytest.param(
        "import enum\nclass E(enum.Enum):\n    A = 1\n    def f(self): return 1\ndef main(): return E.A.f()",
        "return 1",
        "return 2",
        {},
        id="enum method",
    ),
    pytest.param(
        "exec('def helper(): return 1')\ndef main(): return helper()",
        "return 1",
        "return 2",
        {},
        id="exec",
    ),
    pytest.param(
        "import collections\nP = collections.namedtuple('P', 'a b')\ndef main(): return P(1, 2)",
        "'a b'",
        "'b a'",
        {},
        id="namedtuple",
    ),
    pytest.param("def main(f=lambda: 1): return f()", ": 1", ": 2", {}, id="lambda default"),
    pytest.param(
        "from lib import *\ndef main(): return f()",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="star import",
    ),
    pytest.param(
        "def main(x):\n    if x:\n        from lib import f\n    else:\n        f = None\n    return f()",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="conditional import",
    ),
    pytest.param(
        "import importlib\ndef main(): return importlib.import_module('lib').f()",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="importlib const",
    ),
    pytest.param(
        "import importlib\nm = importlib.import_module('lib')\ndef main(): return m.f()",
        "return 1",
        "return 2",
        {"lib": "def f(): return 1"},
        id="import_module aliased at top",
    ),
    pytest.param(
        "import weakref\nclass C:\n    n = 1\nc = C()\nW = weakref.ref(c)\ndef main(): return W().n",
        "n = 1",
        "n = 2",
        {},
        id="weakref",
    ),
    pytest.param(
        "import weakref\ndef f(): return 1\nW = weakref.WeakValueDictionary(a=f)\ndef main(): return W['a']()",
        "return 1",
        "return 2",
        {},
        id="weakvaluedict",
    ),
    pytest.param("G = iter([1])\ndef main(): return next(G)", "[1]", "[2]", {}, id="iter global"),
    pytest.param(
        "import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def f(self): ...\nclass C(A):\n    def f(self): return 1\nR = [C()]\ndef main(): return R[0].f()",
        "return 1",
        "return 2",
        {},
        id="executor in class",
    ),
    pytest.param(
        "import atexit, json\ndef d(o): return 1\nclass E(json.JSONEncoder):\n    default = lambda s, o: d(o)\nENC = E()\ndef main(): return ENC.encode(object())",
        "return 1",
        "return 2",
        {},
        id="lib callback registry",
    ),
    pytest.param(
        "import string\nclass T(string.Template):\n    delimiter = '%'\ndef main(): return T('%a').substitute(a=1)",
        "'%'",
        "'#'",
        {},
        id="string.Template subclass",
    ),
    pytest.param(
        "class B:\n    def f(self): return 1\nclass C(B):\n    def f(self): return super().f()\ndef main(): return C().f()",
        "return 1",
        "return 2",
        {},
        id="__class__ cell/super",
    ),
    pytest.param(
        "class C:\n    n = 1\nI = C()\ndef main(): return type(I).n",
        "n = 1",
        "n = 2",
        {},
        id="reload arg class attr via type(x)",
    ),
    pytest.param(
        "import lib\ndef main(): return hasattr(lib, 'x')",
        "y = 1",
        "x = 1",
        {"lib": "y = 1"},
        id="del attr hasattr",
    ),
    pytest.param(
        "import lib\ndef main(n): return hasattr(lib, n)",
        "y = 1",
        "x = 1",
        {"lib": "y = 1"},
        id="hasattr dyn",
    ),
]

pytestmark = pytest.mark.filterwarnings("ignore:registration of accessor")


@pytest.fixture(autouse=True)
def libraries_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the programs put onto libraries is taken off again."""
    monkeypatch.setattr(Fraction, "limit_denominator", Fraction.limit_denominator)
    monkeypatch.setattr(Fraction, "foo", None, raising=False)
    monkeypatch.setattr(json, "foo", None, raising=False)
    monkeypatch.setattr(pandas.DataFrame, "geo", None, raising=False)
    monkeypatch.setattr(pandas.DataFrame, "_accessors", set(pandas.DataFrame._accessors))


@pytest.mark.parametrize(("flow", "old", "new", "modules"), REACHED)
def test_an_edit_of_what_is_reached_changes_the_fingerprint(
    tmp_path: Path, flow: str, old: str, new: str, modules: dict[str, str]
) -> None:
    before = {"flow.py": flow, **{f"{name}.py": text for name, text in modules.items()}}
    after = {name: text.replace(old, new) for name, text in before.items()}
    assert after != before
    first = load_and_fingerprint(tmp_path / "before", before)
    assert first.digest != load_and_fingerprint(tmp_path / "after", after).digest


NAMED = [
    ("import contextvars\nV = contextvars.ContextVar('v')\nV.set(1)\ndef main(): return V.get()",
     "ContextVar, whose value is not seen"),
    ("import threading\nT = threading.local()\nT.k = 1\ndef main(): return T.k",
     "threading.local, whose content is not seen"),
    ("class B: pass\ndef main(): return B.__subclasses__()", "__subclasses__()"),
    ("import sys\ndef main(n): return sys.modules[n].f()", "sys.modules"),
    ("N = 1\ndef main(): return globals()['N']", "globals"),
    ("def g():\n    yield 1\nG = g()\ndef main(): return next(G)", "a generator, whose content"),
    ("import flow\ndef main(n): return flow.__dict__[n]", "computed name"),
]  # fmt: skip


@pytest.mark.parametrize(("flow", "what"), NAMED)
def test_what_cannot_be_followed_is_named(tmp_path: Path, flow: str, what: str) -> None:
    spots = load_and_fingerprint(tmp_path, {"flow.py": flow}).blind_spots
    assert any(what in spot.what for spot in spots)
