"""The decoders by name."""

from torch import nn

from captioner.decoder import LSTMDecoder
from captioner.transformer import TransformerDecoder

DECODERS = {"lstm": LSTMDecoder, "transformer": TransformerDecoder}


def build_decoder(kind: str, **options: int | float | str | tuple[int, int]) -> nn.Module:
    """Makes the decoder of that name; every decoder is given all options and takes its own.

    Raises:
        ValueError: no decoder has that name, or it can't use that attention or size.
    """
    if kind not in DECODERS:
        raise ValueError(f"unknown decoder {kind!r}; choose one of {', '.join(DECODERS)}")
    return DECODERS[kind](**options)
