"""Features of a frozen backbone, computed once and kept in one memory-mapped file.

The file's name is a fingerprint of all that made it: the backbone with its weights, the
preprocessing, the precision, and each picture's path, size and time. What was made otherwise has
another name.
Letters: P pictures, L locations, C channels of the backbone.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from captioner.encoder import Encoder
from captioner.errors import DataError
from captioner.images import load_image

BATCH_SIZE = 16


def cached_features(
    encoder: Encoder, paths: Sequence[Path], folder: Path, *, dtype: torch.dtype, label: str
) -> np.ndarray:
    """Gives the features of pictures, from the cache or, the first time, through the backbone.

    Args:
        encoder: its backbone and preprocessing make the features.
        paths: P picture files.
        folder: of the cache; made if absent.
        dtype: that the backbone computes in, float32 or bfloat16.
        label: what to call the pictures in the progress bar.

    Returns:
        (P, L, C), float16, memory-mapped and read-only, in the order of `paths`.

    Raises:
        ImageError: a picture can't be read.
        DataError: the disk has no room.
    """
    recipe = _recipe(encoder, paths, dtype)
    fingerprint = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    target = folder / f"{fingerprint}.npy"
    if not target.exists():
        _compute(encoder, paths, target, dtype, label)
    return np.load(target, mmap_mode="r")


def _compute(
    encoder: Encoder, paths: Sequence[Path], target: Path, dtype: torch.dtype, label: str
) -> None:
    rows, columns = encoder.grid
    shape = (len(paths), rows * columns, encoder.preprocessing.channels)
    target.parent.mkdir(parents=True, exist_ok=True)
    need, free = 2 * int(np.prod(shape)), shutil.disk_usage(target.parent).free
    if need > free:
        raise DataError(
            f"the features take {need / 1e9:.1f} GB, but {str(target.parent)!r} has "
            f"{free / 1e9:.1f} GB free; give another folder with --cache"
        )
    # Only a whole file gets the name that says it is whole.
    part = target.with_suffix(f".{os.getpid()}.part")
    try:
        features = np.lib.format.open_memmap(part, mode="w+", dtype=np.float16, shape=shape)
        for first in tqdm(range(0, len(paths), BATCH_SIZE), f"features of {label}", unit="batch"):
            batch = paths[first : first + BATCH_SIZE]
            pixels = np.stack([encoder.preprocessing(load_image(path))[0] for path in batch])
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                made = encoder.features(torch.from_numpy(pixels))
            features[first : first + len(batch)] = made.float().numpy()
        features.flush()
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _recipe(encoder: Encoder, paths: Sequence[Path], dtype: torch.dtype) -> dict:
    weights = hashlib.sha256()
    for name, tensor in encoder.backbone.state_dict().items():
        weights.update(name.encode())
        weights.update(tensor.contiguous().numpy().tobytes())
    files = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return {
        "weights": weights.hexdigest(),
        "preprocessing": asdict(encoder.preprocessing),
        "dtype": str(dtype),
        "files": files,
    }
