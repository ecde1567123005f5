"""The normal form of code objects, tried on the standard library."""

from __future__ import annotations

import ast
import dis
import opcode
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from pipekit.capture.bytecode import constant_text, decode, exception_table, normalize

MODULES = ("argparse", "contextlib", "dataclasses", "functools", "heapq", "tempfile", "textwrap")


def source_of(module: str) -> str:
    return (Path(dis.__file__).parent / f"{module}.py").read_text()


def codes_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_in(constant)


def digests_in(code: CodeType) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in codes_in(code):
        found.setdefault(one.co_qualname, set()).add(normalize(one, decode(one))[0])
    return found


@pytest.mark.parametrize("module", MODULES)
def test_jumps_lead_where_dis_says(module: str) -> None:
    jumps = {*opcode.hasjrel, *opcode.hasjabs}
    names = {opcode.opname[number] for number in jumps}
    for code in codes_in(compile(source_of(module), module, "exec")):
        expected = [i.argval for i in dis.get_instructions(code) if i.opcode in jumps]
        assert [argument for _, name, argument in decode(code) if name in names] == expected


@pytest.mark.parametrize("module", MODULES)
def test_handlers_are_where_dis_says(module: str) -> None:
    for code in codes_in(compile(source_of(module), module, "exec")):
        expected = [
            (entry.start, entry.end, entry.target, entry.depth << 1 | entry.lasti)
            for entry in dis.Bytecode(code).exception_entries
        ]
        assert list(exception_table(code)) == expected


@pytest.mark.parametrize("module", MODULES)
def test_the_layout_of_the_text_does_not_count(module: str) -> None:
    source = source_of(module)
    tree = ast.parse(source)
    given = digests_in(compile(source, module, "exec"))
    # `unparse` puts each statement on one line, and drops comments and blank lines.
    written = digests_in(compile(ast.unparse(tree), module, "exec"))
    differing = [name for name in given if name in written and given[name] != written[name]]
    assert len(differing) <= len(given) / 100, differing


def test_constants_of_different_types_have_different_texts() -> None:
    values = [1, 1.0, True, "1", b"1", 1j, (1,), (1.0,), frozenset({1}), None, ..., 0.0, -0.0]
    assert len({constant_text(value) for value in values}) == len(values)


def test_the_order_of_a_constant_set_does_not_count() -> None:
    one, two = frozenset({"a", "b", "c"}), frozenset(["c", "b", "a"])
    assert constant_text(one) == constant_text(two)
