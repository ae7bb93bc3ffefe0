"""From a step function to captions: beam search and sampling, for many pictures at once.

Knows the step function alone, never the model: `step(words, state)` takes the last word of each
row and returns (log probabilities (B, V) of the next one, state after, what to keep of this step).
State and what is kept are tensors, or (named) tuples of them, whose first axis is B.
Letters: B rows, P pictures, K beams (B = P * K, the beams of a picture side by side), V vocabulary,
C words considered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from captioner.options import DecodingOptions

Step = Callable[[Tensor, Any], tuple[Tensor, Any, Any]]
_NEVER = float("-inf")
# A log probability no model gives: a caption that must end here ends even if the model forbids it.
_UNLIKELY = -1e4


@dataclass(frozen=True)
class Hypothesis:
    """One caption of T words.

    Attributes:
        tokens: T words, without start and end.
        log_prob: of the words and the end, summed, in nats.
        log_probs: of each word, T values.
        kept: what the step function returned for each word: first axis T.
        considered: for each word, the likeliest words and their log probabilities, C pairs.
        score: what the captions of a picture are ranked by; nothing for one that was only read.
    """

    tokens: tuple[int, ...]
    log_prob: float
    log_probs: tuple[float, ...]
    kept: Any
    considered: tuple[tuple[tuple[int, float], ...], ...]
    score: float | None


class _Turn(NamedTuple):
    """One word of every row."""

    parent: Tensor  # (B,), the row of the turn before that it goes on from
    words: Tensor  # (B,)
    log_probs: Tensor  # (B,)
    kept: Any  # first axis B
    considered: Tensor  # (B, C)
    considered_log_probs: Tensor  # (B, C)


def beam_search(
    step: Step,
    state: Any,
    *,
    start: int,
    end: int,
    options: DecodingOptions,
    pictures: int = 1,
    banned: Sequence[int] = (),
    prefix: Sequence[int] = (),
) -> list[list[Hypothesis]]:
    """Finds the likeliest captions of each picture; width 1 is greedy decoding.

    A caption has at least one word and at most `max_length`. There it must end, so that the search
    always does, and every log probability is that of a whole caption. A picture is done when
    `beam_size` captions have ended and the best live one, ended next, would score no better: with a
    length penalty a much longer one still might, which is not waited for.

    Args:
        step: see the module.
        state: before the first word, one row a picture.
        start, end: the words that open and close a caption.
        pictures: P.
        banned: words never said.
        prefix: words that every caption begins with.

    Returns:
        For each picture at most `beam_size` hypotheses, best first, and at least one.

    Raises:
        ValueError: the prefix is too long or holds the end, or no caption has a probability.
    """
    _check_prefix(prefix, end, options.max_length)
    width = options.beam_size
    turns: list[_Turn] = []
    finished: list[list[Hypothesis]] = [[] for _ in range(pictures)]
    words = torch.full((pictures,), start)
    alive = torch.zeros(pictures, 1)  # (P, K), log probability of each live caption
    for length in range(options.max_length + 1):
        log_probs, state, kept = step(words, state)
        log_probs = log_probs.float().cpu()
        size = log_probs.shape[1]
        allowed = _allow(log_probs, length, end, banned, prefix, options.max_length)
        totals = (alive.view(-1, 1) + allowed).view(pictures, -1)  # (P, K * V)
        # Of 2 K candidates at most K are ends, so that K others can live on.
        scores, choices = totals.topk(min(2 * width, totals.shape[1]), dim=1)
        rows = torch.arange(pictures)[:, None] * alive.shape[1] + choices // size
        ends = choices % size == end
        for picture, rank in (ends & (scores > _NEVER))[:, :width].nonzero().tolist():
            log_prob, row = scores[picture, rank].item(), int(rows[picture, rank])
            finished[picture].append(_hypothesis(turns, row, log_prob, options.length_penalty))
        alive, ranks = scores.masked_fill(ends, _NEVER).topk(min(width, scores.shape[1]), dim=1)
        for picture, found in enumerate(finished):
            # The best ones stay, in the order found among equals.
            found.sort(key=lambda hypothesis: -hypothesis.score)
            del found[width:]
            if _is_done(found, alive[picture, 0].item(), length, options):
                alive[picture] = _NEVER
        if length == options.max_length or not (alive > _NEVER).any():
            break
        parent, words = rows.gather(1, ranks).flatten(), (choices % size).gather(1, ranks).flatten()
        turns.append(_turn(parent, words, log_probs, kept, options.considered))
        state = _rows(state, parent)
    if not all(finished):
        raise ValueError("no caption has a probability: they are NaN, or every word is banned")
    return finished


def sample(
    step: Step,
    state: Any,
    *,
    start: int,
    end: int,
    options: DecodingOptions,
    rows: int,
    banned: Sequence[int] = (),
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> list[Hypothesis]:
    """Draws one caption for each row of `state`, word by word; `beam_size` plays no part.

    Args:
        rows: B; to draw several captions of a picture, give its state several rows.
        temperature: above 1 more varied, below 1 more likely; log probabilities stay the model's.
        generator: what the draws come from.

    Raises:
        ValueError: the temperature is not above zero.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    turns: list[_Turn] = []
    found: list[Hypothesis | None] = [None] * rows
    words, every = torch.full((rows,), start), torch.arange(rows)
    totals = torch.zeros(rows)
    for length in range(options.max_length + 1):
        log_probs, state, kept = step(words, state)
        log_probs = log_probs.float().cpu()
        allowed = _allow(log_probs, length, end, banned, (), options.max_length)
        weights = torch.softmax(allowed / temperature, dim=1)
        words = torch.multinomial(weights, 1, generator=generator).squeeze(1)
        totals = totals + log_probs[every, words]
        for row in (words == end).nonzero().flatten().tolist():
            if found[row] is None:
                total = totals[row].item()
                found[row] = _hypothesis(turns, row, total, options.length_penalty)
        if all(found):
            break
        turns.append(_turn(every, words, log_probs, kept, options.considered))
    return found


