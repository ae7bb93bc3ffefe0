"""Runs the page until it is stopped, with settings that can stand in the open."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from starlette.middleware import Middleware

from captioner.errors import CaptionerError
from captioner.web.bodies import BodyLimit
from captioner.web.models import LoadedModel
from captioner.web.page import build_page, thumbnails
from captioner.web.theme import theme
from captioner.web.uploads import MAX_FILE_SIZE
from captioner.web.viewer import joined

MAX_WAITING = 60
# More than `turns.PLACES`: who finds no place must be told so at once.
MAX_THREADS = 80


def serve(models: Mapping[str, LoadedModel], *, host: str, port: int, assets: Path) -> None:
    """Serves the page until it is stopped.

    Args:
        models: ready to caption, by the names to show.
        host: address to listen at.
        port: to listen at.
        assets: folder of example pictures, each named as it is to be shown.

    Raises:
        CaptionerError: the address can't be used.
    """
    page = build_page(models, assets)
    page.queue(max_size=MAX_WAITING)
    try:
        _, url, _ = page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            show_error=False,
            ssr_mode=False,
            # Assistants call /caption as a tool where their protocol is installed.
            mcp_server=importlib.util.find_spec("mcp") is not None,
            run_history=False,
            enable_monitoring=False,
            strict_cors=True,
            allowed_paths=None,
            max_threads=MAX_THREADS,
            max_file_size=MAX_FILE_SIZE,
            app_kwargs={"middleware": [Middleware(BodyLimit)]},
            footer_links=[],
            theme=theme(),
            css=joined("styles", ["page"], ".css") + thumbnails(assets),
            js=joined("scripts", ["turns", "page"], ".js"),
        )
    except OSError as error:
        raise CaptionerError(
            f"can't listen at {host} port {port}: it is taken or not this machine's; "
            "choose with --host and --port"
        ) from error
    print(f"captioner: the page is at {url}", flush=True)
    page.block_thread()
