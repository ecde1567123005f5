"""Real libraries as the user's project, changed in one place at a time: does the key of a component
that uses them change where the outcome may, and only there?

A *false hit* is an edit that changes what the component gives, or what a function does that ran,
and leaves the code fingerprint as it was: the cache would give a wrong value. A *false miss* is an
edit that cannot matter (a comment, a local's name, a function that nothing reaches) and changes the
fingerprint. Each edit is looked at in a process of its own that has imported nothing of the
project; it takes the fingerprint before it calls the component, as a worker does.

    python benchmarks/mutations.py --count 1000
    python benchmarks/mutations.py --library click --only 17    # one edit again, with its diff
"""

from __future__ import annotations

import argparse
import bisect
import difflib
import dis
import importlib.machinery
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from mutation_libraries import LIBRARIES, PREFIX, Library, Mentions, copy_library
from mutation_operators import Edit, Text, meaningful_edits, neutral_edits

import pipekit.model.library_value
import pipekit.model.object_value  # noqa: F401 - once, for all children
from pipekit.capture import source_module
from pipekit.capture.fingerprint import Fingerprinter

_SECONDS = 5
_MEMORY_BYTES = 3 << 30
_NEUTRAL_SHARE = 0.35
BY_FILE = "a function imports this module, which therefore counts by its file"


class Seen(NamedTuple):
    """What a fresh process found."""

    failure: str = ""
    """Why there is no fingerprint: the project cannot be imported, or took too long."""
    digest: str = ""
    outcome: str = ""
    parts: tuple[str, ...] = ()
    spots: tuple[str, ...] = ()
    ran: tuple[tuple[str, int, str], ...] = ()
    """File, first line and qualified name of each function of the project that ran."""


class Case(NamedTuple):
    """An edit, and where."""

    library: str
    number: int
    file: str
    edit: Edit
    neutral: bool


class Verdict(NamedTuple):
    case: Case
    word: str
    """`hit`, `false hit`, `miss`, `false miss`, or why it does not count."""
    why: str = ""


