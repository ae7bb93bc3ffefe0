"""What a drawn caption is worth in self-critical training. Knows no torch.

Letters: B captions.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from nltk.stem.porter import PorterStemmer
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from captioner.metrics.cider import CiderD
from captioner.vocabulary import END

_SMOOTHING = SmoothingFunction().method2  # one more match for longer n-grams (Lin and Och 2004)


class CiderReward:
    """CIDEr-D, 0-10, with the document frequencies of the training split."""

    def __init__(self, references: Mapping[Hashable, Sequence[Sequence[str]]]) -> None:
        self._cider = CiderD(references)

    def __call__(self, keys: Sequence[Hashable], captions: Sequence[Sequence[str]]) -> np.ndarray:
        """(B,)."""
        return self._cider.scores(keys, captions) / 100


class BleuReward:
    """BLEU-4 of the one caption, 0-1, smoothed."""

    def __init__(self, references: Mapping[Hashable, Sequence[Sequence[str]]]) -> None:
        self._references = references

    def __call__(self, keys: Sequence[Hashable], captions: Sequence[Sequence[str]]) -> np.ndarray:
        """(B,)."""
        return np.array(
            [
                sentence_bleu(self._references[key], said, smoothing_function=_SMOOTHING)
                for key, said in zip(keys, captions, strict=True)
            ]
        )


class MeteorReward:
    """METEOR of the one caption, 0-1, without synonyms and paraphrases, which need Java.

    Denkowski and Lavie 2014 with their weights for English: words match as they are or by their
    stem, frequent words count a third of the others, recall counts more than precision, and
    scattered matches are punished. The best of the references counts.
    """

    # Of precision against recall, of the punishment and its exponent, of content words.
    alpha, beta, gamma, delta = 0.85, 0.2, 0.6, 0.75
    # A word that makes up more of all words is a function word.
    frequent = 1e-3

    def __init__(self, references: Mapping[Hashable, Sequence[Sequence[str]]]) -> None:
        counts = Counter(w for own in references.values() for words in own for w in words)
        total = sum(counts.values())
        self._function_words = {w for w, n in counts.items() if n > self.frequent * total}
        self._stem = lru_cache(maxsize=None)(PorterStemmer().stem)
        self._references = references

    def __call__(self, keys: Sequence[Hashable], captions: Sequence[Sequence[str]]) -> np.ndarray:
        """(B,)."""
        return np.array(
            [
                max(self._score(words, said) for words in self._references[key])
                for key, said in zip(keys, captions, strict=True)
            ]
        )

    def _score(self, reference: Sequence[str], said: Sequence[str]) -> float:
        matched = self._match(reference, said)
        if not matched:
            return 0.0
        precision = sum(self._weight(said[i]) for i in matched) / sum(map(self._weight, said))
        recalled = sum(self._weight(reference[j]) for j in matched.values())
        recall = recalled / sum(map(self._weight, reference))
        mean = precision * recall / (self.alpha * precision + (1 - self.alpha) * recall)
        pairs = sorted(matched.items())
        chunks = 1 + sum(b != (a[0] + 1, a[1] + 1) for a, b in pairwise(pairs))
        # One chunk of everything is no scattering.
        scattered = 0.0 if chunks == 1 and len(pairs) == len(said) else chunks / len(pairs)
        return mean * (1 - self.gamma * scattered**self.beta)

    def _weight(self, word: str) -> float:
        return 1 - self.delta if word in self._function_words else self.delta

    def _match(self, reference: Sequence[str], said: Sequence[str]) -> dict[int, int]:
        """Places in `said` to places in the reference: the same words first, then the same stems.

        A match that goes on from the one before is preferred: it makes no new chunk.
        """
        matched: dict[int, int] = {}
        taken: set[int] = set()
        for form in (str, self._stem):
            wanted = [form(word) for word in reference]
            for i, word in enumerate(map(form, said)):
                places = [j for j, other in enumerate(wanted) if other == word and j not in taken]
                if i not in matched and places:
                    following = matched.get(i - 1, -2) + 1
                    matched[i] = following if following in places else places[0]
                    taken.add(matched[i])
        return matched


REWARDS = {"cider": CiderReward, "bleu": BleuReward, "meteor": MeteorReward}


class Reward:
    """A weighted sum of rewards; captions and references both end with the end token.

    Without it captions learn to stop in the middle of a phrase ("... with a"), because nothing is
    gained by the words that complete it.

    Args:
        references: the human captions as tokens, by picture.
        weights: of each name in `REWARDS`; those of weight 0 are not computed.
    """

    def __init__(
        self,
        references: Mapping[Hashable, Sequence[Sequence[str]]],
        weights: Mapping[str, float],
    ) -> None:
        ended = {key: [[*words, END] for words in own] for key, own in references.items()}
        self._parts = [(weight, REWARDS[name](ended)) for name, weight in weights.items() if weight]

    def __call__(self, keys: Sequence[Hashable], captions: Sequence[Sequence[str]]) -> np.ndarray:
        """What each caption is worth: (B,).

        Args:
            keys: the picture of each.
            captions: as words, without the end token.
        """
        ended = [[*words, END] for words in captions]
        parts = [weight * part(keys, ended) for weight, part in self._parts]
        return np.sum(parts, axis=0) if parts else np.zeros(len(ended))
