"""The state of a training run on disk: all that goes on must have to go on bit for bit.

A state is written beside the last good one, which is kept: whatever happens while writing, one of
the two is whole.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from captioner.averaging import Averaged
from captioner.checkpoint import WEIGHTS, write_tensors
from captioner.devices import set_random_state
from captioner.errors import CheckpointError
from captioner.journal import METRICS

STATE, BEFORE = "state.safetensors", "state.before.safetensors"


@dataclass(frozen=True)
class Position:
    """Where a run stands.

    Attributes:
        phase: finished phases.
        epoch: finished epochs of the phase at hand.
        step: finished steps of the epoch at hand.
        best: highest validation CIDEr so far; below 0 before the first.
        waited: epochs of this phase since the highest.
    """

    phase: int = 0
    epoch: int = 0
    step: int = 0
    best: float = -1.0
    waited: int = 0

    def after_step(self) -> "Position":
        """One step further."""
        return replace(self, step=self.step + 1)

    def after_epoch(self, score: float) -> "Position":
        """At the start of the next epoch."""
        better = score > self.best
        return replace(
            self,
            epoch=self.epoch + 1,
            step=0,
            best=max(score, self.best),
            waited=0 if better else self.waited + 1,
        )

    def after_phase(self) -> "Position":
        """At the start of the next phase."""
        return Position(self.phase + 1, best=self.best)


@dataclass(frozen=True, eq=False)
class State:
    """What was read back.

    Attributes:
        note: a sentence if the newest state is not whole and this is the one before.
    """

    position: Position
    tensors: dict[str, Tensor]
    path: Path
    note: str = ""


def store(
    folder: Path,
    position: Position,
    made_from: str,
    model: nn.Module,
    optimizer: torch.optim.Adam,
    average: Averaged,
    random_states: Sequence[Mapping[str, Tensor]],
) -> None:
    """Writes everything as one file, renamed when whole; the one before it stays.

    Args:
        made_from: a fingerprint of the data and of whatever else must not change.
        random_states: of each process, see `devices.random_state`.

    Raises:
        OSError: the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
    tensors |= {f"average.{index}": tensor for index, tensor in enumerate(average.values)}
    for rank, state in enumerate(random_states):
        tensors |= {_generator(rank, kind): own for kind, own in state.items()}
    contiguous = {name: t.detach().cpu().clone().contiguous() for name, t in tensors.items()}
    part = folder / f"{STATE}.part"
    about = {"position": json.dumps(asdict(position)), "made_from": made_from}
    try:
        write_tensors(contiguous, part, about)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(f"{error}; make room, then go on with --resume") from error
    if (folder / STATE).exists():
        os.replace(folder / STATE, folder / BEFORE)
    os.replace(part, folder / STATE)


def has_state(folder: Path) -> bool:
    """Whether a run has a state to go on from; without one, nothing was trained yet.

    Raises:
        CheckpointError: it was trained, and its states are gone: to begin again would replace
            what it has.
    """
    if any((folder / name).exists() for name in (STATE, BEFORE)):
        return True
    for path in (folder.parent / WEIGHTS, folder / METRICS):
        if path.exists():
            raise CheckpointError(
                f"the states of the run in {str(folder.parent)!r} are gone, and it has {path.name} "
                "already; begin again in another --output"
            )
    return False


def check_state(folder: Path, made_from: str, model: nn.Module) -> None:
    """Refuses a state that can't be gone on from; changes nothing.

    Args:
        made_from: what `store` was told.

    Raises:
        CheckpointError: no state is whole, it was made from something else, or it belongs to
            another model.
    """
    path, _, _ = _newest(folder, made_from)
    with safetensors.safe_open(path, "pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    _check_model(path, shapes, model)


def read_state(folder: Path, made_from: str) -> State:
    """Reads the newest whole state that `store` wrote; a broken one gets another name.

    Args:
        made_from: what `store` was told.

    Raises:
        CheckpointError: there is none, or it was made from something else.
    """
    path, position, fault = _newest(folder, made_from)
    with safetensors.safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    last = folder / STATE
    if fault and last.exists():
        # Or the next state would take the place of the good one, and this one stay.
        os.replace(last, last.with_suffix(".broken"))
    return State(position, tensors, path, fault and f"{fault}; going on from the one before it")


def _newest(folder: Path, made_from: str) -> tuple[Path, Position, str]:
    """The newest whole state: its file, where it stands, and what is wrong with a newer one."""
    faults = []
    for path in (folder / STATE, folder / BEFORE):
        try:
            with safetensors.safe_open(path, "pt") as file:
                position = Position(**json.loads(file.metadata()["position"]))
                before = file.metadata()["made_from"]
        except FileNotFoundError:
            if path.name == STATE:  # ended between the two renames
                faults.append(f"the state {str(path)!r} was not written to its end")
            continue
        except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            faults.append(f"the state {str(path)!r} is broken: {error}")
            continue
        if before != made_from:
            raise CheckpointError(
                f"the run in {str(folder.parent)!r} was made from {before}, and this would go on "
                f"from {made_from}; put the data and the processes back as they were"
            )
        return path, position, faults[0] if faults else ""
    if not any((folder / name).exists() for name in (STATE, BEFORE)):
        raise CheckpointError(f"there is no state to resume from: {str(folder / STATE)!r}")
    raise CheckpointError(f"{'; '.join(faults)}; begin again in another --output")


def put_back_model(state: State, model: nn.Module) -> None:
    """Gives the model the weights of a state.

    Raises:
        CheckpointError: it belongs to another model.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in state.tensors.items()}
    _check_model(state.path, shapes, model)
    model.load_state_dict(_part(state, "model."))


def _check_model(path: Path, shapes: Mapping[str, tuple[int, ...]], model: nn.Module) -> None:
    there = {name: shape for name, shape in shapes.items() if name.startswith("model.")}
    here = {f"model.{name}": tuple(own.shape) for name, own in model.state_dict().items()}
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            raise CheckpointError(
                f"the state {str(path)!r} belongs to another model: "
                f"{name.removeprefix('model.')} is {there.get(name, 'absent')} there and "
                f"{here.get(name, 'absent')} here; resume it with the program that began it"
            )


def put_back_rest(
    state: State,
    optimizer: torch.optim.Adam,
    average: Averaged,
    device: torch.device,
    rank: int = 0,
) -> None:
    """Gives the optimiser, the average and this process's random numbers what they had.

    Args:
        device: that the run is on, as before.

    Raises:
        CheckpointError: it is of a run with other settings.
    """
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _part(state, "optimizer.").items():
        index, moment = name.split(".")
        moments.setdefault(int(index), {})[moment] = tensor
    values = [_part(state, "average.").get(str(i)) for i in range(len(average.values))]
    shapes = [None if value is None else value.shape for value in values]
    generators = {kind: state.tensors.get(_generator(rank, kind)) for kind in {"cpu", device.type}}
    if shapes != [v.shape for v in average.values] or any(g is None for g in generators.values()):
        raise CheckpointError(
            f"the state {str(state.path)!r} is of a run with other settings than its run.json says"
        )
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    for own, value in zip(average.values, values, strict=True):
        own.copy_(value)
    set_random_state(generators, device)


def _generator(rank: int, kind: str) -> str:
    """The name of a process's random state; runs of old had the processor's alone."""
    return f"random.{rank}" if kind == "cpu" else f"random.{rank}.{kind}"


def _part(state: State, prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in state.tensors.items() if n.startswith(prefix)}
