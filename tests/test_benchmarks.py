"""The comparisons: which rows there are, and what the table of mechanisms says of them."""

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from captioner.attention import ATTENTIONS, needs_recurrence
from captioner.model import ModelConfig

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


# As when they run: they find what they share beside them.
sys.path.append(str(FOLDER))


def load_script(name):
    spec = importlib.util.spec_from_file_location(f"benchmark_of_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


benchmark, settings = load_script("attention"), load_script("settings")


def row(cider, entropy=3.0):
    grounding = {"mass": 50.0, "mass_uniform": 26.0, "mass_center": 37.0, "pointing": 60.0}
    return {
        "budget": {"epochs": 2, "size": 256, "seed": 0, "captions": 29885, "images": 992},
        "BLEU-4": 15.0,
        "CIDEr": cider,
        "grounding": {**grounding, "pointing_center": 49.0},
        "entropy": entropy,
        "uniform": 4.16,
        "parameters": 3_000_000,
        "seconds": 200,
        "milliseconds": 42.0,
    }


def test_there_is_a_row_for_every_pair_and_each_is_a_model():
    for name, kind in ATTENTIONS.items():
        assert f"lstm, {name}" in benchmark.ROWS
        assert (f"transformer, {name}" in benchmark.ROWS) == (not needs_recurrence(kind))
    for changes in benchmark.ROWS.values():
        ModelConfig(**{k: v for k, v in changes.items() if k != "grounding_weight"})
    folders = {benchmark.folder_name(name) for name in benchmark.ROWS}
    assert len(folders) == len(benchmark.ROWS) and "lstm-soft-2-encoder-layers" in folders


def test_the_table_has_the_rows_that_are_done(tmp_path):
    for name, figures in (("lstm, soft", row(30.7)), ("lstm, none", row(20.0, entropy=4.16))):
        folder = tmp_path / benchmark.folder_name(name)
        folder.mkdir()
        (folder / "row.json").write_text(json.dumps(figures))
    benchmark.write_table(tmp_path / "table.md", tmp_path)
    lines = (tmp_path / "table.md").read_text().splitlines()
    soft, none = lines[-2:]
    assert soft.startswith(
        "| lstm, soft | 15.0 | 30.7 | 50.0 (37.0) | 60.0 (49.0) | 3.00 | 3.0 M |"
    )
    # Where all cells are equal, none is the brightest.
    assert none.startswith("| lstm, none | 15.0 | 20.0 | 50.0 (37.0) | - | 4.16 |")
    assert any("2 epochs of 29,885 captions, vectors of 256 numbers" in line for line in lines)


def test_a_row_of_another_budget_is_refused(drawn_pictures, tmp_path, monkeypatch, capsys):
    file, folder, _ = drawn_pictures
    done = tmp_path / "runs" / "lstm-soft"
    done.mkdir(parents=True)
    (done / "row.json").write_text(json.dumps(row(30.0)))
    words = f"--train-annotations {file} --validation-annotations {file} --images {folder}"
    words = [*words.split(), "--output", str(tmp_path / "runs"), "--only", "lstm, soft"]
    monkeypatch.setattr("sys.argv", ["attention.py", *words])
    with pytest.raises(SystemExit):
        benchmark.main()
    assert "had another budget" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["attention.py", *words[:-1], "lstm, sharp"])
    with pytest.raises(SystemExit):
        benchmark.main()
    assert "there is no row 'lstm, sharp'; the rows are lstm, soft; " in capsys.readouterr().err


def test_each_setting_of_the_recipe_is_trained_switched(
    drawn_pictures, tmp_path, monkeypatch, capsys
):
    file, folder, _ = drawn_pictures
    seen = []

    def fit(model, train_set, dev_set, config):
        seen.append((model.config, config))
        metrics = Path(config.output) / "training" / "metrics.jsonl"
        metrics.parent.mkdir(parents=True)
        grounding = {"mass": 50.0, "pointing": 60.0}
        told = {"BLEU-4": 17.0, "CIDEr": 39.0, "grounding": grounding}
        metrics.write_text(json.dumps({"validation": told}) + "\n")
        return SimpleNamespace(phase=1)

    monkeypatch.setattr(settings, "fit", fit)
    monkeypatch.setattr(settings, "build", lambda data, config, _: SimpleNamespace(config=config))
    words = f"--train-annotations {file} --validation-annotations {file} --images {folder}"
    monkeypatch.setattr("sys.argv", ["settings.py", *words.split(), "--output", str(tmp_path)])
    settings.main()
    assert len(seen) == len(settings.ROWS)
    for (model, training), changes in zip(seen, settings.ROWS.values(), strict=True):
        assert model.decoder == "transformer" and training.epochs == 2
        both = {**dataclasses.asdict(model), **dataclasses.asdict(training)}
        assert both.items() >= changes.items()
    assert "| no mirrored pictures | 17.0 | 39.0 | 50.0 | 60.0 |" in capsys.readouterr().out
    first, *others = [(model, dataclasses.replace(t, output="")) for model, t in seen]
    assert all(pair != first for pair in others)
    # What is done is not trained again, and rows of another recipe are no part of the table.
    settings.main()
    assert len(seen) == len(settings.ROWS)
    monkeypatch.setattr(settings, "BASE", settings.BASE | {"label_smoothing": 0.2})
    with pytest.raises(SystemExit):
        settings.main()
    assert "had other settings" in capsys.readouterr().err


def test_data_that_is_not_there_is_one_sentence(tmp_path, monkeypatch, capsys):
    words = "--train-annotations none.json --validation-annotations none.json --images none"
    for name, script in (("attention", benchmark), ("settings", settings)):
        monkeypatch.setattr("sys.argv", [f"{name}.py", *words.split()])
        with pytest.raises(SystemExit):
            script.main()
        assert "there is no folder of images 'none'" in capsys.readouterr().err
