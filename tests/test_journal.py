import json

import pytest
from PIL import Image

from captioner.errors import CaptionerError, TrainingError
from captioner.journal import METRICS, Journal, Tally
from captioner.scoring import score

SCORES = score({1: "a dog"}, {1: ["a dog runs"]}, "planted", with_meteor=False)


def test_means_are_over_all_that_was_counted():
    tally = Tally()
    tally.add({"loss": (6.0, 3), "mass": (0.0, 0)})
    tally.add({"loss": (4.0, 1)})
    assert tally.means() == {"loss": 2.5} and tally.sums()["loss"] == (10.0, 4)


def test_each_epoch_is_a_line_of_json(tmp_path):
    journal = Journal(tmp_path, tensorboard=False)
    for epoch in (1, 2):
        journal.epoch(epoch, "frozen", epoch, 2.5, training={"loss": 1.0}, validation=SCORES)
    journal.step(3, {"loss": 1.0})  # nobody watches
    journal.close()
    lines = [json.loads(line) for line in (tmp_path / METRICS).open()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == [METRICS]


def test_tensorboard_gets_curves_and_pictures(tmp_path, tiny_model):
    event = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    Image.new("RGB", (60, 40), "red").save(tmp_path / "a.png")
    journal = Journal(tmp_path, tensorboard=True)
    journal.step(1, {"loss": 2.0})
    journal.epoch(1, "frozen", 1, 2.5, training={"loss": 1.0}, validation=SCORES)
    journal.pictures(1, tiny_model, [tmp_path / "a.png"])
    journal.close()
    found = event.EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    curves = {"step/loss", "epoch/training/loss", "epoch/validation/CIDEr", "epoch/seconds"}
    assert curves <= set(found.Tags()["scalars"])
    assert found.Tags()["images"] == ["a.png"]


def test_a_missing_tensorboard_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(CaptionerError, match="--tensorboard needs TensorBoard: pip install"):
        Journal(tmp_path, tensorboard=True)


def test_a_gradient_that_is_no_number_is_said_in_the_singular_too(tmp_path):
    journal = Journal(tmp_path, tensorboard=False)
    with pytest.raises(TrainingError, match="at step 7; the ids of its 1 picture are in"):
        journal.not_a_number(7, [3])


def test_a_line_that_was_cut_short_is_left_out_and_said(tmp_path, capsys):
    journal = Journal(tmp_path, tensorboard=False)
    for epoch in (1, 2):
        journal.epoch(epoch, "frozen", epoch, 2.5, training={}, validation=SCORES)
    path = tmp_path / METRICS
    path.write_text(path.read_text()[:-40])
    journal.rewind([("frozen", 1), ("frozen", 2)])
    assert [json.loads(line)["epoch"] for line in path.open()] == [1]
    assert "metrics.jsonl': 1 broken line" in capsys.readouterr().err
    assert [own.name for own in tmp_path.iterdir()] == [METRICS]
