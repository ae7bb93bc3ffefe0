"""The model card: what a checkpoint says about itself, for people."""

from captioner.model import Captioner
from captioner.scoring import Scores

_CARD = """# A captioner

Captions photos in English and says where it looked for each word, after *Show, Attend and Tell*
(Xu et al. 2015). Load it with `captioner.load(directory)`.

- Encoder: {backbone}, {rows} x {columns} annotation vectors of {annotation_dim} numbers
- Decoder: {decoder} with {attention} attention, {words} words
- {parameters:.1f} million weights in all

## Scores

{scores}
"""


def model_card(model: Captioner, scores: Scores | None) -> str:
    """Writes the card.

    Args:
        scores: on the validation split; nothing if the model was never scored.
    """
    if scores is None:
        shown = "None: its training was stopped before the first validation."
    else:
        values = "\n".join(
            f"| {name} | {value:.2f} |"
            for name, value in scores.as_dict().items()
            if isinstance(value, float)
        )
        shown = (
            f"On the validation split, {scores.images} pictures, greedy, 0-100:\n\n"
            f"| metric | score |\n|---|---|\n{values}\n\nSignature: `{scores.signature}`"
        )
    rows, columns = model.encoder.grid
    config = model.config
    return _CARD.format(
        backbone=config.backbone,
        rows=rows,
        columns=columns,
        annotation_dim=model.encoder.annotation_dim,
        decoder=config.decoder,
        attention=config.attention,
        words=len(model.vocabulary),
        parameters=sum(p.numel() for p in model.parameters()) / 1e6,
        scores=shown,
    )
