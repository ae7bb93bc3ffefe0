"""The tab for many pictures: a table that fills row by row, and files to take away."""

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from PIL import Image

from captioner.caption import Caption
from captioner.errors import CaptionerError, ImageError
from captioner.report import sentence
from captioner.visual import sheet
from captioner.web.answers import Answers
from captioner.web.inputs import Choice
from captioner.web.questions import read_names
from captioner.web.uploads import MOST_FILES, UploadedFiles, open_upload
from captioner.web.viewer import as_text, joined
from captioner.web.wording import percent

if TYPE_CHECKING:
    from captioner.model import Captioner

THUMBNAIL = 144  # pixels, its longer side; it is shown at half of that
CSV_ENCODING = "utf-8-sig"  # spreadsheets take a file without the mark for Latin letters
COLUMNS = ("file", "caption", "mean_confidence", "error")


class CaptionTable(gr.HTML):
    """Shows rows as they come, or nothing yet (None).

    Args:
        elem_id: its id in the page.
    """

    def __init__(self, *, elem_id: str | None = None) -> None:
        super().__init__(
            None,
            elem_id=elem_id,
            html_template='<div class="board" hidden></div>',
            css_template=joined("styles", ["table"], ".css"),
            js_on_load=joined("scripts", ["parts", "table"], ".js"),
            apply_default_css=False,
        )

    def api_info(self) -> dict[str, Any]:
        """What a client of the API would be told of its value."""
        return {"type": "object"}


def add_many(answers: Answers) -> None:
    """Lays out the tab and ties it to the models."""
    gr.Markdown(
        f"Choose up to {MOST_FILES} pictures: each gets a caption, and a sheet of its maps."
    )
    files = UploadedFiles(label="Pictures", file_count="multiple", elem_id="files", height=200)
    models = list(answers.models)
    name = Choice(
        models, value=models[0], label="Model", visible=len(models) > 1, elem_id="many-model"
    )
    start = gr.Button("Caption all of them", variant="primary")
    table = CaptionTable(elem_id="table")
    with gr.Row():
        as_csv = gr.DownloadButton("Save the captions (CSV)", visible=False)
        as_zip = gr.DownloadButton("Save captions and maps (ZIP)", visible=False)

    def caption_all(files: list[tuple[str, str]], name: Any) -> Iterator[tuple]:
        yield from caption_many(answers, files, name)

    start.click(
        caption_all,
        [files, name],
        [table, as_csv, as_zip],
        concurrency_limit=None,
        show_progress="hidden",
        trigger_mode="once",
        api_visibility="private",
    )


def caption_many(answers: Answers, files: list[tuple[str, str]], name: Any) -> Iterator[tuple]:
    """Captions uploaded files one by one.

    Args:
        files: the path and the visitor's own name of each.
        name: of the model.

    Yields:
        What the table shows, and what the two buttons give: at the end their files.
    """
    try:
        (name,) = read_names([name], list(answers.models))
    except CaptionerError as error:
        raise gr.Error(str(error), print_exception=False) from error
    model = answers.models[name]
    if not files:
        gr.Info("Choose some pictures first.")
        yield None, _hidden(), _hidden()
        return
    rows: list[dict] = []
    with TemporaryDirectory() as folder:
        zipped = Path(folder, "captions.zip")
        with zipfile.ZipFile(zipped, "w") as archive:
            for number, (path, file) in enumerate(files, 1):
                yield _shown(rows, len(files)), _hidden(), _hidden()
                row, maps = _row(answers, model, path, file)
                rows.append(row)
                if maps:
                    archive.writestr(f"maps/{number:02}-{Path(file).stem[:80]}.jpg", maps)
            table = as_csv(rows)
            archive.writestr("captions.csv", table.encode(CSV_ENCODING))
        written = Path(folder, "captions.csv")
        written.write_text(table, encoding=CSV_ENCODING, newline="")
        # Gradio takes a copy of the files before it comes back and the folder goes.
        yield (
            _shown(rows, len(files)),
            gr.DownloadButton(value=str(written), visible=True),
            gr.DownloadButton(value=str(zipped), visible=True),
        )


def as_csv(rows: list[dict]) -> str:
    """The table as comma-separated values, of which no spreadsheet takes any for a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        values = [row["file"], row["caption"], row["confidence"], row["error"]]
        writer.writerow(
            "'" + value if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value
            for value in values
        )
    return text.getvalue()


def _row(answers: Answers, model: "Captioner", path: str, name: str) -> tuple[dict, bytes]:
    """One row, and the sheet of the picture's maps; without a sheet where something is wrong."""

    def caption() -> tuple[Caption, str, bytes]:
        image = open_upload(path)
        found = model.caption(image)
        maps = sheet(image, found.words, geometry=found.geometry)
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        return found, "data:image/jpeg;base64," + as_text(_jpeg(image)), _jpeg(maps)

    row = {"file": name[:200], "picture": "", "caption": "", "confidence": "", "error": ""}
    try:
        found, picture, maps = answers.turns.run(caption)
    except CaptionerError as error:
        text = str(error)
        if isinstance(error, ImageError):
            text = text.replace(Path(path).name, name)
        return {**row, "error": sentence(text.rstrip("."))}, b""
    mean = float(np.mean([word.probability for word in found.words] or [0]))
    shown = {"caption": sentence(found.text), "confidence": round(mean, 4)}
    return {**row, **shown, "percent": percent(mean), "picture": picture}, maps


def _shown(rows: list[dict], total: int) -> dict:
    return {"rows": list(rows), "done": len(rows), "total": total}


def _hidden() -> gr.DownloadButton:
    return gr.DownloadButton(visible=False)


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
