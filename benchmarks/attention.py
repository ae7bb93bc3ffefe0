"""Every way of looking on one encoder, under one budget: `python benchmarks/attention.py`.

Each row trains a captioner with the same frozen features, seed, epochs and settings, and is scored
on the validation split. A row that is done is kept in `--output` and not trained again; one that
was stopped goes on where it stood. The table is written anew after every row.
"""

import argparse
import json
import re
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from captioner.batches import pad_captions
from captioner.checkpoint import load
from captioner.data import CaptionDataset
from captioner.errors import CaptionerError
from captioner.images import load_image
from captioner.losses import mean_entropy
from captioner.model import Captioner, ModelConfig
from captioner.options import DecodingOptions
from captioner.run import DataConfig, build, read_splits
from captioner.settings import TrainingConfig
from captioner.tokenizer import tokenize
from captioner.training import fit
from captioner.vocabulary import Vocabulary

# What each row changes: the model's settings, and the training's.
ROWS: dict[str, tuple[dict, dict]] = {
    "LSTM, none (control)": ({"attention": "none"}, {}),
    "LSTM, soft": ({"attention": "soft"}, {}),
    "LSTM, soft, taught no boxes": ({"attention": "soft"}, {"grounding_weight": 0.0}),
    "LSTM, hard": ({"attention": "hard"}, {}),
    "LSTM, dot": ({"attention": "dot"}, {}),
    "LSTM, multihead (8)": ({"attention": "multihead"}, {}),
    "LSTM, adaptive": ({"attention": "adaptive"}, {}),
    "LSTM, local": ({"attention": "local"}, {}),
    "LSTM, soft, 2 encoder layers": ({"attention": "soft", "encoder_layers": 2}, {}),
    "Transformer, multihead (8)": ({"attention": "multihead", "decoder": "transformer"}, {}),
    "Transformer, multihead (8), 2 encoder layers": (
        {"attention": "multihead", "decoder": "transformer", "encoder_layers": 2},
        {},
    ),
}
TIMED = 50
HEAD = """# Every way of looking, on one encoder

Flickr8k, {epochs} epochs of human captions, backbone frozen (EfficientNet-Lite2 at 256 pixels,
8 x 8 cells), the same features, seed, batches and settings for every row; written on {date} by
`python benchmarks/attention.py`. Single runs, on a machine of two cores that does other work too:
differences of a point are noise, and times are for comparison within the table.

BLEU-4 and CIDEr-D: greedy captions of the dev split, 0-100. Mass and pointing: attention inside the
boxes of the words people boxed, and how often the brightest cell is in one, 0-100 (a flat map: 26.2
and, at the mean map's brightest cell, 49.8). All rows but one were taught those of the training
split. Entropy: of the maps on human captions, in nats (flat: 4.16). Parameters: without the
backbone. Seconds: of training, all epochs. Milliseconds: a caption by beam 5 from the backbone's
output on, median of 50 pictures.

| | BLEU-4 | CIDEr | mass | pointing | entropy | parameters | seconds | ms a caption |
|---|---|---|---|---|---|---|---|---|"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare every way of looking, on equal terms.")
    add = parser.add_argument
    add("--train-annotations", type=Path, required=True, metavar="FILE")
    add("--validation-annotations", type=Path, required=True, metavar="FILE")
    add("--images", type=Path, required=True, metavar="DIR")
    add("--output", type=Path, default=Path("runs/attention"), help="folder of the rows' runs")
    add("--table", type=Path, default=Path(__file__).with_suffix(".md"), help="file for the table")
    add("--epochs", type=int, default=2, help="passes over the captions, for every row")
    add("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data = DataConfig(
        train_annotations=str(arguments.train_annotations),
        validation_annotations=str(arguments.validation_annotations),
        images=str(arguments.images),
    )
    try:
        train_set, dev_set = read_splits(data)
    except CaptionerError as error:
        parser.error(str(error))
    for name, (settings, training) in ROWS.items():
        folder = arguments.output / folder_name(name)
        if not (folder / "row.json").exists():
            print(f"== {name}", flush=True)
            torch.manual_seed(arguments.seed)
            config = TrainingConfig(
                output=str(folder), epochs=arguments.epochs, seed=arguments.seed, **training
            )
            model = build(data, ModelConfig(**settings), train_set)
            resume = (folder / "training").exists()
            position = fit(model, train_set, dev_set, config, resume=resume)
            if not position.phase:
                print("stopped; the same command goes on")
                return
            row = json.dumps(measure(load(folder), folder, dev_set))
            (folder / "row.json").write_text(row + "\n")
        write_table(arguments.table, arguments.output, arguments.epochs)


def folder_name(row: str) -> str:
    """A row's name as that of a folder."""
    return re.sub("[^a-z0-9]+", "-", row.lower()).strip("-")


def measure(model: Captioner, folder: Path, dev_set: CaptionDataset) -> dict:
    """The figures of a trained row."""
    lines = [json.loads(line) for line in (folder / "training/metrics.jsonl").open()]
    best = max(lines, key=lambda line: line["validation"]["CIDEr"])["validation"]
    entropy, milliseconds = read_and_time(model, dev_set)
    backbone = sum(p.numel() for p in model.encoder.backbone.parameters())
    return {
        "BLEU-4": best["BLEU-4"],
        "CIDEr": best["CIDEr"],
        "mass": best["grounding"]["mass"],
        "mass_center": best["grounding"]["mass_center"],
        "pointing": best["grounding"]["pointing"],
        "entropy": entropy,
        "parameters": sum(p.numel() for p in model.parameters()) - backbone,
        "seconds": sum(line["seconds"] for line in lines),
        "milliseconds": milliseconds,
    }


@torch.inference_mode()
def read_and_time(model: Captioner, dev_set: CaptionDataset) -> tuple[float, float]:
    """Mean entropy of the maps on human captions in nats, and milliseconds a caption.

    A caption is timed from the backbone's output on, with beam 5, one picture at a time; the
    median counts. What the backbone takes is the same for every row.
    """
    options, times, entropies = DecodingOptions(), [], []
    for picture in dev_set.pictures[: TIMED + 5]:
        pixels, _ = model.encoder.preprocessing(load_image(picture.path))
        looked = model.encoder.look(torch.from_numpy(pixels)[None])
        start = time.perf_counter()
        annotations = model.encoder.annotate(looked)
        model.decode(annotations, options)
        times.append(1000 * (time.perf_counter() - start))
        inputs = pad_captions([[model.vocabulary.encode(tokenize(t)) for t in picture.captions]])
        alphas = model.decoder(model.decoder.remember(annotations), inputs).alphas
        entropies.append(mean_entropy(alphas, inputs != Vocabulary.pad).item())
    return float(np.mean(entropies)), statistics.median(times[5:])


def write_table(path: Path, output: Path, epochs: int) -> None:
    """Writes the rows that are done."""
    lines = [HEAD.format(epochs=epochs, date=time.strftime("%Y-%m-%d"))]
    for name in ROWS:
        file = output / folder_name(name) / "row.json"
        if file.exists():
            row = json.loads(file.read_text())
            lines.append(
                f"| {name} | {row['BLEU-4']:.1f} | {row['CIDEr']:.1f} | {row['mass']:.1f} | "
                f"{row['pointing']:.1f} | {row['entropy']:.2f} | {row['parameters'] / 1e6:.1f} M | "
                f"{row['seconds']:.0f} | {row['milliseconds']:.0f} |"
            )
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
