"""The page: what is sent to the viewer, what the viewer makes of it, and the API."""

import base64
import dataclasses
import io
import json
import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

gr = pytest.importorskip("gradio")

from captioner.caption import Caption, Word  # noqa: E402
from captioner.errors import CaptionerError  # noqa: E402
from captioner.geometry import Geometry, fit_image  # noqa: E402
from captioner.visual import overlay  # noqa: E402
from captioner.web import page as web  # noqa: E402
from captioner.web.viewer import (  # noqa: E402
    AttentionViewer,
    brightest_place,
    describe,
    percent,
    share_of_half,
    viewer_value,
)

APP = Path(__file__).resolve().parents[1] / "app.py"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
GRID = (4, 4)
HOSTILE = "<img src=x onerror=window.hacked=1> ${window.hacked=1} {{hacked}}"


# --- Made in the tests -----------------------------------------------------------------------


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture of large coloured patches, in which no two places look alike."""
    patches = np.random.default_rng(seed).integers(30, 226, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)


def one_hot(row: int, column: int) -> np.ndarray:
    alpha = np.zeros(GRID, np.float32)
    alpha[row, column] = 1
    return alpha


def made_caption(image: Image.Image, text: list[str], resize: str = "squash", seed: int = 1):
    """A caption with maps of its own: the first word looks everywhere, the last at one cell."""
    rng = np.random.default_rng(seed)
    maps = rng.dirichlet(np.full(16, 0.3), len(text)).astype(np.float32).reshape(-1, *GRID)
    maps[0], maps[-1] = 1 / 16, one_hot(1, 2)
    words = tuple(
        Word(word, 0.9 - 0.1 * i, alpha, 0.91, (("cat", 0.06), (HOSTILE, 0.001)))
        for i, (word, alpha) in enumerate(zip(text, maps, strict=True))
    )
    return Caption(words, -3.5, GRID, fit_image(image, (128, 128), resize)[1])


def decoded_maps(value: dict, index: int) -> np.ndarray:
    data = base64.b64decode(value["captions"][index]["maps"])
    return np.frombuffer(data, "<f4").reshape(-1, *GRID)


def as_url(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def from_url(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- What is sent ----------------------------------------------------------------------------


def test_all_maps_of_all_captions_arrive_to_the_bit():
    image = photo(90, 60)
    caption = made_caption(image, ["a", "dog", "runs"])
    other = made_caption(image, ["two", "dogs"], seed=2)
    value = viewer_value(image, dataclasses.replace(caption, alternatives=(other,)))
    for index, sent in enumerate((caption, other)):
        maps = [word.alpha for word in sent.words]
        assert np.array_equal(decoded_maps(value, index), maps)
        assert value["captions"][index]["peak"] == np.max(maps)
    assert value["grid"] == [4, 4]
    assert [each["text"] for each in value["captions"]] == ["A dog runs.", "Two dogs."]


@pytest.mark.parametrize("resize", ["squash", "pad", "crop"])
def test_a_large_photo_is_sent_small_and_the_cells_lie_as_they_did(resize):
    image = photo(3000, 2000)
    caption = made_caption(image, ["a", "dog"], resize)
    value = viewer_value(image, caption)
    assert from_url(value["picture"]).size == (1024, 683) == tuple(value["size"])
    alpha = caption.words[1].alpha
    placed = Geometry((1024, 683), **{k: tuple(v) for k, v in value["geometry"].items()})
    full = caption.geometry.spread(alpha, smooth=False)
    sampled = full[np.ix_(np.arange(683) * 2000 // 683 + 1, np.arange(1024) * 3000 // 1024 + 1)]
    assert np.mean(placed.spread(alpha, smooth=False) == sampled) > 0.99


def test_a_small_picture_is_sent_as_large_as_it_is():
    image = photo(40, 1)
    assert viewer_value(image, made_caption(image, ["a", "dog"]))["size"] == [40, 1]


def test_the_value_is_json_and_a_caption_in_it_stays_as_it_was_said():
    image = photo(90, 60)
    caption = made_caption(image, ["a", HOSTILE, "dog"])
    value = json.loads(json.dumps(viewer_value(image, caption)))
    assert value["captions"][0]["text"] == f"A {HOSTILE} dog."
    assert value["captions"][0]["words"][1]["text"] == HOSTILE


def test_the_first_word_that_names_something_is_chosen():
    image = photo(90, 60)
    for text, first in ((["on", "the", "dog"], 2), (["dog", "dog"], 0), (["the", "a"], 0)):
        value = viewer_value(image, made_caption(image, text))
        assert value["captions"][0]["first"] == first


def test_a_caption_without_words_can_be_shown():
    empty = Caption((), -1.0, GRID, fit_image(photo(9, 9), (128, 128))[1])
    (shown,) = viewer_value(photo(9, 9), empty)["captions"]
    assert (shown["text"], shown["words"], shown["maps"]) == ("The model found no words.", [], "")
    assert shown["peak"] > 0


def test_a_word_is_told_in_plain_words():
    geometry = fit_image(photo(90, 60), (128, 128))[1]
    sharp = Word("dog", 0.82, one_hot(0, 3), 0.91, ())
    assert describe(sharp, geometry) == (
        "dog, 82 % sure. Looks most at the top right; half of the attention is on 6 % of the "
        "picture. Looked 91 %, guessed 9 %."
    )
    flat = dataclasses.replace(sharp, alpha=np.full(GRID, 1 / 16, np.float32))
    assert "Looks all over; half of the attention is on 50 % of the picture" in describe(
        flat, geometry
    )


def test_shares_and_places_are_those_of_the_picture_and_not_of_the_frame():
    padded = fit_image(photo(128, 64), (128, 128), "pad")[1]  # rows 1 and 2 hold the picture
    assert share_of_half(one_hot(1, 0), padded) == pytest.approx(1 / 8)
    assert brightest_place(one_hot(1, 0), padded) == "top left"
    cropped = fit_image(photo(128, 64), (128, 128), "crop")[1]  # the middle half of the picture
    assert share_of_half(one_hot(0, 0), cropped) == pytest.approx(1 / 32)
    assert brightest_place(one_hot(0, 0), cropped) == "top left"
    assert brightest_place(one_hot(3, 1), cropped) == "bottom"


@pytest.mark.parametrize(
    "share, said",
    [(0, "0 %"), (0.003, "under 1 %"), (0.824, "82 %"), (0.997, "over 99 %"), (1, "100 %")],
)
def test_what_is_neither_none_nor_all_is_never_called_so(share, said):
    assert percent(share) == said


# --- The server's side without a server ------------------------------------------------------


class MadeModel:
    """Stands for a model where only what is around it is tested."""

    def caption(self, image, beam_size):
        return made_caption(image, ["a", "dog"])


def test_an_unreadable_file_is_told_in_one_sentence_without_the_servers_path(tmp_path):
    (tmp_path / "notes.jpg").write_text("no picture")
    sentence = "annot read notes.jpg: it is not a picture that can be recognised"
    value = web.answer_page(MadeModel(), str(tmp_path / "notes.jpg"), 5)
    assert value["error"] == f"C{sentence}."
    with pytest.raises(gr.Error, match=f"c{sentence}"):
        web.answer_api(MadeModel(), str(tmp_path / "notes.jpg"), 5)


def test_no_picture_gives_no_answer():
    assert web.answer_page(MadeModel(), None, 5) is None
    with pytest.raises(gr.Error, match="there is no picture"):
        web.answer_api(MadeModel(), None, 5)


@pytest.mark.parametrize("beam_size", [0, 11, 2.5, "5", None, [5], float("nan"), float("inf")])
def test_an_impossible_beam_size_is_refused(tmp_path, beam_size):
    photo(9, 9).save(tmp_path / "a.png")
    with pytest.raises(gr.Error, match="beam size is .*, but must be a whole number from 1 to 10"):
        web.answer_api(MadeModel(), str(tmp_path / "a.png"), beam_size)


def test_a_file_of_the_server_that_was_not_uploaded_is_refused(tmp_path):
    photo(9, 9).save(tmp_path / "secret.png")
    payload = gr.data_classes.ImageData(path=str(tmp_path / "secret.png"))
    with pytest.raises(gr.Error, match="must be an uploaded file"):
        web.UploadedPicture().preprocess(payload)


def test_one_event_is_public_and_all_others_are_private(tmp_path):
    photo(9, 9).save(tmp_path / "a-dog.png")
    events = web.build_page(MadeModel(), tmp_path).fns.values()
    assert len(events) > 2
    public = [event.api_name for event in events if event.api_visibility != "private"]
    assert public == ["caption"]


# --- app.py ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, code", [(["--help"], 0), (["--port", "x"], 2), (["--port", "70000"], 2)]
)
def test_help_and_wrong_usage_are_told_before_anything_large_is_imported(arguments, code):
    check = (
        f"import runpy, sys; sys.argv = ['app.py', *{arguments}]\n"
        f"try: runpy.run_path({str(APP)!r}, run_name='__main__')\n"
        "except SystemExit as stop: print(stop.code or 0, {'torch', 'gradio'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == f"{code} set()"


def test_a_missing_model_is_told_in_one_sentence(capsys):
    assert runpy.run_path(str(APP))["main"](["--model", "nowhere"]) == 1
    assert capsys.readouterr().err == "app.py: there is no model directory 'nowhere'\n"


def test_a_port_that_is_taken_is_told_in_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CaptionerError, match=f"can't listen at 127.0.0.1 port {port}"):
            web.serve(MadeModel(), host="127.0.0.1", port=port, assets=Path("none"))


# --- The viewer in a browser, with values made by hand ---------------------------------------


@pytest.fixture(scope="module")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("there is no chromium on this machine")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


class Watched:
    """A tab of the browser that remembers complaints in the console and requests that leave."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(**options)
        self.tab = self.context.new_page()
        self.complaints = []
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("console", self._listen)
        self.context.on("request", self._follow)

    def _listen(self, message):
        if message.type == "error":
            self.complaints.append(message.text)

    def _follow(self, request):
        if not re.match(r"(http://127\.0\.0\.1:|data:|blob:)", request.url):
            self.complaints.append(f"left the host: {request.url}")

    def close(self):
        self.context.close()
        assert self.complaints == []


