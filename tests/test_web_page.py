"""The whole page in a browser: a real server with two tiny models."""

import json

import numpy as np
import pytest
from browsing import APP, as_url, canvas_of, clear, heading, photo, upload
from odd_files import write_pictures, write_refused
from PIL import Image

pytest.importorskip("gradio")
pytestmark = pytest.mark.slow

DROP = """([selector, url, name]) => {
  const bytes = Uint8Array.from(atob(url.split(",")[1]), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, { type: "image/png" }));
  const target = document.querySelector(selector);
  for (const type of ["dragenter", "dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(type, { dataTransfer: files, bubbles: true }));
  }
}"""
PASTE = """(url) => {
  const bytes = Uint8Array.from(atob(url.split(",")[1]), (letter) => letter.charCodeAt(0));
  const pasted = new DataTransfer();
  pasted.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
  const event = new ClipboardEvent("paste", { clipboardData: pasted, bubbles: true });
  document.body.dispatchEvent(event);
}"""


def wait_for_width(tab, width):
    tab.wait_for_function(
        f"document.querySelector('#viewer [data-state=ready] canvas')?.width === {width}",
        timeout=30_000,
    )


def test_a_picture_is_captioned_by_itself_and_its_words_light_it(server, open_tab, photo_file):
    tab = open_tab(server)
    tab.wait_for_selector("#viewer [data-state=empty]")
    upload(tab, photo_file)
    viewer = tab.locator("#viewer")
    words = viewer.get_by_role("radio").all_inner_texts()
    assert heading(tab) == " ".join(words).capitalize() + "."
    before = canvas_of(tab, "viewer")
    viewer.locator("[role=radio][aria-checked=true]").focus()
    tab.keyboard.press("End")
    assert viewer.get_by_role("radio").last.get_attribute("aria-checked") == "true"
    assert f"Word {len(words)} of {len(words)}: {words[-1]}" in viewer.inner_text()
    assert not np.array_equal(canvas_of(tab, "viewer"), before)
    # Again, with another beam: the same picture gets an answer of its own.
    tab.locator("#beam input[type=number]").fill("1")
    tab.get_by_role("button", name="Caption this picture").click()
    tab.wait_for_function("document.querySelectorAll('#viewer .others li').length === 1")
    tab.wait_for_selector("#viewer [data-state=ready]")
    assert not viewer.get_by_text("Other captions it had in mind").is_visible()


def test_dropped_pasted_and_example_pictures_are_captioned(server, open_tab):
    tab = open_tab(server, viewport={"width": 1400, "height": 900})
    tab.evaluate(DROP, ["#picture button", as_url(photo(110, 60)), "dropped.png"])
    wait_for_width(tab, 110)
    tab.evaluate(PASTE, as_url(photo(100, 50)))
    wait_for_width(tab, 100)
    tab.get_by_role("tab", name="About").click()
    tab.evaluate(PASTE, as_url(photo(90, 50)))
    wait_for_width(tab, 90)
    assert tab.locator("#viewer canvas").first.is_visible()
    source, answer = (tab.locator(f"#{name}").bounding_box() for name in ("source", "answer"))
    assert answer["x"] >= source["x"] + source["width"]
    assert answer["x"] + answer["width"] - source["x"] <= 1180
    examples = sorted(p for p in (APP.parent / "assets").glob("*") if p.suffix in (".jpg", ".png"))
    for path in examples[:1]:
        tab.get_by_role("button", name=path.stem.replace("-", " "), exact=True).click()
        wait_for_width(tab, Image.open(path).width)


def test_the_keyboard_alone_gets_from_an_example_to_a_words_light(server, open_tab):
    tab = open_tab(server, viewport={"width": 1280, "height": 900})

    def tab_to(condition):
        for _ in range(60):
            tab.keyboard.press("Tab")
            if tab.evaluate(f"(({condition})(document.activeElement))"):
                return
        raise AssertionError(f"no way by keyboard to {condition}")

    tab_to("node => node.closest('#examples')")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#viewer [data-state=ready]", timeout=30_000)
    tab_to("node => node.getAttribute('role') === 'radio'")
    before = canvas_of(tab, "viewer")
    tab.keyboard.press("ArrowRight")
    assert not np.array_equal(canvas_of(tab, "viewer"), before)
    tab_to("node => node.closest('.steering .choices')")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#viewer .locked", timeout=30_000)
    assert tab.evaluate("document.activeElement.getAttribute('role')") == "radio"


def test_an_unreadable_file_shows_an_alert_and_the_next_picture_is_upright(
    server, open_tab, tmp_path
):
    (tmp_path / "notes.jpg").write_text("no picture")
    upright = photo(120, 200)
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[274] = 6  # stored lying on its left side
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    tab = open_tab(server)
    upload(tab, tmp_path / "notes.jpg", "error")
    alert = tab.locator("#viewer [role=alert]")
    said = "Cannot read notes.jpg: it is not a picture that can be recognised."
    assert alert.locator("p").inner_text() == said
    clear(tab)
    upload(tab, tmp_path / "turned.jpg")
    assert alert.count() == 0
    tab.locator("#viewer").get_by_role("slider").fill("0")
    drawn = canvas_of(tab, "viewer")
    assert drawn.shape == (200, 120, 3)
    assert np.abs(drawn - np.asarray(upright, np.int16)).mean() < 4
    box = tab.locator("#viewer canvas").first.bounding_box()
    assert box["width"] / box["height"] == pytest.approx(120 / 200, abs=0.02)


