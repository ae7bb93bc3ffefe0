import numpy as np
import pytest

from captioner.caption import Word
from captioner.explain import Curves, Faithfulness
from captioner.verdict import told, verdict

GOOD, BAD, CHANCE = Curves(10.0, 30.0), Curves(30.0, 10.0), Curves(20.0, 20.0)


def found(text, curves, correlation, *, known=True, flat=False):
    alpha = np.full((2, 2), 0.25) if flat else np.array([[0.7, 0.1], [0.1, 0.1]])
    word = Word(text, 0.5, alpha, None, (), known)
    return Faithfulness(word, alpha, correlation, curves, CHANCE, GOOD)


@pytest.mark.parametrize(
    ("curves", "correlation", "said"),
    [
        (GOOD, 0.3, "better than random at deletion, better than random at insertion, and in"),
        (BAD, -0.9, "not better than random at deletion, not better than random at insertion, "),
        (Curves(10.0, 20.0), 0.2, "better than random at deletion, not better than random at ins"),
        (CHANCE, 0.25, "not better than random at deletion, not better than random at insertion"),
    ],
)
def test_one_map_is_judged_by_chance_and_by_occlusion(curves, correlation, said):
    sentence = verdict([found("dog", curves, correlation)])
    assert sentence.startswith(f"the map of 'dog' is {said}")
    agrees = ", and in agreement with occlusion"
    disagrees = ", and not in agreement with occlusion"
    assert sentence.endswith(agrees if correlation >= 0.25 else disagrees)


def test_several_maps_are_counted():
    words = [found("a", GOOD, 0.0), found("dog", GOOD, 0.4), found("runs", BAD, 0.1)]
    assert verdict(words) == (
        "of the maps of 3 words, 2 are better than random at deletion, "
        "2 are better than random at insertion, and 1 is in agreement with occlusion"
    )


def test_flat_maps_and_unknown_words_get_no_verdict():
    silent = [found("a", GOOD, 0.9, flat=True), found("zebu", GOOD, 0.9, known=False)]
    assert verdict(silent).startswith("nothing can be said: the map is flat, or the model does")
    assert verdict([*silent, found("dog", GOOD, 0.9)]).startswith("the map of 'dog' is better")


def test_the_table_has_a_row_for_each_word_and_ends_with_the_verdict():
    words = [found("dog", GOOD, 0.4), found("zebu", BAD, 0.1, known=False)]
    lines = told(words).splitlines()
    assert lines[1].split() == "dog 50% +0.40 10.0 ( 20.0) 30.0 ( 20.0)".split()
    assert lines[2].startswith("zebu") and lines[2].endswith("the model does not know this word")
    assert lines[-1] == f"Verdict: {verdict(words)}."
