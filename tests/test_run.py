"""`train.py` as a user types it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
import safetensors
import timm
import torch
from safetensors.torch import load_file
from together import ROOT, start, torchrun

from captioner.checkpoint import load
from captioner.layouts.prepared import Prepared
from captioner.model import ModelConfig
from captioner.prepare import LAYOUTS
from captioner.recipes import ABOUT, RECIPES
from captioner.resuming import STATE
from captioner.run import main
from captioner.settings import TrainingConfig
from captioner.splits import DataConfig, read_splits
from captioner.world import World

SMALL = (
    "--backbone test_efficientnet --image-size 64 --annotation-dim 16 --embedding-dim 16 "
    "--hidden-dim 16 --attention-dim 8 --no-pretrained --min-count 1 --precision fp32"
).split()


class Killed(BaseException):
    """What ends a process without any handler."""


@pytest.fixture
def flags(drawn_pictures, tmp_path):
    file, folder, _ = drawn_pictures
    return [
        *("--train-annotations", str(file), "--validation-annotations", str(file)),
        *("--images", str(folder), "--cache", str(tmp_path / "cache")),
        *("--output", str(tmp_path / "run"), *SMALL),
    ]


@pytest.fixture
def own(drawn_pictures, tmp_path):
    """What trains on a folder of one's own pictures with a captions.csv."""
    _, folder, captions = drawn_pictures
    rows = "".join(f"{name},{text}\n" for name, text in captions.items())
    (folder / "captions.csv").write_text("file_name,caption\n" + rows)
    return [
        *("--data", "folder", "--root", str(folder), "--cache", str(tmp_path / "cache")),
        *("--output", str(tmp_path / "run"), *SMALL),
    ]


def test_it_trains_and_its_model_captions(flags, drawn_pictures, tmp_path, capsys):
    assert main([*flags, "--epochs", "1"]) == 0
    _, folder, captions = drawn_pictures
    assert load(tmp_path / "run").caption(folder / next(iter(captions))).words
    said = capsys.readouterr().err
    assert "8 pictures with 8 captions to learn from" in said and "a grid of 2 x 2" in said