@pytest.fixture
def open_tab(browser):
    tabs = []

    def open_at(url, **options):
        tabs.append(Watched(browser, **options))
        tabs[-1].tab.goto(url)
        return tabs[-1].tab

    yield open_at
    for each in tabs:
        each.close()


SHOWN = photo(120, 80)
RESIZES = ("squash", "pad", "crop")


@pytest.fixture(scope="module")
def made_viewers(browser):
    """One tab with a viewer for each way of fitting, one of hostile text and one of an error."""
    values = {}
    for resize in RESIZES:
        caption = made_caption(SHOWN, ["a", "dog", "in", "grass"], resize)
        other = made_caption(SHOWN, ["two", "dogs"], resize, seed=2)
        values[resize] = viewer_value(SHOWN, dataclasses.replace(caption, alternatives=(other,)))
        # Without loss, so that pixels can be compared.
        values[resize]["picture"] = as_url(SHOWN)
    values["hostile"] = viewer_value(SHOWN, made_caption(SHOWN, ["a", HOSTILE, "dog"]))
    values["error"] = {"title": HOSTILE, "error": HOSTILE}
    values["wordless"] = viewer_value(SHOWN, Caption((), -1.0, GRID, fit_image(SHOWN, GRID)[1]))
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
        watched.tab.wait_for_selector(f"#{name} [data-state={state}]", timeout=20_000)
    yield watched.tab
    page.close()
    watched.close()


