"""Hiding where a word looked, on a model of which it is known what it hangs on."""

import numpy as np
import pytest
from browsing import photo

from captioner.doubt import ELSEWHERE, Doubt, Trial, brightest_half, doubt, moved
from captioner.options import DecodingOptions

OPTIONS = DecodingOptions(beam_size=2, max_length=6)


def test_the_fewest_cells_with_half_of_the_attention():
    alpha = np.array([[0.3, 0.1, 0.1], [0.1, 0.25, 0.15]], np.float32)
    assert brightest_half(alpha).tolist() == [[True, False, False], [False, True, False]]
    assert brightest_half(np.full((2, 2), 0.25, np.float32)).sum() == 2
    one = np.zeros((3, 3), np.float32)
    one[2, 1] = 1
    assert np.array_equal(brightest_half(one), one > 0)


def test_a_moved_patch_keeps_its_shape_and_lies_elsewhere_where_it_can():
    patch = np.zeros((5, 6), bool)
    patch[1:3, 2:4] = True
    places = moved(patch, 8, seed=0)
    assert len(places) == 8
    for place in places:
        assert place.sum() == 4 and not (place & patch).any()
        rows = np.unique(np.nonzero(place)[0])
        assert sorted(np.diff(rows)) in ([1], [4])  # side by side, or over the border
    assert all(np.array_equal(*pair) for pair in zip(places, moved(patch, 8, seed=0)))
    assert len(moved(np.eye(2, dtype=bool), 8, seed=0)) == 3


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


def test_hiding_every_cell_is_hiding_the_picture(tiny_model):
    # Where all is hidden the model sees what is left of a picture that has no things in it at all.
    image = photo(80, 60)
    caption = tiny_model.explain(image, "a red dog")
    found = doubt(tiny_model, image, caption, 0, OPTIONS)
    assert found.looked.probability != found.whole.probability


def test_places_that_hurt_less_are_counted():
    def trial(probability):
        return Trial(np.zeros((2, 2), bool), probability, "")

    found = Doubt(None, trial(0.9), trial(0.3), (trial(0.2), trial(0.8), trial(0.6)))
    assert found.beaten == 2 and found.chance == pytest.approx(1.6 / 3)
