"""Settings that change nothing in a model, because no part of it takes them."""

import inspect
from collections.abc import Container

from captioner.attention import ATTENTIONS
from captioner.model import ModelConfig


def idle_settings(config: ModelConfig, given: Container[str]) -> list[str]:
    """One sentence for each setting that was given in vain.

    It is said and not refused: whoever compares mechanisms gives all of them the same settings.

    Args:
        given: the names of the settings that the user gave; defaults and recipes are no slip.
    """
    decoder, attention = f"--decoder {config.decoder}", f"--attention {config.attention}"
    lstm = config.decoder == "lstm"
    reasons = {}
    if not lstm:
        reasons["word_query"] = f"with {decoder}: it is for the lstm"
    if lstm:
        reasons["decoder_layers"] = f"with {decoder}: it is for the transformer"
    if not _takes(config.attention, "attention_dim"):
        reasons["attention_dim"] = f"with {attention}, which takes no such size"
    if lstm and not config.encoder_layers and not _takes(config.attention, "heads"):
        reasons["heads"] = (
            f"with {attention}: heads are for --attention multihead, --decoder transformer and "
            "--encoder-layers"
        )
    return [
        f"{_flag(name, getattr(config, name))} does nothing {reason}"
        for name, reason in reasons.items()
        if name in given
    ]


def _flag(name: str, value: object) -> str:
    """As it was typed."""
    return f"--{'no-' * (value is False)}{name.replace('_', '-')}"


def _takes(attention: str, size: str) -> bool:
    """Whether an attention takes that size by its name, and not among the others it is given."""
    kinds = ATTENTIONS[attention].__mro__
    return any(size in inspect.signature(kind.__init__).parameters for kind in kinds)
