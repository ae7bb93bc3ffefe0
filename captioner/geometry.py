"""From an upright picture to the frame that the encoder sees, and from its cells back.

Whatever draws a map on a picture goes through the `Geometry` that `fit_image` returned. Knows no
torch and no model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

BICUBIC = Image.Resampling.BICUBIC
INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

Size = tuple[int, int]  # (width, height) in pixels
Box = tuple[float, float, float, float]  # x, y, width, height in pixels

# ImageNet's mean colour, which the encoder reads as "nothing here".
PAD_COLOUR = (124, 116, 104)


@dataclass(frozen=True)
class Geometry:
    """How an upright original was placed on the frame that the encoder's cells tile exactly.

    Along each axis, frame position = original position * scale + offset, both in pixels measured
    from the edge, so that the centre of the first pixel is at 0.5.

    Attributes:
        size: (width, height) of the upright original in pixels.
        scale: (x, y) frame pixels per pixel of the original.
        offset: (x, y) where the original's top left corner lies, in frame pixels.
        frame: (width, height) of the frame in pixels.
    """

    size: Size
    scale: tuple[float, float]
    offset: tuple[float, float]
    frame: Size

    def spread(self, alpha: np.ndarray, smooth: bool = True) -> np.ndarray:
        """Draws a map over the cells on the pixels of the original.

        The values are those of the cells: they are not divided among a cell's pixels, so the
        result does not sum to 1. Pixels that no cell covers, which a crop leaves, are 0.

        Args:
            alpha: (rows, columns), one value per cell.
            smooth: bilinear between the centres of the cells, held constant outwards of the
                outermost centres; otherwise each pixel takes the value of the cell it lies in.

        Returns:
            (height, width) float32.
        """
        alpha = np.asarray(alpha, dtype=np.float32)
        if alpha.ndim != 2:
            raise ValueError(f"a map must be (rows, columns), but its shape is {alpha.shape}")
        # The placement treats the axes apart: two thin matrices carry every cell to every pixel.
        columns = self._cell_shares(0, alpha.shape[1], smooth)
        rows = self._cell_shares(1, alpha.shape[0], smooth)
        return rows @ alpha @ columns.T

    def cover(self, boxes: Sequence[Box], grid: tuple[int, int]) -> np.ndarray:
        """How much of each cell lies inside any of some boxes, exactly, also where they overlap.

        Args:
            boxes: each (x, y, width, height) in pixels of the original; at least one.
            grid: (rows, columns) of cells.

        Returns:
            (rows, columns), 0-1.
        """
        left, right = self._to_cells(boxes, 0, grid[1])
        top, bottom = self._to_cells(boxes, 1, grid[0])
        # Between two neighbouring edges, of boxes or cells, nothing changes.
        across, widths = _pieces([*left, *right], grid[1])
        down, heights = _pieces([*top, *bottom], grid[0])
        inside = _within(down, top, bottom) @ _within(across, left, right).T
        covered = np.zeros(grid)
        # A piece thinner than rounding may seem to lie beyond the last cell.
        cells = np.ix_(
            np.minimum(down.astype(int), grid[0] - 1), np.minimum(across.astype(int), grid[1] - 1)
        )
        np.add.at(covered, cells, inside * np.outer(heights, widths))
        return covered

    def holds_centre(self, boxes: Sequence[Box], grid: tuple[int, int]) -> np.ndarray:
        """Which cells have their centre inside any of some boxes: (rows, columns) bool."""
        left, right = self._to_cells(boxes, 0, grid[1])
        top, bottom = self._to_cells(boxes, 1, grid[0])
        rows, columns = (np.arange(cells) + 0.5 for cells in grid)
        return _within(rows, top, bottom) @ _within(columns, left, right).T

    def _to_cells(self, boxes: Sequence[Box], axis: int, cells: int) -> np.ndarray:
        """Where boxes begin and end along one axis, in cells: (2, boxes)."""
        edges = np.asarray([(box[axis], box[axis] + box[axis + 2]) for box in boxes], float).T
        return (edges * self.scale[axis] + self.offset[axis]) * (cells / self.frame[axis])

    def resized(self, size: Size) -> "Geometry":
        """The same placement, told for a copy of the original that has another size.

        Args:
            size: (width, height) of the copy in pixels.
        """
        x, y = (old / new for old, new in zip(self.size, size, strict=True))
        return replace(self, size=tuple(size), scale=(self.scale[0] * x, self.scale[1] * y))

    def _cell_shares(self, axis: int, cells: int, smooth: bool) -> np.ndarray:
        """How much of each cell shows in each pixel along one axis: (pixels, cells) float32."""
        centres = (np.arange(self.size[axis]) + 0.5) * self.scale[axis] + self.offset[axis]
        position = centres * (cells / self.frame[axis])  # in cells
        covered = (position >= 0) & (position < cells)
        # Counted from the centre of the first cell, and held at the outermost centres.
        place = np.clip(position - 0.5 if smooth else np.floor(position), 0, cells - 1)
        shares = np.clip(1 - np.abs(place[:, None] - np.arange(cells)), 0, 1)
        return (shares * covered[:, None]).astype(np.float32)


def _pieces(edges: Sequence[float], cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts an axis of cells at their borders and at `edges`: middles and widths of the pieces."""
    cuts = np.unique(np.clip([*edges, *range(cells + 1)], 0, cells))
    return (cuts[:-1] + cuts[1:]) / 2, np.diff(cuts)


