"""The registry of serializers: which one takes a value, which one wrote it. Converts nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipekit.artifacts.array import NumpyScalarSerializer, NumpySerializer
from pipekit.artifacts.figure import FigureSerializer
from pipekit.artifacts.files import FileDigests
from pipekit.artifacts.frame import ArrowSerializer, PandasSerializer, PolarsSerializer
from pipekit.artifacts.path import PathSerializer
from pipekit.artifacts.pickling import PickleSerializer
from pipekit.artifacts.plain import BytesSerializer, JsonSerializer, TextSerializer
from pipekit.artifacts.tree import RecordSerializer, TreeSerializer
from pipekit.errors import ArtifactError, UsageError, nearest

if TYPE_CHECKING:
    from pipekit.ports import Serializer


class SerializerRegistry:
    """An ordered list: the first serializer that accepts a value takes it.

    Besides the port's, a serializer may have two attributes. `signed = True`: loading runs code or
    imports what the bytes name, so the store signs them (32 bytes at the end, which `load` ignores)
    and loads nothing that is not signed. `maps = True`: `load` maps a large file and does not read
    it, so the store does not read all of it either before each load.
    """

    def __init__(self, serializers: list[Serializer]) -> None:
        self._ordered: list[Serializer] = []
        self._by_name: dict[str, Serializer] = {}
        self.has_own = False
        """Whether users have registered any."""
        for serializer in serializers:
            self._ordered.append(serializer)
            self._by_name[serializer.name] = serializer

    def register(self, serializer: Serializer) -> None:
        """Put a user's serializer before all others.

        Raises:
            UsageError: another one has that name, which is recorded with each value.
        """
        if self._by_name.get(serializer.name, serializer) is not serializer:
            raise UsageError(
                f"A serializer named {serializer.name!r} is there already.",
                hint="give yours another name: values that were stored find it by its name.",
            )
        self._by_name[serializer.name] = serializer
        self._ordered.insert(0, serializer)
        self.has_own = True

    def list_accepting(self, value: object) -> Iterator[Serializer]:
        """The serializers that accept a value, best first."""
        for serializer in self._ordered:
            if serializer.accepts(value):
                yield serializer

    def get(self, name: str) -> Serializer:
        """The serializer of a name.

        Raises:
            ArtifactError: there is none.
        """
        found = self._by_name.get(name)
        if found is None:
            known = list(self._by_name)
            raise ArtifactError(
                f"A value was stored by the serializer {name!r}, which is not registered. "
                f"Known: {', '.join(known)}.",
                hint=nearest(name, known) or "register it before the value is used.",
            )
        return found


def default_registry(files: FileDigests, copies: Path) -> SerializerRegistry:
    """pipekit's own serializers.

    Args:
        files: Digests of files, for paths.
        copies: Folder for copies of files that are no longer where they were.
    """
    paths = PathSerializer(files, copies)
    return SerializerRegistry(
        [
            TextSerializer(),
            JsonSerializer(),
            BytesSerializer(bytes),
            BytesSerializer(bytearray),
            paths,
            NumpySerializer(),
            NumpyScalarSerializer(),
            PolarsSerializer(),
            ArrowSerializer(),
            PandasSerializer(),
            FigureSerializer(paths),
            TreeSerializer(),
            RecordSerializer(),
            PickleSerializer(paths),
        ]
    )
