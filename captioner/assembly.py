"""Makes a captioner from its settings; only this place knows how the sizes of its parts agree."""

from pathlib import Path

from captioner.backbone import Backbone, read_weights
from captioner.decoders import build_decoder
from captioner.encoder import Encoder, Preprocessing, plan_preprocessing
from captioner.model import Captioner, ModelConfig
from captioner.vocabulary import Vocabulary


def new_model(
    config: ModelConfig,
    vocabulary: Vocabulary,
    *,
    pretrained: bool = True,
    backbone_weights: Path | None = None,
) -> Captioner:
    """Builds an untrained captioner.

    Args:
        config: what it is made of.
        vocabulary: the words it will know.
        pretrained: start the backbone from ImageNet weights rather than from random ones.
        backbone_weights: a file to take them from, see `backbone.read_weights`.

    Raises:
        ValueError: a name or size in the config is not possible.
        CheckpointError: the weights can't be had.
    """
    wanted = pretrained or backbone_weights is not None
    weights = read_weights(config.backbone, backbone_weights) if wanted else None
    backbone = Backbone(config.backbone, config.stage, weights)
    for parameter in backbone.parameters():
        # A checkpoint keeps matrices in half precision: what is trained on must be what is saved.
        if parameter.ndim > 1:
            parameter.data = parameter.data.half().float()
    preprocessing = plan_preprocessing(backbone, image_size=config.image_size, resize=config.resize)
    return assemble(config, vocabulary, backbone, preprocessing)


def assemble(
    config: ModelConfig, vocabulary: Vocabulary, backbone: Backbone, preprocessing: Preprocessing
) -> Captioner:
    """Puts the parts together."""
    encoder = Encoder(
        backbone=backbone,
        preprocessing=preprocessing,
        annotation_dim=config.annotation_dim,
        layers=config.encoder_layers,
        heads=config.heads,
    )
    decoder = build_decoder(
        config.decoder,
        vocabulary_size=len(vocabulary),
        annotation_dim=encoder.annotation_dim,
        embedding_dim=config.embedding_dim,
        hidden_dim=config.hidden_dim,
        attention_dim=config.attention_dim,
        attention=config.attention,
        heads=config.heads,
        grid=encoder.grid,
        decoder_layers=config.decoder_layers,
        word_query=config.word_query,
        dropout=config.dropout,
    )
    return Captioner(encoder=encoder, decoder=decoder, vocabulary=vocabulary, config=config).eval()
