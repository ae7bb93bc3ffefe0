"""What the page says where there is no caption, and that it stays where it is."""

import pytest
from browsing import clear, upload

pytest.importorskip("gradio")
pytestmark = pytest.mark.slow

ALERT = "#viewer [role=alert]"


def test_who_asks_without_a_picture_is_told_in_the_page_what_to_do(server, open_tab, photo_file):
    tab = open_tab(server)
    tab.get_by_role("button", name="Caption this picture").click()
    alert = tab.locator(ALERT)
    alert.get_by_text("Choose a picture first").wait_for()
    upload(tab, photo_file)
    assert alert.count() == 0
    # Taking the picture away asks for nothing.
    clear(tab)
    tab.wait_for_timeout(500)
    assert alert.count() == 0 and tab.locator("#viewer .hint").is_visible()
    tab.get_by_text("Explain your own words").click()
    tab.get_by_role("textbox", name="A caption of yours").fill("a dog")
    tab.get_by_role("button", name="Explain these words").click()
    alert.get_by_text("Choose a picture first").wait_for()


def test_a_page_keeps_its_size_where_a_message_takes_the_place_of_a_caption(
    server, open_tab, photo_file, tmp_path
):
    (tmp_path / "notes.jpg").write_text("no picture")
    tab = open_tab(server, viewport={"width": 1280, "height": 700})

    def size():
        return tab.evaluate("""() => ["#columns", "#viewer .viewer", "html"].map((name) => {
          const { width, height } = document.querySelector(name).getBoundingClientRect();
          return [Math.round(width), Math.round(height)];
        })""")

    empty = size()
    upload(tab, tmp_path / "notes.jpg", "error")
    assert size() == empty
    clear(tab)
    upload(tab, photo_file)
    tall = size()
    assert tall[1][1] > 2 * empty[1][1]
    clear(tab)
    assert size() == tall
    upload(tab, tmp_path / "notes.jpg", "error")
    assert size() == tall
    # The next answer is as tall as it is.
    clear(tab)
    tab.locator("#viewer .viewer").evaluate("node => (node.style.minHeight = '9000px')")
    upload(tab, photo_file)
    assert size() == tall
    for name in ("Many pictures", "About"):
        tab.get_by_role("tab", name=name).click()
        assert tab.locator("#title").bounding_box()["width"] == tall[0][0]


def test_a_question_that_fails_is_told_and_one_that_is_older_is_not(server, open_tab, photo_file):
    tab = open_tab(server, forgiven="status of 500")
    upload(tab, photo_file)
    held = []
    tab.route("**/queue/join*", lambda route: held.append(route))
    button = tab.get_by_role("button", name="Caption this picture")
    for count in (1, 2):
        button.click()
        while len(held) < count:
            tab.wait_for_timeout(50)
    held[0].fulfill(status=500, json={"detail": "broken"})  # the older one
    tab.wait_for_timeout(1000)
    assert tab.locator(ALERT).count() == 0
    assert tab.locator("#viewer [data-state=busy]").count() == 1
    held[1].continue_()
    tab.wait_for_selector("#viewer [data-state=ready]", timeout=30_000)
    button.click()
    while len(held) < 3:
        tab.wait_for_timeout(50)
    held[2].fulfill(status=500, json={"detail": "broken"})
    tab.locator(ALERT).get_by_text("No answer from the server").wait_for()
    tab.unroute("**/queue/join*")
    button.click()
    tab.wait_for_selector("#viewer [data-state=ready]", timeout=30_000)
    assert tab.locator(ALERT).count() == 0
