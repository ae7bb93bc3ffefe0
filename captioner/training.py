"""Trains a captioner, phase after phase, and keeps the best: validates, stores, stops, goes on."""

import math
import threading
import time
from contextlib import closing
from pathlib import Path

import torch
from tqdm import tqdm

from captioner.card import model_card
from captioner.checkpoint import WEIGHTS, read_tensors, save
from captioner.compiling import compiled
from captioner.data import CaptionDataset
from captioner.devices import choose_device, random_state
from captioner.features import Features, open_features
from captioner.interrupts import deferred_interrupt
from captioner.journal import Journal, Tally
from captioner.learning import Learner
from captioner.model import Captioner
from captioner.phases import Phase, finished, plan
from captioner.preflight import choose_precision, fingerprint, settle
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
    world = join(choose_device(config.device))
    run = Run(model, train_set, validation_set, config, world)
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
        if config.feature_cache == "auto":
            config, _ = settle(model, train_set, validation_set, config, world)
        self.device = choose_device(config.device)
        self.model, self.config, self.world = model.to(self.device), config, world
        self.train_set, self.validation_set = train_set, validation_set
        self.output = Path(config.output)
        self.folder = self.output / "training"
        self.position, self.phases = Position(), plan(config)
        self.steps = math.ceil(len(train_set) / config.batch_size)
        self.dtype = choose_precision(config.precision, self.device)
        self.saved_at = time.monotonic()
        self.made_from = fingerprint(train_set, validation_set, config, world)

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
            # Whatever else the run leaves, a state is there before it: see `has_state`.
            self._store()
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
        phase = self.phase
        self.learner = Learner(
            self.model,
            self.train_set,
            phase,
            self.config,
            steps=phase.epochs * self.steps,
            dtype=self.dtype,
            world=self.world,
        )
        self.features = self._features(self.train_set, "training pictures", phase.mirror)
        self.validation_features = self._features(self.validation_set, "validation pictures", False)

    def _next_phase(self) -> None:
        """Goes on from the best checkpoint so far, in the precision that it was saved in."""
        self.position = self.position.after_phase()
        self.model.load_state_dict(read_tensors(self.output / WEIGHTS))
        if self.position.phase < len(self.phases):
            self._begin()
        self._store()

    def _resume(self) -> None:
        # The first process puts a broken state aside, the others find it so.
        state = self.world.in_turn(lambda: read_state(self.folder, self.made_from))
        if state.note:
            self.world.say(state.note)
        self.position = state.position
        # Before the features: they must come from the very weights that the run had.
        put_back_model(state, self.model)
        if self.position.phase == len(self.phases):
            return
        self._begin()
        learner = self.learner
        put_back_rest(state, learner.optimizer, learner.average, self.device, self.world.rank)
        if not self.world.rank:
            self.journal.rewind(finished(self.phases, self.position.phase, self.position.epoch))

    def _epoch(self, interrupted: threading.Event) -> None:
        """Trains the rest of the epoch at hand, validates, keeps the model if it is the best."""
        config, position, started = self.config, self.position, time.monotonic()
        # The order of an epoch follows from its number: there is nothing to store.
        seed = f"{config.seed}/{position.phase}/{position.epoch}"
        every = self.learner.examples.batches(config.batch_size, seed)
        captions = [self.learner.captions(batch) for batch in every]
        batches = every[position.step :]
        looks = self.features.stream(self.learner.requests(batches, seed))
        self.model.train()
        tally = Tally()
        bar = tqdm(
            total=sum(captions),
            initial=sum(captions[: position.step]),
            desc=f"{self.phase.name}, epoch {position.epoch + 1}/{self.phase.epochs}",
            unit="caption",
            disable=bool(self.world.rank),
        )
        with closing(looks), bar, compiled(self.model, config.compile):
            for batch in batches:
                done = self.position.epoch * self.steps + self.position.step
                figures = self.learner.step(batch, looks, seed, done)
                if figures is None:
                    ids = [self.train_set.pictures[i].id for i in batch]
                    self.journal.not_a_number(self._done(), ids)
                tally.add(figures)
                means = {name: total / n for name, (total, n) in figures.items() if n}
                self.journal.step(self._done(), means)
                bar.set_postfix_str(", ".join(f"{name} {v:.3g}" for name, v in means.items()))
                bar.update(self.learner.captions(batch))
                self.position = self.position.after_step()
                # Every process must come to the same answers, whatever signal or clock it has.
                stop, save_now = self._agree(interrupted.is_set())
                if stop:
                    break
                if save_now:
                    self._store()
        # Beyond: a picture was left out since the state was saved, and the epochs are shorter.
        if self.position.step >= self.steps:
            self._finish_epoch(tally, time.monotonic() - started)
        elif self.position.best < 0 and not self.world.rank:
            # An unscored model is better than none.
            with self.learner.average.in_place():
                save(self.model, self.output, model_card(self.model, None))
        self._store()

    def _finish_epoch(self, tally: Tally, seconds: float) -> None:
        with self.learner.average.in_place():
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
        self.journal.epoch(
            self._done(),
            self.phase.name,
            self.position.epoch,
            seconds,
            training=means,  # of a resumed epoch the steps of this process
            validation=scores,
        )

    def _features(self, dataset: CaptionDataset, label: str, mirrored: bool) -> Features:
        kept = self.config.feature_cache == "on"
        return open_features(
            self.model.encoder,
            [picture.path for picture in dataset.pictures],
            Path(self.config.cache).expanduser() if kept else None,
            dtype=self.dtype,
            label=label,
            mirrored=mirrored,
            world=self.world,
            most=self.config.max_bad_images,
        )

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
        states = self.world.gather(random_state(self.device))
        if not self.world.rank:
            store(
                self.folder,
                self.position,
                self.made_from,
                self.model,
                self.learner.optimizer,
                self.learner.average,
                states,
            )
        self.saved_at = time.monotonic()
        self.world.wait()
