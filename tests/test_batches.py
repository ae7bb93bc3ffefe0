import torch

from captioner.batches import bucketed_batches, next_words, pad_captions
from captioner.vocabulary import Vocabulary

PAD, START, END = Vocabulary.pad, Vocabulary.start, Vocabulary.end


def test_captions_of_a_picture_stay_side_by_side_and_missing_ones_are_padding():
    inputs = pad_captions([[[5, 6], [7]], [[8, 9, 10]]])
    assert inputs.tolist() == [
        [START, 5, 6, PAD],
        [START, 7, PAD, PAD],
        [START, 8, 9, 10],
        [PAD] * 4,
    ]


def test_the_next_word_is_the_word_after_and_at_last_the_end():
    inputs = pad_captions([[[5, 6], [7]], [[8, 9, 10]]])
    assert next_words(inputs).tolist() == [5, 6, END, 7, END, 8, 9, 10, END]


def test_a_picture_without_words_learns_to_end():
    inputs = pad_captions([[[]]])
    assert inputs.tolist() == [[START]] and next_words(inputs).tolist() == [END]


def test_every_picture_is_in_one_batch_and_the_seed_decides_which():
    lengths = torch.randint(3, 30, (1000,)).tolist()
    batches = bucketed_batches(lengths, 32, "0/0")
    assert sorted(i for batch in batches for i in batch) == list(range(1000))
    assert len(batches) == 32 and max(map(len, batches)) == 32
    assert batches == bucketed_batches(lengths, 32, "0/0") != bucketed_batches(lengths, 32, "0/1")


def test_batches_hold_captions_of_about_one_length():
    lengths = torch.randint(3, 30, (1024,)).tolist()
    batches = bucketed_batches(lengths, 32, "1")
    spread = [max(lengths[i] for i in b) - min(lengths[i] for i in b) for b in batches]
    assert max(spread) <= 2
    longest = [max(lengths[i] for i in batch) for batch in batches]
    assert longest != sorted(longest)  # short and long batches come mixed
