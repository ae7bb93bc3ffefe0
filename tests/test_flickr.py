"""A small fake of Flickr8k and Flickr30k, with planted answers, and the real data where it is."""

import json
import shutil
import zipfile

import pytest
from conftest import refused
from PIL import Image
from pycocotools.coco import COCO

from captioner.data import read_dataset
from captioner.prepare import prepare

CAPTIONS = {
    "11_aa.jpg": ["A dog runs .", "Two School Girls sit ."],
    "12_bb.jpg": ["A man walks .", "a man walks ."],
    "13_cc.jpg": ["A cat ."],
    "14_dd.jpg.1": ["A stray ."],
}
SENTENCES = {
    "11": "[/EN#2/people Two schoolgirls] sit .\n[/EN#1/animals a dog] [/EN#0/notvisual runs] .\n",
    "12": "[/EN#3/people A man] walks .\n[/EN#4/people A man] walks .\n",
    "13": "[/EN#5/animals/scene A kitten] .\n",
}
BOXES = {"1": (1, 1, 10, 20), "2": (91, 41, 120, 60), "3": (11, 11, 11, 11), "4": (1, 1, 100, 50)}


def entities_xml(boxes: dict, size: tuple[int, int] = (100, 50)) -> str:
    items = "".join(
        f"<object><name>{entity}</name><name>9{entity}</name><bndbox>"
        + "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box))
        + "</bndbox></object>"
        for entity, box in boxes.items()
    )
    width, height = size
    return (
        f"<annotation><size><width>{width}</width><height>{height}</height></size>{items}"
        "<object><name>7</name><scene>1</scene><nobndbox>1</nobndbox></object></annotation>"
    )


@pytest.fixture
def flickr(tmp_path):
    """Pictures 11 and 12 to train on, 13 for dev; pictures are 200x150, XML speaks of 100x50."""
    source = tmp_path / "flickr"
    for folder in ("Flicker8k_Dataset", "Flickr8k_text", "Annotations", "Sentences"):
        (source / folder).mkdir(parents=True)
    for name in list(CAPTIONS)[:3]:
        Image.new("RGB", (200, 150)).save(source / "Flicker8k_Dataset" / name)
    write_captions(source, CAPTIONS)
    write_list(source, "train", "11_aa.jpg", "12_bb.jpg")
    write_list(source, "dev", "13_cc.jpg")
    for stem, text in SENTENCES.items():
        (source / "Sentences" / f"{stem}.txt").write_text(text)
        (source / "Annotations" / f"{stem}.xml").write_text(entities_xml(BOXES))
    return source


def write_captions(source, captions):
    with (source / "Flickr8k_text" / "Flickr8k.token.txt").open("w") as file:
        for name, texts in captions.items():
            file.writelines(f"{name}#{number}\t{text}\n" for number, text in enumerate(texts))


def write_list(source, split, *names):
    (source / "Flickr8k_text" / f"Flickr_8k.{split}Images.txt").write_text("\n".join(names) + "\n")


def phrase(split, region):
    captions = {a["id"]: a["caption"] for a in split["annotations"]}
    return " ".join(captions[region["annotation_id"]].split()[region["start"] : region["end"]])


def test_flickr8k_has_the_listed_pictures_and_their_captions_unchanged(flickr, tmp_path):
    prepared = prepare("flickr8k", flickr, tmp_path / "new" / "out")
    assert prepared.images == flickr / "Flicker8k_Dataset"
    assert list(prepared.splits) == ["train", "dev"]
    train = prepared.splits["train"]
    assert train["images"][0] == {"id": 11, "file_name": "11_aa.jpg", "width": 200, "height": 150}
    assert [(a["id"], a["image_id"], a["caption"]) for a in train["annotations"]] == [
        (110, 11, "A dog runs ."),
        (111, 11, "Two School Girls sit ."),
        (120, 12, "A man walks ."),
        (121, 12, "a man walks ."),
    ]
    assert "Flickr8k.token.txt also has captions for 1 picture in no list" in prepared.notes


def test_boxes_are_scaled_to_the_picture_and_clipped(flickr, tmp_path):
    train = prepare("flickr8k", flickr, tmp_path / "out").splits["train"]
    boxes = {(r["annotation_id"], phrase(train, r)): r["boxes"] for r in train["regions"]}
    # The picture is 2 x 3 times the XML's size: pixels 1..10 of 100 are 0..20 of 200.
    assert boxes[110, "A dog"] == [[0.0, 0.0, 20.0, 60.0]]
    assert boxes[111, "Two School Girls"] == [[180.0, 120.0, 20.0, 30.0]]
    assert boxes[120, "A man"] == [[20.0, 30.0, 2.0, 3.0]]


