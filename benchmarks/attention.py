"""Every way of looking on one encoder, under one budget: `python benchmarks/attention.py`.

Each row trains a captioner with the same frozen features, seed, epochs, sizes and settings, and is
scored on the validation split. A row that is done is kept in `--output` and not trained again; one
that was stopped begins anew, so that its time is true. The table is written after every row.
"""

import json
import re
import shutil
import statistics
import time
from pathlib import Path

import numpy as np
import rows
import torch

from captioner.attention import ATTENTIONS, needs_recurrence
from captioner.batches import pad_captions
from captioner.checkpoint import load
from captioner.data import CaptionDataset
from captioner.decoders import DECODERS
from captioner.errors import TrainingError
from captioner.images import load_image
from captioner.losses import mean_entropy
from captioner.model import Captioner, ModelConfig
from captioner.options import DecodingOptions
from captioner.run import build
from captioner.settings import TrainingConfig
from captioner.splits import DataConfig
from captioner.tokenizer import tokenize
from captioner.training import fit
from captioner.vocabulary import Vocabulary

# What each row changes: every decoder with every attention that suits it, and a few more.
ROWS: dict[str, dict] = {
    f"{decoder}, {attention}": {"decoder": decoder, "attention": attention}
    for decoder in DECODERS
    for attention, kind in ATTENTIONS.items()
    if decoder == "lstm" or not needs_recurrence(kind)
} | {
    "lstm, soft, 2 encoder layers": {"encoder_layers": 2},
    "transformer, multihead, 2 encoder layers": {
        "decoder": "transformer",
        "attention": "multihead",
        "encoder_layers": 2,
    },
    "lstm, soft, taught no boxes": {"grounding_weight": 0.0},
}
TIMED = 50
# With so few steps, small batches, little dropout and a short average learn the most: two epochs
# gave CIDEr 30.7 with soft attention, and 14.5 with the program's own 32, 0.5 and 0.998.
DROPOUT, BATCH_SIZE, AVERAGE_DECAY = 0.2, 16, 0.98
HEAD = """# Every way of looking, on one encoder

`python benchmarks/attention.py`, {date}:
{budget}.
Backbone frozen (EfficientNet-Lite2 at 256 pixels, 8 x 8 cells of 1,280 numbers); features, batches
and settings are the same for every row. Single runs on a shared machine of two cores: take
differences of a point for noise, and of a fifth in the times, which are for comparison within the
table. The budget is small so that all of it fits into about an hour: these are not the best scores
that each can reach.

BLEU-4 and CIDEr-D (0-100): greedy captions of {images} validation pictures, of the epoch with the
best CIDEr. Mass, pointing (0-100): attention inside the boxes of the words that people boxed, and
how often the brightest cell is in one; in brackets the same for the mean of the row's own maps, the
control; a flat map has {flat:.1f} of its mass there. Every row was taught such boxes of the
training split, except "lstm, soft, taught no boxes". Entropy: of the maps on human captions of
{timed} pictures, in nats (a flat map: {uniform:.2f}; with several heads: of their mean).
Parameters: without the backbone. Seconds: of training, without validation. Milliseconds: a caption
by beam 5 from the backbone's output on, one picture at a time, median of {timed} pictures.

| decoder, attention | BLEU-4 | CIDEr | mass | pointing | entropy | parameters | seconds | ms |
|---|---|---|---|---|---|---|---|---|"""


def main() -> None:
    parser = rows.parser("Compare every way of looking, on equal terms.", "runs/attention")
    add = parser.add_argument
    add("--table", type=Path, default=Path(__file__).with_suffix(".md"), help="file for the table")
    add("--epochs", type=int, default=2, help="passes over the captions, for every row")
    add("--size", type=int, default=256, help="of embeddings, states, annotations and attention")
    add("--seed", type=int, default=0)
    add("--only", help="train this row alone, for example 'lstm, soft'")
    arguments = parser.parse_args()
    data, (train_set, dev_set) = rows.read_data(parser, arguments)
    if arguments.only and arguments.only not in ROWS:
        parser.error(f"there is no row {arguments.only!r}; the rows are {'; '.join(ROWS)}")
    budget = {
        "epochs": arguments.epochs,
        "size": arguments.size,
        "seed": arguments.seed,
        "captions": sum(len(picture.captions) for picture in train_set.pictures),
        "images": len(dev_set),
    }
    for name in [arguments.only] if arguments.only else ROWS:
        folder = arguments.output / folder_name(name)
        row = rows.read_row(folder)
        if row and row["budget"] != budget:
            parser.error(f"{str(folder)!r} had another budget, {row['budget']}: give --output")
        if not row:
            print(f"== {name}", flush=True)
            try:
                ended = train(name, folder, data, (train_set, dev_set), budget)
            except TrainingError as error:
                print(f"{name}: {error}")
                continue
            if not ended:
                print("stopped; the same command goes on with this row")
                return
            row = {"budget": budget, **measure(load(folder), folder, dev_set)}
            rows.write_row(folder, row)
        write_table(arguments.table, arguments.output)