def canvas_of(tab, name: str) -> np.ndarray:
    url = tab.evaluate(f"document.querySelector('#{name} canvas').toDataURL()")
    return np.asarray(from_url(url), np.int16)


def choose(tab, name: str, *, style: str = "Spotlight", strength: int = 80, cells: bool = False):
    viewer = tab.locator(f"#{name}")
    viewer.get_by_role("button", name=style).click()
    viewer.get_by_role("slider").fill(str(strength))
    viewer.get_by_role("checkbox").set_checked(cells)
    return viewer


@pytest.mark.slow
@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("style", ["Spotlight", "Heatmap"])
@pytest.mark.parametrize("cells", [False, True], ids=["smooth", "cells"])
def test_the_browser_draws_what_overlay_draws(made_viewers, resize, style, cells):
    viewer = choose(made_viewers, resize, style=style, strength=70, cells=cells)
    caption = made_caption(SHOWN, ["a", "dog", "in", "grass"], resize)
    peak = max(word.alpha.max() for word in caption.words)
    for index in (0, 1, 3):
        viewer.get_by_role("radio").nth(index).click()
        expected = overlay(
            SHOWN, caption.words[index].alpha, geometry=caption.geometry, style=style.lower(),
            strength=0.7, smooth=not cells, peak=float(peak),
        )  # fmt: skip
        difference = np.abs(canvas_of(made_viewers, resize) - np.asarray(expected, np.int16))
        assert difference.max() <= 2


