"""What `prepare` does for every layout; each layout has a test file of its own."""

import json

import pytest
from conftest import refused

from captioner.cli import main
from captioner.errors import DataError, ImageError
from captioner.layouts.files import upright_size
from captioner.prepare import LAYOUTS, prepare


@pytest.fixture
def source(drawn_pictures):
    """Pictures of one's own, with a caption each."""
    _, folder, captions = drawn_pictures
    rows = [{"file_name": name, "caption": text} for name, text in captions.items()]
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_files_hold_what_is_returned_and_nothing_else_is_left(source, tmp_path):
    out = tmp_path / "new" / "out"
    prepared = prepare("folder", str(source), str(out))
    assert sorted(path.name for path in out.iterdir()) == [
        "captions_dev.json",
        "captions_train.json",
    ]
    for name, split in prepared.splits.items():
        assert json.loads((out / f"captions_{name}.json").read_text()) == split
    first = [path.read_bytes() for path in sorted(out.iterdir())]
    prepare("folder", source, out)
    assert first == [path.read_bytes() for path in sorted(out.iterdir())]


def test_an_unknown_layout_names_those_there_are(source):
    choices = ", ".join(LAYOUTS)
    refused(f"unknown layout 'voc'; choose one of {choices}", "voc", source, ValueError)


@pytest.mark.parametrize(
    ("layout", "option"),
    [("coco", "entities"), ("coco", "images"), ("folder", "entities"), ("flickr8k", "images")],
)
def test_a_layout_refuses_folders_it_would_not_look_into(source, layout, option):
    text = f"{layout} has no use for {option}; leave out {source}"
    refused(text, layout, source, ValueError, **{option: source})


def test_a_picture_whose_header_is_broken_is_named_and_has_no_size(source, tmp_path, capsys):
    (source / "red-circle.png").write_text("no picture")
    (source / "blue-square.png").write_bytes((source / "red-square.png").read_bytes()[:20])
    assert main(["prepare", "folder", str(source), "--output", str(tmp_path / "out")]) == 0
    said = (
        "pictures whose header can't be read: 2, first red-circle.png, blue-square.png; they have "
        "no size, and training leaves them out (--max-bad-images)"
    )
    assert said in capsys.readouterr().err.splitlines()
    files = (tmp_path / "out").glob("captions_*.json")
    images = [image for path in files for image in json.loads(path.read_text())["images"]]
    bare = {image["file_name"] for image in images if not {"width", "height"} & image.keys()}
    assert len(images) == 8 and bare == {"red-circle.png", "blue-square.png"}
    with pytest.raises(ImageError, match=f"can't read the picture {source / 'red-circle.png'}: "):
        upright_size(source / "red-circle.png")


def test_pictures_that_are_all_broken_are_refused(source):
    for path in source.glob("*.png"):
        path.write_text("a pointer to a picture that was not fetched")
    text = "there are no others than pictures whose header can't be read: 8, first "
    refused(text, "folder", source)


def test_an_output_that_is_a_file_is_refused(source, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(DataError, match=f"can't write into {tmp_path / 'out'}: "):
        prepare("folder", source, tmp_path / "out")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_that_is_not_there_is_said_in_one_sentence(layout, tmp_path):
    refused(str(tmp_path / "nowhere"), layout, tmp_path / "nowhere")
