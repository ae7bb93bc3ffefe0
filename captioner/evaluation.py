"""Captions a whole data set with a model, freely, and scores it; reads its captions for grounding.

Letters: P pictures, L locations, D annotation size.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from captioner.batches import pad_captions
from captioner.data import CaptionDataset, Picture, Region
from captioner.decoding import Hypothesis
from captioner.geometry import Geometry
from captioner.metrics.grounding import Grounding, Look, summarise
from captioner.model import BATCH_SIZE, Captioner
from captioner.options import DecodingOptions
from captioner.regions import regions_by_head, token_places
from captioner.scoring import Scores, score
from captioner.tokenizer import tokenize


@dataclass(frozen=True)
class Answers:
    """What a model made of a data set.

    Attributes:
        captions: picture id to caption, in the order of the data set.
        grounding: the maps of the human captions, which it read, beside the boxes; nothing if
            there are no boxes.
        grounding_own: the maps of its own captions, for words that are the head of a phrase with
            boxes; nothing if there is none.
    """

    captions: dict[int | str, str]
    grounding: Grounding | None = None
    grounding_own: Grounding | None = None


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
    return score_answers(
        answer(model, dataset, options),
        dataset.references(),
        describe(model, options),
        with_meteor=with_meteor,
    )


def score_answers(
    answers: Answers,
    references: dict[int | str, list[str]],
    made_by: str,
    *,
    with_meteor: bool = True,
) -> Scores:
    """Scores what a model made of a data set, see `scoring.score`."""
    scores = score(answers.captions, references, made_by, with_meteor=with_meteor)
    return replace(scores, grounding=answers.grounding, grounding_own=answers.grounding_own)


def answer(model: Captioner, dataset: CaptionDataset, options: DecodingOptions) -> Answers:
    """Looks at every picture once: captions it, and reads its captions where they have boxes.

    Raises:
        ImageError: a picture can't be read.
    """
    captions: dict[int | str, str] = {}
    read: list[Look] = []
    own: list[Look] = []
    for first in tqdm(range(0, len(dataset), BATCH_SIZE), "captioning", unit="batch"):
        batch = dataset.pictures[first : first + BATCH_SIZE]
        annotations, geometries = model.look([picture.path for picture in batch])
        best = [hypotheses[0] for hypotheses in model.decode(annotations, options)]
        for picture, hypothesis, geometry in zip(batch, best, geometries):
            captions[picture.id] = " ".join(model.vocabulary.decode(hypothesis.tokens))
            own += looks_of_own(model, hypothesis, geometry, picture)
        if any(picture.regions for picture in batch):
            read += looks(model, annotations, geometries, batch)
    return Answers(captions, summarise(read), summarise(own))


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
    rows, columns = model.encoder.grid
    maps = alphas.view(len(pictures), -1, inputs.shape[1], rows, columns).numpy()
    found = []
    for picture, geometry, own, seen in zip(pictures, geometries, tokens, maps, strict=True):
        for region in picture.regions:
            places = token_places(picture.captions[region.caption], region)
            said = [place for place in places if place < len(own[region.caption])]
            found += _looks_at(seen[region.caption, said], geometry, [region])
    return found


def looks_of_own(
    model: Captioner, hypothesis: Hypothesis, geometry: Geometry, picture: Picture
) -> list[Look]:
    """Gives a look for each word of the model's own caption that people used for a thing too.

    That is a word that ends a phrase with boxes, its head ("a brown *dog*"), in any caption of the
    picture; the boxes are those of all such phrases.

    Args:
        hypothesis: the caption, with its maps.
        geometry: how the grid lies over the picture.
        picture: with captions and regions.
    """
    heads = regions_by_head(picture)
    alphas = hypothesis.kept[0].float().cpu().numpy().reshape(-1, *model.encoder.grid)
    found = []
    for word, alpha in zip(model.vocabulary.decode(hypothesis.tokens), alphas, strict=True):
        if word in heads:
            found += _looks_at([alpha], geometry, heads[word])
    return found


def _looks_at(
    alphas: Sequence[np.ndarray], geometry: Geometry, regions: Sequence[Region]
) -> list[Look]:
    """Sets maps beside the boxes of regions that speak of one thing."""
    if not len(alphas):
        return []
    boxes, grid = [box for region in regions for box in region.boxes], alphas[0].shape
    covered, centred = geometry.cover(boxes, grid), geometry.holds_centre(boxes, grid)
    kinds = tuple(sorted({kind for region in regions for kind in region.kind.split("/")}))
    return [Look(alpha, covered, centred, kinds) for alpha in alphas]


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