class Project:
    """A library's copy in a folder, and its code as it is without any edit."""

    def __init__(self, library: Library, folder: Path) -> None:
        self.library = library
        self.folder = folder
        self.files = copy_library(library, folder)
        self.sources = {str(file): file.read_text() for file in self.files}
        self.codes = {path: _compile(text, path) for path, text in self.sources.items()}
        flow = str(folder / "flow.py")
        self.codes[flow] = _compile(library.flow, flow)
        self._preload()

    def _preload(self) -> None:
        """Import what the project imports from elsewhere, so that no child has to."""
        seen = self._in_child(self._names_imported)
        for name in json.loads(seen or "[]"):
            if not name.startswith((PREFIX, "flow")):
                try:
                    __import__(name)
                except ImportError:
                    continue

    def _names_imported(self) -> str:
        before = set(sys.modules)
        self._enter({})
        __import__("flow")
        return json.dumps(sorted(set(sys.modules) - before))

    def look(self, file: str = "", source: str = "", *, trace: bool = False) -> Seen:
        """Import the project with one file changed, take the fingerprint, call the component."""
        changed: dict[str, CodeType] = {}
        if file:
            try:
                changed[file] = _compile(source, file)
            except (SyntaxError, ValueError) as error:
                return Seen(failure=f"no Python: {error}")
            Path(file).write_text(source)
        try:
            answer = self._in_child(lambda: self._look(changed, trace))
        finally:
            if file:
                Path(file).write_text(self.sources[file])
        if answer is None:
            return Seen(failure="too slow, or it died")
        fields = json.loads(answer)
        return Seen(**{**fields, "ran": tuple(map(tuple, fields.get("ran", ())))})

    def _enter(self, changed: dict[str, CodeType]) -> None:
        sys.path.insert(0, str(self.folder))
        sys.dont_write_bytecode = True
        codes = {**self.codes, **changed}
        read = importlib.machinery.SourceFileLoader.get_code

        def get_code(loader: Any, name: str) -> CodeType | None:
            return codes.get(loader.get_filename(name)) or read(loader, name)

        importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
        # This process begins here: the file was changed before.
        source_module._WATCHING_SINCE = time.time() + 1  # type: ignore[attr-defined]

    def _look(self, changed: dict[str, CodeType], trace: bool) -> str:
        self._enter(changed)
        try:
            main = __import__("flow").main
        except BaseException as error:  # noqa: BLE001 - the edited project may raise anything
            return json.dumps({"failure": f"no import: {error!r:.200}"})
        fingerprint = Fingerprinter(root=self.folder).fingerprint(main)
        ran: set[tuple[str, int, str]] = set()
        outcome = self._call(main, ran if trace else None)
        seen = {
            "digest": fingerprint.digest,
            "outcome": outcome.replace(str(self.folder), ""),
            "parts": [f"{part.kind} {part.name}" for part in fingerprint.parts],
            "spots": [f"{spot.file}:{spot.line} {spot.what}" for spot in fingerprint.blind_spots],
            "ran": sorted(ran),
        }
        return json.dumps(seen)

    def _call(self, main: Any, ran: set[tuple[str, int, str]] | None) -> str:
        folder = str(self.folder)

        def watch(frame: FrameType, event: str, _: object) -> None:
            code = frame.f_code
            if ran is not None and code.co_filename.startswith(folder):
                name = f"{frame.f_globals.get('__name__')}.{code.co_qualname}"
                ran.add((code.co_filename, code.co_firstlineno, name))

        sys.settrace(watch if ran is not None else None)
        try:
            return repr(main())
        except BaseException as error:  # noqa: BLE001 - and so may the component
            return f"raised {error!r}"
        finally:
            sys.settrace(None)

    def _in_child(self, action: Any) -> str | None:
        """What an action gives in a process of its own; None where that dies or takes too long."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            status = 1
            try:
                resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
                null = os.open(os.devnull, os.O_RDWR)
                for descriptor in (0, 1) if sys.stderr else ():
                    os.dup2(null, descriptor)
                answer = action().encode()
                while answer:
                    answer = answer[os.write(writer, answer) :]
                status = 0
            except BaseException as error:  # noqa: BLE001 - a child must never go on
                print(f"the harness or the fingerprint failed: {error!r}", file=sys.stderr)
            finally:
                os._exit(status)
        os.close(writer)
        try:
            return _read_all(reader, pid)
        finally:
            os.close(reader)

    def judge(self, case: Case, base: Seen) -> Verdict:
        """What becomes of the key, and whether that is right."""
        edited = case.edit.apply(self.sources[case.file])
        seen = self.look(case.file, edited)
        if seen.failure:
            return Verdict(case, "not imported", seen.failure)
        same_key = seen.digest == base.digest
        same_outcome = seen.outcome == base.outcome
        if case.neutral:
            if not same_outcome:
                return Verdict(case, "not neutral", seen.outcome)
            if same_key:
                return Verdict(case, "hit")
            by_file = f"module {self.module_name(case.file)}" in base.parts
            return Verdict(case, "false miss", BY_FILE if by_file else "")
        if not same_key:
            return Verdict(case, "miss")
        if not same_outcome:
            return Verdict(case, "false hit", "the outcome is another")
        place = (case.file, case.edit.function_line)
        ran = {(file, line) for file, line, _ in base.ran}
        if place in ran and not _alike(_compile(edited, case.file), self.codes[case.file]):
            return Verdict(case, "false hit", "a function that ran is another")
        return Verdict(case, "does not matter")

    def module_name(self, file: str) -> str:
        parts = Path(file).relative_to(self.folder).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def outside(self, base: Seen) -> list[str]:
        """Functions that ran and do not belong to anything in the fingerprint."""
        parts = {part.partition(" ")[2] for part in base.parts}
        found = []
        for _, _, name in base.ran:
            names = name.split(".")
            prefixes = {".".join(names[:end]) for end in range(1, len(names) + 1)}
            if not prefixes & parts and name not in parts:
                found.append(name)
        return found


def _read_all(reader: int, pid: int) -> str | None:
    """All that the child writes before its time is over. The child is gone afterwards."""
    chunks: list[bytes] = []
    end = time.monotonic() + _SECONDS
    while True:
        ready = select.select([reader], [], [], max(0.0, end - time.monotonic()))[0]
        chunk = os.read(reader, 1 << 16) if ready else b""
        if not chunk:
            break
        chunks.append(chunk)
    if not ready:
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    return b"".join(chunks).decode() if status == 0 and ready else None


def _compile(source: str, path: str) -> CodeType:
    return compile(source, path, "exec", dont_inherit=True)


def _alike(one: CodeType, two: CodeType) -> bool:
    """Whether two code objects are the same but for lines, names of variables, the order in which
    they keep constants, and instructions that do nothing: by `dis`, and so without anything that
    the fingerprint is made with."""
    (mine, my_handlers), (others, other_handlers) = _steps(one), _steps(two)
    return (
        len(mine) == len(others)
        and all(map(_is_same, mine, others))
        and my_handlers == other_handlers
        and _docstring(one) == _docstring(two)
        and one.co_names == two.co_names
        and one.co_flags == two.co_flags
    )


_CONSTANTS = frozenset(dis.hasconst)
_JUMPS = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)
_Step = tuple[int, Any]


def _is_same(mine: _Step, other: _Step) -> bool:
    if mine[0] != other[0] or mine[0] not in _CONSTANTS:
        return mine == other
    if isinstance(mine[1], CodeType) and isinstance(other[1], CodeType):
        return _alike(mine[1], other[1])
    return repr((type(mine[1]), mine[1])) == repr((type(other[1]), other[1]))


def _docstring(code: CodeType) -> list[str]:
    return [constant for constant in code.co_consts[:1] if isinstance(constant, str)]


def _steps(code: CodeType) -> tuple[list[_Step], list[tuple[int, ...]]]:
    """Operations with their constants or numbers, without `NOP`, and handlers; with places instead
    of offsets."""
    kept = [step for step in dis.get_instructions(code) if step.opname not in _NOTHING]
    offsets = [step.offset for step in kept]

    def place(offset: int) -> int:
        return bisect.bisect_left(offsets, offset)

    def argument(step: dis.Instruction) -> Any:
        if step.opcode in _JUMPS:
            return place(step.argval)
        return step.argval if step.opcode in _CONSTANTS else step.arg

    ranges = [
        (place(entry.start), place(entry.end), place(entry.target), entry.depth, entry.lasti)
        for entry in dis._parse_exception_table(code)  # type: ignore[attr-defined]
    ]
    handlers = [entry for entry in ranges if entry[0] < entry[1]]
    return [(step.opcode, argument(step)) for step in kept], handlers


_NOTHING = frozenset({"NOP", "EXTENDED_ARG"})
"""`dis` has put extended arguments together."""


def all_cases(project: Project) -> list[Case]:
    """Every edit of a project, in the order of the text."""
    mentions = Mentions(project.library.flow, list(project.sources.values()))
    found: list[Case] = []
    for file, source in project.sources.items():
        text = Text(source)
        for neutral, edits in (
            (False, meaningful_edits(text)),
            (True, neutral_edits(text, mentions.is_missing)),
        ):
            for edit in edits:
                found.append(Case(project.library.name, len(found), file, edit, neutral))
    return found


def choose(cases: list[Case], base: Seen, count: int, seed: int) -> list[Case]:
    """Some of the cases: of those that may matter mostly such as lie in what ran, and of every kind
    of the others about as many."""
    chance = random.Random(seed)
    ran = {(file, line) for file, line, _ in base.ran}
    files = {file for file, _, _ in base.ran}
    meaningful = [case for case in cases if not case.neutral]
    near = [
        case
        for case in meaningful
        if (case.file, case.edit.function_line) in ran
        or (case.edit.where != "function" and case.file in files)
    ]
    far = [case for case in meaningful if case not in set(near)]
    by_kind: dict[str, list[Case]] = {}
    for case in cases:
        if case.neutral and (case.file in files or chance.random() < 0.2):
            by_kind.setdefault(case.edit.kind, []).append(case)
    neutral_count = round(count * _NEUTRAL_SHARE)
    for group in (near, far, *by_kind.values()):
        chance.shuffle(group)
    neutral: list[Case] = []
    while by_kind and len(neutral) < neutral_count:
        for kind in list(by_kind):
            if by_kind[kind]:
                neutral.append(by_kind[kind].pop())
            else:
                del by_kind[kind]
    wanted = count - neutral_count
    return [*near[: wanted - wanted // 10], *far[: wanted // 10], *neutral[:neutral_count]]


def run(
    library: Library, count: int, seed: int, *, only: int | None, progress: bool
) -> tuple[list[Verdict], dict[str, Any]]:
    """Look at `count` edits of a library, or at the one that is asked for."""
    folder = Path(tempfile.mkdtemp(prefix="pipekit-mutations-"))
    try:
        project = Project(library, folder.resolve())
        base = project.look(trace=True)
        again = project.look()
        if base.failure or (base.digest, base.outcome) != (again.digest, again.outcome):
            raise SystemExit(f"{library.name}: not the same twice: {base.failure} {again.failure}")
        if base.outcome.startswith("raised"):
            raise SystemExit(f"{library.name}: {base.outcome}")
        cases = all_cases(project)
        chosen = choose(cases, base, count, seed) if only is None else [cases[only]]
        verdicts = []
        for place, case in enumerate(chosen):
            verdicts.append(project.judge(case, base))
            if progress and place % 20 == 19:
                print(f"\r{library.name}: {place + 1} of {len(chosen)} ", end="", file=sys.stderr)
        if only is not None:
            _show(project, chosen[0], base)
        about = {
            "style": library.style,
            "functions that ran": len(base.ran),
            "parts": len(base.parts),
            "ran outside of the parts": project.outside(base),
            "blind spots": list(base.spots),
        }
        return verdicts, about
    finally:
        shutil.rmtree(folder)


def _show(project: Project, case: Case, base: Seen) -> None:
    before = project.sources[case.file]
    after = case.edit.apply(before)
    name = os.path.relpath(case.file, project.folder)
    diff = difflib.unified_diff(before.splitlines(), after.splitlines(), name, name, lineterm="")
    print("\n".join(diff))
    seen = project.look(case.file, after)
    print(f"key: {base.digest[:16]} -> {seen.digest[:16]}")
    print(f"parts gone: {sorted(set(base.parts) - set(seen.parts))}")
    print(f"parts new: {sorted(set(seen.parts) - set(base.parts))}")
    if seen.outcome != base.outcome:
        print(f"outcome: {base.outcome}\n      -> {seen.outcome}")


def run_all(libraries: list[Library], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The libraries' results, several at a time in processes of their own."""
    pending, running = list(libraries), {}
    while pending or running:
        while pending and len(running) < options.jobs:
            library = pending.pop(0)
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                with os.fdopen(writer, "w") as out:
                    verdicts, about = run(
                        library, options.count // len(libraries) + 1, options.seed,
                        only=options.only, progress=sys.stderr.isatty(),
                    )  # fmt: skip
                    plain = [_plain(verdict) for verdict in verdicts]
                    json.dump({"library": library.name, "about": about, "verdicts": plain}, out)
                sys.stdout.flush()
                os._exit(0)
            os.close(writer)
            running[reader] = pid
        for reader in select.select(list(running), [], [])[0]:
            with os.fdopen(reader) as stream:
                text = stream.read()
            if os.waitpid(running.pop(reader), 0)[1] or not text:
                raise SystemExit("a library could not be looked at; see above")
            yield json.loads(text)


