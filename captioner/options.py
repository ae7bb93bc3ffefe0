"""Command-line flags from the fields of a config dataclass, and back.

Each field has a default and, in its metadata, one line of `help` and perhaps `choices`. The flag is
the field's name with dashes; a switch that is on by default is turned off with `--no-`.
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

Config = TypeVar("Config")


def option(default: Any, help: str, choices: Iterable[str] | None = None) -> Any:
    """A dataclass field that is also a command-line flag."""
    return field(default=default, metadata={"help": help, "choices": choices})


def add_options(parser: argparse.ArgumentParser, config: type, title: str) -> None:
    """Adds a flag for each field of `config`, under a heading."""
    group = parser.add_argument_group(title)
    for item in fields(config):
        flag = "--" + item.name.replace("_", "-")
        text = item.metadata["help"]
        if isinstance(item.default, bool):
            group.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=item.default, help=text
            )
        else:
            choices = item.metadata.get("choices")
            group.add_argument(
                flag,
                type=type(item.default),
                default=item.default,
                choices=sorted(choices) if choices else None,
                metavar=None if choices else type(item.default).__name__.upper(),
                help=f"{text} (default: {item.default})",
            )


def from_arguments(config: type[Config], arguments: argparse.Namespace) -> Config:
    """Builds `config` from parsed arguments.

    Raises:
        ValueError: the config refuses a value.
    """
    return config(**{item.name: getattr(arguments, item.name) for item in fields(config)})


@dataclass(frozen=True)
class DecodingOptions:
    """How captions are decoded. It is here because the commands need it before torch is loaded."""

    beam_size: int = option(5, "captions kept alive at each step; 1 is greedy")
    max_length: int = option(30, "longest caption in words")
    # Of 0, 0.5, 0.7, 0.8 and 1 the best for BLEU-4 of the model in the package on Flickr8k dev.
    length_penalty: float = option(
        0.7, "log probability is divided by length ** this; 0 prefers short captions"
    )
    considered: int = option(5, "next-best words kept for each word")

    def __post_init__(self) -> None:
        # The upper ends are far beyond use; without them a slip of the hand fills the memory.
        for name, low, high in (
            ("beam_size", 1, 1000),
            ("max_length", 1, 1000),
            ("length_penalty", 0, 10),
            ("considered", 0, 1000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be from {low} to {high}, not {value}")
