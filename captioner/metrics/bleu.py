"""BLEU-1 to BLEU-4 of a whole set of captions (Papineni et al. 2002), as coco-caption counts it.

nltk matches the n-grams. The sums are made here, because nltk's `corpus_bleu` counts one n-gram in
a caption that is too short to have any, which the official program does not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nltk.translate.bleu_score import closest_ref_length, modified_precision

# The official program adds these to every count above and below a fraction line.
_TINY, _SMALL = 1e-15, 1e-9


@dataclass(frozen=True)
class BleuScore:
    """Corpus BLEU with its counts; each tuple is for n-grams of 1 to 4 words.

    Attributes:
        values: BLEU-1 to BLEU-4, 0-100.
        matched: n-grams that a reference has too, clipped.
        counted: n-grams in all captions.
        hypothesis_length: words in all captions.
        reference_length: words in the reference closest in length to each caption, summed.
    """

    values: tuple[float, ...]
    matched: tuple[int, ...]
    counted: tuple[int, ...]
    hypothesis_length: int
    reference_length: int


def bleu(
    references: Sequence[Sequence[Sequence[str]]], hypotheses: Sequence[Sequence[str]]
) -> BleuScore:
    """Scores captions against all references of their pictures.

    Args:
        references: for each picture, its captions as tokens.
        hypotheses: for each picture, one caption as tokens.

    Raises:
        ValueError: there is nothing to score, or the numbers of pictures differ.
    """
    if len(references) != len(hypotheses):
        raise ValueError(
            f"{len(hypotheses)} captions can't be scored against {len(references)} pictures"
        )
    if not hypotheses:
        raise ValueError("there is no caption to score")
    matched, counted = [0] * 4, [0] * 4
    for own, hypothesis in zip(references, hypotheses, strict=True):
        for n in range(1, min(4, len(hypothesis)) + 1):
            matched[n - 1] += modified_precision(own, hypothesis, n).numerator
            counted[n - 1] += len(hypothesis) - n + 1
    lengths = [len(hypothesis) for hypothesis in hypotheses]
    said = sum(lengths)
    closest = sum(map(closest_ref_length, references, lengths))
    ratio = (said + _TINY) / (closest + _SMALL)
    brevity = min(1.0, math.exp(1 - 1 / ratio))
    logs = [math.log((m + _TINY) / (c + _SMALL)) for m, c in zip(matched, counted, strict=True)]
    values = (100 * brevity * math.exp(sum(logs[:n]) / n) for n in range(1, 5))
    return BleuScore(tuple(values), tuple(matched), tuple(counted), said, closest)
