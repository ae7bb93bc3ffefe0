"""The state of a training run on disk: all that goes on must have to go on bit for bit."""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from captioner.errors import CheckpointError

STATE = "state.safetensors"


@dataclass(frozen=True)
class Position:
    """Where a run stands.

    Attributes:
        epoch: finished epochs.
        step: finished steps of the epoch at hand.
        best: highest validation score so far; below 0 before the first.
    """

    epoch: int = 0
    step: int = 0
    best: float = -1.0

    def after_step(self) -> "Position":
        """One step further."""
        return replace(self, step=self.step + 1)

    def after_epoch(self, score: float) -> "Position":
        """At the start of the next epoch."""
        return Position(self.epoch + 1, 0, max(score, self.best))


def store(folder: Path, model: nn.Module, optimizer: torch.optim.Adam, position: Position) -> None:
    """Writes weights, optimiser, random state and position as one file, renamed when whole."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
    tensors["random"] = torch.get_rng_state()
    part = folder / f"{STATE}.part"
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    safetensors.torch.save_file(contiguous, part, {"position": json.dumps(asdict(position))})
    os.replace(part, folder / STATE)


def restore(folder: Path, model: nn.Module, optimizer: torch.optim.Adam) -> Position:
    """Puts back what `store` wrote; the random state too.

    Raises:
        CheckpointError: there is no whole state, or it belongs to another model.
    """
    path = folder / STATE
    try:
        with safetensors.safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            position = Position(**json.loads(file.metadata()["position"]))
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no state to resume from: {str(path)!r}") from error
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the state {str(path)!r} is broken: {error}") from error
    weights = {n[6:]: t for n, t in tensors.items() if n.startswith("model.")}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"the state {str(path)!r} belongs to another model") from error
    optimizer.load_state_dict({**optimizer.state_dict(), "state": _moments(tensors)})
    torch.set_rng_state(tensors["random"])
    return position


def _moments(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, moment = name.split(".")
            moments.setdefault(int(index), {})[moment] = tensor
    return moments
