"""A serializer for a type of your own: how its values are stored is up to you.

    python examples/08_own_types.py

Any picklable value can pass between steps. A serializer is for what cannot be pickled, or what you
would rather find on disk in a format that other programs read, as the portable pixmaps here: the
histogram of Fisher's irises as a picture. Needs nothing beside pipekit.
"""

from __future__ import annotations

import csv
from pathlib import Path

from pipekit import component, pipeline, register_serializer
from pipekit.ports import Sink


class Picture:
    """Pixels in shades of grey, 0 (black) to 255, row by row."""

    def __init__(self, width: int, pixels: bytes) -> None:
        self.width = width
        self.pixels = pixels

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Picture) and (self.width, self.pixels) == (
            other.width,
            other.pixels,
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def height(self) -> int:
        return len(self.pixels) // self.width


@register_serializer  # at the top level: workers that import the module have it too
class PictureSerializer:
    """Stores pictures as PGM files."""

    name = "pgm"  # recorded with each value, so it never changes its meaning

    def accepts(self, value: object) -> bool:
        return isinstance(value, Picture)

    def dump(self, value: Picture, sink: Sink) -> None:
        sink.write(f"P5 {value.width} {value.height} 255\n".encode())
        sink.write(value.pixels)

    def load(self, source: bytes | Path) -> Picture:
        data = source if isinstance(source, bytes) else source.read_bytes()
        head, _, pixels = data.partition(b"\n")
        return Picture(int(head.split()[1]), pixels)

    def preview(self, value: Picture) -> str:
        return f"{value.width} × {value.height} pixels"


@component
def lengths(path: Path, column: str) -> list[float]:
    with path.open(newline="") as file:
        return [float(row[column]) for row in csv.DictReader(file)]


@component
def histogram(values: list[float], bins: int, height: int) -> Picture:
    low, high = min(values), max(values)
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int((value - low) / (high - low) * bins))] += 1
    rows = (
        bytes(0 if count * height > row * max(counts) else 255 for count in counts)
        for row in reversed(range(height))
    )
    return Picture(bins, b"".join(rows))


@pipeline(name="histogram", project="examples")
def draw(
    data: Path = Path(__file__).parent / "data" / "iris.csv",
    column: str = "petal_length",
    bins: int = 24,
) -> Picture:
    """Draw the histogram of one measurement."""
    return histogram(lengths(data, column), bins, height=12)


if __name__ == "__main__":
    run = draw.run()
    picture = run.value
    for row in range(picture.height):
        line = picture.pixels[row * picture.width : (row + 1) * picture.width]
        print("".join(" " if pixel else "█" for pixel in line))
    stored = run["histogram"].artifacts["value"]
    print(stored.preview, "in", stored.get_local_copy())
