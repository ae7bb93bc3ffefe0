"""Maps over pictures: one overlay, and a sheet with all the words of a caption.

Light is proportional to attention, as light and not as the numbers that stand for it in a file, and
one scale serves a whole caption, so that a flat map looks flat and is never stretched into a
confident one. Knows no torch and no model.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from captioner.geometry import Geometry
from captioner.images import load_image
from captioner.spotlight import spotlight

# Nine equally spaced colours of matplotlib's viridis.
VIRIDIS = (
    (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141),
    (39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37),
)  # fmt: skip

STRENGTH = 0.9
# Small spotlit pictures side by side are dimmed less: else they look all dark.
SMALL_STRENGTH = 0.7

# At full strength the picture still shows through a heatmap, which covers all of it.
HEATMAP_OPACITY = 0.7

FONT_SIZE = 14
LINE_HEIGHT = 22
MARGIN = 8
# A tile under a narrow picture still has room for a word.
NARROWEST_TILE = 112


def overlay(
    image: Any,
    alpha: np.ndarray,
    *,
    geometry: Geometry | None = None,
    style: str = "spotlight",
    strength: float = STRENGTH,
    smooth: bool = True,
    peak: float | None = None,
) -> Image.Image:
    """Shows on the original picture where the attention lay.

    Args:
        image: anything `load_image` takes.
        alpha: (rows, columns), finite and not negative.
        geometry: how the picture lay under the cells; by default they tile all of it evenly.
        style: a name in `STYLES`.
        strength: from 0, the picture as it is, to 1, where a spotlight leaves black what was not
            attended.
        smooth: bilinear between the cells; otherwise the true cells.
        peak: the alpha drawn as full light, by default the largest here. Give a caption's largest
            alpha to put all of its words on one scale.

    Returns:
        An RGB picture of the upright original's size.
    """
    if style not in STYLES:
        raise ValueError(f"unknown style {style!r}; choose one of {', '.join(STYLES)}")
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is {strength}, but must lie between 0 and 1")
    if peak is not None and not 0 < peak < math.inf:
        raise ValueError(f"peak is {peak}, but must be a finite number above 0")
    alpha = _checked(alpha)
    image = load_image(image)
    if geometry is None:
        geometry = Geometry(image.size, (1.0, 1.0), (0.0, 0.0), image.size)
    if geometry.size != image.size:
        raise ValueError(
            f"the geometry belongs to a picture of {geometry.size} pixels, not {image.size}"
        )
    light = geometry.spread(alpha, smooth)
    light *= 255 / (peak or float(alpha.max()) or 1.0)
    return STYLES[style](image, light.clip(0, 255), strength)


def sheet(
    image: Any,
    words: Sequence[Any],
    *,
    geometry: Geometry | None = None,
    columns: int | None = None,
    style: str = "spotlight",
    strength: float | None = None,
    smooth: bool = True,
    peak: float | None = None,
    thumbnail: int = 224,
) -> Image.Image:
    """Shows all words at once: the picture, then one overlay per word, on one scale.

    Args:
        image: anything `load_image` takes.
        words: objects with `text`, `probability` (0-1) and `alpha` (rows, columns).
        geometry: as for `overlay`, told for the original picture.
        columns: tiles in a row; by default about as many as there are rows.
        style, smooth: as for `overlay`.
        strength: as for `overlay`, by default less for a spotlight.
        peak: the alpha drawn as full light, by default the largest of these words.
        thumbnail: the longer side of each small picture in pixels.

    Returns:
        An RGB picture on white.
    """
    columns = math.ceil(math.sqrt(len(words) + 1)) if columns is None else columns
    if columns < 1:
        raise ValueError(f"columns is {columns}, but a sheet needs at least 1")
    if strength is None:
        strength = SMALL_STRENGTH if style == "spotlight" else STRENGTH
    image = load_image(image)
    size = tuple(max(1, round(side * thumbnail / max(image.size))) for side in image.size)
    # Maps are drawn on the small copy, which keeps a sheet of a large photo quick.
    small = image.resize(size)
    if peak is None:
        peak = max((float(_checked(word.alpha).max()) for word in words), default=0) or None
    options = {
        "geometry": geometry and geometry.resized(size),
        "style": style,
        "strength": strength,
        "smooth": smooth,
        "peak": peak,
    }
    tiles = [(small, "", "")]
    for word in words:
        drawn = overlay(small, word.alpha, **options)
        tiles.append((drawn, word.text, f"{word.probability:.0%}"))
    return _tile(tiles, columns)


def heatmap(image: Image.Image, light: np.ndarray, strength: float) -> Image.Image:
    """Blends viridis over the picture, dark blue for no attention and yellow for the most."""
    positions = np.linspace(0, len(VIRIDIS) - 1, 256)
    channels = [np.interp(positions, range(len(VIRIDIS)), c) for c in zip(*VIRIDIS, strict=True)]
    colours = Image.fromarray(np.rint(light).astype(np.uint8))
    colours.putpalette(np.rint(np.stack(channels, axis=1)).astype(np.uint8).tobytes())
    return Image.blend(image, colours.convert("RGB"), strength * HEATMAP_OPACITY)


# The light is (height, width) and 0-255.
STYLES: dict[str, Callable[[Image.Image, np.ndarray, float], Image.Image]] = {
    "spotlight": spotlight,
    "heatmap": heatmap,
}


def _checked(alpha: Any) -> np.ndarray:
    alpha = np.asarray(alpha, dtype=np.float32)
    if alpha.ndim != 2 or not alpha.size:
        raise ValueError(f"alpha must be (rows, columns), but its shape is {alpha.shape}")
    if not np.isfinite(alpha).all() or alpha.min() < 0:
        raise ValueError(
            f"alpha must be finite and not negative, but runs from {alpha.min()} to {alpha.max()}"
        )
    return alpha


def _tile(tiles: list[tuple[Image.Image, str, str]], columns: int) -> Image.Image:
    """Lays out (picture, word, percent) row by row on white, each with its label under it."""
    width, height = tiles[0][0].size
    tile_width = max(width, NARROWEST_TILE)
    step_x, step_y = tile_width + MARGIN, height + LINE_HEIGHT + MARGIN
    columns = min(columns, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    page = Image.new("RGB", (MARGIN + columns * step_x, MARGIN + rows * step_y), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=FONT_SIZE)
    for index, (picture, text, percent) in enumerate(tiles):
        left = MARGIN + index % columns * step_x
        top = MARGIN + index // columns * step_y
        page.paste(picture, (left + (tile_width - width) // 2, top))
        label = _fitted(text, percent, font, tile_width)
        middle = (left + tile_width / 2, top + height + LINE_HEIGHT / 2)
        draw.text(middle, label, fill="black", font=font, anchor="mm")
    return page


def _fitted(text: str, percent: str, font: Any, width: int) -> str:
    """The word and its percent on one line, the word shortened where it is too long."""
    text = " ".join(text.split())[:width]  # no letter is narrower than a pixel
    label = f"{text} {percent}".strip()
    while text and font.getlength(label) > width:
        text = text[:-1]
        label = f"{text}... {percent}"
    return label
