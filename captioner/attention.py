"""Where to look: one distribution over the annotations for each word.

Every mechanism is a class here and a line of `ATTENTIONS`. It knows nothing of pictures or words.
Letters: B rows (pictures x captions or beams), P pictures, K rows that share a picture (B = P * K,
the rows of one picture side by side), L locations, D annotation size, Q query size, A attention
size, N heads, H size of the LSTM's cell, T steps.
"""

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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


class HardAttention(SoftAttention):
    """Looks at one location, drawn from alpha (Xu et al. 2015, section 4.1).

    alpha = softmax(e),  s ~ Multinoulli(alpha),  z = sum_i s_i a_i

    A draw has no gradient: the location is learnt by REINFORCE (eq. 10-11), with what the authors
    published to keep its variance low; the sum is taken with alpha in half of the looks, drawn for
    each word rather than for each picture. As in their code, a caption is worth its mean log
    probability: a sum would reward short ones. In self-critical training it looks at the likeliest
    location, and its energies learn from boxes alone.
    """

    semi_sampling = 0.5  # how often the sum is taken with alpha, not with the draw
    reinforce_weight = 1.0
    entropy_weight = 0.002
    baseline_decay = 0.9

    def __init__(self, **sizes: object) -> None:
        super().__init__(**sizes)
        # The moving average of what captions are worth, and the sum of its weights: 1 after many
        # batches.
        self.register_buffer("baseline", torch.tensor(0.0))
        self.register_buffer("baseline_weight", torch.tensor(0.0))

    def select(self, alpha: Tensor) -> Tensor:
        """One-hot (P, K, L): drawn in training, the likeliest else, so captions are repeatable."""
        if not self.training:
            return F.one_hot(alpha.argmax(-1), alpha.shape[-1]).to(alpha.dtype)
        # A broken alpha is found by its gradient; here it must only not end the program.
        chances = alpha.detach().nan_to_num(nan=1.0).flatten(0, 1)
        drawn = torch.multinomial(chances, 1).view(alpha.shape[:-1])
        drawn = F.one_hot(drawn, alpha.shape[-1]).to(alpha.dtype)
        expected = torch.rand(drawn.shape[:-1] + (1,), device=alpha.device) < self.semi_sampling
        return torch.where(expected, alpha, drawn)

    def extra_loss(
        self, logits: Tensor, targets: Tensor, alphas: Tensor, selections: Tensor, real: Tensor
    ) -> Tensor:
        """-lambda_r (log p(y | s, a) - b) log p(s | a) - lambda_e H(s), summed over captions.

        Arguments as in `Attention.extra_loss`. Where the sum was taken with alpha, the gradient of
        sum_i s_i log alpha_i is zero by itself.
        """
        captions = real.any(dim=1)
        if not self.training or not captions.any():
            return logits.new_zeros(())
        said = -F.cross_entropy(precise(logits.detach()), targets, reduction="none")
        totals = torch.zeros(real.shape, dtype=said.dtype, device=said.device)
        totals = totals.masked_scatter(real, said).sum(1)
        worth = totals / real.sum(1).clamp_min(1)  # (B,), nats a word
        advantage = (worth - self._follow(worth[captions].mean())) * captions
        log_alphas = alphas.clamp_min(1e-12).log()
        drawn = ((selections.detach() * log_alphas).sum(-1) * real).sum(1)  # (B,)
        entropy = (-(alphas * log_alphas).sum(-1) * real).sum()
        return -self.reinforce_weight * (advantage * drawn).sum() - self.entropy_weight * entropy

    def _follow(self, mean: Tensor) -> Tensor:
        """The baseline so far, which then moves towards the mean of this batch."""
        begun = self.baseline_weight > 0
        before = torch.where(begun, self.baseline / self.baseline_weight.clamp_min(1e-6), mean)
        self.baseline.lerp_(mean.to(self.baseline.dtype), 1 - self.baseline_decay)
        self.baseline_weight.lerp_(torch.ones_like(self.baseline), 1 - self.baseline_decay)
        return before


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
        self.number = heads
        self.key = nn.Linear(annotation_dim, attention_dim, bias=False)
        self.query = nn.Linear(query_dim, attention_dim, bias=False)
        self.value = nn.Linear(annotation_dim, annotation_dim, bias=False)
        self.output = nn.Linear(annotation_dim, annotation_dim, bias=False)

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
            x.unflatten(-1, (self.number, -1)).transpose(1, 2)
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

    recurrent_only = "its sentinel is made of an LSTM's cell"
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
        return "it has a loss of its own, for one look a word"
    return kind.recurrent_only


def precise(values: Tensor) -> Tensor:
    """The values in single precision at least: a softmax in half precision sums to one badly."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def build_attention(kind: str, **sizes: int | tuple[int, int]) -> Attention:
    """Makes the attention of that name, see `Attention` for the sizes.

    Raises:
        ValueError: no attention has that name, or a size does not suit it.
    """
    if kind not in ATTENTIONS:
        raise ValueError(f"unknown attention {kind!r}; choose one of {', '.join(ATTENTIONS)}")
    return ATTENTIONS[kind](**sizes)
