import pytest

from captioner.metrics.cider import CiderD

REFERENCES = {
    1: [line.split() for line in ("a dog runs on the grass", "a brown dog is running")],
    2: [line.split() for line in ("two men talk", "men are talking in a park today")],
    3: [["a", "red", "car"]],
}


def official(references, hypotheses):
    scorer = pytest.importorskip("pycocoevalcap.cider.cider").Cider()
    _, scores = scorer.compute_score(
        {key: [" ".join(r) for r in own] for key, own in references.items()},
        {key: [" ".join(h)] for key, h in hypotheses.items()},
    )
    return [100 * score for score in scores]


def test_a_copy_of_the_only_reference_scores_1000_and_nothing_in_common_0():
    # No caption shorter than four words can: it has no n-gram of four.
    references = {1: [["a", "red", "car", "drives"]], 2: [["two", "dogs"]]}
    scorer = CiderD(references)
    assert scorer.score(1, references[1][0]) == pytest.approx(1000)
    assert scorer.score(1, ["two", "dogs"]) == 0


def test_saying_a_word_again_does_not_pay():
    scorer = CiderD(REFERENCES)
    once = scorer.score(3, ["a", "red", "car"])
    assert scorer.score(3, ["a", "red", "car", "car", "car"]) < once


@pytest.mark.parametrize(
    "text",
    ["", "dog", "a dog", "cats sleep here", "a dog runs on the grass", "the the the the the"],
)
def test_it_equals_the_official_program_on_degenerate_captions(text):
    hypotheses = {key: text.split() for key in REFERENCES}
    scorer = CiderD(REFERENCES)
    ours = [scorer.score(key, hypothesis) for key, hypothesis in hypotheses.items()]
    assert ours == pytest.approx(official(REFERENCES, hypotheses), abs=1e-6)


def test_it_equals_the_official_program_on_real_captions(real_captions):
    references, hypotheses = (dict(enumerate(part)) for part in real_captions)
    scorer = CiderD(references)
    ours = [scorer.score(key, hypothesis) for key, hypothesis in hypotheses.items()]
    assert ours == pytest.approx(official(references, hypotheses), abs=1e-6)


def test_a_reward_scores_several_captions_of_a_picture_at_once():
    scorer = CiderD(REFERENCES)
    said = ["a red car".split(), "a dog".split(), [], "a car".split()]
    rewards = scorer.scores([3, 1, 2, 3], said)
    assert rewards.shape == (4,) and rewards[2] == 0 and rewards[0] > rewards[3] > 0
    assert list(rewards) == [scorer.score(*pair) for pair in zip([3, 1, 2, 3], said, strict=True)]


def test_a_picture_without_reference_is_refused():
    with pytest.raises(ValueError, match="no reference for 1 picture, the first is 7"):
        CiderD({1: [["a"]], 7: []})
