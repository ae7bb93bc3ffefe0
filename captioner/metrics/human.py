"""Do the scores agree with people? Kendall's tau of sentence scores with expert ratings.

A check that the scores are right which does not come from another program. Knows no torch.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from captioner.errors import DataError
from captioner.metrics.bleu import bleu_counts, bleu_values
from captioner.metrics.cider import CiderD
from captioner.metrics.rouge import rouge_l
from captioner.tokenizer import tokenize


class Judgement(NamedTuple):
    """What experts said of one caption for one picture."""

    picture: str
    caption: list[str]
    ratings: tuple[int, ...]  # 1-4


def expert_agreement(folder: Path) -> dict[str, float]:
    """Kendall's tau-c, 0-100, of sentence scores with the expert ratings of Flickr8k.

    As usual every rating counts on its own, and a picture's own captions are left out. Published:
    BLEU-4 30.8, ROUGE-L 32.3, CIDEr 43.9 (Hessel et al. 2021, "CLIPScore").

    Args:
        folder: with `Flickr8k.token.txt` and `ExpertAnnotations.txt`.

    Raises:
        DataError: a file is missing or malformed.
    """
    references, judgements = _read(folder)
    cider = CiderD({j.picture: references[j.picture] for j in judgements})
    scores: dict[str, Callable[[Judgement], float]] = {
        "BLEU-4": lambda j: bleu_values(bleu_counts(references[j.picture], j.caption))[3],
        "ROUGE-L": lambda j: rouge_l(references[j.picture], j.caption),
        "CIDEr": lambda j: cider.score(j.picture, j.caption),
    }
    ratings = np.concatenate([j.ratings for j in judgements])
    repeats = [len(j.ratings) for j in judgements]
    return {
        name: 100 * kendall_tau_c(np.repeat(list(map(score, judgements)), repeats), ratings)
        for name, score in scores.items()
    }


def kendall_tau_c(scores: Sequence[float], ratings: Sequence[int]) -> float:
    """Kendall's tau-c (Stuart 1953), -1 to 1: pairs in one order less pairs in the other.

    Args:
        scores: of any values.
        ratings: of few different values, as many as scores.

    Raises:
        ValueError: there are not at least two different scores and ratings.
    """
    scores, ratings = np.asarray(scores), np.asarray(ratings)
    levels = np.unique(ratings)
    smaller = min(len(levels), len(np.unique(scores)))
    if smaller < 2:
        raise ValueError("a correlation needs at least two different scores and ratings")
    ordered = [np.sort(scores[ratings == level]) for level in levels]
    difference = 0
    for i, low in enumerate(ordered):
        for high in ordered[i + 1 :]:
            difference += int(np.searchsorted(low, high, "left").sum())
            difference -= int((len(low) - np.searchsorted(low, high, "right")).sum())
    return 2 * smaller * difference / (len(scores) ** 2 * (smaller - 1))


def _read(folder: Path) -> tuple[dict[str, list[list[str]]], list[Judgement]]:
    captions: dict[str, list[str]] = {}
    references: dict[str, list[list[str]]] = {}
    judgements = []
    try:
        for line in (folder / "Flickr8k.token.txt").read_text().splitlines():
            key, _, text = line.partition("\t")
            captions[key] = tokenize(text)
            references.setdefault(key.partition("#")[0], []).append(captions[key])
        for line in (folder / "ExpertAnnotations.txt").read_text().splitlines():
            picture, key, *ratings = line.split("\t")
            if key.partition("#")[0] != picture:
                judgements.append(Judgement(picture, captions[key], tuple(map(int, ratings))))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"can't read the expert ratings in {str(folder)!r}: {error}") from error
    return references, judgements
