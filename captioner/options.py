"""Command-line flags from the fields of a config dataclass, and back.

Each field has a default and, in its metadata, one line of `help` and perhaps `choices` or bounds.
The flag is the field's name with dashes; a switch that is on by default is turned off with `--no-`.
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

Config = TypeVar("Config")


@dataclass(frozen=True)
class Bounds:
    """What a number may be: `least` and `most` may be reached, `above` and `below` may not."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def hold(self, value: float) -> bool:
        """Whether a number is inside; NaN never is."""
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        if self.most is None and self.below is None:
            return f"above {self.above}" if self.least is None else f"at least {self.least}"
        highest = f"below {self.below}" if self.most is None else f"{self.most}"
        return f"from {self.least} to {highest}"


def option(
    default: Any, help: str, choices: Iterable[str] | None = None, **bounds: float | None
) -> Any:
    """A dataclass field that is also a command-line flag.

    Args:
        help: one line.
        choices: what a text may be.
        bounds: of a number, see `Bounds`; the config has them checked by `check_bounds`.
    """
    own = Bounds(**bounds) if bounds else None
    return field(default=default, metadata={"help": help, "choices": choices, "bounds": own})


def check_bounds(config: Any) -> None:
    """Refuses a config with a number outside the bounds of its field.

    Raises:
        ValueError: there is one.
    """
    for item in fields(config):
        value, bounds = getattr(config, item.name), item.metadata["bounds"]
        if bounds and not bounds.hold(value):
            raise ValueError(f"{item.name} must be {bounds}, not {value}")


def add_options(parser: argparse.ArgumentParser, config: type, title: str) -> None:
    """Adds a flag for each field of `config`, under a heading.

    What is not given is not among the parsed arguments: the field has its default already.
    """
    group = parser.add_argument_group(title)
    for item in fields(config):
        flag = "--" + item.name.replace("_", "-")
        text, default = item.metadata["help"], item.default
        if isinstance(default, bool):
            default = "on" if default else "off"
        if default != "":
            text += f" (default: {default})"
        if isinstance(item.default, bool):
            action = argparse.BooleanOptionalAction
            group.add_argument(flag, action=action, default=argparse.SUPPRESS, help=text)
        else:
            choices = item.metadata.get("choices")
            group.add_argument(
                flag,
                type=type(item.default),
                default=argparse.SUPPRESS,
                choices=sorted(choices) if choices else None,
                metavar=None if choices else type(item.default).__name__.upper(),
                help=text,
            )


def from_arguments(config: type[Config], arguments: argparse.Namespace) -> Config:
    """Builds `config` from parsed arguments; a field that is not there has its default.

    Raises:
        ValueError: the config refuses a value.
    """
    given = vars(arguments)
    return config(**{item.name: given[item.name] for item in fields(config) if item.name in given})


@dataclass(frozen=True)
class DecodingOptions:
    """How captions are decoded. It is here because the commands need it before torch is loaded."""

    # The upper ends are far beyond use; without them a slip of the hand fills the memory.
    beam_size: int = option(5, "captions kept alive at each step; 1 is greedy", least=1, most=1000)
    max_length: int = option(30, "longest caption in words", least=1, most=1000)
    # Of 0.7, 0.8, 0.9, 1 and 1.2 the best for BLEU of the model in the package on Flickr8k dev.
    length_penalty: float = option(
        0.7,
        "log probability is divided by length ** this; 0 prefers short captions",
        least=0,
        most=10,
    )
    considered: int = option(5, "next-best words kept for each word", least=0, most=1000)

    def __post_init__(self) -> None:
        check_bounds(self)
