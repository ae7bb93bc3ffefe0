"""What the page answers about a word: others in its place, tests of its map, an animation."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from answering import MODELS, asked, maps_of
from conftest import TINY, WORDS
from PIL import Image

pytest.importorskip("gradio")

from captioner.assembly import new_model  # noqa: E402
from captioner.options import DecodingOptions  # noqa: E402
from captioner.vocabulary import Vocabulary  # noqa: E402
from captioner.web.answers import Answers  # noqa: E402


def test_another_word_is_put_in_and_the_model_writes_on(answers, picture, tiny_model):
    value = answers.caption(picture, 3, 6, MODELS)
    question = asked(value, word="red")
    answer = answers.go_on(question)
    assert len(answer["captions"]) == 3
    for caption in answer["captions"]:
        texts = [word["text"] for word in caption["words"]]
        assert texts[:2] == [question["words"][0], "red"]
        assert caption["locked"] == 2
    expected = tiny_model.caption(
        picture,
        prefix=f"{question['words'][0]} red",
        options=DecodingOptions(beam_size=3, max_length=6),
    )
    first = answer["captions"][0]
    assert [word["text"] for word in first["words"]] == [word.text for word in expected.words]
    maps = maps_of(first, expected.grid)
    assert np.array_equal(maps, [word.alpha for word in expected.words])


def test_kept_words_stay_and_all_captions_begin_with_them(answers, picture):
    value = answers.caption(picture, 3, 6, MODELS)
    question = asked(value, place=0)
    for caption in answers.go_on(question)["captions"]:
        assert caption["words"][0]["text"] == question["words"][0] and caption["locked"] == 1


def test_a_word_that_the_model_does_not_know_is_told(answers, picture):
    value = answers.caption(picture, 3, 6, MODELS)
    told = answers.go_on(asked(value, word="zebu"))
    assert told == {"error": "The model does not know the word 'zebu': try another."}


def test_a_picture_that_is_gone_is_told(answers, picture, tmp_path):
    value = answers.caption(picture, 3, 6, MODELS)
    (tmp_path / "a.png").unlink()
    gone = {"error": "This picture is not kept here any more: choose it again."}
    assert answers.go_on(asked(value)) == gone
    assert answers.doubt(asked(value)) == gone
    assert answers.animate(asked(value, style="heatmap", strength=1)) == gone
    assert answers.go_on({**asked(value), "picture": "/etc/passwd"}) == gone


def scale_attention(model, factor):
    with torch.no_grad():
        for parameter in model.decoder.attention.parameters():
            parameter *= factor


def test_a_doubt_is_told_with_its_numbers(answers, picture, tiny_model):
    scale_attention(tiny_model, 3)  # untrained, it looks nearly everywhere alike
    value = answers.caption(picture, 3, 6, MODELS)
    question = asked(value)
    answer = json.loads(json.dumps(answers.doubt(question)))
    assert answer["word"] == question["words"][1]
    titles = [trial["title"] for trial in answer["trials"]]
    assert titles == ["As it is", "Hidden where it looked", "The same patch elsewhere"]
    whole, looked, elsewhere = answer["trials"]
    assert whole["hidden"] == [] and len(looked["hidden"]) == len(elsewhere["hidden"]) > 0
    assert answer["verdict"].startswith(
        f"Hiding where it looked takes “{answer['word']}” from {whole['percent']} to "
        f"{looked['percent']}; the same patch in "
    )


def test_a_flat_map_gets_no_verdict(answers, picture, tiny_model):
    scale_attention(tiny_model, 0)
    value = answers.caption(picture, 3, 6, MODELS)
    answer = answers.doubt(asked(value))
    assert answer["verdict"].startswith(f"For “{answer['word']}” it looked everywhere alike")
    assert answer["trials"] == []


def test_a_grid_of_one_cell_gets_no_verdict(picture):
    torch.manual_seed(0)
    model = new_model(replace(TINY, image_size=32), Vocabulary(WORDS), pretrained=False)
    assert model.encoder.grid == (1, 1)
    answers = Answers({"one": model})
    value = answers.caption(picture, 3, 6, MODELS)
    assert "everywhere alike" in answers.doubt(asked(value))["verdict"]


def test_a_word_that_the_model_can_not_say_is_not_put_to_the_test(answers, picture):
    value = answers.explain(picture, "a zebu", MODELS)
    told = answers.doubt(asked(value))["error"]
    assert told.startswith("The model does not know the word 'zebu': how likely it finds it")


def test_a_place_beyond_the_words_that_are_read_is_told(answers, picture):
    # "..." is no word for the tokenizer, so the caption that is read has one word less.
    value = answers.caption(picture, 3, 6, MODELS)
    question = {**asked(value), "words": ["a", "..."], "place": 1}
    assert answers.doubt(question) == {"error": "There is no word 1 in 'a ...'."}


def test_the_words_are_drawn_as_a_gif(answers, picture):
    value = answers.caption(picture, 3, 6, MODELS)
    question = asked(value, style="heatmap", strength=0.7, smooth=False)
    data = base64.b64decode(answers.animate(question)["gif"])
    assert Image.open(io.BytesIO(data)).n_frames == len(question["words"])
    assert "unknown style" in answers.animate({**question, "style": "x"})["error"].lower()


@pytest.mark.parametrize("sent", [None, [], {}, {"words": ["a"]}, "x" * 10_000])
def test_nonsense_is_answered_with_a_sentence(answers, sent):
    for name in ("go_on", "doubt", "animate"):
        answer = getattr(answers, name)(sent)
        assert set(answer) == {"error"} and answer["error"].endswith(".")
