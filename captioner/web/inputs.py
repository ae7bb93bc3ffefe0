"""Inputs that leave it to the function to refuse a value: it says why in one sentence."""

from typing import Any

import gradio as gr


class Amount(gr.Slider):
    """A slider whose value comes as it was sent."""

    is_template = True  # in the browser it is a plain gr.Slider

    def preprocess(self, payload: Any) -> Any:
        """Gives the value as it came."""
        return payload


class Choice(gr.Radio):
    """Circles of which one is chosen, whose name comes as it was sent."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """Gives the name as it came."""
        return payload


class Choices(gr.CheckboxGroup):
    """Boxes to tick, whose names come as they were sent."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """Gives the names as they came."""
        return payload
