"""Turns data sets as distributed into the one format: COCO captions JSON, one file per split.

Every layout gives the same thing, `images`, `annotations` and `regions`, after the same checks.
Knows nothing of models.
"""

import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from PIL import ExifTags, Image

from captioner.entities import entity_regions, find_entities, read_text
from captioner.errors import DataError, ImageError

FLICKR_FOLDERS = ("Flicker8k_Dataset", "Flickr8k_Dataset")
COCO_YEARS = (2017, 2014)
COCO_IMAGE = {"id": int, "file_name": str, "width": int, "height": int}
COCO_ANNOTATION = {"id": int, "image_id": int, "caption": str}
COCO_ATTRIBUTION = ("license", "flickr_url")

TOKEN_LINE = re.compile(r"(?P<name>.+)#(?P<number>\d)\t(?P<caption>.*\S.*)")


@dataclass(frozen=True)
class Prepared:
    """A data set in the one format.

    Attributes:
        images: the folder that every file_name is relative to.
        splits: split name -> COCO captions dictionary, with `regions`.
        notes: sentences about what was chosen, counted or left out.
    """

    images: Path
    splits: dict[str, dict]
    notes: tuple[str, ...] = ()


def prepare(
    layout: str, source: str | Path, output: str | Path, entities: str | Path | None = None
) -> Prepared:
    """Reads a data set and writes captions_<split>.json into a folder.

    Args:
        layout: a name in LAYOUTS.
        source: the folder that holds the data set as distributed.
        output: the folder to write into, made if need be.
        entities: for flickr8k, the folder of Flickr30k Entities if it isn't `source`.

    Raises:
        ValueError: the layout is unknown, or has no use for `entities`.
        DataError: the data isn't laid out as it should be, or can't be written.
        ImageError: a picture can't be read.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r}; choose one of {', '.join(LAYOUTS)}")
    prepared = LAYOUTS[layout](Path(source), None if entities is None else Path(entities))
    try:
        Path(output).mkdir(parents=True, exist_ok=True)
        for name, split in prepared.splits.items():
            target = Path(output, f"captions_{name}.json")
            temporary = target.with_suffix(".json.part")
            temporary.write_text(json.dumps(split) + "\n", encoding="utf-8")
            temporary.replace(target)
    except OSError as error:
        raise DataError(f"can't write into {output}: {error.strerror}") from error
    return prepared


def read_flickr8k(source: Path, entities: Path | None = None) -> Prepared:
    """Reads Flickr8k (Hodosh et al. 2013), with Flickr30k Entities (Plummer et al. 2015) if there.

    An image's id is the digits of its name before the underscore; an annotation's id is ten times
    that plus the caption's number in the token file. A split of which no picture is there is left
    out: the test pictures may be kept away on purpose.
    """
    nested = [f"{outer}/{inner}" for outer in FLICKR_FOLDERS for inner in FLICKR_FOLDERS]
    images = find(source, "the pictures", *nested, *FLICKR_FOLDERS)
    tokens = find(source, "captions", "Flickr8k_text/Flickr8k.token.txt", "Flickr8k.token.txt")
    captions = read_tokens(tokens)
    root = find_entities(entities or source)
    if entities and not root:
        raise DataError(f"expected annotations.zip, or Annotations and Sentences, in {entities}")
    notes = [] if root else [f"no regions, as {source} holds no Flickr30k Entities"]

    splits, listed = {}, set()
    for name in ("train", "dev", "test"):
        path = tokens.with_name(f"Flickr_8k.{name}Images.txt")
        if name == "test" and not path.exists():
            continue
        pictures = read_text(path).split()
        listed.update(pictures)
        lost = absent(pictures, images)
        if lost and len(lost) == len(pictures):
            notes.append(f"{name} is left out, as none of its {len(lost)} pictures is in {images}")
            continue
        refuse(f"{name}: pictures that aren't in {images}", lost)
        splits[name] = flickr_split(name, pictures, captions, images)
        if root:
            splits[name]["regions"], counts = entity_regions(splits[name], root)
            notes += [f"{name}: {what}: {number}" for what, number in counts.items()]
    if not splits:
        raise DataError(f"none of the pictures listed beside {tokens} is in {images}")
    check_apart(splits)
    if stray := captions.keys() - listed:
        notes.append(f"{tokens.name} also has captions for {len(stray)} pictures in no list")
    return Prepared(images, splits, tuple(notes))


def read_tokens(path: Path) -> dict[str, list[tuple[int, str]]]:
    """Reads Flickr8k.token.txt: picture name -> its (number, caption) pairs."""
    captions = defaultdict(list)
    for row, line in enumerate(read_text(path).split("\n"), start=1):
        if match := TOKEN_LINE.fullmatch(line):
            captions[match["name"]].append((int(match["number"]), match["caption"]))
        elif line.strip():
            raise DataError(f"{path}, line {row}: expected name.jpg#0, tab, caption, not {line!r}")
    return captions


def flickr_split(name: str, pictures: list[str], captions: dict, folder: Path) -> dict:
    """Makes one split of Flickr8k from its list of pictures, without regions."""
    images, annotations = [], []
    for picture in pictures:
        digits = picture.partition("_")[0]
        if not digits.isdecimal():
            raise DataError(f"{name}: expected a name like 12_ab.jpg, not {picture!r}")
        width, height = upright_size(folder / picture)
        image_id = int(digits)
        images.append({"id": image_id, "file_name": picture, "width": width, "height": height})
        for number, caption in sorted(captions.get(picture, ())):
            key = image_id * 10 + number
            annotations.append({"id": key, "image_id": image_id, "caption": caption})
    info = {"description": f"Flickr8k {name} (Hodosh, Young and Hockenmaier 2013)"}
    return check_split(name, {"info": info, "images": images, "annotations": annotations})


def upright_size(path: Path) -> tuple[int, int]:
    """Reads the (width, height) of a picture as it is shown, from its header alone."""
    try:
        with Image.open(path) as picture:
            size = picture.size
            turned = picture.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    except (OSError, Image.DecompressionBombError) as error:
        raise ImageError(f"can't read the picture {path}: {error}") from error
    return size[::-1] if turned else size


def read_coco(source: Path, entities: Path | None = None) -> Prepared:
    """Reads COCO captions (Chen et al. 2015) of 2017 or 2014 as downloaded.

    File names are relative to `source` ("train2017/000000493652.jpg"), so that one folder of
    images serves both splits. Each picture keeps its licence and address, for attribution.
    """
    if entities:
        raise ValueError(f"coco has no Flickr30k Entities; leave out the entities of {entities}")
    captions = {year: f"annotations/captions_train{year}.json" for year in COCO_YEARS}
    find(source, "captions", *captions.values())
    year, *older = (year for year, path in captions.items() if (source / path).exists())
    splits = {name: coco_split(source, name, year) for name in ("train", "val")}
    check_apart(splits)
    notes = tuple(f"{source} holds COCO {year} and {other}; took {year}" for other in older)
    return Prepared(source, splits, notes)


def coco_split(source: Path, name: str, year: int) -> dict:
    """Makes one split of COCO from its JSON, with the folder put before each file name."""
    path = find(source, f"{name} captions", f"annotations/captions_{name}{year}.json")
    folder = find(source, f"{name} pictures", f"{name}{year}")
    try:
        content = json.loads(read_text(path))
        images = [pick(image, COCO_IMAGE, COCO_ATTRIBUTION) for image in content["images"]]
        annotations = [pick(annotation, COCO_ANNOTATION) for annotation in content["annotations"]]
        head = {key: content[key] for key in ("info", "licenses") if key in content}
    except KeyError as error:
        raise DataError(f"{path} isn't COCO captions JSON: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} isn't COCO captions JSON: {error}") from error
    lost = absent([image["file_name"] for image in images], folder)
    refuse(f"{name}: pictures that aren't in {folder}", lost)
    for image in images:
        image["file_name"] = f"{folder.name}/{image['file_name']}"
    return check_split(name, head | {"images": images, "annotations": annotations})


def pick(record: dict, required: dict[str, type], optional: Sequence[str] = ()) -> dict:
    """Copies some keys of a record, after checking the types of those it must have."""
    for key, kind in required.items():
        if not isinstance(record[key], kind):
            raise TypeError(f"{key} is {record[key]!r}, not of type {kind.__name__}")
    return {key: record[key] for key in (*required, *optional) if key in record}


def find(source: Path, what: str, *candidates: str) -> Path:
    """Returns the first of some paths inside a folder that exists."""
    for candidate in candidates:
        if (source / candidate).exists():
            return source / candidate
    raise DataError(f"expected {what} in {source}, as {' or '.join(candidates)}")


def absent(names: Sequence[str], folder: Path) -> list[str]:
    """Returns the names that a folder doesn't hold, listing it once: COCO has 118,287 pictures."""
    try:
        there = set(os.listdir(folder))
    except OSError as error:
        raise DataError(f"can't list {folder}: {error.strerror}") from error
    return [name for name in names if name not in there]