def _plain(verdict: Verdict) -> dict[str, Any]:
    case = verdict.case
    source = Path(case.file).read_text() if os.path.exists(case.file) else ""
    return {
        "library": case.library, "number": case.number, "kind": case.edit.kind,
        "where": ".".join((Path(case.file).stem, *case.edit.scopes)), "neutral": case.neutral,
        "line": source.count("\n", 0, case.edit.start) + 1, "word": verdict.word,
        "why": verdict.why[:300],
    }  # fmt: skip


def print_report(results: list[dict[str, Any]], seed: int) -> None:
    verdicts = [verdict for result in results for verdict in result["verdicts"]]
    words = ["miss", "false hit", "does not matter", "hit", "false miss", "not neutral",
             "not imported"]  # fmt: skip
    for title, key in (("library", "library"), ("kind of edit", "kind")):
        print(f"\n{title:<28}" + "".join(f"{word:>16}" for word in words))
        names = dict.fromkeys((v["neutral"] and key == "kind", v[key]) for v in verdicts)
        for _, name in sorted(names):
            counts = Counter(v["word"] for v in verdicts if v[key] == name)
            print(f"{name:<28}" + "".join(f"{counts[word] or '-':>16}" for word in words))
    for result in results:
        about = result["about"]
        print(
            f"\n{result['library']} ({about['style']}): {about['functions that ran']} functions "
            f"ran, {about['parts']} parts"
        )
        for name in ("ran outside of the parts", "blind spots"):
            if about[name]:
                print(f"  {name}: {'; '.join(about[name])}")
    print()
    for verdict in verdicts:
        if verdict["word"].startswith("false"):
            print(
                f"{verdict['word']}: {verdict['kind']} in {verdict['where']} {verdict['why']}\n"
                f"    again: --library {verdict['library']} --only {verdict['number']}"
            )
    counts = Counter(verdict["word"] for verdict in verdicts)
    neutral = counts["hit"] + counts["false miss"]
    by_file = sum(verdict["why"] == BY_FILE for verdict in verdicts)
    for miss, about in (
        (counts["false miss"], ""),
        (counts["false miss"] - by_file, ", but for modules that functions import"),
    ):
        print(f"{miss} false misses of {neutral} ({miss / max(1, neutral):.1%}){about}")
    print(
        f"{counts['false hit']} false hits of {counts['miss'] + counts['false hit']} edits that "
        f"matter; {len(verdicts)} edits in all (seed {seed})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = {library.name: library for library in LIBRARIES}
    parser.add_argument("--library", choices=known, action="append", help="only this one")
    parser.add_argument("--count", type=int, default=1000, help="edits in all (1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one edit, with its diff")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore", SyntaxWarning)  # edits may read oddly
    libraries = [known[name] for name in options.library or known]
    if options.only is not None and len(libraries) != 1:
        parser.error("--only needs one --library")
    if os.environ.get("PYTHONHASHSEED") != "0":  # so that outcomes can be compared
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    assert threading.active_count() == 1, "a process with threads must not fork"
    results = list(run_all(libraries, options))
    if options.json:
        print(json.dumps(results))
    else:
        print_report(results, options.seed)
    wrong = [v for result in results for v in result["verdicts"] if v["word"] == "false hit"]
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
