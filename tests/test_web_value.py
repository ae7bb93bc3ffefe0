"""What is sent to the viewer."""

import base64
import dataclasses
import json

import numpy as np
import pytest
from browsing import GRID, HOSTILE, from_url, made_caption, photo

pytest.importorskip("gradio")

from captioner.caption import Caption  # noqa: E402
from captioner.geometry import Geometry, fit_image  # noqa: E402
from captioner.web.viewer import (  # noqa: E402
    SCRIPTS,
    STYLES,
    caption_values,
    joined,
    viewer_value,
)


def sent(image, caption, **about):
    return viewer_value(image, {"model": caption}, **about)


def decoded_maps(value, index):
    data = base64.b64decode(value["panels"][0]["captions"][index]["maps"])
    return np.frombuffer(data, "<f4").reshape(-1, *GRID)


def test_all_maps_of_all_captions_arrive_to_the_bit():
    image = photo(90, 60)
    caption = made_caption(image, ["a", "dog", "runs"])
    other = made_caption(image, ["two", "dogs"], seed=2)
    value = sent(image, dataclasses.replace(caption, alternatives=(other,)), id="x", name="a.jpg")
    captions = value["panels"][0]["captions"]
    for index, each in enumerate((caption, other)):
        maps = [word.alpha for word in each.words]
        assert np.array_equal(decoded_maps(value, index), maps)
        assert captions[index]["peak"] == np.max(maps)
    assert value["panels"][0]["grid"] == [4, 4]
    assert [each["text"] for each in captions] == ["A dog runs.", "Two dogs."]
    assert (value["id"], value["name"]) == ("x", "a.jpg")


def test_each_model_has_a_panel_of_its_own():
    image = photo(90, 60)
    captions = {name: made_caption(image, [name, "dog"]) for name in ("soft", "hard")}
    panels = viewer_value(image, captions)["panels"]
    assert [panel["model"] for panel in panels] == ["soft", "hard"]
    assert [panel["captions"][0]["said"] for panel in panels] == ["soft dog", "hard dog"]


@pytest.mark.parametrize("resize", ["squash", "pad", "crop"])
def test_a_large_photo_is_sent_small_and_the_cells_lie_as_they_did(resize):
    image = photo(3000, 2000)
    caption = made_caption(image, ["a", "dog"], resize)
    value = sent(image, caption)
    assert from_url(value["picture"]).size == (1024, 683) == tuple(value["size"])
    alpha = caption.words[1].alpha
    geometry = value["panels"][0]["geometry"]
    placed = Geometry((1024, 683), **{k: tuple(v) for k, v in geometry.items()})
    full = caption.geometry.spread(alpha, smooth=False)
    sampled = full[np.ix_(np.arange(683) * 2000 // 683 + 1, np.arange(1024) * 3000 // 1024 + 1)]
    assert np.mean(placed.spread(alpha, smooth=False) == sampled) > 0.99


def test_a_small_picture_is_sent_as_large_as_it_is():
    image = photo(40, 1)
    assert sent(image, made_caption(image, ["a", "dog"]))["size"] == [40, 1]


def test_the_value_is_json_and_a_caption_in_it_stays_as_it_was_said():
    image = photo(90, 60)
    value = json.loads(json.dumps(sent(image, made_caption(image, ["a", HOSTILE, "dog"]))))
    caption = value["panels"][0]["captions"][0]
    assert caption["text"] == f"A {HOSTILE} dog."
    assert caption["words"][1]["text"] == HOSTILE


def test_the_first_word_that_names_something_is_chosen():
    for text, first in ((["on", "the", "dog"], 2), (["dog", "dog"], 0), (["the", "a"], 0)):
        assert caption_values(made_caption(photo(90, 60), text))[0]["first"] == first


def test_a_caption_without_words_can_be_shown():
    empty = Caption((), -1.0, GRID, fit_image(photo(9, 9), (128, 128))[1])
    (shown,) = caption_values(empty)
    assert (shown["text"], shown["words"], shown["maps"]) == ("The model found no words.", [], "")
    assert shown["peak"] > 0


def test_the_maps_of_the_heads_are_sent_a_byte_a_cell():
    caption = made_caption(photo(9, 9), ["a", "dog"])
    assert caption_values(caption)[0]["heads"] is None
    heads = np.random.default_rng(0).dirichlet(np.ones(16), (2, 3, 4)).reshape(2, 3, 4, *GRID)
    words = [dataclasses.replace(w, heads=h) for w, h in zip(caption.words, heads, strict=True)]
    (value,) = caption_values(dataclasses.replace(caption, words=tuple(words)))
    assert (value["heads"]["layers"], value["heads"]["heads"]) == (3, 4)
    sent_maps = np.frombuffer(base64.b64decode(value["heads"]["maps"]), np.uint8)
    assert value["heads"]["peak"] == heads.max()
    assert np.abs(sent_maps.reshape(heads.shape) / 255 - heads / heads.max()).max() <= 0.5 / 255


def test_a_word_that_the_model_does_not_know_has_no_percent():
    caption = made_caption(photo(9, 9), ["a", "dog"])
    strange = dataclasses.replace(caption.words[1], text="zebu", known=False)
    caption = dataclasses.replace(caption, words=(caption.words[0], strange))
    words = caption_values(caption)[0]["words"]
    assert [word["percent"] for word in words] == ["90 %", "not known"]
    assert [word["known"] for word in words] == [True, False]
    assert words[1]["status"].startswith("Word 2 of 2: “zebu” is a word that the model does not")


@pytest.mark.parametrize("folder, names, suffix", [
    ("styles", ["page", "table", *STYLES], ".css"),
    ("scripts", ["page", "table", "turns", *SCRIPTS], ".js"),
])  # fmt: skip
def test_no_file_of_the_page_is_left_out_and_gradio_can_read_all(folder, names, suffix):
    text = joined(folder, names, suffix)
    from captioner.web import viewer

    there = {path.stem for path in (viewer._HERE / folder).iterdir()}
    assert there == set(names)
    if folder == "styles":  # Gradio takes them for a JavaScript template
        assert "`" not in text and "${" not in text and "{{" not in text
