"""What a drawn caption is worth in self-critical training. Knows no torch.

Letters: B captions.
"""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
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


REWARDS = {"cider": CiderReward, "bleu": BleuReward}


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
