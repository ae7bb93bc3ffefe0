"""What the model answers: a caption, its words, and where it looked for each. Knows no torch."""

from dataclasses import dataclass

import numpy as np

from captioner.geometry import Geometry

# Words that name nothing to be seen.
FUNCTION_WORDS = frozenset(
    "a an and are as at be been being by for from has have her his in into is it its of off on "
    "onto or out over that the their them there they this to up was were while who with".split()
)


@dataclass(frozen=True, eq=False)
class Word:
    """One word of a caption.

    Attributes:
        text: as it is said, lower-case.
        probability: 0-1, given the words before.
        alpha: (rows, columns), float32, sums to one: how much it looked at each cell.
        gate: 0-1, how much of what it saw it let in; None for a decoder without a gate.
        alternatives: the likeliest other words with their probabilities, best first.
        known: false for a word outside the vocabulary, which the model takes for `<unk>`.
        heads: (layers, heads, rows, columns), the maps of each head, where there are several;
            alpha is the mean of the last layer's.
    """

    text: str
    probability: float
    alpha: np.ndarray
    gate: float | None
    alternatives: tuple[tuple[str, float], ...]
    known: bool = True
    heads: np.ndarray | None = None

    def as_dict(self) -> dict:
        """The word as JSON-ready values; maps to six digits."""
        return {
            "word": self.text,
            "probability": self.probability,
            "gate": self.gate,
            "alpha": np.round(self.alpha.astype(float), 6).tolist(),
            "alternatives": [[text, p] for text, p in self.alternatives],
            **(
                {}
                if self.heads is None
                else {"heads": np.round(self.heads.astype(float), 6).tolist()}
            ),
        }


@dataclass(frozen=True, eq=False)
class Caption:
    """One caption of one picture.

    Attributes:
        words: in order.
        log_prob: of all words and the end, summed, in nats.
        grid: (rows, columns) of the maps, one cell per annotation vector.
        geometry: how the grid lies over the picture; `visual.overlay` takes it.
        alternatives: the other captions that were kept, best first, with maps of their own.
        score: what the search ranked it by, log_prob / (words + 1) ** length_penalty: the end
            counts as a word. None for a caption that was read and not searched for.
    """

    words: tuple[Word, ...]
    log_prob: float
    grid: tuple[int, int]
    geometry: Geometry
    alternatives: "tuple[Caption, ...]" = ()
    score: float | None = None

    @property
    def text(self) -> str:
        """The words joined by single spaces: lower-case, no full stop."""
        return " ".join(word.text for word in self.words)

    def as_dict(self) -> dict:
        """The caption as JSON-ready values, in the shape that the commands and the page give."""
        return {
            **self._ranked(),
            "grid": list(self.grid),
            "words": [word.as_dict() for word in self.words],
            "alternatives": [other._ranked() for other in self.alternatives],
        }

    def _ranked(self) -> dict:
        """The words and what they are ranked by, where they were."""
        score = {} if self.score is None else {"score": self.score}
        return {"caption": self.text, "log_prob": self.log_prob, **score}


def content_words(caption: Caption) -> list[int]:
    """Indices of the words that name something to be seen."""
    return [i for i, word in enumerate(caption.words) if word.text not in FUNCTION_WORDS]
