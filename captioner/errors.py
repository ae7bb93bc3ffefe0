"""The mistakes that are the user's to mend, each told in one sentence.

A command shows the sentence instead of a traceback, and code that calls
the package catches `CaptionerError`.
"""


class CaptionerError(Exception):
    """A mistake that one sentence explains to the user."""


class ImageError(CaptionerError):
    """A picture that cannot be read; the sentence names the file and the reason."""


class CheckpointError(CaptionerError):
    """A model that cannot be loaded; the sentence names the directory and the reason."""


class DataError(CaptionerError):
    """Captions or images of a data set that cannot be used; the sentence names what and why."""


class TrainingError(CaptionerError):
    """A training that can't go on; the sentence says where and why."""


class DownloadError(CaptionerError):
    """A file that cannot be fetched, or is not what it should be; the sentence says which."""


def counted(number: int, thing: str) -> str:
    """A number of things for such a sentence: "1 picture", "2 pictures"."""
    return f"{number} {thing}{'s' * (number != 1)}"
