"""What a run is made of and by what, written down when it begins: `run.json` and its words."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from captioner.errors import CheckpointError
from captioner.vocabulary import Vocabulary

RUN, VOCABULARY = "run.json", "vocabulary.json"
# What runs of old did without saying so, by config.
_UNSAID = {"training": {"feature_cache": "on", "device": "cpu"}}


def write_run(folder: Path, vocabulary: Vocabulary, configs: Mapping[str, Any]) -> None:
    """Writes everything that resuming rebuilds a run from.

    Args:
        folder: of what resuming needs; made if absent.
        configs: dataclasses by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made_by = {"command": sys.argv, "commit": _commit(), **_made_with()}
    settings = {name: asdict(config) for name, config in configs.items()}
    vocabulary.save(folder / VOCABULARY)
    part = folder / f"{RUN}.part"
    part.write_text(json.dumps({**settings, "made_by": made_by}, indent=2) + "\n")
    part.replace(folder / RUN)


def read_run(folder: Path, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Gives the configs that `write_run` wrote.

    Args:
        kinds: the class of each config, by name.

    Raises:
        CheckpointError: there are none, or they are of another program.
    """
    try:
        saved = json.loads((folder / RUN).read_text())
        return {name: kind(**(_UNSAID.get(name, {}) | saved[name])) for name, kind in kinds.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"there is no run to resume in {str(folder.parent)!r}: {error}"
        ) from error


def changed_since(folder: Path) -> list[str]:
    """What a run goes on with that it did not begin with: a sentence for each, as it may show.

    Args:
        folder: of what resuming needs, as `write_run` left it.
    """
    began, now = json.loads((folder / RUN).read_text())["made_by"], _made_with()
    told = {"threads": (began.get("threads"), now["threads"])}
    told |= {name: (began["versions"].get(name), own) for name, own in now["versions"].items()}
    return [
        f"{name}: {before} when it began and {after} now; its weights may differ in the last digits"
        for name, (before, after) in told.items()
        if before is not None and before != after
    ]


def check_vocabulary(folder: Path, vocabulary: Vocabulary) -> None:
    """Refuses captions that give other words than those a run began with.

    Raises:
        CheckpointError: they do.
    """
    began = Vocabulary.load(folder / VOCABULARY)
    if began.words != vocabulary.words:
        changed = len(set(began.words) ^ set(vocabulary.words))
        raise CheckpointError(
            f"the training captions give other words than when {str(folder.parent)!r} began: "
            f"{changed} differ, or their order; put the captions back as they were"
        )


def _made_with() -> dict[str, Any]:
    """What the last digits of a sum depend on."""
    versions = {name: version(name) for name in ("captioner", "torch", "timm")}
    return {"versions": versions, "threads": torch.get_num_threads()}


def _commit() -> str | None:
    """The git commit of this code, if it is under git; "-dirty" if it was changed since."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    command += ["--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
