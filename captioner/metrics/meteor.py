"""METEOR (Denkowski and Lavie 2014) by the official Java program, where it can run."""

import importlib.util
import shutil
from collections.abc import Sequence

from captioner.errors import CaptionerError


def meteor(
    references: Sequence[Sequence[Sequence[str]]], hypotheses: Sequence[Sequence[str]]
) -> float:
    """Scores captions against all references of their pictures, 0-100.

    Args:
        references: for each picture, its captions as tokens.
        hypotheses: for each picture, one caption as tokens.

    Raises:
        CaptionerError: Java or the package with the program is missing.
    """
    if shutil.which("java") is None:
        raise CaptionerError("METEOR needs Java, and there is no `java` on this machine")
    if importlib.util.find_spec("pycocoevalcap") is None:
        raise CaptionerError("METEOR needs the official program: pip install 'captioner[official]'")
    from pycocoevalcap.meteor.meteor import Meteor

    said = {i: [" ".join(words)] for i, words in enumerate(hypotheses)}
    wanted = {i: [" ".join(words) for words in own] for i, own in enumerate(references)}
    scorer = None
    try:
        scorer = Meteor()
        return 100 * scorer.compute_score(wanted, said)[0]
    except (OSError, ValueError) as error:
        if scorer is not None and scorer.lock.locked():
            scorer.lock.release()  # its destructor would wait for this for ever
        raise CaptionerError(f"METEOR's Java program failed: {error}") from error