def answer_to(tab, path):
    """What the page says to a file: a caption, or why not."""
    tab.set_input_files("#picture input[type=file]", str(path))
    found = tab.wait_for_function(
        """() => {
          const toast = document.querySelector(".toast-body");
          const viewer = document.querySelector("#viewer .viewer");
          const told = viewer.querySelector("[role=alert]") ?? viewer.querySelector("h2");
          if (toast) return toast.innerText;
          return ["ready", "error"].includes(viewer.dataset.state) && told.innerText;
        }""",
        timeout=30_000,
    ).json_value()
    if tab.locator(".toast-body").count():  # the browser knows from its name that it is no picture
        tab.locator(".toast-close").first.click()
        tab.locator(".toast-body").wait_for(state="detached")
    else:
        clear(tab)
    return found


def test_every_odd_file_gets_a_caption_and_every_bad_one_a_sentence(server, open_tab, tmp_path):
    for folder in ("odd", "bad"):
        (tmp_path / folder).mkdir()
    tab = open_tab(server)
    tab.wait_for_selector("#picture input[type=file]", state="attached")
    for path in write_pictures(tmp_path / "odd"):
        said = answer_to(tab, path)
        assert "Invalid file type" in said or said.endswith("."), path
    for path, reason in write_refused(tmp_path / "bad").items():
        said = answer_to(tab, path)
        assert "Invalid file type" in said or f"Cannot read {path.name}: {reason}" in said
    photo(30, 20).save(tmp_path / "good.png")
    upload(tab, tmp_path / "good.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scroll(server, open_tab, photo_file, scheme):
    tab = open_tab(server, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    upload(tab, photo_file)
    heading_box = tab.locator("#viewer h2").bounding_box()  # brought into view
    assert 0 <= heading_box["y"] < 400
    last = tab.locator("#viewer [role=radio]").last.bounding_box()
    assert last["y"] + last["height"] <= 844  # on one screen with the words
    for fold in ("All words at once", "Is it true?", "The numbers", "Explain your own words"):
        tab.get_by_text(fold).click()
    tab.wait_for_selector("#viewer .numbers table", timeout=30_000)
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    assert tab.evaluate("document.body.scrollWidth") == 390
    # Nor is anything of the answer cut off at the right.
    edges = """[...document.querySelectorAll('#viewer *')].filter(n => !n.closest('.wide'))
        .map(n => n.getBoundingClientRect().right)"""
    assert max(tab.evaluate(edges)) <= 390
    places = [tab.locator(f"#{name}").bounding_box() for name in ("source", "answer", "more")]
    for above, below in zip(places, places[1:]):
        assert below["y"] >= above["y"] + above["height"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(server, open_tab, photo_file, tmp_path, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab = open_tab(server, viewport={"width": 1280, "height": 900}, color_scheme=scheme)

    def complaints():
        found = axe.run(tab).response["violations"]
        return [
            (each["id"], node["target"])
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]

    assert complaints() == []
    upload(tab, photo_file)
    for fold in ("All words at once", "Is it true?", "The numbers", "Explain your own words"):
        tab.get_by_text(fold).click()
    tab.get_by_role("button", name="Hide where it looked").click()
    tab.wait_for_selector("#viewer .trials figure", timeout=30_000)
    tab.wait_for_selector("#viewer .numbers table", timeout=30_000)
    assert complaints() == []
    tab.locator("#viewer canvas").first.focus()
    tab.keyboard.press("ArrowLeft")
    tab.wait_for_selector("#viewer .tinted")
    assert complaints() == []
    (tmp_path / "notes.jpg").write_text("no picture")
    clear(tab)
    upload(tab, tmp_path / "notes.jpg", "error")
    assert complaints() == []
    for name in ("Many pictures", "About"):
        tab.get_by_role("tab", name=name).click()
        tab.wait_for_timeout(500)
        assert complaints() == []


def test_the_page_tells_about_its_models_and_calls_nobody(server, open_tab):
    tab = open_tab(server)
    tab.get_by_role("tab", name="About").click()
    about = tab.locator("#about")
    about.get_by_text("Seed 1.").wait_for()
    assert "<b>bold</b>" in about.inner_text() and about.locator("b").count() == 0
    assert about.locator("img").count() == 0


def test_no_answer_of_the_page_has_a_path_of_the_server(server, open_tab, photo_file, tmp_path):
    tab = open_tab(server)
    seen = []
    tab.on("response", lambda response: seen.append(response))
    upload(tab, photo_file)
    value = tab.evaluate("document.querySelector('#viewer').innerText")
    assert str(tmp_path.parent) not in value and "/tmp" not in value
    questions = [each for each in seen if "component_server" in each.url]
    assert not questions
    tab.locator("#viewer").get_by_role("button", name="Keep the words").click()
    tab.wait_for_selector("#viewer .locked")
    questions = [each for each in seen if "component_server" in each.url]
    assert questions and "/tmp" not in json.dumps([each.text() for each in questions])
