"""Modules that functions import when they run: which of their edits change the fingerprint, and
that it makes no difference whether they are imported already.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from test_fingerprint import DIFFERENT, SAME, Edit, edit, load_and_fingerprint

from pipekit.capture.fingerprint import Fingerprinter

USED = "def main(x):\n    from lib import f\n    return f(x)"
AS_MODULE = "def main(x):\n    import lib\n    return lib.f(x)"
TWO = "def f(x): return x + 1\ndef g(x): return x + 7"
CALLS = "def f(x): return g(x)\ndef g(x): return x + 7"

EDITS = [
    edit("a function that is used", "+ 1", "+ 2", DIFFERENT, USED, lib=TWO),
    edit("a function that is not", "+ 7", "+ 8", SAME, USED, lib=TWO),
    edit("a function that is used through the module", "+ 1", "+ 2", DIFFERENT, AS_MODULE, lib=TWO),
    edit("a function that is not, of a module", "+ 7", "+ 8", SAME, AS_MODULE, lib=TWO),
    edit("the order of functions", TWO, "\n".join(TWO.split("\n")[::-1]), SAME, USED, lib=TWO),
    edit("the order of methods", "    def f(s): return 1\n    def g(s): return 2",
         "    def g(s): return 2\n    def f(s): return 1", SAME,
         "def main():\n    from lib import C\n    return C().f()",
         lib="class C:\n    def f(s): return 1\n    def g(s): return 2"),
    edit("which of two methods has which name", "def f(s): return 1\n    def g(s): return 2",
         "def g(s): return 1\n    def f(s): return 2", DIFFERENT,
         "def main():\n    from lib import C\n    return C().f()",
         lib="class C:\n    def f(s): return 1\n    def g(s): return 2"),
    edit("a function that the used one calls", "+ 7", "+ 8", DIFFERENT, USED, lib=CALLS),
    edit("a comment", "+ 7", "+ 7  # seven", SAME, USED, lib=CALLS),
    edit("a variable", "A = 1", "A = 2", DIFFERENT, USED, lib=f"A = 1\n{TWO}"),
    edit("what the import executes", "log.append(1)", "log.append(2)", DIFFERENT, USED,
         lib=f"log = []\nlog.append(1)\n{TWO}"),
    edit("a function that the import calls", "+ 7", "+ 8", DIFFERENT, USED, lib=f"{TWO}\nA = g(1)"),
    edit("a function in a table", "+ 7", "+ 8", DIFFERENT,
         "def main(x):\n    from lib import TABLE\n    return TABLE['g'](x)",
         lib=f"{TWO}\nTABLE = {{'g': g}}"),
    edit("a default", "x=1", "x=2", DIFFERENT, USED, lib="def f(x=1): return x"),
    edit("a decorated function", "+ 7", "+ 8", DIFFERENT,
         "def main(x):\n    from lib import STEPS\n    return STEPS[0](x)",
         lib="STEPS = []\ndef add(f):\n    STEPS.append(f)\n@add\ndef g(x): return x + 7"),
    edit("a function that a decorator calls", "+ 7", "+ 8", DIFFERENT,
         "def main(x):\n    from lib import f\n    return f(x)",
         lib="def deco(f): return lambda x: g(x)\ndef g(x): return x + 7\n@deco\ndef f(x): pass"),
    edit("a method", "+ 1", "+ 2", DIFFERENT,
         "def main(x):\n    from lib import C\n    return C().f(x)",
         lib="class C:\n    def f(s, x): return x + 1"),
    edit("a function that a method calls", "+ 7", "+ 8", DIFFERENT,
         "def main(x):\n    from lib import C\n    return C().f(x)",
         lib="class C:\n    def f(s, x): return g(x)\ndef g(x): return x + 7"),
    edit("a function that is defined twice", "+ 1", "+ 2", DIFFERENT, USED,
         lib="def f(x): return x + 1\ntry:\n    import no_such_module\n    def f(x): return 0\n"
         "except ImportError: pass"),
    edit("a function that is set by another", "+ 7", "+ 8", DIFFERENT, USED,
         lib="def f(x): return g(x)\ndef g(x): return x\ndef put():\n    global g\n"
         "    g = lambda x: x + 7\nput()"),
    edit("a function that is imported from another module", "+ 1", "+ 2", DIFFERENT, USED,
         lib="from deep import f", deep=TWO),
    edit("another one there", "+ 7", "+ 8", SAME, USED, lib="from deep import f", deep=TWO),
    edit("under another name", "+ 1", "+ 2", DIFFERENT,
         "def main(x):\n    from lib import h\n    return h(x)",
         lib="from deep import f as h", deep=TWO),
    edit("through a module that is passed on", "+ 1", "+ 2", DIFFERENT,
         "def call(m, x): return m.f(x)\ndef main(x):\n    import lib\n    return call(lib, x)",
         lib="from deep import f", deep=TWO),
    edit("through a module that is passed on with a module in it", "+ 1", "+ 2", DIFFERENT,
         "def call(m, x): return m.deep.f(x)\n"
         "def main(x):\n    import lib\n    return call(lib, x)",
         lib="import deep", deep=TWO),
    edit("a module's __getattr__ that is not asked", "+ 7", "+ 8", SAME, USED,
         lib=f"{TWO}\ndef __getattr__(name): return g"),
    edit("by a star", "+ 1", "+ 2", DIFFERENT, USED, lib="from deep import *", deep=TWO),
    edit("through a module that a module imports", "+ 1", "+ 2", DIFFERENT,
         "def main(x):\n    import lib\n    return lib.deep.f(x)", lib="import deep", deep=TWO),
    edit("another one through it", "+ 7", "+ 8", SAME,
         "def main(x):\n    import lib\n    return lib.deep.f(x)", lib="import deep", deep=TWO),
    edit("from one of two modules", "+ 1", "+ 2", DIFFERENT, USED, deep=TWO,
         lib="try:\n    from no_such import f\nexcept ImportError:\n    from deep import f"),
    edit("in a package", "+ 1", "+ 2", DIFFERENT,
         "def main(x):\n    from pkg.lib import f\n    return f(x)", pkg__in____init__="",
         pkg__in__lib=TWO),
    edit("in a package, by its name", "+ 1", "+ 2", DIFFERENT,
         "def main(x):\n    import pkg.lib\n    return pkg.lib.f(x)", pkg__in____init__="",
         pkg__in__lib=TWO),
    edit("another one in a package, by its name", "+ 7", "+ 8", SAME,
         "def main(x):\n    import pkg.lib\n    return pkg.lib.f(x)", pkg__in____init__="",
         pkg__in__lib=TWO),
    edit("that a package takes from its module", "+ 1", "+ 2", DIFFERENT,
         "def main(x):\n    from pkg import f\n    return f(x)",
         pkg__in____init__="from .lib import f", pkg__in__lib=TWO),
    edit("of the name of its module", "+ 1", "+ 2", DIFFERENT,
         "def main(x):\n    from pkg import f\n    return f(x)",
         pkg__in____init__="from .f import f", pkg__in__f=TWO),
    edit("another one in the module of the name", "+ 7", "+ 8", SAME,
         "def main(x):\n    from pkg import f\n    return f(x)",
         pkg__in____init__="from .f import f", pkg__in__f=TWO),
    edit("a module of the name that the package has for something else", "+ 7", "+ 8", DIFFERENT,
         "def main(x):\n    import pkg.f\n    return pkg.f.g(x)",
         pkg__in____init__="from .deep import f", pkg__in__f=TWO,
         pkg__in__deep="def f(x): return x"),
    edit("what is taken from the module of the name", "+ 7", "+ 8", DIFFERENT,
         "def main(x):\n    from pkg.f import g\n    return g(x)",
         pkg__in____init__="from .f import f", pkg__in__f=TWO),
    edit("another one that a package does not take", "+ 7", "+ 8", SAME,
         "def main(x):\n    from pkg import f\n    return f(x)",
         pkg__in____init__="from .lib import f", pkg__in__lib=TWO),
    edit("a package's import", "A = 1", "A = 2", DIFFERENT,
         "def main(x):\n    from pkg.lib import f\n    return f(x)", pkg__in____init__="A = 1",
         pkg__in__lib=TWO),
    edit("what the package around takes, in a function", "+ 1", "+ 2", DIFFERENT,
         "from pkg.lib import main", pkg__in____init__="def f(x): return x + 1",
         pkg__in__lib="def main(x):\n    from pkg import f\n    return f(x)"),
    edit("a relative import of what the package around takes", "+ 1", "+ 2", DIFFERENT,
         "from pkg.lib import main", pkg__in____init__="def f(x): return x + 1",
         pkg__in__lib="def main(x):\n    from . import f\n    return f(x)"),
    edit("a relative module in the package around", "+ 1", "+ 2", DIFFERENT,
         "from pkg.lib import main", pkg__in____init__="", pkg__in__deep=TWO,
         pkg__in__lib="def main(x):\n    from . import deep\n    return deep.f(x)"),
    edit("an import in an imported function", "+ 1", "+ 2", DIFFERENT, USED, deep=TWO,
         lib="def f(x):\n    from deep import f\n    return f(x)"),
    edit("another one of that module", "+ 7", "+ 8", SAME, USED, deep=TWO,
         lib="def f(x):\n    from deep import f\n    return f(x)"),
    edit("an import in a function that is not used", "+ 1", "+ 2", SAME, USED, deep=TWO,
         lib="def f(x): return x\ndef g(x):\n    from deep import f\n    return f(x)"),
    edit("a module that refers back", "+ 1", "+ 2", DIFFERENT,
         "RATE = 1\ndef helper(x): return x + 1\n" + USED,
         lib="import flow\ndef f(x): return flow.helper(x)"),
    edit("two modules that import one another", "+ 1", "+ 2", DIFFERENT, USED,
         lib="import deep\ndef f(x): return deep.g(x)\ndef h(x): return x + 1",
         deep="import lib\ndef g(x): return lib.h(x)"),
    edit("in a nested function", "+ 1", "+ 2", DIFFERENT, lib=TWO, flow=
         "def main(x):\n    import lib\n    def inner(): return lib.f(x)\n    return inner()"),
    edit("in a class in a function", "+ 1", "+ 2", DIFFERENT, lib=TWO, flow=
         "def main(x):\n    class C:\n        import lib\n    return C.lib.f(x)"),
    edit("by a global of the function", "+ 1", "+ 2", DIFFERENT, lib=TWO, flow=
         "def load():\n    global lib\n    import lib\n"
         "def main(x):\n    load()\n    return lib.f(x)"),
    edit("by a variable of the function around", "+ 1", "+ 2", DIFFERENT, lib=TWO, flow=
         "def main(x):\n    lib = None\n    def load():\n        nonlocal lib\n        import lib\n"
         "    load()\n    return lib.f(x)"),
    edit("a module under another name", "+ 1", "+ 2", DIFFERENT, lib=TWO, flow=
         "def main(x):\n    import lib\n    other = lib\n    return other.f(x)"),
    edit("a module that is passed on", "+ 1", "+ 2", DIFFERENT, lib=TWO, flow=
         "def call(m, x): return m.f(x)\ndef main(x):\n    import lib\n    return call(lib, x)"),
    edit("a module in a list", "+ 1", "+ 2", DIFFERENT, lib=TWO, flow=
         "def main(x):\n    import lib\n    return [lib][0].f(x)"),
    edit("a module that is returned", "+ 1", "+ 2", DIFFERENT, lib=TWO, flow=
         "def load():\n    import lib\n    return lib\ndef main(x): return load().f(x)"),
    edit("by getattr with a constant", "+ 1", "+ 2", DIFFERENT, lib=TWO, flow=
         "def main(x):\n    import lib\n    return getattr(lib, 'f')(x)"),
    edit("by getattr with a computed name", "+ 1", "+ 2", DIFFERENT, lib=TWO, flow=
         "def main(x, n):\n    import lib\n    return getattr(lib, n)(x)"),
    edit("by the module's dict", "+ 1", "+ 2", DIFFERENT, lib=TWO, flow=
         "def main(x, n):\n    import lib\n    return lib.__dict__[n](x)"),
    edit("by vars", "+ 1", "+ 2", DIFFERENT, lib=TWO, flow=
         "def main(x, n):\n    import lib\n    return vars(lib)[n](x)"),
    edit("by locals", "+ 1", "+ 2", DIFFERENT, lib=TWO, flow=
         "def main(x):\n    import lib\n    return locals()['lib'].f(x)"),
    edit("by eval", "+ 1", "+ 2", DIFFERENT, lib=TWO, flow=
         "def main(x):\n    import lib\n    return eval('lib.f(x)')"),
    edit("by globals", "+ 7", "+ 8", DIFFERENT, USED,
         lib="def f(x): return globals()['g'](x)\ndef g(x): return x + 7"),
    edit("by the globals of a function", "+ 7", "+ 8", DIFFERENT, USED,
         lib="def f(x): return f.__globals__['g'](x)\ndef g(x): return x + 7"),
    edit("by sys.modules", "+ 7", "+ 8", DIFFERENT, USED,
         lib="import sys\ndef f(x): return sys.modules[__name__].g(x)\ndef g(x): return x + 7"),
    edit("by vars at the top", "+ 7", "+ 8", DIFFERENT, USED,
         lib="def f(x): return ALL['g'](x)\ndef g(x): return x + 7\nALL = vars()"),
    edit("by a module's __getattr__", "+ 7", "+ 8", DIFFERENT,
         "def main(x):\n    import lib\n    return lib.f(x)",
         lib="def __getattr__(name): return g\ndef g(x): return x + 7"),
    edit("by the module's import of itself", "+ 7", "+ 8", DIFFERENT, USED,
         lib="import lib\ndef f(x): return lib.g(x)\ndef g(x): return x + 7"),
    edit("by import_module", "+ 7", "+ 8", DIFFERENT, lib=TWO, flow=
         "import importlib\ndef main(x, n): return getattr(importlib.import_module('lib'), n)(x)"),
    edit("in an annotation that a decorator may read", "+ 7", "+ 8", DIFFERENT,
         "def main(x):\n    from lib import f\n    return f(x)",
         lib="def g(x): return x + 7\ndef deco(f):\n    return f.__annotations__['x']\n"
         "@deco\ndef f(x: g): pass"),
    edit("in an annotation as text", "+ 7", "+ 8", DIFFERENT,
         "def main(x):\n    from lib import C\n    return C(x)",
         lib="def g(x): return x + 7\nclass C:\n    value: 'g'"),
    edit("a library's function that a module has", "dumps", "loads", DIFFERENT,
         "def main(x):\n    import lib\n    return lib.d(x)", lib="from json import dumps as d"),
    edit("a docstring that is read", "'one'", "'two'", DIFFERENT,
         "def main():\n    from lib import f\n    return f.__doc__",
         lib="def f():\n    'one'\n    return 1"),
    edit("two docstrings that are read", "'one'\ndef g(): 'two'", "'two'\ndef g(): 'one'",
         DIFFERENT,
         "def main():\n    from lib import f\n    return f.__doc__",
         lib="def f(): 'one'\ndef g(): 'two'"),
    edit("the order of docstrings that are read", "def f(): 'one'\ndef g(): 'two'",
         "def g(): 'two'\ndef f(): 'one'", SAME,
         "def main():\n    from lib import f\n    return f.__doc__",
         lib="def f(): 'one'\ndef g(): 'two'"),
    edit("by globals in a function that is not used", "+ 7", "+ 8", SAME, USED,
         lib=f"{TWO}\ndef h(n): return globals()[n]"),
    edit("by globals in a function that is used by another", "+ 7", "+ 8", DIFFERENT,
         "def main(x):\n    from lib import i\n    return i('g', x)",
         lib=f"{TWO}\ndef h(n): return globals()[n]\ndef i(n, x): return h(n)(x)"),
    edit("by globals in a method", "+ 7", "+ 8", DIFFERENT,
         "def main(x):\n    from lib import C\n    return C().h('g', x)",
         lib=f"{TWO}\nclass C:\n    def h(s, n, x): return globals()[n](x)"),
    edit("a docstring of another function", "'two'", "'three'", SAME,
         "def main():\n    from lib import f\n    return f.__doc__",
         lib="def f(): 'one'\ndef g(): 'two'"),
    edit("an annotation that is read", "x: int", "x: str", DIFFERENT,
         "def main():\n    from lib import f\n    return f.__annotations__",
         lib="def f(x: int): pass\ndef g(y: int): pass"),
    edit("an annotation of another function", "y: int", "y: str", SAME,
         "def main():\n    from lib import f\n    return f.__annotations__",
         lib="def f(x: int): pass\ndef g(y: int): pass"),
    edit("a name that is not there", "def g", "def h", DIFFERENT,
         "def main(x):\n    import lib\n    return hasattr(lib, 'g')", lib=TWO),
    edit("a submodule that is passed on", "+ 1", "+ 2", DIFFERENT, pkg__in____init__="",
         pkg__in__lib=TWO, flow="def call(m, x): return m.f(x)\n"
         "def main(x):\n    from pkg import lib\n    return call(lib, x)"),
    edit("a conditional definition", "+ 7", "+ 8", DIFFERENT, USED,
         lib="A = 1\nif A:\n    def f(x): return x + 7\nelse:\n    f = None"),
    edit("a generator in a class body", "+ 7", "+ 8", DIFFERENT,
         "def main():\n    from lib import C\n    return C.A",
         lib="def g(x): return x + 7\nclass C:\n    A = [g(x) for x in (1, 2)]"),
    edit("a base class in another module", "+ 7", "+ 8", DIFFERENT,
         "def main():\n    from lib import C\n    return C().f(1)",
         lib="from deep import B\nclass C(B): pass",
         deep="class B:\n    def f(s, x): return x + 7"),
    edit("a patch of another module", "+ 7", "+ 8", DIFFERENT, USED, deep=TWO,
         lib="import deep\ndef g(x): return x + 7\ndeep.f = g\ndef f(x): return deep.f(x)"),
]  # fmt: skip


@pytest.mark.parametrize("case", EDITS, ids=[case.rule for case in EDITS])
def test_what_a_function_takes_from_a_module_counts_and_the_rest_does_not(
    case: Edit, tmp_path: Path
) -> None:
    before = load_and_fingerprint(tmp_path / "before", case.files)
    edited = {name: text.replace(case.old, case.new, 1) for name, text in case.files.items()}
    assert edited != case.files
    after = load_and_fingerprint(tmp_path / "after", edited)
    assert (SAME if before.digest == after.digest else DIFFERENT) == case.expected


@pytest.mark.parametrize("case", EDITS, ids=[case.rule for case in EDITS])
def test_it_makes_no_difference_whether_a_module_is_imported_already(
    case: Edit, tmp_path: Path
) -> None:
    assert len(digests_in_both_states(tmp_path, case.files)) == 1


def digests_in_both_states(folder: Path, files: Mapping[str, str]) -> set[str]:
    """Of one program, before the modules that its functions import are imported and after."""
    first = load_and_fingerprint(folder, files).digest
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        main = importlib.import_module("flow").main
        for name in files:
            importlib.import_module(
                name.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            )
        return {first, Fingerprinter(root=folder).fingerprint(main).digest}
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - known:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
                del sys.modules[name]
