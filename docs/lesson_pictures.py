"""The pictures of `docs/attention.md`: `python docs/lesson_pictures.py --runs runs/attention`.

Every model of `benchmarks/attention.py` reads the same sentence about the same photo; what is drawn
are its own maps, the true cells on one scale for all mechanisms.
"""

import argparse
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from captioner.caption import Word
from captioner.checkpoint import load
from captioner.model import Captioner
from captioner.visual import sheet

FOLDER = Path(__file__).parent / "attention"
PHOTO = Path(__file__).parents[1] / "assets" / "photographer.jpg"
TEXT = "a man in a coat takes a picture with a camera on the grass"
SHOWN = ("man", "coat", "camera", "grass")
# Pictures of four words each, by the folder that the benchmark gives the row.
STRIPS = {
    "none": "lstm-none",
    "soft": "lstm-soft",
    "hard": "lstm-hard",
    "dot": "lstm-dot",
    "multihead": "lstm-multihead",
    "adaptive": "lstm-adaptive",
    "local": "lstm-local",
    "transformer": "transformer-soft",
}
# Cells (row, column) of the 8 x 8 whose own looks are shown.
CELLS = {"his head": (2, 3), "the grass": (6, 6), "the sky": (0, 6)}
# A cell with so much of the attention, or more, is fully lit.
PEAK = 0.12


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/attention.md.")
    parser.add_argument("--runs", type=Path, default=Path("runs/attention"), metavar="DIR")
    runs = parser.parse_args().runs
    FOLDER.mkdir(exist_ok=True)
    for name, folder in STRIPS.items():
        words = load(runs / folder).explain(PHOTO, TEXT).words
        if name == "adaptive":
            draw(name, [looked(word) for word in words if word.text in ("a", *SHOWN)][1:])
        else:
            draw(name, [tile(w.text, w.alpha) for w in words if w.text in SHOWN])
        if name == "multihead":
            camera = next(word for word in words if word.text == "camera")
            heads = [tile(f"head {n + 1}", alpha) for n, alpha in enumerate(camera.heads[-1])]
            draw("heads", heads)
    draw_cells(load(runs / "lstm-soft-2-encoder-layers"))


def tile(text: str, alpha: np.ndarray) -> SimpleNamespace:
    """A map with its name; what `sheet` prints beside it is the largest share of a cell."""
    return SimpleNamespace(text=text, probability=float(alpha.max()), alpha=alpha)


def looked(word: Word) -> SimpleNamespace:
    """A word of adaptive attention: how much it looked is printed beside it."""
    return SimpleNamespace(text=word.text, probability=word.gate, alpha=word.gate * word.alpha)


def draw_cells(model: Captioner) -> None:
    """Where some cells look among the others."""
    maps = model.cell_maps(PHOTO)[-1].mean(0)  # (rows, columns, rows, columns)
    tiles = []
    for name, place in CELLS.items():
        marked = np.zeros(maps.shape[2:], np.float32)
        marked[place] = PEAK
        tiles += [tile(f"{name}:", marked), tile("looks here", maps[place])]
    draw("cells", tiles)


def draw(name: str, tiles: list[SimpleNamespace]) -> None:
    """Writes the photo and the maps beside each other."""
    style = {
        "style": "heatmap",
        "smooth": False,
        "peak": PEAK,
    }  # a spotlight is lost on a black coat
    picture = sheet(PHOTO, tiles, columns=5, thumbnail=200, **style)
    picture.save(FOLDER / f"{name}.jpg", quality=85, optimize=True)
    print(FOLDER / f"{name}.jpg")


if __name__ == "__main__":
    main()
