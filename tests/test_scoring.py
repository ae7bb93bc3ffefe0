import random
import shutil

import numpy as np
import pytest

from captioner.metrics.bleu import bleu
from captioner.scoring import name_captions, score, share_new

REFERENCES = {1: ["A red circle.", "a circle"], 2: ["two dogs run on the grass"], 3: ["a man"]}
COPIED = {key: captions[0] for key, captions in REFERENCES.items()}


def test_copied_references_score_100_whatever_their_case():
    shouted = {key: text.upper() + " ." for key, text in COPIED.items()}
    scores = score(shouted, REFERENCES, "model:human")
    assert scores.as_dict()["BLEU-4"] == pytest.approx(100) and scores.images == 3
    assert scores.rouge_l == pytest.approx(100)
    assert "model:human|references:1-2:" in scores.signature and "0-100" in scores.signature


def test_the_names_are_those_of_the_field():
    values = score(COPIED, REFERENCES, "x").as_dict()
    blue = [f"BLEU-{n}" for n in range(1, 5)]
    assert list(values)[:7] == [*blue, "METEOR", "ROUGE-L", "CIDEr"]
    assert {"images", "signature", "length-ratio", "distinct-1", "vocabulary"} <= values.keys()


def test_meteor_says_what_is_missing(capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("shutil.which", lambda name: None)
        assert score(COPIED, REFERENCES, "human", with_meteor=True).meteor is None
        assert "METEOR needs Java" in capsys.readouterr().err
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/java")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert score(COPIED, REFERENCES, "human", with_meteor=True).as_dict()["METEOR"] is None
    assert "pip install 'captioner[official]'" in capsys.readouterr().err


def test_a_java_that_fails_is_said_and_does_not_hang(tmp_path, capsys, monkeypatch):
    pytest.importorskip("pycocoevalcap")
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert score(COPIED, REFERENCES, "human", with_meteor=True).meteor is None
    assert "METEOR's Java program failed" in capsys.readouterr().err


def test_meteor_of_copied_references_is_the_highest():
    if shutil.which("java") is None:
        pytest.skip("METEOR needs Java")
    pytest.importorskip("pycocoevalcap")
    best = score(COPIED, REFERENCES, "human", with_meteor=True).meteor
    assert best == pytest.approx(100, abs=0.1)
    wrong = score(dict.fromkeys(COPIED, "cats"), REFERENCES, "x", with_meteor=True)
    assert wrong.meteor < 20 and wrong.cider < 1


def test_captions_and_references_of_other_pictures_are_refused():
    with pytest.raises(ValueError, match="no caption or no reference for 2 pictures, first 1"):
        score({1: "a"}, {2: ["a"]}, "x")


def test_captions_of_any_origin_are_named_by_what_they_say():
    assert name_captions({1: "a", 2: "b"}) == name_captions({2: "b", 1: "a"})
    assert name_captions({1: "a", 2: "b"}) != name_captions({1: "b", 2: "a"})


def test_equal_signatures_mean_equal_references():
    other = {**REFERENCES, 3: ["a woman"]}
    one, two = (score(COPIED, r, "x").signature for r in (REFERENCES, other))
    assert one != two and one == score(dict.fromkeys(COPIED, "a"), REFERENCES, "x").signature


def test_distinct_words_and_the_vocabulary_are_counted():
    scores = score({1: "a dog", 2: "a dog", 3: "a cat"}, REFERENCES, "x")
    assert scores.vocabulary == 3 and scores.distinct == pytest.approx((100 * 3 / 6, 100 * 2 / 3))


def test_a_caption_is_new_if_no_training_caption_says_it_word_for_word():
    share = share_new(["a dog", "a red dog", "A dog ."], ["A dog.", "the red dog"])
    assert share == pytest.approx(100 / 3)


@pytest.fixture(scope="module")
def two_systems(real_captions):
    """Human captions, and the same with a third of them taken from other pictures."""
    references, hypotheses = real_captions
    wanted = {i: [" ".join(words) for words in own] for i, own in enumerate(references)}
    human = {i: " ".join(words) for i, words in enumerate(hypotheses)}
    mixed = {i: human[(i + 7) % len(human)] if i % 3 == 0 else text for i, text in human.items()}
    return score(human, wanted, "human"), score(mixed, wanted, "mixed")


def test_an_interval_is_that_of_scoring_drawn_pictures_again(two_systems, real_captions):
    scores, _ = two_systems
    references, hypotheses = real_captions
    draw, found = random.Random(0), []
    for _ in range(60):
        chosen = draw.choices(range(500), k=500)
        again = bleu([references[i] for i in chosen], [hypotheses[i] for i in chosen])
        found.append(again.values[3])
    low, high = scores.intervals()["BLEU-4"]
    assert low < scores.bleu.values[3] < high
    assert high - low == pytest.approx(3.92 * np.std(found), rel=0.3)


def test_one_round_of_all_pictures_gives_the_score_itself(two_systems):
    scores, _ = two_systems
    whole = scores.per_image.resampled(np.ones((1, 500), dtype=int))
    for name, value in whole.items():
        assert value[0] == pytest.approx(scores.as_dict()[name])


def test_a_better_system_is_found_better_and_not_better_than_itself(two_systems):
    human, mixed = two_systems
    for one in human.against(mixed).values():
        assert one.better > 0.99 and 0 < one.low < one.difference < one.high
    for one in human.against(human).values():
        assert (one.difference, one.low, one.high, one.better) == (0, 0, 0, 0.5)
    with pytest.raises(ValueError, match="only scores of the same pictures can be compared"):
        human.against(score(COPIED, REFERENCES, "x"))


def test_each_picture_has_its_scores(two_systems):
    rows = two_systems[0].per_image.as_list()
    assert len(rows) == 500 and rows[3].keys() == {
        "image_id",
        "caption",
        "BLEU-4",
        "ROUGE-L",
        "CIDEr",
    }
    assert np.mean([row["CIDEr"] for row in rows]) == pytest.approx(two_systems[0].cider)
