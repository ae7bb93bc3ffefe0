"""A small fake of Karpathy's JSON with planted answers, and one made of real COCO photos."""

import json
import shutil

import pytest
from conftest import refused
from PIL import Image
from pycocotools.coco import COCO

from captioner.data import read_dataset
from captioner.prepare import prepare

SPLITS = {1: "train", 2: "restval", 3: "val", 4: "test"}


def coco_entry(key, split):
    year = "train2014" if split == "train" else "val2014"
    name = f"COCO_{year}_{key:012}.jpg"
    entry = {"filepath": year, "filename": name, "cocoid": key, "imgid": key - 1, "split": split}
    sentence = {"raw": f"Cat {key}.", "tokens": ["cat", str(key)], "sentid": key * 10, "imgid": 0}
    return entry | {"sentids": [key * 10], "sentences": [sentence]}


@pytest.fixture
def coco(tmp_path):
    """dataset_coco.json with its pictures beside it, as of 2014; each is as wide as its id."""
    source = tmp_path / "coco"
    entries = [coco_entry(key, split) for key, split in SPLITS.items()]
    for entry in entries:
        (source / entry["filepath"]).mkdir(parents=True, exist_ok=True)
        path = source / entry["filepath"] / entry["filename"]
        Image.new("RGB", (entry["cocoid"], 10)).save(path)
    write(source, entries)
    return source


def write(source, entries, name="dataset_coco.json"):
    (source / name).write_text(json.dumps({"images": entries, "dataset": "coco"}))


def change(source, key, **values):
    entries = json.loads((source / "dataset_coco.json").read_text())["images"]
    entries[key - 1] |= values
    write(source, [{k: v for k, v in entry.items() if v is not None} for entry in entries])


def flickr(source):
    """Turns the fake into one of Flickr8k, with its pictures in one folder."""
    (source / "Flicker8k_Dataset").mkdir()
    entries = json.loads((source / "dataset_coco.json").read_text())["images"]
    for entry in entries:
        old = source / entry.pop("filepath") / entry["filename"]
        entry["filename"] = f"{entry.pop('cocoid')}_ab.jpg"
        old.rename(source / "Flicker8k_Dataset" / entry["filename"])
    (source / "dataset_coco.json").unlink()
    write(source, entries, "dataset_flickr8k.json")


def files(prepared):
    return {
        name: [image["file_name"] for image in split["images"]]
        for name, split in prepared.splits.items()
    }


def test_restval_joins_train_and_the_note_says_so(coco, tmp_path):
    prepared = prepare("karpathy", coco, tmp_path / "out")
    assert prepared.images == coco
    assert files(prepared) == {
        "train": [
            "train2014/COCO_train2014_000000000001.jpg",
            "val2014/COCO_val2014_000000000002.jpg",
        ],
        "val": ["val2014/COCO_val2014_000000000003.jpg"],
        "test": ["val2014/COCO_val2014_000000000004.jpg"],
    }
    assert prepared.notes == ("train has 1 picture of restval",)


def test_ids_are_those_of_coco_and_sizes_those_of_the_pictures(coco, tmp_path):
    test = prepare("karpathy", coco / "dataset_coco.json", tmp_path / "out").splits["test"]
    name = "val2014/COCO_val2014_000000000004.jpg"
    assert test["images"] == [{"id": 4, "file_name": name, "width": 4, "height": 10}]
    assert test["annotations"] == [{"id": 40, "image_id": 4, "caption": "Cat 4."}]
    assert test["regions"] == []


def test_the_same_pictures_as_coco_2017_names_them_will_do(coco, tmp_path):
    for name, keys in (("train2017", (1, 2, 3)), ("val2017", (4,))):
        (coco / name).mkdir()
        for key in keys:
            Image.new("RGB", (key, 10)).save(coco / name / f"{key:012}.jpg")
    expected = prepare("karpathy", coco, tmp_path / "out").splits
    shutil.rmtree(coco / "train2014")
    shutil.rmtree(coco / "val2014")
    prepared = prepare("karpathy", coco, tmp_path / "out")
    assert files(prepared)["val"] == ["train2017/000000000003.jpg"]
    assert files(prepared)["test"] == ["val2017/000000000004.jpg"]
    for name, split in prepared.splits.items():
        assert split["annotations"] == expected[name]["annotations"]
        assert [i["width"] for i in split["images"]] == [
            i["width"] for i in expected[name]["images"]
        ]


def test_a_flickr_set_has_dev_and_the_ids_of_the_file(coco, tmp_path):
    flickr(coco)
    prepared = prepare("karpathy", coco, tmp_path / "out")
    assert files(prepared)["dev"] == ["Flicker8k_Dataset/3_ab.jpg"]
    assert prepared.splits["dev"]["images"][0]["id"] == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "captions_dev.json",
        "captions_test.json",
        "captions_train.json",
    ]


