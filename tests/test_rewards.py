import numpy as np
import pytest

from captioner.metrics.cider import CiderD
from captioner.rewards import REWARDS, Reward

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
