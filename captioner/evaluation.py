"""Captions a whole data set and scores it."""

import hashlib
import sys
from dataclasses import dataclass
from importlib.metadata import version
from statistics import fmean as mean

import torch
from tqdm import tqdm

from captioner.data import CaptionDataset
from captioner.errors import CaptionerError
from captioner.metrics.bleu import BleuScore, bleu
from captioner.metrics.cider import CiderD
from captioner.metrics.meteor import meteor
from captioner.metrics.rouge import rouge_l
from captioner.model import BATCH_SIZE, Captioner
from captioner.options import DecodingOptions
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


def evaluate(
    model: Captioner,
    dataset: CaptionDataset,
    options: DecodingOptions | None = None,
    *,
    with_meteor: bool = True,
) -> Scores:
    """Captions every picture once, freely, and scores it against all of its references.

    Args:
        with_meteor: run METEOR too, where it can run.

    Raises:
        ImageError: a picture can't be read.
    """
    options = options or DecodingOptions()
    captions = caption_dataset(model, dataset, options)
    return score(captions, dataset, describe(model, options), with_meteor=with_meteor)


def caption_dataset(
    model: Captioner, dataset: CaptionDataset, options: DecodingOptions
) -> dict[int, str]:
    """Captions every picture once; gives picture id to caption, in the order of the data set.

    Raises:
        ImageError: a picture can't be read.
    """
    captions = {}
    for first in tqdm(range(0, len(dataset), BATCH_SIZE), "captioning", unit="batch"):
        batch = dataset.pictures[first : first + BATCH_SIZE]
        found = model.caption([picture.path for picture in batch], options=options)
        captions |= {picture.id: caption.text for picture, caption in zip(batch, found)}
    return captions


def score(
    captions: dict[int, str], dataset: CaptionDataset, made_by: str, *, with_meteor: bool = False
) -> Scores:
    """Scores captions by picture id against the references of a data set.

    Args:
        made_by: what made the captions, for the signature.
        with_meteor: run METEOR too; a line on stderr says why where it can't.
    """
    references = {p.id: [tokenize(text) for text in p.captions] for p in dataset.pictures}
    hypotheses = {key: tokenize(captions[key]) for key in references}
    pairs = list(references.values()), list(hypotheses.values())
    cider = CiderD(references)
    official = None
    if with_meteor:
        try:
            official = meteor(*pairs)
        except CaptionerError as error:
            print(error, file=sys.stderr)
    counts = {len(own) for own in references.values()}
    shown = str(counts.pop()) if len(counts) == 1 else f"{min(counts)}-{max(counts)}"
    return Scores(
        bleu=bleu(*pairs),
        rouge_l=mean(map(rouge_l, *pairs)),
        cider=mean(cider.score(key, words) for key, words in hypotheses.items()),
        meteor=official,
        images=len(hypotheses),
        signature=(
            f"captioner:{version('captioner')}|{made_by}|references:{shown}|case:lower"
            f"|tokens:treebank-nltk{version('nltk')}|scale:0-100"
        ),
    )


def describe(model: Captioner, options: DecodingOptions) -> str:
    """Names the model by a fingerprint of its weights, and how it decoded."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().to(torch.float32).numpy().tobytes())
    return (
        f"model:{digest.hexdigest()[:8]}|beam:{options.beam_size}"
        f"|length-penalty:{options.length_penalty:g}|longest:{options.max_length}"
    )
