import numpy as np
import pytest

from captioner.caption import Word
from captioner.explain import Curves, Faithfulness
from captioner.verdict import agreement_from, told, verdict

GOOD, BAD, CHANCE = Curves(10.0, 30.0), Curves(30.0, 10.0), Curves(20.0, 20.0)


def found(text, curves, correlation, *, known=True, flat=False):
    alpha = np.full((8, 8), 1 / 64)
    alpha[0, 0] += 0.0 if flat else 0.5
    word = Word(text, 0.5, alpha, None, (), known)
    return Faithfulness(word, alpha, correlation, curves, CHANCE, GOOD)


@pytest.mark.parametrize(
    ("curves", "correlation", "said"),
    [
        (GOOD, 0.3, ("better", "better")),
        (BAD, -0.9, ("not better", "not better")),
        (Curves(10.0, 20.0), 0.2, ("better", "not better")),
        (CHANCE, 0.26, ("not better", "not better")),
    ],
)
def test_one_map_is_judged_by_chance_and_by_occlusion(curves, correlation, said):
    sentence = verdict([found("dog", curves, correlation)])
    deletion, insertion = (f"{how} than a random order" for how in said)
    assert sentence.startswith(f"the map of 'dog' is {deletion} at deletion, {insertion} at inser")
    agrees = ", and in agreement with occlusion"
    disagrees = ", and not in agreement with occlusion"
    assert sentence.endswith(agrees if correlation >= 0.26 else disagrees)


def test_fewer_cells_agree_by_chance_more_often():
    draw = np.random.default_rng(0)
    for cells in (36, 64, 196):
        ranks = [draw.permutation(cells) for _ in range(2000)]
        found = np.array([np.corrcoef(ranks[0], other)[0, 1] for other in ranks[1:]])
        assert 0.01 < (found >= agreement_from(cells)).mean() < 0.04


def test_several_maps_are_counted():
    words = [found("a", GOOD, 0.0), found("dog", GOOD, 0.4), found("runs", BAD, 0.1)]
    assert verdict(words) == (
        "of the maps of 3 words, 2 are better than a random order at deletion, "
        "2 are better than a random order at insertion, and 1 is in agreement with occlusion"
    )


def test_flat_maps_and_unknown_words_get_no_verdict():
    silent = [found("a", GOOD, 0.9, flat=True), found("zebu", GOOD, 0.9, known=False)]
    assert verdict(silent).startswith("nothing can be said: each map is flat, or the model does")
    one = verdict([*silent, found("dog", GOOD, 0.9)])
    assert one.startswith("the map of 'dog' is better")
    assert one.endswith("(2 words left out: the map is flat or the word unknown)")


def test_the_table_has_a_row_for_each_word_and_ends_with_the_verdict():
    words = [found("dog", GOOD, 0.4), found("zebu", BAD, 0.1, known=False)]
    lines = told(words).splitlines()
    assert lines[1].split() == "dog 50% +0.40 10.0 ( 20.0) 30.0 ( 20.0)".split()
    assert lines[2].startswith("zebu") and lines[2].endswith("the model does not know this word")
    assert lines[-1] == f"Verdict: {verdict(words)}."
