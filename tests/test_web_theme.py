"""Contrast of what the page draws in colours of its theme, light and dark."""

import re

import pytest

pytest.importorskip("gradio")
from captioner.web.theme import theme  # noqa: E402
from captioner.web.viewer import STYLES, joined  # noqa: E402

MODES = pytest.mark.parametrize("mode", ["", "_dark"], ids=["light", "dark"])


def colour(name, mode=""):
    """A variable of the theme as (red, green, blue), 0-255."""
    made = theme()
    value = getattr(made, name + mode, None) or getattr(made, name)
    if value.startswith("*"):
        return colour(value[1:], mode)
    value = {"white": "#ffffff", "black": "#000000"}.get(value, value)
    return tuple(int(value[i : i + 2], 16) for i in (1, 3, 5))


def contrast(one, other):
    """The ratio of WCAG 2, 1 to 21."""

    def luminance(rgb):
        shares = [c / 255 for c in rgb]
        linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_wcag():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


@MODES
@pytest.mark.parametrize("behind", ["background_fill_primary", "border_color_primary"])
def test_the_focus_and_the_bars_stand_out(mode, behind):
    styles = joined("styles", ["page", "table", *STYLES], ".css")
    drawn = re.findall(r"outline: 3px solid var\(--([\w-]+)\)", styles)
    drawn += re.findall(r"\n\.bar span \{[^}]*background: var\(--([\w-]+)\)", styles)
    assert len(drawn) == 4 and set(drawn) == {"slider-color"}
    assert contrast(colour("slider_color", mode), colour(behind, mode)) >= 3


@MODES
def test_letters_on_the_strongest_tint_can_be_read(mode):
    most = int(re.search(r"MOST_TINT = (\d+)", joined("scripts", ["panel"], ".js")).group(1))
    accent, plain = colour("color_accent", mode), colour("background_fill_primary", mode)
    tinted = [most / 100 * a + (1 - most / 100) * p for a, p in zip(accent, plain)]
    assert contrast(tinted, colour("body_text_color", mode)) >= 4.5
