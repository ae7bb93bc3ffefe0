"""A page of viewers with values made by hand; gradio is imported when it is first asked for."""

import dataclasses

import numpy as np
import pytest
from browsing import GRID, HOSTILE, Watched, as_url, free_port, made_caption, one_hot, photo

from captioner.caption import Caption
from captioner.geometry import fit_image

SHOWN = photo(120, 80)
RESIZES = ("squash", "pad", "crop")


def value_of(caption, **about) -> dict:
    """What the viewer is sent for a caption, with the picture as it is."""
    from captioner.web.viewer import viewer_value

    value = viewer_value(SHOWN, {"model": caption}, id="x", name="a dog.png", **about)
    # Without loss, so that pixels can be compared.
    value["picture"] = as_url(SHOWN)
    return value


@pytest.fixture(scope="session")
def made_viewers(browser):
    """One tab with a viewer for each way of fitting, one of hostile text and one of an error."""
    import gradio as gr

    from captioner.web.viewer import AttentionViewer, viewer_value

    values = {}
    for resize in RESIZES:
        caption = made_caption(SHOWN, ["a", "dog", "in", "grass"], resize)
        other = made_caption(SHOWN, ["two", "dogs"], resize, seed=2)
        values[resize] = value_of(dataclasses.replace(caption, alternatives=(other,)))
    values["hostile"] = value_of(made_caption(SHOWN, ["a", HOSTILE, "dog"]), note=HOSTILE)
    values["error"] = {"title": HOSTILE, "error": HOSTILE}
    values["wordless"] = value_of(Caption((), -1.0, GRID, fit_image(SHOWN, (9, 9))[1]))
    two = {
        "soft": made_caption(SHOWN, ["a", "dog", "in", "grass"]),
        HOSTILE: made_caption(SHOWN, ["in", "grass", "a", "brown", "dog"], seed=3),
    }
    several = [
        dataclasses.replace(word, heads=np.stack([one_hot(0, 0), one_hot(3, 3)])[None])
        for word in made_caption(SHOWN, ["a", "dog"]).words
    ]
    values["headed"] = value_of(
        dataclasses.replace(made_caption(SHOWN, ["a", "dog"]), words=tuple(several))
    )
    large = photo(1024, 1024)
    values["large"] = viewer_value(
        large, {"model": made_caption(large, ["a", "dog"])}, name="a.png"
    )
    values["compared"] = viewer_value(SHOWN, two, id="x", name="a.png")
    with gr.Blocks(analytics_enabled=False) as page:
        for name, value in values.items():
            AttentionViewer(value, elem_id=name)
    _, url, _ = page.launch(
        server_port=free_port(), prevent_thread_lock=True, quiet=True, ssr_mode=False
    )
    watched = Watched(browser, viewport={"width": 900, "height": 900})
    watched.tab.goto(url)
    for name in values:
        state = "error" if name == "error" else "ready"
        watched.tab.wait_for_selector(f"#{name} [data-state={state}]", timeout=30_000)
    yield watched.tab
    page.close()
    watched.close()


def choose(tab, name, *, style="Spotlight", strength=80, cells=False, own_scale=False):
    """Sets the switches of a viewer, and gives it."""
    viewer = tab.locator(f"#{name}")
    viewer.get_by_role("button", name=style).click()
    viewer.get_by_role("slider").fill(str(strength))
    viewer.get_by_role("checkbox", name="cells").set_checked(cells)
    viewer.get_by_role("checkbox", name="own scale").set_checked(own_scale)
    return viewer
