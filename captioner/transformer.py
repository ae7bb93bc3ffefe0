"""A decoder without recurrence: words look at the words before them, then at the picture.

Vaswani et al. 2017; it looks at the picture by any attention of `ATTENTIONS` that needs no cell.
Decoding keeps the keys and values of the words said. Letters as in `decoder`, and M layers.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from captioner.attention import ATTENTIONS, build_attention, needs_recurrence
from captioner.decoder import Forced, Glance
from captioner.looking import Attention, Look, Memory, precise
from captioner.self_attention import DROPOUT, FeedForward, SelfAttention, waves
from captioner.vocabulary import Vocabulary


class Memories(NamedTuple):
    """What each layer may look at; the annotations are the same."""

    layers: tuple[Memory, ...]

    @property
    def annotations(self) -> Tensor:
        """(P, L, D)."""
        return self.layers[0].annotations


class Cache(NamedTuple):
    """Keys and values of the words so far."""

    keys: Tensor  # (B, M, T, H)
    values: Tensor  # (B, M, T, H)


class DecoderLayer(nn.Module):
    """Looks at the words before, at the picture, and thinks; each is added to what there was."""

    def __init__(self, *, size: int, heads: int, annotation_dim: int, **attention: object) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(size)
        self.self_attention = SelfAttention(size=size, heads=heads)
        self.cross_norm = nn.LayerNorm(size)
        self.cross_attention = build_attention(
            query_dim=size, heads=heads, annotation_dim=annotation_dim, **attention
        )
        self.context = nn.Linear(annotation_dim, size)
        self.forward_norm = nn.LayerNorm(size)
        self.feed_forward = FeedForward(size)
        self.dropout = nn.Dropout(DROPOUT)

    def read(
        self, vectors: Tensor, past: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The words' part: on all words (B, T, H), or on one new word after the past ones.

        Returns:
            (B, T, H), and the keys and values (B, T, H) of all words so far.
        """
        inner = self.self_norm(vectors)
        keys, values = self.self_attention.remember(inner)
        if past is not None:
            keys, values = torch.cat([past[0], keys], 1), torch.cat([past[1], values], 1)
        seen = self.self_attention(inner, keys, values, causal=past is None)
        return vectors + self.dropout(seen), (keys, values)

    def look(self, vectors: Tensor, memory: Memory, *, maps: bool) -> tuple[Tensor, Look | None]:
        """The picture's part and the feed-forward one, on (B, T, H); row b * T + t of the look."""
        query = self.cross_norm(vectors).flatten(0, 1)  # (B * T, H)
        look = self.cross_attention(query, memory) if maps else None
        context = look.context if maps else self.cross_attention.context(query, memory)
        vectors = vectors + self.dropout(self.context(context).view_as(vectors))
        return vectors + self.dropout(self.feed_forward(self.forward_norm(vectors))), look


