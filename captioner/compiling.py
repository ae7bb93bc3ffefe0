"""Runs what is heavy in training compiled, by torch.compile, and leaves the model as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from captioner.errors import TrainingError
from captioner.looking import Attention
from captioner.model import Captioner


def check_compiler(device: torch.device) -> None:
    """Compiles a trifle for a device: a missing compiler is no traceback in the first step then.

    Raises:
        TrainingError: it can't be compiled here.
    """
    try:
        torch.compile(torch.tanh)(torch.ones(2, device=device))
    except RuntimeError as error:
        told = str(error).splitlines()[0]
        raise TrainingError(
            f"--compile: PyTorch can't compile here ({told}); install a C++ compiler, or train "
            "without --compile"
        ) from error


@contextmanager
def compiled(model: Captioner, wanted: bool) -> Iterator[None]:
    """Inside the `with`, attentions and the trained part of the encoder run compiled.

    The whole decoder does not: its loop would be compiled once for each length of captions.
    Functions are exchanged and no modules, so that all weights keep their names.
    """
    if not wanted:
        yield
        return
    looking = [part for part in model.decoder.modules() if isinstance(part, Attention)]
    heavy = [*((part, "forward") for part in looking), (model.encoder, "annotate")]
    for part, name in heavy:
        setattr(part, name, torch.compile(getattr(part, name)))
    try:
        yield
    finally:
        for part, name in heavy:
            delattr(part, name)
