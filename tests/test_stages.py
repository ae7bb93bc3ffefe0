import pytest
import torch

from captioner.backbone import Backbone
from captioner.stages import split


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "vgg11", "mobilenetv2_050"])
def test_both_parts_one_after_the_other_are_the_backbone(name):
    backbone = Backbone(name).eval()
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        whole = backbone(pixels)
        for stage in range(len(backbone.network.feature_info)):
            first, second = split(backbone, stage)
            assert second and bool(first) == bool(stage)
            maps = pixels
            for layer in (*first, *second):
                maps = layer(maps)
            assert torch.equal(maps, whole)


def test_the_second_part_begins_with_the_stage():
    backbone = Backbone("test_efficientnet").eval()
    first, _ = split(backbone, 3)
    maps = torch.randn(1, 3, 64, 64)
    for layer in first:
        maps = layer(maps)
    assert maps.shape[-1] == 8  # stride 8, stage 2: stage 3 has stride 16


def test_what_can_not_be_cut_is_refused_with_what_can():
    with pytest.raises(ValueError, match="a VisionTransformer can't be fine-tuned.*EfficientNet"):
        split(Backbone("test_vit"), 1)
    with pytest.raises(ValueError, match="can't be fine-tuned here.*whole"):
        split(Backbone("test_resnet", stage=2), 1)
    with pytest.raises(ValueError, match="has the stages 0 to 4, and no stage 5"):
        split(Backbone("test_resnet"), 5)
