"""What one step asks of the machine that it runs on: CPUs, GPUs, memory. Owns the words for it, and
their check; knows no machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipekit.errors import UsageError, nearest

_KEYS = ("cpu", "gpu", "memory")
_UNITS = {
    "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", re.ASCII)
_THOUSANDTHS = 1000
_EXAMPLE = 'write resources={"cpu": 2, "gpu": 1, "memory": "4GiB"}, or some of these.'


@dataclass(frozen=True, slots=True)
class Resources:
    """What a step is to have for itself while it runs.

    Attributes:
        cpu: CPUs, in thousandths: half a one can be asked for.
        gpu: GPUs; whole ones, which no other step has meanwhile.
        memory: Bytes that the step and all that it starts may use; None: as much as there is.
    """

    cpu: int = _THOUSANDTHS
    gpu: int = 0
    memory: int | None = None

    def shown(self) -> dict[str, Any]:
        """As it may be written, for the record."""
        shown: dict[str, Any] = {"cpu": cpu_number(self.cpu)}
        if self.gpu:
            shown["gpu"] = self.gpu
        if self.memory is not None:
            shown["memory"] = size_text(self.memory)
        return shown


def parse_resources(given: Any) -> Resources | None:
    """What was written as `resources=`; None where nothing is asked for.

    Raises:
        UsageError: it is no mapping, a key is unknown, or a value cannot be right.
    """
    if given is None or isinstance(given, Resources):
        return given
    if not isinstance(given, Mapping):
        raise UsageError(f"resources={given!r} is to be a dict.", hint=_EXAMPLE)
    for key in given:
        if key not in _KEYS:
            raise UsageError(
                f"resources has no {key!r}. It has: {', '.join(_KEYS)}.",
                hint=nearest(str(key), _KEYS) or _EXAMPLE,
            )
    if not given:
        return None
    return Resources(
        _cpu(given.get("cpu", 1)), _gpu(given.get("gpu", 0)), _memory(given.get("memory"))
    )


def size_text(count: int) -> str:
    """`4GiB`, `500MB`, `1234 bytes`: exact, in the largest unit that gives a whole number."""
    fitting = [unit for unit, size in _UNITS.items() if count and count % size == 0]
    if not fitting:
        return f"{count} bytes"
    unit = max(fitting, key=lambda name: _UNITS[name])
    return f"{count // _UNITS[unit]}{unit}"


def cpu_number(thousandths: int) -> int | float:
    """2, 0.5: as it is written."""
    whole, rest = divmod(thousandths, _THOUSANDTHS)
    return thousandths / _THOUSANDTHS if rest else whole


def _is_number(value: Any, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _cpu(value: Any) -> int:
    if not _is_number(value, int, float) or not 0 < value < float("inf"):
        raise UsageError(f"resources: cpu={value!r} is to be a number above 0, as in 2 or 0.5.")
    thousandths: int = round(value * _THOUSANDTHS)
    return max(1, thousandths)


def _gpu(value: Any) -> int:
    if not _is_number(value, int) or value < 0:
        raise UsageError(f"resources: gpu={value!r} is to be a whole number, 0 or more.")
    return int(value)


def _memory(value: Any) -> int | None:
    if value is None:
        return None
    size = value
    if isinstance(value, str):
        found = _SIZE.fullmatch(value.strip())
        if found is None or found[2] not in _UNITS:
            raise UsageError(
                f"resources: memory={value!r} is no size. Units: {', '.join(_UNITS)}.",
                hint=_meant(value, found),
            )
        size = round(float(found[1]) * _UNITS[found[2]])
    if not _is_number(size, int) or size <= 0:
        raise UsageError(
            f"resources: memory={value!r} is to be a text such as '4GiB', or bytes above 0."
        )
    return int(size)


def _meant(value: str, found: re.Match[str] | None) -> str:
    """`did you mean '4GB'?`, also for `4G`, `4gb` and `4 Gib`."""
    if found is None:
        number = value.strip()
        return f"did you mean '{number}GB'?" if number.isdigit() else "write it as '4GiB'."
    typed = found[2].lower()
    for unit in (name for name in _UNITS if name.lower() == typed):
        return f"did you mean '{found[1]}{unit}'?"
    letter = typed[0].upper()
    unit = f"{letter}{'iB' if 'i' in typed else 'B'}"
    return f"did you mean '{found[1]}{unit}'?" if unit in _UNITS else "write it as '4GiB'."


def about_text(count: int) -> str:
    """`4.31 GiB`, `812 MiB`: what was measured."""
    gib = count / 2**30
    return f"{gib:.2f} GiB" if gib >= 1 else f"{count / 2**20:.0f} MiB"
