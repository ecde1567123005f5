"""Which edits of a program change the fingerprint of a function in it, as a table.

Each row is a program whose module `flow` has a function `main`, and an edit of it, as text to
replace. The two versions are imported one after the other under the same names.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from pipekit.capture.fingerprint import Fingerprint, Fingerprinter

SAME, DIFFERENT = "same", "different"


class Edit(NamedTuple):
    rule: str
    files: Mapping[str, str]
    old: str
    new: str
    expected: str


def edit(rule: str, old: str, new: str, expected: str, flow: str, **modules: str) -> Edit:
    files = {"flow.py": flow}
    files |= {f"{name.replace('__in__', '/')}.py": text for name, text in modules.items()}
    return Edit(rule, files, old, new, expected)


def load_and_fingerprint(folder: Path, files: Mapping[str, str]) -> Fingerprint:
    """Write a program, import it, and fingerprint its `main`; nothing of it stays imported."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        main = importlib.import_module("flow").main
        return Fingerprinter(root=folder).fingerprint(main)
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
                del sys.modules[name]


DEFINITIONS = [
    edit("the body of the function", "+ 1", "+ 2", DIFFERENT, "def main(x): return x + 1"),
    edit("the body of a helper", "+ 1", "+ 2", DIFFERENT,
         "def helper(x): return x + 1\ndef main(x): return helper(x)"),
    edit("a helper that is defined after its use", "+ 1", "+ 2", DIFFERENT,
         "def main(x): return helper(x)\ndef helper(x): return x + 1"),
    edit("a helper of a helper in another module", "+ 1", "+ 2", DIFFERENT,
         "from lib import first\ndef main(x): return first(x)",
         lib="from deep import second\ndef first(x): return second(x)",
         deep="def second(x): return x + 1"),
    edit("a constant", "1", "2", DIFFERENT, "def main(): return 1"),
    edit("a global number", "RATE = 3", "RATE = 4", DIFFERENT,
         "RATE = 3\ndef main(x): return x * RATE"),
    edit("a global dict", "'a': 1", "'a': 2", DIFFERENT,
         "CONFIG = {'a': 1}\ndef main(): return CONFIG['a']"),
    edit("the order of a global dict", "{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", DIFFERENT,
         "CONFIG = {'a': 1, 'b': 2}\ndef main(): return list(CONFIG)"),
    edit("a global list", "[1, 2]", "[2, 1]", DIFFERENT,
         "NAMES = [1, 2]\ndef main(): return NAMES"),
    edit("a global set", "{1, 2}", "{1, 3}", DIFFERENT,
         "NAMES = {1, 2}\ndef main(): return NAMES"),
    edit("the order of a global set", "{'a', 'b'}", "{'b', 'a'}", SAME,
         "NAMES = {'a', 'b'}\ndef main(): return NAMES"),
    edit("a global in the module of a helper", "RATE = 3", "RATE = 4", DIFFERENT,
         "from lib import scale\ndef main(x): return scale(x)",
         lib="RATE = 3\ndef scale(x): return x * RATE"),
    edit("a global that a comprehension reads", "RATE = 3", "RATE = 4", DIFFERENT,
         "RATE = 3\ndef main(xs): return [x * RATE for x in xs]"),
    edit("a global that a nested function reads", "RATE = 3", "RATE = 4", DIFFERENT,
         "RATE = 3\ndef main(x):\n    def inner(): return x * RATE\n    return inner()"),
    edit("a closure's value", "make(1)", "make(2)", DIFFERENT,
         "def make(n):\n    def inner(x): return x + n\n    return inner\nmain = make(1)"),
    edit("a closure's function", "+ 1", "+ 2", DIFFERENT,
         "def make(f):\n    def inner(x): return f(x)\n    return inner\n"
         "main = make(lambda x: x + 1)"),
    edit("which of two closures comes first", "[make(1), make(2)]", "[make(2), make(1)]", DIFFERENT,
         "def make(n): return lambda x: x + n\nBOTH = [make(1), make(2)]\n"
         "def main(x): return BOTH[0](x)"),
    edit("which of two lambdas comes first", "[lambda x: x + 1, lambda x: x + 2]",
         "[lambda x: x + 2, lambda x: x + 1]", DIFFERENT,
         "BOTH = [lambda x: x + 1, lambda x: x + 2]\ndef main(x): return BOTH[0](x)"),
    edit("a default argument", "x=1", "x=2", DIFFERENT, "def main(x=1): return x"),
    edit("a keyword-only default", "x=1", "x=2", DIFFERENT, "def main(*, x=1): return x"),
    edit("a default argument of a helper that is a function", "+ 1", "+ 2", DIFFERENT,
         "def one(x): return x + 1\ndef main(f=one): return f(1)"),
    edit("the name of a parameter", "main(x): return x", "main(y): return y", DIFFERENT,
         "def main(x): return x"),
    edit("a nested function", "+ 1", "+ 2", DIFFERENT,
         "def main(x):\n    def inner(): return x + 1\n    return inner()"),
    edit("a lambda", "+ 1", "+ 2", DIFFERENT, "f = lambda x: x + 1\ndef main(x): return f(x)"),
    edit("a comprehension", "+ 1", "+ 2", DIFFERENT, "def main(xs): return [x + 1 for x in xs]"),
    edit("1 and 1.0", "1", "1.0", DIFFERENT, "def main(): return 1"),
    edit("1 and True", "1", "True", DIFFERENT, "def main(): return 1"),
    edit("0.0 and -0.0", "0.0", "-0.0", DIFFERENT, "def main(): return 0.0"),
    edit("text and bytes", "'x'", "b'x'", DIFFERENT, "def main(): return 'x'"),
    edit("1 and 1.0 inside a tuple", "(1, 2)", "(1.0, 2)", DIFFERENT, "def main(): return (1, 2)"),
    edit("1 and 1.0 as a global", "ONE = 1", "ONE = 1.0", DIFFERENT,
         "ONE = 1\ndef main(): return ONE"),
    edit("above the nested function of an async function", "+ 1", "+ 2", DIFFERENT,
         "async def main(x):\n    y = x + 1\n    def inner(): return y\n    return inner()"),
    edit("async or not", "async def", "def", DIFFERENT, "async def main(x): return x"),
    edit("the operator of a comparison", "<", "<=", DIFFERENT, "def main(x): return x < 1"),
    edit("which exception is caught", "KeyError", "ValueError", DIFFERENT,
         "def main(x):\n    try: return x()\n    except KeyError: return 1"),
    edit("what a try block covers", "    try:\n        a(); b()\n    except KeyError: pass",
         "    a()\n    try: b()\n    except KeyError: pass", DIFFERENT,
         "def main(a, b):\n    try:\n        a(); b()\n    except KeyError: pass"),
    edit("a function in the same module that is not reached", "+ 1", "+ 2", SAME,
         "def other(x): return x + 1\ndef main(x): return x"),
    edit("a global that is not reached", "RATE = 3", "RATE = 4", SAME,
         "RATE = 3\ndef main(x): return x"),
    edit("recursion", "- 1", "- 2", DIFFERENT, "def main(x): return x and main(x - 1)"),
    edit("mutual recursion", "- 1", "- 2", DIFFERENT,
         "def odd(x): return main(x - 1)\ndef main(x): return x and odd(x)"),
    edit("generated code", "+ 1", "+ 2", DIFFERENT,
         "exec('def helper(x): return x + 1')\ndef main(x): return helper(x)"),
    edit("a registry that refers back", "+ 1", "+ 2", DIFFERENT,
         "def one(x): return STEPS and x + 1\nSTEPS = {'one': one}\n"
         "def main(x): return STEPS['one'](x)"),
    edit("a compiled regular expression", "a+", "b+", DIFFERENT,
         "import re\nP = re.compile('a+')\ndef main(x): return P.match(x)"),
    edit("a path, as text", "data/a.csv", "data/b.csv", DIFFERENT,
         "from pathlib import Path\nP = Path('data/a.csv')\ndef main(): return P"),
    edit("a numpy array", "[1, 2]", "[1, 3]", DIFFERENT,
         "import numpy as np\nA = np.array([1, 2])\ndef main(): return A"),
]  # fmt: skip

