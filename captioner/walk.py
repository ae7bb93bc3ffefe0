"""One word, step by step: the numbers really computed on the way from the picture to the word.

Letters: L locations (rows x columns), D annotation size, M layers, N heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from captioner.caption import Caption
from captioner.errors import counted
from captioner.model import Captioner
from captioner.vocabulary import SPECIAL


@dataclass(frozen=True, eq=False)
class Walk:
    """What the decoder computed before it said one word.

    Attributes:
        word: the word.
        before: the words before it.
        energies: (M, N, rows, columns), how well each cell suits the query.
        heads: (M, N, rows, columns), the softmax of the energies.
        alpha: (rows, columns), the map: of the last layer the mean of its heads.
        selection: (rows, columns), the weights that the sum was taken with: alpha, or the one cell
            of hard attention.
        drawn: whether that cell is drawn in training, and the brightest is taken here.
        annotations: (rows, columns, D), the vectors that are summed.
        plain: whether what is summed are the annotations as they are; heads sum values of theirs.
        gate: 0-1, how much of the sum was let in; None where there is no gate.
        sentinel: whether the rest of it is memory, and the gate the share of the picture.
        context: (D,), what was let in.
        likeliest: the likeliest words with their probabilities, best first; `<end>` is one.
        probability: 0-1, of the word; None for one that the model does not know.
        rank: of the word among all that could be said, 1 for the likeliest; None likewise.
    """

    word: str
    before: tuple[str, ...]
    energies: np.ndarray
    heads: np.ndarray
    alpha: np.ndarray
    selection: np.ndarray
    drawn: bool
    annotations: np.ndarray
    plain: bool
    gate: float | None
    sentinel: bool
    context: np.ndarray
    likeliest: tuple[tuple[str, float], ...]
    probability: float | None
    rank: int | None

    @property
    def weighted_sum(self) -> np.ndarray:
        """Sum over cells of their weight times their annotation (D,)."""
        return np.einsum("rc,rcd->d", self.selection, self.annotations)

    def as_dict(self) -> dict:
        """The numbers as JSON-ready values, without the annotations."""
        return {
            "word": self.word,
            "before": list(self.before),
            "energies": self.energies.astype(float).round(6).tolist(),
            "heads": self.heads.astype(float).round(6).tolist(),
            "alpha": self.alpha.astype(float).round(6).tolist(),
            "selection": self.selection.astype(float).round(6).tolist(),
            "context": self.context.astype(float).round(6).tolist(),
            "weighted_sum": self.weighted_sum.astype(float).round(6).tolist(),
            "gate": self.gate,
            "likeliest": [[word, p] for word, p in self.likeliest],
            "probability": self.probability,
            "rank": self.rank,
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
    found = model.read(annotations, tokens, len(model.vocabulary))
    rows, columns = model.encoder.grid
    glance = type(found.kept)(*(part[index].float().cpu() for part in found.kept))
    said = [
        (model.vocabulary.words[token], float(np.exp(log_prob)))
        for token, log_prob in found.considered[index]
        # A decoded caption never holds another of the special words.
        if token == model.vocabulary.end or token >= len(SPECIAL)
    ]
    decoder, word = model.decoder, words[index]
    rank = next((rank for rank, (other, _) in enumerate(said, 1) if other == word), None)
    return Walk(
        word=word,
        before=tuple(words[:index]),
        energies=glance.energies.numpy().reshape(*glance.energies.shape[:2], rows, columns),
        heads=glance.heads.numpy().reshape(*glance.heads.shape[:2], rows, columns),
        alpha=glance.alpha.numpy().reshape(rows, columns),
        selection=glance.selection.numpy().reshape(rows, columns),
        drawn=decoder.last_attention.draws,
        annotations=annotations[0].float().cpu().numpy().reshape(rows, columns, -1),
        plain=decoder.last_attention.sums_annotations,
        gate=glance.gate.item() if decoder.gated else None,
        sentinel=decoder.last_attention.has_sentinel,
        context=glance.context.numpy(),
        likeliest=tuple(said[:likeliest]),
        probability=None if rank is None else said[rank - 1][1],
        rank=rank,
    )


def told(walk: Walk, *, layer: int | None = None, head: int | None = None) -> str:
    """The walk as text for a terminal: six steps, each with its numbers.

    Args:
        layer: whose energies and softmax are told, 1 is the first; by default the last.
        head: the same, 1 is the first; by default the mean of all, which is what is drawn.

    Raises:
        ValueError: there is no such layer or head.
    """
    rows, columns, size = walk.annotations.shape
    top = int(walk.alpha.argmax())
    brightest = f"{_name(top, columns)} = {_vector(walk.annotations.reshape(-1, size)[top])}"
    parts = [
        f"The word {walk.word!r}, after {' '.join(('<start>', *walk.before))}",
        "Its map depends only on the words before: it is where the model looked before it said "
        f"{walk.word!r}\n",
        f"1. Annotations: {rows} x {columns} cells a(row,column), each a vector of {size};",
        f"   the brightest: {brightest}\n",
        *_looked(walk, layer, head),
        *_summed(walk, columns),
        *_let_in(walk),
        "\n6. The likeliest words now:",
        *(f"   {word:16} {p:7.2%}" for word, p in walk.likeliest),
        _placed(walk),
    ]
    return "\n".join(parts)


def _looked(walk: Walk, layer: int | None, head: int | None) -> list[str]:
    """The energies and their softmax, in one layer, of one head or the mean of all."""
    layers, heads = walk.heads.shape[:2]
    layer = layers if layer is None else layer
    if not 1 <= layer <= layers:
        raise ValueError(
            f"the model looks in {counted(layers, 'layer')}: there is no layer {layer}"
        )
    if head is not None and not 1 <= head <= heads:
        raise ValueError(f"the model looks with {counted(heads, 'head')}: there is no head {head}")
    chosen = slice(None) if head is None else slice(head - 1, head)
    energies, shares = (x[layer - 1, chosen].mean(0) for x in (walk.energies, walk.heads))
    which = f", layer {layer} of {layers}" * (layers > 1)
    mean = heads > 1 and head is None
    if heads > 1:
        which += f", mean of the {heads} heads" if mean else f", head {head} of {heads}"
    lines = [
        f"2. Energies: how well each cell suits the query{which}:",
        _table(energies, "{:6.2f}"),
        f"3. Softmax: e^energy, divided by the sum of all{' in each head' * mean}{which}, in per "
        "cent:",
        _table(100 * shares, "{:6.2f}"),
    ]
    others = [
        f"--{name} 1 to {count}"
        for name, count in (("layer", layers), ("head", heads))
        if count > 1
    ]
    return [*lines, f"   Others: {', '.join(others)}\n"] if others else lines


def _summed(walk: Walk, columns: int) -> list[str]:
    last = ", last layer" * (len(walk.heads) > 1)
    if not walk.plain:
        return [
            f"4. Weighted sums{last}: each head sums values that it makes of the annotations itself"
        ]
    weights = walk.selection.ravel()
    top = [int(i) for i in np.argsort(-weights, kind="stable")[:3] if weights[i] > 0]
    rest = int((weights > 0).sum()) - len(top)
    terms = " + ".join(f"{weights[i]:.3f} {_name(i, columns)}" for i in top)
    return [
        f"4. Weighted sum{last}: {terms}" + (f" + {rest} more" if rest else ""),
        f"   = {_vector(walk.weighted_sum)}",
        *["   The brightest cell is taken when captioning; in training one is drawn"] * walk.drawn,
    ]


def _let_in(walk: Walk) -> list[str]:
    if walk.gate is None:
        line = "5. There is no gate: the decoder gets all of it"
    elif walk.sentinel:
        line = f"5. Sentinel: {walk.gate:.3f} of that and {1 - walk.gate:.3f} of what it remembers"
    else:
        line = f"5. Gate: {walk.gate:.3f} of it is let in"
    return [f"\n{line}", f"   = {_vector(walk.context)}"]


def _placed(walk: Walk) -> str:
    if walk.rank is None:
        return f"   {walk.word!r} is read as <unk>: the model does not know it and can't say it"
    chance = "under 0.01%" if walk.probability < 1e-4 else f"{walk.probability:.2%}"
    return f"   {walk.word!r} itself: {chance}, rank {walk.rank}"


def _name(cell: int, columns: int) -> str:
    return f"a({cell // columns + 1},{cell % columns + 1})"  # row, column


def _vector(numbers: np.ndarray) -> str:
    shown = " ".join(f"{n:+.2f}" for n in numbers[:5])
    return f"[{shown} ...], {np.linalg.norm(numbers):.1f} long"


def _table(numbers: np.ndarray, form: str) -> str:
    return "\n".join("   " + "".join(form.format(n) for n in row) for row in numbers) + "\n"
