"""The models of the page, each under a name of its own. Knows no gradio."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.checkpoint import CARD, find, load
from captioner.model import Captioner


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model and what is told about it.

    Attributes:
        model: ready to caption.
        card: Markdown; empty where it has none.
    """

    model: Captioner
    card: str = ""


def load_models(sources: Sequence[str] | None) -> dict[str, LoadedModel]:
    """Loads one or several models.

    Args:
        sources: each a directory or the name of one on the hub, see `checkpoint.load`; nothing for
            the model that comes with the package.

    Returns:
        The models by name: that of the directory, with a number where another has it already.

    Raises:
        CheckpointError: one of them can't be loaded.
    """
    models: dict[str, LoadedModel] = {}
    for source in sources or [None]:
        stem = Path(source).resolve().name if source else "The model of the package"
        name, number = stem, 1
        while name in models:
            number += 1
            name = f"{stem} ({number})"
        directory = find(source)
        models[name] = LoadedModel(load(directory), read_card(directory))
    return models


def read_card(directory: Path) -> str:
    """The card of a model, without the settings that the hub keeps at its top."""
    path = directory / CARD
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
