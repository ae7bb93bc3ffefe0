"""The processes that train together, under torchrun; alone, all of this does nothing.

Every process takes its share of each batch's pictures and adds up sums of gradients and counts of
words: the mean that follows is that of one process with the whole batch, however unequal the
shares. DistributedDataParallel takes the mean of the processes' means, which is another number
when captions differ in length.
"""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed, nn

Item = TypeVar("Item")


@dataclass(frozen=True)
class World:
    """This process among `size`.

    Attributes:
        rank: 0 to size - 1; the first writes.
    """

    rank: int = 0
    size: int = 1

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """The part of a list that this process works on."""
        return items[self.rank :: self.size]

    def add_up(self, parameters: Sequence[nn.Parameter], count: int) -> int:
        """Sums gradients and a count over the processes; gives the count."""
        if self.size == 1:
            return count
        for parameter in parameters:
            if parameter.grad is None:  # it had no picture of this batch
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([p.grad.flatten() for p in parameters])
        counts = torch.tensor([float(count)], dtype=torch.float64, device=flat.device)
        distributed.all_reduce(flat)
        distributed.all_reduce(counts)
        for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters])):
            parameter.grad.copy_(part.view_as(parameter))
        return int(counts.item())

    def level(self, tensors: Iterable[torch.Tensor]) -> None:
        """Gives every process the mean of what they hold, in place."""
        if self.size > 1:
            for tensor in tensors:
                distributed.all_reduce(tensor)
                tensor /= self.size

    def gather(self, own: Any) -> list[Any]:
        """What each process holds, in the order of ranks, on every process."""
        if self.size == 1:
            return [own]
        everyone: list[Any] = [None] * self.size
        distributed.all_gather_object(everyone, own)
        return everyone

    def any(self, own: bool) -> bool:
        """Whether it is so for any process; all come to the same answer."""
        return any(self.gather(own))

    def say(self, text: str) -> None:
        """Says something to people, once."""
        if not self.rank:
            print(text, file=sys.stderr)

    def in_turn(self, do: Callable[[], Item]) -> Item:
        """What `do` gives: the first process does it before the others, who find its files."""
        for turn in (0, 1):
            if min(self.rank, 1) == turn:
                given = do()
            self.wait()
        return given

    def wait(self) -> None:
        """Until all have come here."""
        if self.size > 1:
            distributed.barrier()


ALONE = World()


def join(device: torch.device) -> World:
    """Joins the processes that torchrun started; without it, this one is alone.

    Args:
        device: that this process computes on.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size > 1 and not distributed.is_initialized():
        on_gpus = device.type == "cuda"
        if on_gpus:
            torch.cuda.set_device(device)
        # Gradients are summed where they are; what else is agreed on are Python's objects. The
        # first process may make features for hours while the others wait.
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpus else "gloo", timeout=timedelta(days=7)
        )
    return World(int(os.environ.get("RANK", "0")), size)
