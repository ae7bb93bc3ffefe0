"""What each setting of the recipe is worth, switched alone: `python benchmarks/settings.py`.

Each row trains the recipe of the model in the package for two epochs, backbone frozen, with vectors
of 256 numbers, and changes one thing. Prints a table for `benchmarks/recipe.md`. A row that is done
is kept in `--output`; one that was stopped begins anew.
"""

import json
import shutil
from pathlib import Path

import rows
import torch

from captioner.data import CaptionDataset
from captioner.model import ModelConfig
from captioner.recipes import RECIPES
from captioner.run import build
from captioner.settings import TrainingConfig
from captioner.splits import DataConfig
from captioner.training import fit

SIZES = dict.fromkeys(("annotation_dim", "embedding_dim", "hidden_dim", "attention_dim"), 256)
# With two epochs an average must forget sooner than with sixteen.
BUDGET = {"epochs": 2, "finetune_epochs": 0, "self_critical_epochs": 0, "average_decay": 0.98}
BASE = RECIPES["flickr8k"] | SIZES | BUDGET
# What each row changes.
ROWS: dict[str, dict] = {
    "nothing": {},
    "no label smoothing": {"label_smoothing": 0.0},
    "no mirrored pictures": {"mirror": False},
    "no averaged weights": {"average_decay": 0.0},
    "word dropout 0.1": {"word_dropout": 0.1},
    "scheduled sampling 0.2": {"scheduled_sampling": 0.2},
    "no warm-up": {"warm_up": 0.0},
    "a constant learning rate": {"schedule": "constant"},
    "no clipping of the gradient": {"gradient_clip": 1e9},
    "nothing, seed 1": {"seed": 1},
}


def main() -> None:
    parser = rows.parser("Switch each setting of the recipe alone.", "runs/settings")
    arguments = parser.parse_args()
    data, splits = rows.read_data(parser, arguments)
    print("| changed | BLEU-4 | CIDEr | mass | pointing |\n|---|---|---|---|---|", flush=True)
    for name, changes in ROWS.items():
        folder, settings = arguments.output / name.replace(" ", "-"), BASE | changes
        row = rows.read_row(folder)
        if row and row["settings"] != settings:
            parser.error(f"{str(folder)!r} had other settings, {row['settings']}: give --output")
        if not row:
            found = train(settings, folder, data, splits)
            if found is None:
                print("stopped; the same command goes on with this row")
                return
            row = {"settings": settings, "validation": found}
            rows.write_row(folder, row)
        scores = row["validation"]
        seen = scores.get("grounding")  # without boxes there is none
        where = f"{seen['mass']:.1f} | {seen['pointing']:.1f}" if seen else "- | -"
        line = f"| {name} | {scores['BLEU-4']:.1f} | {scores['CIDEr']:.1f} | {where} |"
        print(line, flush=True)


def train(
    settings: dict, folder: Path, data: DataConfig, splits: tuple[CaptionDataset, CaptionDataset]
) -> dict | None:
    """Trains a row from the beginning; the scores of its best epoch, nothing if it was stopped."""
    shutil.rmtree(folder, ignore_errors=True)
    of_model = {k: v for k, v in settings.items() if k in ModelConfig.__dataclass_fields__}
    of_training = {k: v for k, v in settings.items() if k not in of_model}
    torch.manual_seed(settings.get("seed", 0))
    model = build(data, ModelConfig(**of_model), splits[0])
    config = TrainingConfig(output=str(folder), **of_training)
    if fit(model, *splits, config).phase == 0:
        return None
    lines = [json.loads(line) for line in (folder / "training/metrics.jsonl").open()]
    return max((line["validation"] for line in lines), key=lambda scores: scores["CIDEr"])


if __name__ == "__main__":
    main()
