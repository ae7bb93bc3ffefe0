"""Files that visitors send: nothing else on the server is ever opened for them."""

import secrets
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData, ListFiles
from gradio_client.utils import is_file_obj_with_meta, is_http_url_like, traverse

from captioner.errors import CaptionerError, ImageError
from captioner.images import load_image

# Pictures that questions can still be asked about, and files that are captioned at once.
REMEMBERED = 2000
MOST_FILES = 50
MAX_FILE_SIZE = 10 * 2**20  # bytes of one file
MOST_PIXELS = 40_000_000  # decoded they are 120 MB; few cameras take larger pictures
NOT_UPLOADED = "the picture must be an uploaded file"


class UploadsOnly(gr.Blocks):
    """A page that fetches nothing for a visitor.

    Gradio downloads the address in any value that looks like a file, whatever its size and
    whichever input it is sent for, before that input sees it.
    """

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        """Refuses addresses."""
        traverse(inputs, _refuse_address, is_file_obj_with_meta)
        super().validate_inputs(block_fn, inputs)


def _refuse_address(file: dict) -> None:
    if is_http_url_like(file["path"]):
        raise gr.Error(f"{NOT_UPLOADED}, not an address", print_exception=False)


class UploadedPicture(gr.Image):
    """A picture whose file is handed on unopened, so that `load_image` can say what ails it."""

    is_template = True  # in the browser it is a plain gr.Image

    def preprocess(self, payload: ImageData | None) -> str | None:
        """Gives the path of the uploaded file."""
        if payload is None:
            return None
        return _uploaded(payload.path, Path(self.GRADIO_CACHE))


class UploadedFiles(gr.File):
    """Several files, handed on unopened and with whatever names they have."""

    is_template = True

    def preprocess(self, payload: ListFiles | None) -> list[tuple[str, str]]:
        """Gives the path and the visitor's own name of each file."""
        files = payload.root if payload else []
        if len(files) > MOST_FILES:
            raise gr.Error(
                f"there are {len(files)} files, but at most {MOST_FILES} are captioned at once",
                print_exception=False,
            )
        cache = Path(self.GRADIO_CACHE)
        paths = [_uploaded(file.path, cache) for file in files]
        return [(path, file.orig_name or Path(path).name) for path, file in zip(paths, files)]


def _uploaded(path: str | None, cache: Path) -> str:
    # Gradio checks paths that come marked as files; one without the mark would get past it.
    if not path or not Path(path).resolve().is_relative_to(cache.resolve()):
        raise gr.Error(NOT_UPLOADED, print_exception=False)
    return path


class Pictures:
    """Remembers under a random name which file a picture is in, so that no path is ever sent."""

    def __init__(self) -> None:
        self._paths: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, path: str) -> str:
        """Gives the name."""
        name = secrets.token_urlsafe(12)
        with self._lock:
            self._paths[name] = path
            while len(self._paths) > REMEMBERED:
                self._paths.popitem(last=False)
        return name

    def open(self, name: str) -> Any:
        """Reads the picture of that name.

        Raises:
            CaptionerError: it is not there any more, or can't be read.
        """
        path = self._paths.get(name)
        if path is None or not Path(path).exists():
            raise CaptionerError("this picture is not kept here any more: choose it again")
        return open_upload(path)


def open_upload(path: str) -> Any:
    """Reads an uploaded picture.

    Raises:
        ImageError: it can't be read; the sentence has the file's name and not the server's path.
    """
    try:
        return load_image(path, most_pixels=MOST_PIXELS)
    except ImageError as error:
        # People know the name of their file, not where the server keeps it.
        raise ImageError(str(error).replace(path, Path(path).name)) from error