class TransformerDecoder(nn.Module):
    """Layers of self-attention over the words and attention over the picture.

    There is no gate: it lets in all that it sees. The map of a word is the last layer's.

    Args:
        vocabulary_size: V, the special words included.
        hidden_dim: H, size of the vectors between layers.
        decoder_layers: M.
        heads: of the self-attention, and of an attention that has heads.
        dropout: on the word vectors and before the last layer; between, it is 0.1.
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        annotation_dim: int,
        embedding_dim: int,
        hidden_dim: int,
        attention_dim: int,
        attention: str,
        heads: int,
        grid: tuple[int, int],
        decoder_layers: int,
        dropout: float,
        **others: object,
    ) -> None:
        super().__init__()
        if attention in ATTENTIONS and (reason := needs_recurrence(ATTENTIONS[attention])):
            able = [name for name, kind in ATTENTIONS.items() if not needs_recurrence(kind)]
            raise ValueError(
                f"attention {attention!r} needs the lstm decoder: {reason}; "
                f"choose one of {', '.join(able)}, or give --decoder lstm"
            )
        if hidden_dim % 2:
            raise ValueError(f"position codes need an even hidden_dim, not {hidden_dim}")
        self.hidden_dim = hidden_dim
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim)
        nn.init.normal_(self.embedding.weight, std=embedding_dim**-0.5)
        self.widen = nn.Linear(embedding_dim, hidden_dim)
        self.layers = nn.ModuleList(
            DecoderLayer(
                size=hidden_dim,
                heads=heads,
                annotation_dim=annotation_dim,
                attention_dim=attention_dim,
                kind=attention,
                grid=grid,
            )
            for _ in range(decoder_layers)
        )
        self.norm = nn.LayerNorm(hidden_dim)
        self.output = nn.Linear(hidden_dim, vocabulary_size)
        self.dropout = nn.Dropout(dropout)

    @property
    def gated(self) -> bool:
        """Whether the gate says anything: there is none."""
        return False

    @property
    def last_attention(self) -> Attention:
        """The one whose map is shown."""
        return self.layers[-1].cross_attention

    def remember(self, annotations: Tensor) -> Memories:
        """Prepares the annotations (P, L, D) of P pictures for any number of words."""
        return Memories(tuple(layer.cross_attention.remember(annotations) for layer in self.layers))

    def start(self, memory: Memories, rows_per_picture: int = 1) -> Cache:
        """No words so far."""
        rows = len(memory.annotations) * rows_per_picture
        empty = memory.annotations.new_zeros(rows, len(self.layers), 0, self.hidden_dim)
        return Cache(empty, empty)

    def step(self, memory: Memories, words: Tensor, state: Cache) -> tuple[Tensor, Cache, Glance]:
        """Says what the next word may be; see `LSTMDecoder.step`."""
        vectors = self._embed(words[:, None], state.keys.shape[2])
        keys, values, looks = [], [], []
        for number, layer in enumerate(self.layers):
            past = state.keys[:, number], state.values[:, number]
            vectors, (layer_keys, layer_values) = layer.read(vectors, past)
            vectors, look = layer.look(vectors, memory.layers[number], maps=True)
            keys.append(layer_keys)
            values.append(layer_values)
            looks.append(look)
        glance = Glance(
            alpha=look.alpha,
            gate=look.seen,
            selection=look.selection,
            heads=torch.stack([look.heads for look in looks], 1),
            energies=torch.stack([look.energies for look in looks], 1),
            context=look.context,
        )
        log_probs = torch.log_softmax(precise(self._read_out(vectors[:, 0])), dim=-1)
        return log_probs, Cache(torch.stack(keys, 1), torch.stack(values, 1)), glance

    def forward(self, memory: Memories, words: Tensor, *, maps: bool = True) -> Forced:
        """Teacher forcing, on all steps at once; see `LSTMDecoder.forward`.

        Args:
            maps: without them torch's own kernel looks at the picture, where there is one.
        """
        vectors = self._embed(words, 0)  # (B, T, H)
        for layer, layer_memory in zip(self.layers, memory.layers, strict=True):
            vectors, _ = layer.read(vectors, None)
            vectors, look = layer.look(vectors, layer_memory, maps=maps)
        logits = self._read_out(vectors[words != Vocabulary.pad])
        if not maps:
            return Forced(logits, None, None, None)
        alphas = look.alpha.view(*words.shape, -1)
        selections = look.selection.view(*words.shape, -1)
        return Forced(logits, alphas, look.seen.view(words.shape), selections)

    def attention_loss(self, forced: Forced, targets: Tensor, real: Tensor) -> Tensor:
        """Nothing: attentions with a loss of their own are refused."""
        return forced.logits.new_zeros(())

    def _embed(self, words: Tensor, first: int) -> Tensor:
        """Vectors (B, T, H) of words (B, T), the first of them at that position."""
        vectors = precise(self.widen(self.embedding(words))) * math.sqrt(self.hidden_dim)
        positions = torch.arange(first, first + words.shape[1], device=words.device)
        return self.dropout(vectors + waves(positions, self.hidden_dim).to(vectors.dtype))

    def _read_out(self, vectors: Tensor) -> Tensor:
        return self.output(self.dropout(self.norm(vectors)))
