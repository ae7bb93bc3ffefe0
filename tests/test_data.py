import json

import pytest

from captioner.data import make_dataset, read_dataset, read_references, read_results
from captioner.errors import DataError


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
        (lambda d: d["annotations"].pop(), "has 1 picture without a caption: 8"),
        (
            lambda d: d["images"][0].update(file_name="no.png"),
            "has 1 picture whose file is absent",
        ),
        (lambda d: d.pop("images"), "is no COCO captions JSON: it has no list of images"),
        (lambda d: d.update(annotations=5), "is no COCO captions JSON with images and annotations"),
        (lambda d: d["images"][0].pop("id"), "is no COCO captions JSON .*each with an id"),
        (lambda d: d["images"][2].pop("file_name"), "1 image whose file_name isn't a text: 3"),
        (lambda d: d["images"][2].update(file_name=5), "1 image whose file_name isn't a text: 3"),
        (lambda d: d["images"][2].update(id=True), "1 image whose id isn't a whole number or a t"),
        (lambda d: d["annotations"][0].pop("caption"), "1 annotation whose caption isn't a te.*1"),
        (lambda d: d["annotations"][0].update(caption=" . "), "1 .*captions have no word: 1"),
        (
            lambda d: d["annotations"][0].update(image_id=99),
            "of pictures that are not in it: 99",
        ),
        (lambda d: d.update(regions=5), "has regions that are no list"),
        (lambda d: d["annotations"][0].update(image_id=1.5), "whose image_id isn't a whole.*: 1.5"),
        (
            lambda d: d["annotations"][2].update(caption=None),
            "1 annotation whose caption isn't a text: 3",
        ),
        (lambda d: d["images"][1].update(id=1), "has 1 id used by several pictures: 1"),
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
    with pytest.raises(DataError, match="is no COCO captions JSON|is not JSON"):
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


def test_ids_are_the_same_as_numbers_and_as_digits(drawn_pictures):
    file, folder, _ = drawn_pictures
    before = read_dataset(file, folder)
    content = json.loads(file.read_text())
    for image in content["images"]:
        image["id"] = f"{image['id']:012}"
    file.write_text(json.dumps(content))
    assert read_dataset(file, folder) == before
    content["images"][0]["id"] = content["annotations"][0]["image_id"] = "no-digits"
    file.write_text(json.dumps(content))
    assert read_dataset(file, folder).pictures[0].id == "no-digits"


def test_references_need_no_pictures(drawn_pictures, tmp_path):
    file, _, captions = drawn_pictures
    assert list(read_references(file).values()) == [[text] for text in captions.values()]


def test_results_are_read_in_any_order_and_with_ids_as_digits(tmp_path):
    path = tmp_path / "results.json"
    path.write_text('[{"image_id": "7", "caption": "a"}, {"image_id": 5, "caption": "b", "x": 1}]')
    assert read_results(path, {5: ["a"], 7: ["b"]}) == {7: "a", 5: "b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON: Expecting value"),
        ('{"image_id": 1}', "is no list of results"),
        ('{"image_id": 1}\n{"image_id": 2}', "not JSON: Extra data in line 2; JSON Lines must be"),
        ("[" * 100000, "is nested too deeply"),
        ('[{"image_id": 5}]', "1 result whose caption isn't a text: 5"),
        (
            "[[5], 7]",
            "2 results whose image_id isn't .*: 'number 1', 'number 2'",
        ),
        ('[{"image_id": 5.5, "caption": "a"}]', "1 result whose image_id isn't .*: 5.5"),
        ('[{"image_id": "%s", "caption": "a"}]' % ("9" * 5000), "result for pictures without r"),
        ('[{"image_id": "dog.jpg", "caption": "a"}]', "has 1 result for pictures without ref"),
        ('[{"image_id": 5, "caption": "a"}]', "has 2 .*without a result: 6, 7; --subset scores"),
        ('[{"image_id": %d, "caption": "a"}]', "has 1 result for pictures without reference: 8"),
        ('[{"image_id": 5, "caption": "a"}, {"image_id": "5", "caption": "a"}]', "more than one"),
        ('[{"image_id": 5, "caption": " "}]', "has 1 caption without a word: 5"),
        ('[{"image_id": 5, "caption": null}]', "has 1 result whose caption isn't a text: 5"),
        ('[{"image_id": 5, "caption": 5}]', "has 1 result whose caption isn't a text: 5"),
        ('[{"image_id": 5, "caption": "..."}]', "has 1 caption without a word: 5"),
    ],
)
def test_results_that_do_not_fit_are_refused_with_the_ids_and_the_count(tmp_path, text, message):
    path = tmp_path / "results.json"
    rest = '[{"image_id": 6, "caption": "a"}, {"image_id": 7, "caption": "a"}]'
    if "without a word" in message:
        text = text[:-1] + ", " + rest[1:]
    path.write_text(text.replace("%d", "8"))
    with pytest.raises(DataError, match=message) as caught:
        read_results(path, {5: ["a"], 6: ["a"], 7: ["a"]})
    assert str(path) in str(caught.value)


def test_a_byte_order_mark_is_no_fault_and_another_encoding_is(tmp_path):
    path = tmp_path / "results.json"
    path.write_text('[{"image_id": 1, "caption": "a"}]', encoding="utf-8-sig")
    assert read_results(path, {1: ["a"]}) == {1: "a"}
    path.write_text('[{"image_id": 1, "caption": "é"}]', encoding="latin-1")
    with pytest.raises(DataError, match="is not JSON: it is no UTF-8 text"):
        read_results(path, {1: ["a"]})
    with pytest.raises(DataError, match="can't read '.*': Is a directory"):
        read_results(tmp_path, {1: ["a"]})


def test_a_subset_may_leave_pictures_out(tmp_path):
    path = tmp_path / "results.json"
    path.write_text('[{"image_id": 1, "caption": "a"}]')
    assert read_results(path, {1: ["a"], 2: ["b"]}, subset=True) == {1: "a"}


def test_references_need_no_file_names(drawn_pictures):
    file, _, _ = drawn_pictures
    content = json.loads(file.read_text())
    for image in content["images"]:
        del image["file_name"]
    file.write_text(json.dumps(content))
    assert len(read_references(file)) == 8


def test_a_missing_results_file_is_said(tmp_path):
    with pytest.raises(DataError, match="there is no results file '.*absent.json'"):
        read_results(tmp_path / "absent.json", {})
