"""BLEU-1 to BLEU-4 of a whole set of captions, by nltk on the official tokens."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from nltk.translate.bleu_score import closest_ref_length, corpus_bleu


@dataclass(frozen=True)
class BleuScore:
    """Corpus BLEU with its counts.

    Attributes:
        values: BLEU-1 to BLEU-4, 0-100.
        hypothesis_length: words in all captions.
        reference_length: words in the reference closest in length to each caption, summed.
    """

    values: tuple[float, float, float, float]
    hypothesis_length: int
    reference_length: int


def bleu(
    references: Sequence[Sequence[Sequence[str]]], hypotheses: Sequence[Sequence[str]]
) -> BleuScore:
    """Scores captions against all references of their pictures (Papineni et al. 2002).

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
    weights = [(1.0,), (1 / 2,) * 2, (1 / 3,) * 3, (1 / 4,) * 4]
    with warnings.catch_warnings():
        # nltk warns where no n-gram matches; the score there is 0, and that is what it says.
        warnings.simplefilter("ignore")
        values = corpus_bleu(references, hypotheses, weights)
    lengths = [len(hypothesis) for hypothesis in hypotheses]
    return BleuScore(
        values=tuple(100 * float(value) for value in values),
        hypothesis_length=sum(lengths),
        reference_length=sum(map(closest_ref_length, references, lengths)),
    )
