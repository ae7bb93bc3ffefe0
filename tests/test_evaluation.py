import json
import shutil

import pytest

from captioner.data import read_dataset
from captioner.evaluation import caption_dataset, describe, evaluate, score
from captioner.options import DecodingOptions


def test_copied_references_score_100_whatever_their_case(drawn_pictures):
    file, folder, _ = drawn_pictures
    dataset = read_dataset(file, folder)
    captions = {p.id: p.captions[0].upper() + " ." for p in dataset.pictures}
    scores = score(captions, dataset, "model:human")
    assert scores.as_dict()["BLEU-4"] == pytest.approx(100) and scores.images == 8
    assert "model:human|references:1|" in scores.signature and "0-100" in scores.signature


def test_every_picture_is_captioned_once(tiny_model, drawn_pictures):
    file, folder, _ = drawn_pictures
    dataset = read_dataset(file, folder)
    options = DecodingOptions(beam_size=2)
    captions = caption_dataset(tiny_model, dataset, options)
    assert list(captions) == list(range(1, 9))
    assert captions[4] == tiny_model.caption(dataset.pictures[3].path, options=options).text
    scores = evaluate(tiny_model, dataset, options, with_meteor=False)
    assert scores == score(captions, dataset, describe(tiny_model, options))
    assert json.loads(json.dumps(scores.as_dict()))["images"] == 8


def test_evaluation_is_repeatable_to_the_bit(tiny_model, drawn_pictures):
    dataset = read_dataset(*drawn_pictures[:2])
    first, second = (evaluate(tiny_model, dataset, with_meteor=False) for _ in range(2))
    assert first == second


def test_the_signature_names_the_weights_and_the_decoding(tiny_model):
    options = DecodingOptions(beam_size=3)
    before = describe(tiny_model, options)
    assert "beam:3" in before and before == describe(tiny_model, options)
    tiny_model.decoder.gate.bias.data += 1
    assert describe(tiny_model, options) != before


def test_meteor_says_what_is_missing(drawn_pictures, capsys, monkeypatch):
    dataset = read_dataset(*drawn_pictures[:2])
    captions = {p.id: p.captions[0] for p in dataset.pictures}
    with monkeypatch.context() as patch:
        patch.setattr("shutil.which", lambda name: None)
        assert score(captions, dataset, "human", with_meteor=True).meteor is None
        assert "METEOR needs Java" in capsys.readouterr().err
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/java")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert score(captions, dataset, "human", with_meteor=True).as_dict()["METEOR"] is None
    assert "pip install 'captioner[official]'" in capsys.readouterr().err


def test_meteor_of_copied_references_is_the_highest(drawn_pictures):
    if shutil.which("java") is None:
        pytest.skip("METEOR needs Java")
    pytest.importorskip("pycocoevalcap")
    dataset = read_dataset(*drawn_pictures[:2])
    copied = {p.id: p.captions[0] for p in dataset.pictures}
    scores = score(copied, dataset, "human", with_meteor=True)
    assert scores.meteor == pytest.approx(100, abs=0.1)
    assert scores.rouge_l == pytest.approx(100) and scores.cider > 500
    wrong = score({p.id: "two cats" for p in dataset.pictures}, dataset, "x", with_meteor=True)
    assert wrong.meteor < 20 and wrong.cider < 1
