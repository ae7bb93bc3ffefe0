"""What a training can settle before it begins: its precision, the room for its features, and a
fingerprint of what it is made from."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from captioner.data import CaptionDataset
from captioner.devices import choose_device
from captioner.errors import sized
from captioner.feature_files import cache_file, check_room, free_room, stamp
from captioner.model import Captioner
from captioner.phases import plan
from captioner.settings import TrainingConfig
from captioner.world import World

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# A cache is made by itself if it leaves this share of the free room: others need some too.
LEFT_FREE = 0.1


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """What products are computed in; "auto": bf16 where the device has it, else fp32."""
    if name != "auto":
        return DTYPES[name]
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities()
        native = any(capabilities.get(c) for c in ("avx512_bf16", "amx_bf16"))
    return DTYPES["bf16" if native else "fp32"]


def settle(
    model: Captioner,
    train_set: CaptionDataset,
    validation_set: CaptionDataset,
    config: TrainingConfig,
    world: World,
) -> tuple[TrainingConfig, list[str]]:
    """Settles what a run must not change its mind about, and tries what its phases need.

    That is done before hours are spent on the phases before them.

    Returns:
        The settings with "auto" replaced for the device and the cache of features, and sentences
        that say what was chosen and why.

    Raises:
        ValueError: the backbone can't be fine-tuned, or not from that stage.
        DataError: the features are to be kept and the disk has too little room.
        TrainingError: there is no such device.
    """
    device, folder = choose_device(config.device), Path(config.cache).expanduser()
    told, need = [f"device: {device.type}"], 0
    for name, whole, missing in _rooms(model, train_set, validation_set, config):
        told.append(f"{name}: features of {sized(whole)}, {sized(missing)} still to be made")
        need += missing
    wanted = config.grounding_weight or config.reward_grounding
    if wanted and not any(picture.regions for picture in train_set.pictures):
        told.append("no caption has boxes: --grounding-weight and --reward-grounding do nothing")
    free = free_room(folder)
    if config.feature_cache == "on":
        check_room(folder, need)
    # The first process makes the files: it decides for all.
    fits = world.gather(need <= (1 - LEFT_FREE) * free)[0]
    chosen = {"auto": "on" if fits else "off"}.get(config.feature_cache, config.feature_cache)
    does = "kept in" if chosen == "on" else "made anew for every batch, not kept in"
    told.append(
        f"features are {does} {str(folder)!r}: {sized(need)} more to make, "
        f"{sized(free)} free (--feature-cache {config.feature_cache})"
    )
    return replace(config, device=device.type, feature_cache=chosen), told


def _rooms(
    model: Captioner,
    train_set: CaptionDataset,
    validation_set: CaptionDataset,
    config: TrainingConfig,
) -> Iterator[tuple[str, int, int]]:
    """Of each phase its name, and the bytes of its features: all, and those of no file yet."""
    encoder, folder = model.encoder, Path(config.cache).expanduser()
    dtype = choose_precision(config.precision, choose_device(config.device))
    blank = torch.from_numpy(encoder.preprocessing(Image.new("RGB", (8, 8)))[0])
    stamps = [stamp([p.path for p in split.pictures]) for split in (train_set, validation_set)]
    known, tuned = set(), False
    for phase in plan(config):
        encoder.unfreeze(phase.stage)
        each = 2 * encoder.look(blank[None].to(model.device))[0].numel()
        whole = missing = 0
        for files, mirrored in ((stamps[0], False), (stamps[0], True), (stamps[1], False)):
            if mirrored and not phase.mirror:
                continue
            target = cache_file(encoder, files, folder, dtype, mirrored)
            # Layers tuned before will have weights, and so a file, that nobody knows yet.
            there = (target, tuned) in known or (target.exists() and not tuned)
            whole += each * len(files)
            missing += 0 if there else each * len(files)
            known.add((target, tuned))
        tuned = tuned or phase.stage is not None
        yield phase.name, whole, missing
    encoder.unfreeze(None)


def fingerprint(
    train_set: CaptionDataset,
    validation_set: CaptionDataset,
    config: TrainingConfig,
    world: World,
) -> str:
    """What a run depends on, so that resuming can tell when it has changed.

    Args:
        config: settled, see `settle`.
    """
    # With those that can't be read: one more of them on the way is said, and is no other data set.
    splits = [[*split.pictures, *split.left_out] for split in (train_set, validation_set)]
    told = [sorted((str(picture.id), picture.captions) for picture in split) for split in splits]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:8]
    device = choose_device(config.device)
    dtype = choose_precision(config.precision, device)
    # What runs of old could not choose goes unsaid, or they could not be resumed.
    since = [device.type] * (device.type != "cpu")
    since += ["features not kept"] * (config.feature_cache == "off")
    parts = [
        f"{len(splits[0])} training and {len(splits[1])} validation pictures "
        f"(ids and captions {digest})",
        f"{world.size} process{'es' * (world.size > 1)}",
        str(dtype).removeprefix("torch."),
        *since,
    ]
    return ", ".join(parts)
