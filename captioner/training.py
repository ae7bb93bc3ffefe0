"""Trains a captioner, phase after phase, and keeps the best.

In each phase the frozen layers have looked at every picture once and for all (`features`); what is
trained goes on from there. Letters: P pictures, D annotation size, L locations.
"""

import json
import math
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from captioner.averaging import Averaged
from captioner.card import model_card
from captioner.checkpoint import WEIGHTS, read_tensors, save
from captioner.data import CaptionDataset
from captioner.errors import TrainingError
from captioner.examples import Examples
from captioner.features import cached_features
from captioner.interrupts import deferred_interrupt
from captioner.journal import Journal, Tally
from captioner.model import Captioner
from captioner.objectives import OBJECTIVES
from captioner.phases import Phase, plan, rate
from captioner.preflight import DTYPES, choose_precision, fingerprint
from captioner.resuming import Position, put_back_model, put_back_rest, read_state, store
from captioner.settings import TrainingConfig
from captioner.validation import validate
from captioner.world import World, join

WATCHED = 8  # pictures that are shown after every epoch


def fit(
    model: Captioner,
    train_set: CaptionDataset,
    validation_set: CaptionDataset,
    config: TrainingConfig,
    *,
    resume: bool = False,
) -> Position:
    """Trains `model`; keeps the checkpoint with the best CIDEr of free greedy captions.

    Ctrl-C ends it after the step at hand, with a usable checkpoint and the state to resume from.

    Args:
        model: trained in place.
        config: its output folder gets the checkpoint, and `training/` with the state and a line of
            metrics for each epoch.
        resume: go on from that state, to the same weights as a run that was never stopped.

    Returns:
        Where the run stands now.

    Raises:
        ImageError: a picture can't be read.
        DataError: there is no room for the features.
        CheckpointError: there is nothing to resume, or it is broken.
        TrainingError: the loss is no number any more.
    """
    run = Run(model, train_set, validation_set, config, join())
    run.train(resume=resume)
    model.eval()
    return run.position


