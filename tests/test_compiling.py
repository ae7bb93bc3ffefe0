import json

import pytest
import torch
from conftest import TINY

from captioner.assembly import new_model
from captioner.checkpoint import load
from captioner.compiling import check_compiler, compiled
from captioner.data import read_dataset
from captioner.errors import TrainingError
from captioner.settings import TrainingConfig
from captioner.tokenizer import tokenize
from captioner.training import fit
from captioner.vocabulary import build_vocabulary


def test_the_model_is_as_it_was_afterwards_and_its_weights_keep_their_names(tiny_model):
    parts = (tiny_model, tiny_model.encoder, tiny_model.decoder, tiny_model.decoder.attention)
    before, names = [set(vars(part)) for part in parts], list(tiny_model.state_dict())
    with pytest.raises(ZeroDivisionError), compiled(tiny_model, wanted=True):
        assert "forward" in vars(tiny_model.decoder.attention)
        assert "annotate" in vars(tiny_model.encoder)
        assert list(tiny_model.state_dict()) == names
        _ = 1 / 0
    assert [set(vars(part)) for part in parts] == before
    with compiled(tiny_model, wanted=False):
        assert [set(vars(part)) for part in parts] == before


def test_a_missing_compiler_is_said_in_one_sentence(monkeypatch):
    def broken(function):
        raise RuntimeError("No working C++ compiler found\nand much more")

    monkeypatch.setattr("torch.compile", broken)
    with pytest.raises(TrainingError, match="compile here .No working C.* found.; install a C"):
        check_compiler(torch.device("cpu"))


@pytest.mark.slow
def test_compiled_training_gives_the_same_numbers(drawn_pictures, tmp_path):
    check_compiler(torch.device("cpu"))
    dataset, lines, saved = read_dataset(*drawn_pictures[:2]), [], []
    captions = [tokenize(text) for picture in dataset.pictures for text in picture.captions]
    for compile in (False, True):
        torch.manual_seed(0)
        model = new_model(TINY, build_vocabulary(captions, min_count=1), pretrained=False)
        output = tmp_path / str(compile)
        phases = {"epochs": 1, "finetune_epochs": 1, "finetune_stage": 3}
        settings = {"batch_size": 3, "precision": "fp32", "compile": compile, **phases}
        cache = str(tmp_path / "cache")
        fit(model, dataset, dataset, TrainingConfig(output=str(output), cache=cache, **settings))
        metrics = output / "training/metrics.jsonl"
        lines.append([json.loads(line)["training"] for line in metrics.open()])
        saved.append(load(output).state_dict())
    for one, other in zip(*lines, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-3)
    assert saved[0].keys() == saved[1].keys()
    for name, tensor in saved[0].items():
        torch.testing.assert_close(saved[1][name], tensor, atol=2e-3, rtol=2e-2)
