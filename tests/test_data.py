import json

import pytest
import torch

from captioner.data import (
    bucketed_batches,
    make_dataset,
    next_words,
    pad_captions,
    read_dataset,
)
from captioner.errors import DataError
from captioner.vocabulary import Vocabulary

PAD, START, END = Vocabulary.pad, Vocabulary.start, Vocabulary.end


def test_pictures_come_with_all_their_captions(drawn_pictures):
    file, folder, captions = drawn_pictures
    dataset = read_dataset(file, folder)
    assert len(dataset) == 8
    assert {p.path.name: p.captions for p in dataset.pictures} == {
        k: (v,) for k, v in captions.items()
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["images"].clear(), "there is no picture in"),
        (lambda d: d["annotations"].pop(), "has 1 pictures without a caption, first 8"),
        (
            lambda d: d["images"][0].update(file_name="no.png"),
            "has 1 pictures whose file is absent",
        ),
        (lambda d: d.pop("images"), "is no COCO captions JSON"),
        (lambda d: d["images"][0].pop("file_name"), "is no COCO captions JSON"),
        (lambda d: d["annotations"][0].pop("caption"), "is no COCO captions JSON"),
    ],
)
def test_a_wrong_captions_file_is_refused_by_name(drawn_pictures, change, message):
    file, folder, _ = drawn_pictures
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=message) as caught:
        read_dataset(file, folder)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("text", ["", "hello", "[]", "3"])
def test_a_file_that_is_no_captions_json_is_refused(tmp_path, text):
    (tmp_path / "captions.json").write_text(text)
    with pytest.raises(DataError, match="is no COCO captions JSON"):
        read_dataset(tmp_path / "captions.json", tmp_path)


def test_missing_files_and_folders_are_refused(drawn_pictures):
    file, folder, _ = drawn_pictures
    with pytest.raises(DataError, match="there is no captions file '.*absent.json'"):
        read_dataset(folder / "absent.json", folder)
    with pytest.raises(DataError, match="there is no folder of images '.*absent'"):
        read_dataset(file, folder / "absent")


def test_a_dataset_can_be_made_without_a_file(tmp_path):
    (tmp_path / "a.png").touch()
    captions = {
        "images": [{"id": 7, "file_name": "a.png"}],
        "annotations": [{"image_id": 7, "caption": c} for c in ("a dog", "dogs")],
    }
    (picture,) = make_dataset(captions, tmp_path, "train").pictures
    assert (picture.id, picture.captions) == (7, ("a dog", "dogs"))


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
