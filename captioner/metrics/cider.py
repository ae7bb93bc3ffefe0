"""CIDEr-D (Vedantam et al. 2015) as coco-caption counts it: rare words in common weigh most."""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

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
            raise ValueError(f"{len(empty)} pictures have no reference, the first is {empty[0]!r}")
        counts = {key: [_count(c) for c in captions] for key, captions in references.items()}
        documents = Counter(ngram for own in counts.values() for ngram in set().union(*own))
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

    def _vector(self, counts: Counter) -> _Vector:
        weights: tuple[dict, ...] = tuple({} for _ in range(LONGEST))
        for ngram, count in counts.items():
            weights[len(ngram) - 1][ngram] = count * self._weight.get(ngram, self._unseen)
        norms = tuple(math.sqrt(sum(w * w for w in own.values())) for own in weights)
        # The official program takes the number of word pairs for the length.
        length = sum(count for ngram, count in counts.items() if len(ngram) == 2)
        return _Vector(weights, norms, length)


def _count(caption: Sequence[str]) -> Counter:
    words = tuple(caption)
    return Counter(
        words[i : i + n] for n in range(1, LONGEST + 1) for i in range(len(words) - n + 1)
    )


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
