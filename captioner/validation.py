"""Scores a model while it trains, from what the frozen layers make of the pictures."""

from dataclasses import replace

import torch

from captioner.data import CaptionDataset
from captioner.evaluation import describe, looks
from captioner.features import Features
from captioner.geometry import place
from captioner.images import load_image
from captioner.metrics.grounding import Look, summarise
from captioner.model import Captioner
from captioner.options import DecodingOptions
from captioner.scoring import Scores, score
from captioner.world import World

GREEDY = DecodingOptions(beam_size=1)
BATCH_SIZE = 64


@torch.inference_mode()
def validate(model: Captioner, dataset: CaptionDataset, features: Features, world: World) -> Scores:
    """Captions a split greedily and freely, and reads its captions where they have boxes.

    Teacher forcing would flatter the model. The pictures are shared out over the processes, and
    each of these gets all of the scores.

    Args:
        features: what the frozen layers make of its pictures.
    """
    model.eval()
    preprocessing = model.encoder.preprocessing
    frame, resize = preprocessing.size[::-1], preprocessing.resize
    captions: dict[int | str, str] = {}
    found: list[Look] = []
    indices = world.share(range(len(dataset)))
    batches = [indices[i : i + BATCH_SIZE] for i in range(0, len(indices), BATCH_SIZE)]
    requests = ((batch, [False] * len(batch)) for batch in batches)
    for batch, (looked, places) in zip(batches, features.stream(requests), strict=True):
        pictures = [dataset.pictures[batch[place]] for place in places]
        if not pictures:
            continue
        annotations = model.encoder.annotate(looked)
        for picture, (best, *_) in zip(pictures, model.decode(annotations, GREEDY)):
            captions[picture.id] = " ".join(model.vocabulary.decode(best.tokens))
        if any(picture.regions for picture in pictures):
            sizes = [p.size or load_image(p.path).size for p in pictures]
            geometries = [place(size, frame, resize) for size in sizes]
            found += looks(model, annotations, geometries, pictures)
    parts = world.gather((captions, found))
    every = {key: text for own, _ in parts for key, text in own.items()}
    # Without those that could not be read.
    references = {key: own for key, own in dataset.references().items() if key in every}
    ordered = {key: every[key] for key in references}
    scores = score(ordered, references, describe(model, GREEDY))
    return replace(scores, grounding=summarise([look for _, own in parts for look in own]))
