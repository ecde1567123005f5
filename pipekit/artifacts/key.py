"""The secret under which pickles are signed: where it is kept and how it is made. Signs nothing."""

from __future__ import annotations

import os
from pathlib import Path

from pipekit.errors import SettingsError

KEY_BYTES = 32
VARIABLE = "PIPEKIT_KEY"


def read_key(home: Path) -> bytes:
    """The key of a home: `PIPEKIT_KEY` (64 hexadecimal characters, or the path of a file that holds
    them), else `<home>/key`, which is made at first use. Two processes at once get the same key.

    Raises:
        SettingsError: there is something else where the key should be.
    """
    given = os.environ.get(VARIABLE)
    if not given:
        return _own_key(Path(home))
    key = _parse(given)
    if key is not None:
        return key
    try:
        text = Path(given).expanduser().read_text()
    except (OSError, ValueError) as error:
        # The value itself may be a mistyped key: it is not shown.
        raise SettingsError(
            f"{VARIABLE} is neither a key of {2 * KEY_BYTES} hexadecimal characters "
            "nor a file that can be read.",
            hint="copy the file <home>/key of the machine that makes the artifacts.",
        ) from error
    return _checked(text, given)


def _own_key(home: Path) -> bytes:
    path = home / "key"
    try:
        if not path.exists():
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(path)
        text = path.read_bytes().decode(errors="replace")
    except OSError as error:
        raise SettingsError(
            f"The key {str(path)!r} cannot be made or read: {error.strerror}.",
            hint="set PIPEKIT_HOME to a folder that can be written.",
        ) from error
    return _checked(text, str(path))


def _make(path: Path) -> None:
    draft = path.with_name(f".key-{os.urandom(8).hex()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "w") as file:
            file.write(os.urandom(KEY_BYTES).hex() + "\n")
        # A link, unlike a rename, leaves alone what another process made meanwhile.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)


def _checked(text: str, where: str) -> bytes:
    key = _parse(text)
    if key is None:
        raise SettingsError(
            f"The key file {where!r} does not hold {2 * KEY_BYTES} hexadecimal characters.",
            hint="copy it again, or delete it (pickles signed with it are then not loaded).",
        )
    return key


def _parse(text: str) -> bytes | None:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None
