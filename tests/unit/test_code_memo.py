"""Facts of code objects that come from the disk are those that would be found, or none come."""

from __future__ import annotations

import json
import marshal
import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import blake3
import pytest

from pipekit.capture import code_memo
from pipekit.capture.code_facts import CodeFacts, Facts, analyse
from pipekit.capture.code_memo import MOST_BYTES, CodeMemo, name_of

KEY = b"k" * 32
ALWAYS = -1e9
"""Also right after the sources of the analysis were edited, as while one works on them."""
MODULES = ("argparse", "difflib", "configparser", "textwrap", "tarfile", "dataclasses", "shlex")
"""Of the standard library, as a user's own."""


def codes_of(source: str | bytes, name: str = "some.py") -> list[CodeType]:
    return list(all_in(compile(source, name, "exec", dont_inherit=True)))


def all_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from all_in(constant)


def some_codes(count: int, mark: str = "") -> list[CodeType]:
    lines = (f"def f{mark}{n}(x): return g{n}.h(x, {n}) + {n}.5\n" for n in range(count))
    return codes_of("".join(lines))[1:]


def exact(value: object) -> object:
    """Equal for what is equal down to the types."""
    if isinstance(value, tuple):
        return (type(value).__name__, *map(exact, value))
    if isinstance(value, frozenset):
        return ("frozenset", *sorted(map(repr, map(exact, value))))
    return (type(value).__name__, repr(value))


def remembered(file: Path, codes: list[CodeType], key: bytes = KEY) -> int:
    """How many of the codes a new memo knows."""
    memo = CodeMemo(file, key)
    for code in codes:
        assert exact(memo.facts(code)) == exact(analyse(code))
    return len(codes) - memo.count_new()


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_memo, "_SETTLED_SECONDS", ALWAYS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "code-facts"


@pytest.fixture
def codes(file: Path) -> list[CodeType]:
    """Some that the file has."""
    found = some_codes(30)
    fill(file, found)
    assert remembered(file, found) == 30
    return found


def fill(file: Path, codes: list[CodeType]) -> None:
    memo = CodeMemo(file, KEY)
    for code in codes:
        memo.facts(code)
    memo.save()


def library_files() -> list[Path]:
    stdlib = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    installed = sorted(Path(sysconfig.get_path("purelib")).glob("*/*.py"))
    return stdlib[::3] + installed[::25][:60]


def test_facts_from_the_disk_are_those_that_are_found(file: Path) -> None:
    found: dict[bytes, object] = {}
    looked_at = 0
    for path in library_files():
        try:
            codes = codes_of(path.read_bytes(), str(path))
        except (SyntaxError, ValueError):
            continue
        file.unlink(missing_ok=True)
        fill(file, codes)
        # What was loaded from bytecode shares its constants in another way.
        loaded = list(all_in(marshal.loads(marshal.dumps(codes[0]))))
        memo = CodeMemo(file, KEY)
        for code, same in zip(codes, loaded, strict=True):
            name = name_of(code)
            assert name is not None
            assert name == name_of(same)
            facts = exact(analyse(code))
            assert exact(memo.facts(code)) == facts
            assert exact(memo.facts(same)) == facts
            assert found.setdefault(name, facts) == facts
        looked_at += len(codes)
    assert looked_at > 2000


PROGRAM = """
import json, sys
from pathlib import Path
from pipekit.capture.code_facts import Facts
from pipekit.capture.fingerprint import Fingerprinter
import flow
from pipekit.capture import code_memo
code_memo._SETTLED_SECONDS = -1e9
facts = Facts(Path(sys.argv[1]), lambda: b"k" * 32) if sys.argv[1:] else Facts()
made = Fingerprinter(root=Path.cwd(), facts=facts).fingerprint(flow.main)
facts.save()
parts = [(p.kind, p.name, p.digest, p.file) for p in made.parts]
spots = list(map(str, made.blind_spots))
used = len(facts._memo._used) if facts._memo else 0
print(json.dumps([[made.digest, parts, spots], used]))
"""


