"""The viewer of the page: a caption whose words light up where the model looked for them.

The server sends one value, made here, and `scripts/` does all the drawing from it, so that a word
answers in the same frame. Knows no torch and no model.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from captioner.caption import Caption, Word, content_words
from captioner.report import sentence
from captioner.visual import HEATMAP_OPACITY, SMALL_STRENGTH, STRENGTH, VIRIDIS
from captioner.web.wording import describe, percent

# Longer side in pixels of the copy that is sent; the page shows it at most this large.
LONGEST_SIDE = 1024
JPEG_QUALITY = 85

_HERE = Path(__file__).parent
# Gradio runs one text: the files are plain scripts that share their names, joined in this order.
SCRIPTS = "light words parts legend panel steering sheets truth numbers viewer".split()
STYLES = "viewer panel sections".split()


class AttentionViewer(gr.HTML):
    """Shows a `viewer_value`, an `error_value`, or nothing yet (None).

    Args:
        value: what is shown at first.
        elem_id: its id in the page.
        functions: what its scripts may ask of the server, called by their names.
    """

    def __init__(
        self,
        value: dict | None = None,
        *,
        elem_id: str | None = None,
        functions: Sequence[Callable] = (),
    ) -> None:
        super().__init__(
            value,
            elem_id=elem_id,
            # Constant: Gradio would run what looks like code in a value that a template names.
            html_template='<div class="viewer" data-state="empty"></div>',
            css_template=joined("styles", STYLES, ".css"),
            js_on_load=joined("scripts", SCRIPTS, ".js"),
            apply_default_css=False,
            server_functions=list(functions),
            colours=VIRIDIS,
            heatmap_opacity=HEATMAP_OPACITY,
            strength=STRENGTH,
            small=SMALL_STRENGTH / STRENGTH,
        )

    def api_info(self) -> dict[str, Any]:
        """What a client of the API would be told of its value."""
        return {"type": "object"}


def joined(folder: str, names: Sequence[str], suffix: str) -> str:
    """Several files of the page as one text."""
    return "\n".join((_HERE / folder / (n + suffix)).read_text(encoding="utf-8") for n in names)


def viewer_value(
    image: Image.Image,
    captions: Mapping[str, Caption],
    remarks: Mapping[str, str] | None = None,
    **about: Any,
) -> dict:
    """All that the viewer needs of a captioned picture, ready for JSON.

    Args:
        image: the upright original, from `load_image`.
        captions: of that picture, by the name of the model; alternatives are sent with them.
        remarks: by the name of the model, what is added to what is said of each of its words.
        about: the `id` that questions about the picture carry, its `name`, a `note` above it.
    """
    ratio = min(1, LONGEST_SIDE / max(image.size))
    size = tuple(max(1, round(side * ratio)) for side in image.size)
    copy = image.resize(size, Image.Resampling.LANCZOS) if ratio < 1 else image
    buffer = io.BytesIO()
    copy.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return {
        "picture": "data:image/jpeg;base64," + as_text(buffer.getvalue()),
        "size": list(size),
        "panels": [
            {**_panel_value(name, each, size), "remark": (remarks or {}).get(name, "")}
            for name, each in captions.items()
        ],
        **about,
    }


def error_value(title: str, message: str) -> dict[str, str]:
    """What the viewer shows in place of a caption: one sentence under a title."""
    return {"title": title, "error": sentence(message.rstrip("."))}


def caption_values(caption: Caption, locked: int = 0) -> list[dict[str, Any]]:
    """A caption and its alternatives.

    Args:
        locked: words that the visitor keeps.
    """
    return [_caption_value(each, locked) for each in (caption, *caption.alternatives)]


def as_text(data: bytes) -> str:
    """Bytes as base64, for JSON."""
    return base64.b64encode(data).decode()


def _panel_value(name: str, caption: Caption, size: tuple[int, int]) -> dict[str, Any]:
    geometry = caption.geometry.resized(size)
    return {
        "model": name,
        "geometry": {
            "scale": list(geometry.scale),
            "offset": list(geometry.offset),
            "frame": list(geometry.frame),
        },
        "grid": list(caption.grid),
        "captions": caption_values(caption),
    }


def _caption_value(caption: Caption, locked: int) -> dict[str, Any]:
    maps = np.array([word.alpha for word in caption.words], dtype="<f4")
    count = len(caption.words)
    return {
        "text": sentence(caption.text) if caption.words else "The model found no words.",
        "said": caption.text,
        "log_prob": caption.log_prob,
        "score": caption.score,
        "maps": as_text(maps.tobytes()),  # (words, rows, columns), float32
        "peak": float(maps.max(initial=0)) or 1.0,
        "first": next(iter(content_words(caption)), 0),
        "locked": locked,
        "heads": _heads_value(caption),
        "words": [
            _word_value(word, f"Word {number} of {count}: {describe(word, caption.geometry)}")
            for number, word in enumerate(caption.words, 1)
        ],
    }


def _heads_value(caption: Caption) -> dict[str, Any] | None:
    """The maps of N heads in M layers, 0-255 on one scale, a byte a cell; nothing without heads."""
    if not caption.words or any(word.heads is None for word in caption.words):
        return None
    heads = np.stack([word.heads for word in caption.words])  # (words, M, N, rows, columns)
    peak = float(heads.max()) or 1.0
    scaled = np.rint(255 * heads / peak).astype(np.uint8)
    return {
        "maps": as_text(scaled.tobytes()),
        "layers": heads.shape[1],
        "heads": heads.shape[2],
        "peak": peak,  # what 255 stands for
    }


def _word_value(word: Word, status: str) -> dict[str, Any]:
    return {
        "text": word.text,
        "probability": word.probability,
        # What it says of a word that it does not know is no probability of that word.
        "percent": percent(word.probability) if word.known else "not known",
        "gate": word.gate,
        "known": word.known,
        "status": status,
        "alternatives": [
            {"text": text, "probability": probability, "percent": percent(probability)}
            for text, probability in word.alternatives
        ],
    }
