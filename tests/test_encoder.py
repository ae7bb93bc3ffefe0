import numpy as np
import pytest
import torch
from conftest import make_even
from PIL import Image

from captioner.backbone import Backbone
from captioner.encoder import Encoder, plan_preprocessing
from captioner.geometry import RESIZES


def build(name, size, stage=-1, annotation_dim=0, resize="squash"):
    torch.manual_seed(0)
    backbone = Backbone(name, stage)
    preprocessing = plan_preprocessing(backbone, image_size=size, resize=resize)
    return Encoder(backbone=backbone, preprocessing=preprocessing, annotation_dim=annotation_dim)


@pytest.mark.parametrize(
    ("name", "size", "grid", "channels"),
    [
        ("test_efficientnet", 96, (3, 3), 256),
        ("test_resnet", 96, (3, 3), 96),
        ("test_vit", 160, (10, 10), 64),
        ("test_convnext", 64, (2, 2), 64),
    ],
)
def test_it_says_its_grid_and_gives_that_many_annotations(name, size, grid, channels):
    encoder = build(name, size)
    pixels, _ = encoder.preprocessing(Image.new("RGB", (50, 40)))
    annotations = encoder(torch.from_numpy(pixels)[None])
    assert encoder.grid == grid and encoder.annotation_dim == channels
    assert annotations.shape == (1, grid[0] * grid[1], channels)
    assert build(name, size, annotation_dim=8)(torch.from_numpy(pixels)[None]).shape[-1] == 8


@pytest.mark.parametrize("name", ["test_efficientnet", "resnet18", "vgg11"])
def test_a_cell_looks_at_its_own_share_of_the_picture(name):
    # Where does the annotation of a cell come from? Not from half a cell beside it.
    encoder = build(name, 256, stage=3 if name == "vgg11" else -1)
    make_even(encoder)
    (top, bottom), (rows, columns) = encoder.preprocessing.margin, encoder.grid
    side = 256 + top + bottom
    stride = 256 // rows
    pixels = torch.ones(1, 3, side, side, requires_grad=True)
    first = encoder.preprocessing.first_cell
    maps = encoder.backbone(pixels)[:, :, first : first + rows, first : first + columns]
    # The two middle cells: borders cut their receptive fields off alike on both sides.
    middle = rows // 2
    total = maps[0, :, middle - 1 : middle + 1, middle - 1 : middle + 1].sum()
    (gradient,) = torch.autograd.grad(total, pixels)
    weight = gradient[0].abs().sum(0)
    places = torch.arange(side) + 0.5 - top
    for axis in (0, 1):
        centre = (weight.sum(axis) * places).sum() / weight.sum()
        assert centre.item() == pytest.approx(128, abs=stride / 16 + 0.6)


def test_frozen_means_frozen():
    encoder = build("test_efficientnet", 64, annotation_dim=8)
    before = {name: tensor.clone() for name, tensor in encoder.backbone.state_dict().items()}
    encoder.train()
    assert encoder.training and not any(m.training for m in encoder.backbone.modules())
    encoder(torch.randn(4, 3, 96, 96)).sum().backward()
    assert all(p.grad is None and not p.requires_grad for p in encoder.backbone.parameters())
    assert all(p.grad is not None for p in encoder.projection.parameters())
    assert all(torch.equal(before[k], v) for k, v in encoder.backbone.state_dict().items())


def test_unfrozen_layers_learn_and_batch_norm_stays():
    encoder = build("test_efficientnet", 64, annotation_dim=8)
    pixels = torch.randn(4, 3, 96, 96)
    with torch.no_grad():
        frozen = encoder(pixels)
    encoder.unfreeze(3)
    encoder.train()
    before = {name: t.clone() for name, t in encoder.backbone.named_buffers()}
    torch.testing.assert_close(encoder(pixels), frozen)
    encoder(pixels).sum().backward()
    learning = {name for name, p in encoder.backbone.named_parameters() if p.grad is not None}
    tops = {name.split(".")[1:3][0] for name in learning}
    assert tops == {"blocks", "conv_head", "bn2"} and not any("blocks.2." in n for n in learning)
    assert all(torch.equal(before[name], t) for name, t in encoder.backbone.named_buffers())
    known = encoder.frozen_state().keys()
    assert known and not known & learning
    encoder.unfreeze(None)
    assert not any(p.requires_grad for p in encoder.backbone.parameters())


@pytest.mark.parametrize("resize", RESIZES)
def test_the_picture_lies_inside_its_margin(resize):
    encoder = build("test_efficientnet", 64, resize=resize)
    preprocessing = encoder.preprocessing
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 80, 3), np.uint8))
    pixels, geometry = preprocessing(photo)
    before, after = preprocessing.margin
    assert pixels.shape == (3, 64 + before + after, 64 + before + after)
    assert pixels.dtype == np.float32 and geometry.size == (80, 48) and geometry.frame == (64, 64)
    inner = pixels[:, before : before + 64, before : before + 64]
    np.testing.assert_array_equal(pixels[:, before - 1, before:-after], inner[:, 1])  # mirrored


def test_colours_are_normalised_as_the_backbone_wants():
    encoder = build("tf_efficientnet_lite2", 64)
    pixels, _ = encoder.preprocessing(Image.new("RGB", (64, 64), (255, 0, 127)))
    assert encoder.preprocessing.mean == encoder.preprocessing.std == (0.5, 0.5, 0.5)
    np.testing.assert_allclose(pixels[:, 40, 40], [1.0, -1.0, 127 / 127.5 - 1], atol=1e-6)


def test_a_size_that_is_no_multiple_of_the_stride_is_refused_with_one_that_is():
    with pytest.raises(ValueError, match="image_size 100 is no multiple .* stride 32; try 96"):
        build("test_efficientnet", 100)


def with_layers(layers, annotation_dim=8):
    torch.manual_seed(0)
    backbone = Backbone("test_efficientnet", -1)
    preprocessing = plan_preprocessing(backbone, image_size=96, resize="squash")
    return Encoder(
        backbone=backbone,
        preprocessing=preprocessing,
        annotation_dim=annotation_dim,
        layers=layers,
        heads=2,
    ).eval()


def test_layers_let_cells_look_at_each_other():
    torch.manual_seed(0)
    looked = torch.randn(1, 9, 256)
    other = looked.clone()
    other[0, 8] = 0.0
    for layers in (0, 2):
        encoder = with_layers(layers)
        moved = (encoder.annotate(looked) - encoder.annotate(other)).abs().sum(-1)[0]
        assert moved[8] > 0 and (moved[:8] > 0).all() == (layers == 2)


def test_cells_know_where_they_lie_only_with_layers():
    same = torch.ones(1, 9, 256)
    assert with_layers(0).annotate(same).std(dim=1).max() < 1e-6
    assert with_layers(1).annotate(same).std(dim=1).max() > 1e-3


def test_cell_maps_sum_to_one_by_layer_and_head():
    encoder = with_layers(2)
    pixels, _ = encoder.preprocessing(Image.effect_noise((50, 40), 80).convert("RGB"))
    maps = encoder.cell_maps(torch.from_numpy(pixels)[None])
    assert maps.shape == (1, 2, 2, 9, 9)
    torch.testing.assert_close(maps.sum(-1), torch.ones(1, 2, 2, 9))


def test_cell_maps_of_an_encoder_without_layers_are_refused():
    with pytest.raises(ValueError, match="was trained without --encoder-layers"):
        with_layers(0).cell_maps(torch.zeros(1, 3, 96, 96))
