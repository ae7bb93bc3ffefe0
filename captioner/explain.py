"""Is a word's map true? Hides parts of the picture and reads how likely the word still is.

A hidden cell is blurred in the picture itself and the whole model runs again: that is what the
word really hung on, and what attention is measured against. Deletion hides cells in order of
attention and insertion shows them in that order; a true map makes the word unlikely soon and likely
soon. Both are set beside a random order and the order of occlusion, in which each cell was hidden
alone. Letters: P pictures, L locations, T words, S steps.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from captioner.caption import Caption, Word, content_words
from captioner.data import CaptionDataset
from captioner.errors import CaptionerError, counted
from captioner.images import load_image
from captioner.model import BATCH_SIZE, Captioner
from captioner.options import DecodingOptions

# A curve goes from nothing hidden to everything hidden in so many steps.
STEPS = 8
# In which cells are hidden or shown.
ORDERS = ("attention", "random", "occlusion")


@dataclass(frozen=True)
class Curves:
    """Areas under curves of a word's probability, 0-100, for one order of the cells.

    Attributes:
        deletion: lower is better: the word soon becomes unlikely.
        insertion: higher is better: the word soon becomes likely.
    """

    deletion: float
    insertion: float


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """What became of one word when parts of the picture were hidden.

    Attributes:
        word: as the model said or read it, with its map.
        occlusion_map: (rows, columns), how far its probability fell when each cell alone was
            hidden.
        correlation: of alpha and that map by rank (Spearman), -1 to 1.
        attention, random, occlusion: curves in order of alpha, at random, and of that map.
    """

    word: Word
    occlusion_map: np.ndarray
    correlation: float
    attention: Curves
    random: Curves
    occlusion: Curves

    def as_dict(self) -> dict:
        """JSON-ready."""
        return {
            "word": self.word.text,
            "probability": self.word.probability,
            "correlation": self.correlation,
            **{name: asdict(getattr(self, name)) for name in ORDERS},
            "alpha": [[round(float(a), 6) for a in row] for row in self.word.alpha],
            "occlusion_map": [[round(float(a), 6) for a in row] for row in self.occlusion_map],
        }


@torch.inference_mode()
def examine(
    model: Captioner,
    source: Any,
    caption: Caption,
    places: Sequence[int],
    *,
    seed: int = 0,
    progress: bool = False,
) -> list[Faithfulness]:
    """Puts the maps of some words of a caption to the test.

    Args:
        source: the picture, anything `images.load_image` takes.
        caption: of that picture, from `model.caption` or `model.explain`.
        places: indices of the words to test.
        seed: of the random order.
        progress: show on stderr how far it is: on a CPU it takes a while.
    """
    cells, found = int(np.prod(caption.grid)), []
    total = 1 + cells + len(places) * len(ORDERS) * 2 * (STEPS + 1)
    with tqdm(total=total, desc="hiding cells", unit="view", disable=not progress) as bar:
        view = View(model, source, caption, on_read=bar.update)
        full = view.probabilities(torch.zeros(1, cells, dtype=torch.bool))[0]  # (T,)
        alone = view.probabilities(torch.eye(cells, dtype=torch.bool))  # (L, T)
        drops = (full - alone).T.numpy()  # (T, L)
        for place in places:
            # Of its own for each word: what else is tested must not change it.
            draw = np.random.default_rng((seed, place))
            word = caption.words[place]
            alpha, drop = word.alpha.ravel(), drops[place]
            orders = np.argsort(-alpha), draw.permutation(cells), np.argsort(-drop)
            attention, chance, best = (view.curves(order, place) for order in orders)
            correlation = rank_correlation(alpha, drop)
            grid = drop.reshape(caption.grid)
            found.append(Faithfulness(word, grid, correlation, attention, chance, best))
    return found


def sample(
    model: Captioner,
    dataset: CaptionDataset,
    count: int,
    options: DecodingOptions,
    *,
    seed: int = 0,
) -> dict:
    """Captions some pictures of a data set and puts the words that name something to the test.

    Args:
        count: of pictures, drawn at random; all of them if there are fewer.
        seed: of the draw.

    Returns:
        The number of pictures, and means over words, see `summarise`.

    Raises:
        ImageError: a picture can't be read.
        CaptionerError: no caption names anything.
    """
    pictures = random.Random(seed).sample(dataset.pictures, min(count, len(dataset)))
    found: list[Faithfulness] = []
    for picture in tqdm(pictures, "hiding cells", unit="picture"):
        caption = model.caption(picture.path, options=options)
        found += examine(model, picture.path, caption, content_words(caption), seed=seed)
    if not found:
        many = counted(len(pictures), "picture")
        raise CaptionerError(f"no caption of {many} names anything to be seen")
    return {"pictures": len(pictures), **summarise(found)}


class View:
    """One picture and its caption, ready to be looked at with cells hidden.

    Args:
        on_read: is given the number of views, whenever `probabilities` has read some.
    """

    def __init__(
        self,
        model: Captioner,
        source: Any,
        caption: Caption,
        on_read: Callable[[int], object] = lambda views: None,
    ) -> None:
        self.model, self.grid, self.on_read = model, caption.grid, on_read
        pixels, _ = model.encoder.preprocessing(load_image(source))
        self.pixels = torch.from_numpy(pixels)[None]  # (1, 3, height, width)
        self.blurred = _blur(self.pixels, 2 * (self.pixels.shape[-1] // self.grid[1]) + 1)
        words = model.vocabulary.encode([word.text for word in caption.words])
        self.said = torch.tensor(words)
        self.inputs = torch.tensor([[model.vocabulary.start, *words[:-1]]])

    def probabilities(self, hidden: Tensor) -> Tensor:
        """Of each word given the words before, for each way of hiding: (P, L) bool to (P, T)."""
        found = []
        for part in hidden.split(BATCH_SIZE):
            found.append(self.read(self.look(part)))
            self.on_read(len(part))
        return torch.cat(found)

    def curves(self, order: np.ndarray, place: int) -> Curves:
        """Hides and shows cells in an order, and follows the word at a place of the caption."""
        ranks = torch.empty(len(order), dtype=torch.long)
        ranks[torch.from_numpy(order.copy())] = torch.arange(len(order))
        counts = torch.linspace(0, len(order), STEPS + 1).round()[:, None]
        deleted, shown = ranks < counts, ranks >= counts  # (S + 1, L)
        values = self.probabilities(torch.cat([deleted, shown]))[:, place]
        areas = 100 * torch.trapezoid(values.view(2, -1), dim=1) / STEPS
        return Curves(*areas.tolist())

    def look(self, hidden: Tensor) -> Tensor:
        """What the encoder sees with cells hidden: (P, L) bool to annotations (P, L, D)."""
        size, before = (
            self.model.encoder.preprocessing.size,
            self.model.encoder.preprocessing.margin,
        )
        mask = F.interpolate(hidden.float().view(-1, 1, *self.grid), size)
        mask = F.pad(mask, (*before, *before), mode="replicate")  # a margin belongs to its edge
        pixels = torch.where(mask > 0.5, self.blurred, self.pixels).to(self.model.device)
        return self.model.encoder(pixels)

    def read(self, annotations: Tensor) -> Tensor:
        """Of each word given the words before: annotations (P, L, D) to (P, T)."""
        decoder = self.model.decoder
        inputs = self.inputs.expand(len(annotations), -1).to(self.model.device)
        forced = decoder(decoder.remember(annotations), inputs)
        log_probs = torch.log_softmax(forced.logits.float(), dim=-1)
        log_probs = log_probs.view(len(annotations), len(self.said), -1).cpu()
        return log_probs[:, range(len(self.said)), self.said].exp()


def summarise(found: Sequence[Faithfulness]) -> dict:
    """Means over words, JSON-ready: the areas of each order, 0-100, and the correlation."""

    def mean(read: Callable[[Faithfulness], float]) -> float:
        return float(np.mean([read(one) for one in found]))

    return {
        "words": len(found),
        "correlation": mean(lambda one: one.correlation),
        **{
            name: {
                area: mean(lambda one, name=name, area=area: getattr(getattr(one, name), area))
                for area in ("deletion", "insertion")
            }
            for name in ORDERS
        },
    }


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation, ties sharing their mean rank; 0 where one is constant."""
    first, second = _ranks(one), _ranks(other)
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _blur(pixels: Tensor, width: int) -> Tensor:
    """A mean over squares, twice: what is left are colours, not things."""
    for _ in range(2):
        padded = F.pad(pixels, (width // 2,) * 4, mode="replicate")
        pixels = F.avg_pool2d(padded, width, stride=1)
    return pixels
