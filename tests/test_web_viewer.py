"""The viewer in a browser, with values made by hand."""

import dataclasses
import json

import numpy as np
import pytest
from browsing import (
    GRID,
    HOSTILE,
    Watched,
    as_url,
    canvas_of,
    free_port,
    made_caption,
    photo,
)

gr = pytest.importorskip("gradio")

from captioner.caption import Caption  # noqa: E402
from captioner.geometry import fit_image  # noqa: E402
from captioner.visual import overlay  # noqa: E402
from captioner.web.viewer import AttentionViewer, viewer_value  # noqa: E402

pytestmark = pytest.mark.slow
SHOWN = photo(120, 80)
RESIZES = ("squash", "pad", "crop")


def value_of(caption, **about):
    value = viewer_value(SHOWN, {"model": caption}, id="x", name="a dog.png", **about)
    # Without loss, so that pixels can be compared.
    value["picture"] = as_url(SHOWN)
    return value


@pytest.fixture(scope="module")
def made_viewers(browser):
    """One tab with a viewer for each way of fitting, one of hostile text and one of an error."""
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
    viewer = tab.locator(f"#{name}")
    viewer.get_by_role("button", name=style).click()
    viewer.get_by_role("slider").fill(str(strength))
    viewer.get_by_role("checkbox", name="cells").set_checked(cells)
    viewer.get_by_role("checkbox", name="own scale").set_checked(own_scale)
    return viewer


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("style", ["Spotlight", "Heatmap"])
@pytest.mark.parametrize("cells", [False, True], ids=["smooth", "cells"])
@pytest.mark.parametrize("own_scale", [False, True], ids=["shared", "own"])
def test_the_browser_draws_what_overlay_draws(made_viewers, resize, style, cells, own_scale):
    viewer = choose(
        made_viewers, resize, style=style, strength=70, cells=cells, own_scale=own_scale
    )
    caption = made_caption(SHOWN, ["a", "dog", "in", "grass"], resize)
    peak = None if own_scale else float(max(word.alpha.max() for word in caption.words))
    for index in (0, 1, 3):
        viewer.get_by_role("radio").nth(index).click()
        expected = overlay(
            SHOWN, caption.words[index].alpha, geometry=caption.geometry, style=style.lower(),
            strength=0.7, smooth=not cells, peak=peak,
        )  # fmt: skip
        difference = np.abs(canvas_of(made_viewers, resize) - np.asarray(expected, np.int16))
        assert difference.max() <= 2


def test_a_one_hot_map_lights_its_cell_and_leaves_the_rest_dark(made_viewers):
    viewer = choose(made_viewers, "squash", strength=100, cells=True)
    viewer.get_by_role("radio").last.click()
    drawn = canvas_of(made_viewers, "squash")
    expected = np.zeros_like(drawn)
    expected[20:40, 60:90] = np.asarray(SHOWN)[20:40, 60:90]  # row 1, column 2 of 4 x 4
    assert np.array_equal(drawn, expected)


def test_the_keys_move_along_the_words(made_viewers):
    viewer = made_viewers.locator("#squash")
    words = viewer.get_by_role("radio")
    words.nth(1).click()
    for key, index in [("ArrowRight", 2), ("End", 3), ("ArrowDown", 0), ("ArrowLeft", 3),
                       ("ArrowUp", 2), ("Home", 0)]:  # fmt: skip
        made_viewers.keyboard.press(key)
        checked = [word.get_attribute("aria-checked") for word in words.all()]
        assert checked == [str(i == index).lower() for i in range(4)]
        assert made_viewers.evaluate("document.activeElement.tabIndex") == 0
        assert words.nth(index).evaluate("node => node === document.activeElement")
        said = viewer.locator(".status").inner_text()
        assert said.startswith(f"Word {index + 1} of 4: ")


def test_hovering_previews_a_word_and_leaving_goes_back_to_the_pinned_one(made_viewers):
    viewer = choose(made_viewers, "squash")
    words = viewer.get_by_role("radio")
    words.nth(1).click()
    pinned = canvas_of(made_viewers, "squash")
    words.nth(3).hover()
    assert not np.array_equal(canvas_of(made_viewers, "squash"), pinned)
    assert words.nth(1).get_attribute("aria-checked") == "true"
    viewer.get_by_role("heading").first.hover()
    assert np.array_equal(canvas_of(made_viewers, "squash"), pinned)


