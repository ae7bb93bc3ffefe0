"""The training split as numbers: encoded captions, and the cells that their words name.

Letters: P pictures, K captions a picture, B = P * K, T steps, N words with boxes, L locations.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from captioner.batches import bucketed_batches, pad_captions
from captioner.data import CaptionDataset, Picture, Region
from captioner.encoder import Preprocessing
from captioner.geometry import Geometry, place
from captioner.images import load_image
from captioner.regions import is_scene, regions_by_head, token_places
from captioner.tokenizer import tokenize
from captioner.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Batch:
    """Some pictures with all of their captions.

    Attributes:
        pictures: P indices into the data set.
        mirrored: P times, whether left and right are exchanged.
        inputs: (B, T), `<start>`, the words, then `<pad>`; the rows of one picture side by side.
        rows, steps: (N,), where in `inputs` the word *before* each word with boxes stands: its map
            is made there.
        covered: (N, L), 0-1, how much of each cell lies in the boxes of that word.
    """

    pictures: list[int]
    mirrored: list[bool]
    inputs: Tensor
    rows: Tensor
    steps: Tensor
    covered: Tensor


class Examples:
    """The training split, ready to be put into batches.

    Args:
        preprocessing: of the encoder; it says how the grid lies over the pictures.
        mirror: exchange left and right in every second picture, unless a caption names a side.
        grounded: keep which cells each word names.
    """

    def __init__(
        self,
        dataset: CaptionDataset,
        vocabulary: Vocabulary,
        preprocessing: Preprocessing,
        *,
        mirror: bool = False,
        grounded: bool = True,
    ) -> None:
        tokens = [[tokenize(text) for text in p.captions] for p in dataset.pictures]
        self.captions = [[vocabulary.encode(words) for words in own] for own in tokens]
        self.lengths = [max(map(len, captions)) for captions in self.captions]
        self._mirror = [
            mirror and not any({"left", "right"} & set(words) for words in own) for own in tokens
        ]
        self._grid = preprocessing.grid
        frame, resize = preprocessing.size[::-1], preprocessing.resize
        self._looks: list[list[tuple[int, int, np.ndarray]]] = [[] for _ in tokens]
        # Of each picture, the cells of every word that people used for a thing in it.
        self.heads: list[dict[str, np.ndarray]] = [{} for _ in tokens]
        for index, picture in enumerate(dataset.pictures if grounded else ()):
            if picture.regions:
                size = picture.size or load_image(picture.path).size
                self._ground(index, picture, place(size, frame, resize))

    def __len__(self) -> int:
        return len(self.captions)

    def batches(self, size: int, seed: str) -> list[list[int]]:
        """Shuffled batches of picture indices; the same seed gives the same ones."""
        return bucketed_batches(self.lengths, size, seed)

    def mirrored(self, pictures: Sequence[int], seed: str) -> list[bool]:
        """Whether left and right are exchanged in each picture: seed and index decide."""
        return [self._mirror[i] and random.Random(f"{seed}/{i}").random() < 0.5 for i in pictures]

    def batch(self, pictures: Sequence[int], seed: str) -> Batch:
        """Puts pictures together.

        Args:
            pictures: indices.
            seed: see `mirrored`.
        """
        mirrored = self.mirrored(pictures, seed)
        inputs = pad_captions([self.captions[i] for i in pictures])
        each = len(inputs) // len(pictures)
        looks = [
            (place * each + caption, step, self.turned(cells, turn))
            for place, (i, turn) in enumerate(zip(pictures, mirrored))
            for caption, step, cells in self._looks[i]
        ]
        rows, steps, covered = zip(*looks, strict=True) if looks else ((), (), ())
        cells = self._grid[0] * self._grid[1]
        return Batch(
            pictures=list(pictures),
            mirrored=mirrored,
            inputs=inputs,
            rows=torch.tensor(rows, dtype=torch.long),
            steps=torch.tensor(steps, dtype=torch.long),
            covered=torch.from_numpy(np.array(covered, np.float32).reshape(-1, cells)),
        )

    def turned(self, cells: np.ndarray, mirrored: bool) -> np.ndarray:
        """Cells (L,) of a picture, left and right exchanged if it is mirrored."""
        return cells.reshape(self._grid)[:, ::-1].ravel() if mirrored else cells

    def _ground(self, index: int, picture: Picture, geometry: Geometry) -> None:
        def cells(regions: Sequence[Region]) -> np.ndarray:
            boxes = [box for region in regions for box in region.boxes]
            return geometry.cover(boxes, self._grid).ravel().astype(np.float32)

        for region in picture.regions:
            # A scene is about the whole picture: there is nothing to learn from it.
            if not is_scene(region):
                covered = cells([region])
                length = len(self.captions[index][region.caption])
                for step in token_places(picture.captions[region.caption], region):
                    if step < length:
                        self._looks[index].append((region.caption, step, covered))
        self.heads[index] = {
            word: cells(regions)
            for word, regions in regions_by_head(picture).items()
            if not any(map(is_scene, regions))
        }
