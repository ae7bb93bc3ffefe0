"""A backbone as a plain sequence of layers, cut in two where training is to begin.

What stands before the cut stays frozen, so that its output can be kept; what follows is trained.
"""

from torch import nn

from captioner.backbone import Backbone

# Layers of a timm network in the order that its `forward_features` runs them -> the family's name.
OUTLINES = {
    ("conv_stem", "bn1", "blocks", "conv_head", "bn2"): "EfficientNet",
    ("conv1", "bn1", "act1", "maxpool", "layer1", "layer2", "layer3", "layer4"): "ResNet",
    ("features",): "VGG",
}
_SEQUENCES = ("blocks", "features")


def split(backbone: Backbone, stage: int) -> tuple[list[nn.Module], list[nn.Module]]:
    """Cuts a backbone before one of its stages.

    Args:
        stage: first stage of the second part, as timm counts them (its `feature_info`): stage 4 of
            a network of five is the one at stride 32. 0 puts everything into the second part.

    Returns:
        The layers of both parts; pictures (P, 3, height, width) that run through all of them one
        after another give what the backbone gives.

    Raises:
        ValueError: the backbone is no plain sequence of layers, or has no such stage.
    """
    layers = _sequence(backbone)
    info = backbone.network.feature_info
    if not 0 <= stage < len(info):
        raise ValueError(f"the backbone has the stages 0 to {len(info) - 1}, and no stage {stage}")
    place = list(layers).index(info[stage - 1]["module"]) + 1 if stage else 0
    ordered = list(layers.values())
    return ordered[:place], ordered[place:]


def _sequence(backbone: Backbone) -> dict[str, nn.Module]:
    """All layers up to the features, in order, by their names in the network."""
    network = backbone.network
    for outline in OUTLINES:
        if not backbone.stops_early and all(hasattr(network, name) for name in outline):
            break
    else:
        raise ValueError(
            f"a {type(network).__name__} can't be fine-tuned here; choose a backbone of the family "
            f"of {', '.join(OUTLINES.values())}, whole (stage -1)"
        )
    layers = {}
    for name in outline:
        module = getattr(network, name)
        parts = module.named_children() if name in _SEQUENCES else [("", module)]
        layers |= {f"{name}.{part}" if part else name: layer for part, layer in parts}
    return layers
