"""Hiding where a word looked, on a model of which it is known what it hangs on."""

import numpy as np
import pytest
import torch
from browsing import photo

from captioner.attended import brightest_half
from captioner.doubt import ELSEWHERE, Doubt, Trial, doubt, moved
from captioner.explain import View
from captioner.geometry import fit_image
from captioner.options import DecodingOptions

OPTIONS = DecodingOptions(beam_size=2, max_length=6)


def test_a_moved_patch_keeps_its_shape_and_lies_elsewhere_where_it_can():
    patch = np.zeros((5, 6), bool)
    patch[1:3, 2:4] = True
    places = moved(patch, np.ones((5, 6)), 8, seed=0)
    assert len(places) == 8
    for place in places:
        assert place.sum() == 4 and not (place & patch).any()
        rows = np.unique(np.nonzero(place)[0])
        assert sorted(np.diff(rows)) in ([1], [4])  # side by side, or over the border
    assert all(np.array_equal(*pair) for pair in zip(places, moved(patch, np.ones((5, 6)), 8, 0)))
    assert len(moved(np.eye(2, dtype=bool), np.ones((2, 2)), 8, seed=0)) == 3


def test_a_patch_is_moved_only_where_it_hides_as_much_of_the_picture():
    geometry = fit_image(photo(128, 64), (128, 128), "pad")[1]  # rows 1 and 2 hold the picture
    seen = geometry.cover([(0, 0, *geometry.size)], (4, 4))
    patch = np.zeros((4, 4), bool)
    patch[1, 0] = True
    places = moved(patch, seen, 16, seed=0)
    assert sorted(int(place.argmax()) for place in places) == [5, 6, 7, 8, 9, 10, 11]
    assert moved(np.ones((1, 1), bool), np.ones((1, 1)), 8, seed=0) == []


def test_without_another_place_there_is_no_chance_to_compare_with():
    trial = Trial(np.ones((1, 1), bool), 0.5, "")
    found = Doubt(None, trial, trial, ())
    assert found.beaten == 0 and np.isnan(found.chance)


def test_what_is_hidden_is_told_beside_the_whole_and_other_places(tiny_model):
    image = photo(80, 60)
    caption = tiny_model.explain(image, "a red dog")
    found = doubt(tiny_model, image, caption, 2, OPTIONS)
    assert found.word.text == "dog"
    assert found.whole.probability == pytest.approx(caption.words[2].probability, rel=1e-3)
    assert not found.whole.hidden.any()
    assert np.array_equal(found.looked.hidden, brightest_half(caption.words[2].alpha))
    sizes = {int(trial.hidden.sum()) for trial in (found.looked, *found.elsewhere)}
    assert len(sizes) == 1 and 1 <= len(found.elsewhere) <= ELSEWHERE
    said = tiny_model.caption(image, options=OPTIONS).text
    assert found.whole.caption == said
    assert found.looked.caption and found.elsewhere[0].caption


@torch.inference_mode()
def test_hiding_every_cell_is_hiding_the_picture(tiny_model):
    # Where all is hidden the model sees what is left of a picture that has no things in it at all.
    image = photo(80, 60)
    caption = tiny_model.explain(image, "a red dog")
    view = View(tiny_model, image, caption)
    cells = int(np.prod(caption.grid))
    hidden = view.look(torch.ones(1, cells, dtype=torch.bool))
    expected = tiny_model.encoder(view.blurred)
    assert torch.allclose(hidden, expected, atol=1e-5)
    whole = view.look(torch.zeros(1, cells, dtype=torch.bool))
    assert not torch.allclose(whole, expected, atol=1e-3)


@torch.inference_mode()
def test_the_place_that_a_word_looked_at_is_what_is_hidden_for_it(tiny_model):
    """Against the same written out: one mask for each trial, read one by one."""
    image = photo(80, 60)
    caption = tiny_model.explain(image, "a red dog")
    found = doubt(tiny_model, image, caption, 1, OPTIONS)
    view = View(tiny_model, image, caption)
    for trial in (found.whole, found.looked, *found.elsewhere):
        mask = torch.from_numpy(trial.hidden.reshape(1, -1))
        probability = view.probabilities(mask)[0, 1].item()
        assert trial.probability == pytest.approx(probability, rel=1e-4)


def test_places_that_hurt_less_are_counted():
    def trial(probability):
        return Trial(np.zeros((2, 2), bool), probability, "")

    found = Doubt(None, trial(0.9), trial(0.3), (trial(0.2), trial(0.8), trial(0.6)))
    assert found.beaten == 2 and found.chance == pytest.approx(1.6 / 3)
