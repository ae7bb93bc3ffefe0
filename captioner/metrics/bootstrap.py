"""How far scores would move on other pictures: bootstrap over pictures (Koehn 2004).

Letters: N pictures, R rounds.
"""

from dataclasses import dataclass

import numpy as np

ROUNDS = 1000


@dataclass(frozen=True)
class Comparison:
    """System A beside system B on the same pictures.

    Attributes:
        other: the score of B.
        difference: A - B.
        low, high: of 95 % of the rounds.
        better: share of the rounds, 0-1, in which A scored above B; a tie counts half.
    """

    other: float
    difference: float
    low: float
    high: float
    better: float


def draw_rounds(pictures: int, rounds: int = ROUNDS, seed: int = 0) -> np.ndarray:
    """How often each picture is drawn in each round of N draws with replacement: (R, N)."""
    chances = np.full(pictures, 1 / pictures)
    return np.random.default_rng(seed).multinomial(pictures, chances, size=rounds)


def interval(values: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of a score's values over the rounds, (R,)."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def compare(
    own: float, other: float, own_values: np.ndarray, other_values: np.ndarray
) -> Comparison:
    """Compares two systems by the same rounds.

    Args:
        own, other: the scores on all pictures.
        own_values, other_values: the scores in each round, (R,).
    """
    # Sums in another order are no difference.
    differences = np.round(own_values - other_values, 9)
    better = float((differences > 0).mean() + (differences == 0).mean() / 2)
    return Comparison(other, round(own - other, 9), *interval(differences), better)
