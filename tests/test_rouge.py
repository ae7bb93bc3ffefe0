import random

import pytest

from captioner.metrics.rouge import common_length, rouge_l


def official(references, hypothesis):
    scorer = pytest.importorskip("pycocoevalcap.rouge.rouge").Rouge()
    return 100 * scorer.calc_score([" ".join(hypothesis)], [" ".join(r) for r in references])


def test_a_copied_reference_scores_100_and_nothing_in_common_0():
    references = [["a", "dog", "runs"], ["two", "dogs"]]
    assert rouge_l(references, ["a", "dog", "runs"]) == pytest.approx(100)
    assert rouge_l(references, ["cats"]) == 0


def test_a_planted_caption():
    # Two of three words in order: precision 2/3, recall 2/4.
    score = rouge_l([["a", "dog", "runs", "fast"]], ["dog", "a", "fast"])
    p, r, b = 2 / 3, 2 / 4, 1.2**2
    assert score == pytest.approx(100 * (1 + b) * p * r / (r + b * p))


def test_the_common_length_is_that_of_the_textbook_table():
    draw = random.Random(0)
    for _ in range(300):
        one, other = (draw.choices("abcd", k=draw.randint(0, 12)) for _ in range(2))
        table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
        for i, a in enumerate(one, 1):
            for j, b in enumerate(other, 1):
                above = max(table[i - 1][j], table[i][j - 1])
                table[i][j] = table[i - 1][j - 1] + 1 if a == b else above
        assert common_length(one, other) == table[-1][-1]


@pytest.mark.parametrize("text", ["", "dog", "cats sleep here", "a a a a"])
def test_it_equals_the_official_program_on_degenerate_captions(text):
    references = [["a", "dog"], ["the", "cat", "sleeps", "here", "a"]]
    expected = official(references, text.split())
    assert rouge_l(references, text.split()) == pytest.approx(expected, abs=1e-6)


def test_it_equals_the_official_program_on_real_captions(real_captions):
    for references, hypothesis in zip(*real_captions, strict=True):
        expected = official(references, hypothesis)
        assert rouge_l(references, hypothesis) == pytest.approx(expected, abs=1e-6)


def test_no_reference_is_refused():
    with pytest.raises(ValueError, match="there is no reference to score against"):
        rouge_l([], ["a"])
