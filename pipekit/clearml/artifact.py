"""A task's artifacts with ClearML's names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipekit.api.artifact import Artifacts, ArtifactView


class ClearArtifact:
    """One named value of a task, loaded only when it is asked for. What it has beside ClearML's
    names is that of pipekit's artifacts: `digest`, `preview`, `url` …"""

    def __init__(self, view: ArtifactView) -> None:
        self._view = view

    def get(
        self, force_download: bool = False,
        deserialization_function: Callable[[bytes], Any] | None = None,
    ) -> Any:  # fmt: skip
        """The value: a fresh copy each time.

        Args:
            force_download: Nothing is to be downloaded.
            deserialization_function: Makes the value of the stored bytes, where one was given when
                it was uploaded.

        Raises:
            BlobMissing, BlobCorrupt, UntrustedPickle: it cannot be had. (ClearML gives a path.)
        """
        value = self._view.get()
        return value if deserialization_function is None else deserialization_function(value)

    def get_local_copy(
        self, extract_archive: bool = True, raise_on_error: bool = True,
        force_download: bool = False,
    ) -> str:  # fmt: skip
        """The path of a file with the stored bytes; of a stored archive, by its name, the folder
        that it was unpacked into.

        Raises:
            BlobMissing, BlobCorrupt: the bytes cannot be had.
        """
        from pipekit.clearml.storage import StorageManager

        path = self._view.get_local_copy()
        return StorageManager.get_local_copy(str(path), extract_archive=extract_archive)

    @property
    def hash(self) -> str:
        """The digest of the value."""
        return self._view.digest

    @property
    def size(self) -> int:
        """Bytes."""
        return self._view.size_bytes

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._view, name)

    def __repr__(self) -> str:
        return repr(self._view)


class ClearArtifacts(Mapping[str, ClearArtifact]):
    """The artifacts of a task by name."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def __getitem__(self, name: str) -> ClearArtifact:
        return ClearArtifact(self._artifacts[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._artifacts)

    def __len__(self) -> int:
        return len(self._artifacts)

    def __contains__(self, name: object) -> bool:
        return name in self._artifacts

    def __repr__(self) -> str:
        return repr(self._artifacts)
