import random
import threading

import numpy as np
import pytest
import torch
from PIL import ImageOps

from captioner.errors import ImageError
from captioner.images import load_image
from captioner.pixels import AHEAD, read_ahead, read_pixels

REQUESTS = [([3, 0], [False, True]), ([5], [True]), ([1, 1, 7], [False, True, False])]


@pytest.fixture
def reader(tiny_model, drawn_pictures, tmp_path):
    return tiny_model.encoder.preprocessing, sorted(tmp_path.glob("*.png"))


def readers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("pictures")]


def test_requests_are_answered_in_order_each_picture_turned_as_asked(reader):
    preprocessing, paths = reader
    found = list(read_ahead(preprocessing, paths, REQUESTS))
    for (pictures, mirrored), (pixels, places) in zip(REQUESTS, found, strict=True):
        assert places == list(range(len(pictures)))
        for index, turn, own in zip(pictures, mirrored, pixels, strict=True):
            image = load_image(paths[index])
            expected, _ = preprocessing(ImageOps.mirror(image) if turn else image)
            assert np.array_equal(own.numpy(), expected)
        again = read_pixels(preprocessing, [paths[i] for i in pictures], mirrored)
        assert torch.equal(again, pixels)
    assert list(read_ahead(preprocessing, paths, [])) == [] and not readers()


def test_reading_ahead_draws_no_random_number_and_reads_no_further_than_it_must(reader):
    asked = []
    requests = (asked.append(i) or ([i % 8], [False]) for i in range(99))
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    pixels = read_ahead(*reader, requests)
    next(pixels)
    assert asked == list(range(AHEAD + 1))
    pixels.close()
    assert not readers()  # it ended with who asked
    assert torch.equal(before[0], torch.get_rng_state()) and before[2] == random.getstate()
    assert np.array_equal(before[1], np.random.get_state()[1])


def test_a_picture_that_can_not_be_read_is_named_when_it_is_due(reader):
    preprocessing, paths = reader
    paths[5].write_text("no picture")
    pixels = read_ahead(preprocessing, paths, REQUESTS)
    assert next(pixels)[0].shape[0] == 2
    with pytest.raises(ImageError, match=paths[5].name):
        next(pixels)
    assert not readers()


def test_a_picture_that_can_not_be_read_is_left_out_where_somebody_is_told(reader):
    preprocessing, paths = reader
    whole = [pixels for pixels, _ in read_ahead(preprocessing, paths, REQUESTS)]
    for index in (5, 1):
        paths[index].write_text("no picture")
    told = []
    found = list(read_ahead(preprocessing, paths, REQUESTS, lose=told.append))
    assert [places for _, places in found] == [[0, 1], [], [2]]
    assert torch.equal(found[0][0], whole[0]) and torch.equal(found[2][0][0], whole[2][2])
    names = [paths[index].name for index in (5, 1, 1)]
    assert all(name in str(error) for name, error in zip(names, told, strict=True))