WRAPPED = [
    edit("the body of a decorator", "+ 10", "+ 20", DIFFERENT,
         "import functools\ndef deco(f):\n    @functools.wraps(f)\n"
         "    def inner(*a): return f(*a) + 10\n    return inner\n@deco\ndef main(x): return x"),
    edit("the function under a decorator that uses wraps", "x + 1", "x + 100", DIFFERENT,
         "import functools\ndef deco(f):\n    @functools.wraps(f)\n"
         "    def inner(*a): return f(*a)\n    return inner\n@deco\ndef main(x): return x + 1"),
    edit("the argument of a decorator", "times(2)", "times(3)", DIFFERENT,
         "def times(n):\n    def deco(f):\n        def inner(x): return f(x) * n\n"
         "        return inner\n    return deco\n@times(2)\ndef main(x): return x"),
    edit("a helper under lru_cache", "+ 1", "+ 2", DIFFERENT,
         "import functools\n@functools.lru_cache\ndef helper(x): return x + 1\n"
         "def main(x): return helper(x)"),
    edit("a function under contextmanager", "yield 1", "yield 2", DIFFERENT,
         "from contextlib import contextmanager\n@contextmanager\ndef given(): yield 1\n"
         "def main():\n    with given() as x: return x"),
    edit("the bound argument of a partial", "add, 1", "add, 2", DIFFERENT,
         "import functools\ndef add(a, b): return a + b\nplus = functools.partial(add, 1)\n"
         "def main(x): return plus(x)"),
    edit("the bound keyword of a partial", "b=1", "b=2", DIFFERENT,
         "import functools\ndef add(a, b): return a + b\nplus = functools.partial(add, b=1)\n"
         "def main(x): return plus(x)"),
    edit("the function of a partial that is the component", "a + b", "a - b", DIFFERENT,
         "import functools\ndef add(a, b): return a + b\nmain = functools.partial(add, 1)"),
    edit("a function registered for singledispatch", "+ 1", "+ 2", DIFFERENT,
         "import functools\n@functools.singledispatch\ndef show(x): return 0\n@show.register\n"
         "def _(x: int): return x + 1\ndef main(x): return show(x)"),
    edit("for which class a function is registered", "x: int", "x: float", DIFFERENT,
         "import functools\n@functools.singledispatch\ndef show(x): return 0\n@show.register\n"
         "def _(x: int): return x + 1\ndef main(x): return show(x)"),
    edit("a bound method", "self.n + 1", "self.n + 2", DIFFERENT,
         "class A:\n    n = 1\n    def m(self): return self.n + 1\nf = A().m\n"
         "def main(): return f()"),
    edit("the instance of a bound method", "A(1)", "A(2)", DIFFERENT,
         "class A:\n    def __init__(self, n): self.n = n\n    def m(self): return self.n\n"
         "f = A(1).m\ndef main(): return f()"),
    edit("a callable instance that is the component", "A(1)", "A(2)", DIFFERENT,
         "class A:\n    def __init__(self, n): self.n = n\n    def __call__(self): return self.n\n"
         "main = A(1)"),
    edit("the method of a callable instance", "self.n + 1", "self.n + 2", DIFFERENT,
         "class A:\n    n = 1\n    def __call__(self): return self.n + 1\nmain = A()"),
    edit("functools.cached_property", "return 1", "return 2", DIFFERENT,
         "import functools\nclass A:\n    @functools.cached_property\n    def n(self): return 1\n"
         "def main(): return A().n"),
]  # fmt: skip

