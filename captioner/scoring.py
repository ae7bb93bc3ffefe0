"""Scores of captions against references, from captions alone. Knows no torch and no model."""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from statistics import fmean

from captioner.errors import CaptionerError
from captioner.metrics.bleu import BleuScore, bleu
from captioner.metrics.cider import CiderD
from captioner.metrics.meteor import meteor
from captioner.metrics.rouge import rouge_l
from captioner.tokenizer import tokenize


@dataclass(frozen=True)
class Scores:
    """The scores of one model on one data set, all 0-100 but for CIDEr, which can go above.

    Attributes:
        bleu: with its counts.
        rouge_l: mean over pictures.
        cider: CIDEr-D, mean over pictures; document frequencies from these references.
        meteor: none where it was not asked for or can't run.
        images: pictures scored.
        signature: all that a number depends on; equal signatures make comparable numbers.
    """

    bleu: BleuScore
    rouge_l: float
    cider: float
    meteor: float | None
    images: int
    signature: str

    def as_dict(self) -> dict:
        """JSON-ready, under the names that papers use."""
        return {
            **{f"BLEU-{n}": value for n, value in enumerate(self.bleu.values, 1)},
            "METEOR": self.meteor,
            "ROUGE-L": self.rouge_l,
            "CIDEr": self.cider,
            "images": self.images,
            "signature": self.signature,
        }


def score(
    captions: Mapping[int, str],
    references: Mapping[int, Sequence[str]],
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
        other = sorted(captions.keys() ^ references.keys())
        raise ValueError(f"{len(other)} pictures lack a caption or references, first {other[0]}")
    wanted = {key: [tokenize(text) for text in own] for key, own in references.items()}
    said = {key: tokenize(captions[key]) for key in wanted}
    pairs = list(wanted.values()), list(said.values())
    cider = CiderD(wanted)
    return Scores(
        bleu=bleu(*pairs),
        rouge_l=fmean(map(rouge_l, *pairs)),
        cider=fmean(cider.score(key, words) for key, words in said.items()),
        meteor=_meteor(*pairs) if with_meteor else None,
        images=len(said),
        signature=_signature(made_by, references),
    )


def name_captions(captions: Mapping[int, str]) -> str:
    """Names captions of any origin by a fingerprint, for the signature."""
    digest = hashlib.sha256(repr(sorted(captions.items())).encode())
    return f"captions:{digest.hexdigest()[:8]}"


def _meteor(references: Sequence, hypotheses: Sequence) -> float | None:
    try:
        return meteor(references, hypotheses)
    except CaptionerError as error:
        print(error, file=sys.stderr)
        return None


def _signature(made_by: str, references: Mapping[int, Sequence[str]]) -> str:
    counts = {len(own) for own in references.values()}
    shown = str(counts.pop()) if len(counts) == 1 else f"{min(counts)}-{max(counts)}"
    return (
        f"captioner:{version('captioner')}|{made_by}|references:{shown}|case:lower"
        f"|tokens:treebank-nltk{version('nltk')}|scale:0-100"
    )
