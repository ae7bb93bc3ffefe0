"""Trains a captioner on cached features of its frozen backbone.

Letters: P pictures, K captions a picture, B = P * K, T steps, N real words, L locations.
"""

import json
import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from captioner.batches import bucketed_batches, next_words, pad_captions
from captioner.card import model_card
from captioner.checkpoint import save
from captioner.data import CaptionDataset
from captioner.evaluation import describe
from captioner.features import cached_features
from captioner.losses import caption_loss, doubly_stochastic_penalty, mean_entropy
from captioner.model import Captioner
from captioner.options import DecodingOptions, option
from captioner.resuming import Position, restore, store
from captioner.scoring import Scores, score
from captioner.tokenizer import tokenize
from captioner.vocabulary import Vocabulary

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
GREEDY = DecodingOptions(beam_size=1)


@dataclass(frozen=True)
class TrainingConfig:
    """How a captioner is trained."""

    output: str = option("runs/captioner", "folder for the checkpoint and what resuming needs")
    epochs: int = option(10, "passes over the training pictures")
    batch_size: int = option(32, "pictures in a step, each with all of its captions")
    learning_rate: float = option(1e-3, "highest learning rate of Adam")
    warm_up: float = option(0.05, "share of the steps until the learning rate is highest")
    gradient_clip: float = option(1.0, "largest norm of the gradient")
    label_smoothing: float = option(0.0, "share of probability spread over all words")
    # The paper's 1 is for 196 cells. On 64 it keeps the maps flat: in the second epoch their
    # entropy was about 4.1 of at most 4.16 nats, with 0.1 it was 4.0.
    doubly_stochastic_weight: float = option(0.1, "weight of looking everywhere once; paper: 1")
    precision: str = option("auto", "of the products in training", ("auto", *PRECISIONS))
    seed: int = option(0, "of the weights, the order of the pictures and the dropout")
    save_every_steps: int = option(0, "steps between saved states; 0: after each epoch")
    cache: str = option("~/.cache/captioner", "folder for the features of the frozen backbone")

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("learning_rate", "gradient_clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("doubly_stochastic_weight", "save_every_steps"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")
        for name in ("warm_up", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be from 0 to below 1, not {getattr(self, name)}")


def fit(
    model: Captioner,
    train_set: CaptionDataset,
    validation_set: CaptionDataset,
    config: TrainingConfig,
    *,
    resume: bool = False,
) -> Position:
    """Trains `model`; keeps the checkpoint with the best BLEU-4 of free greedy captions.

    Ctrl-C ends it after the step at hand, with a usable checkpoint and the state to resume from.

    Args:
        model: trained in place.
        config: its output folder gets the checkpoint, and `training/` with the state and a log
            line for each epoch.
        resume: go on from that state, to the same weights as a run that was never stopped.

    Returns:
        Where the run stands now.

    Raises:
        ImageError: a picture can't be read.
        DataError: there is no room for the features.
        CheckpointError: there is nothing to resume, or it is broken.
    """
    torch.manual_seed(config.seed)
    run = _Run(model, train_set, validation_set, config, resume)
    with _deferred_interrupt() as interrupted:
        while run.position.epoch < config.epochs and not interrupted.is_set():
            run.epoch(interrupted)
    model.eval()
    return run.position


class _Run:
    """One training: the data it draws from, its optimiser, and where it stands."""

    def __init__(
        self,
        model: Captioner,
        train_set: CaptionDataset,
        validation_set: CaptionDataset,
        config: TrainingConfig,
        resume: bool,
    ) -> None:
        self.model, self.config, self.output = model, config, Path(config.output)
        self.state = self.output / "training"
        self.validation_set = validation_set
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(self.trained, lr=config.learning_rate)
        # Before the features: they must come from the very backbone that the run started with.
        self.position = restore(self.state, model, self.optimizer) if resume else Position()
        self.dtype = PRECISIONS[choose_precision(config.precision)]
        self.features = self._features(train_set, "training pictures")
        self.validation_features = self._features(validation_set, "validation pictures")
        self.captions = [
            [model.vocabulary.encode(tokenize(text)) for text in picture.captions]
            for picture in train_set.pictures
        ]
        self.lengths = [max(map(len, captions)) for captions in self.captions]
        self.steps = math.ceil(len(train_set) / config.batch_size)

    def epoch(self, interrupted: threading.Event) -> None:
        """Trains the rest of the epoch at hand, validates, keeps the model if it is the best."""
        config, epoch, started = self.config, self.position.epoch, time.monotonic()
        # The order of an epoch follows from its number: there is nothing to store.
        batches = bucketed_batches(self.lengths, config.batch_size, f"{config.seed}/{epoch}")
        self.model.train()
        label, losses, captions = f"epoch {epoch + 1}/{config.epochs}", [], 0
        with tqdm(total=self.steps, initial=self.position.step, desc=label, unit="batch") as bar:
            for batch in batches[self.position.step :]:
                loss, entropy = self._step(batch)
                losses.append(loss)
                captions += sum(len(self.captions[picture]) for picture in batch)
                speed = captions / (time.monotonic() - started)
                bar.set_postfix_str(
                    f"loss {loss:.3f}, {speed:.0f} captions/s, entropy of alpha {entropy:.2f} nats"
                )
                bar.update()
                self.position = self.position.after_step()
                if interrupted.is_set():
                    break
                if config.save_every_steps and self.position.step % config.save_every_steps == 0:
                    self._store()
        if self.position.step == self.steps:
            self._finish_epoch(losses, time.monotonic() - started)
        elif self.position.best < 0:
            # An unscored model is better than none.
            save(self.model, self.output, model_card(self.model, None))
        self._store()

    def _step(self, batch: list[int]) -> tuple[float, float]:
        """One update; gives the loss and the mean entropy of the maps in nats."""
        config, model = self.config, self.model
        done = self.position.epoch * self.steps + self.position.step
        rate = learning_rate(done, config.epochs * self.steps, config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        inputs = pad_captions([self.captions[picture] for picture in batch])  # (B, T)
        real, targets = inputs != Vocabulary.pad, next_words(inputs)
        features = torch.from_numpy(np.stack([self.features[picture] for picture in batch]))
        with torch.autocast("cpu", self.dtype, enabled=self.dtype != torch.float32):
            annotations = model.encoder.annotate(features.float())
            forced = model.decoder(model.decoder.remember(annotations), inputs)
        loss = caption_loss(forced.logits, targets, label_smoothing=config.label_smoothing)
        penalty = doubly_stochastic_penalty(forced.alphas, real)
        # The paper adds it to the loss summed over a caption's words; this is the mean over words.
        words_per_caption = len(targets) / real.any(dim=1).sum()
        total = loss + config.doubly_stochastic_weight * penalty / words_per_caption
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, config.gradient_clip)
        self.optimizer.step()
        return loss.item(), mean_entropy(forced.alphas.detach(), real).item()

    def _finish_epoch(self, losses: list[float], seconds: float) -> None:
        scores = self._validate()
        bleu4 = scores.bleu.values[3]
        if bleu4 > self.position.best:
            save(self.model, self.output, model_card(self.model, scores))
        self.position = self.position.after_epoch(bleu4)
        # Of a resumed epoch the steps of this process; none if it was stopped before its end.
        loss = sum(losses) / len(losses) if losses else None
        line = {"epoch": self.position.epoch, "loss": loss, "seconds": seconds, **scores.as_dict()}
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        said = f"epoch {self.position.epoch}: validation BLEU-4 {bleu4:.2f} (0-100)"
        tqdm.write(said, file=sys.stderr)

    def _validate(self) -> Scores:
        """Greedy captions, decoded freely: teacher forcing would flatter the model."""
        model, captions = self.model.eval(), {}
        pictures = self.validation_set.pictures
        for first in range(0, len(pictures), 64):
            batch = torch.from_numpy(
                self.validation_features[first : first + 64].astype(np.float32)
            )
            with torch.inference_mode():
                found = model.decode(model.encoder.annotate(batch), GREEDY)
            for picture, (best, *_) in zip(pictures[first : first + 64], found):
                captions[picture.id] = " ".join(model.vocabulary.decode(best.tokens))
        return score(captions, self.validation_set.references(), describe(model, GREEDY))

    def _features(self, dataset: CaptionDataset, label: str) -> np.ndarray:
        return cached_features(
            self.model.encoder,
            [picture.path for picture in dataset.pictures],
            Path(self.config.cache).expanduser(),
            dtype=self.dtype,
            label=label,
        )

    def _store(self) -> None:
        store(self.state, self.model, self.optimizer, self.position)


def learning_rate(done: int, steps: int, config: TrainingConfig) -> float:
    """Warm-up in a straight line, then half a cosine down to a hundredth.

    Args:
        done: finished steps.
        steps: of the whole training.
    """
    warm = max(1, round(config.warm_up * steps))
    if done < warm:
        return config.learning_rate * (done + 1) / warm
    share = (done - warm) / max(1, steps - warm)
    return config.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)


def choose_precision(name: str) -> str:
    """Resolves "auto": bf16 where the processor multiplies it natively, else fp32."""
    if name != "auto":
        return name
    capabilities = torch.cpu.get_capabilities()
    native = any(capabilities.get(c) for c in ("avx512_bf16", "amx_bf16"))
    return "bf16" if native else "fp32"


@contextmanager
def _deferred_interrupt() -> Iterator[threading.Event]:
    """Turns the first Ctrl-C into an event, so that no step is left half done; the second ends."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def note(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        event.set()

    before = signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
