"""Code whose `assert` statements pytest has rewritten, as it was written. A worker imports the same
file without pytest: code that means the same must count as the same. Imports nothing of pytest's.
"""

from __future__ import annotations

import os
import sys
from types import CodeType

_MARK = "@pytest_ar"
"""The name under which pytest's rewriting refers to its own functions."""
_REWRITER = "_pytest.assertion.rewrite"

_Signature = tuple[int, int]

_known: dict[str, tuple[_Signature, dict[CodeType, CodeType]]] = {}


def as_written(code: CodeType) -> CodeType:
    """The code before its asserts were rewritten.

    Code that was not rewritten is given back, and so is code that its file does not lead to any
    more: only where rewriting the file now gives this very code is the file what it came from.
    """
    if _REWRITER not in sys.modules or not _is_rewritten(code):
        return code
    try:
        status = os.stat(code.co_filename)
        signature = (status.st_mtime_ns, status.st_size)
        known = _known.get(code.co_filename)
        if known is None or known[0] != signature:
            known = _known[code.co_filename] = (signature, _read(code.co_filename))
    except (OSError, SyntaxError, ValueError, TypeError, AttributeError, KeyError):
        return code  # no such file or Python, or a pytest that does it in another way
    return known[1].get(code, code)


def _is_rewritten(code: CodeType) -> bool:
    if _MARK in code.co_names:
        return True
    return any(_is_rewritten(inner) for inner in code.co_consts if isinstance(inner, CodeType))


def _read(file: str) -> dict[CodeType, CodeType]:
    """Rewritten -> as written, of every code object in a file."""
    import ast  # every worker imports this module, and next to none reads a file here

    with open(file, "rb") as stream:
        source = stream.read()
    tree = ast.parse(source, filename=file)
    sys.modules[_REWRITER].rewrite_asserts(tree, source, file)
    rewritten = compile(tree, file, "exec", dont_inherit=True)
    written = compile(source, file, "exec", dont_inherit=True)
    pairs = list(zip(_all_in(rewritten), _all_in(written), strict=True))
    if any(mine.co_qualname != theirs.co_qualname for mine, theirs in pairs):
        raise ValueError(f"the code of {file} comes in another order when it is rewritten")
    return dict(pairs)


def _all_in(code: CodeType) -> list[CodeType]:
    """The code objects nested in one, in the order of the text."""
    found: list[CodeType] = []
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found += [inner, *_all_in(inner)]
    return found
