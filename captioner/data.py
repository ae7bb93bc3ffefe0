"""Pictures with captions, from COCO captions JSON, and captions in COCO's results format.

Knows no torch: captions can be scored without it.
"""

import contextlib
import io
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pycocotools.coco import COCO

from captioner.errors import DataError
from captioner.tokenizer import tokenize


@dataclass(frozen=True)
class Region:
    """Words of a caption and the boxes they speak of.

    Attributes:
        caption: which caption of the picture, from 0.
        start, end: the words, [start, end) of `caption.split()`.
        boxes: each (x, y, width, height) in pixels of the upright picture.
        kind: people, animals, ...; several are joined by slashes.
    """

    caption: int
    start: int
    end: int
    boxes: tuple[tuple[float, float, float, float], ...]
    kind: str


@dataclass(frozen=True)
class Picture:
    """One picture with what people said of it."""

    id: int
    path: Path
    captions: tuple[str, ...]
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True)
class CaptionDataset:
    """One split: its pictures in the order of the file, each with at least one caption."""

    pictures: tuple[Picture, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def references(self) -> dict[int, list[str]]:
        """The captions by picture id."""
        return {picture.id: list(picture.captions) for picture in self.pictures}


def read_dataset(annotations: Path, images: Path) -> CaptionDataset:
    """Reads a COCO captions JSON with its pictures.

    Args:
        annotations: the JSON file of one split.
        images: the folder its file names are relative to.

    Raises:
        DataError: the file or folder is missing or malformed, a picture file is absent, or a
            picture has no caption.
    """
    annotations, images = Path(annotations), Path(images)
    if not images.is_dir():
        raise DataError(f"there is no folder of images {str(images)!r}")
    return make_dataset(_read_captions(annotations), images, str(annotations))


def read_references(annotations: Path) -> dict[int, list[str]]:
    """Reads the captions of a COCO captions JSON by picture id; the pictures are not needed.

    Raises:
        DataError: the file is missing or malformed, or a picture has no caption.
    """
    captions = _read_captions(annotations)
    said = _captions_by_picture(captions)
    references = {image["id"]: said[image["id"]] for image in captions["images"]}
    if not references:
        raise DataError(f"there is no picture in {str(annotations)!r}")
    _refuse(annotations, "pictures without a caption", [k for k, v in references.items() if not v])
    _refuse(annotations, "captions of pictures that are not in it", list(said.keys() - references))
    return references


def read_results(path: Path, references: dict[int, list[str]]) -> dict[int, str]:
    """Reads captions in COCO's results format: exactly one for each picture with references.

    Args:
        path: a JSON list of `{"image_id", "caption"}`; an id may be a string of digits.
        references: by picture id.

    Raises:
        DataError: the file is missing or malformed, a picture has no caption or several, a caption
            is empty, or a picture has no reference.
    """
    try:
        found = [(int(r["image_id"]), r["caption"]) for r in json.loads(path.read_text())]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{str(path)!r} is no COCO results JSON, a list of image_id and caption: "
            f"{type(error).__name__}: {error}"
        ) from error
    counts = Counter(key for key, _ in found)
    hollow = [key for key, text in found if not isinstance(text, str) or not tokenize(text)]
    _refuse(path, "pictures with more than one caption", [k for k, n in counts.items() if n > 1])
    _refuse(path, "results for pictures without reference", list(counts.keys() - references))
    _refuse(path, "pictures without a result", [key for key in references if key not in counts])
    _refuse(path, "empty captions", hollow)
    return dict(found)


def make_dataset(captions: dict, images: Path, name: str) -> CaptionDataset:
    """Makes a data set from the content of a COCO captions JSON.

    Args:
        captions: with `images` and `annotations`.
        images: the folder its file names are relative to.
        name: what to call it in an error.

    Raises:
        DataError: there is no picture, one has no caption, or its file is absent.
    """
    said = _captions_by_picture(captions)
    try:
        regions = _regions_by_picture(captions)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{name!r} has a malformed region: {error!r}") from error
    pictures = tuple(
        Picture(
            id=image["id"],
            path=images / image["file_name"],
            captions=tuple(said[image["id"]]),
            regions=tuple(regions[image["id"]]),
        )
        for image in captions["images"]
    )
    if not pictures:
        raise DataError(f"there is no picture in {name!r}")
    absent = [p.path for p in pictures if not p.path.is_file()]
    _refuse(name, "pictures without a caption", [p.id for p in pictures if not p.captions])
    _refuse(name, "pictures whose file is absent", absent)
    return CaptionDataset(pictures)


def _read_captions(path: Path) -> dict:
    if not path.is_file():
        raise DataError(f"there is no captions file {str(path)!r}")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress there
            captions = COCO(str(path)).dataset
        # What is read later is looked at here, where the file can be named.
        for image in captions["images"]:
            _ = image["id"], Path(image["file_name"])
        for annotation in captions["annotations"]:
            _ = annotation["image_id"], annotation["caption"].split()
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise DataError(
            f"{str(path)!r} is no COCO captions JSON: {type(error).__name__}: {error}"
        ) from error
    counts = Counter(image["id"] for image in captions["images"])
    _refuse(path, "ids used by several pictures", [key for key, n in counts.items() if n > 1])
    return captions


def _captions_by_picture(captions: dict) -> dict[int, list[str]]:
    said = defaultdict(list)
    for annotation in captions["annotations"]:
        said[annotation["image_id"]].append(annotation["caption"])
    return said


def _regions_by_picture(captions: dict) -> dict[int, list[Region]]:
    place, seen = {}, Counter()
    for annotation in captions["annotations"]:
        picture = annotation["image_id"]
        place[annotation.get("id")] = seen[picture]
        seen[picture] += 1
    regions = defaultdict(list)
    for region in captions.get("regions", ()):
        regions[region["image_id"]].append(
            Region(
                caption=place[region["annotation_id"]],
                start=region["start"],
                end=region["end"],
                boxes=tuple((x, y, w, h) for x, y, w, h in region["boxes"]),
                kind=region["kind"],
            )
        )
    return regions


def _refuse(source: Path | str, fault: str, found: Sequence) -> None:
    if found:
        shown = ", ".join(map(str, found[:5])) + (", ..." if len(found) > 5 else "")
        raise DataError(f"{str(source)!r} has {len(found)} {fault}: {shown}")
