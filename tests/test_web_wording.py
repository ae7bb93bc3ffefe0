"""How sure, where, and how much of it: in plain words."""

import dataclasses

import numpy as np
import pytest
from browsing import GRID, one_hot, photo

from captioner.caption import Word
from captioner.geometry import fit_image
from captioner.web.wording import describe, main_place, percent, share_of_half


def test_a_word_is_told_in_plain_words():
    geometry = fit_image(photo(90, 60), (128, 128))[1]
    sharp = Word("dog", 0.82, one_hot(0, 3), 0.97, ())
    assert describe(sharp, geometry) == (
        "dog, 82 % sure. Looks mostly at the top right; half of the attention is on 6 % of the "
        "picture."
    )
    flat = dataclasses.replace(sharp, alpha=np.full(GRID, 1 / 16, np.float32))
    assert "Looks all over; half of the attention is on 50 % of the picture" in describe(
        flat, geometry
    )


def test_the_gate_is_told_where_it_was_not_all_but_open():
    geometry = fit_image(photo(90, 60), (128, 128))[1]
    told = describe(Word("of", 0.5, one_hot(0, 3), 0.62, ()), geometry)
    assert told.endswith("It let in 62 % of what it saw and went by the words before for the rest.")


def test_a_word_that_the_model_does_not_know_is_not_called_likely():
    geometry = fit_image(photo(90, 60), (128, 128))[1]
    told = describe(Word("zebu", 0.3, one_hot(0, 3), 1.0, (), known=False), geometry)
    assert told.startswith("“zebu” is a word that the model does not know; it read “some word”.")
    assert "30 %" not in told


def test_shares_and_places_are_those_of_the_picture_and_not_of_the_frame():
    padded = fit_image(photo(128, 64), (128, 128), "pad")[1]  # rows 1 and 2 hold the picture
    assert share_of_half(one_hot(1, 0), padded) == pytest.approx(1 / 8)
    assert main_place(one_hot(1, 0), padded) == "top left"
    cropped = fit_image(photo(128, 64), (128, 128), "crop")[1]  # the middle half of the picture
    assert share_of_half(one_hot(0, 0), cropped) == pytest.approx(1 / 32)
    assert main_place(one_hot(0, 0), cropped) == "top left"
    assert main_place(one_hot(3, 1), cropped) == "bottom"


def test_the_place_is_where_most_of_the_attention_is_and_not_the_brightest_cell():
    geometry = fit_image(photo(90, 60), (128, 128))[1]
    spread = 0.4 * one_hot(0, 0) + 0.3 * one_hot(3, 3) + 0.3 * one_hot(2, 3)
    # Of the third row of four, from 1/2 to 3/4 of the picture, a third lies in the last third.
    assert main_place(spread - 0.01 * one_hot(0, 0), geometry) == "bottom right"
    assert main_place(spread + 0.01 * one_hot(0, 0), geometry) == "top left"


@pytest.mark.parametrize(
    "share, said",
    [
        (0, "0 %"),
        (0.003, "under 1 %"),
        (0.005, "1 %"),
        (0.025, "3 %"),
        (0.824, "82 %"),
        (0.994, "99 %"),
        (0.995, "over 99 %"),
        (0.997, "over 99 %"),
        (1, "100 %"),
    ],  # fmt: skip
)
def test_what_is_neither_none_nor_all_is_never_called_so(share, said):
    assert percent(share) == said
