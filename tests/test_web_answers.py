"""What the page answers to a picture, on a small model and without a browser."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from answering import MODELS, asked, maps_of
from browsing import photo
from conftest import TINY, WORDS
from odd_files import write_refused

pytest.importorskip("gradio")

from captioner.assembly import new_model  # noqa: E402
from captioner.errors import CaptionerError  # noqa: E402
from captioner.options import DecodingOptions  # noqa: E402
from captioner.vocabulary import Vocabulary  # noqa: E402
from captioner.web.answers import KEPT, OWN_WORDS, Answers  # noqa: E402
from captioner.web.turns import Turns  # noqa: E402
from captioner.web.wording import HARD  # noqa: E402


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


def test_who_asks_without_a_picture_is_told_what_to_do(answers, picture):
    told = {
        "title": "There is no picture yet",
        "error": "Choose a picture first: one of your own, or one of the examples.",
    }
    assert answers.press(None, 3, 6, MODELS) == answers.explain(None, "a dog", MODELS) == told
    pressed = answers.press(picture, 3, 6, MODELS)
    assert pressed["panels"] is answers.caption(picture, 3, 6, MODELS)["panels"]


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


def test_programs_get_the_first_models_caption(answers, picture, tiny_model):
    found = answers.caption_for_api(picture, 2)
    assert found.text == tiny_model.caption(picture, beam_size=2).text
    with pytest.raises(CaptionerError, match="beam size is 0"):
        answers.caption_for_api(picture, 0)


def test_what_hard_attention_does_is_remarked_on(tiny_model, picture):
    torch.manual_seed(0)
    hard = new_model(replace(TINY, attention="hard"), Vocabulary(WORDS), pretrained=False)
    answers = Answers({"soft": tiny_model, "hard": hard})
    panels = answers.caption(picture, 1, 4, ["soft", "hard"])["panels"]
    assert [panel["remark"] for panel in panels] == ["", HARD]
