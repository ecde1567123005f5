"""The serializer for matplotlib's figures: a PNG that viewers open, the object behind it."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipekit.artifacts.path import PathSerializer
from pipekit.artifacts.pickling import read_pickle, write_pickle

if TYPE_CHECKING:
    from pipekit.ports import Sink


class FigureSerializer:
    """Figures. The bytes are a PNG file; readers of PNG ignore what follows its end."""

    name = "figure"
    signed = True

    def __init__(self, paths: PathSerializer) -> None:
        self._paths = paths

    def accepts(self, value: Any) -> bool:
        module = sys.modules.get("matplotlib.figure")
        return module is not None and isinstance(value, module.Figure)

    def dump(self, value: Any, sink: Sink) -> None:
        out = BytesIO()
        value.savefig(out, format="png")
        image = out.getvalue()
        sink.write(image)
        write_pickle(value, sink, len(image), self._paths)

    def load(self, source: bytes | Path) -> Any:
        return read_pickle(source, self._paths)

    def preview(self, value: Any) -> str:
        width, height = value.get_size_inches()
        titles = [axes.get_title() for axes in value.axes if axes.get_title()]
        return f"figure {width:g} × {height:g} in, {len(value.axes)} axes {', '.join(titles)}"[:500]
