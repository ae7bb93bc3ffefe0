import argparse
from dataclasses import asdict, dataclass, fields

import pytest

from captioner.model import ModelConfig
from captioner.options import DecodingOptions, add_options, check_bounds, from_arguments, option
from captioner.splits import DataConfig
from captioner.training import TrainingConfig


@dataclass(frozen=True)
class Config:
    """For the tests."""

    number: int = option(3, "a number")
    kind: str = option("soft", "a kind", {"soft": 1, "hard": 2})
    switch_on: bool = option(True, "a switch")


def parse(words, config=Config):
    parser = argparse.ArgumentParser()
    add_options(parser, config, "test")
    return from_arguments(config, parser.parse_args(words))


def test_fields_become_flags_and_come_back():
    assert parse([]) == Config()
    flags = ["--number", "5", "--kind", "hard", "--no-switch-on"]
    assert parse(flags) == Config(number=5, kind="hard", switch_on=False)


def test_the_help_says_each_default_that_there_is():
    @dataclass(frozen=True)
    class Silent(Config):
        name: str = option("", "a name")
        switch_off: bool = option(False, "another switch")

    parser = argparse.ArgumentParser()
    add_options(parser, Silent, "test")
    told = " ".join(parser.format_help().split())
    assert "--number INT a number (default: 3) --kind" in told
    assert "--no-switch-on a switch (default: on) --name STR a name --switch-off" in told
    assert told.endswith("--no-switch-off another switch (default: off)")


@pytest.mark.parametrize("words", [["--kind", "x"], ["--number", "x"], ["--nothing", "1"]])
def test_wrong_usage_is_exit_code_two(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(words)
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize("config", [DataConfig, ModelConfig, TrainingConfig, DecodingOptions])
def test_every_field_of_every_config_has_help_and_a_flag(config):
    assert parse([], config) == config()
    assert all(field.metadata["help"] for field in fields(config))
    assert asdict(config())


def test_the_names_of_all_training_flags_differ():
    names = [f.name for c in (DataConfig, ModelConfig, TrainingConfig) for f in fields(c)]
    assert len(names) == len(set(names))


@dataclass(frozen=True)
class Bounded:
    """For the tests."""

    count: int = option(3, "a count", least=1, most=9)
    step: float = option(0.1, "a step", above=0)
    share: float = option(0.5, "a share", least=0, below=1)

    def __post_init__(self):
        check_bounds(self)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 10}, "count must be from 1 to 9, not 10"),
        ({"step": 0.0}, "step must be above 0, not 0.0"),
        ({"share": 1.0}, "share must be from 0 to below 1, not 1.0"),
        ({"share": float("nan")}, "share must be from 0 to below 1, not nan"),
    ],
)
def test_a_number_outside_its_bounds_is_refused_and_the_ends_are_not(change, message):
    assert Bounded(count=9, share=0.0) and Bounded(count=1)
    with pytest.raises(ValueError, match=message):
        Bounded(**change)