def _within(places: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Which of some spans each place lies in: (places, spans) bool."""
    return (first <= places[:, None]) & (places[:, None] < last)


def fit_image(
    image: Image.Image,
    frame: Size,
    resize: str = "squash",
    interpolation: str = "bicubic",
) -> tuple[Image.Image, Geometry]:
    """Brings a picture to the encoder's size and records how.

    Args:
        image: upright RGB, from `load_image`.
        frame: (width, height) in pixels.
        resize: a name in `RESIZES`.
        interpolation: a name in `INTERPOLATIONS`; all but nearest average when shrinking.

    Returns:
        The picture, of size `frame`, and its `Geometry`.

    Raises:
        ValueError: an unknown name.
    """
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"unknown interpolation {interpolation!r}; choose one of {', '.join(INTERPOLATIONS)}"
        )
    geometry = place(image.size, frame, resize)
    return _draw(image, geometry, INTERPOLATIONS[interpolation]), geometry


def place(size: Size, frame: Size, resize: str) -> Geometry:
    """Says where a picture of some size comes to lie on the frame.

    Args:
        size: (width, height) of the upright picture in pixels.
        frame: (width, height) in pixels.
        resize: a name in `RESIZES`.

    Raises:
        ValueError: an unknown name.
    """
    if resize not in RESIZES:
        raise ValueError(f"unknown resize {resize!r}; choose one of {', '.join(RESIZES)}")
    return RESIZES[resize](size, frame)


def squash(size: Size, frame: Size) -> Geometry:
    """Stretches the whole picture over the frame."""
    return Geometry(size, (frame[0] / size[0], frame[1] / size[1]), (0.0, 0.0), frame)


def pad(size: Size, frame: Size) -> Geometry:
    """Shows the whole picture in its own proportions, centred on grey."""
    ratio = min(frame[0] / size[0], frame[1] / size[1])
    width, height = (max(1, round(side * ratio)) for side in size)
    offset = (float((frame[0] - width) // 2), float((frame[1] - height) // 2))
    # Whole pixels are drawn, so the scale is theirs and not the ratio that was aimed at.
    return Geometry(size, (width / size[0], height / size[1]), offset, frame)


def crop(size: Size, frame: Size) -> Geometry:
    """Fills the frame with the middle of the picture in its own proportions."""
    ratio = max(frame[0] / size[0], frame[1] / size[1])
    # At least a pixel of the picture, so that something is seen.
    width, height = (
        min(max(side / ratio, 1), limit) for side, limit in zip(frame, size, strict=True)
    )
    scale = (frame[0] / width, frame[1] / height)
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return Geometry(size, scale, (-left * scale[0], -top * scale[1]), frame)


RESIZES = {"squash": squash, "pad": pad, "crop": crop}


def _draw(image: Image.Image, geometry: Geometry, resample: int) -> Image.Image:
    frame = geometry.frame
    drawn = tuple(round(n * s) for n, s in zip(image.size, geometry.scale, strict=True))
    if drawn[0] <= frame[0] and drawn[1] <= frame[1]:
        fitted = image.resize(drawn, resample)
        if drawn == frame:
            return fitted
        padded = Image.new("RGB", frame, PAD_COLOUR)
        padded.paste(fitted, tuple(map(int, geometry.offset)))
        return padded
    # Resizing just the part that shows spares the long intermediate picture of an extreme aspect
    # ratio; it is never a hair wider than the picture, which Pillow would refuse.
    axes = zip(geometry.offset, geometry.scale, frame, image.size, strict=True)
    spans = [(max(-o / s, 0), min((f - o) / s, limit)) for o, s, f, limit in axes]
    (left, right), (top, bottom) = spans
    return image.resize(frame, resample, box=(left, top, right, bottom))
