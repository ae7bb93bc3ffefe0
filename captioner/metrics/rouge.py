"""ROUGE-L (Lin 2004) as coco-caption counts it: how much of a caption is said in order."""

from collections import defaultdict
from collections.abc import Sequence

# Recall counts a little more than precision.
BETA = 1.2


def rouge_l(references: Sequence[Sequence[str]], hypothesis: Sequence[str]) -> float:
    """Scores one caption against all references of its picture, 0-100.

    The best precision and the best recall may come from different references, as in the official
    program.

    Args:
        references: the picture's captions as tokens.
        hypothesis: one caption as tokens.

    Raises:
        ValueError: there is no reference.
    """
    if not references:
        raise ValueError("there is no reference to score against")
    # The official program splits an empty caption into one empty word.
    said = list(hypothesis) or [""]
    common = [common_length(said, reference or [""]) for reference in references]
    precision = max(common) / len(said)
    recall = max(c / max(1, len(r)) for c, r in zip(common, references, strict=True))
    if not precision:
        return 0.0
    return 100 * (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def common_length(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence, a bit of an integer for each word of `one`.

    Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
    """
    places: dict[str, int] = defaultdict(int)
    for i, word in enumerate(one):
        places[word] |= 1 << i
    everything = (1 << len(one)) - 1
    row = everything
    for word in other:
        matches = row & places.get(word, 0)
        row = (row + matches | row - matches) & everything
    return len(one) - row.bit_count()
