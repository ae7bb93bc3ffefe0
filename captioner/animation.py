"""A caption as a moving picture: one word after the other, its light on the picture.

Knows no torch and no model.
"""

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from captioner.geometry import Geometry
from captioner.images import load_image
from captioner.visual import STRENGTH, overlay

MILLISECONDS = 800  # a word
LONGEST_SIDE = 480
FONT_SIZE = 18
LINE_HEIGHT = 26
MARGIN = 10
# A line of words needs this much room under a narrow picture.
NARROWEST = 320


def animate(
    image: Any,
    words: Sequence[Any],
    *,
    geometry: Geometry | None = None,
    style: str = "spotlight",
    strength: float = STRENGTH,
    smooth: bool = True,
    own_scale: bool = False,
) -> bytes:
    """Draws a GIF that runs through the words for ever.

    Args:
        image: anything `load_image` takes.
        words: objects with `text` and `alpha` (rows, columns); at least one.
        geometry, style, strength, smooth: as for `visual.overlay`.
        own_scale: each word's largest alpha is full light, instead of the caption's.

    Raises:
        ValueError: there are no words.
    """
    if not words:
        raise ValueError("there are no words to animate")
    image = load_image(image)
    size = tuple(max(1, round(side * LONGEST_SIDE / max(image.size))) for side in image.size)
    small = image.resize(size, Image.Resampling.LANCZOS)
    peak = max(float(word.alpha.max()) for word in words) or None
    frames = []
    for index, word in enumerate(words):
        drawn = overlay(
            small,
            word.alpha,
            geometry=geometry and geometry.resized(size),
            style=style,
            strength=strength,
            smooth=smooth,
            peak=None if own_scale else peak,
        )
        frame = _captioned(drawn, [word.text for word in words], index)
        # Without dithering a frame is a tenth of the size, and fifty times as fast to make.
        frames.append(frame.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE))
    buffer = io.BytesIO()
    frames[0].save(
        buffer, "GIF", save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0
    )
    return buffer.getvalue()


def _captioned(picture: Image.Image, texts: Sequence[str], chosen: int) -> Image.Image:
    """The picture with all words under it, the chosen one marked."""
    font = ImageFont.load_default(size=FONT_SIZE)
    width = max(picture.width, NARROWEST)
    places, left, line = [], MARGIN, 0
    for text in texts:
        length = font.getlength(text)
        if left > MARGIN and left + length > width - MARGIN:
            left, line = MARGIN, line + 1
        places.append((left, picture.height + MARGIN + line * LINE_HEIGHT, length))
        left += length + font.getlength(" ")
    height = picture.height + 2 * MARGIN + (line + 1) * LINE_HEIGHT
    frame = Image.new("RGB", (width, height), "white")
    frame.paste(picture, ((width - picture.width) // 2, 0))
    draw = ImageDraw.Draw(frame)
    for index, (text, (x, y, length)) in enumerate(zip(texts, places, strict=True)):
        if index == chosen:
            draw.rounded_rectangle((x - 4, y - 2, x + length + 4, y + 22), 4, "#0f766e")
        draw.text((x, y), text, "white" if index == chosen else "#666", font)
    return frame