def test_choosing_another_caption_switches_words_and_maps(made_viewers):
    viewer = choose(made_viewers, "pad")
    viewer.get_by_role("radio").nth(1).click()
    before = canvas_of(made_viewers, "pad")
    viewer.get_by_role("button", name="Two dogs.").click()
    assert viewer.get_by_role("heading", level=2).inner_text() == "Two dogs."
    assert viewer.get_by_role("radio").all_inner_texts() == ["two", "dogs"]
    assert not np.array_equal(canvas_of(made_viewers, "pad"), before)
    viewer.get_by_role("button", name="A dog in grass.").click()
    assert np.array_equal(canvas_of(made_viewers, "pad"), before)


def test_the_words_are_large_enough_to_touch(made_viewers):
    for word in made_viewers.locator("#squash").get_by_role("radio").all():
        assert min(word.bounding_box()["width"], word.bounding_box()["height"]) >= 44


def test_hostile_text_stays_text(made_viewers):
    viewer = made_viewers.locator("#hostile")
    assert viewer.get_by_role("heading").first.inner_text() == f"A {HOSTILE} dog."
    assert viewer.get_by_role("radio").nth(1).inner_text() == HOSTILE
    assert viewer.get_by_role("button", name=f"{HOSTILE} under 1 %").count() == 1
    assert viewer.locator(".note").inner_text() == HOSTILE
    assert made_viewers.locator("#compared .model").last.inner_text() == HOSTILE
    assert made_viewers.locator("#error [role=alert] p").inner_text() == HOSTILE
    assert made_viewers.locator(".viewer img").count() == 0
    assert made_viewers.evaluate("window.hacked") is None


def test_a_caption_without_words_shows_the_plain_picture(made_viewers):
    viewer = made_viewers.locator("#wordless")
    assert viewer.get_by_role("heading").first.inner_text() == "The model found no words."
    assert np.abs(canvas_of(made_viewers, "wordless") - np.asarray(SHOWN, np.int16)).mean() < 3


def test_pointing_at_the_picture_tints_the_words_that_looked_there(made_viewers):
    viewer = choose(made_viewers, "squash")
    words = viewer.get_by_role("radio")
    words.nth(0).click()
    canvas = viewer.locator("canvas").first
    box = canvas.bounding_box()
    # The last word looks at row 1, column 2 of 4 x 4, and no other word as much.
    canvas.hover(position={"x": box["width"] * 5 / 8, "y": box["height"] * 3 / 8})
    tints = [word.evaluate("node => node.style.getPropertyValue('--tint')") for word in words.all()]
    assert tints[3] == "80%" and all(float(tint[:-1]) < 80 for tint in tints[:3])
    assert (
        viewer.locator(".status")
        .inner_text()
        .startswith(
            "The words that looked here most, with the share of their attention: “grass” (100 %)"
        )
    )
    cell = viewer.locator(".cell").bounding_box()
    assert cell["x"] == pytest.approx(box["x"] + box["width"] / 2, abs=1)
    assert cell["width"] == pytest.approx(box["width"] / 4, abs=1)
    viewer.get_by_role("heading").first.hover()
    assert viewer.locator(".status").inner_text().startswith("Word 1 of 4")
    assert viewer.locator(".tinted").count() == 0 and not viewer.locator(".cell").is_visible()
    canvas.click(position={"x": box["width"] * 5 / 8, "y": box["height"] * 3 / 8})
    assert words.nth(3).get_attribute("aria-checked") == "true"
    viewer.get_by_role("heading").first.hover()


def test_keys_point_at_the_picture_too(made_viewers):
    viewer = choose(made_viewers, "squash")
    viewer.locator("canvas").first.focus()
    for key in ("ArrowUp", "ArrowUp"):  # from the middle, which is row 2, column 2
        made_viewers.keyboard.press(key)
    assert "“grass” (100 %)" in viewer.locator(".status").inner_text()
    made_viewers.keyboard.press("Escape")
    assert viewer.locator(".tinted").count() == 0


def test_all_words_at_once_are_small_pictures_to_choose_from(made_viewers):
    viewer = choose(made_viewers, "pad", strength=100, cells=True)
    viewer.get_by_text("All words at once").click()
    tiles = viewer.locator(".tile")
    assert tiles.all_inner_texts() == ["a 90 %", "dog 80 %", "in 70 %", "grass 60 %"]
    tiles.nth(2).click()
    assert viewer.get_by_role("radio").nth(2).get_attribute("aria-checked") == "true"
    assert tiles.nth(2).get_attribute("aria-pressed") == "true"
    before = tiles.nth(0).locator("canvas").evaluate("node => node.toDataURL()")
    choose(made_viewers, "pad", style="Heatmap")
    assert tiles.nth(0).locator("canvas").evaluate("node => node.toDataURL()") != before


