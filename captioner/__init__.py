"""Captions a picture and shows, word by word, where the model looked."""

import importlib

# Public name -> module. Each is imported when it is first asked for: torch takes seconds to load.
_PUBLIC = {
    "Caption": "caption",
    "Captioner": "model",
    "CaptionerError": "errors",
    "DecodingOptions": "options",
    "ModelConfig": "model",
    "TrainingConfig": "settings",
    "Word": "caption",
    "evaluate": "evaluation",
    "fit": "training",
    "load": "checkpoint",
    "load_image": "images",
    "new_model": "assembly",
    "overlay": "visual",
    "read_dataset": "data",
    "save": "checkpoint",
    "score": "scoring",
    "sheet": "visual",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return __all__
