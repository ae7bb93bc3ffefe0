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


def sized(number: float) -> str:
    """A number of bytes for such a sentence: "1.5 GB", "1.5 MB", "2 kB"."""
    # By what is shown: 999,999,999 bytes are 1.0 GB, not 1000.0 MB.
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if number >= 0.99995 * size:
            return f"{number / size:.1f} {unit}"
    return f"{number / 1e3:.0f} kB" if number >= 999.5 else counted(round(number), "byte")
