"""Light where the attention lay, and a line around it: what is dark then shows it as well.

`web/scripts/light.js` draws the same. Knows numbers and pixels alone.
"""

import numpy as np
from PIL import Image

# A pixel twice as large gives 2 ** GAMMA times the light of a screen. Without this a place with a
# fifth of the attention would get a thirtieth of the light.
GAMMA = 2.2

# Full light on black gives this share of white: else what is black stays black however much the
# model looked at it.
GLOW = 0.04

# A line runs where the light is half as strong as at its strongest. What has just half lies outside
# it, however that is rounded.
HALF = 0.5 + 1e-4
# The line is a pixel wide for each so many of the picture's longer side.
LINE = 250


def spotlight(image: Image.Image, light: np.ndarray, strength: float) -> Image.Image:
    """Dims what is not attended, and draws a line around what is attended most."""
    rows = np.rint(light).astype(np.uint16) << 8
    table = lit_colours(strength).ravel()
    drawn = np.stack([table[rows | np.asarray(channel)] for channel in image.split()], axis=-1)
    # White beside black can be seen on anything; where the light is faint the line is too.
    share = strength * light.max() / 255
    for side, ink in zip(outline(light), (255, 0), strict=True):
        drawn[side] = np.rint(drawn[side] + share * (ink - drawn[side].astype(float)))
    return Image.fromarray(drawn)


def lit_colours(strength: float) -> np.ndarray:
    """What each amount of light, a row, makes of each amount of a colour: (256, 256) uint8."""
    amounts = np.arange(256) / 255
    light = amounts[:, None]
    seen = amounts**GAMMA * (1 - strength * (1 - light))
    glow = GLOW * strength * light
    return np.rint(255 * (seen + glow * (1 - seen)) ** (1 / GAMMA)).astype(np.uint8)


def outline(light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The line around the brightest half: its inner and its outer side, (height, width) bool."""
    bright = light > HALF * light.max()
    height, width = bright.shape
    step = max(1, max(bright.shape) // LINE)
    # Beyond the edges it goes on as it ends, so that no line runs along them.
    wide = np.pad(bright, step, mode="edge")
    middle = slice(step, -step)
    near = (
        wide[:height, middle], wide[2 * step :, middle],
        wide[middle, :width], wide[middle, 2 * step :],
    )  # fmt: skip
    return bright & ~np.logical_and.reduce(near), ~bright & np.logical_or.reduce(near)
