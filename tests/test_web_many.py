"""Many pictures: the rows, and the files to take away."""

import csv
import io
import zipfile
from pathlib import Path

import pytest
from browsing import made_caption, photo
from PIL import Image

gr = pytest.importorskip("gradio")

from captioner.web.answers import Answers  # noqa: E402
from captioner.web.inputs import Choice  # noqa: E402
from captioner.web.many import add_many, as_csv, caption_many  # noqa: E402


def files_in(folder, names):
    for number in range(len(names)):
        photo(60, 40, seed=number).save(folder / f"{number}.png")
    return [(str(folder / f"{number}.png"), name) for number, name in enumerate(names)]


def test_each_picture_gets_a_row_and_a_bad_one_its_reason(tiny_model, tmp_path):
    files = files_in(tmp_path, ["a.png", "b.png", "c.png"])
    (tmp_path / "1.png").write_text("no picture")
    steps = []
    for table, as_table, as_zip in caption_many(Answers({"one": tiny_model}), files, "one"):
        steps.append((table["done"], table["total"], len(table["rows"])))
        if as_zip.visible:
            text = Path(as_table.value["path"]).read_bytes().decode("utf-8-sig")
            with zipfile.ZipFile(as_zip.value["path"]) as archive:
                assert archive.namelist() == ["maps/01-a.jpg", "maps/03-c.jpg", "captions.csv"]
                assert archive.read("captions.csv") == b"\xef\xbb\xbf" + text.encode()
                assert Image.open(io.BytesIO(archive.read("maps/01-a.jpg"))).format == "JPEG"
    assert steps == [(0, 3, 0), (1, 3, 1), (2, 3, 2), (3, 3, 3)]
    good, bad, other = table["rows"]
    expected = tiny_model.caption(files[0][0])
    assert good["caption"] == expected.text.capitalize() + "."
    mean = sum(word.probability for word in expected.words) / len(expected.words)
    assert good["confidence"] == pytest.approx(mean, abs=1e-4) and good["error"] == ""
    assert bad["error"] == "Cannot read b.png: it is not a picture that can be recognised."
    assert bad["caption"] == "" and other["caption"]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["file"] for row in rows] == ["a.png", "b.png", "c.png"]
    assert rows[1]["error"] == bad["error"] and float(rows[0]["mean_confidence"]) > 0


def test_no_files_give_no_table(tiny_model, monkeypatch):
    told = []
    monkeypatch.setattr(gr, "Info", told.append)
    ((table, *_),) = caption_many(Answers({"one": tiny_model}), [], "one")
    assert table is None and told == ["Choose some pictures first."]


def test_the_model_that_is_chosen_captions_them(tiny_model, tmp_path):
    class Other:
        def caption(self, image):
            return made_caption(image, ["two", "dogs"])

    answers = Answers({"one": tiny_model, "other": Other()})
    *_, (table, _, _) = caption_many(answers, files_in(tmp_path, ["a.png"]), "other")
    assert table["rows"][0]["caption"] == "Two dogs."


@pytest.mark.parametrize("name", ["x", None, ["one", "one"], [], {}])
def test_a_model_that_is_not_here_is_told(tiny_model, tmp_path, name):
    files = files_in(tmp_path, ["a.png"])
    with pytest.raises(gr.Error, match="there is no model"):
        next(caption_many(Answers({"one": tiny_model}), files, name))


def test_the_models_are_offered_where_there_are_several(tiny_model):
    for names in (["one"], ["one", "two"]):
        with gr.Blocks() as page:
            add_many(Answers(dict.fromkeys(names, tiny_model)))
        (choice,) = [each for each in page.blocks.values() if isinstance(each, Choice)]
        assert [name for name, _ in choice.choices] == names
        assert choice.value == "one" and choice.visible == (len(names) > 1)
        assert choice.preprocess("anything") == "anything"


def test_no_spreadsheet_takes_a_file_name_for_a_formula():
    row = {"file": "=1+1.png", "caption": "A, b.", "confidence": 0.5, "error": ""}
    lines = as_csv([row, {**row, "file": "plain.png"}]).splitlines()
    assert lines[0] == "file,caption,mean_confidence,error"
    assert lines[1] == '\'=1+1.png,"A, b.",0.5,'
    assert lines[2].startswith("plain.png,")


def test_a_hostile_file_name_stays_a_name_in_the_zip(tiny_model, tmp_path):
    files = files_in(tmp_path, ["../../etc/x.png", "a/b.png", "<b>" + "n" * 300 + ".png"])
    for _, _, as_zip in caption_many(Answers({"one": tiny_model}), files, "one"):
        if as_zip.visible:
            names = zipfile.ZipFile(as_zip.value["path"]).namelist()
    assert names[:2] == ["maps/01-x.jpg", "maps/02-b.jpg"]
    assert all(".." not in name and len(name) < 100 for name in names)
