"""Picture files to pixels for the encoder, read ahead in threads while it looks at others.

Reading a picture and fitting it runs outside of Python's lock for the most part: threads share the
work out over the cores as processes would, and end with the training. No random number is drawn.
Letters: P pictures, R of them that could be read.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import ImageOps
from torch import Tensor

from captioner.encoder import Preprocessing
from captioner.errors import ImageError
from captioner.images import load_image

Request = tuple[Sequence[int], Sequence[bool]]  # P indices of pictures; which ones are mirrored
AHEAD = 2  # requests that are read before they are due; each waits as float32


def read_pixels(
    preprocessing: Preprocessing, paths: Sequence[Path], mirrored: Sequence[bool]
) -> Tensor:
    """Pictures as the encoder wants them: (P, 3, height, width).

    Args:
        mirrored: whether left and right are exchanged, for each of P paths.

    Raises:
        ImageError: a picture can't be read.
    """
    made = [_read(preprocessing, *pair) for pair in zip(paths, mirrored, strict=True)]
    return torch.from_numpy(np.stack(made))


def read_ahead(
    preprocessing: Preprocessing,
    paths: Sequence[Path],
    requests: Iterable[Request],
    *,
    lose: Callable[[ImageError], None] | None = None,
) -> Iterator[tuple[Tensor, list[int]]]:
    """Gives the pixels of each request (R, 3, height, width), in the order of the requests.

    Args:
        lose: is told of each picture that can't be read, which is then left out.

    Yields:
        The pixels, and the places in the request of the R pictures that could be read.

    Raises:
        ImageError: a picture can't be read and nobody wants to be told; it comes when it is due.
    """
    waiting = deque()
    readers = ThreadPoolExecutor(os.cpu_count(), "pictures")
    try:
        for pictures, mirrored in requests:
            pairs = zip((paths[i] for i in pictures), mirrored, strict=True)
            waiting.append([readers.submit(_read, preprocessing, *pair) for pair in pairs])
            if len(waiting) > AHEAD:
                yield _together(waiting.popleft(), lose)
        while waiting:
            yield _together(waiting.popleft(), lose)
    finally:
        # Who stops early does not wait for pictures that nobody will look at.
        readers.shutdown(cancel_futures=True)


def _read(preprocessing: Preprocessing, path: Path, mirrored: bool) -> np.ndarray:
    image = load_image(path)
    return preprocessing(ImageOps.mirror(image) if mirrored else image)[0]


def _together(
    reading: Sequence[Future], lose: Callable[[ImageError], None] | None
) -> tuple[Tensor, list[int]]:
    pixels, places = [], []
    for place, future in enumerate(reading):
        try:
            pixels.append(future.result())
            places.append(place)
        except ImageError as error:
            if lose is None:
                raise
            lose(error)
    return torch.from_numpy(np.stack(pixels)) if pixels else torch.empty(0), places