CLASSES = [
    edit("a class attribute", "n = 1", "n = 2", DIFFERENT,
         "class A:\n    n = 1\ndef main(): return A.n"),
    edit("a method", "return 1", "return 2", DIFFERENT,
         "class A:\n    def m(self): return 1\ndef main(): return A().m()"),
    edit("a method of a base class", "return 1", "return 2", DIFFERENT,
         "from lib import Base\nclass A(Base): pass\ndef main(): return A().m()",
         lib="class Base:\n    def m(self): return 1"),
    edit("a property", "return 1", "return 2", DIFFERENT,
         "class A:\n    @property\n    def m(self): return 1\ndef main(): return A().m"),
    edit("a static method", "return 1", "return 2", DIFFERENT,
         "class A:\n    @staticmethod\n    def m(): return 1\ndef main(): return A.m()"),
    edit("a class method", "return 1", "return 2", DIFFERENT,
         "class A:\n    @classmethod\n    def m(cls): return 1\ndef main(): return A.m()"),
    edit("a static method made a class method", "staticmethod", "classmethod", DIFFERENT,
         "class A:\n    @staticmethod\n    def m(*a): return a\ndef main(): return A.m()"),
    edit("a metaclass", "n = 1", "n = 2", DIFFERENT,
         "class M(type):\n    n = 1\nclass A(metaclass=M): pass\ndef main(): return A.n"),
    edit("a descriptor", "return 1", "return 2", DIFFERENT,
         "class D:\n    def __get__(self, o, t): return 1\nclass A:\n    d = D()\n"
         "def main(): return A().d"),
    edit("the default of a dataclass's field", "n: int = 1", "n: int = 2", DIFFERENT,
         "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int = 1\n"
         "def main(): return A().n"),
    edit("the default factory of a dataclass's field", "[1]", "[2]", DIFFERENT,
         "from dataclasses import dataclass, field\n@dataclass\nclass A:\n"
         "    n: list = field(default_factory=lambda: [1])\ndef main(): return A().n"),
    edit("the type of a dataclass's field", "n: int", "n: float", DIFFERENT,
         "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int\n"
         "def main(x): return A(x).n"),
    edit("whether a dataclass is frozen", "frozen=True", "frozen=False", DIFFERENT,
         "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass A:\n    n: int\n"
         "def main(x): return A(x).n"),
    edit("a method of a dataclass", "self.n + 1", "self.n + 2", DIFFERENT,
         "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int = 1\n"
         "    def m(self): return self.n + 1\ndef main(): return A().m()"),
    edit("a member of an enumeration", "RED = 1", "RED = 2", DIFFERENT,
         "from enum import Enum\nclass Color(Enum):\n    RED = 1\n"
         "def main(): return Color.RED.value"),
    edit("a method of an enumeration", "+ 1", "+ 2", DIFFERENT,
         "from enum import Enum\nclass Color(Enum):\n    RED = 1\n"
         "    def m(self): return self.value + 1\n"
         "def main(): return Color.RED.m()"),
    edit("the fields of a named tuple", "a: int", "b: int", DIFFERENT,
         "from typing import NamedTuple\nclass P(NamedTuple):\n    a: int\n"
         "def main(x): return P(x)"),
    edit("the fields of a named tuple made by a call", "'a'", "'b'", DIFFERENT,
         "from collections import namedtuple\nP = namedtuple('P', 'a')\ndef main(x): return P(x)"),
    edit("the default of a pydantic field", "= 1", "= 2", DIFFERENT,
         "from pydantic import BaseModel\nclass A(BaseModel):\n    n: int = 1\n"
         "def main(): return A().n"),
    edit("the bound of a pydantic field", "gt=1", "gt=2", DIFFERENT,
         "from pydantic import BaseModel, Field\nclass A(BaseModel):\n    n: int = Field(gt=1)\n"
         "def main(x): return A(n=x).n"),
    edit("the validator of a pydantic model", "v + 1", "v + 2", DIFFERENT,
         "from pydantic import BaseModel, field_validator\nclass A(BaseModel):\n    n: int = 1\n"
         "    @field_validator('n')\n    @classmethod\n    def check(cls, v): return v + 1\n"
         "def main(x): return A(n=x).n"),
    edit("the class of a global instance", "self.n + 1", "self.n + 2", DIFFERENT,
         "class A:\n    n = 1\n    def m(self): return self.n + 1\na = A()\n"
         "def main(): return a.m()"),
    edit("an attribute of a global instance", "a.n = 1", "a.n = 2", DIFFERENT,
         "class A: pass\na = A()\na.n = 1\ndef main(): return a.n"),
    edit("a class inside a function", "n = 1", "n = 2", DIFFERENT,
         "def main():\n    class A:\n        n = 1\n    return A.n"),
    edit("the base of a class inside a function", "return 1", "return 2", DIFFERENT,
         "class Base:\n    def m(self): return 1\ndef main():\n    class A(Base): pass\n"
         "    return A().m()"),
    edit("the order of methods", "    def a(self): return 1\n    def b(self): return 2\n",
         "    def b(self): return 2\n    def a(self): return 1\n", SAME,
         "class A:\n    def a(self): return 1\n    def b(self): return 2\ndef main(): return A()"),
    edit("the docstring of a class", "old", "new", SAME,
         "class A:\n    'old'\n    def m(self): return 1\ndef main(): return A().m()"),
    edit("the docstring of a class inside a function", "'old'", "'new'", SAME,
         "def main():\n    class A:\n        'old'\n        n = 1\n    return A.n"),
    edit("an annotation of a plain class", "n: int = 1", "n: float = 1", SAME,
         "class A:\n    n: int = 1\ndef main(): return A.n"),
    edit("a base that is named with what cannot be pickled", "return 1", "return 2", DIFFERENT,
         "from typing import Callable, Generic, TypeVar\nT = TypeVar('T')\n"
         "class A(Generic[T]):\n    def m(self): return 1\n"
         "class B(A[Callable[..., 'Later']]): pass\ndef main(): return B().m()"),
    edit("a class that a field names by its text", "= 3", "= 4", DIFFERENT,
         "from __future__ import annotations\nfrom dataclasses import dataclass\n"
         "@dataclass\nclass N:\n    b: int = 3\n@dataclass\nclass M:\n    n: list[N]\n"
         "def main(make): return make(M)"),
    edit("a class that a field names before it is there", "= 3", "= 4", DIFFERENT,
         "from dataclasses import dataclass\nfrom typing import Optional\n"
         "@dataclass\nclass M:\n    n: Optional['N']\n@dataclass\nclass N:\n    b: int = 3\n"
         "def main(make): return make(M)"),
    edit("a model behind a type adapter", "= 3", "= 4", DIFFERENT,
         "from pydantic import BaseModel, TypeAdapter\nclass N(BaseModel):\n    b: int = 3\n"
         "LIST = TypeAdapter(list[N])\ndef main(x): return LIST.validate_python(x)"),
    edit("how an attrs field is named in the call", "'q'", "'r'", DIFFERENT,
         "import attrs\n@attrs.define\nclass N:\n    a: int = attrs.field(alias='q')\n"
         "def main(x): return N(**x)"),
    edit("whether an attrs field is compared", "eq=True", "eq=False", DIFFERENT,
         "import attrs\n@attrs.define\nclass N:\n    a: int = attrs.field(eq=True)\n"
         "def main(): return N(1) == N(2)"),
    edit("the metadata of an attrs field", "{'k': 1}", "{'k': 2}", DIFFERENT,
         "import attrs\n@attrs.define\nclass N:\n"
         "    a: int = attrs.field(metadata={'k': 1})\n"
         "def main(): return attrs.fields(N).a.metadata['k']"),
    edit("what a flag does with bits that it does not know", "KEEP)", "CONFORM)", DIFFERENT,
         "from enum import CONFORM, KEEP, Flag\nclass F(Flag, boundary=KEEP):\n    A = 1\n"
         "def main(): return F(3)"),
    edit("code of the user's on top of a lock or the like", "rate = 3", "rate = 4", DIFFERENT,
         "import threading\nclass Settings(threading.local):\n    rate = 3\n"
         "SETTINGS = Settings()\ndef main(x): return x * SETTINGS.rate"),
]  # fmt: skip

