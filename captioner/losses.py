"""What training minimises. Knows no model and no data.

Every loss is a sum: sums over parts of a batch add up, whether the parts follow one another or
are on several machines, and the mean is taken once, over all words.
Letters: B captions, P pictures, K captions of each, N real words, T steps, L locations,
V vocabulary.
"""

from torch import Tensor
from torch.nn import functional as F


def caption_loss(logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Negative log likelihood of the words in nats, summed over words.

    Args:
        logits: (N, V).
        targets: (N,), the words that were said; no padding among them.
    """
    return F.cross_entropy(
        logits.float(), targets, label_smoothing=label_smoothing, reduction="sum"
    )


def doubly_stochastic_penalty(alphas: Tensor, real: Tensor) -> Tensor:
    """How far the model is from looking everywhere once: sum_i (1 - sum_t alpha_ti)^2.

    Xu et al. 2015, eq. 14. Summed over locations and captions. Steps of padding look nowhere; a
    caption of padding alone does not count.

    Args:
        alphas: (B, T, L).
        real: (B, T), true where a word is said.
    """
    looked = (alphas * real[..., None]).sum(dim=1)  # (B, L)
    captions = real.any(dim=1)  # (B,)
    return ((1 - looked) ** 2).sum(dim=1)[captions].sum()


def grounding_loss(mass: Tensor) -> Tensor:
    """How far maps are from the boxes of what their words name: -log of the attention inside.

    Liu et al. 2017 ("Attention correctness in neural image captioning") supervise maps with boxes;
    the logarithm of the mass leaves a map free inside them. Summed over words.

    Args:
        mass: (N,), share of each word's attention inside its boxes, 0-1.
    """
    return -mass.clamp_min(1e-6).log().sum()


def self_critical_loss(log_probs: Tensor, rewards: Tensor, real: Tensor) -> Tensor:
    """Raises the probability of captions that beat the mean of the picture's other samples.

    REINFORCE (Rennie et al. 2017) with the baseline of Luo 2020, "A better variant of
    self-critical sequence training". Summed over words.

    Args:
        log_probs: (B, T), of each word that was drawn, in nats.
        rewards: (P, K), of K captions of each picture; B = P * K, the rows of one side by side.
        real: (B, T), true where a word was drawn, the end included.
    """
    others = rewards.shape[1] - 1
    baseline = (rewards.sum(dim=1, keepdim=True) - rewards) / others
    advantage = (rewards - baseline).view(-1, 1)  # (B, 1)
    return -(advantage * log_probs * real).sum()


def mean_entropy(alphas: Tensor, real: Tensor) -> Tensor:
    """Entropy of the maps in nats, mean over real steps: log L says that they are flat.

    Args:
        alphas: (B, T, L).
        real: (B, T), true where a word is said.
    """
    looked = alphas[real]  # (N, L)
    return -(looked * looked.clamp_min(1e-12).log()).sum(dim=-1).mean()
