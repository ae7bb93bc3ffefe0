"""What an attention is, and the plainest: a weighted sum of the annotations.

Knows nothing of pictures or words. Letters: B rows (pictures x captions or beams), P pictures, K
rows that share a picture (B = P * K, the rows of one picture side by side), L locations, D
annotation size, Q query size, A attention size, N heads, H size of the LSTM's cell, T steps,
V vocabulary.
"""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn


class Memory(NamedTuple):
    """What a decoder may look at, made once per picture and shared by all rows of that picture."""

    annotations: Tensor  # (P, L, D)
    keys: Tensor  # (P, L, A), what the query is compared with
    values: Tensor  # (P, L, D), what is summed: for most mechanisms the annotations


class Look(NamedTuple):
    """What an attention gives for each row."""

    context: Tensor  # (B, D)
    alpha: Tensor  # (B, L), the map: sums to one; with heads, their mean
    selection: Tensor  # (B, L), the weights that the sum was really taken with
    energies: Tensor  # (B, N, L), before the softmax; one head for most mechanisms
    heads: Tensor  # (B, N, L), each sums to one
    seen: Tensor  # (B, 1), 0-1: the share of the context that is picture and not sentinel


class Attention(nn.Module):
    """The base: alpha = softmax(e), z = sum_i alpha_i a_i. Children differ in the energies e.

    Every mechanism is given all sizes and takes those it needs: `annotation_dim`, `query_dim`,
    `attention_dim`, `heads`, `grid` (rows, columns) and `cell_dim`.
    """

    # Why it can't serve a Transformer, which looks in every layer and has no cell; empty: it can.
    recurrent_only: ClassVar[str] = ""
    # Whether training draws one location for a word; captioning takes the likeliest.
    draws: ClassVar[bool] = False
    # Whether it decides itself how much of the picture it lets in.
    has_sentinel: ClassVar[bool] = False
    # Whether the context is a weighted sum of the annotations as they are.
    sums_annotations: ClassVar[bool] = True

    def remember(self, annotations: Tensor) -> Memory:
        """Prepares the annotations (P, L, D) once, for every word to come."""
        return Memory(annotations, annotations, annotations)

    def energies(self, query: Tensor, memory: Memory) -> Tensor:
        """How well each location suits the query: (P, K, Q) to (P, K, L)."""
        raise NotImplementedError

    def select(self, alpha: Tensor) -> Tensor:
        """The weights (P, K, L) of the sum: for most mechanisms alpha itself."""
        return alpha

    def forward(self, query: Tensor, memory: Memory, cell: Tensor | None = None) -> Look:
        """Looks at the memory.

        Args:
            query: (B, Q), what the decoder knows before the word; the paper's is its state.
            memory: of P pictures; row b looks at picture b // (B / P).
            cell: (B, H), the LSTM's; a sentinel is made of it.
        """
        energies = self.energies(query.view(len(memory.keys), -1, query.shape[-1]), memory)
        energies = precise(energies)
        alpha = torch.softmax(energies, dim=-1)  # (P, K, L)
        selection = self.select(alpha)
        context = selection.to(memory.values.dtype) @ memory.values  # (P, K, D)
        energies, alpha, selection = (x.flatten(0, 1) for x in (energies, alpha, selection))
        return Look(
            context=context.flatten(0, 1),
            alpha=alpha,
            selection=selection,
            energies=energies[:, None],
            heads=alpha[:, None],
            seen=torch.ones_like(alpha[:, :1]),
        )

    def context(self, query: Tensor, memory: Memory) -> Tensor:
        """The context (B, D) alone, where nobody asks for the map."""
        return self(query, memory).context

    def extra_loss(
        self, logits: Tensor, targets: Tensor, alphas: Tensor, selections: Tensor, real: Tensor
    ) -> Tensor:
        """What it adds to the caption loss, summed over captions: for most mechanisms nothing.

        Args:
            logits: (N, V), of the real words, row after row.
            targets: (N,), the words that were said.
            alphas: (B, T, L).
            selections: (B, T, L), see `Look`.
            real: (B, T), true where a word is said.
        """
        return logits.new_zeros(())


class SoftAttention(Attention):
    """Additive attention: a weighted sum of all annotations (Xu et al. 2015, section 4.2).

    e_i = v . tanh(W_a a_i + W_q q),  alpha = softmax(e),  z = sum_i alpha_i a_i
    """

    def __init__(
        self, *, annotation_dim: int, query_dim: int, attention_dim: int, **others: object
    ) -> None:
        super().__init__()
        self.key = nn.Linear(annotation_dim, attention_dim)
        self.query = nn.Linear(query_dim, attention_dim, bias=False)
        self.energy = nn.Linear(attention_dim, 1, bias=False)

    def remember(self, annotations: Tensor) -> Memory:
        """Projects the annotations (P, L, D) to keys."""
        return Memory(annotations, self.key(annotations), annotations)

    def energies(self, query: Tensor, memory: Memory) -> Tensor:
        """(P, K, Q) to (P, K, L), through a layer of its own."""
        inner = memory.keys[:, None] + self.query(query)[:, :, None]  # (P, K, L, A)
        return self.energy(torch.tanh(inner)).squeeze(-1)


def precise(values: Tensor) -> Tensor:
    """The values in single precision at least: a softmax in half precision sums to one badly."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
