"""What people watch while a captioner trains: a line of JSON for each epoch, and TensorBoard.

`metrics.jsonl` holds everything that is a number; TensorBoard, where it is asked for, the same as
curves with every step, and some pictures with their maps.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from tqdm import tqdm

from captioner.errors import CaptionerError, ImageError, TrainingError, counted
from captioner.model import Captioner
from captioner.scoring import Scores
from captioner.visual import sheet

METRICS = "metrics.jsonl"


class Tally:
    """Means of figures over many batches, each given as a sum with its count."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)
        self._counts: dict[str, float] = defaultdict(float)

    @classmethod
    def of(cls, parts: Iterable[Mapping[str, tuple[float, float]]]) -> "Tally":
        """All of several tallies' sums."""
        tally = cls()
        for part in parts:
            tally.add(part)
        return tally

    def add(self, figures: Mapping[str, tuple[float, float]]) -> None:
        """Takes in the figures of a batch."""
        for name, (total, count) in figures.items():
            self._sums[name] += total
            self._counts[name] += count

    def sums(self) -> dict[str, tuple[float, float]]:
        """Each figure as the sum and the count so far."""
        return {name: (self._sums[name], count) for name, count in self._counts.items()}

    def means(self) -> dict[str, float]:
        """The means so far; a figure that was never counted is left out."""
        return {name: self._sums[name] / n for name, n in self._counts.items() if n}


def check_tensorboard() -> type:
    """TensorBoard's writer.

    Raises:
        CaptionerError: it is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise CaptionerError("--tensorboard needs TensorBoard: pip install tensorboard") from error
    return SummaryWriter


class Journal:
    """The record of a run.

    Args:
        folder: gets `metrics.jsonl`, and `tensorboard/` if it is wanted.
        tensorboard: write for TensorBoard too.

    Raises:
        CaptionerError: TensorBoard is wanted and not installed.
    """

    def __init__(self, folder: Path, *, tensorboard: bool) -> None:
        self._folder, self._board = folder, None
        if tensorboard:
            self._board = check_tensorboard()(str(folder / "tensorboard"))

    def step(self, done: int, figures: Mapping[str, float]) -> None:
        """Notes one step.

        Args:
            done: steps of the whole training so far.
        """
        for name, value in figures.items() if self._board else ():
            self._board.add_scalar(f"step/{name}", value, done)

    def epoch(
        self,
        done: int,
        phase: str,
        number: int,
        seconds: float,
        *,
        training: Mapping[str, float],
        validation: Scores,
    ) -> None:
        """Notes the end of an epoch: a line of JSON, its numbers as curves, the best two on stderr.

        Args:
            done: steps of the whole training so far.
            number: of the epoch in its phase, from 1.
            training: means over its steps.
        """
        line = {
            "phase": phase,
            "epoch": number,
            "seconds": round(seconds, 1),
            "training": dict(training),
            "validation": validation.as_dict(),
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / METRICS).open("a") as metrics:
            metrics.write(json.dumps(line) + "\n")
        if self._board:
            for name, value in _numbers(line):
                self._board.add_scalar(f"epoch/{name}", value, done)
            self._board.flush()
        grounding = validation.grounding
        told = f", pointing {grounding.pointing:.1f}" if grounding else ""
        tqdm.write(
            f"{phase}, epoch {number}: validation BLEU-4 {validation.bleu.values[3]:.2f}, "
            f"CIDEr {validation.cider:.2f}{told} (0-100)",
            file=sys.stderr,
        )

    def not_a_number(self, done: int, ids: Sequence[int | str]) -> NoReturn:
        """Ends a training whose gradient is no number, and says with which pictures.

        Raises:
            TrainingError: always.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "not-a-number.json"
        path.write_text(json.dumps({"step": done, "image_ids": list(ids)}) + "\n")
        raise TrainingError(
            f"the gradient is no number any more at step {done}; the ids of its "
            f"{counted(len(ids), 'picture')} are in {str(path)!r}; begin again in another --output "
            "with a lower learning rate, or without these pictures"
        )

    def pictures(self, done: int, model: Captioner, paths: list[Path]) -> None:
        """Shows what the model says of some pictures, and where it looks, if anybody watches."""
        for path in paths if self._board else ():
            try:
                caption = model.caption(path, beam_size=1)
            except ImageError:  # lost on the way, and told of when it was
                continue
            image = np.asarray(sheet(path, caption.words, geometry=caption.geometry))
            self._board.add_image(path.name, image, done, dataformats="HWC")

    def rewind(self, known: Container[tuple[str, int]]) -> None:
        """Takes out the lines of epochs that will be trained again.

        Args:
            known: phase and number of each epoch that counts.
        """
        path = self._folder / METRICS
        if not path.exists():
            return
        kept, cut = [], 0
        for text in path.read_text().splitlines():
            try:
                line = json.loads(text)
            except ValueError:  # a full disk or a kill cut it short
                cut += 1
                continue
            if (line["phase"], line["epoch"]) in known:
                kept.append(f"{text}\n")
        if cut:
            tqdm.write(f"left out of {str(path)!r}: {counted(cut, 'broken line')}", file=sys.stderr)
        part = path.with_suffix(".part")
        part.write_text("".join(kept))
        part.replace(path)

    def close(self) -> None:
        """Ends the record."""
        if self._board:
            self._board.close()


def _numbers(line: Mapping[str, Any], before: str = "") -> list[tuple[str, float]]:
    """All numbers of nested values, by their path."""
    found = []
    for name, value in line.items():
        if isinstance(value, Mapping):
            found += _numbers(value, f"{before}{name}/")
        elif isinstance(value, (int, float)):
            found.append((f"{before}{name}", float(value)))
    return found