@pytest.mark.slow
def test_a_one_hot_map_lights_its_cell_and_leaves_the_rest_dark(made_viewers):
    viewer = choose(made_viewers, "squash", strength=100, cells=True)
    viewer.get_by_role("radio").last.click()
    drawn = canvas_of(made_viewers, "squash")
    expected = np.zeros_like(drawn)
    expected[20:40, 60:90] = np.asarray(SHOWN)[20:40, 60:90]  # row 1, column 2 of 4 x 4
    assert np.array_equal(drawn, expected)


@pytest.mark.slow
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
        said = viewer.locator("[aria-live]").last.inner_text()
        assert said.startswith(f"Word {index + 1} of 4: ")


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_words_are_large_enough_to_touch(made_viewers):
    for word in made_viewers.locator("#squash").get_by_role("radio").all():
        assert min(word.bounding_box()["width"], word.bounding_box()["height"]) >= 44


@pytest.mark.slow
def test_hostile_text_stays_text(made_viewers):
    viewer = made_viewers.locator("#hostile")
    assert viewer.get_by_role("heading").first.inner_text() == f"A {HOSTILE} dog."
    assert viewer.get_by_role("radio").nth(1).inner_text() == HOSTILE
    assert HOSTILE in viewer.inner_text().split("It also considered:")[1]
    assert made_viewers.locator("#error [role=alert] p").inner_text() == HOSTILE
    assert made_viewers.locator(".viewer img").count() == 0
    assert made_viewers.evaluate("window.hacked") is None


@pytest.mark.slow
def test_a_caption_without_words_shows_the_plain_picture(made_viewers):
    viewer = made_viewers.locator("#wordless")
    assert viewer.get_by_role("heading").first.inner_text() == "The model found no words."
    assert np.abs(canvas_of(made_viewers, "wordless") - np.asarray(SHOWN, np.int16)).mean() < 3