def test_a_sheet_and_the_numbers_are_saved(made_viewers, tmp_path):
    viewer = choose(made_viewers, "crop")
    with made_viewers.expect_download() as saved:
        viewer.get_by_role("button", name="JSON").click()
    assert saved.value.suggested_filename == "a-dog.json"
    saved.value.save_as(tmp_path / "saved.json")
    whole = json.loads((tmp_path / "saved.json").read_text())
    caption = made_caption(SHOWN, ["a", "dog", "in", "grass"], "crop")
    other = made_caption(SHOWN, ["two", "dogs"], "crop", seed=2)
    expected = dataclasses.replace(caption, alternatives=(other,)).as_dict()
    assert whole.pop("image") == "a dog.png" and whole.pop("model") == "model"
    maps = [word.pop("alpha") for word in whole["words"]]
    assert np.allclose(maps, [word.pop("alpha") for word in expected["words"]], atol=2e-6)
    assert whole == json.loads(json.dumps(expected))
    with made_viewers.expect_download() as saved:
        viewer.get_by_role("button", name="PNG sheet").click()
    assert saved.value.suggested_filename == "a-dog.png"
    saved.value.save_as(tmp_path / "sheet.png")
    from PIL import Image

    sheet = Image.open(tmp_path / "sheet.png").convert("RGB")
    assert sheet.width > 3 * 120 and sheet.height > 2 * 80
    plain = np.asarray(sheet.crop((12, 68, 132, 148)), int)  # the first tile is the picture
    assert np.abs(plain - np.asarray(SHOWN)).max() <= 2


def test_the_caption_is_copied_as_alt_text(browser, made_viewers):
    made_viewers.context.grant_permissions(["clipboard-read", "clipboard-write"])
    viewer = made_viewers.locator("#squash")
    viewer.get_by_role("button", name="Copy as alt text").click()
    viewer.get_by_role("button", name="Copied").wait_for()
    assert made_viewers.evaluate("navigator.clipboard.readText()") == "A dog in grass."


def test_playing_runs_through_the_words_and_pauses(made_viewers):
    viewer = choose(made_viewers, "squash")
    viewer.get_by_role("radio").nth(0).click()
    viewer.get_by_role("button", name="Play").click()
    made_viewers.wait_for_function(
        "document.querySelectorAll('#squash [role=radio]')[2].ariaChecked === 'true'"
    )
    assert viewer.locator(".status").get_attribute("aria-live") == "off"
    viewer.get_by_role("button", name="Pause").click()
    assert viewer.locator(".status").get_attribute("aria-live") == "polite"
    place = viewer.locator("[aria-checked=true]").inner_text()
    made_viewers.wait_for_timeout(1000)
    assert viewer.locator("[aria-checked=true]").inner_text() == place


def test_a_word_answers_within_two_frames(made_viewers):
    """The drawing of a word, measured in the page, is done before the frame after the next."""
    frames = made_viewers.evaluate(
        """async () => {
          const words = [...document.querySelectorAll("#squash [role=radio]")];
          const canvas = document.querySelector("#squash canvas");
          words[0].click();
          const before = canvas.toDataURL();
          words[3].click();
          let frames = 0;
          while (canvas.toDataURL() === before) {
            await new Promise(requestAnimationFrame);
            frames += 1;
          }
          return frames;
        }"""
    )
    assert frames <= 2


def test_the_same_word_is_chosen_in_every_panel(made_viewers):
    viewer = made_viewers.locator("#compared")
    assert viewer.locator("[data-panels='2'] .top").count() == 2
    groups = viewer.get_by_role("radiogroup")
    groups.nth(0).get_by_role("radio").nth(1).click()
    chosen = viewer.locator("[aria-checked=true]").all_inner_texts()
    assert chosen == ["dog", "dog"]
    groups.nth(1).get_by_role("radio").nth(1).click()
    assert viewer.locator("[aria-checked=true]").all_inner_texts() == ["grass", "grass"]
    groups.nth(1).get_by_role("radio").nth(3).click()  # "brown" is not in the other caption
    assert viewer.locator("[aria-checked=true]").all_inner_texts() == ["grass", "brown"]


def test_a_question_without_an_answer_is_told_in_the_page(made_viewers):
    # This page has no server functions at all: the worst that can happen to a question.
    viewer = made_viewers.locator("#pad")
    viewer.get_by_role("button", name="Keep the words up to").click()
    notice = viewer.locator(".notice")
    notice.get_by_text("There is no answer from the server").wait_for()
    viewer.get_by_role("radio").nth(1).click()
    assert viewer.get_by_role("radio").nth(1).get_attribute("aria-checked") == "true"
