"""Captions a whole data set with a model and scores it."""

import hashlib

import torch
from tqdm import tqdm

from captioner.data import CaptionDataset
from captioner.model import BATCH_SIZE, Captioner
from captioner.options import DecodingOptions
from captioner.scoring import Scores, score


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
    made_by = describe(model, options)
    return score(captions, dataset.references(), made_by, with_meteor=with_meteor)


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