# --- The whole page: a real server with a tiny model -----------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A directory with an untrained model, whose attention is made sharper than chance."""
    import torch

    from captioner.checkpoint import save
    from captioner.model import ModelConfig, new_model
    from captioner.vocabulary import Vocabulary

    sizes = {"annotation_dim": 32, "embedding_dim": 32, "hidden_dim": 48, "attention_dim": 24}
    config = ModelConfig(backbone="test_efficientnet", image_size=128, **sizes)
    torch.manual_seed(0)
    model = new_model(
        config, Vocabulary("a blue dog green in red runs the".split()), pretrained=False
    )
    with torch.no_grad():
        for parameter in model.decoder.attention.parameters():
            parameter *= 3
        model.decoder.output.bias[Vocabulary.end] -= 2  # so that it says something
    folder = tmp_path_factory.mktemp("model")
    save(model, folder)
    return folder


@pytest.fixture(scope="module")
def server(tiny, tmp_path_factory):
    """The address of `python app.py`, which must not have told a traceback by the end."""
    port, log = free_port(), tmp_path_factory.mktemp("server") / "log"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("w") as file:
        command = [sys.executable, str(APP), "--model", str(tiny), "--port", str(port)]
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env=environment, cwd=tiny.parent
        )
    url, deadline = f"http://127.0.0.1:{port}/", time.monotonic() + 90
    while url not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    yield url
    process.terminate()
    process.wait(timeout=20)
    assert "Traceback" not in log.read_text()


def upload(tab, path: Path, state: str = "ready") -> None:
    tab.set_input_files("#picture input[type=file]", str(path))
    tab.wait_for_selector(f"#viewer [data-state={state}]", timeout=20_000)


def clear(tab) -> None:
    tab.get_by_role("button", name="Remove Image").click()
    tab.wait_for_selector("#viewer [data-state=empty]")


@pytest.mark.slow
def test_a_picture_is_captioned_by_itself_and_its_words_light_it(server, open_tab, tmp_path):
    photo(300, 200).save(tmp_path / "a.png")
    tab = open_tab(server)
    tab.wait_for_selector("#viewer [data-state=empty]")
    upload(tab, tmp_path / "a.png")
    viewer = tab.locator("#viewer")
    words = viewer.get_by_role("radio").all_inner_texts()
    text = " ".join(words)
    assert viewer.get_by_role("heading", level=2).inner_text() == text.capitalize() + "."
    before = canvas_of(tab, "viewer")
    viewer.locator("[role=radio][aria-checked=true]").focus()
    tab.keyboard.press("End")
    assert viewer.get_by_role("radio").last.get_attribute("aria-checked") == "true"
    assert f"Word {len(words)} of {len(words)}: {words[-1]}" in viewer.inner_text()
    assert not np.array_equal(canvas_of(tab, "viewer"), before)
    # Again, with another beam: the same picture gets an answer of its own.
    tab.locator("#options input[type=number]").fill("1")
    tab.get_by_role("button", name="Caption this picture").click()
    tab.wait_for_selector("#viewer [data-state=ready]")
    tab.wait_for_function("document.querySelectorAll('#viewer ol button').length === 1")
    assert not viewer.get_by_text("Choose among").is_visible()