def test_regions_of_identical_captions_come_from_one_sentence_each(flickr, tmp_path):
    train = prepare("flickr8k", flickr, tmp_path / "out").splits["train"]
    assert [r["annotation_id"] for r in train["regions"]] == [110, 111, 120, 121]
    assert {r["kind"] for r in train["regions"]} == {"animals", "people"}


def test_an_entity_has_all_its_boxes_and_a_box_all_its_names(flickr, tmp_path):
    twice = entities_xml({"1": (1, 1, 10, 10)}).replace("</annotation>", "")
    twice += entities_xml({"91": (51, 1, 60, 10)}).partition("</size>")[2]
    (flickr / "Annotations" / "11.xml").write_text(twice)
    sentence = "[/EN#1/animals A dog] [/EN#91/animals/other runs] ."
    (flickr / "Sentences" / "11.txt").write_text(sentence)
    train = prepare("flickr8k", flickr, tmp_path / "out").splits["train"]
    one, other = [r for r in train["regions"] if r["image_id"] == 11]
    assert one["boxes"] == [[0.0, 0.0, 20.0, 30.0]]
    assert other["boxes"] == [[0.0, 0.0, 20.0, 30.0], [100.0, 0.0, 20.0, 30.0]]
    assert (other["start"], other["end"], other["kind"]) == (2, 3, "animals/other")


def test_a_box_without_area_in_the_picture_is_dropped(flickr, tmp_path):
    outside = {"1": (101, 1, 120, 20), "2": (10, 20, 20, 10)}
    (flickr / "Annotations" / "11.xml").write_text(entities_xml(outside))
    train = prepare("flickr8k", flickr, tmp_path / "out").splits["train"]
    assert {r["image_id"] for r in train["regions"]} == {12}


def test_sentences_and_phrases_that_fit_no_caption_are_counted(flickr, tmp_path):
    write_captions(flickr, CAPTIONS | {"11_aa.jpg": ["Ado gruns ."]})
    (flickr / "Sentences" / "12.txt").unlink()
    prepared = prepare("flickr8k", flickr, tmp_path / "out")
    assert prepared.splits["train"]["regions"] == prepared.splits["dev"]["regions"] == []
    assert {
        "train: Entities sentences that match no caption, left out: 1",
        "train: Entities sentences that match a caption: 1",
        "train: phrases that begin or end inside a word of the caption, left out: 1",
        "train: pictures without Entities, left without regions: 1",
    } <= set(prepared.notes)


@pytest.mark.parametrize("place", ["annotations.zip in the source", "zip elsewhere", "elsewhere"])
def test_entities_are_found_zipped_or_not_beside_the_pictures_or_apart(flickr, tmp_path, place):
    expected = prepare("flickr8k", flickr, tmp_path / "out").splits
    apart = flickr if "source" in place else tmp_path / "apart"
    apart.mkdir(exist_ok=True)
    if "zip" in place:
        with zipfile.ZipFile(apart / "annotations.zip", "w") as archive:
            for path in [*flickr.glob("Annotations/*"), *flickr.glob("Sentences/*")]:
                archive.write(path, path.relative_to(flickr))
        shutil.rmtree(flickr / "Annotations")
    else:
        (flickr / "Annotations").rename(apart / "Annotations")
        (flickr / "Sentences").rename(apart / "Sentences")
    entities = None if apart == flickr else apart
    assert prepare("flickr8k", flickr, tmp_path / "out", entities=entities).splits == expected


def test_without_entities_there_are_no_regions_and_a_note(flickr, tmp_path):
    shutil.rmtree(flickr / "Sentences")
    prepared = prepare("flickr8k", flickr, tmp_path / "out")
    assert prepared.splits["train"]["regions"] == []
    assert f"no regions, as {flickr} holds no Flickr30k Entities" in prepared.notes


@pytest.mark.parametrize("folder", ["Flickr8k_Dataset", "Flickr8k_Dataset/Flicker8k_Dataset"])
def test_the_folders_of_the_distributed_zips_are_found(flickr, tmp_path, folder):
    shutil.move(flickr / "Flicker8k_Dataset", flickr / "moved")
    (flickr / folder).parent.mkdir(exist_ok=True)
    shutil.move(flickr / "moved", flickr / folder)
    for path in (flickr / "Flickr8k_text").iterdir():
        path.rename(flickr / path.name)
    (flickr / "Flickr8k_text").rmdir()
    prepared = prepare("flickr8k", flickr, tmp_path / "out")
    assert prepared.images == flickr / folder
    assert len(prepared.splits["train"]["images"]) == 2


