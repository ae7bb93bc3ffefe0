"""Scores of captions against references, from captions alone. Knows no torch and no model."""

import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain

import numpy as np

from captioner.errors import CaptionerError, counted
from captioner.metrics.bleu import BleuScore, bleu, bleu_counts, bleu_values
from captioner.metrics.bootstrap import ROUNDS, Comparison, compare, draw_rounds, interval
from captioner.metrics.cider import CiderD
from captioner.metrics.grounding import Grounding
from captioner.metrics.meteor import meteor
from captioner.metrics.rouge import rouge_l
from captioner.tokenizer import tokenize


@dataclass(frozen=True)
class ImageScores:
    """What each picture adds to the scores; N pictures in one order.

    Attributes:
        ids, captions: of the pictures.
        bleu_counts: (N, 10), see `metrics.bleu.bleu_counts`.
        rouge_l, cider: (N,).
    """

    ids: tuple[int | str, ...]
    captions: tuple[str, ...]
    bleu_counts: np.ndarray
    rouge_l: np.ndarray
    cider: np.ndarray

    def as_list(self) -> list[dict]:
        """JSON-ready, one entry a picture; BLEU-4 is that of the one caption."""
        blue = bleu_values(self.bleu_counts)[:, 3]
        scores = blue.tolist(), self.rouge_l.tolist(), self.cider.tolist()
        columns = zip(self.ids, self.captions, *scores)
        names = ("image_id", "caption", "BLEU-4", "ROUGE-L", "CIDEr")
        return [dict(zip(names, row)) for row in columns]

    def resampled(self, rounds: np.ndarray) -> dict[str, np.ndarray]:
        """Each score in each round of drawn pictures: (R, N) to (R,)."""
        blue = bleu_values(rounds @ self.bleu_counts)
        named = {f"BLEU-{n}": blue[:, n - 1] for n in range(1, 5)}
        size = len(self.ids)
        # The document frequencies of CIDEr stay those of all pictures.
        return named | {
            "ROUGE-L": rounds @ self.rouge_l / size,
            "CIDEr": rounds @ self.cider / size,
        }


@dataclass(frozen=True)
class Scores:
    """The scores of one model on one data set, all 0-100 but for CIDEr, which can go above.

    Attributes:
        bleu: with its counts.
        rouge_l: mean over pictures.
        cider: CIDEr-D, mean over pictures; document frequencies from these references.
        meteor: none where it was not asked for or can't run.
        distinct: different n-grams among all n-grams of the captions, for 1 and 2 words.
        vocabulary: different words in the captions.
        images: pictures scored.
        signature: all that a number depends on; equal signatures make comparable numbers.
        per_image: what each picture adds.
        grounding: do the maps agree with boxes, for words of the human captions that the model
            read; none without a model and boxes.
        grounding_own: the same for words of its own captions that are the head of a human phrase.
    """

    bleu: BleuScore
    rouge_l: float
    cider: float
    meteor: float | None
    distinct: tuple[float, float]
    vocabulary: int
    images: int
    signature: str
    per_image: ImageScores = field(compare=False, repr=False)
    grounding: Grounding | None = None
    grounding_own: Grounding | None = None

    def as_dict(self) -> dict:
        """JSON-ready, under the names that papers use."""
        return {
            **{f"BLEU-{n}": value for n, value in enumerate(self.bleu.values, 1)},
            "METEOR": self.meteor,
            "ROUGE-L": self.rouge_l,
            "CIDEr": self.cider,
            "length-ratio": 100 * self.bleu.hypothesis_length / max(1, self.bleu.reference_length),
            "distinct-1": self.distinct[0],
            "distinct-2": self.distinct[1],
            "vocabulary": self.vocabulary,
            "images": self.images,
            "signature": self.signature,
            **{
                name: found.as_dict()
                for name in ("grounding", "grounding_own")
                if (found := getattr(self, name))
            },
        }

    def intervals(self, rounds: int = ROUNDS, seed: int = 0) -> dict[str, tuple[float, float]]:
        """The middle 95 % of each score over bootstrap rounds; METEOR has none."""
        drawn = self.per_image.resampled(draw_rounds(self.images, rounds, seed))
        return {name: interval(values) for name, values in drawn.items()}

    def against(
        self, other: "Scores", rounds: int = ROUNDS, seed: int = 0
    ) -> dict[str, Comparison]:
        """Compares these scores with others by a paired bootstrap over the pictures.

        Raises:
            ValueError: the two are not of the same pictures.
        """
        if self.per_image.ids != other.per_image.ids:
            raise ValueError("only scores of the same pictures can be compared")
        drawn = draw_rounds(self.images, rounds, seed)
        own, theirs = self.per_image.resampled(drawn), other.per_image.resampled(drawn)
        values, other_values = self.as_dict(), other.as_dict()
        return {
            name: compare(values[name], other_values[name], own[name], theirs[name]) for name in own
        }


