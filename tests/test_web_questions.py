"""Anyone can send anything to the server."""

import math

import pytest

from captioner.errors import CaptionerError
from captioner.web.questions import (
    read_beam_size,
    read_look,
    read_names,
    read_own_words,
    read_question,
)

GOOD = {
    "picture": "name", "model": "soft", "words": ["a", "dog", "runs"], "place": 1,
    "beam_size": 5, "longest": 30,
}  # fmt: skip
LOOK = {"style": "spotlight", "strength": 0.5, "smooth": True}


def test_a_question_is_read():
    question = read_question(GOOD)
    assert question.text == "a dog runs" and question.prefix == "a dog"
    assert read_question({**GOOD, "word": "cat"}).prefix == "a cat"
    look = read_look(LOOK)
    assert (look.style, look.strength, look.smooth, look.own_scale) == ("spotlight", 0.5, True, 0)


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        ({"words": []}, "the question has no words"),
        ({"words": "a dog"}, "the question has no words"),
        ({"words": ["a"] * 61}, "the question has 61 words, but at most 60 are taken"),
        ({"words": ["a,b," * 40], "place": 0}, "the question has 80 words"),
        ({"words": ["a"] * 60, "place": 59, "word": "b,c"}, "the question has 61 words"),
        ({"words": ["a", 7]}, "a word is not a text"),
        ({"words": ["a" * 301], "place": 0}, "a word has 301 characters, but at most 300"),
        ({"words": ["a" * 299] * 3}, "the caption has 899 characters, which is too long"),
        ({"place": 3}, "there is no word 3 in a caption of 3 words"),
        ({"place": -1}, "there is no word -1"),
        ({"place": True}, "there is no word True"),
        ({"place": None}, "there is no word None"),
        ({"word": 5}, "the word is not a text"),
        ({"word": "x" * 61}, "the word has 61 characters, but at most 60 are taken"),
        ({"picture": None}, "the picture's name is not a text"),
        ({"picture": "/etc/passwd" * 20}, "the picture's name has 220 characters"),
        ({"model": ["soft"]}, "the model's name is not a text"),
        ({"beam_size": 11}, "the beam size is 11, but must be a whole number from 1 to 10"),
        ({"longest": 31}, "the longest caption is 31, but must be a whole number from 1 to 30"),
        ({"longest": {}}, "the longest caption is {}"),
    ],
)
def test_a_question_beyond_its_bounds_is_refused(wrong, sentence):
    with pytest.raises(CaptionerError, match=sentence):
        read_question({**GOOD, **wrong})


@pytest.mark.parametrize("sent", [None, [], "text", 7, [GOOD], {}])
def test_what_is_no_question_is_refused(sent):
    with pytest.raises(CaptionerError, match="the question has no words"):
        read_question(sent)


@pytest.mark.parametrize(
    "sent", [0, 11, 2.5, "5", None, [5], True, math.nan, math.inf, -math.inf, 10**400]
)
def test_an_impossible_beam_size_is_refused(sent):
    with pytest.raises(CaptionerError, match="beam size is .*, but must be a whole number from 1"):
        read_beam_size(sent)


def test_a_slider_may_send_whole_floats():
    assert read_beam_size(5.0) == 5 and isinstance(read_beam_size(5.0), int)


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        ({"style": "neon"}, "unknown style 'neon'; choose one of spotlight, heatmap"),
        ({"style": ["spotlight"]}, "unknown style"),
        ({"style": "x" * 500}, "unknown style 'x{79};"),
        ({"strength": 1.5}, "strength is 1.5, but must lie between 0 and 1"),
        ({"strength": math.nan}, "strength is nan"),
        ({"strength": "1"}, "strength is '1'"),
        ({"strength": None}, "strength is None"),
    ],
)
def test_a_look_beyond_its_bounds_is_refused(wrong, sentence):
    with pytest.raises(CaptionerError, match=sentence):
        read_look({**LOOK, **wrong})


def test_models_are_chosen_by_name_in_their_own_order():
    assert read_names("b", ["a", "b"]) == ["b"]
    assert read_names(["b", "a"], ["a", "b", "c"]) == ["a", "b"]


@pytest.mark.parametrize(
    "sent, sentence",
    [
        ([], "choose one model, or up to 3 to compare them"),
        (list("abcd"), "choose one model, or up to 3"),
        (["a", "z"], "there is no model 'z'"),
        (None, "there is no model None"),
        ([["a"]], "there is no model"),
    ],
)
def test_impossible_choices_of_models_are_refused(sent, sentence):
    with pytest.raises(CaptionerError, match=sentence):
        read_names(sent, list("abcd"))


@pytest.mark.parametrize(
    "sent, sentence",
    [
        ("  \n ", "write a caption of your own first"),
        ("x" * 301, "your caption has 301 characters, but at most 300 are taken"),
        (None, "your caption is not a text"),
        ("a " * 61, "your caption has 61 words, but at most 60 are taken"),
        ("a,b," * 31, "your caption has 62 words"),
    ],
)
def test_impossible_captions_of_ones_own_are_refused(sent, sentence):
    with pytest.raises(CaptionerError, match=sentence):
        read_own_words(sent)


def test_ones_own_words_lose_odd_spaces():
    assert read_own_words("  a\tdog \n runs ") == "a dog runs"