def test_sizes_are_those_of_the_upright_picture(flickr, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 150)).save(flickr / "Flicker8k_Dataset" / "11_aa.jpg", exif=exif)
    image = prepare("flickr8k", flickr, tmp_path / "out").splits["train"]["images"][0]
    assert (image["width"], image["height"]) == (150, 200)


def test_a_picture_without_a_header_has_no_size_and_no_regions(flickr, tmp_path):
    whole = prepare("flickr8k", flickr, tmp_path / "whole").splits["train"]
    (flickr / "Flicker8k_Dataset" / "12_bb.jpg").write_text("no picture")
    prepared = prepare("flickr8k", flickr, tmp_path / "out")
    train = prepared.splits["train"]
    assert train["images"][1] == {"id": 12, "file_name": "12_bb.jpg"}
    assert train["regions"] == [r for r in whole["regions"] if r["image_id"] == 11]
    assert train["annotations"] == whole["annotations"]
    count = "train: pictures whose header can't be read, left without regions: 1"
    assert count in prepared.notes
    dataset = read_dataset(tmp_path / "out" / "captions_train.json", prepared.images)
    assert [picture.size for picture in dataset.pictures] == [(200, 150), None]


def test_a_listed_test_split_is_written_when_its_pictures_are_there(flickr, tmp_path):
    write_captions(flickr, CAPTIONS | {"15_ee.jpg": ["A fish ."]})
    write_list(flickr, "test", "15_ee.jpg")
    prepared = prepare("flickr8k", flickr, tmp_path / "out")
    images = flickr / "Flicker8k_Dataset"
    assert list(prepared.splits) == ["train", "dev"]
    assert f"test is left out, as none of its pictures (1) is in {images}" in prepared.notes
    Image.new("RGB", (8, 8)).save(images / "15_ee.jpg")
    assert list(prepare("flickr8k", flickr, tmp_path / "out").splits) == ["train", "dev", "test"]


def test_flickr8k_refuses_pictures_it_cannot_use(flickr):
    images = flickr / "Flicker8k_Dataset"
    (images / "12_bb.jpg").unlink()
    refused(f"train: pictures that aren't in {images}: 1, first 12_bb.jpg", "flickr8k", flickr)
    for path in images.iterdir():
        path.unlink()
    refused("none of the pictures in the lists of splits is in", "flickr8k", flickr)


def test_flickr8k_refuses_lists_that_are_wrong(flickr):
    write_list(flickr, "dev", "13_cc.jpg", "11_aa.jpg")
    refused("pictures in both train and dev: 1, first 11_aa.jpg", "flickr8k", flickr)
    write_list(flickr, "dev", "13_cc.jpg", "13_cc.jpg")
    refused("dev: image ids used twice: 1, first 13", "flickr8k", flickr)
    write_list(flickr, "dev", "")
    refused("dev: the list of pictures is empty", "flickr8k", flickr)
    (flickr / "Flicker8k_Dataset" / "13_cc.jpg").rename(flickr / "Flicker8k_Dataset" / "cat.jpg")
    write_list(flickr, "dev", "cat.jpg")
    refused("dev: expected a name like 12_ab.jpg, not 'cat.jpg'", "flickr8k", flickr)
    (flickr / "Flickr8k_text" / "Flickr_8k.devImages.txt").unlink()
    refused("can't read", "flickr8k", flickr)


def test_flickr8k_refuses_captions_that_are_wrong(flickr):
    write_captions(flickr, {name: CAPTIONS[name] for name in ("11_aa.jpg", "12_bb.jpg")})
    refused("dev: pictures without a caption: 1, first 13_cc.jpg", "flickr8k", flickr)
    tokens = flickr / "Flickr8k_text" / "Flickr8k.token.txt"
    for line in ("11_aa.jpg A dog .", "11_aa.jpg#0\t ", "11_aa.jpg#10\tA dog ."):
        tokens.write_text(f"11_aa.jpg#1\tA dog .\n{line}\n")
        refused(f"line 2: expected name.jpg#0, tab, caption, not {line!r}", "flickr8k", flickr)
    tokens.write_text("11_aa.jpg#0\tA dog .\n11_aa.jpg#0\tA cat .\n12_bb.jpg#0\tA man .\n")
    refused("train: annotation ids used twice: 1, first 110", "flickr8k", flickr)
    tokens.write_bytes(b"11_aa.jpg#0\t\xff")
    refused(f"can't read {tokens}", "flickr8k", flickr)
    tokens.unlink()
    refused("as Flickr8k_text/Flickr8k.token.txt or Flickr8k.token.txt", "flickr8k", flickr)