class Run:
    """One training: the data it draws from, and where it stands."""

    def __init__(
        self,
        model: Captioner,
        train_set: CaptionDataset,
        validation_set: CaptionDataset,
        config: TrainingConfig,
        world: World,
    ) -> None:
        self.model, self.config, self.world = model, config, world
        self.train_set, self.validation_set = train_set, validation_set
        self.output = Path(config.output)
        self.folder = self.output / "training"
        self.position, self.phases = Position(), plan(config)
        self.steps = math.ceil(len(train_set) / config.batch_size)
        self.dtype = DTYPES[choose_precision(config.precision)]
        self.saved_at = time.monotonic()
        self.made_from = fingerprint(train_set, validation_set, world, self.dtype)

    def train(self, *, resume: bool) -> None:
        """Runs the phases that are left, until their end or an interrupt."""
        self.journal = Journal(
            self.folder, tensorboard=self.config.tensorboard and not self.world.rank
        )
        if resume:
            self._resume()
        else:
            torch.manual_seed(self.config.seed + self.world.rank)
            self._begin()
        stopped = False
        while self.position.phase < len(self.phases) and not stopped:
            if self._phase_is_over():
                self._next_phase()
            else:
                # While features are made, Ctrl-C ends at once: there is no step to finish.
                with deferred_interrupt() as interrupted:
                    self._epoch(interrupted)
                    stopped = self.world.any(interrupted.is_set())
        self.journal.close()

    @property
    def phase(self) -> Phase:
        """The phase at hand."""
        return self.phases[self.position.phase]

    def _phase_is_over(self) -> bool:
        tired = self.config.patience and self.position.waited >= self.config.patience
        return bool(tired) or self.position.epoch >= self.phase.epochs

    def _begin(self) -> None:
        """Gets everything ready that belongs to the phase at hand."""
        model, phase, config = self.model, self.phase, self.config
        model.encoder.unfreeze(phase.stage)
        tuned = [p for p in model.encoder.backbone.parameters() if p.requires_grad]
        known = set(map(id, tuned))
        others = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
        self.trained = others + tuned
        rates = ((others, phase.learning_rate), (tuned, phase.encoder_learning_rate))
        groups = [{"params": part, "lr": lr, "highest": lr} for part, lr in rates if part]
        self.optimizer = torch.optim.Adam(groups)
        self.average = Averaged(self.trained, config.average_decay)
        self.examples = Examples(
            self.train_set, model.vocabulary, model.encoder.preprocessing, mirror=phase.mirror
        )
        self.objective = OBJECTIVES[phase.objective](config, self.examples, self.train_set)
        self.features = [self._features(self.train_set, "training pictures", False)]
        if phase.mirror:
            self.features.append(self._features(self.train_set, "mirrored pictures", True))
        self.validation_features = self._features(self.validation_set, "validation pictures", False)

    def _next_phase(self) -> None:
        """Goes on from the best checkpoint so far, in the precision that it was saved in."""
        self.position = self.position.after_phase()
        self.model.load_state_dict(read_tensors(self.output / WEIGHTS))
        if self.position.phase < len(self.phases):
            self._begin()
        self._store()

    def _resume(self) -> None:
        state = read_state(self.folder, self.made_from)
        if state.note:
            print(state.note, file=sys.stderr)
        self.position = state.position
        # Before the features: they must come from the very weights that the run had.
        put_back_model(state, self.model)
        if self.position.phase == len(self.phases):
            return
        self._begin()
        put_back_rest(state, self.optimizer, self.average, self.world.rank)
        if not self.world.rank:
            done = [
                (phase.name, epoch + 1)
                for number, phase in enumerate(self.phases[: self.position.phase + 1])
                for epoch in range(phase.epochs)
                if number < self.position.phase or epoch < self.position.epoch
            ]
            self.journal.rewind(done)

    def _epoch(self, interrupted: threading.Event) -> None:
        """Trains the rest of the epoch at hand, validates, keeps the model if it is the best."""
        config, position, started = self.config, self.position, time.monotonic()
        # The order of an epoch follows from its number: there is nothing to store.
        seed = f"{config.seed}/{position.phase}/{position.epoch}"
        batches = self.examples.batches(config.batch_size, seed)[position.step :]
        self.model.train()
        tally = Tally()
        label = f"{self.phase.name}, epoch {position.epoch + 1}/{self.phase.epochs}"
        with tqdm(
            total=self.steps,
            initial=position.step,
            desc=label,
            unit="batch",
            disable=bool(self.world.rank),
        ) as bar:
            for batch in batches:
                figures = self._step(batch, seed)
                tally.add(figures)
                means = {name: total / n for name, (total, n) in figures.items() if n}
                self.journal.step(self._done(), means)
                bar.set_postfix_str(", ".join(f"{name} {v:.2f}" for name, v in means.items()))
                bar.update()
                self.position = self.position.after_step()
                # Every process must come to the same answers, whatever signal or clock it has.
                stop, save_now = self._agree(interrupted.is_set())
                if stop:
                    break
                if save_now:
                    self._store()
        if self.position.step == self.steps:
            self._finish_epoch(tally, time.monotonic() - started)
        elif self.position.best < 0 and not self.world.rank:
            # An unscored model is better than none.
            with self.average.in_place():
                save(self.model, self.output, model_card(self.model, None))
        self._store()

    def _step(self, pictures: list[int], seed: str) -> dict[str, tuple[float, float]]:
        """One update; gives its figures."""
        phase, config = self.phase, self.config
        done = self.position.epoch * self.steps + self.position.step
        for group in self.optimizer.param_groups:
            group["lr"] = group["highest"] * rate(done, phase.epochs * self.steps, config.warm_up)
        self.optimizer.zero_grad(set_to_none=True)
        words, tally, broken = 0, Tally(), False
        share = self.world.share(pictures)
        size = math.ceil(len(share) / config.accumulate) if share else 1
        for first in range(0, len(share), size):
            batch = self.examples.batch(share[first : first + size], seed)
            annotations = self._annotations(batch.pictures, batch.mirrored)
            if broken := not annotations.isfinite().all():
                break
            with torch.autocast("cpu", self.dtype, enabled=self.dtype != torch.float32):
                outcome = self.objective(self.model, annotations, batch)
            # Sums: the mean is taken below, over the words of all parts and all processes.
            (outcome.total / config.batch_size).backward()
            words += outcome.words
            tally.add(outcome.figures)
        if self.world.any(broken):
            self._stop_at(pictures)
        words = self.world.add_up(self.trained, words)
        for parameter in self.trained:
            if parameter.grad is not None:
                parameter.grad.mul_(config.batch_size / words)
        norm = torch.nn.utils.clip_grad_norm_(self.trained, phase.clip).item()
        if not math.isfinite(norm):
            self._stop_at(pictures)
        self.optimizer.step()
        self.average.update(done)
        return {**tally.sums(), "gradient": (norm, 1)}

    def _annotations(self, pictures: list[int], mirrored: list[bool]) -> Tensor:
        """What the trained part of the encoder makes of pictures: (P, L, D)."""
        looked = np.stack([self.features[turn][i] for i, turn in zip(pictures, mirrored)])
        # Tuned layers stay in float32: bf16 took 2.3 times as long backwards through depthwise
        # convolutions (EfficientNet-Lite2 from stage 4 on, 32 pictures: 3.3 s against 1.4 s).
        return self.model.encoder.annotate(torch.from_numpy(looked).float())

    def _finish_epoch(self, tally: Tally, seconds: float) -> None:
        with self.average.in_place():
            scores = validate(self.model, self.validation_set, self.validation_features, self.world)
            if scores.cider > self.position.best and not self.world.rank:
                save(self.model, self.output, model_card(self.model, scores))
            if not self.world.rank:
                watched = [p.path for p in self.validation_set.pictures[:WATCHED]]
                self.journal.pictures(self._done(), self.model.eval(), watched)
        means = Tally.of(self.world.gather(tally.sums())).means()
        self.world.wait()  # until the checkpoint is written: the next phase begins from it
        self.position = self.position.after_epoch(scores.cider)
        if self.world.rank:
            return
        line = {
            "phase": self.phase.name,
            "epoch": self.position.epoch,
            "seconds": round(seconds, 1),
            # Of a resumed epoch the steps of this process.
            "training": means,
            "validation": scores.as_dict(),
        }
        self.journal.epoch(self._done(), line)
        grounding = scores.grounding
        told = f", pointing {grounding.pointing:.1f}" if grounding else ""
        tqdm.write(
            f"{self.phase.name}, epoch {self.position.epoch}: validation BLEU-4 "
            f"{scores.bleu.values[3]:.2f}, CIDEr {scores.cider:.2f}{told} (0-100)",
            file=sys.stderr,
        )

    def _features(self, dataset: CaptionDataset, label: str, mirrored: bool) -> np.ndarray:
        def make() -> np.ndarray:
            return cached_features(
                self.model.encoder,
                [picture.path for picture in dataset.pictures],
                Path(self.config.cache).expanduser(),
                dtype=self.dtype,
                label=label,
                mirrored=mirrored,
            )

        if not self.world.rank:
            made = make()
        self.world.wait()  # the first process makes the file, the others find it
        return made if not self.world.rank else make()

    def _done(self) -> int:
        """Steps of the whole training so far."""
        epochs = sum(phase.epochs for phase in self.phases[: self.position.phase])
        return (epochs + self.position.epoch) * self.steps + self.position.step

    def _agree(self, interrupted: bool) -> tuple[bool, bool]:
        """Whether to stop, and whether to save, for all processes alike."""
        every, minutes = self.config.save_every_steps, self.config.save_every_minutes
        by_steps = bool(every) and self.position.step % every == 0
        by_time = bool(minutes) and time.monotonic() - self.saved_at > 60 * minutes
        wishes = self.world.gather((interrupted, by_steps or by_time))
        return any(stop for stop, _ in wishes), any(save for _, save in wishes)

    def _store(self) -> None:
        states = self.world.random_states()
        if not self.world.rank:
            store(
                self.folder,
                self.position,
                self.made_from,
                self.model,
                self.optimizer,
                self.average,
                states,
            )
        self.saved_at = time.monotonic()
        self.world.wait()

    def _stop_at(self, pictures: list[int]) -> None:
        """Ends a training whose gradient is no number, and says with which pictures."""
        ids = [self.train_set.pictures[i].id for i in pictures]
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "not-a-number.json"
        path.write_text(json.dumps({"step": self._done(), "image_ids": ids}) + "\n")
        raise TrainingError(
            f"the gradient is no number any more at step {self._done()}; the ids of its "
            f"{len(ids)} pictures are in {str(path)!r}; begin again in another --output with a "
            "lower learning rate, or without these pictures"
        )
