"""Where to look: every mechanism is a class and a line of `ATTENTIONS`. Letters as in `looking`."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from captioner.hard import HardAttention
from captioner.looking import Attention, Look, Memory, SoftAttention, precise


class DotAttention(Attention):
    """Scaled dot-product attention (Vaswani et al. 2017, eq. 1), the annotations as values.

    e_i = (W_q q) . (W_k a_i) / sqrt(A),  alpha = softmax(e),  z = sum_i alpha_i a_i
    """

    def __init__(
        self, *, annotation_dim: int, query_dim: int, attention_dim: int, **others: object
    ) -> None:
        super().__init__()
        self.key = nn.Linear(annotation_dim, attention_dim, bias=False)
        self.query = nn.Linear(query_dim, attention_dim, bias=False)

    def remember(self, annotations: Tensor) -> Memory:
        """Projects the annotations (P, L, D) to keys."""
        return Memory(annotations, self.key(annotations), annotations)

    def energies(self, query: Tensor, memory: Memory) -> Tensor:
        """(P, K, Q) to (P, K, L)."""
        scale = math.sqrt(memory.keys.shape[-1])
        return self.query(query) @ memory.keys.transpose(1, 2) / scale

    def context(self, query: Tensor, memory: Memory) -> Tensor:
        """The context (B, D) by torch's own kernel, which never writes the map down."""
        query = self.query(query.view(len(memory.keys), -1, query.shape[-1]))
        return F.scaled_dot_product_attention(query, memory.keys, memory.values).flatten(0, 1)


class MultiHeadAttention(Attention):
    """Several scaled dot products side by side (Vaswani et al. 2017, section 3.2.2).

    alpha_n = softmax((W_qn q) . (W_kn a_i) / sqrt(A / N)),
    z = sum_n W_on sum_i alpha_ni W_vn a_i
    """

    sums_annotations = False

    def __init__(
        self,
        *,
        annotation_dim: int,
        query_dim: int,
        attention_dim: int,
        heads: int,
        **others: object,
    ) -> None:
        super().__init__()
        for name, size in (("attention_dim", attention_dim), ("annotation size", annotation_dim)):
            if size % heads:
                raise ValueError(f"heads must divide the {name} {size}, and {heads} do not")
        self.heads = heads
        self.key = nn.Linear(annotation_dim, attention_dim, bias=False)
        self.query = nn.Linear(query_dim, attention_dim, bias=False)
        self.value = nn.Linear(annotation_dim, annotation_dim, bias=False)
        self.output = nn.Linear(annotation_dim, annotation_dim, bias=False)
        # As large going out as coming in; PyTorch's own start would shrink a context to a third.
        for layer in (self.key, self.query, self.value, self.output):
            nn.init.xavier_uniform_(layer.weight)

    def remember(self, annotations: Tensor) -> Memory:
        """Projects the annotations (P, L, D) to the keys and values of all heads."""
        return Memory(annotations, self.key(annotations), self.value(annotations))

    def forward(self, query: Tensor, memory: Memory, cell: Tensor | None = None) -> Look:
        """Looks with every head; alpha is the mean of their maps. See `Attention.forward`."""
        query, keys, values = self._split(query, memory)
        energies = precise(query @ keys.transpose(2, 3) / math.sqrt(keys.shape[-1]))
        heads = torch.softmax(energies, dim=-1)  # (P, N, K, L)
        context = self._join(heads.to(values.dtype) @ values)
        energies, heads = (x.transpose(1, 2).flatten(0, 1) for x in (energies, heads))
        alpha = heads.mean(dim=1)
        return Look(context, alpha, alpha, energies, heads, torch.ones_like(alpha[:, :1]))

    def context(self, query: Tensor, memory: Memory) -> Tensor:
        """The context (B, D) by torch's own kernel, which never writes the maps down."""
        return self._join(F.scaled_dot_product_attention(*self._split(query, memory)))

    def _split(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Tensor]:
        """Query (P, N, K, A / N), keys (P, N, L, A / N) and values (P, N, L, D / N)."""
        query = self.query(query).view(len(memory.keys), -1, memory.keys.shape[-1])
        return tuple(
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x in (query, memory.keys, memory.values)
        )

    def _join(self, seen: Tensor) -> Tensor:
        """What the heads saw (P, N, K, D / N) to contexts (B, D)."""
        return self.output(seen.transpose(1, 2).flatten(2).flatten(0, 1))


