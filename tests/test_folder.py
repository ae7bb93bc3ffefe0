"""One's own pictures and captions, with planted answers."""

import json

import pytest
from conftest import refused
from PIL import Image

from captioner.data import read_dataset
from captioner.prepare import prepare

ROWS = [
    {"file_name": "a.jpg", "caption": "A cat, black.", "split": "train"},
    {"file_name": "sub/b.png", "caption": 'A "dog".', "split": "val"},
    {"file_name": "a.jpg", "caption": "Un café.", "split": "train"},
    {"file_name": "c.jpg", "caption": "A hat.", "split": "test"},
]
CSV = (
    "file_name,caption,split\n"
    'a.jpg,"A cat, black.",train\n'
    'sub/b.png,"A ""dog"".",val\n'
    "a.jpg,Un café.,train\n"
    "\n"
    "c.jpg,A hat.,test\n"
)


@pytest.fixture
def source(tmp_path):
    """Three pictures, one of them in a folder of the folder."""
    folder = tmp_path / "mine"
    (folder / "sub").mkdir(parents=True)
    for width, row in enumerate(ROWS, start=1):
        Image.new("RGB", (width, 9)).save(folder / row["file_name"])
    return folder


def write(source, text, name="captions.csv"):
    (source / name).write_bytes(text.encode())


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def captions(prepared):
    """Split -> file name -> its captions."""
    found = {}
    for name, split in prepared.splits.items():
        names = {image["id"]: image["file_name"] for image in split["images"]}
        found[name] = {file: [] for file in names.values()}
        for annotation in split["annotations"]:
            found[name][names[annotation["image_id"]]].append(annotation["caption"])
    return found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("captions.csv", CSV),
        ("captions.csv", "\ufeff" + CSV),
        ("captions.csv", CSV.replace("\n", "\r\n")),
        ("captions.csv", CSV.replace("file_name", "image")),
        ("captions.csv", CSV.replace("file_name", "filename").replace("a.jpg", "./a.jpg")),
        ("captions.jsonl", jsonl(ROWS)),
        ("captions.jsonl", "\ufeff" + jsonl(ROWS).replace("\n", "\n\n")),
    ],
)
def test_rows_become_captions_of_their_pictures(source, tmp_path, name, text):
    write(source, text, name)
    prepared = prepare("folder", source, tmp_path / "out")
    assert prepared.images == source and prepared.notes == ()
    assert captions(prepared) == {
        "train": {"a.jpg": ["A cat, black.", "Un café."]},
        "val": {"sub/b.png": ['A "dog".']},
        "test": {"c.jpg": ["A hat."]},
    }
    image = {"id": 2, "file_name": "sub/b.png", "width": 2, "height": 9}
    assert prepared.splits["val"]["images"] == [image]
    dataset = read_dataset(tmp_path / "out" / "captions_train.json", prepared.images)
    assert dataset.pictures[0].captions == ("A cat, black.", "Un café.")


def test_the_captions_may_lie_apart_from_the_pictures(source, tmp_path):
    write(tmp_path, CSV, "mine.csv")
    prepared = prepare("folder", tmp_path / "mine.csv", tmp_path / "out", images=source)
    assert prepared.images == source and len(prepared.splits) == 3


def test_without_splits_a_tenth_is_dev_and_new_pictures_move_no_other(source, tmp_path):
    names = [f"{number}.png" for number in range(300)]
    for name in names:
        Image.new("1", (1, 1)).save(source / name)
    dev = {}
    for count in (200, 300):
        rows = [{"file_name": name, "caption": "A dot."} for name in names[:count]]
        write(source, jsonl(rows), "captions.jsonl")
        prepared = prepare("folder", source, tmp_path / "out")
        found = captions(prepared)
        assert list(found) == ["train", "dev"]
        assert found["train"].keys() | found["dev"].keys() == set(names[:count])
        dev[count] = found["dev"].keys()
        said = (
            f"captions.jsonl gives no split: dev gets {len(dev[count])} of the {count} pictures, by"
        )
        assert prepared.notes[0].startswith(said)
    assert 0.05 < len(dev[300]) / 300 < 0.15
    assert dev[200] == dev[300] & set(names[:200])


