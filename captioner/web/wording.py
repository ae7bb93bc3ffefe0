"""How sure the model was of a word and where it looked, in plain words. Knows no torch."""

import math

import numpy as np

from captioner.attended import brightest_half
from captioner.caption import Word
from captioner.geometry import Geometry

# From this share of the picture on, naming one place would mislead.
EVERYWHERE = 0.4
# Most words let in nearly all of what was seen: only a gate below this says something of its word.
OPEN_GATE = 0.9

# What hard attention does, which no map shows.
HARD = "The brightest cell alone is taken when it captions; in training one is drawn."

PLACES = (
    ("top left", "top", "top right"),
    ("middle left", "centre", "middle right"),
    ("bottom left", "bottom", "bottom right"),
)


def describe(word: Word, geometry: Geometry) -> str:
    """Says how sure the model was, where it looked, and how much of that it used if not all."""
    if not word.known:
        sure = f"“{word.text}” is a word that the model does not know; it read “some word”."
    else:
        sure = f"{word.text}, {percent(word.probability)} sure."
    half = share_of_half(word.alpha, geometry)
    if half >= EVERYWHERE:
        looks = f"Looks all over; half of the attention is on {percent(half)} of the picture."
    else:
        looks = (
            f"Looks mostly at the {main_place(word.alpha, geometry)}; "
            f"half of the attention is on {percent(half)} of the picture."
        )
    if word.gate is None or word.gate >= OPEN_GATE:
        return f"{sure} {looks}"
    # Rounded once, so that the two add up.
    looked = round(word.gate * 100)
    gate = f"It let in {looked} % of what it saw and went by the words before for the rest."
    return f"{sure} {looks} {gate}"


def share_of_half(alpha: np.ndarray, geometry: Geometry) -> float:
    """How much of the picture, 0-1, the fewest cells with half of the attention cover."""
    rows, columns = (_cell_edges(geometry, axis, alpha.shape[1 - axis]) for axis in (1, 0))
    areas = np.outer(np.diff(rows), np.diff(columns))
    return float(areas[brightest_half(alpha)].sum())


def main_place(alpha: np.ndarray, geometry: Geometry) -> str:
    """The ninth of the picture that has the most attention."""
    rows, columns = (_thirds(geometry, axis, alpha.shape[1 - axis]) for axis in (1, 0))
    ninths = rows @ alpha @ columns.T
    row, column = np.unravel_index(ninths.argmax(), ninths.shape)
    return PLACES[row][column]


def percent(share: float) -> str:
    """A share of 0-1 as people say it; what is neither none nor all is never called so."""
    rounded = math.floor(100 * share + 0.5)  # halves go up, as in words.js
    if rounded == 0 and share > 0:
        return "under 1 %"
    if rounded == 100 and share < 1:
        return "over 99 %"
    return f"{rounded} %"


def _cell_edges(geometry: Geometry, axis: int, cells: int) -> np.ndarray:
    """Where the cells' edges lie in the picture along one axis, 0-1, held inside it."""
    frame = np.linspace(0, geometry.frame[axis], cells + 1)
    pixels = (frame - geometry.offset[axis]) / geometry.scale[axis]
    return np.clip(pixels / geometry.size[axis], 0, 1)


def _thirds(geometry: Geometry, axis: int, cells: int) -> np.ndarray:
    """How much of each cell, of what lies in the picture, is in each third of it: (3, cells)."""
    edges = _cell_edges(geometry, axis, cells)
    ends = np.arange(4)[:, None] / 3
    lengths = np.minimum(ends[1:], edges[1:]) - np.maximum(ends[:-1], edges[:-1])
    return lengths.clip(0) / np.maximum(np.diff(edges), 1e-9)
