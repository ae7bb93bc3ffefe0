"""What every layout is turned into, and the checks that all of them pass.

Knows nothing of files, nor of any one layout.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from captioner.errors import DataError


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
    """Refuses two splits that share a picture, by its file or by its id."""
    for key, what in (("file_name", "pictures in both"), ("id", "image ids in both")):
        seen = {name: {image[key] for image in split["images"]} for name, split in splits.items()}
        for one, other in combinations(seen, 2):
            refuse(f"{what} {one} and {other}", sorted(seen[one] & seen[other]))


def note_unsized(splits: dict[str, dict]) -> tuple[str, ...]:
    """Says which pictures have no size, as their headers can't be read; nothing if all have one.

    Raises:
        DataError: none has.
    """
    pictures = [image for split in splits.values() for image in split["images"]]
    unsized = [image["file_name"] for image in pictures if "width" not in image]
    fault = "pictures whose header can't be read"
    if len(unsized) == len(pictures):
        refuse(f"there are no others than {fault}", unsized)
    mend = "they have no size, and training leaves them out (--max-bad-images)"
    return (f"{listed(fault, unsized)}; {mend}",) if unsized else ()


def refuse(fault: str, items: Sequence) -> None:
    """Raises DataError with the number of items that have a fault and the first three, if any."""
    if items:
        raise DataError(listed(fault, items))


def listed(fault: str, items: Sequence) -> str:
    """The number of items that have a fault, and the first three."""
    return f"{fault}: {len(items)}, first {', '.join(map(str, items[:3]))}"
