"""A caption as a GIF."""

import io

import numpy as np
import pytest
from browsing import made_caption, photo
from PIL import Image

from captioner.animation import LONGEST_SIDE, animate
from captioner.visual import overlay


def frames_of(data):
    image = Image.open(io.BytesIO(data))
    frames = []
    for index in range(image.n_frames):
        image.seek(index)
        frames.append(image.convert("RGB"))
    return image, frames


@pytest.mark.parametrize("style", ["spotlight", "heatmap"])
def test_each_word_has_a_frame_with_its_light(style):
    image = photo(480, 360)
    caption = made_caption(image, ["a", "dog", "runs"])
    gif, frames = frames_of(animate(image, caption.words, geometry=caption.geometry, style=style))
    assert gif.info["duration"] == 800 and gif.info["loop"] == 0
    assert len(frames) == 3 and frames[0].width == LONGEST_SIDE and frames[0].height > 360
    peak = max(float(word.alpha.max()) for word in caption.words)
    for frame, word in zip(frames, caption.words, strict=True):
        drawn = overlay(image, word.alpha, geometry=caption.geometry, style=style, peak=peak)
        shown = np.asarray(frame.crop((0, 0, 480, 360)), float)
        assert np.abs(shown - np.asarray(drawn)).mean() < 12  # 256 colours, not dithered


def test_the_chosen_word_is_marked_under_the_picture():
    image = photo(480, 360)
    caption = made_caption(image, ["a", "dog", "runs"])
    _, frames = frames_of(animate(image, caption.words, geometry=caption.geometry))
    marks = []
    for frame in frames:
        strip = np.asarray(frame.crop((0, 362, 480, frame.height)), int)
        dark = np.argwhere(np.abs(strip - (15, 118, 110)).sum(-1) < 60)
        marks.append(dark[:, 1].mean())
    assert marks == sorted(marks) and len(set(marks)) == 3


def test_a_word_of_its_own_scale_is_brighter_and_a_small_picture_has_room_for_words():
    image = photo(40, 90)
    caption = made_caption(image, ["flat", "b", "sharp"])
    _, shared = frames_of(animate(image, caption.words, geometry=caption.geometry))
    _, own = frames_of(animate(image, caption.words, geometry=caption.geometry, own_scale=True))
    left = (shared[0].width - 213) // 2
    box = (left, 0, left + 213, 480)  # the picture, as large as it is drawn
    assert np.asarray(own[0].crop(box)).mean() > np.asarray(shared[0].crop(box)).mean() + 20
    assert shared[0].width == 320


def test_no_words_are_refused():
    with pytest.raises(ValueError, match="there are no words to animate"):
        animate(photo(9, 9), [])
