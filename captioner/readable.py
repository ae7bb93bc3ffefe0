"""Finds the pictures of a data set that can't be read, before a training depends on them.

Each file that can be read is looked at once: that it can is kept with its size and time.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from captioner.data import CaptionDataset
from captioner.errors import DataError, ImageError, counted
from captioner.images import load_image
from captioner.records import SHOWN

KNOWN = "readable.json"


def leave_out_unreadable(
    dataset: CaptionDataset, name: str, *, most: float, cache: Path
) -> tuple[CaptionDataset, str]:
    """Leaves out the pictures that can't be read.

    Args:
        name: of the split, for people.
        most: largest share of pictures, 0-1, that may be unreadable.
        cache: folder that keeps what is known of each file.

    Returns:
        The data set without them, and a sentence that names them; an empty one if there is none.

    Raises:
        DataError: there are more of them than may be.
    """
    faults = find_unreadable([picture.path for picture in dataset.pictures], name, cache)
    if not faults:
        return dataset, ""
    shown = "; ".join(list(faults.values())[:SHOWN]) + ("; ..." if len(faults) > SHOWN else "")
    told = f"{len(faults)} of {counted(len(dataset), f'{name} picture')} can't be read: {shown}"
    if len(faults) > most * len(dataset):
        raise DataError(f"{told}; mend or remove them, or raise --max-bad-images")
    pictures = tuple(p for p in dataset.pictures if p.path not in faults)
    left_out = tuple(p for p in dataset.pictures if p.path in faults)
    return replace(dataset, pictures=pictures, left_out=left_out), f"left out: {told}"


def find_unreadable(paths: Sequence[Path], name: str, cache: Path) -> dict[Path, str]:
    """What is wrong with each picture that can't be read.

    Args:
        name: of the split, for the progress bar.
        cache: folder that keeps what is known of each file; made if absent.
    """
    known, faults = _read_known(cache / KNOWN), {}
    marks = {path: _mark(path) for path in paths}
    there = set(known)
    unknown = [path for path in paths if marks[path] not in there]
    if unknown:
        with ThreadPoolExecutor(os.cpu_count()) as readers:
            found = tqdm(
                readers.map(_fault, unknown),
                f"looking at {name} pictures",
                total=len(unknown),
                unit="picture",
            )
            faults = dict(zip(unknown, found, strict=True))
        # What could not be read may be mended without a change of the file: permissions, say.
        known += [marks[path] for path, fault in faults.items() if not fault]
        cache.mkdir(parents=True, exist_ok=True)
        part = cache / f"{KNOWN}.{os.getpid()}.part"
        part.write_text(json.dumps(known))
        os.replace(part, cache / KNOWN)
    return {path: fault for path, fault in faults.items() if fault}


def _read_known(path: Path) -> list[str]:
    try:
        return list(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return []  # nothing is known yet; a broken file is written anew


def _mark(path: Path) -> str:
    about = path.stat()
    return f"{path.resolve()} {about.st_size} {about.st_mtime_ns}"


def _fault(path: Path) -> str:
    try:
        load_image(path)
    except ImageError as error:
        return str(error)
    return ""
