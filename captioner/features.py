"""What the frozen part of an encoder makes of pictures: kept in files, or looked at anew each time.

A file is memory-mapped. Its name is a fingerprint of all that made it: the frozen layers with their
weights, the preprocessing, the precision, and each picture's path, size and time. What was made
otherwise has another name.
Letters: P pictures.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from captioner.encoder import Encoder
from captioner.errors import DataError, sized
from captioner.pixels import Request, read_ahead
from captioner.world import World

BATCH_SIZE = 16


class Features(Protocol):
    """What `encoder.look` makes of the pictures of a data set."""

    def stream(self, requests: Iterable[Request]) -> Iterator[Tensor]:
        """Gives (P, ...), float32, on the encoder's device, for each request in turn."""


class CachedFeatures:
    """Read from files that hold every picture.

    Args:
        files: as `cached_features` gives them: plain, then mirrored if that is ever asked for.
        device: of the encoder.
    """

    def __init__(self, files: Sequence[np.ndarray], device: torch.device) -> None:
        self._files, self._device = files, device

    def stream(self, requests: Iterable[Request]) -> Iterator[Tensor]:
        """See `Features`."""
        for pictures, mirrored in requests:
            looked = np.stack([self._files[turn][i] for i, turn in zip(pictures, mirrored)])
            yield torch.from_numpy(looked).to(self._device).float()


class LiveFeatures:
    """Looked at whenever they are asked for, while the next pictures are read.

    Args:
        paths: of all pictures.
        dtype: that the backbone computes in, float32 or bfloat16.
    """

    def __init__(self, encoder: Encoder, paths: Sequence[Path], dtype: torch.dtype) -> None:
        self._encoder, self._paths, self._dtype = encoder, paths, dtype

    def stream(self, requests: Iterable[Request]) -> Iterator[Tensor]:
        """See `Features`.

        Raises:
            ImageError: a picture can't be read.
        """
        reading = read_ahead(self._encoder.preprocessing, self._paths, requests)
        with closing(reading):
            for pixels in reading:
                yield _look(self._encoder, pixels, self._dtype)


def open_features(
    encoder: Encoder,
    paths: Sequence[Path],
    cache: Path | None,
    *,
    dtype: torch.dtype,
    label: str,
    mirrored: bool,
    world: World,
) -> Features:
    """The features of a split: kept in a cache, and made for it now, if there is one; else live.

    Args:
        paths: of its pictures.
        cache: folder of the files; none: they are looked at anew each time.
        dtype: that the backbone computes in, float32 or bfloat16.
        label: what to call the pictures in the progress bar.
        mirrored: mirror images will be wanted too.

    Raises:
        ImageError: a picture can't be read.
        DataError: the disk has no room, or the backbone gives no numbers.
    """
    if cache is None:
        return LiveFeatures(encoder, paths, dtype)
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
        target.parent.mkdir(parents=True, exist_ok=True)
        # Only a whole file gets the name that says it is whole; what a killed process left goes.
        part = target.with_suffix(".part")
        try:
            _compute(encoder, paths, part, dtype, label, mirrored)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    return np.load(target, mmap_mode="r")


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
            made = _look(encoder, next(pixels), dtype).cpu().numpy()
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
