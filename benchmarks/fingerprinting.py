"""What keys cost: the fingerprint of a component that reaches 300 functions in 20 modules, the
digest of 200 MB, and the keys of small arguments.

Every fingerprint is taken in a process of its own, right after the project was imported, as in a
worker; with the memo of code that an earlier process has left in the home, and without one, in
turn. Its floor is the import of the same project from bytecode; that of the digest is BLAKE3 with
as many threads over the same buffer; that of a small key is BLAKE3 of a few bytes.

    python benchmarks/fingerprinting.py
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from blake3 import blake3
from measurement import Row, arguments, in_turn, median_seconds, report, run_process

MODULES, FUNCTIONS = 20, 15

MODULE = '''
"""Module {number}."""
import json
import math
from dataclasses import dataclass
from pathlib import Path
{imports}

LIMIT_{number} = {number}
NAMES_{number} = {{"a": 1, "b": [1, 2, 3], "c": ("x", {number})}}


@dataclass
class Config_{number}:
    rate: float = 0.5
    names: tuple[str, ...] = ()

    def scaled(self, factor: float) -> float:
        """A docstring."""
        return self.rate * factor + LIMIT_{number}
'''
FUNCTION = '''

def work_{number}_{index}(values: list[float], *, limit: int = {index}) -> dict[str, float]:
    """One of many functions of ordinary length."""
    config = Config_{number}(rate=limit / 10)
    kept = [value for value in values if value > limit and not math.isnan(value)]
    if not kept:
        raise ValueError(f"nothing above {{limit}} of {{len(values)}}")
    total = 0.0
    for place, value in enumerate(sorted(kept)):
        if place % 2:
            total += config.scaled(value)
        elif value in NAMES_{number}:
            total -= NAMES_{number}[value]
        else:
            total = max(total, value ** 2, key=lambda item: -item)
    try:
        text = json.dumps({{"total": total, "count": len(kept)}}, sort_keys=True)
    except (TypeError, OverflowError) as error:
        text = str(error)
    return {{"total": total, "size": len(text), **{called}(kept[:limit])}}
'''
MEASURE = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, {folder!r})
import pipekit.capture.fingerprint as capture, pipekit.model.object_value
from pipekit.capture.code_facts import Facts
start = time.perf_counter()
import module_0
imported = time.perf_counter() - start
folder = sys.argv[1:]
facts = Facts(Path(folder[0]), lambda: bytes(32)) if folder else None
start = time.perf_counter()
made = capture.Fingerprinter(facts=facts).fingerprint(module_0.work_0_0)
first = time.perf_counter() - start
start = time.perf_counter()
capture.Fingerprinter().fingerprint(module_0.work_0_0)
again = time.perf_counter() - start
functions = sum(part.kind == "function" for part in made.parts)
print(json.dumps([imported, first, again, functions]))
"""


def write_project(folder: Path) -> None:
    """A chain of functions through all modules, round and round."""
    for number in range(MODULES):
        following = (number + 1) % MODULES
        imports = f"import module_{following}"
        text = MODULE.format(number=number, imports=imports)
        for index in range(FUNCTIONS):
            if index + 1 < FUNCTIONS:
                called = f"work_{number}_{index + 1}"
            else:
                called = f"module_{following}.work_{following}_0"
            text += FUNCTION.format(number=number, index=index, called=called)
        (folder / f"module_{number}.py").write_text(text)


def fingerprint_rows(repeat: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="pipekit-benchmark-") as folder:
        write_project(Path(folder))
        program = MEASURE.format(folder=folder)
        command = (sys.executable, "-c", program)
        memo = f"{folder}/cache"
        run_process(*command, memo)  # compiles the project, and leaves a memo
        found, warm = [], []
        for _ in range(repeat):
            found.append(json.loads(run_process(*command)))
            warm.append(json.loads(run_process(*command, memo)))
    imported, first, again, functions = (
        sorted(column)[repeat // 2] for column in zip(*found, strict=True)
    )
    remembered = sorted(first for _, first, _, _ in warm)[repeat // 2]
    return [
        Row(f"fingerprint of {functions} functions, fresh process", 1000 * first, "ms",
            "import", 1000 * imported),
        Row("the same with the memo of an earlier process", 1000 * remembered, "ms",
            "import", 1000 * imported),
        Row("the same for a new run in that process", 1000 * again, "ms",
            "import", 1000 * imported),
    ]  # fmt: skip


def digest_row(repeat: int) -> Row:
    import numpy

    from pipekit.model.hashing import Hasher

    array = numpy.random.default_rng(0).random(25_000_000)
    hasher = Hasher()

    def timed(action: object) -> float:
        start = time.perf_counter()
        action()  # type: ignore[operator]
        return time.perf_counter() - start

    raw = array.view("u1")
    figure, floor = in_turn(
        repeat,
        lambda _: timed(lambda: hasher.digest(array)),
        lambda _: timed(lambda: blake3(raw, max_threads=2).digest()),
    )
    return Row("digest of 200 MB of numpy", 1000 * figure, "ms", "BLAKE3", 1000 * floor)


def key_rows(repeat: int) -> list[Row]:
    from pipekit.model.hashing import Hasher, digest_bytes

    hasher = Hasher()
    rounds = range(2000)
    floor = median_seconds(lambda: [blake3(b"int:5").hexdigest() for _ in rounds], repeat)
    rows = []
    for name, value in (
        ("an int", 5), ("a text", "some text"), ("a tuple of four", (1, 2.5, "a", None)),
        ("a dict of four", {"a": 1, "b": 2.5, "c": "x", "d": None}),
    ):  # fmt: skip

        def make(value: object = value) -> object:
            return [digest_bytes("scheme", "name", hasher.digest(value)) for _ in rounds]

        taken = median_seconds(make, repeat)
        scale = 1e6 / len(rounds)
        rows.append(Row(f"key of {name}", taken * scale, "µs", "BLAKE3", floor * scale))
    return rows


if __name__ == "__main__":
    options = arguments(__doc__).parse_args()
    report(
        [*fingerprint_rows(options.repeat), digest_row(options.repeat), *key_rows(options.repeat)],
        as_json=options.json,
    )
