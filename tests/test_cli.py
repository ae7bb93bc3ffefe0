"""The commands as a user types them, in this process, with a tiny model."""

import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from captioner.checkpoint import save
from captioner.cli import main


@pytest.fixture
def model(tiny_model, tmp_path):
    save(tiny_model, tmp_path / "model")
    return str(tmp_path / "model")


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos of 'us'"
    folder.mkdir()
    for i, name in enumerate(("a.png", "b.jpg", "c d.png")):
        Image.new("RGB", (40 + i, 30), (40 * i, 100, 20)).save(folder / name)
    return folder


def run(capsys, *words):
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err


def test_each_picture_gets_a_line_with_its_path_and_caption(model, photos, capsys):
    paths = sorted(photos.iterdir())
    code, out, err = run(capsys, "caption", *paths, "--model", model)
    assert code == 0 and not err
    assert [line.split("\t")[0] for line in out] == [str(p) for p in paths]
    assert all(len(line.split("\t")) == 2 and line.split("\t")[1] for line in out)


def test_a_folder_is_the_pictures_in_it(model, photos, capsys):
    (photos / "notes.txt").write_text("no picture")
    code, out, _ = run(capsys, "caption", photos, "--model", model)
    assert code == 0 and len(out) == 3


def test_json_lines_have_maps_and_alternatives(model, photos, capsys):
    code, out, _ = run(capsys, "caption", photos, "--model", model, "--json", "--beam-size", "3")
    rows = [json.loads(line) for line in out]
    assert code == 0 and len(rows) == 3
    for row in rows:
        assert row["grid"] == [2, 2] and len(row["alternatives"]) == 2
        assert " ".join(word["word"] for word in row["words"]) == row["caption"]


def test_a_bad_picture_is_named_and_the_rest_goes_on(model, photos, capsys, tmp_path):
    bad, absent, hollow = photos / "bad.jpg", photos / "absent.jpg", tmp_path / "hollow"
    bad.write_text("hello")
    hollow.mkdir()
    words = ("caption", bad, photos / "a.png", absent, hollow, photos / "b.jpg", "--model", model)
    code, out, err = run(capsys, *words)
    assert code == 1 and len(out) == 2
    assert all(str(path) in err for path in (bad, absent, hollow)) and "Traceback" not in err
    code, out, err = run(capsys, *words, "--json")
    rows = {json.loads(line)["image"]: json.loads(line) for line in out}
    assert code == 1 and len(rows) == 5 and not err
    for path in (bad, absent, hollow):
        assert rows[str(path)]["error"] and "caption" not in rows[str(path)]
    assert rows[str(photos / "b.jpg")]["caption"]


def test_bad_pictures_alone_need_no_caption(model, tmp_path, capsys):
    code, out, err = run(capsys, "caption", tmp_path / "absent.jpg", "--model", model)
    assert code == 1 and not out and "absent.jpg" in err