def check_split(name: str, split: dict) -> dict:
    """Returns a split with `regions`, once ids are unique and pictures and captions belong."""
    images, annotations = split["images"], split["annotations"]
    if not images:
        raise DataError(f"{name}: the list of pictures is empty")
    pictures = Counter(image["id"] for image in images)
    captions = Counter(annotation["id"] for annotation in annotations)
    told = {annotation["image_id"] for annotation in annotations}
    refuse(f"{name}: image ids used twice", [key for key in pictures if pictures[key] > 1])
    refuse(f"{name}: annotation ids used twice", [key for key in captions if captions[key] > 1])
    refuse(f"{name}: captions of pictures that aren't listed, ids", sorted(told - pictures.keys()))
    silent = [image["file_name"] for image in images if image["id"] not in told]
    refuse(f"{name}: pictures without a caption", silent)
    return split | {"regions": []}


def check_apart(splits: dict[str, dict]) -> None:
    """Refuses two splits that share a picture."""
    ids = {name: {image["id"] for image in split["images"]} for name, split in splits.items()}
    for one, other in combinations(ids, 2):
        refuse(f"pictures in both {one} and {other}, ids", sorted(ids[one] & ids[other]))


def refuse(fault: str, items: Sequence) -> None:
    """Raises DataError with the number of items that have a fault and the first three, if any."""
    if items:
        raise DataError(f"{fault}: {len(items)}, first {', '.join(map(str, items[:3]))}")


LAYOUTS = {"flickr8k": read_flickr8k, "coco": read_coco}
