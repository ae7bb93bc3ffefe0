"""What training minimises. Knows no model and no data.

Letters: B captions, N real words in them, T steps, L locations, V vocabulary.
"""

from torch import Tensor
from torch.nn import functional as F


def caption_loss(logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Negative log likelihood of the words in nats, mean over words.

    Args:
        logits: (N, V).
        targets: (N,), the words that were said; no padding among them.
    """
    return F.cross_entropy(logits.float(), targets, label_smoothing=label_smoothing)


def doubly_stochastic_penalty(alphas: Tensor, real: Tensor) -> Tensor:
    """How far the model is from looking everywhere once: sum_i (1 - sum_t alpha_ti)^2.

    Xu et al. 2015, eq. 14. Summed over locations, mean over captions. Steps of padding look
    nowhere; a caption of padding alone does not count.

    Args:
        alphas: (B, T, L).
        real: (B, T), true where a word is said.
    """
    looked = (alphas * real[..., None]).sum(dim=1)  # (B, L)
    captions = real.any(dim=1)  # (B,)
    return ((1 - looked) ** 2).sum(dim=1)[captions].mean()


def mean_entropy(alphas: Tensor, real: Tensor) -> Tensor:
    """Entropy of the maps in nats, mean over real steps: log L says that they are flat.

    Args:
        alphas: (B, T, L).
        real: (B, T), true where a word is said.
    """
    looked = alphas[real]  # (N, L)
    return -(looked * looked.clamp_min(1e-12).log()).sum(dim=-1).mean()
