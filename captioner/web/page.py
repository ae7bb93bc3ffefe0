"""The web page: a picture goes in, its caption with the maps of its words comes out.

The model is handed in ready; `build_page` lays the page out and `serve` runs it until it is
stopped. What the viewer draws is in `viewer.py`.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.data_classes import ImageData

from captioner.caption import Caption
from captioner.errors import CaptionerError, ImageError
from captioner.images import load_image
from captioner.options import DecodingOptions
from captioner.web.viewer import AttentionViewer, error_value, viewer_value

if TYPE_CHECKING:
    from captioner.model import Captioner

WIDEST_BEAM = 10
EXAMPLE_SUFFIXES = (".jpg", ".png")
MAX_FILE_SIZE = "10mb"
MAX_WAITING = 20
# Seconds after which an uploaded picture is deleted, and between the looks for such pictures.
UPLOADS_KEPT = 3600

# Every event that runs the model waits for this one slot.
MODEL_SLOT = {"concurrency_id": "model", "concurrency_limit": 1}

# The options stand under the picture, but on a phone nobody has to scroll past them.
CSS = """
.gradio-container { max-width: 1180px !important; margin: 0 auto !important; }
#columns { display: grid; grid: "source viewer" auto "options viewer" 1fr / 5fr 7fr; }
#columns { gap: 16px 24px; }
#columns > * { min-width: 0 !important; }
#source { grid-area: source; }
#answer { grid-area: viewer; }
#options { grid-area: options; }
@media (max-width: 700px) {
  #columns { grid: "source" auto "viewer" auto "options" auto / minmax(0, 1fr); }
}
#viewer .html-container { padding: 0; }
"""

# A picture that is pasted anywhere on the page goes the way of an uploaded one.
PASTE = """() => {
  document.body.dataset.paste = "ready";
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    const input = document.querySelector("#picture input[type=file]");
    if (!file || !input) return;
    const transfer = new DataTransfer();
    transfer.items.add(file);
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}"""

# In the browser, before the server is asked: what waits in the queue is busy too.
BUSY = "(picture) => picture ? { busy: true } : null"
FAILED = """() => ({
  title: "No answer from the server",
  error: "It may be busy with other pictures; press the button to try again.",
})"""


class UploadedPicture(gr.Image):
    """A picture whose file is handed on unopened, so that `load_image` can say what ails it."""

    is_template = True  # in the browser it is a plain gr.Image

    def preprocess(self, payload: ImageData | None) -> str | None:
        """Gives the path of the uploaded file."""
        if payload is None:
            return None
        # Gradio checks paths that come marked as files; one without the mark would get past it.
        cache = Path(self.GRADIO_CACHE).resolve()
        if not payload.path or not Path(payload.path).resolve().is_relative_to(cache):
            raise gr.Error("the picture must be an uploaded file", print_exception=False)
        return payload.path


class BeamSize(gr.Slider):
    """A slider that leaves it to the function to refuse a value that the API sends."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """Gives the value as it came."""
        return payload


def serve(model: "Captioner", *, host: str, port: int, assets: Path) -> None:
    """Serves the page until it is stopped.

    Args:
        model: ready to caption.
        host: address to listen at.
        port: to listen at.
        assets: folder of example pictures, each named as it is to be shown.

    Raises:
        CaptionerError: the address can't be used.
    """
    page = build_page(model, assets)
    page.queue(max_size=MAX_WAITING, default_concurrency_limit=1)
    try:
        _, url, _ = page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            show_error=False,
            ssr_mode=False,
            mcp_server=False,
            run_history=False,
            enable_monitoring=False,
            strict_cors=True,
            allowed_paths=None,
            max_file_size=MAX_FILE_SIZE,
            footer_links=[],
            theme=_theme(),
            css=CSS,
            js=PASTE,
        )
    except OSError as error:
        raise CaptionerError(
            f"can't listen at {host} port {port}: it is taken or not this machine's; "
            "choose with --host and --port"
        ) from error
    print(f"captioner: the page is at {url}", flush=True)
    page.block_thread()


def build_page(model: "Captioner", assets: Path) -> gr.Blocks:
    """Lays out the page and ties it to the model."""
    with gr.Blocks(
        title="captioner", analytics_enabled=False, delete_cache=(UPLOADS_KEPT, UPLOADS_KEPT)
    ) as page:
        gr.Markdown(
            "# Show, attend and tell\n\n"
            "Choose a picture: the model captions it, and shows where it looked for each word. "
            "Attention is a hint at what it used, not a proof."
        )
        with gr.Row(elem_id="columns"):
            with gr.Column(elem_id="source"):
                picture = UploadedPicture(
                    label="Picture",
                    elem_id="picture",
                    sources=["upload", "webcam", "clipboard"],
                    type="filepath",
                    image_mode=None,
                    height=320,
                    buttons=["fullscreen"],
                )
                again = gr.Button("Caption this picture", variant="primary")
                _add_examples(assets, picture)
            with gr.Column(elem_id="answer"):
                viewer = AttentionViewer(elem_id="viewer")
            with gr.Column(elem_id="options"):
                beam_size = BeamSize(
                    1,
                    WIDEST_BEAM,
                    value=DecodingOptions().beam_size,
                    step=1,
                    label="Beam width",
                    info="Captions kept in mind while it writes; 1 takes just the likeliest word.",
                )
        _tie(model, picture, beam_size, again, viewer)
        _offer_api(model, picture, beam_size)
    return page


def _add_examples(assets: Path, picture: UploadedPicture) -> None:
    paths = sorted(p for p in assets.glob("*") if p.suffix.lower() in EXAMPLE_SUFFIXES)
    if not paths:
        return
    gr.Examples(
        [[str(path)] for path in paths],
        picture,
        cache_examples=False,
        label="Or try one of these",
        example_labels=[path.stem.replace("-", " ").replace("_", " ") for path in paths],
        api_visibility="private",
    )


def _tie(
    model: "Captioner",
    picture: UploadedPicture,
    beam_size: BeamSize,
    again: gr.Button,
    viewer: AttentionViewer,
) -> None:
    triggers = [picture.change, again.click]
    gr.on(triggers, None, picture, viewer, js=BUSY)
    gr.on(
        triggers,
        partial(answer_page, model),
        [picture, beam_size],
        viewer,
        # A webcam's picture arrives twice, and a new one may come before the last is done.
        trigger_mode="always_last",
        show_progress="hidden",
        api_visibility="private",
        **MODEL_SLOT,
    ).failure(None, None, viewer, js=FAILED)


def _offer_api(model: "Captioner", picture: UploadedPicture, beam_size: BeamSize) -> None:
    def caption(image, beam_size):
        return answer_api(model, image, beam_size)

    # Nobody clicks it: it carries the one public endpoint.
    gr.Button(visible=False).click(
        caption,
        [picture, beam_size],
        gr.JSON(visible=False, label="caption"),
        api_name="caption",
        api_description="Captions a picture and gives each word's probability and map.",
        **MODEL_SLOT,
    )


def answer_page(model: "Captioner", path: str | None, beam_size: Any) -> dict | None:
    """What the viewer shows for an uploaded picture."""
    if path is None:
        return None
    try:
        image = _open(path)
        return viewer_value(image, _caption(model, image, beam_size))
    except CaptionerError as error:
        return error_value(str(error))


def answer_api(model: "Captioner", path: str | None, beam_size: Any) -> dict:
    """The caption of an uploaded picture, in the shape that `captioner caption --json` gives.

    Raises:
        gr.Error: what is wrong with the picture or the beam size.
    """
    if path is None:
        raise gr.Error("there is no picture", print_exception=False)
    try:
        return _caption(model, _open(path), beam_size).as_dict()
    except CaptionerError as error:
        raise gr.Error(str(error), print_exception=False) from error


def _open(path: str) -> Any:
    try:
        return load_image(path)
    except ImageError as error:
        # People know the name of their file, not where the server keeps it.
        raise ImageError(str(error).replace(path, Path(path).name)) from error


def _caption(model: "Captioner", image: Any, beam_size: Any) -> Caption:
    if beam_size not in range(1, WIDEST_BEAM + 1):  # 5.0 is, 2.5 and "5" are not
        raise CaptionerError(
            f"the beam size is {beam_size!r}, but must be a whole number from 1 to {WIDEST_BEAM}"
        )
    return model.caption(image, beam_size=int(beam_size))


def _theme() -> gr.themes.Base:
    # The default's own fonts lack letters, and its primary button lacks contrast.
    theme = gr.themes.Default(
        primary_hue="teal",
        secondary_hue="teal",
        font=("system-ui", "sans-serif"),
        font_mono=("ui-monospace", "monospace"),
    )
    return theme.set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_800",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        body_text_color_subdued="*neutral_500",
        block_info_text_color="*neutral_500",
    )
