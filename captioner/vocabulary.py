"""The words that the model knows, and their numbers. Knows no torch.

The vocabulary comes from the training split alone: a word counted in the validation captions would
leak into what the model can say.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from captioner.errors import CheckpointError, DataError
from captioner.tokenizer import BRACKETS

PAD, START, END, UNK = "<pad>", "<start>", "<end>", "<unk>"
SPECIAL = (PAD, START, END, UNK)


class Vocabulary:
    """Words to indices and back; `<pad> <start> <end> <unk>` are the first four.

    Args:
        words: the known words without the special ones, each once.

    Raises:
        ValueError: a word is there twice, or is one of the special ones.
    """

    pad, start, end, unk = range(len(SPECIAL))

    def __init__(self, words: Iterable[str]) -> None:
        self.words = (*SPECIAL, *words)
        self._index = {word: i for i, word in enumerate(self.words)}
        if len(self._index) != len(self.words):
            twice = next(word for word, count in Counter(self.words).items() if count > 1)
            raise ValueError(f"the word {twice!r} is in the vocabulary twice")

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._index

    def encode(self, words: Sequence[str]) -> list[int]:
        """Words to indices; an unknown word becomes `<unk>`."""
        return [self._index.get(word, self.unk) for word in words]

    def decode(self, indices: Iterable[int]) -> list[str]:
        """Indices to words, special ones as they are written."""
        return [self.words[index] for index in indices]

    def save(self, path: Path) -> None:
        """Writes the words in order as a JSON list."""
        path.write_text(json.dumps(self.words[len(SPECIAL) :], ensure_ascii=False, indent=0))

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Reads what `save` wrote.

        Raises:
            CheckpointError: the file is missing or is not a JSON list of different words.
        """
        try:
            words = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise CheckpointError(f"can't read the vocabulary {str(path)!r}: {error}") from error
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise CheckpointError(f"the vocabulary {str(path)!r} is not a JSON list of words")
        try:
            return cls(words)
        except ValueError as error:
            raise CheckpointError(f"{str(path)!r}: {error}") from error


def build_vocabulary(captions: Iterable[Sequence[str]], min_count: int = 5) -> Vocabulary:
    """Keeps the words that are seen at least `min_count` times, the most frequent first.

    The official tokens of brackets are no words that a model should say.

    Args:
        captions: the tokens of each training caption.
        min_count: a rarer word becomes `<unk>`.

    Raises:
        DataError: no word is that frequent.
    """
    brackets = frozenset(BRACKETS.values())
    counts = Counter(word for words in captions for word in words if word not in brackets)
    # Alphabetical among equals, so that the same captions in another order give the same file.
    kept = sorted(
        (word for word in counts if counts[word] >= min_count), key=lambda w: (-counts[w], w)
    )
    if not kept:
        raise DataError(
            f"no word is seen {min_count} times in the {len(counts)} different training words; "
            "give more captions or a lower --min-count"
        )
    return Vocabulary(kept)
