"""Your own data: a folder of pictures with captions.csv or captions.jsonl.

Each row has a `file_name`, a `caption` and, if you like, a `split`; a picture with several captions
has several rows.
"""

import csv
import hashlib
import io
import json
import posixpath
from collections.abc import Iterator
from pathlib import Path

from captioner.entities import read_text
from captioner.errors import DataError
from captioner.layouts.files import image_record
from captioner.layouts.prepared import Prepared, check_apart, check_split, refuse

FILES = ("captions.csv", "captions.jsonl")
NAMES = ("file_name", "image", "filename")  # of which the first that is there is taken
SPLITS = ("train", "dev", "val", "test")
DEV_SHARE = 0.1


def read_folder(source: Path, images: Path | None = None) -> Prepared:
    """Reads your own pictures and captions; where no split is given, about a tenth are dev.

    An image's id is its place in the file, from 1; a caption's is the number of its row.
    """
    path = find_captions(source)
    folder = images or path.parent
    rows = [check_row(path, number, row) for number, row in READERS[path.suffix.lower()](path)]
    if not rows:
        raise DataError(f"{path} has no captions")
    names = list(dict.fromkeys(row["file_name"] for row in rows))
    lost = [name for name in names if not (folder / name).is_file()]
    refuse(f"pictures of {path} that aren't in {folder}", lost)
    notes = []
    bare = [row["number"] for row in rows if not row["split"]]
    if len(bare) < len(rows):
        refuse(f"{path}: rows without a split, which others have", bare)
    else:
        dev = choose_dev(path, names)
        rows = [row | {"split": "dev" if row["file_name"] in dev else "train"} for row in rows]
        notes.append(
            f"{path.name} gives no split: dev gets {len(dev)} of the {len(names)} pictures, by a "
            f"hash of their names ({DEV_SHARE:.0%} of many)"
        )
    ids = {name: number for number, name in enumerate(names, start=1)}
    splits = {
        split: folder_split(split, [row for row in rows if row["split"] == split], ids, folder)
        for split in SPLITS
        if any(row["split"] == split for row in rows)
    }
    check_apart(splits)
    return Prepared(folder, splits, tuple(notes))


def find_captions(source: Path) -> Path:
    """Returns the captions file that `source` is, or the only one in it."""
    if not source.is_dir():
        if source.suffix.lower() not in READERS:
            raise DataError(f"expected a folder, a .csv or a .jsonl, not {source}")
        return source
    found = [name for name in FILES if (source / name).exists()]
    if len(found) != 1:
        held = "both" if found else "neither"
        raise DataError(f"expected {' or '.join(FILES)} in {source}, which holds {held}")
    return source / found[0]


def read_csv(path: Path) -> Iterator[tuple[int, dict]]:
    """Reads the rows of a CSV with a header; yields the number of each, as a table shows it."""
    # Spreadsheets mark UTF-8 by a byte order mark.
    lines = io.StringIO(read_text(path).removeprefix("\ufeff"))
    number, header = 0, None
    try:
        for number, row in enumerate(csv.reader(lines, strict=True), start=1):
            if header is None:
                header = [name.strip() for name in row]
                if "caption" not in header or not set(NAMES) & set(header):
                    raise DataError(
                        f"{path}, row 1: expected a header with file_name and caption, "
                        f"separated by commas, not {','.join(row)!r}"
                    )
            elif row and len(row) != len(header):
                raise DataError(
                    f"{path}, row {number}: expected {len(header)} cells, not {len(row)}; "
                    "a caption with a comma stands in quotation marks"
                )
            elif row:
                yield number, dict(zip(header, row))
    except csv.Error as error:
        raise DataError(f"{path}, row {number + 1}: {error}") from error


def read_jsonl(path: Path) -> Iterator[tuple[int, dict]]:
    """Reads one JSON object a line; yields the number of each line with it."""
    for number, line in enumerate(read_text(path).removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, row {number}: it isn't JSON: {error}") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}, row {number}: expected a JSON object, not {line!r}")
        yield number, row


READERS = {".csv": read_csv, ".jsonl": read_jsonl}


def check_row(path: Path, number: int, row: dict) -> dict:
    """Returns the number, file_name, caption and split ("" where there is none) of a row."""
    place = f"{path}, row {number}"
    name = next((row[key] for key in NAMES if row.get(key)), None)
    caption, split = row.get("caption"), row.get("split") or ""
    if not isinstance(name, str) or not name.strip():
        raise DataError(f"{place}: expected the name of a picture as file_name, not {name!r}")
    # Else one picture could stand in two splits under two names.
    name = posixpath.normpath(name.strip())
    if name.startswith(("/", "../")):
        raise DataError(f"{place}: expected a picture inside the folder, not {name!r}")
    if not isinstance(caption, str) or not caption.strip():
        raise DataError(f"{place}: expected a caption, not {caption!r}")
    if split and split not in SPLITS:
        raise DataError(f"{place}: expected the split {' or '.join(SPLITS)}, not {split!r}")
    return {"number": number, "file_name": name, "caption": caption.strip(), "split": split}


def choose_dev(path: Path, names: list[str]) -> set[str]:
    """Chooses pictures by a hash of their names: those that come later move no other."""
    if len(names) < 2:
        raise DataError(f"{path} has one picture; expected two or more, for train and for dev")
    places = {name: hashlib.sha256(name.encode()).digest() for name in names}
    edge = round(DEV_SHARE * 256**4).to_bytes(4)
    chosen = {name for name in names if places[name] < edge}
    # A handful of names can all fall on one side.
    order = sorted(names, key=places.get)
    return (chosen | {order[0]}) - {order[-1]}


def folder_split(split: str, rows: list[dict], ids: dict[str, int], folder: Path) -> dict:
    """Makes one split from its rows."""
    names = dict.fromkeys(row["file_name"] for row in rows)
    images = [image_record(ids[name], folder, name) for name in names]
    annotations = [
        {"id": row["number"], "image_id": ids[row["file_name"]], "caption": row["caption"]}
        for row in rows
    ]
    info = {"description": f"{split} of {folder.name}"}
    return check_split(split, {"info": info, "images": images, "annotations": annotations})
