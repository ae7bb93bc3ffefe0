import shutil

import pytest

from captioner.scoring import name_captions, score

REFERENCES = {1: ["A red circle.", "a circle"], 2: ["two dogs run on the grass"], 3: ["a man"]}
COPIED = {key: captions[0] for key, captions in REFERENCES.items()}


def test_copied_references_score_100_whatever_their_case():
    shouted = {key: text.upper() + " ." for key, text in COPIED.items()}
    scores = score(shouted, REFERENCES, "model:human")
    assert scores.as_dict()["BLEU-4"] == pytest.approx(100) and scores.images == 3
    assert scores.rouge_l == pytest.approx(100)
    assert "model:human|references:1-2|" in scores.signature and "0-100" in scores.signature


def test_the_names_are_those_of_the_field():
    values = score(COPIED, REFERENCES, "x").as_dict()
    blue = [f"BLEU-{n}" for n in range(1, 5)]
    assert list(values) == [*blue, "METEOR", "ROUGE-L", "CIDEr", "images", "signature"]


def test_meteor_says_what_is_missing(capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("shutil.which", lambda name: None)
        assert score(COPIED, REFERENCES, "human", with_meteor=True).meteor is None
        assert "METEOR needs Java" in capsys.readouterr().err
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/java")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert score(COPIED, REFERENCES, "human", with_meteor=True).as_dict()["METEOR"] is None
    assert "pip install 'captioner[official]'" in capsys.readouterr().err


def test_meteor_of_copied_references_is_the_highest():
    if shutil.which("java") is None:
        pytest.skip("METEOR needs Java")
    pytest.importorskip("pycocoevalcap")
    best = score(COPIED, REFERENCES, "human", with_meteor=True).meteor
    assert best == pytest.approx(100, abs=0.1)
    wrong = score(dict.fromkeys(COPIED, "cats"), REFERENCES, "x", with_meteor=True)
    assert wrong.meteor < 20 and wrong.cider < 1


def test_captions_and_references_of_other_pictures_are_refused():
    with pytest.raises(ValueError, match="2 pictures lack a caption or references, first 1"):
        score({1: "a"}, {2: ["a"]}, "x")


def test_captions_of_any_origin_are_named_by_what_they_say():
    assert name_captions({1: "a", 2: "b"}) == name_captions({2: "b", 1: "a"})
    assert name_captions({1: "a", 2: "b"}) != name_captions({1: "b", 2: "a"})
