"""Words, keys, other captions and panels of the viewer, with values made by hand."""

import numpy as np
import pytest
from browsing import HOSTILE, canvas_of
from made_viewers import choose

pytest.importorskip("gradio")
pytestmark = pytest.mark.slow


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
    told = viewer.locator("[role=status]")
    assert told.text_content().startswith("Word 1 of 4")  # nothing is said while it plays
    viewer.get_by_role("button", name="Pause").click()
    assert told.text_content() == viewer.locator(".status").inner_text()
    place = viewer.locator("[aria-checked=true]").inner_text()
    made_viewers.wait_for_timeout(1000)
    assert viewer.locator("[aria-checked=true]").inner_text() == place


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


def test_compared_pictures_stand_side_by_side_and_on_a_phone_one_under_the_other(made_viewers):
    tops = made_viewers.locator("#compared .top")

    def boxes(part):
        return [tops.nth(i).locator(part).bounding_box() for i in range(2)]

    captions, pictures = boxes(".model"), boxes(".frame")
    assert captions[0]["height"] < captions[1]["height"]  # whatever stands above them
    assert pictures[0]["y"] == pytest.approx(pictures[1]["y"], abs=1)
    assert pictures[1]["x"] >= pictures[0]["x"] + pictures[0]["width"]
    size = made_viewers.viewport_size
    made_viewers.set_viewport_size({"width": 390, "height": 844})
    pictures = boxes(".frame")
    made_viewers.set_viewport_size(size)
    assert pictures[0]["x"] == pictures[1]["x"] and min(p["width"] for p in pictures) > 300
    assert pictures[1]["y"] > pictures[0]["y"] + pictures[0]["height"]


def test_a_question_without_an_answer_is_told_in_the_page(made_viewers):
    # This page has no server functions at all: the worst that can happen to a question.
    viewer = made_viewers.locator("#pad")
    viewer.get_by_role("button", name="Keep the words up to").click()
    notice = viewer.locator(".notice")
    notice.get_by_text("There is no answer from the server").wait_for()
    viewer.get_by_role("radio").nth(1).click()
    assert viewer.get_by_role("radio").nth(1).get_attribute("aria-checked") == "true"
