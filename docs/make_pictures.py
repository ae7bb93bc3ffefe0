"""Makes the pictures of the README: starts the real page, drives it, and writes into this folder.

    python docs/make_pictures.py

It wants playwright (in the extra `test`) and Chromium; it takes under two minutes.
"""

import argparse
import io
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
FLAGS = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking".split()
# Pictures of a page have few colours; with these all of them together stay under a megabyte.
COLOURS = 256
GIF_COLOURS = 96
GIF_WIDTH = 560
MILLISECONDS = 900  # a word of the GIF


def main() -> None:
    """Writes page.gif, page.png, doubt.png and phone.png."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=Path, default=ROOT / "assets" / "photographer.jpg")
    parser.add_argument("--model", help="as for app.py")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("make_pictures.py: there is no chromium on this machine")
    with served(arguments.model) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        desk = browser.new_page(viewport={"width": 1240, "height": 860})
        caption(desk, url, arguments.picture)
        write_png(desk.screenshot(), "page.png")
        write_gif(frames(desk), "page.gif")
        write_png(doubted(desk), "doubt.png")
        desk.close()
        hand = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
        caption(hand, url, arguments.picture)
        write_png(hand.screenshot(), "phone.png")
        browser.close()


@contextmanager
def served(model: str | None) -> Iterator[str]:
    """Runs `app.py` on a free port; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(ROOT / "app.py"), "--port", str(port)]
    command += ["--model", model] if model else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(command, cwd=ROOT, env=environment)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(600):
            if server.poll() is not None:
                sys.exit("make_pictures.py: the page could not be started, see above")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        else:
            sys.exit("make_pictures.py: the page did not answer in two minutes")
        yield url
    finally:
        server.terminate()
        server.wait(timeout=20)


def caption(tab: Page, url: str, picture: Path) -> None:
    """Opens the page and waits for the caption of a picture."""
    tab.goto(url)
    tab.wait_for_selector("body[data-paste=ready]", timeout=60_000)
    tab.set_input_files("#picture input[type=file]", str(picture))
    tab.wait_for_selector("#viewer [data-state=ready]", timeout=60_000)
    # The picture at the left is faded in.
    tab.wait_for_timeout(600)


def frames(tab: Page) -> list[Image.Image]:
    """The viewer from its heading to its words, once for each word."""
    words = tab.locator("#viewer [role=radio]")
    top = tab.locator("#viewer .top").bounding_box()
    end = tab.locator("#viewer .status").bounding_box()
    clip = {
        "x": top["x"] - 8,
        "y": top["y"] - 8,
        "width": top["width"] + 16,
        "height": end["y"] + end["height"] - top["y"] + 16,
    }
    shots = []
    for index in range(words.count()):
        words.nth(index).click()
        tab.mouse.move(0, 0)
        shots.append(opened(tab.screenshot(clip=clip, full_page=True)))
    return shots


def doubted(tab: Page) -> bytes:
    """The section that puts the map of the first word with a meaning to the test."""
    tab.locator("#viewer .words").locator("[role=radio]").nth(1).click()
    tab.get_by_text("Is it true?").click()
    tab.get_by_role("button", name="Hide where it looked").click()
    tab.wait_for_selector("#viewer .trials figure", timeout=60_000)
    return tab.locator("#viewer .truth").screenshot()


def opened(data: bytes) -> Image.Image:
    """A screenshot as a picture."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def write_png(data: bytes, name: str) -> None:
    """Writes a screenshot with few colours."""
    reduced = opened(data).quantize(COLOURS, dither=Image.Dither.NONE)
    reduced.save(DOCS / name, optimize=True)
    print(f"{name}: {(DOCS / name).stat().st_size // 1024} KB")


def write_gif(shots: list[Image.Image], name: str) -> None:
    """Writes frames as a GIF that runs for ever."""
    height = round(shots[0].height * GIF_WIDTH / shots[0].width)
    small = [
        shot.resize((GIF_WIDTH, height), Image.Resampling.LANCZOS).quantize(
            GIF_COLOURS, dither=Image.Dither.NONE
        )
        for shot in shots
    ]
    small[0].save(
        DOCS / name, save_all=True, append_images=small[1:], duration=MILLISECONDS, loop=0
    )
    print(f"{name}: {(DOCS / name).stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
