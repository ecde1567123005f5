"""What cannot be followed, and what depends on the outside, is named with its line."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest

from pipekit.capture.fingerprint import Fingerprint, Fingerprinter

SPOTS = [
    ("import time\ndef main():\n    return time.time()", ["3: uses the clock: time.time()"]),
    ("from time import time\ndef main(): return time()", ["2: uses the clock: time.time()"]),
    ("import time\ndef main(): return time.strftime('%Y')", ["2: uses the clock: time.strftime()"]),
    ("import time\ndef main(t): return time.gmtime(t)", []),
    ("import time\ndef main(): time.sleep(0)", []),
    ("from datetime import datetime\ndef main(): return datetime.now()",
     ["2: uses the clock: datetime.now()"]),
    ("import datetime as d\ndef main(): return d.date.today()",
     ["2: uses the clock: datetime.date.today()"]),
    ("import random\ndef main(): return random.random()", ["2: uses chance: random.random()"]),
    ("from random import shuffle\ndef main(x): shuffle(x)", ["2: uses chance: random.shuffle()"]),
    ("import random\ndef main(): return random.Random(1)", []),
    ("import random\ndef main(): return random.Random()", ["2: uses chance: random.Random()"]),
    ("import numpy as np\ndef main(): return np.random.rand(3)",
     ["2: uses chance: numpy.random.rand()"]),
    ("import numpy as np\ndef main(): return np.random.default_rng(0)", []),
    ("import numpy as np\ndef main(s): return np.random.default_rng(s)", []),
    ("import numpy as np\ndef main(): return np.random.default_rng()",
     ["2: uses chance: numpy.random.default_rng()"]),
    ("def main():\n    import numpy as np\n    return np.random.rand()",
     ["3: uses chance: numpy.random.rand()"]),
    ("import uuid\ndef main(): return uuid.uuid4()", ["2: uses chance: uuid.uuid4()"]),
    ("import secrets\ndef main(): return secrets.token_hex()",
     ["2: uses chance: secrets.token_hex()"]),
    ("import os\ndef main(): return os.environ['A']", []),
    ("from os import environ\ndef main(): return environ.get('A')", []),
    ("import os\ndef main(): return os.getenv('A')", []),
    ("import os\ndef main(): return os.getenvb(b'A')", ["2: uses the environment: os.getenvb()"]),
    ("import pyarrow.parquet as pq\ndef main(): return pq.read_metadata('a')",
     ["2: reads files unseen: pyarrow.parquet.read_metadata()"]),
    ("from urllib.request import urlopen\ndef main(): return urlopen('x')",
     ["2: uses the network: urllib.request.urlopen()"]),
    ("import socket\ndef main():\n    try: return 1\n    except socket.timeout: return 2", []),
    ("import subprocess\ndef main(): return subprocess.run(['ls'])",
     ["2: uses another program: subprocess.run()"]),
    ("import lib\ndef main(n): return getattr(lib, n)()",
     ["2: getattr on module 'lib' with a computed name"]),
    ("def main(n):\n    import lib\n    return getattr(lib, n)()",
     ["3: getattr on module 'lib' with a computed name"]),
    ("def main(x, n): return getattr(x, n)", []),
    ("import importlib\ndef main(n): return importlib.import_module(n)",
     ["2: imports a module by a name that is computed"]),
    ("def main(n): return __import__(n)", ["1: imports a module by a name that is computed"]),
    ("def main(n):\n    return eval(n)",
     ["2: eval may reach code by a name that is computed"]),
    ("def main(n): return globals()[n]()",
     ["1: globals may reach code by a name that is computed"]),
    ("import sys\ndef main(n): return sys.modules[n]",
     ["2: sys.modules may reach code by a name that is computed"]),
    ("import pickle\ndef main(f): return pickle.load(f)",
     ["2: pickle.load may reach code by a name that is computed"]),
    ("from pickle import loads\ndef main(f): return loads(f)",
     ["2: _pickle.loads may reach code by a name that is computed"]),
    ("class A: pass\ndef main(): return A.__subclasses__()",
     ["2: finds classes by __subclasses__()"]),
    ("def main(x): return type(x).__doc__",
     ["1: takes __doc__ from what the code does not name, where it does not count"]),
    ("import inspect\ndef main(f): return inspect.signature(f)",
     ["2: uses the text of code: inspect.signature()"]),
    ("import numpy as np\ndef helper(x): return x\nuf = np.frompyfunc(helper, 1, 1)\n"
     "def main(x): return uf(x)",
     ["0: global 'flow.uf' is a ufunc, whose content is not seen (it says that it is "
      "'helper (vectorized)' of a module, and is not)"]),
]  # fmt: skip


def fingerprint_of(folder: Path, source: str) -> Fingerprint:
    (folder / "flow.py").write_text(source)
    (folder / "lib.py").write_text("def f(): return 1")
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        return Fingerprinter(root=folder).fingerprint(importlib.import_module("flow").main)
    finally:
        sys.path.remove(str(folder))
        for name in {"flow", "lib"} - known:
            sys.modules.pop(name, None)


@pytest.mark.parametrize(("source", "expected"), SPOTS)
def test_what_depends_on_the_outside_or_cannot_be_followed_is_named_with_its_line(
    source: str, expected: list[str], tmp_path: Path
) -> None:
    spots = fingerprint_of(tmp_path, source).blind_spots
    shown = [f"{s.line}: {s.what}" for s in spots if "while this process ran" not in s.what]
    assert [text.replace(".get()", "").replace("os.environ()", "os.environ") for text in shown] == (
        expected
    )


def test_a_global_whose_content_cannot_be_seen_is_named(tmp_path: Path) -> None:
    source = "import sqlite3\nDB = sqlite3.connect(':memory:')\ndef main(): return DB"
    (spot,) = fingerprint_of(tmp_path, source).blind_spots
    assert "global 'flow.DB' is a Connection" in spot.what
    assert spot.file == "flow.py"


def test_a_generator_of_chance_in_a_global_is_named(tmp_path: Path) -> None:
    source = "import numpy as np\nrng = np.random.default_rng(0)\ndef main(): return rng.random()"
    (spot,) = fingerprint_of(tmp_path, source).blind_spots
    assert spot.what == "uses chance: global 'flow.rng' is a Generator"


def test_a_helper_that_is_reached_names_its_blind_spots_too(tmp_path: Path) -> None:
    source = "import time\ndef helper(): return time.time()\ndef main(): return helper()"
    assert len(fingerprint_of(tmp_path, source).blind_spots) == 1


def test_a_helper_that_is_not_reached_names_nothing(tmp_path: Path) -> None:
    source = "import time\ndef helper(): return time.time()\ndef main(): return 1"
    assert fingerprint_of(tmp_path, source).blind_spots == ()


def test_a_module_changed_while_it_is_imported_counts_as_neither_of_its_files(
    tmp_path: Path,
) -> None:
    source = "def main():\n    import lib\n    return lib.f()"
    (tmp_path / "flow.py").write_text(source)
    lib = tmp_path / "lib.py"
    lib.write_text("RATE = int('3')\ndef f(): return RATE")
    sys.path.insert(0, str(tmp_path))
    importlib.invalidate_caches()
    try:
        main = importlib.import_module("flow").main
        old = Fingerprinter(root=tmp_path).fingerprint(main).digest
        importlib.import_module("lib")
        assert Fingerprinter(root=tmp_path).fingerprint(main).digest == old
        lib.write_text("RATE = int('4')\ndef f(): return RATE")
        os.utime(lib, ns=(1, 1))
        mixed = Fingerprinter(root=tmp_path).fingerprint(main).digest
        del sys.modules["lib"]
        new = Fingerprinter(root=tmp_path).fingerprint(main).digest
        assert len({old, mixed, new}) == 3
    finally:
        sys.path.remove(str(tmp_path))
        for name in ("flow", "lib"):
            sys.modules.pop(name, None)
