"""What the tests of the page share: made captions, a browser that complains, a real server."""

import asyncio
import base64
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from captioner.caption import Caption, Word
from captioner.geometry import fit_image

APP = Path(__file__).resolve().parents[1] / "app.py"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
GRID = (4, 4)
HOSTILE = "<img src=x onerror=window.hacked=1> ${window.hacked=1} {{hacked}}"


def finished(coroutine: Coroutine) -> Any:
    """What a coroutine gives; in a thread of its own, for this one may hold a browser's loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture of large coloured patches, in which no two places look alike."""
    patches = np.random.default_rng(seed).integers(30, 226, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)


def one_hot(row: int, column: int) -> np.ndarray:
    """A map that looks at one cell."""
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
    geometry = fit_image(image, (128, 128), resize)[1]
    return Caption(words, -3.5, GRID, geometry, score=-1.25)


def as_url(image: Image.Image) -> str:
    """A picture as a data URL, without loss."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def from_url(url: str) -> Image.Image:
    """The picture in a data URL."""
    return Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB")


def canvas_of(tab, name: str) -> np.ndarray:
    """The pixels of the picture in the viewer of that id."""
    url = tab.evaluate(f"document.querySelector('#{name} canvas').toDataURL()")
    return np.asarray(from_url(url), np.int16)


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def upload(tab, path: Path, state: str = "ready") -> None:
    """Chooses a file and waits for the answer."""
    tab.set_input_files("#picture input[type=file]", str(path))
    tab.wait_for_selector(f"#viewer [data-state={state}]", timeout=30_000)


def clear(tab) -> None:
    """Takes the picture away."""
    tab.get_by_role("button", name="Remove Image").click()
    tab.wait_for_selector("#viewer [data-state=empty]")


def heading(tab) -> str:
    """The caption that is shown."""
    return tab.locator("#viewer h2").first.inner_text()


@pytest.fixture
def photo_file(tmp_path):
    """The path of a picture."""
    photo(300, 200).save(tmp_path / "a.png")
    return tmp_path / "a.png"


class Watched:
    """A tab of the browser that remembers complaints in the console and requests that leave."""

    def __init__(self, browser, forgiven=None, **options):
        self.forgiven = forgiven  # in a complaint that the test brings about
        self.context = browser.new_context(**options)
        self.tab = self.context.new_page()
        self.complaints = []
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("console", self._listen)
        self.context.on("request", self._follow)

    def _listen(self, message):
        if message.type == "error" and (not self.forgiven or self.forgiven not in message.text):
            self.complaints.append(message.text)

    def _follow(self, request):
        if not re.match(r"(http://127\.0\.0\.1:|data:|blob:)", request.url):
            self.complaints.append(f"left the host: {request.url}")

    def close(self):
        self.context.close()
        assert self.complaints == []


@pytest.fixture(scope="session")
def browser():
    """A browser, where the machine has one."""
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("there is no chromium on this machine")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_tab(browser):
    """Opens addresses, and fails the test if a page complains or calls another host."""
    tabs = []

    def open_at(url, **options):
        tabs.append(Watched(browser, **options))
        tabs[-1].tab.goto(url)
        # Before that a paste goes nowhere.
        tabs[-1].tab.wait_for_selector("body[data-paste=ready]", timeout=30_000)
        return tabs[-1].tab

    yield open_at
    for each in tabs:
        each.close()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A directory with an untrained model, whose attention is made sharper than chance."""
    return make_tiny(tmp_path_factory.mktemp("model") / "tiny", seed=0)


@pytest.fixture(scope="session")
def other_folder(tmp_path_factory):
    """Another such model."""
    return make_tiny(tmp_path_factory.mktemp("model") / "other", seed=1)


def make_tiny(folder: Path, seed: int) -> Path:
    """Saves an untrained model."""
    import torch

    from captioner.assembly import new_model
    from captioner.checkpoint import save
    from captioner.model import ModelConfig
    from captioner.vocabulary import Vocabulary

    sizes = {"annotation_dim": 32, "embedding_dim": 32, "hidden_dim": 48, "attention_dim": 24}
    config = ModelConfig(backbone="test_efficientnet", image_size=128, **sizes)
    torch.manual_seed(seed)
    model = new_model(
        config, Vocabulary("a blue dog green in red runs the".split()), pretrained=False
    )
    with torch.no_grad():
        for parameter in model.decoder.attention.parameters():
            parameter *= 3
        model.decoder.output.bias[Vocabulary.end] -= 2  # so that it says something
    save(model, folder, card=f"# A tiny model\n\nSeed {seed}. <b>bold</b> ![pixel](http://x.org/p)")
    return folder


@pytest.fixture(scope="session")
def server(tiny_folder, other_folder, tmp_path_factory):
    """The address of `python app.py`, which must not have told a traceback by the end."""
    log = tmp_path_factory.mktemp("server") / "log"
    with running(log, "--model", tiny_folder, "--model", other_folder) as url:
        yield url
    assert "Traceback" not in log.read_text()


class running:
    """`python app.py` on a free port, as a context; gives its address."""

    def __init__(self, log: Path, *arguments):
        self.log, self.arguments = log, arguments

    def __enter__(self) -> str:
        port = free_port()
        command = [sys.executable, str(APP), "--port", str(port), *map(str, self.arguments)]
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(APP.parent), os.environ.get("PYTHONPATH", "")]),
            "GRADIO_TEMP_DIR": str(self.log.parent / "uploads"),
        }
        with self.log.open("w") as file:
            self.process = subprocess.Popen(
                command, stdout=file, stderr=file, env=environment, cwd=self.log.parent
            )
        # A machine that does other work as well takes minutes.
        url, deadline = f"http://127.0.0.1:{port}/", time.monotonic() + 300
        while url not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError(f"the page did not start: {self.log.read_text()}")
            time.sleep(0.1)
        return url

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=20)
