"""One word, step by step: the numbers really computed on the way from the picture to the word.

Letters: L locations (rows x columns), D annotation size, M layers, N heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from captioner.caption import Caption
from captioner.model import Captioner
from captioner.vocabulary import SPECIAL

_BESIDES = "(with what this attention does besides)"


@dataclass(frozen=True, eq=False)
class Walk:
    """What the decoder computed before it said one word.

    Attributes:
        word: the word.
        before: the words before it.
        energies: (M, N, rows, columns), how well each cell suits the query.
        heads: (M, N, rows, columns), the softmax of the energies.
        alpha: (rows, columns), the map: of the last layer the mean of its heads.
        annotations: (rows, columns, D), the vectors that are summed.
        context: (D,), what the decoder's last layer saw.
        gate: 0-1, how much of that it let in.
        likeliest: the likeliest words with their probabilities, best first.
    """

    word: str
    before: tuple[str, ...]
    energies: np.ndarray
    heads: np.ndarray
    alpha: np.ndarray
    annotations: np.ndarray
    context: np.ndarray
    gate: float
    likeliest: tuple[tuple[str, float], ...]

    @property
    def weighted_sum(self) -> np.ndarray:
        """Sum over cells of alpha times annotation (D,), with nothing learnt in between.

        It is the context itself for soft, dot-product and local attention, and for none.
        """
        return np.einsum("rc,rcd->d", self.alpha, self.annotations)

    @property
    def plain(self) -> bool:
        """Whether the context is that weighted sum."""
        return np.allclose(self.weighted_sum, self.context, atol=1e-3)

    def as_dict(self) -> dict:
        """The numbers as JSON-ready values, without the annotations."""
        return {
            "word": self.word,
            "before": list(self.before),
            "energies": self.energies.astype(float).round(6).tolist(),
            "heads": self.heads.astype(float).round(6).tolist(),
            "alpha": self.alpha.astype(float).round(6).tolist(),
            "context": self.context.astype(float).round(6).tolist(),
            "weighted_sum": self.weighted_sum.astype(float).round(6).tolist(),
            "gate": self.gate,
            "likeliest": [[word, p] for word, p in self.likeliest],
        }


def walk(
    model: Captioner,
    source: Any,
    caption: Caption | Sequence[str],
    index: int,
    *,
    likeliest: int = 5,
) -> Walk:
    """Goes the way to one word of a caption again, and keeps the numbers.

    Args:
        source: the picture, see `images.load_image`.
        caption: a caption, or its words; one that the model does not know is read as `<unk>`.
        index: which word, from 0.
        likeliest: how many of the likeliest words are kept.

    Raises:
        ImageError: the picture can't be read.
        ValueError: there is no such word.
    """
    words = [word.text for word in caption.words] if isinstance(caption, Caption) else list(caption)
    if not 0 <= index < len(words):
        raise ValueError(f"the caption has {len(words)} words: there is no word {index + 1}")
    annotations, _ = model.look([source])
    tokens = model.vocabulary.encode(words[: index + 1])
    found = model.read(annotations, tokens, likeliest + len(SPECIAL))
    rows, columns = model.encoder.grid
    glance = type(found.kept)(*(part[index].float().cpu() for part in found.kept))
    texts = model.vocabulary.words
    best = [
        (texts[t], float(np.exp(p)))
        for t, p in found.considered[index]
        if t != model.vocabulary.pad
    ]
    return Walk(
        word=words[index],
        before=tuple(words[:index]),
        energies=glance.energies.numpy().reshape(*glance.energies.shape[:2], rows, columns),
        heads=glance.heads.numpy().reshape(*glance.heads.shape[:2], rows, columns),
        alpha=glance.alpha.numpy().reshape(rows, columns),
        annotations=annotations[0].float().cpu().numpy().reshape(rows, columns, -1),
        context=glance.context.numpy(),
        gate=glance.gate.item(),
        likeliest=tuple(best[:likeliest]),
    )


def told(walk: Walk) -> str:
    """The walk as text for a terminal: six steps, each with its numbers."""
    rows, columns, size = walk.annotations.shape
    layers, heads = walk.heads.shape[:2]
    top = np.argsort(-walk.alpha, axis=None)[:3]
    names = [f"a({i // columns + 1},{i % columns + 1})" for i in top]  # row, column
    brightest = walk.annotations.reshape(-1, size)[top[0]]
    parts = [
        f"The word {walk.word!r}, after {' '.join(('<start>', *walk.before))}\n",
        f"1. Annotations: {rows} x {columns} cells, a vector of {size} numbers each;",
        f"   {names[0]} = {_vector(brightest)}\n",
    ]
    many = layers * heads > 1
    which = f", layer {layers} of {layers}, head 1 of {heads}" if many else ""
    parts += [
        f"2. Energies: how well each cell suits the query{which}:",
        _table(walk.energies[-1, 0], "{:6.2f}"),
        f"3. Softmax: e^energy, divided by the sum of all{which}, in per cent:",
        _table(100 * walk.heads[-1, 0], "{:6.2f}"),
    ]
    if many:
        parts += [
            f"   The mean of the {heads} heads of the last layer, in per cent:",
            _table(100 * walk.alpha, "{:6.2f}"),
        ]
    terms = " + ".join(f"{walk.alpha.flat[i]:.3f} {name}" for i, name in zip(top, names))
    parts += [
        f"4. Weighted sum: {terms} + {rows * columns - len(top)} more",
        f"   = {_vector(walk.context)}" + ("" if walk.plain else f" {_BESIDES}"),
        f"\n5. Gate: {walk.gate:.3f} of it is let in",
        f"   = {_vector(walk.gate * walk.context)}\n",
    ]
    parts.append("6. The likeliest words now:")
    parts += [f"   {word:16} {p:7.2%}" for word, p in walk.likeliest]
    return "\n".join(parts)


def _vector(numbers: np.ndarray) -> str:
    shown = " ".join(f"{n:+.2f}" for n in numbers[:5])
    return f"[{shown} ...], {np.linalg.norm(numbers):.1f} long"


def _table(numbers: np.ndarray, form: str) -> str:
    return "\n".join("   " + "".join(form.format(n) for n in row) for row in numbers) + "\n"