def score(
    captions: Mapping[int | str, str],
    references: Mapping[int | str, Sequence[str]],
    made_by: str,
    *,
    with_meteor: bool = False,
) -> Scores:
    """Scores captions against all references of their pictures.

    Args:
        captions: one by picture id, for exactly the pictures of `references`.
        references: the human captions by picture id.
        made_by: what made the captions, for the signature.
        with_meteor: run METEOR too; a line on stderr says why where it can't.

    Raises:
        ValueError: there is nothing to score, or the pictures differ.
    """
    if captions.keys() != references.keys():
        other = sorted(captions.keys() ^ references.keys(), key=str)
        many = counted(len(other), "picture")
        raise ValueError(f"no caption or no reference for {many}, first {other[0]}")
    wanted = {key: [tokenize(text) for text in own] for key, own in references.items()}
    hypotheses = {key: tokenize(captions[key]) for key in wanted}
    pairs = list(wanted.values()), list(hypotheses.values())
    total = bleu(*pairs)  # refuses what can't be scored
    per_image = ImageScores(
        ids=tuple(hypotheses),
        captions=tuple(captions[key] for key in hypotheses),
        bleu_counts=np.stack(list(map(bleu_counts, *pairs))),
        rouge_l=np.array(list(map(rouge_l, *pairs))),
        cider=CiderD(wanted).scores(hypotheses.keys(), hypotheses.values()),
    )
    return Scores(
        bleu=total,
        rouge_l=float(per_image.rouge_l.mean()),
        cider=float(per_image.cider.mean()),
        meteor=_meteor(*pairs) if with_meteor else None,
        distinct=(_distinct(hypotheses.values(), 1), _distinct(hypotheses.values(), 2)),
        vocabulary=len(set(chain(*hypotheses.values()))),
        images=len(hypotheses),
        signature=_signature(made_by, references),
        per_image=per_image,
    )


def share_new(captions: Iterable[str], training_captions: Iterable[str]) -> float:
    """How many of the captions, 0-100, say what no training caption says word for word."""
    known = {tuple(tokenize(text)) for text in training_captions}
    new = [tuple(tokenize(text)) not in known for text in captions]
    return 100 * sum(new) / max(1, len(new))


def name_captions(captions: Mapping[int | str, str]) -> str:
    """Names captions of any origin by a fingerprint, for the signature."""
    return f"captions:{_fingerprint(captions)}"


def _fingerprint(captions: Mapping) -> str:
    """Eight digits that are the same only for the same captions of the same pictures."""
    told = repr(sorted(captions.items(), key=lambda pair: str(pair[0])))
    return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:8]


def _distinct(captions: Iterable[Sequence[str]], n: int) -> float:
    ngrams = [tuple(words[i : i + n]) for words in captions for i in range(len(words) - n + 1)]
    return 100 * len(set(ngrams)) / max(1, len(ngrams))


def _meteor(references: Sequence, hypotheses: Sequence) -> float | None:
    try:
        return meteor(references, hypotheses)
    except CaptionerError as error:
        print(error, file=sys.stderr)
        return None


def _signature(made_by: str, references: Mapping[int | str, Sequence[str]]) -> str:
    counts = {len(own) for own in references.values()}
    shown = str(counts.pop()) if len(counts) == 1 else f"{min(counts)}-{max(counts)}"
    return (
        f"captioner:{version('captioner')}|{made_by}|references:{shown}:{_fingerprint(references)}|case:lower"
        f"|tokens:ptb3.4.1|scale:0-100"
    )
