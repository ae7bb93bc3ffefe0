"""What the page teaches about one word."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from browsing import photo
from conftest import TINY, WORDS

pytest.importorskip("gradio")

from captioner.assembly import new_model  # noqa: E402
from captioner.doubt import Doubt, Trial  # noqa: E402
from captioner.vocabulary import Vocabulary  # noqa: E402
from captioner.walk import walk  # noqa: E402
from captioner.web.lessons import (  # noqa: E402
    PARTS,
    SUM,
    VECTORS,
    doubt_value,
    trial_value,
    verdict,
    walk_value,
)


class Said:
    text = "dog"


def trial(probability):
    hidden = np.zeros((2, 3), bool)
    hidden[1, 2] = True
    return Trial(hidden, probability, "a cat")


@pytest.mark.parametrize(
    "elsewhere, beaten, reading",
    [
        ([0.8, 0.7, 0.6, 0.9], 4, "So this word did hang on what it looked at."),
        ([0.8, 0.7, 0.6, 0.1], 3, "So this map is a fair hint, and no more."),
        ([0.8, 0.7, 0.1, 0.1], 2, "So for this word the map is a poor hint."),
    ],
)
def test_a_map_is_called_true_only_as_far_as_other_places_hurt_less(elsewhere, beaten, reading):
    found = Doubt(Said, trial(0.8), trial(0.3), tuple(map(trial, elsewhere)))
    told = verdict(found)
    assert told.startswith(
        "Hiding where it looked takes “dog” from 80 % to 30 %; the same patch in 4 other places "
    )
    assert told.endswith(f"It hurts more than {beaten} of these 4. {reading}")


def test_without_another_place_nothing_is_compared():
    told = doubt_value(Doubt(Said, trial(0.8), trial(0.3), ()))
    assert told["verdict"] == (
        "Hiding where it looked takes “dog” from 80 % to 30 %; the same patch fits nowhere else, "
        "so there is nothing to compare it with."
    )
    assert [each["title"] for each in told["trials"]] == ["As it is", "Hidden where it looked"]
    one = verdict(Doubt(Said, trial(0.8), trial(0.3), (trial(0.7),)))
    assert "the same patch in 1 other place leaves 70 %" in one


def test_a_trial_is_told_with_the_cells_that_were_hidden():
    told = trial_value("Hidden", trial(0.314))
    assert json.loads(json.dumps(told)) == {
        "title": "Hidden", "caption": "A cat.", "probability": 0.314, "percent": "31 %",
        "hidden": [[1, 2]],
    }  # fmt: skip


def test_the_numbers_are_those_of_the_walk_and_add_up(tiny_model):
    found = walk(tiny_model, photo(80, 60), ["a", "red", "dog"], 2)
    told = json.loads(json.dumps(walk_value(found)))
    rows, columns = tiny_model.encoder.grid
    assert told["columns"] == columns and told["before"] == ["a", "red"]
    (shares,), (energies,) = told["shares"], told["energies"]
    assert len(shares) == rows * columns and sum(shares) == pytest.approx(1, abs=1e-4)
    softmax = np.exp(energies) / np.exp(energies).sum()
    assert np.allclose(softmax, shares, atol=1e-4)
    *cells, total, got = told["vectors"]
    assert len(cells) == min(VECTORS, rows * columns) and total["name"] == "the sum"
    assert np.allclose(total["values"], found.weighted_sum[:PARTS], atol=1e-3)
    assert np.allclose(got["values"], found.gate * found.weighted_sum[:PARTS], atol=1e-3)
    row, column = np.unravel_index(found.alpha.argmax(), found.alpha.shape)
    assert cells[0]["name"].endswith(f"of cell ({row + 1}, {column + 1})")
    assert np.allclose(cells[0]["values"], found.annotations[row, column][:PARTS], atol=1e-5)
    chances = [word["probability"] for word in told["likeliest"]]
    assert chances == sorted(chances, reverse=True)


@pytest.mark.parametrize(
    "settings, told",
    [
        ({}, "A gate lets in "),
        ({"attention": "hard"}, "A gate lets in "),
        ({"attention": "adaptive"}, "it may look away"),
        (
            {"attention": "multihead", "decoder": "transformer"},
            "Each head sums values that it makes of the cells itself. All of it goes to the ",
        ),
    ],
    ids=["soft", "hard", "adaptive", "transformer"],
)
def test_what_became_of_the_sum_is_told_as_it_was(settings, told):
    torch.manual_seed(0)
    model = new_model(replace(TINY, **settings), Vocabulary(WORDS), pretrained=False)
    value = walk_value(walk(model, photo(80, 60), ["a", "red", "dog"], 2))
    assert told in value["gate"]
    assert ("the sum" in [line["name"] for line in value["vectors"]]) == (
        "heads" not in told and "Each head" not in told
    )


def test_hard_attention_sums_one_cell_and_says_so():
    torch.manual_seed(0)
    model = new_model(replace(TINY, attention="hard"), Vocabulary(WORDS), pretrained=False)
    found = walk(model, photo(80, 60), ["a", "red", "dog"], 2)
    value = walk_value(found)
    assert value["sum"] == (
        "The brightest cell alone is taken when it captions; in training one is drawn."
    )
    cell, total, _ = value["vectors"]
    row, column = np.unravel_index(found.alpha.argmax(), found.alpha.shape)
    assert cell["name"] == f"100 % of cell ({row + 1}, {column + 1})"
    assert total["values"] == pytest.approx(cell["values"], abs=1e-5)
    assert max(value["shares"][0]) < 1  # of which the table above tells


def test_one_cell_with_all_the_attention_is_not_drawn(tiny_model):
    found = walk(tiny_model, photo(80, 60), ["a"], 0)
    assert walk_value(found)["sum"] == SUM
    sharp = np.zeros_like(found.alpha)
    sharp[0, 0] = 1
    assert walk_value(replace(found, alpha=sharp, selection=sharp))["sum"] == SUM
