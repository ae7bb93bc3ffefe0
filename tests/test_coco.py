"""A small fake of COCO, with planted answers, and a piece of the real one where it is."""

import json
import shutil

import pytest
from conftest import refused
from PIL import Image
from pycocotools.coco import COCO

from captioner.prepare import prepare


@pytest.fixture
def coco(tmp_path):
    """One picture to train on, one for val, as of 2017."""
    source = tmp_path / "coco"
    (source / "annotations").mkdir(parents=True)
    for name, key in (("train", 1), ("val", 2)):
        (source / f"{name}2017").mkdir()
        Image.new("RGB", (20, 10)).save(source / f"{name}2017" / f"{key}.jpg")
        image = {"id": key, "file_name": f"{key}.jpg", "width": 20, "height": 10, "license": 3}
        image |= {"flickr_url": "http://flickr/1", "date_captured": "2013"}
        annotation = {"id": key * 10, "image_id": key, "caption": "A cat."}
        content = {"info": {"year": 2017}, "licenses": [{"id": 3}], "images": [image]}
        write_coco(source, name, content | {"annotations": [annotation]})
    return source


def write_coco(source, name, content):
    (source / "annotations" / f"captions_{name}2017.json").write_text(json.dumps(content))


def change_coco(source, change, name="train"):
    content = json.loads((source / "annotations" / f"captions_{name}2017.json").read_text())
    change(content)
    write_coco(source, name, content)


def test_coco_serves_both_splits_from_one_folder_with_attribution(coco, tmp_path):
    prepared = prepare("coco", coco, tmp_path / "out")
    assert prepared.images == coco
    assert prepared.notes == ()
    assert list(prepared.splits) == ["train", "val"]
    assert prepared.splits["val"] == {
        "info": {"year": 2017},
        "licenses": [{"id": 3}],
        "images": [
            {"id": 2, "file_name": "val2017/2.jpg", "width": 20, "height": 10}
            | {"license": 3, "flickr_url": "http://flickr/1"}
        ],
        "annotations": [{"id": 20, "image_id": 2, "caption": "A cat."}],
        "regions": [],
    }


def test_coco_takes_the_year_that_is_there_and_the_newest_of_two(coco, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(coco, both)
    for path in sorted(coco.rglob("*2017*"), reverse=True):
        path.rename(path.with_name(path.name.replace("2017", "2014")))
    image = prepare("coco", coco, tmp_path / "out").splits["train"]["images"][0]
    assert image["file_name"] == "train2014/1.jpg"
    shutil.copytree(coco, both, dirs_exist_ok=True)
    prepared = prepare("coco", both, tmp_path / "out")
    assert prepared.splits["train"]["images"][0]["file_name"] == "train2017/1.jpg"
    assert prepared.notes == (f"{both} holds COCO 2017 and 2014; took 2017",)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c["annotations"][0].update(image_id=7), "that aren't listed, ids: 1, first 7"),
        (lambda c: c.update(annotations=[]), "without a caption: 1, first train2017/1.jpg"),
        (lambda c: c["images"].extend(c["images"]), "train: image ids used twice: 1, first 1"),
        (lambda c: c["annotations"].extend(c["annotations"]), "annotation ids used twice: 1"),
        (lambda c: c.update(images=[], annotations=[]), "train: the list of pictures is empty"),
        (lambda c: c.pop("images"), "isn't COCO captions JSON: 'images' is missing"),
        (lambda c: c["images"][0].pop("width"), "isn't COCO captions JSON: 'width' is missing"),
        (lambda c: c["annotations"][0].update(caption=5), "caption is 5, not of type str"),
        (lambda c: c["annotations"].append("A cat."), "isn't COCO captions JSON: "),
        (lambda c: c["images"][0].update(file_name="x.jpg"), "train2017: 1, first x.jpg"),
    ],
)
def test_coco_refuses_what_does_not_belong_together(coco, change, text):
    change_coco(coco, change)
    refused(text, "coco", coco)


def test_coco_refuses_splits_that_share_a_picture(coco):
    change_coco(coco, lambda c: c["images"][0].update(id=2))
    change_coco(coco, lambda c: c["annotations"][0].update(image_id=2))
    refused("image ids in both train and val: 1, first 2", "coco", coco)


def test_coco_refuses_files_that_are_not_there_or_not_json(coco):
    (coco / "annotations" / "captions_train2017.json").write_text("{")
    refused("captions_train2017.json isn't COCO captions JSON: ", "coco", coco)
    (coco / "annotations" / "captions_train2017.json").unlink()
    expected = "annotations/captions_train2017.json or annotations/captions_train2014.json"
    refused(f"expected captions in {coco}, as {expected}", "coco", coco)


def test_coco_refuses_a_picture_folder_that_is_not_there_or_no_folder(coco):
    shutil.rmtree(coco / "val2017")
    refused(f"expected val pictures in {coco}, as val2017", "coco", coco)
    (coco / "val2017").write_text("")
    refused(f"can't list {coco / 'val2017'}", "coco", coco)


def test_real_coco_is_read_by_pycocotools_and_its_pictures_are_there(coco_mini, tmp_path):
    prepared = prepare("coco", coco_mini, tmp_path)
    for name, count in (("train", 80), ("val", 40)):
        annotations = COCO(tmp_path / f"captions_{name}.json")
        assert len(annotations.getImgIds()) == count
        assert len(annotations.getAnnIds()) == count * 5
        for image in annotations.loadImgs(annotations.getImgIds()):
            assert (prepared.images / image["file_name"]).is_file()
            assert image["flickr_url"] and image["license"]
