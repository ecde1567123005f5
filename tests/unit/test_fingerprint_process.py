"""The fingerprint of the same code is the same in every process, however it came to run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FLOW = """
import enum, functools, logging, re
from dataclasses import dataclass, field
from typing import NamedTuple

log = logging.getLogger(__name__)
NAMES = {"a", "b", "c", "d"}
FROZEN = frozenset({"x", "y", "z"})
PATTERN = re.compile("a+")

class Color(enum.Enum):
    RED = 1

class Pair(NamedTuple):
    a: int
    b: "Color"

@dataclass
class Config:
    color: Color = Color.RED
    names: list[Pair] = field(default_factory=list)
    def rate(self): return len(NAMES)

@functools.singledispatch
def show(x): return 0
@show.register
def _(x: Config): return 1
@show.register
def _(x: int): return 2

@functools.lru_cache
def helper(x): return x in {"p", "q", "r"} and PATTERN

CONFIG = Config()
TABLE = {"show": show, "class": Config, Color.RED: helper, "more": {helper, show}}

def main(x, kind=Config, *, color=Color.RED):
    log.info(__name__)
    import other
    return TABLE, CONFIG, FROZEN, Pair(1, color), helper(x), other.f()

if __name__ == "__main__":
    import sys
    from pathlib import Path
    from pipekit.capture.fingerprint import Fingerprinter
    fingerprint = Fingerprinter(root=Path(__file__).parent).fingerprint(main)
    assert not any("__main__" in part.name for part in fingerprint.parts)
    print(fingerprint.digest)
"""
IMPORTED = """
import sys
from pathlib import Path
import {first}
from pipekit.capture.fingerprint import Fingerprinter
print(Fingerprinter(root=Path.cwd()).fingerprint(sys.modules["flow"].main).digest)
"""


def digest_in(folder: Path, *arguments: str, seed: str = "0") -> str:
    repository = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(repository), "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_script_a_module_and_an_import_of_the_same_code_have_one_fingerprint(
    tmp_path: Path,
) -> None:
    (tmp_path / "flow.py").write_text(FLOW)
    (tmp_path / "other.py").write_text("def f(): return 1")
    digests = {
        "script": digest_in(tmp_path, "flow.py", seed="1"),
        "absolute script": digest_in(tmp_path, str(tmp_path / "flow.py"), seed="2"),
        "module": digest_in(tmp_path, "-m", "flow", seed="3"),
        "import": digest_in(tmp_path, "-c", IMPORTED.format(first="flow"), seed="4"),
        "imported after another": digest_in(
            tmp_path, "-c", IMPORTED.format(first="other, flow"), seed="5"
        ),
    }
    assert len(set(digests.values())) == 1, digests


def test_a_copy_of_the_project_in_another_folder_has_the_same_fingerprint(tmp_path: Path) -> None:
    source = (
        "from pathlib import Path\nimport os\nHERE = Path(__file__).parent / 'data'\n"
        "TEXT = os.path.dirname(__file__)\ndef main(): return HERE, TEXT, __file__\n"
    )
    digests = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "flow.py").write_text(source)
        digests.add(digest_in(tmp_path / name, "-c", IMPORTED.format(first="flow")))
    assert len(digests) == 1
