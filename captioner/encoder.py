"""A picture to its annotation vectors, on a grid of cells that tiles the picture.

Strided layers pad unevenly: in a plain EfficientNet or ResNet the receptive field of a cell is
centred half a cell off its even share of the picture, and a map drawn on even shares would be
shifted by as much. So the picture gets a margin of one stride in all, placed such that the cells
that are kept are centred on even shares of it. Knows nothing of words.
Letters: P pictures, L locations (rows x columns), C channels of the backbone, D annotation size,
M layers, N heads.
"""

from dataclasses import dataclass

import numpy as np
import timm.data
import torch
from PIL import Image
from torch import Tensor, nn

from captioner.backbone import Backbone, measure
from captioner.geometry import Geometry, fit_image
from captioner.self_attention import EncoderLayer, grid_waves
from captioner.stages import split


@dataclass(frozen=True)
class Preprocessing:
    """What is done to a picture before the backbone, and which of its cells are kept after.

    Attributes:
        size: height and width in pixels of the fitted picture, which the kept cells tile.
        resize: how the picture is brought to that size, one of `geometry.RESIZES`.
        interpolation: of the resizing.
        mean, std: of each colour channel, on the scale 0-1.
        margin: pixels mirrored before (top, left) and after (bottom, right).
        grid: rows and columns of the kept cells.
        first_cell: row and column of the first kept cell in the backbone's output.
        channels: C, as a check on the backbone.
    """

    size: tuple[int, int]
    resize: str
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    margin: tuple[int, int]
    grid: tuple[int, int]
    first_cell: int
    channels: int

    def __call__(self, image: Image.Image) -> tuple[np.ndarray, Geometry]:
        """Makes the backbone's input (3, height, width), float32, and says where it came from."""
        fitted, geometry = fit_image(image, self.size[::-1], self.resize, self.interpolation)
        pixels = np.asarray(fitted, np.float32) / 255
        pixels = (pixels - np.float32(self.mean)) / np.float32(self.std)
        # Mirrored, so that the margin has no edge that a network could take for a thing.
        pixels = np.pad(pixels, (self.margin, self.margin, (0, 0)), mode="reflect")
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)), geometry


