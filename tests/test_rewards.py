import shutil

import numpy as np
import pytest

from captioner.metrics.cider import CiderD
from captioner.rewards import REWARDS, MeteorReward, Reward

REFERENCES = {
    0: ["a dog runs on the grass".split(), "a brown dog is running".split()],
    1: ["two men talk".split()],
    2: ["a red car".split()],
}


def test_cider_is_that_of_captions_with_their_end():
    said = ["a dog runs".split(), "two men".split(), []]
    ended = {k: [[*words, "<end>"] for words in own] for k, own in REFERENCES.items()}
    expected = CiderD(ended).scores([0, 1, 1], [[*words, "<end>"] for words in said]) / 100
    found = Reward(REFERENCES, {"cider": 1.0, "bleu": 0.0})([0, 1, 1], said)
    np.testing.assert_allclose(found, expected)


def test_a_caption_that_stops_in_the_middle_gains_less_than_one_that_ends():
    reward = Reward(REFERENCES, {"cider": 1.0})
    whole, cut = reward([1, 1], [["two", "men", "talk"], ["two", "men"]])
    assert whole > cut > 0


@pytest.mark.parametrize("name", REWARDS)
def test_a_copy_beats_a_stranger_and_weights_count(name):
    one, other = Reward(REFERENCES, {name: 1.0}), Reward(REFERENCES, {name: 2.0})
    said = ["a dog runs on the grass".split(), "two men talk".split()]
    copy, stranger = one([0, 0], said)
    assert copy > stranger >= 0
    np.testing.assert_allclose(other([0, 0], said), 2 * one([0, 0], said))


def test_nothing_is_worth_anything_without_a_weight():
    assert Reward(REFERENCES, {"cider": 0.0})([0, 1], [["a"], ["b"]]).tolist() == [0, 0]


def test_meteor_knows_stems_order_and_function_words():
    class Coarse(MeteorReward):
        frequent = 0.5  # of the few words here "the" alone is a function word

    reward = Coarse({0: ["the dogs ran fast over wet grass".split()] + [["the"]] * 20})
    same, stems, mixed, other = reward(
        [0] * 4,
        [
            "the dogs ran fast over wet grass".split(),
            "the dog ran fast over wet grass".split(),
            "grass the over dogs wet ran fast".split(),
            "a cat sleeps".split(),
        ],
    )
    assert same == pytest.approx(1) and stems == pytest.approx(1)
    assert 0.3 < mixed < 0.7 and other == 0
    without_the, without_dogs = reward(
        [0, 0], ["dogs ran fast over wet grass".split(), "the ran fast over wet grass".split()]
    )
    assert without_the > without_dogs  # "the" is frequent there


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("java") is None, reason="the official METEOR needs Java")
def test_meteor_follows_the_official_one(real_captions):
    meteor = pytest.importorskip("pycocoevalcap.meteor.meteor").Meteor()
    references, said = (part[:200] for part in real_captions)
    said = [words if i % 2 else said[i - 1] for i, words in enumerate(said)]  # half of strangers
    wanted = {i: [" ".join(words) for words in own] for i, own in enumerate(references)}
    _, official = meteor.compute_score(wanted, {i: [" ".join(w)] for i, w in enumerate(said)})
    ours = MeteorReward(dict(enumerate(references)))(range(200), said)
    assert np.corrcoef(ours, official)[0, 1] > 0.9
