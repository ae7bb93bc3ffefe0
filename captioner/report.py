"""Captions with their maps as files: a sheet for each picture, and one self-contained page."""

import base64
import html
import io
from pathlib import Path
from typing import Any

from captioner.caption import Caption
from captioner.errors import CaptionerError
from captioner.images import load_image
from captioner.visual import sheet

_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body { font-family: system-ui, sans-serif; max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
img { max-width: 100%; height: auto; }
article { margin-bottom: 3rem; }
p { color: #555; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: 0.2rem 1rem 0.2rem 0; border-bottom: 1px solid #ddd;
  font-variant-numeric: tabular-nums; }
code { overflow-wrap: anywhere; }
</style>
<h1>{title}</h1>
<p>Light is attention, on one scale for all words of a caption. It is a hint, not a proof.</p>
"""


def sentence(text: str) -> str:
    """A caption as people write it: a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + "."


def page_head(title: str) -> str:
    """The beginning of a page, up to and with its heading."""
    return _HEAD.replace("{title}", html.escape(title))


def embedded_sheet(source: Any, caption: Caption, text: str) -> str:
    """All maps of a caption as one image element that needs no file.

    Args:
        source: the picture, see `images.load_image`.
        text: what a screen reader says, already escaped.
    """
    buffer = io.BytesIO()
    sheet(load_image(source), caption.words, geometry=caption.geometry).save(
        buffer, "JPEG", quality=85
    )
    picture = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{text}" src="data:image/jpeg;base64,{picture}">'


class MapFolder:
    """A folder that gets one PNG for each picture, named after it, with all words side by side.

    Args:
        folder: made if it is absent; maps of an earlier run are replaced.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()

    def add(self, source: Any, caption: Caption) -> None:
        """Adds one picture.

        Raises:
            CaptionerError: the folder can't be written to.
        """
        stem = name = Path(source).stem
        number = 1
        while name in self._taken:  # pictures of two folders may share a name
            number += 1
            name = f"{stem}-{number}"
        self._taken.add(name)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            maps = sheet(source, caption.words, geometry=caption.geometry)
            maps.save(self._folder / f"{name}.png")
        except OSError as error:
            raise CaptionerError(f"can't write to {str(self._folder)!r}: {error}") from error

    def close(self) -> None:
        """Nothing is left to write."""


class Report:
    """One HTML page with all captions and maps, written as they come.

    Args:
        path: of the page; it needs no other file.

    Raises:
        CaptionerError: the page can't be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise CaptionerError(f"can't write the report {str(path)!r}: {error}") from error
        self._file.write(page_head("Captions, and where the model looked for each word"))

    def add(self, source: Any, caption: Caption) -> None:
        """Adds one picture."""
        text = html.escape(sentence(caption.text))
        others = "".join(
            f"<li>{html.escape(sentence(other.text))}</li>" for other in caption.alternatives
        )
        considered = f"<p>It also considered:</p><ul>{others}</ul>" if others else ""
        self._file.write(
            f"<article><h2>{text}</h2>{embedded_sheet(source, caption, text)}"
            f"<p>{html.escape(str(source))}</p>{considered}</article>\n"
        )

    def close(self) -> None:
        """Ends the page."""
        self._file.write("</html>\n")
        self._file.close()