class Encoder(nn.Module):
    """Annotation vectors of pictures: a frozen backbone and a trained projection.

    `look` is the frozen part, whose output can be kept from one epoch to the next; `annotate` the
    trained one. `unfreeze` moves the border between them into the backbone.

    Args:
        backbone: frozen here; its batch-norm statistics always are.
        preprocessing: how its pictures are made; it also says which cells are kept.
        annotation_dim: D, the size that features are projected to; 0 takes them as they are.
        layers: M, layers of self-attention in which the cells look at each other.
        heads: N, of each layer.

    Raises:
        ValueError: the layers can't have that many heads or that annotation size.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        preprocessing: Preprocessing,
        annotation_dim: int,
        layers: int = 0,
        heads: int = 1,
    ) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False).eval().to(memory_format=torch.channels_last)
        self.preprocessing = preprocessing
        # Layers of the backbone before and after the border; none of them when all is frozen.
        self._frozen: list[nn.Module] = []
        self._tuned: list[nn.Module] = []
        self.annotation_dim = annotation_dim or preprocessing.channels
        self.projection = (
            nn.Sequential(
                nn.Linear(preprocessing.channels, annotation_dim), nn.LayerNorm(annotation_dim)
            )
            if annotation_dim
            else nn.Identity()
        )
        self.layers = nn.ModuleList(
            EncoderLayer(size=self.annotation_dim, heads=heads) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(self.annotation_dim) if layers else nn.Identity()
        # Only self-attention has to be told where a cell lies.
        codes = grid_waves(preprocessing.grid, self.annotation_dim) if layers else torch.zeros(())
        self.register_buffer("codes", codes, persistent=False)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns; L is their product."""
        return self.preprocessing.grid

    def unfreeze(self, stage: int | None) -> None:
        """Lets the backbone be trained from a stage on, or freezes all of it.

        Args:
            stage: the first that is trained, see `stages.split`; None freezes.

        Raises:
            ValueError: the backbone has no such stage or can't be cut.
        """
        self._frozen, self._tuned = ([], []) if stage is None else split(self.backbone, stage)
        self.backbone.requires_grad_(False)
        for layer in self._tuned:
            layer.requires_grad_(True)

    def frozen_state(self) -> dict[str, Tensor]:
        """The weights that `look` depends on, by name."""
        tuned = {
            id(tensor)
            for layer in self._tuned
            for tensor in layer.state_dict(keep_vars=True).values()
        }
        own = self.backbone.state_dict(keep_vars=True)
        return {name: tensor.detach() for name, tensor in own.items() if id(tensor) not in tuned}

    def train(self, mode: bool = True) -> "Encoder":
        """Trains the projection and the unfrozen layers; batch norm never leaves evaluation."""
        super().train(mode)
        self.backbone.eval()
        return self

    @torch.no_grad()
    def look(self, pixels: Tensor) -> Tensor:
        """Runs the frozen part on pictures (P, 3, height, width).

        Returns:
            Features (P, L, C), cells row after row; of an unfrozen backbone the maps at the border.
        """
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        if not self._tuned:
            return self._keep(self.backbone(pixels))
        for layer in self._frozen:
            pixels = layer(pixels)
        return pixels

    def annotate(self, looked: Tensor) -> Tensor:
        """What `look` gave to annotations (P, L, D)."""
        annotations = self._project(looked)
        for layer in self.layers:
            annotations = layer(annotations)
        return self.norm(annotations)

    @torch.no_grad()
    def cell_maps(self, pixels: Tensor) -> Tensor:
        """Where each cell of pictures (P, 3, height, width) looks among the cells.

        Returns:
            (P, M, N, L, L): the last axis sums to one.

        Raises:
            ValueError: there are no layers of self-attention.
        """
        if not self.layers:
            raise ValueError(
                "the encoder has no cell-to-cell maps: it was trained without --encoder-layers"
            )
        annotations, maps = self._project(self.look(pixels)), []
        for layer in self.layers:
            maps.append(layer.maps(annotations))
            annotations = layer(annotations)
        return torch.stack(maps, dim=1)

    def _project(self, looked: Tensor) -> Tensor:
        """What `look` gave to vectors (P, L, D) of cells that have not looked at each other."""
        if self._tuned:
            maps = looked.contiguous(memory_format=torch.channels_last)
            for layer in self._tuned:
                maps = layer(maps)
            looked = self._keep(maps)
        return self.projection(looked) + self.codes

    def forward(self, pixels: Tensor) -> Tensor:
        """(P, 3, height, width) to annotations (P, L, D)."""
        return self.annotate(self.look(pixels))

    def _keep(self, maps: Tensor) -> Tensor:
        """Of the backbone's maps (P, C, rows, columns) those cells that tile the picture."""
        first, (rows, columns) = self.preprocessing.first_cell, self.grid
        maps = maps[:, :, first : first + rows, first : first + columns]
        return maps.flatten(2).transpose(1, 2)


def plan_preprocessing(backbone: Backbone, *, image_size: int, resize: str) -> Preprocessing:
    """Chooses the margin and the kept cells such that the cells tile the picture.

    Args:
        image_size: height and width in pixels that pictures are fitted to.
        resize: one of `geometry.RESIZES`.

    Raises:
        ValueError: the size is no multiple of the backbone's stride.
    """
    lattice = measure(backbone, image_size)
    stride, shift = lattice.stride, lattice.shift
    if min(lattice.shape) < image_size // stride:
        raise ValueError(
            f"the backbone makes {lattice.shape} cells of a picture of {image_size} pixels; "
            f"fewer than its stride of {stride} says"
        )
    if image_size % stride:
        near = max(stride, round(image_size / stride) * stride)
        raise ValueError(
            f"image_size {image_size} is no multiple of the backbone's stride {stride}; try {near}"
        )
    if abs(shift) < stride / 8:
        margin, first_cell = (0, 0), 0
    else:
        # The first kept cell looks at first_cell * stride + stride / 2 + shift.
        first_cell = 0 if shift > 0 else 1
        before = round(first_cell * stride + shift)
        margin = (before, stride - before)
    source = timm.data.resolve_model_data_config(backbone.network)
    cells = image_size // stride
    return Preprocessing(
        size=(image_size, image_size),
        resize=resize,
        interpolation=source["interpolation"],
        mean=tuple(source["mean"]),
        std=tuple(source["std"]),
        margin=margin,
        grid=(cells, cells),
        first_cell=first_cell,
        channels=lattice.channels,
    )
