"""What the frozen part of an encoder makes of pictures, kept in one memory-mapped file.

The file's name is a fingerprint of all that made it: the frozen layers with their weights, the
preprocessing, the precision, and each picture's path, size and time. What was made otherwise has
another name.
Letters: P pictures.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import ImageOps
from torch import Tensor
from tqdm import tqdm

from captioner.encoder import Encoder
from captioner.errors import DataError
from captioner.images import load_image

BATCH_SIZE = 16


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
    recipe = _recipe(encoder, paths, dtype, mirrored)
    fingerprint = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
    target = folder / f"{fingerprint}.npy"
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


def read_pixels(encoder: Encoder, paths: Sequence[Path], mirrored: Sequence[bool]) -> Tensor:
    """Pictures as the encoder wants them: (P, 3, height, width).

    Raises:
        ImageError: a picture can't be read.
    """
    made = []
    for path, turn in zip(paths, mirrored, strict=True):
        image = load_image(path)
        made.append(encoder.preprocessing(ImageOps.mirror(image) if turn else image)[0])
    return torch.from_numpy(np.stack(made))


def check_room(folder: Path, need: int) -> None:
    """Refuses features that a disk has no room for.

    Args:
        folder: of the cache; it need not be there yet.
        need: bytes.

    Raises:
        DataError: there is too little room.
    """
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if need > free:
        raise DataError(
            f"the features take {need / 1e9:.1f} GB, but {str(folder)!r} has "
            f"{free / 1e9:.1f} GB free; give another folder with --cache"
        )


def _compute(
    encoder: Encoder,
    paths: Sequence[Path],
    part: Path,
    dtype: torch.dtype,
    label: str,
    mirrored: bool,
) -> None:
    batches = [paths[i : i + BATCH_SIZE] for i in range(0, len(paths), BATCH_SIZE)]
    features = None
    # One thread reads the next pictures while the backbone looks at these.
    with ThreadPoolExecutor(1) as reader:
        pending = reader.submit(read_pixels, encoder, batches[0], [mirrored] * len(batches[0]))
        for number, batch in enumerate(tqdm(batches, f"features of {label}", unit="batch")):
            pixels = pending.result()
            if number + 1 < len(batches):
                after = batches[number + 1]
                pending = reader.submit(read_pixels, encoder, after, [mirrored] * len(after))
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                made = encoder.look(pixels).float().numpy()
            if features is None:
                features = _allocate(part, (len(paths), *made.shape[1:]))
            first = number * BATCH_SIZE
            features[first : first + len(batch)] = made
            if not np.isfinite(features[first : first + len(batch)]).all():
                named = ", ".join(str(path) for path in batch[:3])
                raise DataError(f"the backbone gives no numbers for one of {named}, ...")
    features.flush()


def _allocate(part: Path, shape: tuple[int, ...]) -> np.ndarray:
    check_room(part.parent, 2 * int(np.prod(shape)))
    features = np.lib.format.open_memmap(part, mode="w+", dtype=np.float16, shape=shape)
    # Written through memory, a disk that fills up later would end the process without a word.
    with part.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, part.stat().st_size)
    return features


def _recipe(encoder: Encoder, paths: Sequence[Path], dtype: torch.dtype, mirrored: bool) -> dict:
    weights = hashlib.sha256()
    for name, tensor in encoder.frozen_state().items():
        weights.update(name.encode())
        weights.update(tensor.contiguous().numpy().tobytes())
    files = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return {
        "weights": weights.hexdigest(),
        "preprocessing": asdict(encoder.preprocessing),
        "backbone": type(encoder.backbone.network).__name__,
        "dtype": str(dtype),
        "mirrored": mirrored,
        "files": files,
    }
