"""What a training can know before it begins: its precision, its room, and what it is made from."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image

from captioner.data import CaptionDataset
from captioner.features import check_room
from captioner.model import Captioner
from captioner.phases import plan
from captioner.settings import TrainingConfig
from captioner.world import World

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def choose_precision(name: str) -> str:
    """Resolves "auto": bf16 where the processor multiplies it natively, else fp32."""
    if name != "auto":
        return name
    capabilities = torch.cpu.get_capabilities()
    native = any(capabilities.get(c) for c in ("avx512_bf16", "amx_bf16"))
    return "bf16" if native else "fp32"


def check_phases(
    model: Captioner, train_set: CaptionDataset, config: TrainingConfig
) -> Iterator[str]:
    """Tries what each phase needs of the model, before hours are spent on those before it.

    Yields:
        A sentence for each phase whose looks at the training pictures will be kept: how much room
        they take.

    Raises:
        ValueError: the backbone can't be fine-tuned, or not from that stage.
        DataError: the disk has too little room for one of them.
    """
    folder = Path(config.cache).expanduser()
    preprocessing = model.encoder.preprocessing
    blank, _ = preprocessing(Image.new("RGB", (8, 8)))
    for phase in plan(config):
        model.encoder.unfreeze(phase.stage)
        looked = model.encoder.look(torch.from_numpy(blank)[None])
        need = 2 * looked[0].numel() * len(train_set) * (1 + phase.mirror)
        check_room(folder, need)
        yield f"{phase.name}: {need / 1e9:.1f} GB under {str(folder)!r}, unless they are there"
    model.encoder.unfreeze(None)


def fingerprint(
    train_set: CaptionDataset, validation_set: CaptionDataset, world: World, dtype: torch.dtype
) -> str:
    """What a run depends on besides its settings, so that resuming can tell when it has changed."""
    ids = [[picture.id for picture in split.pictures] for split in (train_set, validation_set)]
    digest = hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:8]
    return (
        f"{len(train_set)} training and {len(validation_set)} validation pictures (ids {digest}), "
        f"{world.size} process{'es' * (world.size > 1)}, {str(dtype).removeprefix('torch.')}"
    )
