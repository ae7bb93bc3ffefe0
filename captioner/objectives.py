"""What one batch teaches: human captions word by word, or drawn captions by what they are worth.

Letters: P pictures, K captions of each, B = P * K, T steps, L locations, D annotation size,
V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from captioner.batches import next_words, pad_captions
from captioner.data import CaptionDataset
from captioner.decoding import sample
from captioner.examples import Batch, Examples
from captioner.losses import (
    caption_loss,
    doubly_stochastic_penalty,
    grounding_loss,
    mean_entropy,
    self_critical_loss,
)
from captioner.model import Captioner
from captioner.options import DecodingOptions
from captioner.rewards import REWARDS, Reward
from captioner.settings import TrainingConfig
from captioner.tokenizer import tokenize
from captioner.vocabulary import SPECIAL, Vocabulary


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a batch gave.

    Attributes:
        total: the loss summed over its words; what is minimised is its mean over all words.
        words: how many they are.
        figures: what people watch, each a sum with its count.
    """

    total: Tensor
    words: int
    figures: dict[str, tuple[float, float]]


class CrossEntropy:
    """Human captions: the next word, and for words with boxes where to look."""

    def __init__(self, config: TrainingConfig, examples: Examples, dataset: CaptionDataset) -> None:
        self._config, self._examples = config, examples

    def captions(self, pictures: Sequence[int]) -> int:
        """How many captions people gave to some pictures."""
        return sum(len(self._examples.captions[index]) for index in pictures)

    def __call__(self, model: Captioner, annotations: Tensor, batch: Batch) -> Outcome:
        """Reads the captions of a batch.

        Args:
            annotations: (P, L, D).
        """
        config, inputs = self._config, batch.inputs.to(annotations.device)
        real, targets = inputs != Vocabulary.pad, next_words(inputs)
        memory = model.decoder.remember(annotations)
        read = inputs
        if config.scheduled_sampling:
            read = self._with_own_words(model, memory, read, real)
        if config.word_dropout:
            read = _forget(read, config.word_dropout)
        grounded = bool(len(batch.rows) and config.grounding_weight)
        maps = grounded or config.doubly_stochastic_weight > 0
        forced = model.decoder(memory, read, maps=maps)
        loss = caption_loss(forced.logits, targets, label_smoothing=config.label_smoothing)
        total = loss + model.decoder.attention_loss(forced, targets, real)
        if config.doubly_stochastic_weight:
            penalty = doubly_stochastic_penalty(forced.alphas, real)
            total = total + config.doubly_stochastic_weight * penalty
        words = len(targets)
        figures = {"loss": (loss.item(), words)}
        if forced.alphas is not None:
            figures["entropy"] = _entropy(forced.alphas, real)
        if grounded:
            covered = batch.covered.to(annotations.device)
            mass = (forced.alphas[batch.rows, batch.steps] * covered).sum(-1)
            total = total + config.grounding_weight * grounding_loss(mass)
            figures["mass"] = (100 * mass.sum().item(), len(mass))
        return Outcome(total, words, figures)

    @torch.no_grad()
    def _with_own_words(
        self, model: Captioner, memory: tuple, inputs: Tensor, real: Tensor
    ) -> Tensor:
        """Puts the model's own words into some places (Bengio et al. 2015).

        In two passes (Mihaylova and Martins 2019): what it would say is drawn after the human
        words, at all places at once.
        """
        logits = model.decoder(memory, inputs, maps=False).logits.float()
        logits[:, : len(SPECIAL)] = float("-inf")
        drawn = torch.full_like(inputs, Vocabulary.pad)
        drawn[real] = torch.distributions.Categorical(logits=logits).sample()
        chosen = torch.rand(inputs.shape, device=inputs.device) < self._config.scheduled_sampling
        chosen[:, 0] = False
        before = torch.cat([inputs[:, :1], drawn[:, :-1]], dim=1)
        return torch.where(chosen & real, before, inputs)