@pytest.mark.slow
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
    box = tab.locator("#viewer canvas").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(120 / 200, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scroll(server, open_tab, tmp_path, scheme):
    photo(300, 200).save(tmp_path / "a.png")
    tab = open_tab(server, viewport={"width": 390, "height": 844}, color_scheme=scheme)
    upload(tab, tmp_path / "a.png")
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    assert tab.evaluate("document.body.scrollWidth") == 390
    # Nor is anything of the answer cut off at the right.
    edges = "[...document.querySelectorAll('#viewer *')].map(n => n.getBoundingClientRect().right)"
    assert max(tab.evaluate(edges)) <= 390
    source, answer = (tab.locator(f"#{name}").bounding_box() for name in ("source", "answer"))
    assert answer["y"] >= source["y"] + source["height"]
    heading = tab.locator("#viewer h2").bounding_box()  # brought into view
    assert 0 <= heading["y"] < 400


@pytest.mark.slow
def test_a_pasted_picture_and_an_example_are_captioned(server, open_tab):
    tab = open_tab(server, viewport={"width": 1400, "height": 900})
    tab.wait_for_selector("#picture input[type=file]", state="attached")
    tab.wait_for_selector("body[data-paste=ready]")  # before that a paste goes nowhere
    tab.evaluate(
        """async (url) => {
          const blob = await (await fetch(url)).blob();
          const pasted = new DataTransfer();
          pasted.items.add(new File([blob], "pasted.png", { type: "image/png" }));
          document.body.dispatchEvent(
            new ClipboardEvent("paste", { clipboardData: pasted, bubbles: true }));
        }""",
        as_url(photo(100, 50)),
    )
    tab.wait_for_selector("#viewer [data-state=ready]", timeout=20_000)
    assert tab.evaluate("document.querySelector('canvas').width") == 100
    source, answer = (tab.locator(f"#{name}").bounding_box() for name in ("source", "answer"))
    assert answer["x"] >= source["x"] + source["width"]
    assert answer["x"] + answer["width"] - source["x"] <= 1180
    examples = sorted(p for p in (APP.parent / "assets").glob("*") if p.suffix in (".jpg", ".png"))
    if examples:
        tab.get_by_role("button", name=examples[0].stem.replace("-", " "), exact=True).click()
        tab.wait_for_function("document.querySelector('canvas').width !== 100", timeout=20_000)


# --- The API ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(server):
    from gradio_client import Client

    return Client(server, verbose=False)


@pytest.mark.slow
def test_the_api_offers_one_endpoint(client):
    offered = client.view_api(return_format="dict", print_info=False)
    assert list(offered["named_endpoints"]) == ["/caption"]
    assert not offered["unnamed_endpoints"]


@pytest.mark.slow
def test_the_api_gives_what_the_command_gives(client, tiny, tmp_path):
    from gradio_client import handle_file

    from captioner.checkpoint import load

    path = tmp_path / "a.png"
    photo(300, 200).save(path)
    answer = client.predict(handle_file(path), api_name="/caption")
    expected = load(tiny).caption(path, beam_size=5).as_dict()
    assert answer.keys() == expected.keys()
    assert answer["caption"] == expected["caption"]
    assert answer["grid"] == expected["grid"]
    assert len(answer["alternatives"]) == 4
    for word, wanted in zip(answer["words"], expected["words"], strict=True):
        assert word.keys() == wanted.keys()
        assert np.allclose(word["alpha"], wanted["alpha"], atol=1e-4)
    greedy = client.predict(handle_file(path), 1, api_name="/caption")
    assert greedy["alternatives"] == []


@pytest.mark.slow
def test_the_api_refuses_what_it_cant_caption_in_one_sentence(client, tmp_path):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    (tmp_path / "notes.jpg").write_text("no picture")
    photo(9, 9).save(tmp_path / "a.png")
    for path, beam_size, said in [
        ("notes.jpg", 5, "cannot read notes.jpg: it is not a picture that can be recognised"),
        ("a.png", 99, "the beam size is 99, but must be a whole number from 1 to 10"),
        ("a.png", "x", "the beam size is 'x', but must be a whole number from 1 to 10"),
    ]:
        with pytest.raises(AppError) as caught:
            client.predict(handle_file(tmp_path / path), beam_size, api_name="/caption")
        assert caught.value.message == said


@pytest.mark.slow
def test_the_api_opens_no_file_of_the_server(server, tmp_path):
    photo(9, 9).save(tmp_path / "secret.png")
    body = json.dumps({"data": [{"path": str(tmp_path / "secret.png")}, 5]}).encode()
    url = f"{server}gradio_api/call/caption"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    event = json.load(urllib.request.urlopen(request, timeout=20))["event_id"]
    answer = urllib.request.urlopen(f"{url}/{event}", timeout=20).read().decode()
    assert "the picture must be an uploaded file" in answer
    assert "event: error" in answer and "secret" not in answer
