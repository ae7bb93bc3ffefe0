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
from typing import Any

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
    """One picture with what people said of it.

    Attributes:
        size: (width, height) in pixels, upright; none if the file does not say.
    """

    id: int | str
    path: Path
    captions: tuple[str, ...]
    regions: tuple[Region, ...] = ()
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class CaptionDataset:
    """One split: its pictures in the order of the file, each with at least one caption."""

    pictures: tuple[Picture, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def references(self) -> dict[int | str, list[str]]:
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


def read_references(annotations: Path) -> dict[int | str, list[str]]:
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


def read_results(path: Path, references: dict[int | str, list[str]]) -> dict[int | str, str]:
    """Reads captions in COCO's results format: exactly one for each picture with references.

    Args:
        path: a JSON list of `{"image_id", "caption"}`; ids as for `picture_id`.
        references: by picture id.

    Raises:
        DataError: the file is missing or malformed, a picture has no caption or several, a caption
            is empty or no text, or a picture has no reference.
    """
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"there is no results file {str(path)!r}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{str(path)!r} is not JSON: {error}") from error
    if not isinstance(results, list):
        raise DataError(f"{str(path)!r} is no list of results, each with image_id and caption")
    _need(path, "result", results, ("image_id", "caption"))
    found = [(picture_id(result["image_id"]), result["caption"]) for result in results]
    shapeless = [key for key, text in found if not isinstance(text, str)]
    _refuse(path, "captions that are no text", shapeless)
    counts = Counter(key for key, _ in found)
    hollow = [key for key, text in found if not tokenize(text)]
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
    regions = _regions_by_picture(captions, name)
    pictures = tuple(
        Picture(
            id=image["id"],
            path=images / image["file_name"],
            captions=tuple(said[image["id"]]),
            regions=tuple(regions[image["id"]]),
            size=(image["width"], image["height"]) if image.keys() >= {"width", "height"} else None,
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
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{str(path)!r} is not JSON: {error}") from error
    except (KeyError, TypeError, AttributeError, AssertionError) as error:
        # pycocotools indexes what it reads and trips over what is not there.
        raise DataError(
            f"{str(path)!r} is no COCO captions JSON with images and annotations, each with an id"
        ) from error
    for name in ("images", "annotations"):
        if not isinstance(captions.get(name), list):
            raise DataError(f"{str(path)!r} is no COCO captions JSON: it has no list of {name}")
    _need(path, "image", captions["images"], ("id", "file_name"))
    _need(path, "annotation", captions["annotations"], ("image_id", "caption"))
    shapeless = [
        a["image_id"] for a in captions["annotations"] if not isinstance(a["caption"], str)
    ]
    _refuse(path, "captions that are no text, of the pictures", shapeless)
    for image in captions["images"]:
        image["id"] = picture_id(image["id"])
    for annotation in captions["annotations"]:
        annotation["image_id"] = picture_id(annotation["image_id"])
    counts = Counter(image["id"] for image in captions["images"])
    _refuse(path, "ids used by several pictures", [key for key, n in counts.items() if n > 1])
    return captions


def _captions_by_picture(captions: dict) -> dict[int | str, list[str]]:
    said = defaultdict(list)
    for annotation in captions["annotations"]:
        said[annotation["image_id"]].append(annotation["caption"])
    return said


def _regions_by_picture(captions: dict, name: str) -> dict[int | str, list[Region]]:
    place, seen = {}, Counter()
    for annotation in captions["annotations"]:
        picture = annotation["image_id"]
        place[annotation.get("id")] = seen[picture]
        seen[picture] += 1
    regions = defaultdict(list)
    for number, region in enumerate(captions.get("regions", ()), 1):
        try:
            regions[picture_id(region["image_id"])].append(
                Region(
                    caption=place[region["annotation_id"]],
                    start=int(region["start"]),
                    end=int(region["end"]),
                    boxes=tuple(tuple(map(float, (x, y, w, h))) for x, y, w, h in region["boxes"]),
                    kind=str(region["kind"]),
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{name!r} has a malformed region, number {number}: it needs image_id, the "
                "annotation_id of a caption, start, end, boxes of four numbers and kind"
            ) from error
    return regions


def picture_id(value: Any) -> int | str:
    """A picture's id as it is compared: digits are a number, however they were written."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _need(source: Path, what: str, entries: list, names: Sequence[str]) -> None:
    """Refuses entries that are not JSON objects with these names, and ids that are none."""
    for number, entry in enumerate(entries, 1):
        lacking = [n for n in names if not isinstance(entry, dict) or n not in entry]
        if lacking:
            raise DataError(f"{str(source)!r}: {what} {number} has no {' and no '.join(lacking)}")
        if not isinstance(entry[names[0]], (int, str)):
            raise DataError(
                f"{str(source)!r}: {what} {number} has the {names[0]} {entry[names[0]]!r}, "
                "which is neither a whole number nor a text"
            )


def _refuse(source: Path | str, fault: str, found: Sequence) -> None:
    if found:
        shown = ", ".join(map(str, found[:5])) + (", ..." if len(found) > 5 else "")
        raise DataError(f"{str(source)!r} has {len(found)} {fault}: {shown}")
