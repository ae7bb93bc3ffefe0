"""Where to look: one distribution over the annotations for each word.

Knows nothing of pictures or words. Letters: B rows (pictures x captions or beams), P pictures,
K rows that share a picture (B = P * K, the rows of one picture side by side), L locations,
D annotation size, Q query size, A attention size.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Memory(NamedTuple):
    """What a decoder may look at, made once per picture and shared by all rows of that picture."""

    annotations: Tensor  # (P, L, D)
    keys: Tensor  # (P, L, A)


class SoftAttention(nn.Module):
    """Additive attention: a weighted sum of all annotations (Xu et al. 2015, section 4.2).

    e_i = v . tanh(W_a a_i + W_q q),  alpha = softmax(e),  z = sum_i alpha_i a_i
    """

    def __init__(self, *, annotation_dim: int, query_dim: int, attention_dim: int) -> None:
        super().__init__()
        self.key = nn.Linear(annotation_dim, attention_dim)
        self.query = nn.Linear(query_dim, attention_dim, bias=False)
        self.energy = nn.Linear(attention_dim, 1, bias=False)

    def remember(self, annotations: Tensor) -> Memory:
        """Projects the annotations (P, L, D) to keys once, for every word to come."""
        return Memory(annotations, self.key(annotations))

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Looks at the memory.

        Args:
            query: (B, Q), what the decoder knows before the word; the paper's is its state.
            memory: of P pictures; row b looks at picture b // (B / P).

        Returns:
            context (B, D) and alpha (B, L), which sums to one.
        """
        pictures, locations, _ = memory.keys.shape
        query = self.query(query).view(pictures, -1, 1, memory.keys.shape[-1])  # (P, K, 1, A)
        energy = self.energy(torch.tanh(memory.keys[:, None] + query)).squeeze(-1)  # (P, K, L)
        alpha = torch.softmax(energy.float(), dim=-1)
        context = alpha.to(memory.annotations.dtype) @ memory.annotations  # (P, K, D)
        return context.flatten(0, 1), alpha.view(-1, locations)


ATTENTIONS = {"soft": SoftAttention}


def build_attention(kind: str, **sizes: int) -> nn.Module:
    """Makes the attention of that name.

    Raises:
        ValueError: no attention has that name.
    """
    if kind not in ATTENTIONS:
        raise ValueError(f"unknown attention {kind!r}; choose one of {', '.join(ATTENTIONS)}")
    return ATTENTIONS[kind](**sizes)
