"""Pictures with captions, from COCO captions JSON, and batches of them for training.

The captions of one picture stay together in a batch, so that its features are computed once.
Letters: P pictures, K captions a picture, B = P * K, T steps.
"""

import contextlib
import io
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pycocotools.coco import COCO
from torch import Tensor

from captioner.errors import DataError
from captioner.vocabulary import Vocabulary


@dataclass(frozen=True)
class Picture:
    """One picture with what people said of it."""

    id: int
    path: Path
    captions: tuple[str, ...]


@dataclass(frozen=True)
class CaptionDataset:
    """One split: its pictures in the order of the file, each with at least one caption."""

    pictures: tuple[Picture, ...]

    def __len__(self) -> int:
        return len(self.pictures)


def read_dataset(annotations: Path, images: Path) -> CaptionDataset:
    """Reads a COCO captions JSON.

    Args:
        annotations: the JSON file of one split.
        images: the folder its file names are relative to.

    Raises:
        DataError: the file or folder is missing or malformed, a picture file is absent, or a
            picture has no caption.
    """
    if not annotations.is_file():
        raise DataError(f"there is no captions file {str(annotations)!r}")
    if not images.is_dir():
        raise DataError(f"there is no folder of images {str(images)!r}")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress there
            captions = COCO(str(annotations)).dataset
        return make_dataset(captions, images, str(annotations))
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise DataError(
            f"{str(annotations)!r} is no COCO captions JSON: {error or type(error).__name__}"
        ) from error


def make_dataset(captions: dict, images: Path, name: str) -> CaptionDataset:
    """Makes a data set from the content of a COCO captions JSON.

    Args:
        captions: with `images` and `annotations`.
        images: the folder its file names are relative to.
        name: what to call it in an error.

    Raises:
        DataError: there is no picture, one has no caption, or its file is absent.
    """
    said = defaultdict(list)
    for annotation in captions["annotations"]:
        said[annotation["image_id"]].append(annotation["caption"])
    pictures = tuple(
        Picture(image["id"], images / image["file_name"], tuple(said[image["id"]]))
        for image in captions["images"]
    )
    if not pictures:
        raise DataError(f"there is no picture in {name!r}")
    for fault, found in {
        "without a caption": [p.id for p in pictures if not p.captions],
        "whose file is absent": [str(p.path) for p in pictures if not p.path.is_file()],
    }.items():
        if found:
            raise DataError(f"{name!r} has {len(found)} pictures {fault}, first {found[0]!r}")
    return CaptionDataset(pictures)


def pad_captions(pictures: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """Encoded captions to decoder inputs: `<start>` and the words, then `<pad>`.

    A picture with fewer captions than another gets rows of padding, so that every picture of the
    batch has K rows.

    Args:
        pictures: for each of P pictures its encoded captions.

    Returns:
        (P * K, T), the rows of one picture side by side.
    """
    rows = max(map(len, pictures))
    steps = 1 + max(len(caption) for captions in pictures for caption in captions)
    inputs = torch.full((len(pictures), rows, steps), Vocabulary.pad)
    for p, captions in enumerate(pictures):
        for k, caption in enumerate(captions):
            inputs[p, k, : 1 + len(caption)] = torch.tensor([Vocabulary.start, *caption])
    return inputs.flatten(0, 1)


def next_words(inputs: Tensor) -> Tensor:
    """The word after each real word of the inputs (B, T): (N,), the last one `<end>`."""
    following = torch.cat([inputs[:, 1:], torch.full_like(inputs[:, :1], Vocabulary.pad)], dim=1)
    real = inputs != Vocabulary.pad
    return torch.where(following == Vocabulary.pad, Vocabulary.end, following)[real]


def bucketed_batches(lengths: Sequence[int], batch_size: int, seed: str) -> list[list[int]]:
    """Shuffled batches of pictures whose longest captions are about equally long.

    Less padding: with everything shuffled, each batch is as long as the longest of all captions.

    Args:
        lengths: words in the longest caption of each picture.
        batch_size: pictures in a batch; the last batch may be smaller.
        seed: the same seed gives the same batches.
    """
    draw = random.Random(seed)
    order = draw.sample(range(len(lengths)), len(lengths))
    window = 32 * batch_size
    batches = []
    for first in range(0, len(order), window):
        near = sorted(order[first : first + window], key=lengths.__getitem__)
        batches += [near[i : i + batch_size] for i in range(0, len(near), batch_size)]
    draw.shuffle(batches)
    return batches