def test_resume_alone_continues_with_everything_as_it_was(flags, tmp_path, monkeypatch, capsys):
    def stopped(*arguments, **options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("captioner.training.Run._finish_epoch", stopped)
        with pytest.raises(Killed):
            main([*flags, "--epochs", "2", "--save-every-steps", "1"])
    moved = tmp_path / "moved"
    (tmp_path / "run").rename(moved)
    assert main(["--resume", str(moved)]) == 0
    log = [json.loads(line) for line in (moved / "training/metrics.jsonl").open()]
    assert [line["epoch"] for line in log] == [1, 2] and load(moved)
    assert main(["--resume", str(moved)]) == 0  # there is nothing left to do
    assert "holds the best checkpoint" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--resume", str(moved), "--epochs", "10"])  # the default is a setting too
    assert "give no other setting" in capsys.readouterr().err


def test_a_flag_counts_more_than_the_recipe_and_the_recipe_more_than_the_default(
    flags, monkeypatch
):
    found = []
    monkeypatch.setattr("captioner.run.train", lambda **configs: found.append(configs) or 0)
    assert main([*flags, "--recipe", "flickr8k", "--finetune-epochs", "9"]) == 0
    training = found[0]["training"]
    assert training.finetune_epochs == 9
    recipe = RECIPES["flickr8k"]
    assert training.self_critical_epochs == recipe["self_critical_epochs"] > 0
    assert training.seed == 0


def test_a_recipe_that_is_given_is_a_setting_too(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--resume", str(tmp_path), "--recipe", "laptop"])
    assert "give no other setting" in capsys.readouterr().err


def test_settings_that_do_nothing_are_said_first_if_they_were_given(flags, tmp_path, capsys):
    plain = [*flags, "--dry-run", "--output", str(tmp_path / "none")]
    assert main([*plain, "--heads", "4", "--decoder-layers", "3"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert (
        lines[0] == "--decoder-layers does nothing with --decoder lstm: it is for the transformer"
    )
    assert lines[1].startswith("--heads does nothing with --attention soft: heads are for")
    # The recipe has word_query off, which nobody typed.
    assert RECIPES["paper"]["word_query"] is False
    own = ["--recipe", "paper", "--stage", "-1", "--decoder", "transformer"]
    assert main([*plain, *own]) == 0 and "does nothing" not in capsys.readouterr().err
    assert main([*plain, *own, "--no-word-query"]) == 0
    assert capsys.readouterr().err.startswith("--no-word-query does nothing with --decoder trans")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_made_of_settings_that_exist_and_agree(name):
    kinds = (DataConfig, ModelConfig, TrainingConfig)
    own = [{f.name for f in fields(kind)} & RECIPES[name].keys() for kind in kinds]
    assert set.union(*own) == RECIPES[name].keys()
    assert name in ABOUT
    for kind, names in zip(kinds, own, strict=True):
        kind(**{field: RECIPES[name][field] for field in names})


def test_an_unreadable_picture_is_named_and_left_out_up_to_a_share(flags, tmp_path, capsys):
    (tmp_path / "red-circle.png").write_text("no picture")
    assert main([*flags, "--epochs", "1", "--max-bad-images", "0.2"]) == 0
    err = capsys.readouterr().err
    assert "left out: 1 of 8 training pictures can't be read:" in err and "red-circle.png" in err
    assert main([*flags, "--epochs", "1", "--output", str(tmp_path / "other")]) == 1
    err = capsys.readouterr().err
    assert "1 of 8 training pictures can't be read" in err and "raise --max-bad-images" in err


def test_an_unreadable_picture_of_a_layout_is_left_out_like_any_other(own, tmp_path, capsys):
    (tmp_path / "red-circle.png").write_text("no picture")
    assert main([*own, "--epochs", "1", "--max-bad-images", "0.5"]) == 0
    err = capsys.readouterr().err
    assert "pictures whose header can't be read: 1, first red-circle.png; they have no size" in err
    assert re.search(r"left out: 1 of \d \w+ pictures can't be read: .*red-circle\.png", err)
    assert main([*own, "--epochs", "1", "--output", str(tmp_path / "other")]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.match(r"train\.py: 1 of \d \w+ pictures can't be read: .*red-circle\.png", last)
    assert last.endswith("mend or remove them, or raise --max-bad-images")


def test_other_captions_are_refused_on_resuming(flags, drawn_pictures, capsys):
    assert main([*flags, "--epochs", "1"]) == 0
    file = drawn_pictures[0]
    file.write_text(file.read_text().replace("grey", "gray"))
    assert main(["--resume", flags[flags.index("--output") + 1]]) == 1
    assert "other words than when '" in (err := capsys.readouterr().err) and "2 differ" in err


def test_a_run_says_what_made_it(flags, tmp_path):
    assert main([*flags, "--epochs", "1"]) == 0
    made_by = json.loads((tmp_path / "run/training/run.json").read_text())["made_by"]
    assert made_by["command"] and made_by["versions"].keys() == {"captioner", "torch", "timm"}
    assert made_by["commit"] is None or len(made_by["commit"].removesuffix("-dirty")) == 40


def test_what_made_a_run_is_said_where_it_is_another_now(flags, tmp_path, capsys):
    assert main([*flags, "--epochs", "1"]) == 0
    resume = ["--resume", str(tmp_path / "run"), "--dry-run"]
    assert main(resume) == 0 and "when it began" not in capsys.readouterr().err
    path = tmp_path / "run/training/run.json"
    content = json.loads(path.read_text())
    content["made_by"]["versions"]["torch"] = "1.0"
    content["made_by"]["threads"] = 99
    path.write_text(json.dumps(content))
    assert main(resume) == 0
    err = capsys.readouterr().err
    assert f"torch: 1.0 when it began and {torch.__version__.partition('+')[0]}" in err
    assert f"threads: 99 when it began and {torch.get_num_threads()} now; its weights may" in err


def test_a_stage_that_is_not_there_is_said_before_any_work(flags, tmp_path, capsys):
    tuned = [*flags, "--finetune-epochs", "1", "--finetune-stage", "9"]
    for words in (tuned, [*tuned, "--dry-run"]):
        assert main(words) == 2
        assert "has the stages 0 to 4, and no stage 9" in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


def test_room_for_every_phase_is_looked_for_before_any_work(flags, tmp_path, capsys, monkeypatch):
    assert main([*flags, "--finetune-epochs", "1", "--finetune-stage", "3", "--dry-run"]) == 0
    err = capsys.readouterr().err
    frozen, tuned = (
        re.search(rf"^{phase}: features of [1-9]\d* kB, [1-9]\d* kB still to be made$", err, re.M)
        for phase in ("frozen", "fine-tuned")
    )
    assert frozen and tuned and "GB free (--feature-cache auto)" in err
    assert "features are kept in '" in err
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("captioner.feature_files.shutil.disk_usage", lambda folder: usage)
    assert main([*flags, "--feature-cache", "on"]) == 1
    take = r"the features take [1-9]\d* kB, but '.*' has 10 bytes free; give another folder"
    assert re.search(take, capsys.readouterr().err)
    assert not (tmp_path / "run").exists()
    assert main([*flags, "--dry-run"]) == 0
    assert "device: cpu" in (err := capsys.readouterr().err)
    assert "features are made anew for every batch, not kept in '" in err


def test_what_is_kept_already_takes_no_more_room(flags, tmp_path, capsys, monkeypatch):
    assert main([*flags, "--epochs", "1", "--self-critical-epochs", "1"]) == 0
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("captioner.feature_files.shutil.disk_usage", lambda folder: usage)
    settings = ["--output", str(tmp_path / "other"), "--feature-cache", "on", "--dry-run"]
    assert main([*flags, *settings, "--self-critical-epochs", "1"]) == 0
    # After fine-tuning the frozen layers look otherwise.
    tuned = ["--finetune-epochs", "1", "--finetune-stage", "3", "--self-critical-epochs", "1"]
    assert main([*flags, *settings, *tuned]) == 1
    assert "or --feature-cache off" in capsys.readouterr().err


def test_what_was_chosen_for_a_run_stays_when_it_is_resumed(flags, tmp_path, capsys, monkeypatch):
    path = tmp_path / "run/training/run.json"
    with monkeypatch.context() as patch:
        usage = type("Usage", (), {"free": 10})
        patch.setattr("captioner.feature_files.shutil.disk_usage", lambda folder: usage)
        assert main([*flags, "--epochs", "1"]) == 0
    written = json.loads(path.read_text())["training"]
    assert (written["feature_cache"], written["device"]) == ("off", "cpu")
    assert not list((tmp_path / "cache").glob("*.npy"))
    assert main(["--resume", str(tmp_path / "run")]) == 0


def test_a_run_from_before_the_choice_goes_on_as_it_began(flags, tmp_path, monkeypatch):
    def stopped(*arguments, **options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("captioner.training.Run._finish_epoch", stopped)
        with pytest.raises(Killed):
            main([*flags, "--epochs", "1", "--save-every-steps", "1"])
    path = tmp_path / "run/training/run.json"
    run = json.loads(path.read_text())
    for name in ("feature_cache", "device", "compile"):
        del run["training"][name]
    path.write_text(json.dumps(run))
    # The disk has filled up since: with its features.
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("captioner.feature_files.shutil.disk_usage", lambda folder: usage)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert main(["--resume", str(tmp_path / "run")]) == 0


def test_a_gpu_that_is_not_there_is_said_before_any_work(flags, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main([*flags, "--device", "cuda"]) == 1
    err = capsys.readouterr().err
    assert "train.py: --device cuda: PyTorch finds no GPU here" in err and err.count("\n") == 1
    assert not (tmp_path / "run").exists() and not (tmp_path / "cache").exists()


def test_what_was_refused_can_be_mended_in_the_same_output(flags, tmp_path, capsys):
    (tmp_path / "red-circle.png").write_text("no picture")
    assert main([*flags, "--epochs", "1"]) == 1
    assert main([*flags, "--epochs", "1", "--max-bad-images", "0.2"]) == 0


def test_a_full_disk_is_one_sentence(flags, capsys, monkeypatch):
    def full(*arguments):
        raise safetensors.SafetensorError("No space left on device")

    monkeypatch.setattr("captioner.checkpoint.safetensors.torch.save_file", full)
    assert main([*flags, "--epochs", "1"]) == 1
    assert "can't write '" in (err := capsys.readouterr().err) and "No space left" in err


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.3, 0.9, 1.7])
def test_a_run_that_was_killed_with_nine_goes_on_to_the_same_weights(flags, tmp_path, seconds):
    settings = [*flags, "--epochs", "40", "--finetune-epochs", "2", "--self-critical-epochs", "2"]
    settings += ["--finetune-stage", "3", "--save-every-steps", "1"]
    run = [sys.executable, "train.py"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    options = {"cwd": ROOT, "env": environment, "stderr": subprocess.DEVNULL}
    whole, killed = (["--output", str(tmp_path / name)] for name in ("whole", "killed"))
    subprocess.run([*run, *settings, *whole], check=True, **options)
    child = subprocess.Popen([*run, *settings, *killed], **options)
    state = tmp_path / "killed/training/state.safetensors"
    while not state.exists() and child.poll() is None:
        time.sleep(0.01)
    time.sleep(seconds)
    child.kill()
    assert child.wait() == -signal.SIGKILL  # it was still at work
    subprocess.run([*run, "--resume", str(tmp_path / "killed")], check=True, **options)
    first, second = (load(tmp_path / name).state_dict() for name in ("whole", "killed"))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


@pytest.mark.slow
def test_two_processes_train_as_one_does(flags, tmp_path):
    lines = []
    settings = ["--epochs", "2", "--finetune-epochs", "1", "--finetune-stage", "3", "--dropout"]
    settings += ["0", "--no-mirror", "--average-decay", "0", "--batch-size", "3"]
    for size in (1, 2):
        output = tmp_path / f"of{size}"
        done = torchrun(size, "train.py", *flags, "--output", output, *settings)
        assert done.stderr.count("done: ") == 1  # one process speaks
        lines.append([json.loads(line) for line in (output / "training/metrics.jsonl").open()])
    assert len(lines[0]) == len(lines[1]) == 3
    for one, two in zip(*lines, strict=True):
        for name in ("loss", "entropy", "gradient"):
            assert two["training"][name] == pytest.approx(one["training"][name], rel=1e-5)
        assert two["validation"]["images"] == 8
    # What rounding makes of gradients is another thing on two sides, but no more than that.
    first, second = (load(tmp_path / f"of{size}").state_dict() for size in (1, 2))
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, atol=1e-3, rtol=1e-3)


@pytest.mark.slow
def test_two_processes_that_were_killed_go_on_to_the_same_state(flags, tmp_path):
    settings = [*flags, "--epochs", "8", "--finetune-epochs", "1", "--self-critical-epochs", "1"]
    settings += ["--finetune-stage", "3", "--batch-size", "3", "--save-every-steps", "1"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert not any(p.wait() for p in start(2, "train.py", *settings, "--output", whole))
    first, second = start(2, "train.py", *settings, "--output", killed)
    while not (killed / "training" / STATE).exists() and first.poll() is None:
        time.sleep(0.01)
    first.kill()
    second.kill()
    # They were still at work, unless the second noticed the end of the first before its own.
    assert first.wait() == -signal.SIGKILL and second.wait()
    assert not any(p.wait() for p in start(2, "train.py", "--resume", killed))
    # More than the best weights: what the optimiser and each process's random numbers came to.
    expected, found = (load_file(folder / "training" / STATE) for folder in (whole, killed))
    assert found.keys() == expected.keys() >= {"random.0", "random.1"}
    torch.testing.assert_close(found, expected, atol=0, rtol=0)


def test_an_output_that_can_not_be_written_is_said(flags, capsys, tmp_path):
    (tmp_path / "file").touch()
    assert main([*flags, "--output", str(tmp_path / "file" / "run")]) == 1
    assert "Not a directory" in capsys.readouterr().err


def test_an_interrupt_before_the_first_step_is_no_traceback(flags, monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("captioner.run.fit", interrupted)
    assert main(flags) == 130
    assert "stopped; go on with --resume" in capsys.readouterr().err


def test_a_layout_validates_on_its_own_validation_split(tmp_path, monkeypatch, capsys):
    splits = {"train": {"images": []}, "test": {"images": []}}
    monkeypatch.setitem(
        LAYOUTS, "flickr8k", lambda root: Prepared(root, splits, ("dev is left out",))
    )
    assert main(["--data", "flickr8k", "--root", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert "has no pictures of the split 'dev'" in err and "dev is left out" in err


def test_splits_that_share_a_picture_are_refused_before_any_work(flags, tmp_path, capsys):
    other = tmp_path / "other.json"
    other.write_bytes(Path(flags[1]).read_bytes())
    assert main([*flags, "--validation-annotations", str(other)]) == 1
    said = f"pictures in both {flags[1]} and {other}: 8, first "
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_same_file_for_both_splits_is_said_once(flags, capsys):
    assert main([*flags, "--dry-run"]) == 0
    said = f"training and validation are the same pictures: scores on {flags[1]} tell what it"
    assert capsys.readouterr().err.count(said) == 1


def test_one_process_speaks_of_the_data(flags, own, capsys):
    layout = DataConfig(data="folder", root=own[3])
    files = DataConfig(train_annotations=flags[1], validation_annotations=flags[3], images=flags[5])
    for data, note in ((layout, "captions.csv gives no split"), (files, "the same pictures")):
        read_splits(data, World(1, 2))
        assert capsys.readouterr().err == ""
        read_splits(data, World(0, 2))
        assert note in (said := capsys.readouterr().err) and said.count("\n") == 1
        read_splits(data)
        assert capsys.readouterr().err == said


def test_a_layout_is_told_where_its_pictures_lie(drawn_pictures, tmp_path, capsys):
    _, folder, captions = drawn_pictures
    root, records = tmp_path / "apart", []
    for number, (name, text) in enumerate(captions.items()):
        split, sentence = "val" if number < 2 else "train", {"raw": text, "sentid": number}
        records.append({"filename": name, "imgid": number, "split": split, "sentences": [sentence]})
    root.mkdir()
    (root / "dataset_flickr8k.json").write_text(json.dumps({"images": records}))
    words = ["--data", "karpathy", "--root", str(root), *SMALL, "--dry-run"]
    assert main(words) == 1
    assert "give their folder as --images" in capsys.readouterr().err
    assert main([*words, "--images", str(folder)]) == 0
    assert "6 pictures with 6 captions to learn from, 2 to val" in capsys.readouterr().err


def test_own_pictures_and_captions_can_be_trained_on_as_they_are(own, capsys):
    assert main([*own, "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert "captions.csv gives no split: dev gets 2 of the 8 pictures" in said
    assert "6 pictures with 6 captions to learn from, 2 to validate on" in said


def test_a_run_killed_before_its_first_state_starts_again(flags, tmp_path, monkeypatch, capsys):
    def killed(*arguments, **options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("captioner.run.fit", killed)
        with pytest.raises(Killed):
            main([*flags, "--epochs", "1"])
    assert main(["--resume", str(tmp_path / "run")]) == 0
    assert "it starts again" in capsys.readouterr().err and load(tmp_path / "run")


def test_a_run_killed_while_its_features_were_made_begins_from_the_weights_it_was_given(
    flags, tmp_path, monkeypatch
):
    torch.manual_seed(99)
    begun = timm.create_model("test_efficientnet")
    torch.save(begun.state_dict(), tmp_path / "backbone.pth")
    # Later flags win: this run has weights to start from.
    own = [*flags, "--pretrained", "--backbone-weights", str(tmp_path / "backbone.pth")]
    assert main([*own, "--epochs", "1", "--output", str(tmp_path / "whole")]) == 0

    def killed(*arguments, **options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("captioner.feature_files._compute", killed)
        with pytest.raises(Killed):
            main([*own, "--epochs", "1", "--cache", str(tmp_path / "fresh")])
    assert main(["--resume", str(tmp_path / "run")]) == 0
    whole, again = (load(tmp_path / name).state_dict() for name in ("whole", "run"))
    assert all(torch.equal(tensor, again[name]) for name, tensor in whole.items())


def test_a_run_whose_states_are_all_broken_is_never_begun_again(flags, tmp_path, capsys):
    assert main([*flags, "--epochs", "1"]) == 0
    states = list((tmp_path / "run/training").glob("state*"))
    for path in states:
        path.write_text("no state")
    for words in ([], ["--dry-run"], []):
        assert main(["--resume", str(tmp_path / "run"), *words]) == 1
        err = capsys.readouterr().err
        assert "is broken: " in err and "; begin again in another --output" in err
    for path in states:
        path.unlink()
    assert main(["--resume", str(tmp_path / "run")]) == 1
    assert "are gone, and it has model.safetensors already" in capsys.readouterr().err


def test_resuming_is_checked_dry_too(flags, drawn_pictures, tmp_path, capsys):
    assert main([*flags, "--epochs", "1"]) == 0
    resume = ["--resume", str(tmp_path / "run"), "--dry-run"]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    assert main(resume) == 0
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    file = drawn_pictures[0]
    text = file.read_text()
    content = json.loads(text)
    content["annotations"][0]["caption"] = content["annotations"][1]["caption"]
    content["annotations"][1]["caption"] = json.loads(text)["annotations"][0]["caption"]
    file.write_text(json.dumps(content))
    assert main(resume) == 1
    assert "(ids and captions " in (err := capsys.readouterr().err) and "put the data and" in err


def test_a_picture_that_goes_bad_does_not_end_a_run_for_good(flags, tmp_path, monkeypatch, capsys):
    def killed(run, *arguments):
        raise Killed

    settings = [*flags, "--epochs", "2", "--max-bad-images", "0.2", "--save-every-steps", "1"]
    with monkeypatch.context() as patch:
        patch.setattr("captioner.training.Run._finish_epoch", killed)
        with pytest.raises(Killed):
            main([*settings, "--batch-size", "2"])
    (tmp_path / "red-circle.png").write_text("no picture")
    assert main(["--resume", str(tmp_path / "run")]) == 0
    assert "left out: 1 of 8 training pictures can't be read" in capsys.readouterr().err


def test_boxes_that_are_not_there_are_said(flags, capsys):
    assert main([*flags, "--dry-run"]) == 0
    said = "no caption has boxes: --grounding-weight and --reward-grounding do nothing"
    assert said in capsys.readouterr().err
    assert main([*flags, "--dry-run", "--grounding-weight", "0"]) == 0
    assert said not in capsys.readouterr().err


def test_a_missing_tensorboard_is_said_before_any_work(flags, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    for words in ([], ["--dry-run"]):
        assert main([*flags, "--tensorboard", *words]) == 1
        assert "--tensorboard needs TensorBoard: pip install" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_dry_run_checks_and_writes_nothing(flags, tmp_path):
    assert main([*flags, "--dry-run"]) == 0
    assert not (tmp_path / "run").exists() and not (tmp_path / "cache").exists()


def test_a_second_run_does_not_overwrite_the_first(flags, capsys):
    assert main([*flags, "--epochs", "1"]) == 0
    assert main([*flags, "--epochs", "1"]) == 1
    assert "holds a run already; go on with --resume" in capsys.readouterr().err


GIVEN = ["--train-annotations", "one.json", "--validation-annotations", "two.json"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ([], "give --train-annotations, --validation-annotations, --images, or --data and --root"),
        (["--data", "coco"], "--data coco needs --root"),
        (["--data", "coco", "--root", "nowhere"], "expected captions in nowhere"),
        (
            ["--data", "flickr8k", "--root", "there", "--images", "here"],
            "flickr8k has no use for images; leave out here",
        ),
        (
            ["--data", "coco", "--root", "there", "--train-annotations", "here"],
            "--data coco finds the captions itself: leave out --train-annotations",
        ),
        (
            [*GIVEN, "--images", "here", "--root", "there"],
            "--root is the folder of a data set that --data names: leave it out",
        ),
        (["--resume", "nowhere"], "there is no run to resume in 'nowhere'"),
        (["--epochs", "0"], "there is no epoch to train: give --epochs at least 1"),
        (["--batch-size", "0"], "batch_size must be at least 1, not 0"),
        (
            ["--self-critical-epochs", "1", "--reward-cider", "0"],
            "self-critical training needs a reward: give one above 0",
        ),
    ],
)
def test_mistakes_are_said_in_one_sentence(change, said, capsys):
    usage = "--resume" not in change and "nowhere" not in change
    assert main(change) == 1 + usage
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_wrong_flags_on_the_data_are_said_before_any_work(flags, capsys, tmp_path):
    assert main([*flags, "--image-size", "100"]) == 2
    assert "image_size 100 is no multiple" in capsys.readouterr().err
    assert main([*flags, "--validation-annotations", "absent.json"]) == 1
    assert "there is no captions file 'absent.json'" in capsys.readouterr().err
    assert main([*flags, "--min-count", "99"]) == 1
    assert "no word is seen 99 times" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_real_coco_in_its_own_layout_trains_through_all_phases(coco_mini, tmp_path):
    root = coco_mini
    words = [*SMALL, "--data", "coco", "--root", str(root), "--recipe", "coco", "--epochs", "1"]
    words += ["--finetune-epochs", "1", "--finetune-stage", "3", "--self-critical-epochs", "1"]
    words += ["--output", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")]
    assert main(words) == 0
    lines = [json.loads(line) for line in (tmp_path / "run/training/metrics.jsonl").open()]
    assert [line["phase"] for line in lines] == ["frozen", "fine-tuned", "self-critical"]
    assert load(tmp_path / "run").caption(next((root / "val2017").iterdir())).words


def test_the_script_at_the_top_is_the_command():
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "--resume" in done.stdout and "--output" in done.stdout