OBJECTS = [
    edit("which class a method of C is of", "date.isoformat", "datetime.isoformat", DIFFERENT,
         "from datetime import date, datetime\nshow = date.isoformat\ndef main(x): return show(x)"),
    edit("what a method of C is bound to", "(5)", "(6)", DIFFERENT,
         "add = (5).__add__\ndef main(x): return add(x)"),
    edit("an object that pickles as a name: its class", "return 1", "return 2", DIFFERENT,
         "class Missing:\n    def __reduce__(self): return 'MISSING'\n"
         "    def m(self): return 1\nMISSING = Missing()\ndef main(): return MISSING.m()"),
    edit("an object that pickles as a name: what it holds", "n = 1", "n = 2", DIFFERENT,
         "class Missing:\n    def __reduce__(self): return 'MISSING'\n"
         "MISSING = Missing()\nMISSING.n = 1\ndef main(): return MISSING.n"),
    edit("a class that is made anew by its name", "+ 1", "+ 2", DIFFERENT,
         "class M:\n    def __reduce__(self): return make, ('M',)\n"
         "    def m(self, x): return x + 1\n"
         "def make(name): return ALL[name]()\nALL = {}\nONE = M()\ndef main(x): return ONE.m(x)"),
    edit("the default of a context variable", "=3", "=4", DIFFERENT,
         "from contextvars import ContextVar\nR = ContextVar('R', default=3)\n"
         "def main(x): return x * R.get()"),
    edit("what stands in a read-only mapping", ": 1", ": 2", DIFFERENT,
         "from types import MappingProxyType, SimpleNamespace\n"
         "S = SimpleNamespace(a=MappingProxyType({'a': 1}))\ndef main(): return S.a['a']"),
]  # fmt: skip