class SelfCritical:
    """Drawn captions: more of what beats the others of the same picture (Rennie et al. 2017).

    The decoder is in evaluation: dropout would draw from one distribution and learn in another.
    """

    def __init__(self, config: TrainingConfig, examples: Examples, dataset: CaptionDataset) -> None:
        references = {
            index: [tokenize(text) for text in picture.captions]
            for index, picture in enumerate(dataset.pictures)
        }
        weights = {name: getattr(config, f"reward_{name}") for name in REWARDS}
        self._reward, self._config, self._examples = Reward(references, weights), config, examples
        self._options = DecodingOptions(max_length=max(examples.lengths), considered=0)

    def captions(self, pictures: Sequence[int]) -> int:
        """How many captions are drawn for some pictures."""
        return len(pictures) * self._config.samples

    def __call__(self, model: Captioner, annotations: Tensor, batch: Batch) -> Outcome:
        """Draws captions for a batch and compares them.

        Args:
            annotations: (P, L, D).
        """
        model.decoder.eval()
        pictures, each = len(batch.pictures), self._config.samples
        memory = model.decoder.remember(annotations)
        captions = self._draw(model, memory, pictures * each)
        inputs = pad_captions([captions[i : i + each] for i in range(0, len(captions), each)])
        inputs = inputs.to(annotations.device)
        forced = model.decoder(memory, inputs)
        log_probs, real = self._log_probs(forced.logits, inputs)
        named, mass = self._mass(model, forced.alphas, captions, batch)
        keys = [picture for picture in batch.pictures for _ in range(each)]
        worth = self._reward(keys, [model.vocabulary.decode(caption) for caption in captions])
        grounding = np.zeros(len(captions))
        if len(named):
            # The mean over a caption's named words; nothing for a caption that names nothing.
            counts = np.bincount(named, minlength=len(captions))
            sums = np.bincount(named, mass.detach().float().cpu().numpy(), len(captions))
            grounding = sums / np.maximum(counts, 1)
        worth = worth + self._config.reward_grounding * grounding
        rewards = torch.from_numpy(worth).float().to(annotations.device).view(pictures, each)
        total = self_critical_loss(log_probs, rewards, real)
        if len(named) and self._config.grounding_weight:
            total = total + self._config.grounding_weight * grounding_loss(mass)
        figures = {
            "reward": (float(worth.sum()), len(worth)),
            "length": (float(sum(map(len, captions))), len(captions)),
            "word entropy": _word_entropy(forced.logits),
            "entropy": _entropy(forced.alphas, real),
            "mass": (100 * mass.sum().item(), len(named)),
        }
        return Outcome(total, int(real.sum()), figures)

    @torch.no_grad()
    def _draw(self, model: Captioner, memory: tuple, rows: int) -> list[list[int]]:
        words = model.vocabulary
        device = memory.annotations.device
        drawn = sample(
            lambda last, state: model.decoder.step(memory, last.to(device), state),
            model.decoder.start(memory, self._config.samples),
            start=words.start,
            end=words.end,
            options=self._options,
            rows=rows,
            banned=(words.pad, words.start, words.unk),
        )
        return [list(hypothesis.tokens) for hypothesis in drawn]

    def _log_probs(self, logits: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Log probabilities of the drawn words under the very distribution they were drawn from.

        Returns:
            (B, T), and (B, T) which of them were drawn: an end that the longest length forced was
            not.
        """
        real = inputs != Vocabulary.pad
        targets = next_words(inputs)
        allowed = logits.float().clone()
        allowed[:, [Vocabulary.pad, Vocabulary.start, Vocabulary.unk]] = float("-inf")
        first = torch.zeros_like(real)
        first[:, 0] = True  # no caption is empty
        allowed[first[real], Vocabulary.end] = float("-inf")
        found = allowed.log_softmax(-1).gather(1, targets[:, None]).squeeze(1)
        drawn = real.clone()
        drawn[:, self._options.max_length :] = False
        log_probs = torch.zeros(inputs.shape, device=inputs.device)
        log_probs[real] = found
        return log_probs.masked_fill(~drawn, 0.0), drawn

    def _mass(
        self, model: Captioner, alphas: Tensor, captions: Sequence[Sequence[int]], batch: Batch
    ) -> tuple[list[int], Tensor]:
        """Attention inside the boxes, for drawn words that people used for a thing too.

        Returns:
            The caption of each such word, and its mass (N,), 0-1.
        """
        rows, steps, covered = [], [], []
        for row, caption in enumerate(captions):
            place = row // self._config.samples
            heads = self._examples.heads[batch.pictures[place]]
            for step, word in enumerate(model.vocabulary.decode(caption) if heads else ()):
                if word in heads:
                    rows.append(row)
                    steps.append(step)
                    covered.append(self._examples.turned(heads[word], batch.mirrored[place]))
        if not rows:
            return rows, alphas.new_zeros(0)
        cells = torch.from_numpy(np.stack(covered)).to(alphas.device)
        return rows, (alphas[rows, steps] * cells).sum(-1)


OBJECTIVES = {"cross-entropy": CrossEntropy, "self-critical": SelfCritical}


def _forget(inputs: Tensor, share: float) -> Tensor:
    """Makes some words `<unk>`, so that the model can't lean on the last words alone."""
    chosen = torch.rand(inputs.shape, device=inputs.device) < share
    return torch.where(chosen & (inputs >= len(SPECIAL)), Vocabulary.unk, inputs)


def _entropy(alphas: Tensor, real: Tensor) -> tuple[float, float]:
    count = float(real.sum())
    return count * mean_entropy(alphas.detach(), real).item(), count


def _word_entropy(logits: Tensor) -> tuple[float, float]:
    log_probs = logits.detach().float().log_softmax(-1)
    return float(-(log_probs.exp() * log_probs).sum()), len(logits)
