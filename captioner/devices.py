"""The device that a training runs on, and where its random numbers stand."""

import os

import torch
from torch import Tensor

from captioner.errors import TrainingError


def choose_device(name: str) -> torch.device:
    """Resolves "auto": CUDA where there is a GPU, else the CPU.

    Under torchrun each process of a host takes a GPU of its own.

    Raises:
        TrainingError: CUDA is asked for and there is no GPU for this process.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise TrainingError(f"--device {name}: PyTorch finds no GPU here; give --device cpu")
    there, own = torch.cuda.device_count(), int(os.environ.get("LOCAL_RANK", "0"))
    if own >= there:
        raise TrainingError(
            f"--device {name}: there is no GPU for process {own + 1} of this host, which has "
            f"{there}; give a smaller --nproc-per-node, or --device cpu"
        )
    return torch.device("cuda", own)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Where the generators stand that a training on `device` draws from."""
    state = {"cpu": torch.get_rng_state()}
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Puts back what `random_state` gave on the same kind of device."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
