"""What the browser asks, checked and bounded: anyone can send anything to the server."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from captioner.errors import CaptionerError
from captioner.tokenizer import tokenize
from captioner.visual import STYLES

WIDEST_BEAM = 10
LONGEST_CAPTION = 30
LONGEST_TEXT = 300
LONGEST_WORD = 60
MOST_WORDS = 60  # the model reads them one by one, and every caption of its own is shorter
MOST_MODELS = 3


@dataclass(frozen=True)
class Question:
    """About one word of one caption of one picture.

    Attributes:
        picture: its name, see `uploads.Pictures`.
        model: the name of the model whose caption it is.
        words: of the caption.
        place: of the word.
        word: what to put in its place, or nothing.
        beam_size, longest: how captions are decoded.
    """

    picture: str
    model: str
    words: tuple[str, ...]
    place: int
    word: str | None
    beam_size: int
    longest: int

    @property
    def text(self) -> str:
        """The caption."""
        return " ".join(self.words)

    @property
    def prefix(self) -> str:
        """The caption up to the word, with what is put in its place."""
        return " ".join([*self.words[: self.place], self.word or self.words[self.place]])


@dataclass(frozen=True)
class Look:
    """How a map is to be drawn, see `visual.overlay`."""

    style: str
    strength: float
    smooth: bool
    own_scale: bool


def read_question(sent: Any) -> Question:
    """Checks a question.

    Raises:
        CaptionerError: a part of it is missing or beyond its bounds.
    """
    sent = sent if isinstance(sent, dict) else {}
    words = sent.get("words")
    if not isinstance(words, list) or not words:
        raise CaptionerError("the question has no words")
    _few_words(len(words), "the question")
    words = tuple(_text(word, "a word", LONGEST_TEXT) for word in words)
    place = sent.get("place")
    if type(place) is not int or not 0 <= place < len(words):
        raise CaptionerError(f"there is no word {place!r} in a caption of {len(words)} words")
    word = sent.get("word")
    question = Question(
        picture=_text(sent.get("picture"), "the picture's name", LONGEST_WORD),
        model=_text(sent.get("model"), "the model's name", LONGEST_TEXT),
        words=words,
        place=place,
        word=None if word is None else _text(word, "the word", LONGEST_WORD),
        beam_size=read_beam_size(sent.get("beam_size")),
        longest=read_longest(sent.get("longest")),
    )
    if len(question.text) > 2 * LONGEST_TEXT:
        raise CaptionerError(f"the caption has {len(question.text)} characters, which is too long")
    # What was sent as one word may be several for the model.
    _few_words(len(tokenize(question.text)), "the question")
    _few_words(len(tokenize(question.prefix)), "the question")
    return question


def read_look(sent: dict) -> Look:
    """Checks how a map is to be drawn.

    Raises:
        CaptionerError: an unknown style, or a strength beyond its bounds.
    """
    style, strength = sent.get("style"), sent.get("strength")
    if style not in tuple(STYLES):
        raise CaptionerError(f"unknown style {style!r:.80}; choose one of {', '.join(STYLES)}")
    if type(strength) not in (int, float) or not 0 <= strength <= 1:  # NaN is neither
        raise CaptionerError(f"strength is {strength!r:.80}, but must lie between 0 and 1")
    return Look(style, float(strength), bool(sent.get("smooth")), bool(sent.get("own_scale")))


def read_beam_size(sent: Any) -> int:
    """Checks a beam size; 5.0 is one, 2.5 and "5" are not."""
    return _whole(sent, "the beam size", WIDEST_BEAM)


def read_longest(sent: Any) -> int:
    """Checks the number of words that a caption may have."""
    return _whole(sent, "the longest caption", LONGEST_CAPTION)


def read_own_words(sent: Any) -> str:
    """Checks a caption that a visitor wrote."""
    text = " ".join(_text(sent, "your caption", LONGEST_TEXT).split())
    if not text:
        raise CaptionerError("write a caption of your own first")
    _few_words(len(tokenize(text)), "your caption")
    return text


def read_names(sent: Any, known: Sequence[str]) -> list[str]:
    """Checks which models are chosen.

    Raises:
        CaptionerError: none, too many, or one that is not here.
    """
    names = sent if isinstance(sent, list) else [sent]
    unknown = [name for name in names if name not in list(known)]
    if unknown:
        raise CaptionerError(f"there is no model {unknown[0]!r:.80}")
    if not 1 <= len(set(names)) <= MOST_MODELS:
        raise CaptionerError(f"choose one model, or up to {MOST_MODELS} to compare them")
    return [name for name in known if name in names]


def _few_words(count: int, what: str) -> None:
    if count > MOST_WORDS:
        raise CaptionerError(f"{what} has {count} words, but at most {MOST_WORDS} are taken")


def _whole(sent: Any, what: str, highest: int) -> int:
    number = type(sent) is int or (type(sent) is float and math.isfinite(sent))
    if not number or sent not in range(1, highest + 1):
        raise CaptionerError(
            f"{what} is {sent!r:.80}, but must be a whole number from 1 to {highest}"
        )
    return int(sent)


def _text(sent: Any, what: str, longest: int) -> str:
    if not isinstance(sent, str):
        raise CaptionerError(f"{what} is not a text")
    if len(sent) > longest:
        raise CaptionerError(f"{what} has {len(sent)} characters, but at most {longest} are taken")
    return sent
