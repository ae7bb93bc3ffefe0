"""The web page: what is on it, and what happens when a visitor does something.

What is answered is in `answers.py`, what the viewer draws in `viewer.py` and `scripts/`.
"""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from captioner.images import load_image
from captioner.options import DecodingOptions
from captioner.web.about import add_about, limit
from captioner.web.answers import Answers
from captioner.web.api import offer_caption
from captioner.web.inputs import Amount, Choices
from captioner.web.many import add_many
from captioner.web.models import LoadedModel
from captioner.web.questions import LONGEST_CAPTION, LONGEST_TEXT, WIDEST_BEAM
from captioner.web.uploads import UploadedPicture, UploadsOnly
from captioner.web.viewer import AttentionViewer, as_text

EXAMPLE_SUFFIXES = (".jpg", ".png")
THUMBNAIL = 200  # pixels, its longer side
# Seconds after which an uploaded picture is deleted, and between the looks for such pictures.
UPLOADS_KEPT = 3600
# Waiting for a turn is in `turns.py`, which can also say "busy".
EVENT = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}

INTRODUCTION = """# Show, attend and tell

Choose a picture: a small neural network describes it in one sentence, and shows where it looked \
for every word."""

# In the browser, see turns.js.
BEGUN = "(picture) => captionerTurns.begin(picture)"
NUMBERED = "(...sent) => captionerTurns.ask(sent, {last})"
SETTLED = "(shown) => captionerTurns.settle(shown)"


def build_page(models: Mapping[str, LoadedModel], assets: Path) -> gr.Blocks:
    """Lays out the page and ties it to the models.

    Args:
        models: ready to caption, by the names to show; the first is chosen at first.
        assets: folder of example pictures, each named as it is to be shown.
    """
    answers = Answers({name: loaded.model for name, loaded in models.items()})
    with UploadsOnly(
        title="captioner", analytics_enabled=False, delete_cache=(UPLOADS_KEPT, UPLOADS_KEPT)
    ) as page:
        gr.Markdown(introduction(models), elem_id="title")
        with gr.Tabs():
            with gr.Tab("One picture", elem_id="one"):
                _add_one_picture(answers, assets)
            with gr.Tab("Many pictures", elem_id="many"):
                add_many(answers)
            with gr.Tab("About"):
                add_about(models)
    return page


def introduction(models: Mapping[str, LoadedModel]) -> str:
    """What the page does, and what its model can't: a visitor's first picture may be beyond it."""
    if len(models) > 1:
        return INTRODUCTION
    return f"{INTRODUCTION} {limit(next(iter(models.values())).card)}".rstrip()


def _add_one_picture(answers: Answers, assets: Path) -> None:
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
            viewer = AttentionViewer(elem_id="viewer", functions=_functions(answers))
        with gr.Column(elem_id="more"):
            with gr.Accordion("Options", open=len(answers.models) > 1, elem_id="options"):
                names, beam_size, longest = _add_options(list(answers.models))
            with gr.Accordion("Explain your own words", open=False, elem_id="own"):
                text, explain = _add_own_words()
    turn = Amount(visible=False)
    inputs = [picture, beam_size, longest, names, turn]
    changed = [picture.change, names.input, beam_size.release, longest.release]
    _tie(answers.caption, changed, inputs, viewer)
    _tie(answers.press, [again.click], inputs, viewer)
    _tie(answers.explain, [explain.click, text.submit], [picture, text, names, turn], viewer)
    offer_caption(answers, picture, beam_size)


def find_examples(assets: Path) -> list[Path]:
    """The example pictures in a folder."""
    return sorted(p for p in assets.glob("*") if p.suffix.lower() in EXAMPLE_SUFFIXES)


def thumbnails(assets: Path) -> str:
    """Styles that show each example above its name: Gradio's own thumbnails have no name."""
    rules = []
    for number, path in enumerate(find_examples(assets), 1):
        image = load_image(path)
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=75)
        url = f"data:image/jpeg;base64,{as_text(buffer.getvalue())}"
        rules.append(
            f"#examples .gallery-item:nth-child({number})::before "
            f'{{ background-image: url("{url}"); }}'
        )
    return "\n".join(rules)


def _add_examples(assets: Path, picture: UploadedPicture) -> None:
    paths = find_examples(assets)
    if not paths:
        return
    gr.Examples(
        [[str(path)] for path in paths],
        picture,
        cache_examples=False,
        label="Or try one of these",
        elem_id="examples",
        example_labels=[path.stem.replace("-", " ").replace("_", " ") for path in paths],
        api_visibility="private",
    )


def _add_options(models: list[str]) -> tuple[Choices, Amount, Amount]:
    names = Choices(
        models,
        value=models[:1],
        label="Model",
        info="Tick two or three to compare them side by side.",
        visible=len(models) > 1,
        elem_id="models",
    )
    beam_size = Amount(
        1,
        WIDEST_BEAM,
        value=DecodingOptions().beam_size,
        step=1,
        label="Beam width",
        info="Captions it keeps in mind while it writes; 1 takes just the likeliest word.",
        elem_id="beam",
    )
    longest = Amount(
        1,
        LONGEST_CAPTION,
        value=DecodingOptions().max_length,
        step=1,
        label="Longest caption",
        info="Words after which it must stop.",
    )
    return names, beam_size, longest


def _add_own_words() -> tuple[gr.Textbox, gr.Button]:
    text = gr.Textbox(
        label="A caption of yours",
        info="The model reads it: how likely is each word, and where does it look? "
        "Words that it does not know are marked.",
        placeholder="a dog on a sofa",
        max_length=LONGEST_TEXT,
        elem_id="text",
    )
    return text, gr.Button("Explain these words")


def _tie(answer: Callable, triggers: list, inputs: list, viewer: AttentionViewer) -> None:
    gr.on(triggers, None, inputs[0], viewer, js=BEGUN)
    asked = gr.on(
        triggers,
        numbered(answer),
        inputs,
        viewer,
        js=NUMBERED.format(last=len(inputs) - 1),
        # A new picture may come before the last is done: it is asked about at once.
        trigger_mode="multiple",
        # Private too, but a name that is taken would be taken from the public endpoint.
        api_name=f"page_{answer.__name__}",
        **EVENT,
    )
    for settled in (asked.then, asked.failure):
        settled(None, viewer, viewer, js=SETTLED)


def numbered(answer: Callable) -> Callable:
    """The same answer, with the number of what was asked, which comes last."""

    def with_turn(*sent: Any) -> dict:
        *asked, turn = sent
        # Only a number goes back: Gradio would take other things for a file that it is to serve.
        turn = turn if type(turn) is int else 0
        return {**(answer(*asked) or {"empty": True}), "turn": turn}

    return with_turn


def _functions(answers: Answers) -> list[Callable]:
    """What the viewer may ask: functions, because Gradio marks them and methods can't be."""

    def go_on(sent: Any) -> dict:
        return answers.go_on(sent)

    def doubt(sent: Any) -> dict:
        return answers.doubt(sent)

    def animate(sent: Any) -> dict:
        return answers.animate(sent)

    def numbers(sent: Any) -> dict:
        return answers.numbers(sent)

    return [go_on, doubt, animate, numbers]
