"""What programs may ask: one endpoint, which is also a tool for assistants (MCP)."""

from typing import Any

import gradio as gr

from captioner.caption import Caption
from captioner.errors import CaptionerError
from captioner.report import sentence
from captioner.web.answers import Answers
from captioner.web.uploads import UploadedPicture
from captioner.web.wording import describe


class CaptionJSON(gr.JSON):
    """The caption as JSON; an assistant, which reads, gets sentences instead."""

    is_template = True

    def postprocess(self, value: dict | str | None) -> Any:
        """Lets text through as it is."""
        return value if isinstance(value, str) else super().postprocess(value)


def offer_caption(answers: Answers, picture: UploadedPicture, beam_size: gr.Slider) -> None:
    """Adds the public endpoint `/caption`: a picture and a beam size in, JSON out."""

    def caption(image: Any, beam_size: Any, request: gr.Request) -> dict | str:
        """Describes a picture in one sentence and says where the model looked for each word.

        Args:
            image: the picture.
            beam_size: captions kept in mind while it writes, 1 to 10.
        """
        if image is None:
            raise gr.Error("there is no picture", print_exception=False)
        try:
            found = answers.caption_for_api(image, beam_size)
        except (CaptionerError, ValueError) as error:
            raise gr.Error(str(error), print_exception=False) from error
        asked_by_assistant = request.headers.get("x-gradio-user") == "mcp"
        return in_words(found) if asked_by_assistant else found.as_dict()

    # Nobody clicks it: it carries the endpoint.
    gr.Button(visible=False).click(
        caption,
        [picture, beam_size],
        CaptionJSON(visible=False, label="caption"),
        api_name="caption",
        api_description="Captions a picture and gives each word's probability and map.",
        concurrency_limit=None,
    )


def in_words(caption: Caption) -> str:
    """A caption and its words, one on each line."""
    words = [f"- {describe(word, caption.geometry)}" for word in caption.words]
    return "\n".join([sentence(caption.text), *words])