NAMES = [
    edit("a local's name where `locals()` is asked", "one", "two", DIFFERENT,
         "def main(x):\n    one = x\n    return locals()"),
    edit("which local has a name that a text names", "lo, hi", "hi, lo", DIFFERENT,
         "def main(sql):\n    lo, hi = 1, 2\n    return sql('select * from lo')"),
    edit("a local's name that no text names", "one", "two", SAME,
         "def main(sql):\n    one = 1\n    return sql('select * from lo')"),
    edit("a docstring that is asked for", "old", "new", DIFFERENT,
         "def helper(): 'old'\ndef main(): return helper.__doc__"),
    edit("the docstring of a class that is asked for", "old", "new", DIFFERENT,
         "class A:\n    'old'\ndef main(): return A.__doc__"),
    edit("the docstring of the module that is asked for", "old", "new", DIFFERENT,
         "'old'\ndef main(): return __doc__"),
    edit("annotations that are asked for", "a: int", "a: str", DIFFERENT,
         "def helper(a: int): pass\ndef main(): return helper.__annotations__"),
]  # fmt: skip

COMPONENTS = [
    edit("a component that a component calls", "+ 1", "+ 2", DIFFERENT,
         "from pipekit import component\n@component\ndef helper(x): return x + 1\n"
         "@component\ndef main(x): return helper(x)"),
    edit("a component in a registry", "+ 1", "+ 2", DIFFERENT,
         "from pipekit import component\n@component\ndef helper(x): return x + 1\n"
         "ALL = {'helper': helper}\n@component\ndef main(x): return ALL['helper'](x)"),
    edit("how a component runs", "retries=1", "retries=2", SAME,
         "from pipekit import component\n@component(retries=1)\ndef main(x): return x"),
    edit("what a component reports", "log_metric('a'", "log_metric('a'", SAME,
         "import pipekit\ndef main(x): pipekit.log_metric('a', x)"),
]  # fmt: skip

