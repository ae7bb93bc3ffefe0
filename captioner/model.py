"""The captioner: encoder, decoder and vocabulary, from pictures to captions with their maps.

Letters: B rows, P pictures, K beams, L locations, D annotation size, T steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from captioner.attention import ATTENTIONS, needs_recurrence
from captioner.caption import Caption, Word
from captioner.decoder import Glance
from captioner.decoders import DECODERS
from captioner.decoding import Hypothesis, beam_search
from captioner.encoder import Encoder
from captioner.geometry import RESIZES, Geometry
from captioner.images import load_image
from captioner.options import DecodingOptions, check_bounds, option
from captioner.tokenizer import tokenize
from captioner.vocabulary import SPECIAL, Vocabulary

# Pictures that go through the encoder together.
BATCH_SIZE = 16
_RECURRENT = " and ".join(name for name, kind in ATTENTIONS.items() if needs_recurrence(kind))


@dataclass(frozen=True)
class ModelConfig:
    """What the model is made of."""

    backbone: str = option("tf_efficientnet_lite2", "name of a timm model")
    stage: int = option(
        -1, "stage of the backbone to stop after; -1: the last layer before pooling", least=-1
    )
    image_size: int = option(256, "height and width in pixels that pictures are fitted to", least=1)
    resize: str = option("squash", "how pictures are fitted", RESIZES)
    annotation_dim: int = option(
        512, "size that annotations are projected to; 0: the backbone's own", least=0
    )
    encoder_layers: int = option(0, "layers in which the cells look at each other", least=0)
    decoder: str = option("lstm", "what writes the caption", DECODERS)
    decoder_layers: int = option(2, "layers of a transformer decoder", least=1)
    attention: str = option("soft", f"how it looks; {_RECURRENT} need the lstm", ATTENTIONS)
    heads: int = option(8, "of multi-head attention and of self-attention", least=1)
    word_query: bool = option(True, "lstm: look with the word before too; the paper does not")
    embedding_dim: int = option(512, "size of a word's vector", least=1)
    hidden_dim: int = option(512, "size of the decoder's state", least=1)
    attention_dim: int = option(512, "size of the attention's inner layer", least=1)
    dropout: float = option(0.5, "share of values dropped while training", least=0, below=1)

    def __post_init__(self) -> None:
        check_bounds(self)


class Captioner(nn.Module):
    """Captions pictures and says where it looked.

    Args:
        encoder: pictures to annotations.
        decoder: annotations to words.
        vocabulary: words to indices.
        config: what they were built from, for saving.
    """

    def __init__(
        self, *, encoder: Encoder, decoder: nn.Module, vocabulary: Vocabulary, config: ModelConfig
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.vocabulary = vocabulary
        self.config = config

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.decoder.parameters()).device

    def caption(
        self,
        source: Any,
        *,
        beam_size: int = 5,
        prefix: str = "",
        options: DecodingOptions | None = None,
    ) -> Caption | list[Caption]:
        """Captions one picture, or a list of them.

        Args:
            source: a path, a PIL image, an array (see `images.load_image`), or a list of these.
            beam_size: captions kept alive at each step.
            prefix: words that every caption begins with.
            options: all decoding options; `beam_size` is then taken from here.

        Returns:
            The best caption, with the others of the beam as its alternatives; for a list, a list.

        Raises:
            ImageError: a picture can't be read.
            ValueError: an impossible option, or a word of the prefix is not in the vocabulary.
        """
        many = isinstance(source, (list, tuple))
        options = options or DecodingOptions(beam_size=beam_size)
        start = self._prefix(prefix)
        captions = []
        for first in range(0, len(source) if many else 1, BATCH_SIZE):
            batch = source[first : first + BATCH_SIZE] if many else [source]
            annotations, geometries = self.look(batch)
            found = self.decode(annotations, options, start)
            captions += [self._caption(*pair, options) for pair in zip(found, geometries)]
        return captions if many else captions[0]

    def explain(self, source: Any, text: str, *, considered: int = 5) -> Caption:
        """Has the model read a caption of yours: its probability and map for each of your words.

        Args:
            source: a picture, see `images.load_image`.
            text: the caption; a word outside the vocabulary is marked as not `known`.
            considered: next-best words kept for each word.

        Raises:
            ImageError: the picture can't be read.
            ValueError: there is no word in the text.
        """
        words = tokenize(text)
        if not words:
            raise ValueError(f"there is no word in {text!r}")
        annotations, (geometry,) = self.look([source])
        tokens = self.vocabulary.encode(words)
        hypothesis = self.read(annotations, tokens, considered + 1 + len(SPECIAL))
        options = DecodingOptions(considered=considered)
        caption = self._caption([hypothesis], geometry, options)
        shown = tuple(
            replace(word, text=own, known=own in self.vocabulary)
            for word, own in zip(caption.words, words, strict=True)
        )
        # Nothing ranked it.
        return replace(caption, words=shown)

    @torch.inference_mode()
    def look(self, sources: Sequence[Any]) -> tuple[Tensor, list[Geometry]]:
        """Annotations (P, L, D) of P pictures, and how the grid lies over each."""
        pixels, geometries = zip(*(self.encoder.preprocessing(load_image(s)) for s in sources))
        return self.encoder(torch.from_numpy(np.stack(pixels)).to(self.device)), list(geometries)

    @torch.inference_mode()
    def decode(
        self, annotations: Tensor, options: DecodingOptions, prefix: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        """Beam search over the annotations (P, L, D) of P pictures; `<unk>` is never said."""
        memory = self.decoder.remember(annotations)
        step = partial(self.decoder.step, memory)
        words = self.vocabulary
        return beam_search(
            lambda last, state: step(last.to(self.device), state),
            self.decoder.start(memory),
            start=words.start,
            end=words.end,
            # The chosen word and the special ones are among the best, but are no alternatives.
            options=replace(options, considered=options.considered + 1 + len(SPECIAL)),
            pictures=len(annotations),
            banned=(words.pad, words.start, words.unk),
            prefix=prefix,
        )

    @torch.inference_mode()
    def cell_maps(self, source: Any) -> np.ndarray:
        """Where the cells of a picture look among each other, before any word.

        Args:
            source: a picture, see `images.load_image`.

        Returns:
            (layers, heads, rows, columns, rows, columns): the last two axes sum to one.

        Raises:
            ImageError: the picture can't be read.
            ValueError: the encoder has no layers of self-attention.
        """
        pixels, _ = self.encoder.preprocessing(load_image(source))
        maps = self.encoder.cell_maps(torch.from_numpy(pixels)[None].to(self.device))[0]
        return maps.float().cpu().numpy().reshape(*maps.shape[:2], *self.encoder.grid * 2)

    @torch.inference_mode()
    def read(self, annotations: Tensor, tokens: Sequence[int], considered: int) -> Hypothesis:
        """One picture's reading of a given caption, as if it had been decoded.

        Args:
            annotations: (1, L, D).
            tokens: the caption, without start and end.
            considered: likeliest words kept for each word.
        """
        memory = self.decoder.remember(annotations)
        state, last, kept, log_probs = self.decoder.start(memory), self.vocabulary.start, [], []
        for token in (*tokens, self.vocabulary.end):
            word = torch.tensor([last], device=self.device)
            told, state, glance = self.decoder.step(memory, word, state)
            log_probs.append(told[0].float().cpu())
            kept.append(glance)
            last = token
        said = [p[t].item() for p, t in zip(log_probs, (*tokens, self.vocabulary.end))]
        best = [p.topk(min(considered, len(p))) for p in log_probs[:-1]]
        return Hypothesis(
            tokens=tuple(tokens),
            log_prob=sum(said),
            log_probs=tuple(said[:-1]),
            kept=Glance(*(torch.cat(parts) for parts in zip(*kept[:-1]))),
            considered=tuple(tuple(zip(b.indices.tolist(), b.values.tolist())) for b in best),
            score=None,
        )

    def _prefix(self, text: str) -> list[int]:
        words = tokenize(text)
        unknown = [word for word in words if word not in self.vocabulary]
        if unknown:
            raise ValueError(f"the model does not know the word {unknown[0]!r} of the prefix")
        return self.vocabulary.encode(words)

    def _caption(
        self, found: list[Hypothesis], geometry: Geometry, options: DecodingOptions
    ) -> Caption:
        best, *others = (
            Caption(
                words=self._words(hypothesis, options.considered),
                log_prob=hypothesis.log_prob,
                score=hypothesis.score,
                grid=self.encoder.grid,
                geometry=geometry,
            )
            for hypothesis in found
        )
        return replace(best, alternatives=tuple(others))

    def _words(self, hypothesis: Hypothesis, considered: int) -> tuple[Word, ...]:
        glance: Glance = hypothesis.kept  # first axis T
        maps = self._maps(glance.alpha)  # (T, rows, columns)
        # A single head is the map itself.
        many = glance.heads.shape[1] * glance.heads.shape[2] > 1
        heads = self._maps(glance.heads) if many else [None] * len(maps)
        texts = self.vocabulary.words
        words = []
        for t, token in enumerate(hypothesis.tokens):
            others = [
                (texts[other], float(np.exp(log_prob)))
                for other, log_prob in hypothesis.considered[t]
                if other != token and other >= len(SPECIAL)
            ]
            words.append(
                Word(
                    text=texts[token],
                    probability=float(np.exp(hypothesis.log_probs[t])),
                    alpha=maps[t],
                    gate=glance.gate[t].item() if self.decoder.gated else None,
                    alternatives=tuple(others[:considered]),
                    heads=heads[t],
                )
            )
        return tuple(words)

    def _maps(self, weights: Tensor) -> np.ndarray:
        """(..., L) to (..., rows, columns)."""
        return weights.float().cpu().numpy().reshape(*weights.shape[:-1], *self.encoder.grid)
