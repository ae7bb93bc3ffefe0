import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY, WORDS
from PIL import Image
from safetensors.torch import load_file, save_file

from captioner.assembly import new_model
from captioner.attention import ATTENTIONS
from captioner.checkpoint import load, save
from captioner.errors import CheckpointError
from captioner.vocabulary import Vocabulary


@pytest.fixture
def saved(tiny_model, tmp_path):
    save(tiny_model, tmp_path / "model", card="# A card")
    return tmp_path / "model"


@pytest.fixture
def photo():
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (60, 90, 3), np.uint8))


def test_the_loaded_model_gives_the_same_caption_and_maps(saved, photo):
    # Saved once, the weights are what half precision holds: from there on nothing changes.
    first = load(saved)
    save(first, saved.parent / "again")
    one, two = first.caption(photo), load(saved.parent / "again").caption(photo)
    assert one.text == two.text and one.log_prob == two.log_prob
    for own, other in zip(one.words, two.words, strict=True):
        np.testing.assert_array_equal(own.alpha, other.alpha)
        assert (own.gate, own.probability) == (other.gate, other.probability)


def test_half_precision_changes_the_maps_hardly_at_all(tiny_model, saved, photo):
    one = tiny_model.explain(photo, "a red dog")
    two = load(saved).explain(photo, "a red dog")
    for own, other in zip(one.words, two.words, strict=True):
        np.testing.assert_allclose(own.alpha, other.alpha, atol=1e-3)
        assert own.probability == pytest.approx(other.probability, rel=1e-2)


def test_a_directory_holds_the_documented_files(saved):
    names = {path.name for path in saved.iterdir()}
    assert names == {"config.json", "vocabulary.json", "model.safetensors", "README.md"}
    assert json.loads((saved / "config.json").read_text())["format_version"] == 3
    assert (saved / "README.md").read_text() == "# A card"


def test_matrices_are_halved_and_vectors_are_not(saved):
    for name, tensor in load_file(saved / "model.safetensors").items():
        if tensor.is_floating_point():
            assert tensor.dtype == (torch.float16 if tensor.ndim > 1 else torch.float32), name


def test_a_model_of_the_first_format_looks_without_the_word(tiny_model, tmp_path):
    config = replace(tiny_model.config, word_query=False)
    old = new_model(config, tiny_model.vocabulary, pretrained=False)
    save(old, tmp_path / "old")
    path = tmp_path / "old" / "config.json"
    settings = json.loads(path.read_text())
    settings["format_version"] = 1
    for name in ("word_query", "encoder_layers", "decoder_layers", "heads"):
        del settings["model"][name]
    path.write_text(json.dumps(settings))
    assert load(tmp_path / "old").config == config


def test_a_model_of_the_second_format_has_no_layers_in_its_encoder(saved, tiny_model):
    path = saved / "config.json"
    settings = json.loads(path.read_text())
    settings["format_version"] = 2
    for name in ("encoder_layers", "decoder_layers", "heads"):
        del settings["model"][name]
    path.write_text(json.dumps(settings))
    assert load(saved).config == tiny_model.config