def folder_name(row: str) -> str:
    """A row's name as that of a folder."""
    return re.sub("[^a-z0-9]+", "-", row.lower())


def train(
    name: str,
    folder: Path,
    data: DataConfig,
    splits: tuple[CaptionDataset, CaptionDataset],
    budget: dict,
) -> bool:
    """Trains a row from the beginning; whether it came to its end."""
    shutil.rmtree(folder, ignore_errors=True)
    changes, size = dict(ROWS[name]), budget["size"]
    training = {k: changes.pop(k) for k in ("grounding_weight",) if k in changes}
    sizes = ("annotation_dim", "embedding_dim", "hidden_dim", "attention_dim")
    torch.manual_seed(budget["seed"])
    settings = ModelConfig(**dict.fromkeys(sizes, size), dropout=DROPOUT, **changes)
    model = build(data, settings, splits[0])
    config = TrainingConfig(
        output=str(folder),
        epochs=budget["epochs"],
        seed=budget["seed"],
        batch_size=BATCH_SIZE,
        average_decay=AVERAGE_DECAY,
        **training,
    )
    return fit(model, *splits, config).phase > 0


def measure(model: Captioner, folder: Path, dev_set: CaptionDataset) -> dict:
    """The figures of a trained row."""
    lines = [json.loads(line) for line in (folder / "training/metrics.jsonl").open()]
    best = max(lines, key=lambda line: line["validation"]["CIDEr"])["validation"]
    entropy, milliseconds = read_and_time(model, dev_set)
    backbone = sum(p.numel() for p in model.encoder.backbone.parameters())
    grounding = best["grounding"]
    del grounding["by_kind"]
    return {
        "BLEU-4": best["BLEU-4"],
        "CIDEr": best["CIDEr"],
        "grounding": grounding,
        "entropy": entropy,
        "uniform": float(np.log(np.prod(model.encoder.grid))),
        "parameters": sum(p.numel() for p in model.parameters()) - backbone,
        "seconds": sum(line["seconds"] for line in lines),
        "milliseconds": milliseconds,
    }


@torch.inference_mode()
def read_and_time(model: Captioner, dev_set: CaptionDataset) -> tuple[float, float]:
    """Mean entropy of the maps on human captions in nats, and milliseconds a caption."""
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
    # The first ones warm up.
    return float(np.mean(entropies[5:])), statistics.median(times[5:])


def write_table(path: Path, output: Path) -> None:
    """Writes the rows that are done."""
    done = {name: row for name in ROWS if (row := rows.read_row(output / folder_name(name)))}
    some = next(iter(done.values()))
    told = (
        f"{some['budget']['epochs']} epochs of {some['budget']['captions']:,} captions, vectors of "
        f"{some['budget']['size']} numbers, {BATCH_SIZE} pictures a step, "
        f"seed {some['budget']['seed']}"
    )
    lines = [
        HEAD.format(
            date=time.strftime("%Y-%m-%d"),
            budget=told,
            images=some["budget"]["images"],
            flat=some["grounding"]["mass_uniform"],
            uniform=some["uniform"],
            timed=TIMED,
        )
    ]
    for name, row in done.items():
        seen = row["grounding"]
        # The brightest of equal cells is no answer.
        flat = row["uniform"] - row["entropy"] < 1e-3
        pointing = "-" if flat else f"{seen['pointing']:.1f} ({seen['pointing_center']:.1f})"
        lines.append(
            f"| {name} | {row['BLEU-4']:.1f} | {row['CIDEr']:.1f} | {seen['mass']:.1f} "
            f"({seen['mass_center']:.1f}) | {pointing} | {row['entropy']:.2f} | "
            f"{row['parameters'] / 1e6:.1f} M | {row['seconds']:.0f} | {row['milliseconds']:.0f} |"
        )
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
