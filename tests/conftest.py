"""What several test files share: small models, and the real data where it is."""

import json
import random
import re
from pathlib import Path

import pytest
import torch
from answering import answers, picture  # noqa: F401 (fixtures of its answers)
from browsing import (  # noqa: F401 (fixtures of the page)
    browser,
    open_tab,
    other_folder,
    photo_file,
    server,
    tiny_folder,
)
from made_viewers import made_viewers  # noqa: F401 (a fixture)
from PIL import Image, ImageDraw

from captioner.assembly import new_model
from captioner.data import read_dataset
from captioner.errors import DataError
from captioner.model import ModelConfig
from captioner.prepare import prepare
from captioner.tokenizer import tokenize
from captioner.vocabulary import Vocabulary

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
TINY = ModelConfig(
    backbone="test_efficientnet",
    image_size=64,
    annotation_dim=32,
    embedding_dim=32,
    hidden_dim=48,
    attention_dim=24,
    dropout=0.0,
)
WORDS = "a blue circle dog green in red runs square the two white".split()

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 30), "blue": (30, 30, 220), "white": (245,) * 3}


@pytest.fixture
def tiny_model():
    """An untrained model of a few thousand weights, the same every time."""
    torch.manual_seed(0)
    return new_model(TINY, Vocabulary(WORDS), pretrained=False)


@pytest.fixture
def drawn_pictures(tmp_path):
    """Eight drawn pictures with a caption each, as a captions file and a folder."""
    images, annotations, captions = [], [], {}
    for colour, rgb in COLOURS.items():
        for shape in ("circle", "square"):
            drawn = Image.new("RGB", (90, 70), (90, 90, 90))
            draw = ImageDraw.Draw(drawn)
            (draw.ellipse if shape == "circle" else draw.rectangle)((20, 10, 65, 55), fill=rgb)
            name, number = f"{colour}-{shape}.png", len(images) + 1
            drawn.save(tmp_path / name)
            captions[name] = f"a {colour} {shape} in the grey"
            images.append({"id": number, "file_name": name, "width": 90, "height": 70})
            annotations.append({"id": number, "image_id": number, "caption": captions[name]})
    file = tmp_path / "captions.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations}))
    return file, tmp_path, captions


@pytest.fixture
def uneven(drawn_pictures):
    """The drawn pictures with one to three captions each, of two to twelve words."""
    file, folder, _ = drawn_pictures
    content = json.loads(file.read_text())
    words = "a red circle and two blue square in the grey of it".split()
    content["annotations"] = [
        {"id": 10 * i + k, "image_id": i, "caption": " ".join(words[k : 3 + (5 * i + k) % 10 + k])}
        for i in range(1, 9)
        for k in range(1 + i % 3)
    ]
    file.write_text(json.dumps(content))
    return read_dataset(file, folder)


@pytest.fixture(scope="session")
def flickr8k():
    """The folder of the real Flickr8k, outside this repository."""
    return real("flickr8k")


@pytest.fixture(scope="session")
def coco_mini():
    """The folder of a piece of the real COCO 2017, outside this repository."""
    return real("coco-mini")


def real(name):
    """A folder of real photos, where it is there."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"the real photos of {name} are not beside this repository")
    return folder


def add_boxes(content, start, end, box):
    """Boxes words [start, end) of each caption of a captions JSON."""
    content["regions"] = [
        {
            "image_id": annotation["image_id"],
            "annotation_id": annotation["id"],
            "start": start,
            "end": end,
            "boxes": [box],
            "kind": "other",
        }
        for annotation in content["annotations"]
    ]


@pytest.fixture(scope="session")
def real_captions(flickr8k):
    """References (four a picture) and hypotheses (the fifth) of 500 real pictures, as tokens."""
    captions = {}
    for line in (flickr8k / "Flickr8k_text" / "Flickr8k.token.txt").read_text().splitlines():
        name, _, text = line.partition("#")
        captions.setdefault(name, []).append(tokenize(text.partition("\t")[2]))
    chosen = random.Random(0).sample([c for c in captions.values() if len(c) == 5], 500)
    return [c[1:] for c in chosen], [c[0] for c in chosen]


def make_even(network):
    """Makes all weights alike and pooling a mean: a gradient then shows the receptive field."""
    for name, module in list(network.named_modules()):
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.constant_(module.weight, 1 / module.weight[0].numel())
        elif isinstance(module, torch.nn.MaxPool2d):
            mean = torch.nn.AvgPool2d(module.kernel_size, module.stride, module.padding)
            network.get_submodule(name.rpartition(".")[0]).add_module(name.rpartition(".")[2], mean)


def refused(text, layout, source, error=DataError, **options):
    """Asserts that a data set is refused with this text, before anything is written."""
    with pytest.raises(error, match=re.escape(text)):
        prepare(layout, source, source.parent / "out", **options)
    assert not (source.parent / "out").exists()
