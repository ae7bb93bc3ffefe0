"""What the viewer draws, and what it makes of pointing at it."""

import dataclasses
import json

import numpy as np
import pytest
from browsing import canvas_of, from_url, made_caption
from made_viewers import RESIZES, SHOWN, choose

pytest.importorskip("gradio")
expect = pytest.importorskip(
    "playwright.sync_api"
).expect  # waits: a fold is filled after the click
from captioner.spotlight import lit_colours  # noqa: E402
from captioner.visual import SMALL_STRENGTH, STRENGTH, overlay  # noqa: E402

pytestmark = pytest.mark.slow


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
    expected[20:40, 60:90] = 255  # the line around row 1, column 2 of 4 x 4
    lit = lit_colours(1)[255]
    expected[21:39, 61:89] = lit[np.asarray(SHOWN)[21:39, 61:89]]
    assert np.array_equal(drawn, expected)


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
    assert tints[3] == "60%" and all(float(tint[:-1]) < 60 for tint in tints[:3])
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
    expect(tiles).to_have_text(["a 90 %", "dog 80 %", "in 70 %", "grass 60 %"])
    tiles.nth(2).click()
    assert viewer.get_by_role("radio").nth(2).get_attribute("aria-checked") == "true"
    assert tiles.nth(2).get_attribute("aria-pressed") == "true"
    before = tiles.nth(0).locator("canvas").evaluate("node => node.toDataURL()")
    choose(made_viewers, "pad", style="Heatmap")
    assert tiles.nth(0).locator("canvas").evaluate("node => node.toDataURL()") != before


def test_small_pictures_are_dimmed_less_as_in_a_sheet(made_viewers):
    viewer = choose(made_viewers, "squash", strength=round(100 * STRENGTH))
    if not viewer.locator(".tile").count():
        viewer.get_by_text("All words at once").click()
    expect(viewer.locator(".tile")).to_have_count(4)
    caption = made_caption(SHOWN, ["a", "dog", "in", "grass"], "squash")
    for tile, word in zip(viewer.locator(".tile canvas").all(), caption.words, strict=True):
        drawn = np.asarray(from_url(tile.evaluate("node => node.toDataURL()")), np.int16)
        expected = overlay(
            SHOWN, word.alpha, geometry=caption.geometry, strength=SMALL_STRENGTH, peak=1
        )
        assert np.abs(drawn - np.asarray(expected, np.int16)).max() <= 2


def test_each_head_has_a_small_map_of_its_own(made_viewers):
    assert not made_viewers.locator("#squash .heads").is_visible()
    viewer = choose(made_viewers, "headed", strength=100, cells=True)
    viewer.get_by_text("Its heads, one by one").click()
    figures = viewer.locator(".heads figure")
    expect(figures).to_have_text(["head 1", "head 2"])
    lit = []
    for index in range(2):
        url = figures.nth(index).locator("canvas").evaluate("node => node.toDataURL()")
        drawn, plain = (np.asarray(each, int).sum(-1) for each in (from_url(url), SHOWN))
        lit.append(tuple(drawn[at, at] >= plain[at, at] for at in (3, -3)))
    assert lit == [(True, False), (False, True)]


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


def test_the_light_of_a_large_picture_is_drawn_within_two_frames(made_viewers):
    """A picture as large as any that is sent, measured where it is drawn."""
    times = made_viewers.evaluate(
        """async () => {
          const words = [...document.querySelectorAll("#large [role=radio]")];
          const canvas = document.querySelector("#large canvas");
          if (canvas.width !== 1024 || canvas.height !== 1024) throw new Error("it is not large");
          const times = [];
          for (let round = 0; round < 12; round++) {
            const start = performance.now();
            words[round % words.length].click();
            canvas.getContext("2d").getImageData(0, 0, 1, 1); // waits until it is drawn
            times.push(performance.now() - start);
            await new Promise(requestAnimationFrame);
          }
          return times;
        }"""
    )
    # The best of them: whatever else the machine does can only make it slower.
    assert min(times) < 34
