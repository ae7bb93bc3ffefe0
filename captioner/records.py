"""Reads COCO's JSON files and says in one sentence what is wrong with them."""

import contextlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from pycocotools.coco import COCO

from captioner.errors import DataError, counted

SHOWN = 5
_KINDS = {int: "a whole number", str: "a text"}


def read_captions(path: Path) -> dict:
    """Reads a COCO captions JSON, its ids as `picture_id` makes them.

    Raises:
        DataError: it is missing or no such file, or two pictures share an id.
    """
    if not path.is_file():
        raise DataError(f"there is no captions file {str(path)!r}")
    name = str(path)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress there
            captions = COCO(name).dataset
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError, OSError) as error:
        raise DataError(_unreadable(path, error)) from error
    except (KeyError, TypeError, AttributeError, AssertionError) as error:
        # pycocotools indexes what it reads and trips over what is not there.
        raise DataError(
            f"{name!r} is no COCO captions JSON with images and annotations, each with an id"
        ) from error
    for part in ("images", "annotations"):
        if not isinstance(captions.get(part), list):
            raise DataError(f"{name!r} is no COCO captions JSON: it has no list of {part}")
    if not isinstance(captions.get("regions", []), list):
        raise DataError(f"{name!r} has regions that are no list")
    require(name, "image", captions["images"], {"id": (int, str)}, "id")
    kinds = {"image_id": (int, str), "caption": str}
    require(name, "annotation", captions["annotations"], kinds, "image_id")
    for image in captions["images"]:
        image["id"] = picture_id(image["id"])
    for annotation in captions["annotations"]:
        annotation["image_id"] = picture_id(annotation["image_id"])
    counts = Counter(image["id"] for image in captions["images"])
    refuse(name, "id", "used by several pictures", [key for key, n in counts.items() if n > 1])
    return captions


def read_list(path: Path) -> list:
    """Reads a JSON list of results.

    Raises:
        DataError: it is missing or no JSON list.
    """
    try:
        results = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise DataError(f"there is no results file {str(path)!r}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(_unreadable(path, error)) from error
    if not isinstance(results, list):
        raise DataError(
            f"{str(path)!r} is no list of results such as "
            '[{"image_id": 1, "caption": "a dog runs"}, ...]'
        )
    return results


def picture_id(value: int | str) -> int | str:
    """A picture's id as it is compared: digits are a number, however they were written."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 20 else value


def require(
    source: str,
    what: str,
    entries: Sequence,
    kinds: Mapping[str, type | tuple[type, ...]],
    key: str,
) -> None:
    """Refuses entries that are not JSON objects with these names, or whose values are of no use.

    Args:
        source: what to call their file.
        what: what to call one of them.
        kinds: what each name's value may be.
        key: the name that tells one from another.
    """
    for name, kind in kinds.items():
        wrong = [
            entry.get(key, f"number {number}") if isinstance(entry, dict) else f"number {number}"
            for number, entry in enumerate(entries, 1)
            if not isinstance(entry, dict)
            or isinstance(entry.get(name), bool)
            or not isinstance(entry.get(name), kind)
        ]
        wanted = kind if isinstance(kind, tuple) else (kind,)
        fault = f"whose {name} isn't {' or '.join(_KINDS[k] for k in wanted)}"
        refuse(source, what, fault, wrong)


def refuse(source: str, thing: str, fault: str, found: Sequence, mend: str = "") -> None:
    """Raises DataError with the number of things at fault and the first few, if there are any.

    Args:
        source: what to call their file.
        thing: what to call one of them.
        fault: what is wrong with them.
        found: those it is wrong with.
        mend: what to do about it.
    """
    if found:
        # As Python writes texts: a line break or a blank in an id must be seen as one.
        shown = ", ".join(repr(x) if isinstance(x, str) else str(x) for x in found[:SHOWN])
        more = ", ..." if len(found) > SHOWN else ""
        raise DataError(
            f"{source!r} has {counted(len(found), thing)} {fault}: {shown}{more}"
            + (f"; {mend}" if mend else "")
        )


def _unreadable(path: Path, error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        told = f"{error.msg} in line {error.lineno}"
        if error.msg == "Extra data":
            told += "; JSON Lines must become one JSON list"
        return f"{str(path)!r} is not JSON: {told}"
    if isinstance(error, UnicodeDecodeError):
        return f"{str(path)!r} is not JSON: it is no UTF-8 text"
    if isinstance(error, RecursionError):
        return f"{str(path)!r} is nested too deeply"
    return f"can't read {str(path)!r}: {getattr(error, 'strerror', None) or error}"
