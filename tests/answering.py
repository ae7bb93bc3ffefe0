"""What the tests of the page's answers share: a small model that answers, and questions to it."""

import base64

import numpy as np
import pytest
from browsing import photo

MODELS = ["one"]


@pytest.fixture
def answers(tiny_model):
    """The same untrained model under two names."""
    from captioner.web.answers import Answers

    return Answers({"one": tiny_model, "two": tiny_model})


@pytest.fixture
def picture(tmp_path):
    """The path of an uploaded picture."""
    photo(90, 60).save(tmp_path / "a.png")
    return str(tmp_path / "a.png")


def asked(value, caption=0, **more):
    """The question that the viewer sends about a value."""
    words = [word["text"] for word in value["panels"][0]["captions"][caption]["words"]]
    return {
        "picture": value["id"], "model": "one", "words": words, "place": 1,
        "beam_size": value["beam_size"], "longest": value["longest"], **more,
    }  # fmt: skip


def maps_of(caption, grid):
    """The maps in a caption's value: (words, rows, columns)."""
    data = np.frombuffer(base64.b64decode(caption["maps"]), "<f4")
    return data.reshape(-1, *grid)
