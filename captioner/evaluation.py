"""Captions a whole data set and scores it."""

import hashlib
from dataclasses import dataclass
from importlib.metadata import version

import torch
from tqdm import tqdm

from captioner.data import CaptionDataset
from captioner.metrics.bleu import BleuScore, bleu
from captioner.model import BATCH_SIZE, Captioner
from captioner.options import DecodingOptions
from captioner.tokenizer import tokenize


@dataclass(frozen=True)
class Scores:
    """The scores of one model on one data set.

    Attributes:
        bleu: with its counts.
        images: pictures scored.
        signature: all that a number depends on; equal signatures make comparable numbers.
    """

    bleu: BleuScore
    images: int
    signature: str

    def as_dict(self) -> dict:
        """JSON-ready, 0-100."""
        values = {f"BLEU-{n}": round(value, 4) for n, value in enumerate(self.bleu.values, 1)}
        return {**values, "images": self.images, "signature": self.signature}


def evaluate(
    model: Captioner, dataset: CaptionDataset, options: DecodingOptions | None = None
) -> Scores:
    """Captions every picture once, freely, and scores it against all of its references.

    Raises:
        ImageError: a picture can't be read.
    """
    options = options or DecodingOptions()
    return score(caption_dataset(model, dataset, options), dataset, describe(model, options))


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


def score(captions: dict[int, str], dataset: CaptionDataset, made_by: str) -> Scores:
    """Scores captions by picture id against the references of a data set.

    Args:
        made_by: what made the captions, for the signature.
    """
    references = [[tokenize(text) for text in picture.captions] for picture in dataset.pictures]
    hypotheses = [tokenize(captions[picture.id]) for picture in dataset.pictures]
    counts = {len(texts) for texts in references}
    shown = str(counts.pop()) if len(counts) == 1 else f"{min(counts)}-{max(counts)}"
    signature = (
        f"captioner:{version('captioner')}|{made_by}|references:{shown}|case:lower"
        f"|tokens:treebank-nltk{version('nltk')}|scale:0-100"
    )
    return Scores(bleu(references, hypotheses), len(hypotheses), signature)


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
