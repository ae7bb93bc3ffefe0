"""The models of the page, each under a name of its own. Knows no gradio."""

from collections.abc import Sequence
from pathlib import Path

from captioner.checkpoint import load
from captioner.model import Captioner


def load_models(sources: Sequence[str] | None) -> dict[str, Captioner]:
    """Loads one or several models.

    Args:
        sources: each a directory or the name of one on the hub, see `checkpoint.load`; nothing for
            the model that comes with the package.

    Returns:
        The models by name: that of the directory, with a number where another has it already.

    Raises:
        CheckpointError: one of them can't be loaded.
    """
    models: dict[str, Captioner] = {}
    for source in sources or [None]:
        stem = Path(source).resolve().name if source else "The model of the package"
        name, number = stem, 1
        while name in models:
            number += 1
            name = f"{stem} ({number})"
        models[name] = load(source)
    return models
