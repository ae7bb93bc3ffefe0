"""Asking back: other words, tests of maps, own words, comparison, many pictures, in a browser."""

import pytest
from browsing import heading, photo, upload
from PIL import Image

pytest.importorskip("gradio")
pytestmark = pytest.mark.slow


def test_another_word_is_put_in_and_taken_back(server, open_tab, photo_file):
    tab = open_tab(server)
    upload(tab, photo_file)
    viewer = tab.locator("#viewer")
    own = heading(tab)
    viewer.get_by_role("radio").nth(1).click()
    viewer.get_by_role("textbox", name="Another word").fill("green")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#viewer .locked")
    words = viewer.get_by_role("radio")
    assert words.nth(1).inner_text() == "green"
    assert words.nth(1).get_attribute("aria-checked") == "true"
    assert viewer.locator(".locked").count() == 2
    viewer.get_by_role("button", name="Keep the words up to “green”").click()
    viewer.get_by_role("button", name="Back to its own caption").click()
    assert heading(tab) == own and viewer.locator(".locked").count() == 0
    viewer.get_by_role("textbox", name="Another word").fill("<b>zebu</b>")
    tab.keyboard.press("Enter")
    tab.wait_for_function("document.querySelector('#viewer .notice').textContent")
    said = "The model does not know the word '<b>': try another."
    assert viewer.locator(".notice").inner_text() == said
    assert heading(tab) == own


def test_a_map_is_put_to_the_test_and_its_numbers_are_shown(server, open_tab, photo_file):
    tab = open_tab(server)
    upload(tab, photo_file)
    viewer = tab.locator("#viewer")
    viewer.get_by_role("radio").nth(1).click()
    word = viewer.get_by_role("radio").nth(1).inner_text()
    viewer.get_by_text("Is it true?").click()
    viewer.get_by_role("button", name=f"Hide where it looked for “{word}”").click()
    tab.wait_for_selector("#viewer .trials figure", timeout=30_000)
    assert viewer.locator(".trials figure").count() == 3
    assert f"takes “{word}” from" in viewer.locator(".verdict").inner_text()
    whole, hidden = (
        viewer.locator(".trials canvas").nth(i).evaluate("node => node.toDataURL()") for i in (0, 1)
    )
    assert whole != hidden
    viewer.get_by_text("The numbers").click()
    tab.wait_for_selector("#viewer .numbers table", timeout=30_000)
    likeliest = viewer.locator(".numbers table").last
    assert word in likeliest.inner_text()
    shares = viewer.locator(".numbers table").first.locator("tbody tr")
    assert 2 <= shares.count() <= 7


def test_a_gif_is_saved(server, open_tab, photo_file, tmp_path):
    tab = open_tab(server)
    upload(tab, photo_file)
    with tab.expect_download() as saved:
        tab.get_by_role("button", name="GIF").click()
    assert saved.value.suggested_filename == "a.gif"
    saved.value.save_as(tmp_path / "saved.gif")
    with Image.open(tmp_path / "saved.gif") as gif:
        assert gif.n_frames == tab.locator("#viewer [role=radio]").count()


def test_ones_own_words_are_explained_and_unknown_ones_marked(server, open_tab, photo_file):
    tab = open_tab(server)
    upload(tab, photo_file)
    tab.get_by_text("Explain your own words").click()
    box = tab.get_by_role("textbox", name="A caption of yours")
    assert box.get_attribute("maxlength") == "300"
    box.fill("A red <img src=x onerror=window.hacked=1> dog ${window.hacked=1}")
    tab.get_by_role("button", name="Explain these words").click()
    tab.wait_for_function("document.querySelector('#viewer .note')?.textContent")
    tab.wait_for_selector("#viewer [data-state=ready]")
    assert "Your words, read by the model" in tab.locator("#viewer .note").inner_text()
    assert tab.locator("#viewer .unknown").count() > 0
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("#viewer img").count() == 0


def test_the_answer_of_an_older_picture_never_stands_under_a_newer_one(server, open_tab, tmp_path):
    tab = open_tab(server)
    for number in range(4):
        photo(100 + number, 60, seed=number).save(tmp_path / f"{number}.png")
    upload(tab, tmp_path / "0.png")
    tab.evaluate("""() => {
      const viewer = document.querySelector("#viewer .viewer");
      window.widths = [];
      new MutationObserver(() => {
        if (viewer.dataset.state === "ready") widths.push(viewer.querySelector("canvas").width);
      }).observe(viewer, { attributes: true, attributeFilter: ["data-state"] });
    }""")
    for number in (1, 2, 3):
        tab.set_input_files("#picture input[type=file]", str(tmp_path / f"{number}.png"))
    tab.wait_for_function(
        "document.querySelector('#viewer [data-state=ready] canvas')?.width === 103", timeout=30_000
    )
    tab.wait_for_timeout(1000)
    assert tab.evaluate("widths.at(-1)") == 103
    assert tab.evaluate("document.querySelector('#viewer canvas').width") == 103


def test_two_models_stand_side_by_side(server, open_tab, photo_file):
    tab = open_tab(server, viewport={"width": 1280, "height": 900})
    upload(tab, photo_file)
    tab.get_by_role("checkbox", name="other").check()
    tab.wait_for_selector(".viewer[data-panels='2'][data-state=ready]", timeout=30_000)
    tops = [top.bounding_box() for top in tab.locator("#viewer .top").all()]
    assert tops[1]["x"] >= tops[0]["x"] + tops[0]["width"]
    assert tab.locator("#viewer .top .model").all_inner_texts() == ["tiny", "other"]
    # Ticking none is told, and ticking one goes back to one.
    for name in ("tiny", "other"):
        tab.get_by_role("checkbox", name=name).uncheck()
    tab.wait_for_selector("#viewer [data-state=error]", timeout=30_000)
    assert "Choose one model" in tab.locator("#viewer [role=alert]").inner_text()
    tab.get_by_role("checkbox", name="tiny").check()
    tab.wait_for_selector("#viewer .viewer[data-panels='1'][data-state=ready]", timeout=30_000)


def test_many_pictures_fill_a_table_and_are_saved(server, open_tab, other_folder, tmp_path):
    from captioner.checkpoint import load

    names = ["a.png", "b <b>bold</b>.png", "notes.jpg"]
    for number, name in enumerate(names[:2]):
        photo(60, 40, seed=number).save(tmp_path / name.replace("/", ""))
    (tmp_path / "notes.jpg").write_text("no picture")
    tab = open_tab(server)
    tab.get_by_role("tab", name="Many pictures").click()
    tab.set_input_files("#files input[type=file]", [str(p) for p in sorted(tmp_path.iterdir())])
    tab.locator("#files").get_by_text("notes").first.wait_for()
    tab.get_by_role("radio", name="other").check()
    tab.get_by_role("button", name="Caption all of them").click()
    tab.wait_for_selector(".board[data-state=ready]", timeout=30_000)
    rows = tab.locator(".board tbody tr").all_inner_texts()
    said = load(other_folder).caption(tmp_path / "a.png").text
    assert said.capitalize() + "." in rows[0] and rows[0] != rows[1]
    assert len(rows) == 3 and "Cannot read notes.jpg: it is not a picture" in rows[2]
    assert tab.locator(".board tbody b").count() == 0
    assert tab.locator(".count").inner_text() == "3 of 3 done"
    for label, name in (("(CSV)", "captions.csv"), ("(ZIP)", "captions.zip")):
        with tab.expect_download() as saved:
            tab.get_by_text(label).click()
        assert saved.value.suggested_filename == name
