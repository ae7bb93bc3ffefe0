"""A model as a directory: `config.json`, `vocabulary.json`, `model.safetensors`, `README.md`.

Loading rebuilds everything from these; nothing in them is ever executed.
"""

import json
import os
import re
import tempfile
from dataclasses import asdict, fields
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from captioner.assembly import assemble
from captioner.backbone import Backbone
from captioner.encoder import Preprocessing
from captioner.errors import CheckpointError
from captioner.model import Captioner, ModelConfig
from captioner.vocabulary import Vocabulary

FORMAT_VERSION = 3
# What models of older formats were made of without saying so, by version.
_TWO = {"encoder_layers": 0, "decoder_layers": 2, "heads": 8}
_UNSAID = {1: {"word_query": False, **_TWO}, 2: _TWO}
DEFAULT_MODEL = Path(__file__).parent / "pretrained"
WEIGHTS, CONFIG, VOCABULARY, CARD = (
    "model.safetensors",
    "config.json",
    "vocabulary.json",
    "README.md",
)


def save(model: Captioner, directory: Path, card: str = "") -> None:
    """Writes the model beside `directory` and then renames it into place, file by file.

    Matrices are stored in half precision, vectors and statistics in single.

    Args:
        card: the text of the model card.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".saving-") as name:
        part = Path(name)
        settings = {
            "format_version": FORMAT_VERSION,
            "model": asdict(model.config),
            "preprocessing": asdict(model.encoder.preprocessing),
        }
        (part / CONFIG).write_text(json.dumps(settings, indent=2) + "\n")
        model.vocabulary.save(part / VOCABULARY)
        write_tensors(_to_store(model), part / WEIGHTS)
        (part / WEIGHTS).chmod(0o644)  # it would be the writer's alone
        (part / CARD).write_text(card)
        # The weights last: a directory that has new weights has all that goes with them.
        for file in (CARD, VOCABULARY, CONFIG, WEIGHTS):
            os.replace(part / file, directory / file)


def write_tensors(
    tensors: dict[str, Tensor], path: Path, about: dict[str, str] | None = None
) -> None:
    """Writes a safetensors file that is on the disk, and not just promised, when this returns.

    Raises:
        OSError: the disk is full, or it can't be written.
    """
    try:
        safetensors.torch.save_file(tensors, path, about)
    except safetensors.SafetensorError as error:
        raise OSError(f"can't write {str(path)!r}: {error}") from error
    with path.open("rb") as written:
        os.fsync(written.fileno())


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Reads a model's weights.

    Raises:
        CheckpointError: they are missing, broken or cut short.
    """
    try:
        return safetensors.torch.load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"the model's weights {str(path)!r} are missing") from error
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(
            f"the model's weights {str(path)!r} are broken or cut short: {error}"
        ) from error


def load(source: str | os.PathLike | None = None, device: str | torch.device = "cpu") -> Captioner:
    """Loads a captioner, ready to caption.

    Args:
        source: a model's directory, "owner/name" of one on the Hugging Face hub, or nothing for the
            model that comes with the package.
        device: where its weights go.

    Raises:
        CheckpointError: a part of the model is missing, broken, or does not fit the others.
    """
    directory = find(source)
    config, preprocessing = _read_config(directory / CONFIG)
    vocabulary = Vocabulary.load(directory / VOCABULARY)
    tensors = read_tensors(directory / WEIGHTS)
    try:
        backbone = Backbone(config.backbone, config.stage)
        model = assemble(config, vocabulary, backbone, preprocessing)
    except (AttributeError, ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{str(directory / CONFIG)!r} describes no model: {error}") from error
    _check_weights(directory, tensors, model)
    model.load_state_dict(tensors)
    model.to(device).eval()
    _try_out(directory, model)
    return model


def find(source: str | os.PathLike | None = None) -> Path:
    """The directory of a model, see `load`; one on the hub is fetched first.

    Raises:
        CheckpointError: there is none.
    """
    directory = Path(source) if source is not None else DEFAULT_MODEL
    return directory if directory.is_dir() else _from_hub(str(source))


def _from_hub(name: str) -> Path:
    """Fetches the four files of a model, and nothing else, once; gives their folder."""
    # A mistyped path is no reason to ask the network.
    if not re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) or Path(name).parent.is_dir():
        raise CheckpointError(f"there is no model directory {name!r}")
    # Here, because it is not needed for a model on disk.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=[CONFIG, VOCABULARY, WEIGHTS, CARD]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        told = str(error).splitlines()[0]
        raise CheckpointError(
            f"there is no model directory {name!r}, and none of that name could be fetched: {told}"
        ) from error


def _try_out(directory: Path, model: Captioner) -> None:
    """Looks at a blank picture: what is wrong with the parts must show here, not at a user's."""
    rows, columns = model.encoder.grid
    try:
        annotations, _ = model.look([Image.new("RGB", (8, 8))])
    except Exception as error:  # a wrong setting fails wherever it is first used
        raise CheckpointError(
            f"the preprocessing in {str(directory / CONFIG)!r} does not fit the model: {error}"
        ) from error
    if annotations.shape[1] != rows * columns or not annotations.isfinite().all():
        raise CheckpointError(
            f"the model in {str(directory)!r} is broken: a blank picture gives it "
            f"{annotations.shape[1]} annotations for {rows} x {columns} cells, or no numbers"
        )


def _to_store(model: Captioner) -> dict[str, Tensor]:
    return {
        name: (tensor.half() if tensor.ndim > 1 else tensor).detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
    }


def _read_config(path: Path) -> tuple[ModelConfig, Preprocessing]:
    try:
        settings = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"can't read the model's config {str(path)!r}: {error}") from error
    version = settings.get("format_version") if isinstance(settings, dict) else None
    if version not in (*_UNSAID, FORMAT_VERSION):
        raise CheckpointError(
            f"{str(path)!r} has format version {version!r}; this captioner reads 1 to "
            f"{FORMAT_VERSION}"
        )
    if isinstance(settings.get("model"), dict):
        settings["model"] |= _UNSAID.get(version, {})
    return _build(ModelConfig, settings, "model", path), _build(
        Preprocessing, settings, "preprocessing", path
    )


def _build(kind: type, settings: dict, part: str, path: Path):
    """A config dataclass from its JSON, lists made tuples again, nothing missing or unknown."""
    values = settings.get(part)
    wanted = {field.name for field in fields(kind)}
    if not isinstance(values, dict) or values.keys() != wanted:
        met = sorted(wanted ^ values.keys()) if isinstance(values, dict) else part
        raise CheckpointError(f"{str(path)!r}: {part!r} has missing or unknown entries: {met}")
    try:
        return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{str(path)!r} describes no model: {error}") from error


def _check_weights(directory: Path, tensors: dict[str, Tensor], model: Captioner) -> None:
    wanted = model.state_dict()
    where = f"the weights in {str(directory)!r} do not fit its config and vocabulary"
    for name in [*wanted, *tensors]:
        if name not in tensors or name not in wanted:
            verb = "lack" if name in wanted else "have an unknown"
            raise CheckpointError(f"{where}: they {verb} {name}")
        if tensors[name].shape != wanted[name].shape:
            met, size = tuple(tensors[name].shape), tuple(wanted[name].shape)
            raise CheckpointError(f"{where}: {name} is {met}, not {size}")
