"""Flickr8k (Hodosh et al. 2013) and Flickr30k (Young et al. 2014) as distributed.

With Flickr30k Entities (Plummer et al. 2015), which serves both sets, if it is there.
"""

import re
from collections import defaultdict
from pathlib import Path

from captioner.entities import entity_regions, find_entities, read_text
from captioner.errors import DataError, counted
from captioner.layouts.files import find, image_record, left_out, names_in
from captioner.layouts.karpathy import by_split, read_records
from captioner.layouts.prepared import Prepared, check_apart, check_split

FOLDERS_8K = ("Flicker8k_Dataset", "Flickr8k_Dataset")
FOLDERS_30K = ("flickr30k_images", "flickr30k-images")
SPLITS_30K = "dataset_flickr30k.json"

TOKEN_LINE = re.compile(r"(?P<name>.+)#(?P<number>\d)\t(?P<caption>.*\S.*)")
NAME = re.compile(r"(?P<digits>\d+)(_.*)?\..+")


def read_flickr8k(source: Path, entities: Path | None = None) -> Prepared:
    """Reads Flickr8k with its own lists of train, dev and test pictures."""
    images = find_pictures(source, FOLDERS_8K)
    tokens = find(source, "captions", "Flickr8k_text/Flickr8k.token.txt", "Flickr8k.token.txt")
    lists = {}
    for name in ("train", "dev", "test"):
        path = tokens.with_name(f"Flickr_8k.{name}Images.txt")
        # The test pictures may be kept away on purpose, and their list with them.
        if name != "test" or path.exists():
            lists[name] = read_text(path).split()
    about = "Flickr8k {} (Hodosh, Young and Hockenmaier 2013)"
    return read_lists(about, lists, tokens, images, source, entities)


def read_flickr30k(source: Path, entities: Path | None = None) -> Prepared:
    """Reads Flickr30k in the split of Karpathy and Fei-Fei, as it comes without one."""
    images = find_pictures(source, FOLDERS_30K)
    tokens = "results_20130124.token"
    tokens = find(source, "captions", tokens, *(f"{folder}/{tokens}" for folder in FOLDERS_30K))
    if not (source / SPLITS_30K).exists():
        raise DataError(
            f"Flickr30k comes without a list of its splits: put {SPLITS_30K} into {source} "
            "(`captioner download karpathy` has it)"
        )
    groups = by_split(read_records(source / SPLITS_30K))
    lists = {name: [record["filename"] for record in group] for name, group in groups.items()}
    about = "Flickr30k {} (Young et al. 2014; the split of Karpathy and Fei-Fei 2015)"
    return read_lists(about, lists, tokens, images, source, entities)


def find_pictures(source: Path, folders: tuple[str, ...]) -> Path:
    """Finds the folder of pictures, which some archives hold inside another of that name."""
    outer = find(source, "the pictures", *folders)
    return next((outer / inner for inner in folders if (outer / inner).is_dir()), outer)


def read_lists(
    about: str,
    lists: dict[str, list[str]],
    tokens: Path,
    images: Path,
    source: Path,
    entities: Path | None,
) -> Prepared:
    """Reads the splits that lists of pictures make, with regions where there are Entities.

    An image's id is the digits of its name; an annotation's id is ten times that plus the caption's
    number in the token file. A split of which no picture is there is left out.
    """
    captions, there = read_tokens(tokens), names_in(images)
    root = find_entities(entities or source)
    if entities and not root:
        raise DataError(f"expected annotations.zip, or Annotations and Sentences, in {entities}")
    notes = [] if root else [f"no regions, as {source} holds no Flickr30k Entities"]
    splits = {}
    for name, pictures in lists.items():
        if note := left_out(name, pictures, there, images):
            notes.append(note)
            continue
        splits[name] = flickr_split(name, about.format(name), pictures, captions, images)
        if root:
            splits[name]["regions"], counts = entity_regions(splits[name], root)
            notes += [f"{name}: {what}: {number}" for what, number in counts.items()]
    if not splits:
        raise DataError(f"none of the pictures in the lists of splits is in {images}")
    check_apart(splits)
    if stray := captions.keys() - {picture for pictures in lists.values() for picture in pictures}:
        notes.append(
            f"{tokens.name} also has captions for {counted(len(stray), 'picture')} in no list"
        )
    return Prepared(images, splits, tuple(notes))


def read_tokens(path: Path) -> dict[str, list[tuple[int, str]]]:
    """Reads the token file: picture name -> its (number, caption) pairs."""
    captions = defaultdict(list)
    for row, line in enumerate(read_text(path).split("\n"), start=1):
        if match := TOKEN_LINE.fullmatch(line):
            captions[match["name"]].append((int(match["number"]), match["caption"]))
        elif line.strip():
            raise DataError(f"{path}, line {row}: expected name.jpg#0, tab, caption, not {line!r}")
    return captions


def flickr_split(name: str, about: str, pictures: list[str], captions: dict, folder: Path) -> dict:
    """Makes one split from its list of pictures, without regions."""
    images, annotations = [], []
    for picture in pictures:
        match = NAME.fullmatch(picture)
        if not match:
            raise DataError(f"{name}: expected a name like 12_ab.jpg, not {picture!r}")
        image_id = int(match["digits"])
        images.append(image_record(image_id, folder, picture))
        for number, caption in sorted(captions.get(picture, ())):
            key = image_id * 10 + number
            annotations.append({"id": key, "image_id": image_id, "caption": caption})
    info = {"description": about}
    return check_split(name, {"info": info, "images": images, "annotations": annotations})
