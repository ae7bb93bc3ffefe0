"""CIDEr-D (Vedantam et al. 2015) as coco-caption counts it: rare words in common weigh most."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from captioner.errors import counted

SIGMA = 6.0
LONGEST = 4


class _Vector(NamedTuple):
    """A caption as tf-idf weights of its n-grams, n from 1 to 4."""

    weights: tuple[dict[tuple[str, ...], float], ...]
    norms: tuple[float, ...]
    length: int


class CiderD:
    """Scores captions against references that it has prepared once.

    The document frequencies come from `references`: give the evaluated set for the official score,
    or the training set to use it as a reward.

    Args:
        references: for each picture its captions as tokens.

    Raises:
        ValueError: a picture has no reference.
    """

    def __init__(self, references: Mapping[Hashable, Sequence[Sequence[str]]]) -> None:
        empty = [key for key, captions in references.items() if not captions]
        if empty:
            many = counted(len(empty), "picture")
            raise ValueError(f"no reference for {many}, the first is {empty[0]!r}")
        counts = {key: [_count(c) for c in captions] for key, captions in references.items()}
        documents: Counter = Counter()
        for own in counts.values():
            documents.update(set(chain(*chain(*own))))
        total = math.log(len(references)) if references else 0.0
        self._unseen = total
        self._weight = {ngram: total - math.log(n) for ngram, n in documents.items()}
        self._references = {
            key: [self._vector(caption) for caption in own] for key, own in counts.items()
        }

    def score(self, key: Hashable, hypothesis: Sequence[str]) -> float:
        """Scores one caption as tokens for the picture `key`: 0-1000, above 100 is possible.

        Raises:
            KeyError: there is no such picture.
        """
        said = self._vector(_count(hypothesis))
        references = self._references[key]
        similarity = sum(_similarity(said, reference) for reference in references)
        return 100 * 10 * similarity / LONGEST / len(references)

    def scores(self, keys: Iterable[Hashable], hypotheses: Iterable[Sequence[str]]) -> np.ndarray:
        """Scores many captions, several of one picture too: (N,), as a reward wants them."""
        return np.array([self.score(*pair) for pair in zip(keys, hypotheses, strict=True)])

    def _vector(self, counts: Sequence[Counter]) -> _Vector:
        weight, unseen = self._weight, self._unseen
        weights = tuple(
            {ngram: count * weight.get(ngram, unseen) for ngram, count in own.items()}
            for own in counts
        )
        # The official program takes the number of word pairs for the length.
        length = counts[1].total()
        return _Vector(weights, tuple(math.hypot(*own.values()) for own in weights), length)


def _count(caption: Sequence[str]) -> tuple[Counter, ...]:
    """N-grams with their counts, for n from 1 to 4."""
    shifted = [caption[n:] for n in range(LONGEST)]
    return tuple(Counter(zip(*shifted[:n])) for n in range(1, LONGEST + 1))


def _similarity(said: _Vector, reference: _Vector) -> float:
    """Cosine for each n, clipped so that repeating a word does not pay, less for other lengths."""
    total = 0.0
    for own, other, norm, other_norm in zip(
        said.weights, reference.weights, said.norms, reference.norms, strict=True
    ):
        if norm and other_norm:
            shared = own.keys() & other.keys()
            total += sum(min(own[g], other[g]) * other[g] for g in shared) / (norm * other_norm)
    return total * math.exp(-((said.length - reference.length) ** 2) / (2 * SIGMA**2))
