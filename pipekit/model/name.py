"""Which texts may be names of what people are shown: one line, with nothing in it that a terminal
would obey."""

from __future__ import annotations

from typing import Any

from pipekit.errors import UsageError

_REFUSED = frozenset(
    chr(code)
    for codes in (
        range(32),
        range(0x7F, 0xA0),
        range(0x2028, 0x202F),  # ends of lines, and marks that turn the direction of a text around
        range(0x2066, 0x206A),
        range(0xD800, 0xE000),  # halves of characters, which no file takes
    )
    for code in codes
)


def check_name(name: Any, what: str) -> str:
    """The name as it is; an empty one stands for none, and is fine here.

    Args:
        what: Whose it is, as an error begins: `Component 'fit'`, `Metric`.

    Raises:
        UsageError: it is no text, only blanks, or holds a character that does not show.
    """
    if not isinstance(name, str):
        raise UsageError(f"{what}: name={name!r} is to be text.")
    if name.isprintable():  # nearly always
        if name and not name.strip():
            raise UsageError(f"{what}: name={name!r} is only blanks.", hint="give it a name.")
        return name
    wrong = next((character for character in name if character in _REFUSED), None)
    if wrong is not None:
        raise UsageError(
            f"{what}: name={name!r} holds {wrong!a}, which does not show; a name is one line of "
            "plain text.",
            hint="leave it out.",
        )
    return name
