"""What is on disk: finds the files of a data set, and reads what a picture or record says.

Knows nothing of any one layout.
"""

import contextlib
import os
import warnings
from collections.abc import Container, Sequence
from pathlib import Path

from captioner.errors import DataError, ImageError
from captioner.layouts.prepared import refuse


def find(source: Path, what: str, *candidates: str) -> Path:
    """Returns the first of some paths inside a folder that exists."""
    for candidate in candidates:
        if (source / candidate).exists():
            return source / candidate
    raise DataError(f"expected {what} in {source}, as {' or '.join(candidates)}")


def names_in(folder: Path) -> set[str]:
    """Lists a folder once: COCO has 118,287 pictures in one, too many to ask for each."""
    try:
        return set(os.listdir(folder))
    except OSError as error:
        raise DataError(f"can't list {folder}: {error.strerror}") from error


def left_out(name: str, pictures: Sequence[str], there: Container[str], folder: Path) -> str:
    """Says that a split is left out, if none of its pictures is there; else gives nothing.

    The test pictures may be kept away on purpose. A split of which some are there is refused.
    """
    lost = [picture for picture in pictures if picture not in there]
    if lost and len(lost) == len(pictures):
        return f"{name} is left out, as none of its pictures ({len(lost)}) is in {folder}"
    refuse(f"{name}: pictures that aren't in {folder}", lost)
    return ""


def image_record(image_id: int, folder: Path, name: str) -> dict:
    """Makes a picture's entry in COCO captions JSON, with its size as it is shown.

    One whose header can't be read has no size: that is no reason to refuse the others.
    """
    record = {"id": image_id, "file_name": name}
    try:
        width, height = upright_size(folder / name)
    except ImageError:
        return record
    return record | {"width": width, "height": height}


def upright_size(path: Path) -> tuple[int, int]:
    """Reads the (width, height) of a picture as it is shown, from its header alone.

    Raises:
        ImageError: the header can't be read.
    """
    # Loaded here, as the command line's help needs the names of the layouts, and at once.
    from PIL import ExifTags, Image

    # About 0.1 ms a picture; threads only make it slower, as Python does most of the work.
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as picture:
            size, turned = picture.size, False
            # A picture is no worse for a broken EXIF block: `images` takes it as it lies.
            with contextlib.suppress(Exception):
                turned = picture.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    # On a damaged file Pillow's plugins raise nearly anything.
    except Exception as error:
        raise ImageError(f"can't read the picture {path}: {error}") from error
    return size[::-1] if turned else size


def pick(record: dict, required: dict[str, type], optional: Sequence[str] = ()) -> dict:
    """Copies some keys of a record, after checking the types of those it must have.

    Raises:
        KeyError: one of those is missing.
        TypeError: it has another type, or the record is none.
    """
    for key, kind in required.items():
        if not isinstance(record[key], kind):
            raise TypeError(f"{key} is {record[key]!r}, not of type {kind.__name__}")
    return {key: record[key] for key in (*required, *optional) if key in record}
