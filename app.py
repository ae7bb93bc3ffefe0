"""Serves the web page: `python app.py --help`."""

import argparse
import os
import sys
from pathlib import Path

from captioner.errors import CaptionerError


def main(argv: list[str] | None = None) -> int:
    """Loads the models and serves the page until it is stopped; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="app.py", description="Serve a page that captions pictures and shows the attention."
    )
    parser.add_argument(
        "--model",
        metavar="DIR",
        action="append",
        help="a model, or several to compare, each with a --model; without it, the package's own",
    )
    # Hugging Face Spaces say by Gradio's own variables where a page is to listen.
    host, port = os.environ.get("GRADIO_SERVER_NAME"), os.environ.get("GRADIO_SERVER_PORT")
    parser.add_argument("--host", default=host or "127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=port or 7860, help="port to listen at")
    arguments = parser.parse_args(argv)
    if not 1 <= arguments.port <= 65535:
        parser.error(f"--port is {arguments.port}, but must lie between 1 and 65535")
    try:
        # Torch and gradio take seconds to import: wrong usage is told before.
        from captioner.web.models import load_models

        models = load_models(arguments.model)

        from captioner.web.serving import serve

        serve(
            models,
            host=arguments.host,
            port=arguments.port,
            assets=Path(__file__).parent / "assets",
        )
    except CaptionerError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
