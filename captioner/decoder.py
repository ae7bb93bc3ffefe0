"""The recurrence: one word at a time, looking before each (Xu et al. 2015, section 3.1.2).

Teacher forcing, greedy decoding, sampling and beam search all run the same `step`. Letters: B rows,
P pictures, K rows that share a picture (B = P * K), L locations, D annotation size, T steps,
V vocabulary, H hidden size, E embedding size.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from captioner.attention import build_attention
from captioner.looking import Attention, Look, Memory, precise
from captioner.vocabulary import Vocabulary


class State(NamedTuple):
    """What the decoder carries from word to word."""

    hidden: Tensor  # (B, H)
    cell: Tensor  # (B, H)


class Glance(NamedTuple):
    """Where the decoder looked before one word, in M layers with N heads: an LSTM in one."""

    alpha: Tensor  # (B, L), the map: sums to one
    gate: Tensor  # (B, 1), 0-1: how much of what it saw it let in
    selection: Tensor  # (B, L), the weights that the last layer's sum was taken with
    heads: Tensor  # (B, M, N, L), each sums to one; alpha is the mean of the last layer's
    energies: Tensor  # (B, M, N, L), before the softmax
    context: Tensor  # (B, D), what was let in, of the last layer


class Forced(NamedTuple):
    """What teacher forcing returns for B rows of T steps, of which N have a real word.

    Without maps, `alphas`, `gates` and `selections` are None.
    """

    logits: Tensor  # (N, V), row after row, without the padding
    alphas: Tensor | None  # (B, T, L)
    gates: Tensor | None  # (B, T)
    selections: Tensor | None  # (B, T, L), see `attention.Look`


class LSTMDecoder(nn.Module):
    """An LSTM that looks at the picture through an attention before it says each word.

    Args:
        vocabulary_size: V, the special words included.
        word_query: look with the word before as well as with the state, which has not read it yet;
            the paper looks with the state alone.
        dropout: on the embedding, on the hidden state that is read out and before the last layer.
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
        word_query: bool,
        dropout: float,
        **others: object,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim)
        self.attention = build_attention(
            attention,
            annotation_dim=annotation_dim,
            query_dim=hidden_dim + word_query * embedding_dim,
            attention_dim=attention_dim,
            cell_dim=hidden_dim,
            heads=heads,
            grid=grid,
        )
        self.word_query = word_query
        # A sentinel is a gate already.
        self.gate = None if self.attention.has_sentinel else nn.Linear(hidden_dim, 1)
        self.lstm = nn.LSTMCell(embedding_dim + annotation_dim, hidden_dim)
        self.init_hidden = _initial(annotation_dim, hidden_dim)
        self.init_cell = _initial(annotation_dim, hidden_dim)
        self.output_hidden = nn.Linear(hidden_dim, embedding_dim)
        self.output_context = nn.Linear(annotation_dim, embedding_dim)
        self.output = nn.Linear(embedding_dim, vocabulary_size)
        self.dropout = nn.Dropout(dropout)

    @property
    def gated(self) -> bool:
        """Whether the gate says anything."""
        return True

    @property
    def last_attention(self) -> Attention:
        """The one whose map is shown."""
        return self.attention

    def remember(self, annotations: Tensor) -> Memory:
        """Prepares the annotations (P, L, D) of P pictures for any number of words."""
        return self.attention.remember(annotations)

    def start(self, memory: Memory, rows_per_picture: int = 1) -> State:
        """The state before the first word, from the mean annotation of each picture."""
        mean = memory.annotations.mean(dim=1).repeat_interleave(rows_per_picture, dim=0)  # (B, D)
        return State(self.init_hidden(mean), self.init_cell(mean))

    def step(self, memory: Memory, words: Tensor, state: State) -> tuple[Tensor, State, Glance]:
        """Says what the next word may be.

        Args:
            words: (B,), the word before.

        Returns:
            log probabilities (B, V) in nats, the state after, and where it looked.
        """
        embedding = self.dropout(self.embedding(words))
        context, gate, look, state = self._advance(memory, embedding, state)
        logits = self._read_out(embedding, state.hidden, context)
        glance = Glance(
            alpha=look.alpha,
            gate=gate,
            selection=look.selection,
            heads=look.heads[:, None],
            energies=look.energies[:, None],
            context=context,
        )
        return torch.log_softmax(precise(logits), dim=-1), state, glance

    def forward(self, memory: Memory, words: Tensor, *, maps: bool = True) -> Forced:
        """Teacher forcing: runs the steps on given words.

        Args:
            words: (B, T), each caption from `<start>` on, then `<pad>`; row b speaks of picture
                b // (B / P).
            maps: whether they are asked for; here they cost nothing and are always given.

        Returns:
            The logits of the word *after* each of `words` that is no padding, with the maps and
            gates of all steps.
        """
        embeddings = self.dropout(self.embedding(words))  # (B, T, E)
        state = self.start(memory, len(words) // len(memory.keys))
        contexts, hiddens, alphas, gates, selections = [], [], [], [], []
        for embedding in embeddings.unbind(1):
            context, gate, look, state = self._advance(memory, embedding, state)
            contexts.append(context)
            hiddens.append(state.hidden)
            alphas.append(look.alpha)
            gates.append(gate)
            selections.append(look.selection)
        # The deep output has no recurrence in it: all real steps are read out at once, and the
        # largest product of all is not spent on padding.
        real = words != Vocabulary.pad
        logits = self._read_out(
            embeddings[real], torch.stack(hiddens, 1)[real], torch.stack(contexts, 1)[real]
        )
        return Forced(
            logits, torch.stack(alphas, 1), torch.cat(gates, 1), torch.stack(selections, 1)
        )

    def attention_loss(self, forced: Forced, targets: Tensor, real: Tensor) -> Tensor:
        """What the attention adds to the caption loss, see `Attention.extra_loss`."""
        return self.attention.extra_loss(
            forced.logits, targets, forced.alphas, forced.selections, real
        )

    def _advance(
        self, memory: Memory, embedding: Tensor, state: State
    ) -> tuple[Tensor, Tensor, Look, State]:
        """Looks with the state before the word, then moves the state on (eq. 1-3 and 9).

        Returns:
            The context (B, D) that was let in, the gate (B, 1), the look, and the state after.
        """
        query = torch.cat([state.hidden, embedding], -1) if self.word_query else state.hidden
        look = self.attention(query, memory, state.cell)
        if self.gate is None:
            context, gate = look.context, look.seen
        else:
            gate = torch.sigmoid(precise(self.gate(state.hidden)))
            context = gate.to(look.context.dtype) * look.context
        state = State(*self.lstm(torch.cat([embedding, context], dim=-1), state))
        return context, gate, look, state

    def _read_out(self, embedding: Tensor, hidden: Tensor, context: Tensor) -> Tensor:
        """The deep output layer (eq. 7), through tanh as in the authors' code."""
        hidden = self.output_hidden(self.dropout(hidden))
        deep = torch.tanh(embedding + hidden + self.output_context(context))
        return self.output(self.dropout(deep))


def _initial(annotation_dim: int, hidden_dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(annotation_dim, hidden_dim),
        nn.Tanh(),
        nn.Linear(hidden_dim, hidden_dim),
        nn.Tanh(),
    )
