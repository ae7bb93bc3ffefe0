"""The tab about the models: their cards, what to make of the maps, and how programs ask."""

import re

import gradio as gr

from captioner.web.models import LoadedModel

READING = """## How to read it

Before each word the model looks at the picture: it spreads 100 % of its attention over a grid of
cells, and the light is that attention. A line runs around the places with more than half of the
strongest light, for on what is dark the light alone is hard to see. One scale serves all words of
a caption, so a map that is flat looks flat, and has no line. The bar under a word says how sure the
model was of it; below 50 % the word is underlined with dots.

A map is made before its word is chosen. Put another word in its place, and the map stays as it is:
only the words after it get new ones.

Attention is a hint at what the model used, not a proof. *Is it true?* puts it to the test: it hides
what the word looked at and reads how likely the word still is.

## For programs

`/caption` takes a picture and gives the caption, the probability of each word and its map{who}.

```python
from gradio_client import Client, handle_file
Client("ADDRESS OF THIS PAGE").predict(handle_file("dog.jpg"), api_name="/caption")
```

Assistants can use the same as a tool over MCP, where the server has it: `ADDRESS/gradio_api/mcp/`.
"""


def add_about(models: dict[str, LoadedModel]) -> None:
    """Lays out the tab."""
    with gr.Column(elem_id="about"):
        gr.Markdown(reading(list(models)))
        for name, model in models.items():
            if len(models) > 1:
                gr.Markdown(f"## {harmless(name)}")
            gr.Markdown(harmless(model.card) or "This model has no card.")


def reading(names: list[str]) -> str:
    """How to read the page, and which of its models programs ask."""
    who = f", by the first of the models here: {harmless(names[0])}" if len(names) > 1 else ""
    return READING.replace("{who}", who)


def limit(card: str) -> str:
    """The first sentence of a card's section on limits; nothing if it has none."""
    section = re.search(r"^## Limits\n+(.+?[.!?])(?=\s|$)", card, re.M | re.S)
    return harmless(" ".join(section[1].split())) if section else ""


def harmless(markdown: str) -> str:
    """Someone else's Markdown without pictures and markup, which could call other servers."""
    # A picture becomes a link: whatever stands in its brackets, without the mark it is no picture.
    without = re.sub(r"!+(?=\[)", "", markdown)
    # Its title is not that of this page.
    return re.sub(r"\A\s*# ", "## ", without).replace("<", "&lt;")