@pytest.mark.parametrize("count", range(2, 6))
def test_a_handful_of_pictures_has_one_at_least_on_either_side(source, tmp_path, count):
    for first in range(0, 60, count):
        names = [f"{number}.png" for number in range(first, first + count)]
        for name in names:
            Image.new("1", (1, 1)).save(source / name)
        rows = [{"file_name": name, "caption": "A dot."} for name in names]
        write(source, jsonl(rows), "captions.jsonl")
        splits = prepare("folder", source, tmp_path / "out").splits
        assert splits["train"]["images"] and splits["dev"]["images"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "captions.csv has no captions"),
        ("file_name,caption\n", "captions.csv has no captions"),
        ("file_name;caption\na.jpg;A cat.\n", "row 1: expected a header with file_name and cap"),
        ("a.jpg,A cat.\n", "row 1: expected a header with file_name and caption, separated by"),
        (
            "image,caption\na.jpg,A cat, black.\n",
            "row 2: expected 2 cells, not 3; a caption with a",
        ),
        ("image,caption\na.jpg,A cat.\n\na.jpg\n", "row 4: expected 2 cells, not 1"),
        ('image,caption\na.jpg,A cat.\na.jpg,"A', "row 3: unexpected end of data"),
        ("image,caption\n ,A cat.\n", "row 2: expected the name of a picture as file_name, not"),
        ("image,caption\na.jpg, \n", "row 2: expected a caption, not ' '"),
        ("image,caption\n../a.jpg,A cat.\n", "a picture inside the folder, not '../a.jpg'"),
        ("image,caption\n/a.jpg,A cat.\n", "a picture inside the folder, not '/a.jpg'"),
        ("image,caption\na.jpg,A cat.\n", "captions.csv has one picture; expected two or more"),
        ("image,caption\nx.jpg,A cat.\n", "aren't in {}: 1, first x.jpg"),
        (CSV.replace(",val", ",eval"), "row 3: expected the split train or dev or val or test"),
        (
            CSV.replace(",val", ","),
            "captions.csv: rows without a split, which others have: 1, firs",
        ),
        (
            CSV.replace("café.,train", "café.,test"),
            "pictures in both train and test: 1, first a.jp",
        ),
        (
            CSV.replace("café.,train", "café.,test").replace("\na.", "\n./a.", 1),
            "train and test: 1",
        ),
    ],
)
def test_a_csv_that_is_wrong_is_refused_by_its_row(source, text, said):
    write(source, text)
    refused(said.format(source), "folder", source)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "row 2: it isn't JSON: "),
        ('["a.jpg", "A cat."]', "row 2: expected a JSON object, not '["),
        ('{"caption": "A cat."}', "row 2: expected the name of a picture as file_name, not None"),
        ('{"image": "a.jpg", "caption": 3}', "row 2: expected a caption, not 3"),
        ('{"image": "a.jpg", "caption": "A", "split": 3}', "row 2: expected the split train or"),
    ],
)
def test_a_jsonl_that_is_wrong_is_refused_by_its_line(source, line, said):
    write(source, jsonl(ROWS[:1]) + line + "\n", "captions.jsonl")
    refused(said, "folder", source)


def test_a_folder_with_no_captions_file_or_both_is_refused(source):
    expected = f"expected captions.csv or captions.jsonl in {source}, which holds"
    refused(f"{expected} neither", "folder", source)
    write(source, CSV)
    write(source, jsonl(ROWS), "captions.jsonl")
    refused(f"{expected} both", "folder", source)
    refused("expected a folder, a .csv or a .jsonl, not", "folder", source / "a.jpg")


def test_captions_in_another_encoding_are_refused(source):
    (source / "captions.csv").write_bytes(CSV.encode("latin-1"))
    refused(f"can't read {source / 'captions.csv'}", "folder", source)
