"""What the frozen part of an encoder makes of pictures: kept in files, or looked at anew each time.

A file is memory-mapped. Its name is a fingerprint of all that made it: the frozen layers with their
weights, the preprocessing, the precision, and each picture's path, size and time. What was made
otherwise has another name.
Letters: P pictures, R of them that could be read.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from captioner.encoder import Encoder
from captioner.errors import DataError, ImageError, counted, sized
from captioner.pixels import Request, read_ahead
from captioner.world import World

BATCH_SIZE = 16
LOCK = "making.lock"


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
                yield _look(self._encoder, pixels, self._dtype) if places else pixels, places

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
    for turn in (0, 1):  # the first process makes the files, the others find them
        if min(world.rank, 1) == turn:
            files = [
                cached_features(encoder, paths, cache, dtype=dtype, label=text, mirrored=side)
                for side, text in labels.items()
            ]
        world.wait()
    return CachedFeatures(files, _device(encoder))


def cached_features(
    encoder: Encoder,
    paths: Sequence[Path],
    folder: Path,
    *,
    dtype: torch.dtype,
    label: str,
    mirrored: bool = False,
) -> np.ndarray:
    """Gives what `encoder.look` makes of pictures, from the cache or, the first time, by looking.

    Args:
        paths: P picture files.
        folder: of the cache; made if absent.
        dtype: that the backbone computes in, float32 or bfloat16.
        label: what to call the pictures in the progress bar.
        mirrored: of each picture with left and right exchanged.

    Returns:
        (P, ...), float16, memory-mapped and read-only, in the order of `paths`.

    Raises:
        ImageError: a picture can't be read.
        DataError: the disk has no room, or the backbone gives no numbers.
    """
    target = cache_file(encoder, stamp(paths), folder, dtype, mirrored)
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if not target.exists():  # nobody made it meanwhile
                _make(encoder, paths, target, dtype, label, mirrored)
    return np.load(target, mmap_mode="r")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time makes files in a cache: two would write into one another's."""
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting: features are being made in {str(folder)!r}", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield  # the lock ends with the file, however the process ends


def _make(
    encoder: Encoder,
    paths: Sequence[Path],
    target: Path,
    dtype: torch.dtype,
    label: str,
    mirrored: bool,
) -> None:
    # Only a whole file gets the name that says it is whole; what a killed process left goes.
    part = target.with_suffix(".part")
    try:
        _compute(encoder, paths, part, dtype, label, mirrored)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def cache_file(
    encoder: Encoder, stamps: list, folder: Path, dtype: torch.dtype, mirrored: bool
) -> Path:
    """The file in which `cached_features` keeps what it gives.

    Args:
        stamps: of the pictures, see `stamp`.
    """
    weights = hashlib.sha256()
    for name, tensor in encoder.frozen_state().items():
        weights.update(name.encode())
        weights.update(tensor.cpu().contiguous().numpy().tobytes())
    recipe = {
        "weights": weights.hexdigest(),
        "preprocessing": asdict(encoder.preprocessing),
        "backbone": type(encoder.backbone.network).__name__,
        "dtype": str(dtype),
        "mirrored": mirrored,
        "files": stamps,
    }
    fingerprint = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    return folder / f"{fingerprint}.npy"


def stamp(paths: Sequence[Path]) -> list[tuple[str, int, int]]:
    """Path, size and time of each file."""
    return [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]


def free_room(folder: Path) -> int:
    """Free bytes on the disk of a folder, which need not be there yet."""
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(there).free


def check_room(folder: Path, need: int) -> None:
    """Refuses features that a disk has no room for.

    Args:
        folder: of the cache; it need not be there yet.
        need: bytes.

    Raises:
        DataError: there is too little room.
    """
    free = free_room(folder)
    if need > free:
        raise DataError(
            f"the features take {sized(need)}, but {str(folder)!r} has {sized(free)} free; "
            "give another folder with --cache, or --feature-cache off"
        )


def _compute(
    encoder: Encoder,
    paths: Sequence[Path],
    part: Path,
    dtype: torch.dtype,
    label: str,
    mirrored: bool,
) -> None:
    batches = [range(i, min(i + BATCH_SIZE, len(paths))) for i in range(0, len(paths), BATCH_SIZE)]
    requests = ((batch, [mirrored] * len(batch)) for batch in batches)
    features = None
    with closing(read_ahead(encoder.preprocessing, paths, requests)) as pixels:
        for batch in tqdm(batches, f"features of {label}", unit="batch"):
            made = _look(encoder, next(pixels)[0], dtype).cpu().numpy()
            if features is None:
                features = _allocate(part, (len(paths), *made.shape[1:]))
            features[batch.start : batch.stop] = made
            if not np.isfinite(features[batch.start : batch.stop]).all():
                named = ", ".join(str(paths[i]) for i in batch[:3])
                raise DataError(f"the backbone gives no numbers for one of {named}, ...")
    features.flush()


def _allocate(part: Path, shape: tuple[int, ...]) -> np.ndarray:
    check_room(part.parent, 2 * int(np.prod(shape)))
    features = np.lib.format.open_memmap(part, mode="w+", dtype=np.float16, shape=shape)
    # Written through memory, a disk that fills up later would end the process without a word.
    with part.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, part.stat().st_size)
    return features


def _look(encoder: Encoder, pixels: Tensor, dtype: torch.dtype) -> Tensor:
    device = _device(encoder)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        return encoder.look(pixels.to(device)).float()


def _device(encoder: Encoder) -> torch.device:
    return next(encoder.parameters()).device
