"""COCO captions (Chen et al. 2015) of 2017 or 2014, as downloaded."""

import json
from pathlib import Path

from captioner.entities import read_text
from captioner.errors import DataError
from captioner.layouts.files import find, names_in, pick
from captioner.layouts.prepared import Prepared, check_apart, check_split, refuse

YEARS = (2017, 2014)
IMAGE = {"id": int, "file_name": str, "width": int, "height": int}
ANNOTATION = {"id": int, "image_id": int, "caption": str}
ATTRIBUTION = ("license", "flickr_url")


def read_coco(source: Path) -> Prepared:
    """Reads train<year>/, val<year>/ and annotations/ of the newest year that is there.

    File names are relative to `source` ("train2017/000000493652.jpg"), so that one folder of
    images serves both splits. Each picture keeps its licence and address, for attribution.
    """
    captions = {year: f"annotations/captions_train{year}.json" for year in YEARS}
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
    there = names_in(folder)
    try:
        content = json.loads(read_text(path))
        images = [pick(image, IMAGE, ATTRIBUTION) for image in content["images"]]
        annotations = [pick(annotation, ANNOTATION) for annotation in content["annotations"]]
        head = {key: content[key] for key in ("info", "licenses") if key in content}
    except KeyError as error:
        raise DataError(f"{path} isn't COCO captions JSON: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} isn't COCO captions JSON: {error}") from error
    lost = [image["file_name"] for image in images if image["file_name"] not in there]
    refuse(f"{name}: pictures that aren't in {folder}", lost)
    for image in images:
        image["file_name"] = f"{folder.name}/{image['file_name']}"
    return check_split(name, head | {"images": images, "annotations": annotations})
