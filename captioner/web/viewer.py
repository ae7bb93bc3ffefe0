"""The viewer of the page: a caption whose words light up where the model looked for them.

The server sends one value, made here, and `viewer.js` does all the drawing from it, so that a word
answers in the same frame. Knows no torch and no model.
"""

import base64
import io
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from captioner.caption import Caption, Word, content_words
from captioner.geometry import Geometry
from captioner.report import sentence
from captioner.visual import HEATMAP_OPACITY, VIRIDIS

# Longer side in pixels of the copy that is sent; the page shows it at most this large.
LONGEST_SIDE = 1024
JPEG_QUALITY = 85

# From this share of the picture on, naming one place would mislead.
EVERYWHERE = 0.4

PLACES = (
    ("top left", "top", "top right"),
    ("middle left", "centre", "middle right"),
    ("bottom left", "bottom", "bottom right"),
)

_HERE = Path(__file__).parent


class AttentionViewer(gr.HTML):
    """Shows a `viewer_value`, an `error_value`, or nothing yet (None).

    Args:
        value: what is shown at first.
        elem_id: its id in the page.
    """

    def __init__(self, value: dict | None = None, *, elem_id: str | None = None) -> None:
        super().__init__(
            value,
            elem_id=elem_id,
            # Constant: Gradio would run what looks like code in a value that a template names.
            html_template='<div class="viewer" data-state="empty"></div>',
            css_template=(_HERE / "viewer.css").read_text(encoding="utf-8"),
            js_on_load=(_HERE / "viewer.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            colours=VIRIDIS,
            heatmap_opacity=HEATMAP_OPACITY,
        )

    def api_info(self) -> dict[str, Any]:
        """What a client of the API would be told of its value."""
        return {"type": "object"}


def viewer_value(image: Image.Image, caption: Caption) -> dict[str, Any]:
    """All that the viewer needs of a captioned picture, ready for JSON.

    Args:
        image: the upright original, from `load_image`.
        caption: of that picture; its alternatives are sent with it.
    """
    ratio = min(1, LONGEST_SIDE / max(image.size))
    size = tuple(max(1, round(side * ratio)) for side in image.size)
    copy = image.resize(size, Image.Resampling.LANCZOS) if ratio < 1 else image
    buffer = io.BytesIO()
    copy.save(buffer, "JPEG", quality=JPEG_QUALITY)
    geometry = caption.geometry.resized(size)
    return {
        "picture": "data:image/jpeg;base64," + _base64(buffer.getvalue()),
        "size": list(size),
        "geometry": {
            "scale": list(geometry.scale),
            "offset": list(geometry.offset),
            "frame": list(geometry.frame),
        },
        "grid": list(caption.grid),
        "captions": [_caption_value(each) for each in (caption, *caption.alternatives)],
    }


def error_value(message: str) -> dict[str, str]:
    """What the viewer shows in place of a caption: one sentence."""
    return {"title": "This picture can't be captioned", "error": sentence(message.rstrip("."))}


def _caption_value(caption: Caption) -> dict[str, Any]:
    maps = np.array([word.alpha for word in caption.words], dtype="<f4")
    return {
        "text": sentence(caption.text) if caption.words else "The model found no words.",
        "maps": _base64(maps.tobytes()),  # (words, rows, columns), float32
        "peak": float(maps.max(initial=0)) or 1.0,
        "first": next(iter(content_words(caption)), 0),
        "words": [
            {
                "text": word.text,
                "probability": word.probability,
                "percent": percent(word.probability),
                "status": f"Word {number} of {len(caption.words)}: "
                + describe(word, caption.geometry),
                "considered": ", ".join(
                    f"{text} {percent(probability)}" for text, probability in word.alternatives
                ),
            }
            for number, word in enumerate(caption.words, 1)
        ],
    }


def describe(word: Word, geometry: Geometry) -> str:
    """Says in plain words how sure the model was, where it looked and how much it used that."""
    half = share_of_half(word.alpha, geometry)
    if half >= EVERYWHERE:
        looks = f"Looks all over; half of the attention is on {percent(half)} of the picture."
    else:
        looks = (
            f"Looks most at the {brightest_place(word.alpha, geometry)}; "
            f"half of the attention is on {percent(half)} of the picture."
        )
    # Rounded once, so that the two add up.
    looked = round(word.gate * 100)
    gate = f"Looked {looked} %, guessed {100 - looked} %."
    return f"{word.text}, {percent(word.probability)} sure. {looks} {gate}"


def share_of_half(alpha: np.ndarray, geometry: Geometry) -> float:
    """How much of the picture, 0-1, the fewest cells with half of the attention cover."""
    rows, columns = (_cell_edges(geometry, axis, alpha.shape[1 - axis]) for axis in (1, 0))
    areas = np.outer(np.diff(rows), np.diff(columns)).ravel()
    brightest = np.argsort(-alpha, axis=None, kind="stable")
    held = np.cumsum(alpha.ravel()[brightest], dtype=np.float64)
    needed = 1 + np.searchsorted(held, held[-1] / 2 - 1e-6)
    return float(areas[brightest[:needed]].sum())


def brightest_place(alpha: np.ndarray, geometry: Geometry) -> str:
    """The ninth of the picture that the cell with the most attention lies in."""
    thirds = []
    for axis, cell in zip((1, 0), np.unravel_index(alpha.argmax(), alpha.shape)):
        edges = _cell_edges(geometry, axis, alpha.shape[1 - axis])
        thirds.append(min(2, int(3 * (edges[cell] + edges[cell + 1]) / 2)))
    return PLACES[thirds[0]][thirds[1]]


def percent(share: float) -> str:
    """A share of 0-1 as people say it; what is neither none nor all is never called so."""
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 < share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"


def _cell_edges(geometry: Geometry, axis: int, cells: int) -> np.ndarray:
    """Where the cells' edges lie in the picture along one axis, 0-1, held inside it."""
    frame = np.linspace(0, geometry.frame[axis], cells + 1)
    pixels = (frame - geometry.offset[axis]) / geometry.scale[axis]
    return np.clip(pixels / geometry.size[axis], 0, 1)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
