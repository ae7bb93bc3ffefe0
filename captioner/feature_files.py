"""Files of what the frozen part of an encoder makes of pictures.

A file is memory-mapped. Its name is a fingerprint of all that made it: the frozen layers with their
weights, the preprocessing, the precision, and each picture's path, size and time. What was made
otherwise has another name.
Letters: P pictures.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from captioner.encoder import Encoder
from captioner.errors import DataError, sized
from captioner.pixels import read_ahead

BATCH_SIZE = 16
LOCK = "making.lock"


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
            made = look(encoder, next(pixels)[0], dtype).cpu().numpy()
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


def look(encoder: Encoder, pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """Looks at pixels (P, 3, height, width) in a precision: (P, ...), float32."""
    device = next(encoder.parameters()).device
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        return encoder.look(pixels.to(device)).float()
