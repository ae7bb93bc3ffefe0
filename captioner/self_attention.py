"""Vectors that look at each other: what a Transformer is made of (Vaswani et al. 2017).

Knows nothing of pictures or words. Letters: B rows, T positions asking, S positions looked at,
H vector size, N heads.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Dropout inside the layers; the models here are small.
DROPOUT = 0.1


class SelfAttention(nn.Module):
    """Scaled dot products of vectors with each other, in several heads.

    alpha_n = softmax((W_qn x_t) . (W_kn x_s) / sqrt(H / N)),
    y_t = sum_n W_on sum_s alpha_ns W_vn x_s
    """

    def __init__(self, *, size: int, heads: int) -> None:
        super().__init__()
        if size % heads:
            raise ValueError(f"heads must divide the vector size {size}, and {heads} do not")
        self.heads = heads
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)
        self.output = nn.Linear(size, size)
        # As large going out as coming in, as in PyTorch's own multi-head attention.
        for layer in (self.query, self.key, self.value, self.output):
            nn.init.xavier_uniform_(layer.weight)

    def remember(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, S, H) of vectors (B, S, H)."""
        return self.key(vectors), self.value(vectors)

    def forward(self, vectors: Tensor, keys: Tensor, values: Tensor, *, causal: bool) -> Tensor:
        """Looks with vectors (B, T, H).

        Args:
            keys, values: (B, S, H), of `remember`.
            causal: position t sees those up to t alone.

        Returns:
            (B, T, H).
        """
        query, keys, values = map(self._split, (self.query(vectors), keys, values))
        seen = F.scaled_dot_product_attention(query, keys, values, is_causal=causal)
        return self.output(seen.transpose(1, 2).flatten(2))

    def maps(self, vectors: Tensor, keys: Tensor) -> Tensor:
        """Where each position looks: (B, N, T, S), each row sums to one."""
        query, keys = self._split(self.query(vectors)), self._split(keys)
        return torch.softmax(query @ keys.transpose(2, 3) / math.sqrt(query.shape[-1]), dim=-1)

    def _split(self, vectors: Tensor) -> Tensor:
        """(B, T, H) to (B, N, T, H / N)."""
        return vectors.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FeedForward(nn.Sequential):
    """Two layers that work on each position by itself."""

    def __init__(self, size: int) -> None:
        super().__init__(
            nn.Linear(size, 4 * size), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(4 * size, size)
        )


class EncoderLayer(nn.Module):
    """Every vector looks at every other one, then thinks; both are added to what it was.

    Normalised before rather than after (Xiong et al. 2020), which needs no long warm-up.
    """

    def __init__(self, *, size: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(size)
        self.attention = SelfAttention(size=size, heads=heads)
        self.forward_norm = nn.LayerNorm(size)
        self.feed_forward = FeedForward(size)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, vectors: Tensor) -> Tensor:
        """(B, T, H) to (B, T, H)."""
        inner = self.attention_norm(vectors)
        seen = self.attention(inner, *self.attention.remember(inner), causal=False)
        vectors = vectors + self.dropout(seen)
        return vectors + self.dropout(self.feed_forward(self.forward_norm(vectors)))

    def maps(self, vectors: Tensor) -> Tensor:
        """Where each vector of (B, T, H) looks: (B, N, T, T)."""
        inner = self.attention_norm(vectors)
        return self.attention.maps(inner, self.attention.key(inner))


def waves(positions: Tensor, size: int) -> Tensor:
    """Position codes: sines and cosines of rising wavelength (Vaswani et al. 2017, section 3.5).

    Args:
        positions: (T,).
        size: even.

    Returns:
        (T, size).
    """
    frequencies = 10_000 ** (-torch.arange(0, size, 2, device=positions.device) / size)
    angles = positions[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def grid_waves(grid: tuple[int, int], size: int) -> Tensor:
    """Codes of the cells of a grid (L, size): half for the row, half for the column.

    Raises:
        ValueError: the size is no multiple of four.
    """
    if size % 4:
        raise ValueError(f"position codes need a vector size divisible by 4, and {size} is not")
    rows, columns = (waves(torch.arange(n), size // 2) for n in grid)
    return torch.cat([rows.repeat_interleave(grid[1], dim=0), columns.repeat(grid[0], 1)], dim=-1)
