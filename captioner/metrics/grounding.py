"""Is the map true? Where the model looked for a word beside where people say the thing is.

For each word of a phrase that has boxes, `mass` is the share of attention inside them and
`pointing` whether the brightest cell is. Both mean little alone: a flat map finds large things, and
a map of the middle finds what photographers put there. So the same figures of these two controls
stand beside them. Knows no torch and no model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

# A scene's box is about the whole picture: it is counted for its own kind alone.
APART = "scene"


@dataclass(frozen=True)
class Grounding:
    """How well maps agree with boxes, 0-100, mean over words.

    Attributes:
        words: how many were looked at.
        mass, mass_uniform, mass_center: attention inside the boxes; of a flat map; of the mean map.
        pointing, pointing_center: brightest cell inside a box; that of the mean map.
        by_kind: the same for each kind of phrase; a phrase of two kinds counts for both.
    """

    words: int
    mass: float
    mass_uniform: float
    mass_center: float
    pointing: float
    pointing_center: float
    by_kind: "dict[str, Grounding]" = field(default_factory=dict)

    def as_dict(self) -> dict:
        """JSON-ready."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__}
        own["by_kind"] = {kind: part.as_dict() for kind, part in self.by_kind.items()}
        if not self.by_kind:
            del own["by_kind"]
        return own


@dataclass(frozen=True, eq=False)
class Look:
    """One word of a phrase.

    Attributes:
        alpha: (rows, columns), where the model looked.
        covered: (rows, columns), 0-1, how much of each cell the phrase's boxes cover.
        centred: (rows, columns), whether the cell's centre is in a box.
        kinds: of the phrase.
    """

    alpha: np.ndarray
    covered: np.ndarray
    centred: np.ndarray
    kinds: tuple[str, ...]


def summarise(found: Sequence[Look]) -> Grounding | None:
    """Means over looks; nothing if there is none outside scenes."""
    counted = [look for look in found if APART not in look.kinds]
    if not counted:
        return None
    middle = np.mean([look.alpha for look in counted], axis=0)
    kinds = sorted({kind for look in found for kind in look.kinds})
    return _mean(
        counted,
        middle,
        {kind: _mean([look for look in found if kind in look.kinds], middle) for kind in kinds},
    )


def _mean(
    found: Sequence[Look], middle: np.ndarray, by_kind: dict[str, Grounding] | None = None
) -> Grounding:
    alphas = np.stack([look.alpha for look in found])
    covered = np.stack([look.covered for look in found])
    centred = np.stack([look.centred for look in found]).reshape(len(found), -1)
    peaks = alphas.reshape(len(found), -1).argmax(axis=1)
    return Grounding(
        words=len(found),
        mass=100 * float((alphas * covered).sum(axis=(1, 2)).mean()),
        mass_uniform=100 * float(covered.mean()),
        mass_center=100 * float((middle / middle.sum() * covered).sum(axis=(1, 2)).mean()),
        pointing=100 * float(centred[np.arange(len(found)), peaks].mean()),
        pointing_center=100 * float(centred[:, middle.argmax()].mean()),
        by_kind=by_kind or {},
    )
