"""What the page answers: captions, words in another's place, and tests of the maps.

Every answer is ready for JSON; what can't be answered is told in one sentence.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.animation import animate
from captioner.attended import is_flat
from captioner.caption import Caption
from captioner.doubt import doubt
from captioner.errors import CaptionerError, ImageError
from captioner.options import DecodingOptions
from captioner.report import sentence
from captioner.tokenizer import tokenize
from captioner.walk import Walk, walk
from captioner.web.lessons import doubt_value, no_verdict, walk_value
from captioner.web.questions import (
    Question,
    read_beam_size,
    read_longest,
    read_look,
    read_names,
    read_own_words,
    read_question,
)
from captioner.web.turns import Busy, Turns
from captioner.web.uploads import Pictures, open_upload
from captioner.web.viewer import as_text, caption_values, error_value, viewer_value
from captioner.web.wording import HARD

if TYPE_CHECKING:
    from captioner.model import Captioner

# Answers that are given again without a model.
KEPT = 32

NO_PICTURE = error_value(
    "There is no picture yet", "choose a picture first: one of your own, or one of the examples"
)
OWN_WORDS = "Your words, read by the model: how likely it found each, and where it looked."


def _told(answer: Callable[..., dict]) -> Callable[..., dict]:
    """Gives what is wrong with a question as an answer."""

    @wraps(answer)
    def tell(self: "Answers", sent: Any) -> dict:
        try:
            return answer(self, read_question(sent), sent)
        except (CaptionerError, ValueError) as error:
            return {"error": sentence(str(error).rstrip("."))}

    return tell


class Answers:
    """The models, and what visitors asked them.

    Args:
        models: ready to caption, by the names that the page shows.
    """

    def __init__(self, models: "Mapping[str, Captioner]") -> None:
        self.models = models
        self.turns = Turns()
        self._pictures = Pictures()
        self._kept: OrderedDict[tuple, dict] = OrderedDict()
        self._lock = threading.Lock()

    # --- Pictures ---------------------------------------------------------------------------

    def caption(self, path: str | None, beam_size: Any, longest: Any, names: Any) -> dict | None:
        """What the viewer shows for an uploaded picture; nothing for none."""
        if path is None:
            return None
        try:
            beam_size, longest = read_beam_size(beam_size), read_longest(longest)
            names = read_names(names, list(self.models))
            options = DecodingOptions(beam_size=beam_size, max_length=longest)
            return self._shown(
                path,
                (beam_size, longest, *names),
                lambda image: {n: self.models[n].caption(image, options=options) for n in names},
                beam_size=beam_size,
                longest=longest,
            )
        except (CaptionerError, ValueError) as error:
            return _wrong(error)

    def press(self, path: str | None, beam_size: Any, longest: Any, names: Any) -> dict:
        """The same for a visitor who asks for it; without a picture, what to do first."""
        return self.caption(path, beam_size, longest, names) or NO_PICTURE

    def explain(self, path: str | None, text: Any, names: Any) -> dict:
        """What the viewer shows for a visitor's own caption of a picture."""
        if path is None:
            return NO_PICTURE
        try:
            text, names = read_own_words(text), read_names(names, list(self.models))
            options = DecodingOptions()
            return self._shown(
                path,
                (text, *names),
                lambda image: {name: self.models[name].explain(image, text) for name in names},
                beam_size=options.beam_size,
                longest=options.max_length,
                note=OWN_WORDS,
            )
        except (CaptionerError, ValueError) as error:
            return _wrong(error)

    def caption_for_api(self, path: str, beam_size: Any) -> Caption:
        """The first model's caption of an uploaded picture.

        Raises:
            CaptionerError: what is wrong with the picture or the beam size.
        """
        model, beam_size = next(iter(self.models.values())), read_beam_size(beam_size)
        return self.turns.run(lambda: model.caption(open_upload(path), beam_size=beam_size))

    def _shown(self, path: str, key: tuple, ask: Callable, **about: Any) -> dict:
        key = (path, *key)

        def show() -> dict:
            # The same may have been asked twice at once, as a webcam does.
            if (answer := self._find(key)) is not None:
                return answer
            image = open_upload(path)
            answer = viewer_value(
                image, ask(image), remarks=self._remarks, name=Path(path).name, **about
            )
            with self._lock:
                self._kept[key] = answer
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            return answer

        answer = self._find(key)
        if answer is None:
            answer = self.turns.run(show)
        # An id of its own each time: that of a kept answer might be forgotten by now.
        return {**answer, "id": self._pictures.add(path)}

    def _find(self, key: tuple) -> dict | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    @property
    def _remarks(self) -> dict[str, str]:
        return {n: HARD for n, model in self.models.items() if model.config.attention == "hard"}

    # --- Questions about a word -------------------------------------------------------------

    @_told
    def go_on(self, question: Question, sent: dict) -> dict:
        """Captions that begin with the words up to one, or to what is put in its place."""
        options = DecodingOptions(beam_size=question.beam_size, max_length=question.longest)

        kept, model = tokenize(question.prefix), self._model(question)
        for word in kept:
            if word not in model.vocabulary:
                raise CaptionerError(f"the model does not know the word {word!r}: try another")

        def write() -> Caption:
            image = self._pictures.open(question.picture)
            return model.caption(image, prefix=question.prefix, options=options)

        return {"captions": caption_values(self.turns.run(write), len(kept))}

    @_told
    def doubt(self, question: Question, sent: dict) -> dict:
        """What the model says where what a word looked at is hidden."""
        options = DecodingOptions(beam_size=question.beam_size, max_length=question.longest)

        def test() -> dict:
            model, image = self._model(question), self._pictures.open(question.picture)
            caption = model.explain(image, question.text)
            place = _place(caption, question)
            word = caption.words[place]
            if not word.known:
                reason = "how likely it finds it can't be read"
                raise CaptionerError(f"the model does not know the word {word.text!r}: {reason}")
            if is_flat(word.alpha):
                return {"word": word.text, "verdict": no_verdict(word.text), "trials": []}
            return doubt_value(doubt(model, image, caption, place, options))

        return self.turns.run(test)

    @_told
    def animate(self, question: Question, sent: dict) -> dict:
        """The words of a caption as a GIF."""
        look = read_look(sent)

        def draw() -> bytes:
            image = self._pictures.open(question.picture)
            caption = self._model(question).explain(image, question.text)
            return animate(
                image,
                caption.words,
                geometry=caption.geometry,
                style=look.style,
                strength=look.strength,
                smooth=look.smooth,
                own_scale=look.own_scale,
            )

        return {"gif": as_text(self.turns.run(draw))}

    @_told
    def numbers(self, question: Question, sent: dict) -> dict:
        """What was computed on the way to a word."""

        def go() -> Walk:
            image = self._pictures.open(question.picture)
            return walk(self._model(question), image, question.words, question.place)

        return walk_value(self.turns.run(go))

    def _model(self, question: Question) -> "Captioner":
        (name,) = read_names(question.model, list(self.models))
        return self.models[name]


def _place(caption: Caption, question: Question) -> int:
    """The word's place, where a caption from elsewhere may be cut into other words."""
    if question.place >= len(caption.words):
        raise CaptionerError(f"there is no word {question.place} in {question.text!r:.80}")
    return question.place


def _wrong(error: Exception) -> dict:
    titles = {Busy: "Busy", ImageError: "This picture can't be captioned"}
    return error_value(titles.get(type(error), "That can't be done"), str(error))