def _check_prefix(prefix: Sequence[int], end: int, longest: int) -> None:
    if len(prefix) > longest:
        raise ValueError(f"a prefix of {len(prefix)} words is longer than {longest}")
    if end in prefix:
        raise ValueError("a prefix can't hold the end of the caption")


def _is_done(
    found: Sequence[Hypothesis], alive: float, length: int, options: DecodingOptions
) -> bool:
    """Whether the best live caption, of log probability `alive`, could end no better."""
    if len(found) < options.beam_size:
        return False
    # It has a word more than `length` by now, and its end counts as another.
    reachable = alive / (length + 2) ** options.length_penalty
    return options.beam_size == 1 or reachable <= found[-1].score


def _allow(
    log_probs: Tensor,
    length: int,
    end: int,
    banned: Sequence[int],
    prefix: Sequence[int],
    longest: int,
) -> Tensor:
    """Log probabilities (B, V) with those of words that can't follow `length` words at -inf."""
    allowed = log_probs.clamp_min(_UNLIKELY)
    if length < len(prefix):
        only = prefix[length]
    elif length == longest:
        only = end
    else:
        allowed[:, [*banned, *([end] if length == 0 else [])]] = _NEVER
        return allowed
    forced = torch.full_like(allowed, _NEVER)
    forced[:, only] = allowed[:, only]
    return forced


def _turn(parent: Tensor, words: Tensor, log_probs: Tensor, kept: Any, considered: int) -> _Turn:
    best = log_probs.topk(min(considered, log_probs.shape[1]), dim=1)
    return _Turn(
        parent,
        words,
        log_probs[parent, words],
        _rows(kept, parent),
        best.indices[parent],
        best.values[parent],
    )


def _hypothesis(turns: list[_Turn], row: int, log_prob: float, length_penalty: float) -> Hypothesis:
    """The caption that ends after row `row` of the last turn, followed back to its first word."""
    path = []
    for turn in reversed(turns):
        path.append((turn, row))
        row = int(turn.parent[row])
    path.reverse()
    return Hypothesis(
        tokens=tuple(int(turn.words[row]) for turn, row in path),
        log_prob=log_prob,
        log_probs=tuple(turn.log_probs[row].item() for turn, row in path),
        kept=_map(
            lambda *tensors: torch.stack(tensors),
            *(_rows(turn.kept, row) for turn, row in path),
        ),
        considered=tuple(
            tuple(zip(turn.considered[row].tolist(), turn.considered_log_probs[row].tolist()))
            for turn, row in path
        ),
        score=log_prob / (len(path) + 1) ** length_penalty,
    )


def _rows(tree: Any, index: Tensor | int) -> Any:
    return _map(lambda tensor: tensor[index], tree)


def _map(function: Callable[..., Tensor], *trees: Any) -> Any:
    """Applies a function to the tensors at the same place of (named) tuples of one shape."""
    if isinstance(trees[0], Tensor):
        return function(*trees)
    parts = [_map(function, *branches) for branches in zip(*trees, strict=True)]
    return type(trees[0])(*parts) if hasattr(trees[0], "_fields") else tuple(parts)
