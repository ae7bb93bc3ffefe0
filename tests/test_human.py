import itertools
import random

import pytest

from captioner.errors import DataError
from captioner.metrics.human import expert_agreement, kendall_tau_c


def test_tau_c_is_that_of_counting_all_pairs():
    draw = random.Random(0)
    for _ in range(50):
        ratings = [1, 2, *draw.choices([1, 2, 3, 4], k=20)]
        scores = [0.0, 1.0, *draw.choices([0.0, 0.1, 0.5, 0.7, 1.0], k=20)]
        difference = 0
        for (s, r), (t, q) in itertools.combinations(zip(scores, ratings, strict=True), 2):
            difference += ((s > t) - (s < t)) * ((r > q) - (r < q))
        m = min(len(set(ratings)), len(set(scores)))
        expected = 2 * m * difference / (22**2 * (m - 1))
        assert kendall_tau_c(scores, ratings) == pytest.approx(expected)


def test_the_same_order_is_one_and_the_reverse_is_minus_one():
    ratings = [1] * 5 + [2] * 5 + [3] * 5 + [4] * 5
    assert kendall_tau_c(ratings, ratings) == pytest.approx(1)
    assert kendall_tau_c([-r for r in ratings], ratings) == pytest.approx(-1)
    with pytest.raises(ValueError, match="at least two different scores and ratings"):
        kendall_tau_c([1.0, 1.0], [1, 2])


def test_agreement_with_experts_is_as_published(flickr8k):
    found = expert_agreement(flickr8k / "Flickr8k_text")
    published = {"BLEU-4": 30.8, "ROUGE-L": 32.3, "CIDEr": 43.9}
    assert found == pytest.approx(published, abs=0.3)


def test_missing_ratings_are_said(tmp_path):
    with pytest.raises(DataError, match="can't read the expert ratings in '.*': .*token.txt"):
        expert_agreement(tmp_path)
