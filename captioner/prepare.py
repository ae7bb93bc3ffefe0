"""Turns data sets as distributed into the one format: COCO captions JSON, one file per split.

Every layout gives the same thing, `images`, `annotations` and `regions`, after the same checks.
Knows nothing of models.
"""

import inspect
import json
from dataclasses import replace
from pathlib import Path

from captioner.errors import DataError
from captioner.layouts.coco import read_coco
from captioner.layouts.flickr import read_flickr8k, read_flickr30k
from captioner.layouts.folder import read_folder
from captioner.layouts.karpathy import read_karpathy
from captioner.layouts.prepared import Prepared, note_unsized

# Each is called with the source, and with those of `entities` and `images` that it names.
LAYOUTS = {
    "flickr8k": read_flickr8k,
    "coco": read_coco,
    "karpathy": read_karpathy,
    "flickr30k": read_flickr30k,
    "folder": read_folder,
}


def read_layout(
    layout: str,
    source: str | Path,
    *,
    entities: str | Path | None = None,
    images: str | Path | None = None,
) -> Prepared:
    """Reads a data set as distributed.

    A picture whose header can't be read is kept, without its size and named in a note: whoever
    looks at the pictures says what is wrong with it.

    Args:
        layout: a name in LAYOUTS.
        source: the folder that holds the data set as distributed, or its one file of captions.
        entities: for the Flickr sets, the folder of Flickr30k Entities if it isn't `source`.
        images: for karpathy and folder, the folder of pictures if it isn't that of the captions.

    Raises:
        ValueError: the layout is unknown, or has no use for `entities` or `images`.
        DataError: the data isn't laid out as it should be, or the header of no picture can be read.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r}; choose one of {', '.join(LAYOUTS)}")
    read = LAYOUTS[layout]
    options = {"entities": entities, "images": images}
    options = {name: Path(value) for name, value in options.items() if value is not None}
    for name, value in options.items():
        if name not in inspect.signature(read).parameters:
            raise ValueError(f"{layout} has no use for {name}; leave out {value}")
    prepared = read(Path(source), **options)
    return replace(prepared, notes=(*prepared.notes, *note_unsized(prepared.splits)))


def prepare(
    layout: str,
    source: str | Path,
    output: str | Path,
    *,
    entities: str | Path | None = None,
    images: str | Path | None = None,
) -> Prepared:
    """Reads a data set and writes captions_<split>.json into a folder.

    A picture whose header can't be read stays in its file, without a size, and a note names it:
    training leaves it out, and evaluation refuses it.

    Args:
        layout, source, entities, images: see `read_layout`.
        output: the folder to write into, made if need be.

    Raises:
        ValueError: the layout is unknown, or has no use for `entities` or `images`.
        DataError: the data isn't laid out as it should be, or can't be written.
    """
    prepared = read_layout(layout, source, entities=entities, images=images)
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
