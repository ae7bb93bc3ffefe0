"""What the page answers, on a small model and without a browser."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from browsing import photo
from conftest import TINY, WORDS
from odd_files import write_refused
from PIL import Image

pytest.importorskip("gradio")

from captioner.errors import CaptionerError  # noqa: E402
from captioner.model import new_model  # noqa: E402
from captioner.options import DecodingOptions  # noqa: E402
from captioner.vocabulary import Vocabulary  # noqa: E402
from captioner.web.answers import KEPT, OWN_WORDS, Answers  # noqa: E402
from captioner.web.turns import Turns  # noqa: E402

MODELS = ["one"]


@pytest.fixture
def answers(tiny_model):
    return Answers({"one": tiny_model, "two": tiny_model})


@pytest.fixture
def picture(tmp_path):
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
    data = np.frombuffer(base64.b64decode(caption["maps"]), "<f4")
    return data.reshape(-1, *grid)


def test_a_picture_is_answered_with_the_models_own_caption(answers, picture, tiny_model):
    value = json.loads(json.dumps(answers.caption(picture, 3, 6, MODELS)))
    options = DecodingOptions(beam_size=3, max_length=6)
    expected = tiny_model.caption(picture, options=options)
    (panel,) = value["panels"]
    assert panel["model"] == "one" and value["name"] == "a.png"
    assert len(panel["captions"]) == 3
    for caption, wanted in zip(panel["captions"], (expected, *expected.alternatives)):
        assert [word["text"] for word in caption["words"]] == [w.text for w in wanted.words]
        assert np.array_equal(maps_of(caption, panel["grid"]), [w.alpha for w in wanted.words])
    assert panel["grid"] == list(expected.grid)
    assert picture not in json.dumps(value)


def test_two_models_are_answered_side_by_side(answers, picture):
    panels = answers.caption(picture, 2, 6, ["two", "one"])["panels"]
    assert [panel["model"] for panel in panels] == ["one", "two"]
    assert panels[0]["captions"] == panels[1]["captions"]  # it is the same model twice


def test_the_same_question_needs_no_model_again(answers, picture, monkeypatch):
    first = answers.caption(picture, 3, 6, MODELS)
    monkeypatch.setattr(answers.turns, "run", None)
    again = answers.caption(picture, 3, 6, MODELS)
    assert again["panels"] is first["panels"] and again["id"] != first["id"]
    with pytest.raises(TypeError):
        answers.caption(picture, 4, 6, MODELS)


def test_a_kept_answer_can_be_asked_about_after_its_first_id_is_forgotten(
    answers, tmp_path, monkeypatch
):
    monkeypatch.setattr("captioner.web.uploads.REMEMBERED", 1)
    paths = [str(tmp_path / f"{number}.png") for number in range(2)]
    for number, path in enumerate(paths):
        photo(60, 40, seed=number).save(path)
        answers.caption(path, 1, 4, MODELS)
    again = answers.caption(paths[0], 1, 4, MODELS)
    assert "captions" in answers.go_on(asked(again, place=0))


def test_the_same_asked_twice_at_once_is_answered_by_the_model_once(answers, picture, monkeypatch):
    waited = []

    def run(function):  # in whose place another asked the same
        waited.append(function)
        if len(waited) == 1:
            answers.caption(picture, 3, 6, MODELS)
        return function()

    monkeypatch.setattr(answers.turns, "run", run)
    value = answers.caption(picture, 3, 6, MODELS)
    assert len(waited) == 2 and value["panels"] is next(iter(answers._kept.values()))["panels"]


def test_no_more_answers_are_kept_than_there_is_room_for(answers, tmp_path):
    answers.models = {"one": answers.models["one"]}
    for number in range(KEPT + 3):
        photo(8, 8, seed=number).save(tmp_path / f"{number}.png")
        answers.caption(str(tmp_path / f"{number}.png"), 1, 2, MODELS)
    assert len(answers._kept) == KEPT


def test_no_picture_gives_no_answer(answers):
    assert answers.caption(None, 5, 30, MODELS) is None
    asked_too_early = {"title": "That can't be done", "error": "Choose a picture first."}
    assert answers.explain(None, "a dog", MODELS) == asked_too_early


def test_an_unreadable_file_is_told_without_the_servers_path(answers, tmp_path):
    for path, reason in write_refused(tmp_path).items():
        for value in (
            answers.caption(str(path), 5, 30, MODELS),
            answers.explain(str(path), "a dog", MODELS),
        ):
            assert value["title"] == "This picture can't be captioned"
            assert value["error"].startswith(f"Cannot read {path.name}: {reason}")
            assert str(tmp_path) not in value["error"]


def test_impossible_options_are_told(answers, picture):
    assert "beam size is 99" in answers.caption(picture, 99, 30, MODELS)["error"]
    assert "longest caption is 0" in answers.caption(picture, 5, 0, MODELS)["error"]
    assert "no model 'x'" in answers.caption(picture, 5, 30, ["x"])["error"]
    assert "choose one model" in answers.caption(picture, 5, 30, [])["error"].lower()
    assert "own first" in answers.explain(picture, "  ", MODELS)["error"]
    assert answers.explain(picture, "...", MODELS)["error"].startswith("There is no word in")


def test_who_waits_too_long_is_told_to_try_again(answers, picture):
    answers.turns = Turns(places=0)
    value = answers.caption(picture, 5, 30, MODELS)
    assert value["title"] == "Busy" and value["error"].endswith("try again in a moment.")


def test_ones_own_words_are_read(answers, picture, tiny_model):
    value = answers.explain(picture, "A red Zebu", MODELS)
    (caption,) = value["panels"][0]["captions"]
    assert value["note"] == OWN_WORDS
    assert [word["text"] for word in caption["words"]] == ["a", "red", "zebu"]
    assert [word["known"] for word in caption["words"]] == [True, True, False]
    expected = tiny_model.explain(picture, "a red zebu")
    assert np.array_equal(maps_of(caption, expected.grid), [w.alpha for w in expected.words])


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


def test_programs_get_the_first_models_caption(answers, picture, tiny_model):
    found = answers.caption_for_api(picture, 2)
    assert found.text == tiny_model.caption(picture, beam_size=2).text
    with pytest.raises(CaptionerError, match="beam size is 0"):
        answers.caption_for_api(picture, 0)
