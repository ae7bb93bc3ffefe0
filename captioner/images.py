"""From any picture file to upright RGB; whatever reads a picture goes through `load_image`.

Knows no torch and no model.
"""

import os
import stat
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from captioner.errors import ImageError

# Pillow's own hard limit: a larger header is taken for a decompression bomb.
MAX_PIXELS = 178_956_970
TOO_LARGE = f"it has more than {MAX_PIXELS:,} pixels"

IMAGE_SUFFIXES = (
    ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip

# What brings each EXIF orientation upright; 1 already is.
TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def load_image(source: Any, *, most_pixels: int = MAX_PIXELS) -> Image.Image:
    """Reads a picture as upright RGB, whatever it is stored as.

    The first frame of an animation is taken, transparency is laid over white, and 16-bit samples
    are scaled to 8 bits. 32-bit integers and floats carry no range of their own: the smallest of
    0-1 (floats only), 0-255 and 0-65535 that holds them is assumed, else their own range is
    stretched.

    Args:
        source: a path, a PIL image (left as it is), or an array (height, width) or
            (height, width, 1, 3 or 4) of uint8, bool, uint16 or floats from 0 to 1.
        most_pixels: a file with more is refused before it is decoded.

    Returns:
        A new RGB image without metadata, so that nothing can turn it a second time.

    Raises:
        ImageError: the picture cannot be read; one sentence names it and says why.
    """
    if isinstance(source, Image.Image):
        return _upright_rgb(source, getattr(source, "filename", "") or "the picture")
    if isinstance(source, (str, os.PathLike)):
        return _load_file(source, most_pixels)
    return _upright_rgb(_from_array(source), "the array")


def find_images(paths: Iterable[str | os.PathLike]) -> list[str | os.PathLike]:
    """Replaces each folder by the picture files anywhere inside it, in sorted order.

    Files stay as given, even absent ones, so that `load_image` can say what is wrong with each.
    Hidden files and folders are passed over: macOS leaves a `._dog.jpg` that is no picture.

    Args:
        paths: files and folders, or a single one.

    Raises:
        ImageError: a folder holds no pictures or cannot be listed.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    found: list[str | os.PathLike] = []
    for path in paths:
        found.extend(_pictures_in(path) if os.path.isdir(path) else [path])
    return found


def _pictures_in(folder: str | os.PathLike) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise ImageError(f"cannot list {error.filename}: {error.strerror}") from error

    found = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.extend(
            Path(parent, name)
            for name in names
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")
        )
    if not found:
        raise ImageError(f"no pictures in {folder}; looked for {' '.join(IMAGE_SUFFIXES)}")
    return sorted(found)


def _unreadable(name: str | os.PathLike, reason: str) -> ImageError:
    return ImageError(f"cannot read {name}: {reason}")


def _load_file(path: str | os.PathLike, most_pixels: int) -> Image.Image:
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise _unreadable(path, "it is a folder")
        # Opening a named pipe would wait for ever.
        if not stat.S_ISREG(status.st_mode):
            raise _unreadable(path, "it is not a regular file")
        if status.st_size == 0:
            raise _unreadable(path, "the file is empty")
        file = open(path, "rb")  # noqa: SIM115
    except FileNotFoundError as error:
        raise _unreadable(path, "there is no such file") from error
    except PermissionError as error:
        raise _unreadable(path, "there is no permission to read it") from error
    # A null character in the name is a ValueError.
    except (OSError, ValueError) as error:
        raise _unreadable(path, getattr(error, "strerror", None) or str(error)) from error
    with file, _one_sentence(path), Image.open(file) as image:
        # Pillow would run Ghostscript on it, and a PostScript file is a program.
        if image.format == "EPS":
            raise _unreadable(path, "it is PostScript, not a picture")
        _check_size(path, *image.size, most_pixels)
        return _upright_rgb(image, path)


@contextmanager
def _one_sentence(name: str | os.PathLike) -> Iterator[None]:
    """Tells whatever Pillow raises about a picture as an ImageError, and keeps its warnings in."""
    with warnings.catch_warnings():
        # Only Pillow's: threads share the filters, and another's warnings are not ours to hide.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            yield
        except ImageError:
            raise
        except UnidentifiedImageError as error:
            raise _unreadable(name, "it is not a picture that can be recognised") from error
        except Image.DecompressionBombError as error:
            raise _unreadable(name, TOO_LARGE) from error
        # On a damaged file Pillow's many plugins raise nearly anything: OSError, SyntaxError,
        # ValueError, struct.error, zlib.error, EOFError, IndexError, KeyError, MemoryError, ...
        # One bad file must not end a day of training, so every one of them is told the same way.
        except Exception as error:
            raise _unreadable(name, _reason(error)) from error


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, EOFError) or "truncated" in text.lower():
        return "it is cut short"
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return f"it cannot be decoded ({text or type(error).__name__})"


def _upright_rgb(image: Image.Image, name: str | os.PathLike) -> Image.Image:
    with _one_sentence(name):
        _check_size(name, *image.size)
        image.load()
        upright = _to_rgb(image)
        orientation = _orientation(image)
        if orientation in TRANSPOSES:
            upright = upright.transpose(TRANSPOSES[orientation])
        upright.info = {}
        return upright


def _check_size(name: str | os.PathLike, width: int, height: int, most: int = MAX_PIXELS) -> None:
    if width * height > most:
        raise _unreadable(name, f"it has more than {most:,} pixels")
    if width * height < 1:
        raise _unreadable(name, "it has no pixels")


def _orientation(image: Image.Image) -> int:
    # `ImageOps.exif_transpose` writes the block back and so fails where only the block is broken.
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """A new RGB image, never the one given."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_to_bytes(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _to_bytes(samples: np.ndarray) -> np.ndarray:
    """Scales 16-bit, 32-bit or float samples to uint8, keeping their order."""
    if samples.dtype.kind == "u":
        low, high = 0.0, 65535.0
    else:
        samples = np.where(np.isfinite(samples), samples, 0)
        low, high = float(samples.min()), float(samples.max())
        usual = (1.0, 255.0, 65535.0) if samples.dtype.kind == "f" else (255.0, 65535.0)
        if low >= 0 and high <= usual[-1]:
            low, high = 0.0, next(top for top in usual if high <= top)
    scaled = (samples.astype(np.float64) - low) * (255 / max(high - low, 1e-12))
    return np.rint(scaled).astype(np.uint8)


def _from_array(source: Any) -> Image.Image:
    if not hasattr(source, "__array__"):
        kind, wanted = type(source).__name__, "a path, a PIL image or an array"
        raise ImageError(f"cannot read a picture from {kind}; give {wanted}")
    with _one_sentence("the array"):
        array = np.asarray(source)
    shape = array.shape
    if len(shape) not in (2, 3) or len(shape) == 3 and shape[2] not in (1, 3, 4):
        wanted = "(height, width) or (height, width, 1, 3 or 4)"
        raise _unreadable("the array", f"its shape is {shape}, not {wanted}")
    _check_size("the array", shape[1], shape[0])
    array = array[..., 0] if shape[2:] == (1,) else array
    return Image.fromarray(_array_to_bytes(array))


def _array_to_bytes(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    # Compared by kind and size, because either byte order will do.
    if array.dtype.kind != "f" and (array.dtype.kind, array.dtype.itemsize) != ("u", 2):
        wanted = "uint8, bool, uint16 or float"
        raise _unreadable("the array", f"its dtype is {array.dtype}, not {wanted}")
    low, high = array.min(), array.max()
    # Written so that NaN is refused too.
    if array.dtype.kind == "f" and not (low >= 0 and high <= 1):
        raise _unreadable("the array", f"its floats run from {low:g} to {high:g}, not within 0-1")
    return _to_bytes(array)
