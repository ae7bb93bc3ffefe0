"""Every way of looking through the commands that users type: train, caption, evaluate, walk."""

import json

import pytest
import torch
from safetensors.torch import load_file

from captioner.attention import ATTENTIONS, needs_recurrence
from captioner.checkpoint import load
from captioner.cli import main as captioner
from captioner.decoders import DECODERS
from captioner.looking import SoftAttention
from captioner.run import main as train

SMALL = (
    "--backbone test_efficientnet --image-size 64 --annotation-dim 16 --embedding-dim 16 "
    "--hidden-dim 16 --attention-dim 8 --heads 2 --no-pretrained --min-count 1 --precision fp32"
).split()
PAIRS = [
    (decoder, attention)
    for decoder in DECODERS
    for attention, kind in ATTENTIONS.items()
    if decoder == "lstm" or not needs_recurrence(kind)
]


class Upwards(SoftAttention):
    """Made up: prefers the upper cells."""

    def energies(self, query, memory):
        energies = super().energies(query, memory)
        return energies - torch.arange(energies.shape[-1]) / energies.shape[-1]


@pytest.fixture
def flags(drawn_pictures, tmp_path):
    file, folder, _ = drawn_pictures
    return [
        *("--train-annotations", str(file), "--validation-annotations", str(file)),
        *("--images", str(folder), "--cache", str(tmp_path / "cache"), *SMALL),
    ]


def through_the_commands(flags, drawn_pictures, output, capsys, heads):
    file, folder, captions = drawn_pictures
    assert train([*flags, "--output", str(output), "--epochs", "1"]) == 0
    photo, model = str(folder / next(iter(captions))), ["--model", str(output)]
    capsys.readouterr()

    assert captioner(["caption", photo, "--json", *model]) == 0
    word = json.loads(capsys.readouterr().out)["words"][0]
    assert sum(map(sum, word["alpha"])) == pytest.approx(1, abs=1e-3)
    assert ("heads" in word) == heads

    data = ["--annotations", str(file), "--images", str(folder), "--no-meteor"]
    assert captioner(["evaluate", *data, *model, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 8

    assert captioner(["walk", photo, "--text", "a red circle", "--word", "circle", *model]) == 0
    assert "The word 'circle', after <start> a red" in capsys.readouterr().out
    assert captioner(["explain", photo, "--text", "a circle", "--word", "circle", *model]) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("decoder", "attention"), PAIRS, ids=lambda name: name)
def test_every_pair_trains_captions_and_is_scored(
    decoder, attention, flags, drawn_pictures, tmp_path, capsys
):
    chosen = ["--decoder", decoder, "--attention", attention, "--self-critical-epochs", "1"]
    heads = decoder == "transformer" or attention == "multihead"
    through_the_commands(flags + chosen, drawn_pictures, tmp_path / "run", capsys, heads)


@pytest.mark.slow
def test_layers_in_the_encoder_train_with_it(flags, drawn_pictures, tmp_path, capsys):
    chosen = ["--encoder-layers", "2", "--finetune-epochs", "1", "--finetune-stage", "3"]
    through_the_commands(flags + chosen, drawn_pictures, tmp_path / "run", capsys, False)
    photo = next(drawn_pictures[1].glob("*.png"))
    assert load(tmp_path / "run").cell_maps(photo).shape == (2, 2, 2, 2, 2, 2)


@pytest.mark.slow
def test_a_made_up_mechanism_is_offered_everywhere(
    flags, drawn_pictures, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(ATTENTIONS, "upwards", Upwards)
    chosen = ["--attention", "upwards"]
    through_the_commands(flags + chosen, drawn_pictures, tmp_path / "run", capsys, False)


@pytest.mark.slow
def test_hard_attention_goes_on_to_the_same_weights(flags, tmp_path, monkeypatch):
    """Its draws and its baseline are part of what is resumed."""
    flags = [*flags, "--attention", "hard", "--epochs", "2", "--batch-size", "4"]
    assert train([*flags, "--output", str(tmp_path / "whole")]) == 0

    class Killed(BaseException):
        pass

    def stopped(*arguments, **options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("captioner.training.Run._finish_epoch", stopped)
        with pytest.raises(Killed):
            train([*flags, "--output", str(tmp_path / "parts"), "--save-every-steps", "1"])
    assert train(["--resume", str(tmp_path / "parts")]) == 0
    whole, parts = (load_file(tmp_path / n / "model.safetensors") for n in ("whole", "parts"))
    assert whole["decoder.attention.baseline"] < 0
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.parametrize("attention", [k for k, v in ATTENTIONS.items() if needs_recurrence(v)])
def test_a_pair_that_makes_no_sense_is_refused_before_any_work(attention, flags, tmp_path, capsys):
    chosen = ["--decoder", "transformer", "--attention", attention]
    code = train([*flags, *chosen, "--output", str(tmp_path / "run")])
    assert code == 2 and "needs the lstm decoder: " in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_sizes_that_heads_do_not_divide_are_refused_before_any_work(flags, tmp_path, capsys):
    chosen = ["--attention", "multihead", "--heads", "3"]
    code = train([*flags, *chosen, "--output", str(tmp_path / "run")])
    assert code == 2 and "heads must divide the attention_dim 8, and 3 do not" in (
        capsys.readouterr().err
    )