def test_a_fingerprint_is_the_same_with_and_without_a_memo(tmp_path: Path) -> None:
    flow = ""
    for name in MODULES:
        shutil.copy(Path(sysconfig.get_path("stdlib"), f"{name}.py"), tmp_path / f"my_{name}.py")
        defined = f"getattr(value, '__module__', '') == 'my_{name}'"
        flow += f"import my_{name}\n"
        flow += f"{name} = [value for value in vars(my_{name}).values() if {defined}]\n"
    (tmp_path / "flow.py").write_text(f"{flow}\ndef main(): return {', '.join(MODULES)}\n")

    def fingerprint(seed: int, *folder: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *folder], cwd=tmp_path, check=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)}, stdout=subprocess.PIPE, timeout=60,
        )  # fmt: skip
        return json.loads(done.stdout)

    cache = str(tmp_path / "cache")
    plain, cold, warm = fingerprint(1), fingerprint(2, cache), fingerprint(3, cache)
    assert plain[0] == cold[0] == warm[0]
    assert (cold[1], warm[1] > 300) == (0, True)


@pytest.mark.parametrize("keep", [0, 1, 31, 32, 33, 500, -1])
def test_a_torn_file_is_no_memo(file: Path, codes: list[CodeType], keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    assert remembered(file, codes) == 0


@pytest.mark.parametrize("place", [0, 31, 32, 40, 700, -1])
def test_a_file_with_one_other_byte_is_no_memo(
    file: Path, codes: list[CodeType], place: int
) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    assert remembered(file, codes) == 0


def test_a_file_that_was_signed_with_another_key_is_no_memo(
    file: Path, codes: list[CodeType]
) -> None:
    assert remembered(file, codes, b"o" * 32) == 0
    body = marshal.dumps({name_of(code): b"" for code in codes})
    file.write_bytes(blake3.blake3(body).digest() + body)
    assert remembered(file, codes) == 0


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "open to others", "too long"])
def test_what_is_not_a_private_file_is_no_memo(
    file: Path, codes: list[CodeType], kind: str
) -> None:
    content = file.read_bytes()
    if kind == "open to others":
        file.chmod(0o666)
    elif kind == "too long":
        file.write_bytes(content + bytes(MOST_BYTES))
    else:
        file.unlink()
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "link":
        aside = file.with_name("aside")
        aside.write_bytes(content)
        file.symlink_to(aside)
    assert remembered(file, codes) == 0
    fill(file, some_codes(5, "other"))
    assert [found.name for found in file.parent.iterdir() if "." in found.name] == []


def test_what_another_analysis_has_found_is_no_memo(
    file: Path, codes: list[CodeType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_memo, "_ANALYSIS", (analysis_at(tmp_path, "A = 1"),))
    fill(file, codes)
    assert remembered(file, codes) == 30
    analysis_at(tmp_path, "A = 2")
    assert remembered(file, codes) == 0


def test_an_analysis_that_was_edited_since_its_import_writes_and_reads_nothing(
    file: Path, codes: list[CodeType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = file.read_bytes()
    monkeypatch.setattr(code_memo, "_ANALYSIS", (analysis_at(tmp_path, "A = 1"),))
    monkeypatch.setattr(code_memo, "_SETTLED_SECONDS", 1.0)
    assert remembered(file, codes) == len(codes)  # it counts nothing as new
    fill(file, some_codes(5, "other"))
    assert file.read_bytes() == before


def analysis_at(folder: Path, text: str) -> ModuleType:
    path = folder / "analysis.py"
    path.write_text(text)
    module = ModuleType("analysis")
    module.__file__ = str(path)
    return module


def test_two_that_save_at_once_lose_nothing_of_what_was_saved_before(file: Path) -> None:
    mine, theirs = some_codes(10, "a"), some_codes(10, "b")
    one, other = CodeMemo(file, KEY), CodeMemo(file, KEY)
    for a, b in zip(mine, theirs, strict=True):
        one.facts(a), other.facts(b)
    one.save()
    other.save()
    assert remembered(file, mine + theirs) == 20


def test_processes_that_save_all_the_time_leave_a_whole_file(file: Path) -> None:
    program = f"""
        import sys
        from pathlib import Path
        from pipekit.capture import code_memo
        from pipekit.capture.code_memo import CodeMemo
        code_memo._SETTLED_SECONDS = {ALWAYS}
        for turn in range(40):
            memo = CodeMemo(Path({str(file)!r}), {KEY!r})
            text = f"def f{{sys.argv[1]}}_{{turn}}(x): return g(x)"
            memo.facts(compile(text, "a.py", "exec").co_consts[0])
            memo.save()
        memo = CodeMemo(Path({str(file)!r}), {KEY!r})
        assert memo._known
    """
    running = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), str(number)])
        for number in range(3)
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert [found.name for found in file.parent.iterdir()] == [file.name]
    assert CodeMemo(file, KEY)._known


