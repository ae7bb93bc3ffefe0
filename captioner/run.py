"""What `train.py` does: from flags to data, vocabulary, model and a training run."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from captioner.assembly import new_model
from captioner.compiling import check_compiler
from captioner.data import CaptionDataset, make_dataset, read_dataset
from captioner.devices import choose_device
from captioner.errors import CaptionerError, CheckpointError, DataError, counted
from captioner.idle import idle_settings
from captioner.journal import check_tensorboard
from captioner.layouts.prepared import refuse
from captioner.model import Captioner, ModelConfig
from captioner.options import add_options, from_arguments, option
from captioner.phases import plan
from captioner.preflight import fingerprint, settle
from captioner.prepare import LAYOUTS, read_layout
from captioner.readable import leave_out_unreadable
from captioner.recipes import ABOUT, RECIPES
from captioner.resuming import check_state, has_state
from captioner.runfile import RUN, changed_since, check_vocabulary, read_run, write_run
from captioner.settings import TrainingConfig
from captioner.tokenizer import tokenize
from captioner.training import fit
from captioner.vocabulary import build_vocabulary
from captioner.world import World, join


@dataclass(frozen=True)
class DataConfig:
    """What it is trained on: captions files with a folder of images, or a layout as downloaded."""

    train_annotations: str = option("", "COCO captions JSON of the training split")
    validation_annotations: str = option("", "COCO captions JSON of the validation split")
    images: str = option(
        "", "folder of the pictures; with --data needed only where they aren't beside the captions"
    )
    data: str = option("", "instead of these: a data set in its original layout", LAYOUTS)
    root: str = option("", "folder of that data set, or its one file of captions")
    min_count: int = option(5, "how often a word must be seen to be learnt")
    pretrained: bool = option(True, "start the backbone from ImageNet weights")
    backbone_weights: str = option("", "file of backbone weights to start from")

    def anywhere(self) -> "DataConfig":
        """The same with whole paths: a run can be resumed from another folder."""
        names = ("train_annotations", "validation_annotations", "images", "root")
        given = [name for name in (*names, "backbone_weights") if getattr(self, name)]
        return replace(self, **{name: str(Path(getattr(self, name)).resolve()) for name in given})


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
    say = _speaker(world)
    for note in notes:
        say(note)
    folder = Path(training.output) / "training"
    # Whether there is a state decides what is built: a run without one begins from the beginning.
    going_on = resume and has_state(folder)
    if resume and not going_on:
        say("stopped before its first saved state: it starts again")
    if not resume and (folder / RUN).exists():
        raise CheckpointError(
            f"{training.output!r} holds a run already; "
            f"go on with --resume {training.output}, or give another --output"
        )
    train_set, validation_set = read_splits(data, world)
    # Random weights are a function of the seed too.
    torch.manual_seed(training.seed)
    # In going on all weights come from the state: those it began with are not asked for again.
    begun = replace(data, pretrained=False, backbone_weights="") if going_on else data
    captioner = build(begun, model, train_set)
    say(_summary(captioner, train_set, validation_set))
    if resume:
        check_vocabulary(folder, captioner.vocabulary)
    else:
        training, told = settle(captioner, train_set, validation_set, training, world)
        say("\n".join(told))
    if going_on:
        made_from = fingerprint(train_set, validation_set, training, world)
        check_state(folder, made_from, captioner)
        for change in changed_since(folder):
            say(change)
    if dry_run:
        return 0
    train_set, validation_set = _readable(train_set, validation_set, training, world)
    if not resume and not world.rank:
        configs = {"data": data.anywhere(), "model": model, "training": training.anywhere()}
        write_run(folder, captioner.vocabulary, configs)
    position = fit(captioner, train_set, validation_set, training, resume=going_on)
    if position.phase < len(plan(training)):
        say(f"stopped; go on with --resume {training.output}")
        return 130
    say(
        f"done: {training.output} holds the best checkpoint, with a validation CIDEr of "
        f"{position.best:.2f}"
    )
    return 0


_ANNOTATIONS = ("train_annotations", "validation_annotations")


def read_splits(
    data: DataConfig, world: World | None = None
) -> tuple[CaptionDataset, CaptionDataset]:
    """Reads the training and the validation split.

    Args:
        world: of these processes the first says what there is to say; none: this one is alone.

    Raises:
        CaptionerError: a file is missing or malformed, or the splits share a picture.
        ValueError: neither way of giving the data is complete, or the two are mixed.
    """
    read = _read_layout if data.data else _read_files
    return read(data, _speaker(world or World()))


def _read_layout(
    data: DataConfig, say: Callable[[str], None]
) -> tuple[CaptionDataset, CaptionDataset]:
    beside = _flags(name for name in _ANNOTATIONS if getattr(data, name))
    if beside:
        raise ValueError(f"--data {data.data} finds the captions itself: leave out {beside}")
    if not data.root:
        raise ValueError(f"--data {data.data} needs --root, the folder of that data set")
    prepared = read_layout(data.data, data.root, images=data.images or None)
    for note in prepared.notes:
        say(note)
    validation = "val" if "val" in prepared.splits else "dev"
    absent = [name for name in ("train", validation) if name not in prepared.splits]
    if absent:
        raise DataError(f"{data.root!r} has no pictures of the split {absent[0]!r}")
    return tuple(
        make_dataset(prepared.splits[name], prepared.images, name) for name in ("train", validation)
    )


def _read_files(
    data: DataConfig, say: Callable[[str], None]
) -> tuple[CaptionDataset, CaptionDataset]:
    missing = _flags(name for name in (*_ANNOTATIONS, "images") if not getattr(data, name))
    if missing:
        raise ValueError(f"give {missing}, or --data and --root")
    files = [Path(data.train_annotations), Path(data.validation_annotations)]
    train_set, validation_set = (read_dataset(file, Path(data.images)) for file in files)
    # The same file twice is no slip: whether a model can learn a few pictures by heart.
    if files[0].resolve() == files[1].resolve():
        say(
            f"training and validation are the same pictures: scores on {files[0]} tell what it "
            "learns by heart"
        )
    else:
        learnt = {picture.path for picture in train_set.pictures}
        shared = [p.path for p in validation_set.pictures if p.path in learnt]
        refuse(f"pictures in both {files[0]} and {files[1]}", shared)
    return train_set, validation_set


def _flags(names: Iterable[str]) -> str:
    return ", ".join("--" + name.replace("_", "-") for name in names)


def build(data: DataConfig, config: ModelConfig, train_set: CaptionDataset) -> Captioner:
    """An untrained captioner with the vocabulary of the training split."""
    captions = (tokenize(text) for picture in train_set.pictures for text in picture.captions)
    return new_model(
        config,
        build_vocabulary(captions, data.min_count),
        pretrained=data.pretrained,
        backbone_weights=Path(data.backbone_weights) if data.backbone_weights else None,
    )


def _readable(
    train_set: CaptionDataset,
    validation_set: CaptionDataset,
    training: TrainingConfig,
    world: World,
) -> tuple[CaptionDataset, CaptionDataset]:
    cache, say = Path(training.cache).expanduser(), _speaker(world)
    kept = []
    for name, split in (("training", train_set), ("validation", validation_set)):
        for turn in (0, 1):  # the first process looks at the files, the others learn of it
            if min(world.rank, 1) == turn:
                left, note = leave_out_unreadable(
                    split, name, most=training.max_bad_images, cache=cache
                )
            world.wait()
        if note:
            say(note)
        kept.append(left)
    return tuple(kept)


def _speaker(world: World) -> Callable[[str], None]:
    """Says something on stderr, in the first process alone."""
    return lambda text: None if world.rank else print(text, file=sys.stderr)


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
