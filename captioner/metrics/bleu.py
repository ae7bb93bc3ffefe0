"""BLEU-1 to BLEU-4 of a whole set of captions (Papineni et al. 2002), as coco-caption counts it.

nltk matches the n-grams. The sums are made here, because nltk's `corpus_bleu` counts one n-gram in
a caption that is too short to have any, which the official program does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from nltk.translate.bleu_score import closest_ref_length, modified_precision

from captioner.errors import counted

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
            f"{counted(len(hypotheses), 'caption')} can't be scored against "
            f"{counted(len(references), 'picture')}"
        )
    if not hypotheses:
        raise ValueError("there is no caption to score")
    counts = sum(map(bleu_counts, references, hypotheses))
    totals = tuple(int(count) for count in counts)
    values = tuple(float(value) for value in bleu_values(counts))
    return BleuScore(values, totals[:4], totals[4:8], totals[8], totals[9])


def bleu_counts(references: Sequence[Sequence[str]], hypothesis: Sequence[str]) -> np.ndarray:
    """What one caption adds to the sums: (10,) integers.

    Matched and counted n-grams for n from 1 to 4, its length, and that of the closest reference.
    """
    counts = np.zeros(10, np.int64)
    for n in range(1, min(4, len(hypothesis)) + 1):
        counts[n - 1] = modified_precision(references, hypothesis, n).numerator
        counts[n + 3] = len(hypothesis) - n + 1
    counts[8] = len(hypothesis)
    counts[9] = closest_ref_length(references, len(hypothesis))
    return counts


def bleu_values(counts: np.ndarray) -> np.ndarray:
    """BLEU-1 to BLEU-4, 0-100, of summed counts: (..., 10) to (..., 4)."""
    matched, counted = counts[..., :4] + _TINY, counts[..., 4:8] + _SMALL
    ratio = (counts[..., 8] + _TINY) / (counts[..., 9] + _SMALL)
    brevity = np.minimum(1, np.exp(1 - 1 / ratio))
    means = np.cumsum(np.log(matched / counted), axis=-1) / np.arange(1, 5)
    return 100 * brevity[..., None] * np.exp(means)
