import pytest
from nltk.translate.bleu_score import corpus_bleu

from captioner.metrics.bleu import bleu

REFERENCES = [[line.split() for line in ("a dog runs on the grass", "a brown dog is running")]]


def test_a_copied_reference_scores_100():
    assert bleu(REFERENCES, [REFERENCES[0][0]]).values == pytest.approx((100,) * 4)


def test_no_common_word_scores_0():
    score = bleu(REFERENCES, [["cats", "sleep", "under", "tables"]])
    assert score.values == pytest.approx((0,) * 4, abs=1e-9)
    assert score.matched == (0,) * 4 and score.counted == (4, 3, 2, 1)


def test_a_planted_caption():
    # 3 of 4 words, 1 of 3 pairs; 4 words against 5, the closest: brevity exp(1 - 5/4).
    score = bleu(REFERENCES, [["a", "dog", "the", "dog"]])
    brevity = 2.718281828459045 ** (1 - 5 / 4)
    assert score.values[0] == pytest.approx(100 * brevity * 3 / 4)
    assert score.values[1] == pytest.approx(100 * brevity * (3 / 4 * 1 / 3) ** 0.5)
    assert (score.hypothesis_length, score.reference_length) == (4, 5)


def test_the_closest_reference_counts_and_the_shorter_of_two_as_close():
    references = [[["a"] * 3, ["a"] * 5, ["a"] * 9]]
    assert bleu(references, [["a"] * 8]).reference_length == 9
    assert bleu(references, [["a"] * 4]).reference_length == 3


def test_what_can_not_be_scored_is_refused():
    with pytest.raises(ValueError, match="2 captions can't be scored against 1 picture"):
        bleu(REFERENCES, [["a"], ["b"]])
    with pytest.raises(ValueError, match="there is no caption to score"):
        bleu([], [])


def official_bleu(references, hypotheses):
    scorer = pytest.importorskip("pycocoevalcap.bleu.bleu").Bleu(4)
    values, _ = scorer.compute_score(
        {i: [" ".join(r) for r in rs] for i, rs in enumerate(references)},
        {i: [" ".join(h)] for i, h in enumerate(hypotheses)},
        verbose=0,
    )
    return [100 * value for value in values]


def test_it_equals_the_official_program_on_real_captions(real_captions):
    references, hypotheses = real_captions
    assert min(map(len, hypotheses)) < 4  # short ones are where programs differ
    expected = official_bleu(references, hypotheses)
    assert bleu(references, hypotheses).values == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "text", ["dog", "a dog", "cats sleep", "a dog runs on the grass now", "the the"]
)
def test_it_equals_the_official_program_on_degenerate_captions(text):
    expected = official_bleu(REFERENCES, [text.split()])
    assert bleu(REFERENCES, [text.split()]).values == pytest.approx(expected, abs=1e-6)


def test_it_equals_nltk_on_captions_of_four_words_and_more(real_captions):
    pairs = [(rs, h) for rs, h in zip(*real_captions, strict=True) if len(h) >= 4]
    references, hypotheses = zip(*pairs, strict=True)
    weights = [(1 / n,) * n for n in range(1, 5)]
    expected = [100 * value for value in corpus_bleu(references, hypotheses, weights)]
    assert bleu(references, hypotheses).values == pytest.approx(expected, abs=1e-6)
