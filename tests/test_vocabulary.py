import json

import pytest

from captioner.errors import CheckpointError, DataError
from captioner.vocabulary import Vocabulary, build_vocabulary


def test_words_come_back_and_unknown_ones_become_unk():
    vocabulary = Vocabulary(["a", "dog"])
    assert len(vocabulary) == 6
    assert vocabulary.words[:4] == ("<pad>", "<start>", "<end>", "<unk>")
    assert vocabulary.decode(vocabulary.encode(["dog", "cat", "a"])) == ["dog", "<unk>", "a"]
    assert "dog" in vocabulary and "cat" not in vocabulary
    assert (vocabulary.pad, vocabulary.start, vocabulary.end, vocabulary.unk) == (0, 1, 2, 3)


def test_rare_words_are_left_out_and_the_order_of_captions_does_not_matter():
    captions = [["a", "dog"], ["a", "cat"], ["a", "dog"], ["b", "b"]]
    assert build_vocabulary(captions, min_count=2).words[4:] == ("a", "b", "dog")
    assert build_vocabulary(captions[::-1], min_count=2).words[4:] == ("a", "b", "dog")


def test_it_is_the_same_after_saving(tmp_path):
    vocabulary = Vocabulary(["a", "naïve", "it's"])
    vocabulary.save(tmp_path / "vocabulary.json")
    assert Vocabulary.load(tmp_path / "vocabulary.json").words == vocabulary.words


def test_no_frequent_word_is_refused():
    with pytest.raises(
        DataError, match="no word is seen 5 times in the 2 different training words"
    ):
        build_vocabulary([["a", "dog"]])


def test_a_doubled_word_is_refused():
    with pytest.raises(ValueError, match="the word 'a' is in the vocabulary twice"):
        Vocabulary(["a", "b", "a"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "can't read the vocabulary"),
        ('["a", ', "can't read the vocabulary"),
        ("\x80\x04not utf-8", "can't read the vocabulary"),
        ('{"a": 1}', "is not a JSON list of words"),
        ("[1, 2]", "is not a JSON list of words"),
        (json.dumps(["a", "a"]), "the word 'a' is in the vocabulary twice"),
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "vocabulary.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=message) as caught:
        Vocabulary.load(path)
    assert str(path) in str(caught.value)
