"""Weights averaged over the steps of a training, which score better than those of its last step."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Averaged:
    """An exponential moving average of parameters (Polyak averaging).

    Args:
        parameters: what is trained.
        decay: 0-1, share of the average that a step keeps; 0 keeps nothing: it is the parameters.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float) -> None:
        self._parameters, self._decay = list(parameters), decay
        self.values: list[Tensor] = [p.detach().clone() for p in self._parameters]

    @torch.no_grad()
    def update(self, done: int) -> None:
        """Takes in the parameters as they are after a step.

        Args:
            done: steps before this one; early steps count for more, or the first weights would
                stay for long.
        """
        decay = min(self._decay, (1 + done) / (10 + done))
        torch._foreach_lerp_(self.values, [p.detach() for p in self._parameters], 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the averaged weights inside the `with`, and its own again after."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for parameter, value in zip(self._parameters, self.values, strict=True):
            own = parameter.detach().clone()
            parameter.copy_(value)
            value.copy_(own)
