"""What `train.py` does: from flags to data, vocabulary, model and a training run."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from captioner.assembly import new_model
from captioner.compiling import check_compiler
from captioner.data import CaptionDataset
from captioner.devices import choose_device
from captioner.errors import CaptionerError, CheckpointError, counted
from captioner.idle import idle_settings
from captioner.journal import check_tensorboard
from captioner.model import Captioner, ModelConfig
from captioner.options import add_options, from_arguments
from captioner.phases import plan
from captioner.preflight import fingerprint, settle
from captioner.recipes import ABOUT, RECIPES
from captioner.resuming import check_state, has_state
from captioner.runfile import RUN, changed_since, check_vocabulary, read_run, write_run
from captioner.settings import TrainingConfig
from captioner.splits import DataConfig, leave_out, read_splits
from captioner.tokenizer import tokenize
from captioner.training import fit
from captioner.vocabulary import build_vocabulary
from captioner.world import World, join


def main(argv: list[str] | None = None) -> int:
    """Trains as the command line says; gives the exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    given = {k: v for k, v in vars(arguments).items() if k not in ("resume", "dry_run")}
    if arguments.resume and given:
        parser.error("--resume goes on with the run as it was started: give no other setting")
    try:
        configs = _resumed(arguments.resume) if arguments.resume else _chosen(given)
        return train(
            **configs,
            resume=bool(arguments.resume),
            dry_run=arguments.dry_run,
            notes=() if arguments.resume else idle_settings(configs["model"], given),
        )
    except ValueError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 2
    except (CaptionerError, OSError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # while features are made, or a second time
        print("train.py: stopped; go on with --resume and the run's folder", file=sys.stderr)
        return 130


def train(
    *,
    data: DataConfig,
    model: ModelConfig,
    training: TrainingConfig,
    resume: bool = False,
    dry_run: bool = False,
    notes: Sequence[str] = (),
) -> int:
    """Builds everything and trains; all that can be checked is checked before any work.

    Args:
        notes: what is said first, by one process.

    Returns:
        0, or 130 if it was stopped before its end.

    Raises:
        CaptionerError: a file is missing or wrong.
        ValueError: an impossible setting.
    """
    device = choose_device(training.device)
    if training.compile:
        check_compiler(device)
    if training.tensorboard:
        check_tensorboard()
    world = join(device)
    for note in notes:
        world.say(note)
    folder = Path(training.output) / "training"
    # Whether there is a state decides what is built: a run without one begins from the beginning.
    going_on = _goes_on(folder, resume, world)
    train_set, validation_set = read_splits(data, world)
    # Random weights are a function of the seed too.
    torch.manual_seed(training.seed)
    # In going on all weights come from the state: those it began with are not asked for again.
    begun = replace(data, pretrained=False, backbone_weights="") if going_on else data
    captioner = build(begun, model, train_set)
    world.say(_summary(captioner, train_set, validation_set))
    if resume:
        check_vocabulary(folder, captioner.vocabulary)
    else:
        training, told = settle(captioner, train_set, validation_set, training, world)
        world.say("\n".join(told))
    if going_on:
        made_from = fingerprint(train_set, validation_set, training, world)
        check_state(folder, made_from, captioner)
        for change in changed_since(folder):
            world.say(change)
    if dry_run:
        return 0
    train_set, validation_set = leave_out(train_set, validation_set, training, world)
    if not resume and not world.rank:
        configs = {"data": data.anywhere(), "model": model, "training": training.anywhere()}
        write_run(folder, captioner.vocabulary, configs)
    position = fit(captioner, train_set, validation_set, training, resume=going_on)
    if position.phase < len(plan(training)):
        world.say(f"stopped; go on with --resume {training.output}")
        return 130
    world.say(
        f"done: {training.output} holds the best checkpoint, with a validation CIDEr of "
        f"{position.best:.2f}"
    )
    return 0


def _goes_on(folder: Path, resume: bool, world: World) -> bool:
    """Whether there is a state to go on from; refuses to begin where a run is already."""
    if not resume:
        if (folder / RUN).exists():
            run = str(folder.parent)
            raise CheckpointError(
                f"{run!r} holds a run already; go on with --resume {run}, or give another --output"
            )
        return False
    if has_state(folder):
        return True
    world.say("stopped before its first saved state: it starts again")
    return False


def build(data: DataConfig, config: ModelConfig, train_set: CaptionDataset) -> Captioner:
    """An untrained captioner with the vocabulary of the training split."""
    captions = (tokenize(text) for picture in train_set.pictures for text in picture.captions)
    return new_model(
        config,
        build_vocabulary(captions, data.min_count),
        pretrained=data.pretrained,
        backbone_weights=Path(data.backbone_weights) if data.backbone_weights else None,
    )


def _summary(model: Captioner, train_set: CaptionDataset, validation_set: CaptionDataset) -> str:
    rows, columns = model.encoder.grid
    captions = sum(len(picture.captions) for picture in train_set.pictures)
    return (
        f"{counted(len(train_set), 'picture')} with {counted(captions, 'caption')} to learn from, "
        f"{len(validation_set)} to validate on; {counted(len(model.vocabulary), 'word')}; "
        f"a grid of {rows} x {columns}"
    )


_CONFIGS = {
    "data": (DataConfig, "data"),
    "model": (ModelConfig, "model"),
    "training": (TrainingConfig, "training"),
}


_USAGE = """train.py [--recipe NAME] [SETTING ...] --data NAME --root DIR [--images DIR]
       train.py [--recipe NAME] [SETTING ...] --train-annotations FILE
                --validation-annotations FILE --images DIR
       train.py --resume RUN
       train.py --help lists the settings"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="train.py",
        # A list of all settings would push the error that follows it off the screen.
        usage=_USAGE,
        description="Train a captioner; the checkpoint is left in --output.",
    )
    for config, title in _CONFIGS.values():
        add_options(parser, config, title)
    parser.add_argument(
        "--resume", metavar="RUN", type=Path, help="go on with the run in this folder, as it was"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything that can be checked, then stop"
    )
    parser.add_argument(
        "--recipe",
        choices=sorted(RECIPES),
        default=argparse.SUPPRESS,
        help="settings that go together, in place of the defaults; a flag overrides them. "
        + "; ".join(f"{name}: {about}" for name, about in ABOUT.items()),
    )
    return parser


def _chosen(given: dict[str, object]) -> dict[str, object]:
    """The settings of a new run, by their parts: defaults, then the recipe, then the flags."""
    settings = argparse.Namespace(**RECIPES.get(given.get("recipe"), {}) | given)
    return {name: from_arguments(kind, settings) for name, (kind, _) in _CONFIGS.items()}


def _resumed(run: Path) -> dict[str, object]:
    """The settings that a run was started with, by their parts."""
    kinds = {name: kind for name, (kind, _) in _CONFIGS.items()}
    configs = read_run(run / "training", kinds)
    # The folder may have been moved since.
    configs["training"] = replace(configs["training"], output=str(run))
    return configs
