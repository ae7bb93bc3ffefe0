"""What the frozen part of an encoder makes of pictures: kept in files, or looked at anew each time.

Letters: P pictures, R of them that could be read.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from captioner.encoder import Encoder
from captioner.errors import DataError, ImageError, counted
from captioner.feature_files import cached_features, look
from captioner.pixels import Request, read_ahead
from captioner.world import World


class Features(Protocol):
    """What `encoder.look` makes of the pictures of a data set."""

    def stream(self, requests: Iterable[Request]) -> Iterator[tuple[Tensor, list[int]]]:
        """Looks at the P pictures of each request in turn.

        Yields:
            (R, ...), float32, on the encoder's device, and the places in the request of the R
            pictures that could be read: all P, as a rule.
        """


class CachedFeatures:
    """Read from files that hold every picture.

    Args:
        files: as `cached_features` gives them: plain, then mirrored if that is ever asked for.
        device: of the encoder.
    """

    def __init__(self, files: Sequence[np.ndarray], device: torch.device) -> None:
        self._files, self._device = files, device

    def stream(self, requests: Iterable[Request]) -> Iterator[tuple[Tensor, list[int]]]:
        """See `Features`."""
        for pictures, mirrored in requests:
            looked = np.stack([self._files[turn][i] for i, turn in zip(pictures, mirrored)])
            yield torch.from_numpy(looked).to(self._device).float(), list(range(len(pictures)))


class LiveFeatures:
    """Looked at whenever they are asked for, while the next pictures are read.

    A picture that can't be read any more is left out and told of: a training of days goes on.

    Args:
        paths: of all pictures.
        dtype: that the backbone computes in, float32 or bfloat16.
        most: largest share of the pictures, 0-1, that may be left out.
    """

    def __init__(
        self, encoder: Encoder, paths: Sequence[Path], dtype: torch.dtype, most: float
    ) -> None:
        self._encoder, self._paths, self._dtype, self._most = encoder, paths, dtype, most
        self._lost: set[str] = set()

    def stream(self, requests: Iterable[Request]) -> Iterator[tuple[Tensor, list[int]]]:
        """See `Features`.

        Raises:
            DataError: too many pictures can't be read any more.
        """
        preprocessing = self._encoder.preprocessing
        reading = read_ahead(preprocessing, self._paths, requests, lose=self._lose)
        with closing(reading):
            for pixels, places in reading:
                yield look(self._encoder, pixels, self._dtype) if places else pixels, places

    def _lose(self, error: ImageError) -> None:
        if str(error) in self._lost:
            return
        self._lost.add(str(error))
        if len(self._lost) > self._most * len(self._paths):
            raise DataError(
                f"{len(self._lost)} of {counted(len(self._paths), 'picture')} can't be read any "
                f"more, now: {error}; mend them, or raise --max-bad-images"
            ) from error
        tqdm.write(f"left out from here on: {error}", file=sys.stderr)


def open_features(
    encoder: Encoder,
    paths: Sequence[Path],
    cache: Path | None,
    *,
    dtype: torch.dtype,
    label: str,
    mirrored: bool,
    world: World,
    most: float = 0.0,
) -> Features:
    """The features of a split: kept in a cache, and made for it now, if there is one; else live.

    Args:
        paths: of its pictures.
        cache: folder of the files; none: they are looked at anew each time.
        dtype: that the backbone computes in, float32 or bfloat16.
        label: what to call the pictures in the progress bar.
        mirrored: mirror images will be wanted too.
        most: largest share of the pictures, 0-1, that may turn out unreadable later, without a
            cache.

    Raises:
        ImageError: a picture can't be read.
        DataError: the disk has no room, or the backbone gives no numbers.
    """
    if cache is None:
        return LiveFeatures(encoder, paths, dtype, most)
    labels = {False: label} | ({True: f"{label}, mirrored"} if mirrored else {})
    files = world.in_turn(
        lambda: [
            cached_features(encoder, paths, cache, dtype=dtype, label=text, mirrored=side)
            for side, text in labels.items()
        ]
    )
    return CachedFeatures(files, next(encoder.parameters()).device)
