"""The JSON of Karpathy and Fei-Fei (2015): COCO, Flickr8k or Flickr30k with their split of it.

The field's scores on COCO are of this split: 113,287 pictures to train on, 5,000 for val and 5,000
for test.
"""

import json
from collections import defaultdict
from pathlib import Path

from captioner.entities import read_text
from captioner.errors import DataError, counted
from captioner.layouts.files import image_record, left_out, names_in, pick
from captioner.layouts.prepared import Prepared, check_apart, check_split

FILES = ("dataset_coco.json", "dataset_flickr8k.json", "dataset_flickr30k.json")
PICTURE = {"filename": str, "split": str, "sentences": list}
SENTENCE = {"raw": str, "sentid": int}
SPLITS = ("train", "restval", "val", "test")

# Where pictures lie beside the JSON, after the folders that the JSON itself names.
FOLDERS = ("train2017", "val2017", "Flicker8k_Dataset", "Flickr8k_Dataset")
FOLDERS += ("flickr30k_images", "flickr30k-images", "images")


def read_karpathy(source: Path, images: Path | None = None) -> Prepared:
    """Reads a Karpathy JSON; restval joins train.

    An image's id is its COCO id, or its number in the file; a caption's id is its `sentid`.
    """
    path = find_json(source)
    records = read_records(path)
    folder = images or path.parent
    there = find_pictures(records, folder)
    if not there:
        places = ", ".join(filter(None, candidates(records)))
        raise DataError(
            f"none of the pictures in {path} is in {folder}, nor in its folders {places}; "
            "give their folder as --images"
        )
    splits, notes = {}, []
    for name, group in by_split(records).items():
        if note := left_out(name, [record["filename"] for record in group], there, folder):
            notes.append(note)
            continue
        splits[name] = karpathy_split(name, group, there, folder)
        if extra := sum(record["split"] == "restval" for record in group):
            notes.append(f"{name} has {counted(extra, 'picture')} of restval")
    check_apart(splits)
    return Prepared(folder, splits, tuple(notes))


def find_json(source: Path) -> Path:
    """Returns the JSON that `source` is, or the only one in it."""
    if not source.is_dir():
        return source
    found = [name for name in FILES if (source / name).exists()]
    if len(found) > 1:
        raise DataError(f"{source} holds {' and '.join(found)}; give one of them as the source")
    if not found:
        raise DataError(f"expected {' or '.join(FILES)} in {source}")
    return source / found[0]


def read_records(path: Path) -> list[dict]:
    """Reads the pictures of a Karpathy JSON, each with its `id` and whether it is of COCO."""
    try:
        images = json.loads(read_text(path))["images"]
        records = [read_record(image) for image in images]
    except KeyError as error:
        raise DataError(f"{path} isn't Karpathy's JSON: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} isn't Karpathy's JSON: {error}") from error
    if not records:
        raise DataError(f"{path} has no pictures")
    return records


def read_record(image: dict) -> dict:
    """Checks one picture of a Karpathy JSON, and keeps what is needed of it."""
    record = pick(image, PICTURE, ("filepath",))
    if record["split"] not in SPLITS:
        raise ValueError(f"split is {record['split']!r}, not one of {', '.join(SPLITS)}")
    key = "cocoid" if "cocoid" in image else "imgid"
    record["id"] = pick(image, {key: int})[key]
    record["coco"] = key == "cocoid"
    record["sentences"] = [pick(sentence, SENTENCE) for sentence in image["sentences"]]
    return record


def by_split(records: list[dict]) -> dict[str, list[dict]]:
    """Groups pictures as train, val (dev for the Flickr sets) and test, where they have any."""
    held_out = "val" if records[0]["coco"] else "dev"
    names = {"train": "train", "restval": "train", "val": held_out, "test": "test"}
    groups = defaultdict(list)
    for split in SPLITS:
        groups[names[split]] += [record for record in records if record["split"] == split]
    return {name: group for name, group in groups.items() if group}


def find_pictures(records: list[dict], folder: Path) -> dict[str, str]:
    """Finds where pictures are: the JSON's name of each -> its path in the folder.

    COCO 2017 has the same pictures as COCO 2014, which the JSON speaks of, in other folders and
    under other names: either will do.
    """
    there = {}
    for place in candidates(records):
        if (folder / place).is_dir():
            for name in names_in(folder / place):
                there.setdefault(name, f"{place}/{name}" if place else name)
    found = {}
    for record in records:
        name = record["filename"]
        if record["coco"] and name not in there:
            name = f"{record['id']:012}.jpg"
        if name in there:
            found[record["filename"]] = there[name]
    return found


def candidates(records: list[dict]) -> list[str]:
    """The folders in which pictures are looked for, the first of them the given one itself."""
    return ["", *sorted({str(record.get("filepath", "")) for record in records} - {""}), *FOLDERS]


def karpathy_split(name: str, group: list[dict], there: dict[str, str], folder: Path) -> dict:
    """Makes one split from its pictures."""
    images, annotations = [], []
    for record in group:
        images.append(image_record(record["id"], folder, there[record["filename"]]))
        for sentence in record["sentences"]:
            caption = {"image_id": record["id"], "caption": sentence["raw"]}
            annotations.append({"id": sentence["sentid"]} | caption)
    info = {"description": f"{name} of the split of Karpathy and Fei-Fei 2015"}
    return check_split(name, {"info": info, "images": images, "annotations": annotations})