class AdaptiveAttention(SoftAttention):
    """May look away, at a visual sentinel made of the LSTM's memory (Lu et al. 2017, eq. 9-12).

    [alpha', beta] = softmax([e, e_s]),  alpha = alpha' / (1 - beta),
    z = beta s + (1 - beta) sum_i alpha_i a_i

    The sentinel is s = W (sigmoid(W_g q) * tanh(c)). The paper looks after the LSTM's step; here,
    as in every other mechanism, the look comes before it, and c is the cell of the word before.
    """

    recurrent_only = "it may look at an LSTM's memory instead, and a transformer has none"
    has_sentinel = True

    def __init__(
        self,
        *,
        annotation_dim: int,
        query_dim: int,
        attention_dim: int,
        cell_dim: int,
        **others: object,
    ) -> None:
        super().__init__(
            annotation_dim=annotation_dim, query_dim=query_dim, attention_dim=attention_dim
        )
        self.sentinel_gate = nn.Linear(query_dim, cell_dim)
        self.sentinel = nn.Linear(cell_dim, annotation_dim)
        self.sentinel_key = nn.Linear(annotation_dim, attention_dim)

    def forward(self, query: Tensor, memory: Memory, cell: Tensor | None = None) -> Look:
        """Looks at the picture and the sentinel; `seen` is 1 - beta. See `Attention.forward`."""
        look = super().forward(query, memory)
        sentinel = self.sentinel(torch.sigmoid(self.sentinel_gate(query)) * torch.tanh(cell))
        inner = torch.tanh(self.sentinel_key(sentinel) + self.query(query))
        energy = precise(self.energy(inner))  # (B, 1)
        seen = torch.sigmoid(look.energies.logsumexp(-1) - energy)  # the softmax of both, summed
        share = seen.to(sentinel.dtype)
        return look._replace(context=share * look.context + (1 - share) * sentinel, seen=seen)


class LocalAttention(SoftAttention):
    """Looks around one place, which it foresees (after Luong et al. 2015, section 3.2).

    p = sigmoid(W_p tanh(W q)),  alpha = softmax(e_i - |x_i - p|^2 / (2 sigma^2)),
    z = sum_i alpha_i a_i

    x_i is the centre of a cell; the picture is 1 high and 1 wide. The paper has one dimension, a
    window, and a Gaussian on top of weights that then no longer sum to one; these do.
    """

    spread = 0.2  # sigma

    def __init__(
        self,
        *,
        annotation_dim: int,
        query_dim: int,
        attention_dim: int,
        grid: tuple[int, int],
        **others: object,
    ) -> None:
        super().__init__(
            annotation_dim=annotation_dim, query_dim=query_dim, attention_dim=attention_dim
        )
        self.place = nn.Sequential(
            nn.Linear(query_dim, attention_dim), nn.Tanh(), nn.Linear(attention_dim, 2)
        )
        rows, columns = ((torch.arange(n) + 0.5) / n for n in grid)
        self.register_buffer("centres", torch.cartesian_prod(rows, columns), persistent=False)

    def energies(self, query: Tensor, memory: Memory) -> Tensor:
        """(P, K, Q) to (P, K, L): the soft energies, lower far from the place."""
        place = torch.sigmoid(precise(self.place(query)))  # (P, K, 2), row and column, 0-1
        distance = (self.centres - place[:, :, None]).square().sum(-1)  # (P, K, L)
        return precise(super().energies(query, memory)) - distance / (2 * self.spread**2)


class NoAttention(Attention):
    """The control: the mean annotation, whatever the word.

    alpha_i = 1 / L,  z = sum_i alpha_i a_i
    """

    def __init__(self, **others: object) -> None:
        super().__init__()

    def energies(self, query: Tensor, memory: Memory) -> Tensor:
        """Zeros (P, K, L)."""
        return query.new_zeros(*query.shape[:2], memory.keys.shape[1])


ATTENTIONS = {
    "soft": SoftAttention,
    "hard": HardAttention,
    "dot": DotAttention,
    "multihead": MultiHeadAttention,
    "adaptive": AdaptiveAttention,
    "local": LocalAttention,
    "none": NoAttention,
}


def needs_recurrence(kind: type[Attention]) -> str:
    """Why a mechanism can't serve a Transformer; empty if it can."""
    if not kind.recurrent_only and kind.extra_loss is not Attention.extra_loss:
        return "it has a loss of its own, which the transformer decoder does not use"
    return kind.recurrent_only


def build_attention(kind: str, **sizes: int | tuple[int, int]) -> Attention:
    """Makes the attention of that name, see `Attention` for the sizes.

    Raises:
        ValueError: no attention has that name, or a size does not suit it.
    """
    if kind not in ATTENTIONS:
        raise ValueError(f"unknown attention {kind!r}; choose one of {', '.join(ATTENTIONS)}")
    return ATTENTIONS[kind](**sizes)