def test_flickr8k_refuses_entities_that_are_wrong(flickr, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    text = f"expected annotations.zip, or Annotations and Sentences, in {empty}"
    refused(text, "flickr8k", flickr, entities=empty)
    (empty / "annotations.zip").write_text("not a zip")
    refused("annotations.zip isn't a readable zip", "flickr8k", flickr, entities=empty)
    drawn = flickr / "Annotations" / "11.xml"
    no_size, no_width = "<annotation/>", entities_xml({}, (0, 5))
    no_number = entities_xml({1: "abcd"})
    for text in ("<annotation>", no_size, no_width, no_number):
        drawn.write_text(text)
        refused(f"{drawn} isn't Entities XML with a size and boxes", "flickr8k", flickr)


@pytest.fixture
def flickr30k(flickr):
    """The same pictures as Flickr30k names and distributes them, 11 and 12 to train on."""
    pictures = flickr / "flickr30k-images"
    (flickr / "Flicker8k_Dataset").rename(pictures)
    for path in pictures.iterdir():
        path.rename(path.with_name(f"{path.name[:2]}.jpg"))
    rows = [
        f"{name[:2]}.jpg#{number}\t{text}\n"
        for name, texts in CAPTIONS.items()
        for number, text in enumerate(texts)
    ]
    (flickr / "results_20130124.token").write_text("".join(rows))
    shutil.rmtree(flickr / "Flickr8k_text")
    images = [
        {"imgid": i, "filename": f"{11 + i}.jpg", "split": split, "sentences": []}
        for i, split in enumerate(["train", "train", "val"])
    ]
    (flickr / "dataset_flickr30k.json").write_text(json.dumps({"images": images}))
    return flickr


def test_flickr30k_is_split_as_karpathy_did_with_its_own_captions_and_regions(flickr30k, tmp_path):
    prepared = prepare("flickr30k", flickr30k, tmp_path / "out")
    assert prepared.images == flickr30k / "flickr30k-images"
    assert list(prepared.splits) == ["train", "dev"]
    train, dev = prepared.splits.values()
    assert train["images"][0] == {"id": 11, "file_name": "11.jpg", "width": 200, "height": 150}
    assert [(a["id"], a["caption"]) for a in dev["annotations"]] == [(130, "A cat .")]
    boxes = {phrase(train, r): r["boxes"] for r in train["regions"]}
    assert boxes["Two School Girls"] == [[180.0, 120.0, 20.0, 30.0]]
    stray = "results_20130124.token also has captions for 1 picture in no list"
    assert stray in prepared.notes


def test_flickr30k_without_a_list_of_splits_says_what_to_put_there(flickr30k):
    (flickr30k / "dataset_flickr30k.json").unlink()
    text = f"put dataset_flickr30k.json into {flickr30k} (`captioner download karpathy` has it)"
    refused(text, "flickr30k", flickr30k)


def test_flickr30k_refuses_what_is_not_laid_out_as_distributed(flickr30k):
    (flickr30k / "results_20130124.token").unlink()
    refused("expected captions in", "flickr30k", flickr30k)
    shutil.rmtree(flickr30k / "flickr30k-images")
    refused("as flickr30k_images or flickr30k-images", "flickr30k", flickr30k)


def test_real_flickr8k_has_its_splits_and_its_regions_their_words(flickr8k, tmp_path):
    prepared = prepare("flickr8k", flickr8k, tmp_path)
    sizes = {n: (len(s["images"]), len(s["annotations"])) for n, s in prepared.splits.items()}
    assert sizes == {"train": (5977, 29885), "dev": (992, 4960)}
    matched = [note for note in prepared.notes if "that match a caption" in note]
    assert sum(int(note.split()[-1]) for note in matched) == 34356  # 98.6 %

    train = prepared.splits["train"]
    image = next(image for image in train["images"] if image["id"] == 1000268201)
    regions = [r for r in train["regions"] if r["annotation_id"] == 10002682010]
    phrases = ["A child", "a pink dress", "a set of stairs", "an entry way"]
    assert [phrase(train, r) for r in regions] == phrases
    across, down = image["width"] / 375, image["height"] / 500
    child = [7 * across, 151 * down, 101 * across, 189 * down]
    assert regions[0]["boxes"] == [pytest.approx(child, abs=0.011)]

    sides = {image["id"]: (image["width"], image["height"]) for image in train["images"]}
    for region in train["regions"]:
        width, height = sides[region["image_id"]]
        for x, y, w, h in region["boxes"]:
            assert 0 <= x < x + w < width + 0.001 and 0 <= y < y + h < height + 0.001
    assert len(COCO(tmp_path / "captions_train.json").getAnnIds(imgIds=1000268201)) == 5
    assert len(COCO(tmp_path / "captions_dev.json").getAnnIds()) == 4960