IMPORTS = [
    edit("an alias of another function", "import a as h", "import b as h", DIFFERENT,
         "from lib import a as h\ndef main(x): return h(x)",
         lib="def a(x): return x + 1\ndef b(x): return x + 1"),
    edit("an alias of another function of the standard library", "floor as f", "ceil as f",
         DIFFERENT, "from math import floor as f\ndef main(x): return f(x)"),
    edit("an alias of another module of the standard library", "import math as m",
         "import cmath as m", DIFFERENT, "import math as m\ndef main(x): return m.sqrt(x)"),
    edit("an alias of another ufunc", "add as f", "subtract as f", DIFFERENT,
         "from numpy import add as f\ndef main(x): return f(x, 1)"),
    edit("a function that is taken from a module", "+ 1", "+ 2", DIFFERENT,
         "import lib\ndef main(x): return lib.f(x)", lib="def f(x): return x + 1"),
    edit("a function of the module that is not taken", "- 1", "- 2", SAME,
         "import lib\ndef main(x): return lib.f(x)",
         lib="def f(x): return x + 1\ndef g(x): return x - 1"),
    edit("a number that is taken from a module", "RATE = 3", "RATE = 4", DIFFERENT,
         "import lib\ndef main(x): return x * lib.RATE", lib="RATE = 3"),
    edit("a function at the end of a chain of modules", "+ 1", "+ 2", DIFFERENT,
         "import pack.sub.mod\ndef main(x): return pack.sub.mod.f(x)",
         pack__in____init__="", pack__in__sub__in____init__="",
         pack__in__sub__in__mod="def f(x): return x + 1"),
    edit("a function taken by getattr with a constant name", "+ 1", "+ 2", DIFFERENT,
         "import lib\ndef main(x): return getattr(lib, 'f')(x)", lib="def f(x): return x + 1"),
    edit("a relative import", "+ 1", "+ 2", DIFFERENT,
         "from pack.a import main", pack__in____init__="",
         pack__in__a="from .b import f\ndef main(x): return f(x)",
         pack__in__b="def f(x): return x + 1"),
    edit("a star import", "+ 1", "+ 2", DIFFERENT,
         "from lib import *\ndef main(x): return f(x)", lib="def f(x): return x + 1"),
    edit("a conditional import", "+ 1", "+ 2", DIFFERENT,
         "try:\n    from missing_module import f\nexcept ImportError:\n    from lib import f\n"
         "def main(x): return f(x)", lib="def f(x): return x + 1"),
    edit("an import inside the function", "+ 1", "+ 2", DIFFERENT,
         "def main(x):\n    from lib import f\n    return f(x)", lib="def f(x): return x + 1"),
    edit("an import inside a helper, of what imports another", "+ 1", "+ 2", DIFFERENT,
         "def helper(x):\n    import lib\n    return lib.f(x)\ndef main(x): return helper(x)",
         lib="from deep import g\ndef f(x): return g(x)", deep="def g(x): return x + 1"),
    edit("a relative import inside the function", "+ 1", "+ 2", DIFFERENT,
         "from pack.a import main", pack__in____init__="",
         pack__in__a="def main(x):\n    from . import b\n    return b.f(x)",
         pack__in__b="def f(x): return x + 1"),
    edit("a module imported by a constant name", "+ 1", "+ 2", DIFFERENT,
         "import importlib\ndef main(x): return importlib.import_module('lib').f(x)",
         lib="def f(x): return x + 1"),
    edit("a comment in a module that the function imports", "# old", "# new", SAME,
         "def main(x):\n    from lib import f\n    return f(x)",
         lib="# old\ndef f(x): return x + 1"),
    edit("a module that is passed on", "+ 1", "+ 2", DIFFERENT,
         "import lib\ndef use(m, x): return m.f(x)\ndef main(x): return use(lib, x)",
         lib="def f(x): return x + 1"),
    edit("a module in a closure", "+ 1", "+ 2", DIFFERENT,
         "def make():\n    import lib\n    def inner(x): return lib.f(x)\n    return inner\n"
         "main = make()", lib="def f(x): return x + 1"),
]  # fmt: skip

