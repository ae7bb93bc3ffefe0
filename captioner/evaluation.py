"""Captions a whole data set with a model, freely, and scores it; reads its captions for grounding.

Letters: P pictures, L locations, D annotation size.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from tqdm import tqdm

from captioner.batches import pad_captions
from captioner.data import CaptionDataset, Picture, Region
from captioner.geometry import Geometry
from captioner.metrics.grounding import Grounding, Look, summarise
from captioner.model import BATCH_SIZE, Captioner
from captioner.options import DecodingOptions
from captioner.scoring import Scores, score
from captioner.tokenizer import tokenize


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
    captions, grounding = caption_dataset(model, dataset, options)
    made_by = describe(model, options)
    scores = score(captions, dataset.references(), made_by, with_meteor=with_meteor)
    return replace(scores, grounding=grounding)


def caption_dataset(
    model: Captioner, dataset: CaptionDataset, options: DecodingOptions
) -> tuple[dict[int, str], Grounding | None]:
    """Looks at every picture once: captions it, and reads its captions where they have boxes.

    Returns:
        Picture id to caption, in the order of the data set; the grounding, if there are boxes.

    Raises:
        ImageError: a picture can't be read.
    """
    captions: dict[int, str] = {}
    found: list[Look] = []
    for first in tqdm(range(0, len(dataset), BATCH_SIZE), "captioning", unit="batch"):
        batch = dataset.pictures[first : first + BATCH_SIZE]
        annotations, geometries = model.look([picture.path for picture in batch])
        hypotheses = model.decode(annotations, options)
        for picture, (best, *_) in zip(batch, hypotheses):
            captions[picture.id] = " ".join(model.vocabulary.decode(best.tokens))
        if any(picture.regions for picture in batch):
            found += looks(model, annotations, geometries, batch)
    return captions, summarise(found)


@torch.inference_mode()
def looks(
    model: Captioner,
    annotations: Tensor,
    geometries: Sequence[Geometry],
    pictures: Sequence[Picture],
) -> list[Look]:
    """Has the model read the captions of some pictures; gives a look for each word with boxes.

    Args:
        annotations: (P, L, D), from `model.look`.
        geometries: how the grid lies over each of the P pictures.
        pictures: with captions and regions.
    """
    tokens = [[tokenize(text) for text in picture.captions] for picture in pictures]
    encoded = [[model.vocabulary.encode(words) for words in own] for own in tokens]
    inputs = pad_captions(encoded).to(model.device)
    alphas = model.decoder(model.decoder.remember(annotations), inputs).alphas.float().cpu()
    rows, columns = grid = model.encoder.grid
    maps = alphas.view(len(pictures), -1, inputs.shape[1], rows, columns).numpy()
    found = []
    for picture, geometry, own, seen in zip(pictures, geometries, tokens, maps, strict=True):
        for region in picture.regions:
            covered = geometry.cover(region.boxes, grid)
            centred = geometry.holds_centre(region.boxes, grid)
            for place in token_places(picture.captions[region.caption], region):
                if place < len(own[region.caption]):
                    alpha = seen[region.caption, place]
                    found.append(Look(alpha, covered, centred, tuple(region.kind.split("/"))))
    return found


def token_places(caption: str, region: Region) -> range:
    """Where the words of a region stand among the tokens of its caption."""
    words = caption.split()
    start = sum(len(tokenize(word)) for word in words[: region.start])
    return range(start, start + sum(map(len, map(tokenize, words[region.start : region.end]))))


def describe(model: Captioner, options: DecodingOptions) -> str:
    """Names the model by a fingerprint of its weights, and how it decoded."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        # As a checkpoint keeps it: a model and its saved copy have one name.
        kept = tensor.half() if tensor.ndim > 1 else tensor
        digest.update(kept.detach().cpu().float().contiguous().numpy().tobytes())
    return (
        f"model:{digest.hexdigest()[:8]}|beam:{options.beam_size}"
        f"|length-penalty:{options.length_penalty:g}|longest:{options.max_length}"
    )