@pytest.mark.parametrize("inside", ["", "Flicker8k_Dataset"])
def test_pictures_elsewhere_are_found_by_images(coco, tmp_path, inside):
    flickr(coco)
    apart = tmp_path / "apart" / inside
    apart.parent.mkdir(exist_ok=True)
    (coco / "Flicker8k_Dataset").rename(apart)
    prepared = prepare("karpathy", coco, tmp_path / "out", images=tmp_path / "apart")
    assert prepared.images == tmp_path / "apart"
    assert files(prepared)["test"] == [f"{inside}/4_ab.jpg".lstrip("/")]


def test_a_split_whose_pictures_are_kept_away_is_left_out(coco, tmp_path):
    (coco / "val2014" / "COCO_val2014_000000000004.jpg").unlink()
    prepared = prepare("karpathy", coco, tmp_path / "out")
    assert list(prepared.splits) == ["train", "val"]
    assert f"test is left out, as none of its pictures (1) is in {coco}" in prepared.notes


def test_absent_pictures_are_refused(coco):
    (coco / "val2014" / "COCO_val2014_000000000002.jpg").unlink()
    text = f"train: pictures that aren't in {coco}: 1, first COCO_val2014_000000000002.jpg"
    refused(text, "karpathy", coco)
    shutil.rmtree(coco / "train2014")
    shutil.rmtree(coco / "val2014")
    text = f"none of the pictures in {coco / 'dataset_coco.json'} is in {coco}, nor in its folders"
    refused(f"{text} train2014, val2014, train2017", "karpathy", coco)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"split": "eval"}, "split is 'eval', not one of train, restval, val, test"),
        ({"filename": None}, "isn't Karpathy's JSON: 'filename' is missing"),
        ({"cocoid": None, "imgid": None}, "isn't Karpathy's JSON: 'imgid' is missing"),
        ({"cocoid": "3"}, "cocoid is '3', not of type int"),
        ({"sentences": [{"sentid": 1}]}, "isn't Karpathy's JSON: 'raw' is missing"),
        ({"sentences": ["A cat."]}, "isn't Karpathy's JSON: "),
        ({"sentences": []}, "val: pictures without a caption: 1, first val2014/COCO_"),
        ({"cocoid": 4}, "image ids in both val and test: 1, first 4"),
        ({"filename": "COCO_val2014_000000000004.jpg"}, "pictures in both val and test: 1, first"),
    ],
)
def test_what_does_not_belong_together_is_refused(coco, values, text):
    change(coco, 3, **values)
    refused(text, "karpathy", coco)


def test_a_file_that_is_no_such_json_is_refused(coco, tmp_path):
    write(coco, [])
    refused("dataset_coco.json has no pictures", "karpathy", coco)
    (coco / "dataset_coco.json").write_text("{")
    refused("dataset_coco.json isn't Karpathy's JSON: ", "karpathy", coco)


def test_a_folder_with_no_such_file_or_several_is_refused(coco):
    write(coco, [], "dataset_flickr8k.json")
    text = f"{coco} holds dataset_coco.json and dataset_flickr8k.json; give one of them"
    refused(text, "karpathy", coco)
    for path in coco.glob("*.json"):
        path.unlink()
    refused(f"dataset_flickr8k.json or dataset_flickr30k.json in {coco}", "karpathy", coco)


def test_a_karpathy_json_of_real_photos_is_read_by_pycocotools_and_by_ours(coco_mini, tmp_path):
    said, entries = {}, []
    for number, name in enumerate(("train", "val")):
        content = json.loads((coco_mini / "annotations" / f"captions_{name}2017.json").read_text())
        for annotation in content["annotations"]:
            sentence = {"raw": annotation["caption"], "sentid": annotation["id"]}
            said.setdefault(annotation["image_id"], []).append(sentence)
        for place, image in enumerate(content["images"]):
            split = (("train", "restval"), ("val", "test"))[number][place % 2]
            entry = coco_entry(image["id"], split)
            entries.append(entry | {"sentences": said[image["id"]]})
    write(tmp_path, entries)
    prepare("karpathy", tmp_path, tmp_path / "out", images=coco_mini)
    prepare("coco", coco_mini, tmp_path / "coco")
    sizes = {}
    for name in ("train", "val"):
        official = json.loads((tmp_path / "coco" / f"captions_{name}.json").read_text())
        sizes |= {i["file_name"]: (i["width"], i["height"]) for i in official["images"]}
    for name, count in (("train", 80), ("val", 20), ("test", 20)):
        annotations = COCO(tmp_path / "out" / f"captions_{name}.json")
        images = annotations.loadImgs(annotations.getImgIds())
        assert len(images) == count and len(annotations.getAnnIds()) == count * 5
        # The sizes that COCO states are those that the headers say.
        assert all(sizes[i["file_name"]] == (i["width"], i["height"]) for i in images)
        dataset = read_dataset(tmp_path / "out" / f"captions_{name}.json", coco_mini)
        assert len(dataset) == count


def test_a_number_in_a_flickr_file_is_no_coco_id(coco, tmp_path):
    flickr(coco)
    (coco / "Flicker8k_Dataset" / "4_ab.jpg").unlink()
    (coco / "train2017").mkdir()
    Image.new("RGB", (9, 9)).save(coco / "train2017" / f"{4 - 1:012}.jpg")
    assert "test" not in prepare("karpathy", coco, tmp_path / "out").splits
