"""Flickr30k Entities (Plummer et al. 2015): which words of a caption speak of which boxes.

A region says that words [start, end) of a caption, counted over `caption.split()`, refer to
`boxes`, each [x, y, width, height] in pixels of the upright picture.
"""

import re
import zipfile
from collections import Counter, defaultdict
from pathlib import Path
from xml.etree import ElementTree

from captioner.errors import DataError

PHRASE = re.compile(r"\[/EN#(?P<entity>\d+)/(?P<kind>\S+) (?P<words>[^\]]*)\]")


def find_entities(folder: Path) -> Path | zipfile.Path | None:
    """Finds what holds Annotations/ and Sentences/: a folder, its annotations.zip, or nothing."""
    if (folder / "Annotations").is_dir() and (folder / "Sentences").is_dir():
        return folder
    archive = folder / "annotations.zip"
    try:
        return zipfile.Path(archive) if archive.is_file() else None
    except zipfile.BadZipFile as error:
        raise DataError(f"{archive} isn't a readable zip: {error}") from error


def entity_regions(split: dict, root: Path | zipfile.Path) -> tuple[list[dict], Counter]:
    """Makes the regions of a split from Flickr30k Entities, and counts what it met.

    Each sentence serves one caption of its picture, the first with the same letters and digits:
    the two sets differ in case, spacing and hyphens, and in the order of a picture's sentences.
    """
    captions, regions, counts = defaultdict(list), [], Counter()
    for annotation in split["annotations"]:
        captions[annotation["image_id"]].append(annotation)
    for image in split["images"]:
        # "12_ab.jpg" of Flickr8k and "12.jpg" of Flickr30k are the same picture.
        stem = image["file_name"].partition(".")[0].partition("_")[0]
        drawn, told = root / "Annotations" / f"{stem}.xml", root / "Sentences" / f"{stem}.txt"
        if not (drawn.exists() and told.exists()):
            counts["pictures without Entities, left without regions"] += 1
            continue
        # Boxes are in pixels of the size that the XML states: they must be scaled.
        if "width" not in image:
            counts["pictures whose header can't be read, left without regions"] += 1
            continue
        boxes = read_boxes(drawn, image["width"], image["height"])
        unused = captions[image["id"]]
        for line in filter(str.strip, read_text(told).split("\n")):
            sentence, phrases = parse_sentence(line)
            same = next((a for a in unused if letters(a["caption"]) == sentence), None)
            if same is None:
                counts["Entities sentences that match no caption, left out"] += 1
                continue
            counts["Entities sentences that match a caption"] += 1
            unused.remove(same)
            regions += caption_regions(same, phrases, boxes, counts)
    return sorted(regions, key=lambda r: (r["image_id"], r["annotation_id"], r["start"])), counts


def caption_regions(annotation: dict, phrases: list, boxes: dict, counts: Counter) -> list[dict]:
    """Moves phrases from the letters they cover (`parse_sentence`) to words of a caption."""
    starts, ends, offset, regions = {}, {}, 0, []
    for index, word in enumerate(annotation["caption"].split()):
        if length := len(letters(word)):
            starts[offset] = index
            offset += length
            ends[offset] = index + 1
    place = {"image_id": annotation["image_id"], "annotation_id": annotation["id"]}
    for first, last, entity, kind in phrases:
        if entity not in boxes:
            continue
        # In "runs int he grass" the phrase "the grass" has no words of its own.
        if first == last or first not in starts or last not in ends:
            counts["phrases that begin or end inside a word of the caption, left out"] += 1
            continue
        words = {"start": starts[first], "end": ends[last]}
        regions.append(place | words | {"boxes": boxes[entity], "kind": kind})
    return regions


def parse_sentence(line: str) -> tuple[str, list[tuple[int, int, str, str]]]:
    """Parses "[/EN#12/people A man] sits ." into its letters and its phrases.

    A phrase is the letters [first, last) it covers, its entity and its kind, which can be
    compound ("vehicles/scene").
    """
    text, phrases, position = "", [], 0
    for match in PHRASE.finditer(line):
        text += letters(line[position : match.start()])
        first = len(text)
        text += letters(match["words"])
        phrases.append((first, len(text), match["entity"], match["kind"]))
        position = match.end()
    return text + letters(line[position:]), phrases


def letters(text: str) -> str:
    """Keeps letters and digits, without case."""
    return "".join(filter(str.isalnum, text.casefold()))


def read_boxes(path: Path | zipfile.Path, width: int, height: int) -> dict[str, list]:
    """Reads entity -> boxes from Entities XML, scaled from the size it states to the picture's."""
    boxes = defaultdict(list)
    try:
        tree = ElementTree.fromstring(path.read_bytes())
        across = width / float(tree.findtext("size/width"))
        down = height / float(tree.findtext("size/height"))
        for item in tree.iter("object"):
            for box in item.iter("bndbox"):
                # Pascal VOC counts pixels from 1 and includes the last one.
                left, right = float(box.findtext("xmin")) - 1, float(box.findtext("xmax"))
                top, bottom = float(box.findtext("ymin")) - 1, float(box.findtext("ymax"))
                left, right = (round(min(max(x * across, 0), width), 2) for x in (left, right))
                top, bottom = (round(min(max(y * down, 0), height), 2) for y in (top, bottom))
                if left < right and top < bottom:
                    scaled = [left, top, round(right - left, 2), round(bottom - top, 2)]
                    for name in item.iter("name"):
                        boxes[name.text].append(scaled)
    except (ElementTree.ParseError, TypeError, ValueError, ZeroDivisionError) as error:
        raise DataError(f"{path} isn't Entities XML with a size and boxes: {error}") from error
    return boxes


def read_text(path: Path | zipfile.Path) -> str:
    """Reads UTF-8 text, with any line ends as newlines."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"can't read {path}: {error}") from error