def test_what_a_killed_process_has_left_behind_is_put_away(
    file: Path, codes: list[CodeType]
) -> None:
    left = file.with_name("code-facts.new")
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    more = some_codes(3, "more")
    fill(file, more[:1])
    fill(file, more[1:])
    assert [found.name for found in file.parent.iterdir()] == [file.name]
    assert remembered(file, codes + more[1:]) == 32


def test_code_has_the_same_name_before_it_runs_and_while_it_is_watched() -> None:
    space: dict[str, Any] = {}
    source = "def f(x):\n    total = 0\n    for n in range(x): total += n * 2\n    return total"
    exec(source, space)
    function = space["f"]
    before = name_of(function.__code__)
    for _ in range(100):
        function(20)
    assert name_of(function.__code__) == before
    traced: list[str] = []

    def trace(frame: object, event: str, argument: object) -> Any:
        traced.append(event)
        return trace

    earlier = sys.gettrace()
    sys.settrace(trace)
    try:
        function(20)
        during = name_of(function.__code__)
    finally:
        sys.settrace(earlier)
    assert during == before
    assert "line" in traced


def test_a_full_disk_leaves_the_file_as_it_was(file: Path, codes: list[CodeType]) -> None:
    before = file.read_bytes()
    program = f"""
        import resource, signal
        from pathlib import Path
        from pipekit.capture import code_memo
        from pipekit.capture.code_memo import CodeMemo
        code_memo._SETTLED_SECONDS = {ALWAYS}
        memo = CodeMemo(Path({str(file)!r}), {KEY!r})
        for number in range(50):
            memo.facts(compile(f"def f(x): return g{{number}}(x)", "a.py", "exec").co_consts[0])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
        memo.save()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)
    assert file.read_bytes() == before
    assert [found.name for found in file.parent.iterdir()] == [file.name]


def test_the_file_stays_small_and_keeps_what_was_used_lately(file: Path) -> None:
    first = some_codes(100, "first")
    fill(file, first)
    size = file.stat().st_size / 100
    many = int(MOST_BYTES / size) - 50
    fill(file, some_codes(many, "more"))
    assert file.stat().st_size <= MOST_BYTES + 32
    memo = CodeMemo(file, KEY)
    for code in (*first[-20:], *some_codes(60, "last")):
        memo.facts(code)
    memo.save()
    assert file.stat().st_size <= MOST_BYTES + 32
    assert remembered(file, some_codes(60, "last")) == 60
    assert remembered(file, first[-20:]) == 20
    assert remembered(file, first[:20]) == 0


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "constant",
    [bytearray(b"x"), memoryview(b"x"), Text("x"), [1], {1}, True.__class__, float("nan"), -1e999j
     * 0, object(), ((bytearray(b"x"),),), frozenset({Text("x")})],
    ids=lambda constant: type(constant).__name__,
)  # fmt: skip
def test_code_with_constants_that_no_compiler_makes_is_left_out(constant: object) -> None:
    code = some_codes(1)[0]
    code = code.replace(co_consts=(*code.co_consts, constant))
    assert name_of(code) is None
    outer = codes_of("def f(): pass")[0]
    assert name_of(outer.replace(co_consts=(code,))) is None


def test_constants_of_other_types_make_other_names() -> None:
    texts = ("1", "True", "1.0", "-0.0", "0.0", "'x'", "b'x'", "(1,)", "None", "...", "1j")
    names = {name_of(codes_of(f"def f(): return {text}")[1]) for text in texts}
    assert len(names) == len(texts)
    assert None not in names


def test_little_code_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    facts = Facts(tmp_path, lambda: KEY)
    for code in some_codes(19, "little"):
        facts.of(code)
    facts.save()
    assert list(tmp_path.iterdir()) == []


def test_what_was_found_before_the_memo_was_opened_is_kept_too(file: Path) -> None:
    facts = Facts(file.parent, lambda: KEY)
    codes = some_codes(40, "early")
    for code in codes:
        facts.of(code)
    facts.save()
    assert remembered(file, codes) == 40


def test_who_may_not_write_uses_what_is_there(file: Path, codes: list[CodeType]) -> None:
    before = file.read_bytes()
    facts = Facts(file.parent, lambda: KEY, writes=False)
    found: CodeFacts = facts.of(codes[0])
    for code in some_codes(40, "new"):
        facts.of(code)
    facts.save()
    assert exact(found) == exact(analyse(codes[0]))
    assert file.read_bytes() == before
