"""What one word's map says: which cells hold half of it, and whether it says anything. No torch."""

import numpy as np

# Below this the strongest cell has so little more than the mean that "where" means nothing.
FLAT = 1.01


def brightest_half(alpha: np.ndarray) -> np.ndarray:
    """The fewest cells with half of the attention: (rows, columns) bool."""
    order = np.argsort(-alpha, axis=None, kind="stable")
    held = np.cumsum(alpha.ravel()[order], dtype=np.float64)
    chosen = np.zeros(alpha.size, bool)
    chosen[order[: 1 + np.searchsorted(held, held[-1] / 2 - 1e-6)]] = True
    return chosen.reshape(alpha.shape)


def is_flat(alpha: np.ndarray) -> bool:
    """Whether it looks everywhere alike, as a map of one cell always does."""
    return bool(alpha.max() <= FLAT * alpha.mean())
