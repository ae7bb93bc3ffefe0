"""Pictures with captions, from COCO captions JSON, and captions in COCO's results format.

Knows no torch: captions can be scored without it.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import DataError
from captioner.records import picture_id, read_captions, read_list, refuse, require
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
    """One split: its pictures in the order of the file, each with at least one caption.

    Attributes:
        left_out: those of them that can't be read.
    """

    pictures: tuple[Picture, ...]
    left_out: tuple[Picture, ...] = ()

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
    return make_dataset(read_captions(annotations), images, str(annotations))


def read_references(annotations: Path) -> dict[int | str, list[str]]:
    """Reads the captions of a COCO captions JSON by picture id; the pictures are not needed.

    Raises:
        DataError: the file is missing or malformed, or a picture has no caption.
    """
    return captions_by_picture(read_captions(Path(annotations)), str(annotations))


def read_results(
    path: Path, references: Mapping[int | str, Sequence[str]], *, subset: bool = False
) -> dict[int | str, str]:
    """Reads captions in COCO's results format: exactly one for each picture with references.

    Args:
        path: a JSON list of `{"image_id", "caption"}`; ids as for `records.picture_id`.
        references: by picture id.
        subset: pictures without a result are all right.

    Raises:
        DataError: the file is missing or malformed, a picture has no caption or several, a caption
            is empty or no text, or a picture has no reference.
    """
    name, results = str(path), read_list(path)
    require(name, "result", results, {"image_id": (int, str), "caption": str}, "image_id")
    found = [(picture_id(result["image_id"]), result["caption"]) for result in results]
    counts = Counter(key for key, _ in found)
    twice = [key for key, n in counts.items() if n > 1]
    refuse(name, "picture", "with more than one caption", twice)
    strays = list(counts.keys() - references.keys())
    refuse(name, "result", "for pictures without reference", strays)
    if not subset:
        without = [key for key in references if key not in counts]
        refuse(name, "picture", "without a result", without, "--subset scores the others alone")
    empty = [key for key, text in found if not tokenize(text)]
    refuse(name, "caption", "without a word", empty)
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
    require(name, "image", captions["images"], {"file_name": str}, "id")
    said = captions_by_picture(captions, name)
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
    absent = [str(picture.path) for picture in pictures if not picture.path.is_file()]
    refuse(name, "picture", "whose file is absent", absent)
    return CaptionDataset(pictures)


def captions_by_picture(captions: dict, name: str) -> dict[int | str, list[str]]:
    """The captions of each picture, in the order of the pictures.

    Raises:
        DataError: there is no picture, one has no words, or a caption is of none of them.
    """
    if not captions["images"]:
        raise DataError(f"there is no picture in {name!r}")
    said: dict[int | str, list[str]] = {image["id"]: [] for image in captions["images"]}
    strays = [a["image_id"] for a in captions["annotations"] if a["image_id"] not in said]
    refuse(name, "caption", "of pictures that are not in it", strays)
    for annotation in captions["annotations"]:
        said[annotation["image_id"]].append(annotation["caption"])
    without = [key for key, own in said.items() if not own]
    refuse(name, "picture", "without a caption", without)
    # One empty caption among others is scored as the official program does.
    silent = [key for key, own in said.items() if not any(map(tokenize, own))]
    refuse(name, "picture", "whose captions have no word", silent)
    return said


def _regions_by_picture(captions: dict, name: str) -> dict[int | str, list[Region]]:
    regions: dict[int | str, list[Region]] = defaultdict(list)
    if not captions.get("regions"):
        return regions
    ids = Counter(annotation["id"] for annotation in captions["annotations"])
    refuse(name, "caption id", "used twice", [key for key, n in ids.items() if n > 1])
    places, seen = {}, Counter()
    for annotation in captions["annotations"]:
        picture = annotation["image_id"]
        places[picture, annotation["id"]] = seen[picture], len(annotation["caption"].split())
        seen[picture] += 1
    wrong = []
    for number, region in enumerate(captions["regions"], 1):
        try:
            picture = picture_id(region["image_id"])
            caption, words = places[picture, region["annotation_id"]]
            regions[picture].append(_region(region, caption, words))
        except (KeyError, TypeError, ValueError):
            wrong.append(number)
    refuse(
        name,
        "wrong region",
        "(counted from 1)",
        wrong,
        "each needs the image_id and annotation_id of a caption in the file, start and end among "
        "its words, boxes of four numbers and a kind",
    )
    return regions


def _region(region: dict, caption: int, words: int) -> Region:
    start, end, boxes = region["start"], region["end"], region["boxes"]
    if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= words):
        raise ValueError(f"there are no words {start} to {end} among {words}")
    boxes = tuple((float(x), float(y), float(w), float(h)) for x, y, w, h in boxes)
    # No comparison holds for what is no number.
    sizes = [min(w, h) > 0 and max(abs(x), abs(y), w, h) < 1e9 for x, y, w, h in boxes]
    if not sizes or not all(sizes):
        raise ValueError(f"{boxes} are no boxes")
    return Region(caption, start, end, boxes, str(region["kind"]))
