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
from pipekit.artifacts.registered import REGISTERED, list_registered
from pipekit.artifacts.tree import RecordSerializer, TreeSerializer
from pipekit.errors import ArtifactError, nearest

if TYPE_CHECKING:
    from pipekit.ports import Serializer


class SerializerRegistry:
    """An ordered list: the first serializer that accepts a value takes it; those that users have
    registered stand before pipekit's own.

    Besides the port's, a serializer may have two attributes. `signed = True`: loading runs code or
    imports what the bytes name, so the store signs them (32 bytes at the end, which `load` ignores)
    and loads nothing that is not signed. `maps = True`: `load` maps a large file and does not read
    it, so the store does not read all of it either before each load.
    """

    def __init__(self, serializers: list[Serializer]) -> None:
        self._ordered = serializers
        self._by_name = {serializer.name: serializer for serializer in serializers}

    def list_names(self) -> list[str]:
        """Of pipekit's own, then of those registered."""
        return [*self._by_name, *REGISTERED]

    def list_accepting(self, value: object) -> Iterator[Serializer]:
        """The serializers that accept a value, best first."""
        for serializer in (*list_registered(), *self._ordered):
            if serializer.accepts(value):
                yield serializer

    def get(self, name: str) -> Serializer:
        """The serializer of a name.

        Raises:
            ArtifactError: there is none.
        """
        found = self._by_name.get(name) or REGISTERED.get(name)
        if found is None:
            known = self.list_names()
            raise ArtifactError(
                f"A value was stored by the serializer {name!r}, which is not registered. "
                f"Known: {', '.join(known)}.",
                hint=nearest(name, known)
                or "import the module that registers it, then load the value in Python; "
                "get_local_copy() gives its bytes without it.",
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
