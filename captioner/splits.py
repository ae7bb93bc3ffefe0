"""The training and the validation split: where they are, how they are read, what is left out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from captioner.data import CaptionDataset, make_dataset, read_dataset
from captioner.errors import DataError
from captioner.layouts.prepared import refuse
from captioner.options import option
from captioner.prepare import LAYOUTS, read_layout
from captioner.readable import leave_out_unreadable
from captioner.settings import TrainingConfig
from captioner.world import ALONE, World

_ANNOTATIONS = ("train_annotations", "validation_annotations")


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


def read_splits(data: DataConfig, world: World = ALONE) -> tuple[CaptionDataset, CaptionDataset]:
    """Reads the training and the validation split.

    Args:
        world: of these processes the first says what there is to say.

    Raises:
        CaptionerError: a file is missing or malformed, or the splits share a picture.
        ValueError: neither way of giving the data is complete, or the two are mixed.
    """
    read = _read_layout if data.data else _read_files
    return read(data, world)


def _read_layout(data: DataConfig, world: World) -> tuple[CaptionDataset, CaptionDataset]:
    beside = _flags(name for name in _ANNOTATIONS if getattr(data, name))
    if beside:
        raise ValueError(f"--data {data.data} finds the captions itself: leave out {beside}")
    if not data.root:
        raise ValueError(f"--data {data.data} needs --root, the folder of that data set")
    prepared = read_layout(data.data, data.root, images=data.images or None)
    for note in prepared.notes:
        world.say(note)
    validation = "val" if "val" in prepared.splits else "dev"
    absent = [name for name in ("train", validation) if name not in prepared.splits]
    if absent:
        raise DataError(f"{data.root!r} has no pictures of the split {absent[0]!r}")
    return tuple(
        make_dataset(prepared.splits[name], prepared.images, name) for name in ("train", validation)
    )


def _read_files(data: DataConfig, world: World) -> tuple[CaptionDataset, CaptionDataset]:
    missing = _flags(name for name in (*_ANNOTATIONS, "images") if not getattr(data, name))
    if missing:
        raise ValueError(f"give {missing}, or --data and --root")
    if data.root:
        raise ValueError("--root is the folder of a data set that --data names: leave it out")
    files = [Path(data.train_annotations), Path(data.validation_annotations)]
    train_set, validation_set = (read_dataset(file, Path(data.images)) for file in files)
    # The same file twice is no slip: whether a model can learn a few pictures by heart.
    if files[0].resolve() == files[1].resolve():
        world.say(
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


def leave_out(
    train_set: CaptionDataset,
    validation_set: CaptionDataset,
    training: TrainingConfig,
    world: World,
) -> tuple[CaptionDataset, CaptionDataset]:
    """The splits without the pictures that can't be read; they are named and counted.

    Raises:
        DataError: there are more of them than `max_bad_images`.
    """
    cache, kept = Path(training.cache).expanduser(), []
    for name, split in (("training", train_set), ("validation", validation_set)):
        # The first process looks at the files, the others learn of it.
        left, note = world.in_turn(
            partial(leave_out_unreadable, split, name, most=training.max_bad_images, cache=cache)
        )
        if note:
            world.say(note)
        kept.append(left)
    return tuple(kept)
