"""Encoded captions to what a decoder trains on.

The captions of one picture stay together in a batch, so that its features are read once.
Letters: P pictures, K captions a picture, B = P * K, T steps, N real words.
"""

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from captioner.vocabulary import Vocabulary


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