@pytest.mark.parametrize(
    "settings",
    [
        *({"attention": kind} for kind in ATTENTIONS),
        {"decoder": "transformer", "attention": "multihead", "decoder_layers": 1},
        {"encoder_layers": 2, "heads": 4},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_every_mechanism_comes_back_with_the_same_caption_and_maps(settings, tmp_path, photo):
    torch.manual_seed(0)
    vocabulary = Vocabulary(WORDS)
    model = new_model(replace(TINY, **settings), vocabulary, pretrained=False)
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data = parameter.data.half().float()
    one, two = (m.caption(photo, beam_size=3) for m in (model, again))
    assert one.text == two.text and one.log_prob == pytest.approx(two.log_prob, abs=1e-5)
    for own, other in zip(one.words, two.words, strict=True):
        np.testing.assert_allclose(own.alpha, other.alpha, atol=1e-6)
        assert own.alpha.sum() == pytest.approx(1, abs=1e-5)
        assert (own.heads is None) == (settings.get("attention") != "multihead")
    read = again.explain(photo, two.text)
    for own, other in zip(read.words, two.words, strict=True):
        np.testing.assert_allclose(own.alpha, other.alpha, atol=1e-5)
        assert own.gate == (other.gate and pytest.approx(other.gate, abs=1e-5))


STORED = json.loads((Path(__file__).parent / "stored_names.json").read_text())


@pytest.mark.parametrize("stored", STORED, ids=lambda stored: str(stored["settings"]))
def test_stored_weights_keep_their_names(stored):
    """A model that someone stored is loaded by these names: a new one needs a new format version,
    and reading of the old."""
    model = new_model(replace(TINY, **stored["settings"]), Vocabulary(WORDS), pretrained=False)
    names = [name for name in model.state_dict() if not name.startswith("encoder.backbone.")]
    assert sorted(names) == stored["names"]


def test_a_hub_name_fetches_the_four_files_and_nothing_else(saved, monkeypatch, photo):
    asked = []

    def snapshot_download(name, *, allow_patterns):
        asked.append((name, sorted(allow_patterns)))
        return str(saved)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert load("somebody/captioner").caption(photo).words
    files = ["README.md", "config.json", "model.safetensors", "vocabulary.json"]
    assert asked == [("somebody/captioner", files)]


def test_a_hub_that_can_not_be_reached_is_said(monkeypatch):
    def fail(*arguments, **options):
        raise OSError("no network here")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(CheckpointError, match="no model directory 'some/model', and none .* here"):
        load("some/model")


@pytest.mark.parametrize("name", ["tests/absent", "../absent/x", "absent", "a/b/c", "/a/b"])
def test_a_path_never_asks_the_hub(name, monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *a, **k: pytest.fail("asked"))
    with pytest.raises(CheckpointError, match="there is no model directory"):
        load(name)


def drop_tensor(path):
    tensors = load_file(path)
    tensors.pop("decoder.gate.bias")
    save_file(tensors, path)


def add_tensor(path):
    save_file({**load_file(path), "extra": torch.zeros(1)}, path)


def reshape_tensor(path):
    save_file({**load_file(path), "decoder.gate.bias": torch.zeros(2)}, path)


def spoil_tensor(path):
    tensors = load_file(path)
    tensors["encoder.projection.0.bias"] += float("nan")
    save_file(tensors, path)


def change_config(part="model", **changes):
    def change(path):
        settings = json.loads(path.read_text())
        settings[part] |= changes
        path.write_text(json.dumps(settings))

    return change


BROKEN = [
    ("model.safetensors", lambda p: p.unlink(), "the model's weights '.*' are missing"),
    ("model.safetensors", lambda p: p.write_bytes(p.read_bytes()[:5000]), "broken or cut short"),
    ("model.safetensors", lambda p: p.write_bytes(b""), "broken or cut short"),
    ("model.safetensors", lambda p: p.write_bytes(pickle.dumps({"a": 1})), "broken or cut short"),
    ("model.safetensors", drop_tensor, "they lack decoder.gate.bias"),
    ("model.safetensors", add_tensor, "they have an unknown extra"),
    ("model.safetensors", reshape_tensor, r"decoder.gate.bias is \(2,\), not \(1,\)"),
    ("vocabulary.json", lambda p: p.unlink(), "can't read the vocabulary"),
    ("vocabulary.json", lambda p: p.write_text('["a"]'), r"do not fit .*, not \(5,"),
    ("config.json", lambda p: p.unlink(), "can't read the model's config"),
    ("config.json", lambda p: p.write_text("{"), "can't read the model's config"),
    (
        "config.json",
        lambda p: p.write_text("[]"),
        "has format version None; this captioner reads 1",
    ),
    ("config.json", lambda p: p.write_text('{"format_version": 9}'), "has format version 9"),
    ("config.json", lambda p: p.write_text('{"format_version": 1}'), "'model' has missing"),
    ("config.json", change_config(colour=1), r"missing or unknown entries: \['colour'\]"),
    ("config.json", change_config(backbone="nothing"), "describes no model: timm has no backbone"),
    ("config.json", change_config(attention="sharp"), "describes no model: unknown attention"),
    ("config.json", change_config(hidden_dim="x"), "describes no model"),
    ("config.json", change_config(backbone=None), "describes no model"),
    ("config.json", change_config("preprocessing", resize="stretch"), "unknown resize 'stretch'"),
    ("config.json", change_config("preprocessing", grid=[3, 3]), "is broken: a blank picture"),
    ("config.json", change_config("preprocessing", mean=[0.5, 0.5]), "does not fit the model"),
    ("config.json", change_config("preprocessing", margin=None), "does not fit the model"),
    ("model.safetensors", spoil_tensor, "is broken: a blank picture"),
    ("config.json", change_config(hidden_dim=7), "the weights in '.*' do not fit its config"),
]


@pytest.mark.parametrize(("name", "change", "message"), BROKEN)
def test_a_broken_part_is_refused_by_name(saved, name, change, message):
    change(saved / name)
    with pytest.raises(CheckpointError, match=message):
        load(saved)


def test_a_missing_directory_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="there is no model directory '.*absent'"):
        load(tmp_path / "absent")


def test_a_save_that_fails_leaves_the_old_model_whole(tiny_model, saved, photo, monkeypatch):
    before = load(saved).caption(photo).text

    def full(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr("captioner.checkpoint.safetensors.torch.save_file", full)
    with pytest.raises(OSError, match="no space left"):
        save(tiny_model, saved)
    assert {path.name for path in saved.iterdir()} >= {"config.json", "model.safetensors"}
    assert load(saved).caption(photo).text == before
    assert not list(saved.glob(".saving-*"))
