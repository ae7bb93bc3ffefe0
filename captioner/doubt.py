"""Puts one word's map to the test that a visitor understands: hide where it looked, caption again.

What is hidden is blurred in the picture itself, as in `explain`. The same patch, moved elsewhere,
is hidden for comparison: any hiding hurts a little. Letters: P ways of hiding, L locations.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from captioner.attended import brightest_half
from captioner.caption import Caption, Word
from captioner.explain import View
from captioner.model import Captioner
from captioner.options import DecodingOptions

# Places that the patch is moved to.
ELSEWHERE = 8
# How far the picture under it may differ in size, as a share: a margin hides nothing.
ALIKE = 0.1


@dataclass(frozen=True, eq=False)
class Trial:
    """The picture with some cells hidden.

    Attributes:
        hidden: (rows, columns) bool.
        probability: 0-1, of the word, given the words before it.
        caption: what the model says of it; empty where it was not asked.
    """

    hidden: np.ndarray
    probability: float
    caption: str


@dataclass(frozen=True, eq=False)
class Doubt:
    """What became of a word.

    Attributes:
        word: with its map.
        whole: nothing hidden.
        looked: hidden where the word looked: the fewest cells that hold half of its attention.
        elsewhere: the same patch, moved; the first of them was captioned too. Empty where no
            other place holds as much of the picture.
    """

    word: Word
    whole: Trial
    looked: Trial
    elsewhere: tuple[Trial, ...]

    @property
    def chance(self) -> float:
        """The word's mean probability with the patch elsewhere; NaN without another place."""
        if not self.elsewhere:
            return float("nan")
        return float(np.mean([trial.probability for trial in self.elsewhere]))

    @property
    def beaten(self) -> int:
        """How many other places made the word less unlikely than the place it looked at."""
        return sum(trial.probability > self.looked.probability for trial in self.elsewhere)


@torch.inference_mode()
def doubt(
    model: Captioner,
    source: Any,
    caption: Caption,
    place: int,
    options: DecodingOptions,
    *,
    seed: int = 0,
) -> Doubt:
    """Hides where a word of a caption looked, and the same patch elsewhere.

    Args:
        source: the picture, anything `images.load_image` takes.
        caption: of that picture, from `model.caption` or `model.explain`.
        place: the index of the word.
        options: how the picture is captioned again.
        seed: of where the patch is moved to.
    """
    word = caption.words[place]
    looked = brightest_half(word.alpha)
    geometry = caption.geometry
    seen = geometry.cover([(0, 0, *geometry.size)], caption.grid)
    masks = np.stack([np.zeros_like(looked), looked, *moved(looked, seen, ELSEWHERE, seed)])
    view = View(model, source, caption)
    annotations = view.look(torch.from_numpy(masks.reshape(len(masks), -1)))  # (P, L, D)
    probabilities = view.read(annotations)[:, place].tolist()
    # The whole picture, the word's own place and one other are enough to read.
    found = model.decode(annotations[:3], options)
    said = [" ".join(model.vocabulary.words[t] for t in best[0].tokens) for best in found]
    said += [""] * (len(masks) - len(said))
    whole, hidden, *elsewhere = map(Trial, masks, probabilities, said)
    return Doubt(word, whole, hidden, tuple(elsewhere))


def moved(patch: np.ndarray, seen: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """The patch moved over the grid, out at one side and in at the other.

    Args:
        patch: (rows, columns) bool.
        seen: (rows, columns), how much of each cell is picture and not margin, 0-1.
        count: of places; those come first where it covers least of its own.
        seed: of the order among equals.

    Returns:
        At most `count` patches of the same shape and size that hide as much of the picture; none
        on a grid of one cell.
    """
    rows, columns = patch.shape
    shifts = [(y, x) for y in range(rows) for x in range(columns)][1:]
    order = np.random.default_rng(seed).permutation(len(shifts))
    places = [np.roll(patch, shifts[i], (0, 1)) for i in order]
    own = seen[patch].sum()
    alike = [place for place in places if abs(seen[place].sum() - own) <= ALIKE * own]
    alike.sort(key=lambda place: int((place & patch).sum()))
    return alike[:count]