def test_maps_and_report_are_written(model, photos, capsys, tmp_path):
    maps, report = tmp_path / "maps", tmp_path / "report.html"
    code, _, _ = run(
        capsys, "caption", photos, "--model", model, "--maps", maps, "--report", report
    )
    assert code == 0 and report.read_text().count("<article>") == 3
    assert sorted(p.name for p in maps.iterdir()) == ["a.png", "b.png", "c d.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "nonsense"),
        ([], "required"),
        (["caption"], "IMAGE|FOLDER"),
        (["caption", "x.jpg", "--beam-size", "0"], "beam_size must be from 1 to 1000, not 0"),
        (["caption", "x.jpg", "--beam-size", "many"], "many"),
        (["evaluate", "--images", "x"], "--annotations"),
        (
            ["evaluate", "--annotations", "x", "--images", "x", "--results", "no/where.json"],
            "there is no folder 'no' for --results",
        ),
        (
            ["score", "--annotations", "x", "--results", "x", "--per-image", "tests"],
            "'tests' is a folder, --per-image is a file",
        ),
        (
            ["score", "--annotations", "x", "--results", "x", "--against", "no.json"],
            "there is no file 'no.json' for --against",
        ),
        (
            ["score", "--annotations", "x", "--results", "x", "--per-image", "./x"],
            "--per-image would overwrite the file of --",
        ),
        (
            "evaluate --annotations x --images x --results r --report r".split(),
            "--report would overwrite the file of --results",
        ),
        (
            ["score", "--annotations", "x", "--results", "x", "--per-image", "/proc/none/r.json"],
            "there is no folder '/proc/none' for --per-image",
        ),
    ],
)
def test_wrong_usage_is_exit_code_two(words, said, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2 and said in capsys.readouterr().err


def test_a_missing_model_is_one_sentence(photos, capsys, tmp_path):
    code, out, err = run(capsys, "caption", photos, "--model", tmp_path / "absent")
    assert code == 1 and not out
    assert err == f"captioner: there is no model directory '{tmp_path / 'absent'}'\n"


def test_evaluate_prints_scores_and_writes_results(
    model, drawn_pictures, capsys, tmp_path, monkeypatch
):
    monkeypatch.setattr("shutil.which", lambda name: None)  # no Java: METEOR is not given
    file, folder, _ = drawn_pictures
    results = tmp_path / "results.json"
    words = ("evaluate", "--annotations", file, "--images", folder, "--model", model)
    code, out, err = run(capsys, *words, "--results", results, "--json", "--beam-size", "2")
    assert "METEOR needs Java" in err
    scores = json.loads(out[-1])
    assert code == 0 and scores["images"] == 8 and "beam:2" in scores["signature"]
    assert scores["METEOR"] is None and {"BLEU-4", "ROUGE-L", "CIDEr"} <= scores.keys()
    assert {r["image_id"] for r in json.loads(results.read_text())} == set(range(1, 9))
    page = tmp_path / "report.html"
    code, out, _ = run(capsys, *words, "--report", page)
    assert code == 0 and out[0].startswith("BLEU-1") and out[-1].startswith("signature")
    assert page.read_text().count("<article>") == 8  # each picture at one end
    assert any(line.split() == ["METEOR", "-"] for line in out)


def test_evaluate_says_what_is_missing(model, capsys, tmp_path):
    absent = tmp_path / "absent.json"
    code, _, err = run(
        capsys, "evaluate", "--annotations", absent, "--images", tmp_path, "--model", model
    )
    assert code == 1 and err == f"captioner: there is no captions file '{absent}'\n"


def test_score_takes_the_captions_of_any_model(drawn_pictures, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)  # no Java: METEOR is not given
    file, _, captions = drawn_pictures
    results = tmp_path / "results.json"
    human = [{"image_id": i, "caption": text} for i, text in enumerate(captions.values(), 1)]
    results.write_text(json.dumps(human))
    code, out, _ = run(capsys, "score", "--annotations", file, "--results", results, "--json")
    scores = json.loads(out[-1])
    assert code == 0 and scores["BLEU-4"] == pytest.approx(100) and scores["images"] == 8
    assert scores["intervals"]["BLEU-4"][0] <= 100 and "against" not in scores

    other, images = tmp_path / "other.json", tmp_path / "images.json"
    other.write_text(json.dumps([{**row, "caption": "a dog"} for row in human]))
    words = ("--annotations", file, "--results", results, "--per-image", images)
    code, out, _ = run(capsys, "score", *words, "--against", other, "--train-annotations", file)
    assert code == 0 and len(json.loads(images.read_text())) == 8
    assert any("better in 100.0% of rounds" in line for line in out)
    assert any(line.split() == ["new", "0.00"] for line in out)

    other.write_text(json.dumps(human[3:]))
    words = ("--annotations", file, "--results", other, "--subset", "--no-meteor")
    code, out, err = run(capsys, "score", *words, "--json")
    assert code == 0 and json.loads(out[-1])["images"] == 5 and "the 5 pictures of 8" in err
    assert "METEOR" not in err  # it was not asked for
    results.write_text(json.dumps(human[3:]))
    code, out, err = run(capsys, "score", "--annotations", file, "--results", results)
    assert code == 1 and not out and "has 3 pictures without a result: 1, 2, 3" in err


def test_prepare_writes_the_splits_and_says_so(capsys, tmp_path):
    code, out, err = run(capsys, "prepare", "nonsense", tmp_path, "--output", tmp_path)
    assert code == 2 and "unknown layout 'nonsense'; choose one of flickr8k, coco" in err
    code, out, err = run(capsys, "prepare", "coco", tmp_path, "--output", tmp_path)
    assert code == 1 and not out and "expected" in err


def test_prepare_on_real_photos(capsys, tmp_path, flickr8k):
    code, out, err = run(
        capsys, "prepare", "coco", flickr8k.parent / "coco-mini", "--output", tmp_path
    )
    assert code == 0 and "80 pictures\t400 captions" in out[0] and "--images" in err
    assert (tmp_path / "captions_train.json").is_file() and (
        tmp_path / "captions_val.json"
    ).is_file()


def test_help_is_quick_and_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "captioner", "caption", "--help"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "--beam-size" in done.stdout and "torch" not in done.stderr


def test_a_reader_that_has_had_enough_is_no_error(model, photos):
    command = f"{sys.executable} -m captioner caption '{photos}' --model {model} | head -n 1"
    command = command.replace("of 'us'", "of '\\''us'\\''")
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env={**os.environ}, timeout=120
    )
    assert done.stdout.count("\n") == 1 and "Traceback" not in done.stderr