LAYOUT = [
    edit("a comment", "# old", "# new", SAME, "def main(x):\n    # old\n    return x"),
    edit("lines above", "# top", "# top\n\n\n", SAME, "# top\ndef main(x):\n    return x"),
    edit("the format", "x + 1", "(x +\n            1)", SAME, "def main(x):\n    return x + 1"),
    edit("the format of a condition", "x and y and z", "(x\n        and y\n        and z)", SAME,
         "def main(x, y, z):\n    if x and y and z:\n        return 1\n    return 2"),
    edit("a docstring", "'old'", "'new'", SAME, "def main(x):\n    'old'\n    return x"),
    edit("a docstring that is removed", "    'old'\n", "", SAME,
         "def main(x):\n    'old'\n    return None"),
    edit("an annotation", "x: int", "x: 'float'", SAME, "def main(x: int): return x"),
    edit("an annotation of a nested function", "y: int", "y: list[float]", SAME,
         "def main(x):\n    def inner(y: int, z=x) -> int: return x + y\n    return inner"),
    edit("an annotation of a local", "y: int = x", "y = x", SAME,
         "def main(x):\n    y: int = x\n    return y"),
    edit("the name of a local", "total", "amount", SAME,
         "def main(x):\n    total = x\n    return total"),
    edit("the name of a local that a nested function uses", "total", "aa", SAME,
         "def main(x):\n    total = x\n    other = 2\n"
         "    def inner(): return total + other\n    return inner()"),
    edit("two locals that change places", "return a - b", "return b - a", DIFFERENT,
         "def main(x):\n    a = x\n    b = 2\n    return a - b"),
    edit("two captured locals that change places", "return a - b", "return b - a", DIFFERENT,
         "def main(x):\n    a = x\n    b = 2\n    def inner(): return a - b\n    return inner()"),
    edit("a __future__ import", "import os", "from __future__ import annotations", SAME,
         "import os\ndef main(x): return x"),
    edit("a logger", "'a'", "'b'", SAME,
         "import logging\nlog = logging.getLogger('a')\ndef main(x): log.info(x)"),
    edit("another kind of lock", "Lock()", "RLock()", DIFFERENT,
         "import threading\nlock = threading.Lock()\ndef main(x):\n    with lock: return x"),
]  # fmt: skip

TABLE = DEFINITIONS + WRAPPED + CLASSES + OBJECTS + NAMES + COMPONENTS + IMPORTS + LAYOUT


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.rule)
def test_an_edit_changes_the_fingerprint_exactly_where_it_can_change_the_outcome(
    case: Edit, tmp_path: Path
) -> None:
    assert any(case.old in text for text in case.files.values()), "the edit changes nothing"
    edited = {name: text.replace(case.old, case.new) for name, text in case.files.items()}
    before = load_and_fingerprint(tmp_path / "before", case.files)
    after = load_and_fingerprint(tmp_path / "after", edited)
    assert (SAME if before.digest == after.digest else DIFFERENT) == case.expected


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.rule)
def test_plain_code_gives_the_same_fingerprint_again_and_has_no_blind_spots(
    case: Edit, tmp_path: Path
) -> None:
    first = load_and_fingerprint(tmp_path / "first", case.files)
    second = load_and_fingerprint(tmp_path / "second", case.files)
    assert first.digest == second.digest
    # The files are newer than this process: that is named where one was imported already.
    assert [spot for spot in first.blind_spots if "while this process ran" not in spot.what] == []
