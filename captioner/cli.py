"""The command line: `captioner caption | evaluate | score | explain | walk |
download | prepare`.

Exit codes: 0 done, 1 some input failed or the command was refused, 2 wrong usage.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from captioner import commands, score_commands
from captioner.errors import CaptionerError
from captioner.options import DecodingOptions, add_options

COMMANDS = {
    "caption": commands.caption,
    "evaluate": score_commands.evaluate,
    "score": score_commands.score,
    "explain": commands.explain,
    "walk": commands.walk,
    "download": commands.download,
    "prepare": commands.prepare,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except BrokenPipeError:
        # Whoever reads has had enough, as `head` does; Python must not complain at exit either.
        sys.stdout = None
        return commands.DONE
    except (CaptionerError, OSError) as error:
        return commands.refuse(error)
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="captioner", description="Captions pictures and shows where it looked for each word."
    )
    top.add_argument("--version", action="version", version=f"captioner {version('captioner')}")
    subcommands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    parser, add = _command(subcommands, "caption", "caption pictures")
    add("images", nargs="+", metavar="IMAGE|FOLDER", help="picture files, or folders of them")
    _model_options(parser)
    add("--json", action="store_true", help="print one JSON object a line, with words and maps")
    add("--maps", type=Path, metavar="DIR", help="write a sheet of overlays for each picture here")
    add("--report", type=Path, metavar="HTML", help="write one page with captions and maps")

    parser, add = _command(subcommands, "evaluate", "caption a data set and score it")
    add("--annotations", type=Path, required=True, help="COCO captions JSON")
    add("--images", type=Path, required=True, metavar="DIR", help="folder of its pictures")
    _model_options(parser)
    add("--results", type=Path, metavar="FILE", help="write the captions here, COCO results format")
    add("--report", type=Path, metavar="HTML", help="write one page with scores, examples and maps")
    add(
        "--faithfulness",
        type=int,
        default=0,
        metavar="N",
        help="hide parts of N pictures: are the maps true? (some 20 s a picture)",
    )
    _score_options(parser)

    parser, add = _command(subcommands, "score", "score captions of any model")
    add("--annotations", type=Path, required=True, help="COCO captions JSON")
    add("--results", type=Path, required=True, help="its captions, COCO results format")
    add("--subset", action="store_true", help="score only the pictures that have a result")
    _score_options(parser)

    for name, help in (
        ("explain", "put the maps of a caption to the test"),
        ("walk", "print the numbers computed on the way to a word"),
    ):
        parser, add = _command(subcommands, name, help)
        add("image", metavar="IMAGE", help="a picture file")
        add("--text", help="read this caption, instead of the model's own")
        add("--word", help="take this word of the caption alone")
        if name == "walk":
            layer, head = "show this layer, from 1 (default: the last)", "show this head, from 1"
            add("--layer", type=int, metavar="N", help=layer)
            add("--head", type=int, metavar="N", help=f"{head} (default: the mean of all)")
        add("--json", action="store_true", help="print one JSON object, with the maps")
        _model_options(parser)

    _data_commands(subcommands)
    return top


def _data_commands(subcommands: Any) -> None:
    # About 20 ms: not at import, so that `import captioner.cli` stays quick.
    from captioner.archives import DOWNLOADS
    from captioner.prepare import LAYOUTS

    _, add = _command(subcommands, "download", "fetch a data set; a later run goes on with it")
    add("name", choices=DOWNLOADS, help=f"one of {', '.join(DOWNLOADS)}")
    add("--output", type=Path, required=True, metavar="DIR", help="folder to unpack it into")
    add("--keep-archives", action="store_true", help="leave the zips beside what was in them")

    _, add = _command(subcommands, "prepare", "turn a data set into COCO captions JSON")
    add("layout", help=f"how the data set is laid out: {', '.join(LAYOUTS)}")
    add("source", help="its folder as it is distributed, or its one file of captions")
    add("--output", required=True, metavar="DIR", help="folder for captions_train.json and others")
    add("--entities", metavar="DIR", help="for the Flickr sets: folder of Flickr30k Entities")
    add("--images", metavar="DIR", help="for karpathy and folder: the pictures, if elsewhere")


def _command(subcommands: Any, name: str, help: str) -> tuple[argparse.ArgumentParser, Callable]:
    """A command's parser and the method that adds to it."""
    parser = subcommands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
    parser.set_defaults(run=COMMANDS[name], refuse=parser.error)
    return parser, parser.add_argument


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="DIR", help="a model; without it, that of the package")
    add_options(parser, DecodingOptions, "decoding")


def _score_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--json", action="store_true", help="print the scores as one JSON object")
    add(
        "--against",
        type=Path,
        metavar="FILE",
        help="results of a B, by paired bootstrap",
    )
    add("--per-image", type=Path, metavar="FILE", help="write each picture's scores here, as JSON")
    add(
        "--train-annotations",
        type=Path,
        metavar="FILE",
        help="say how many captions, of 100, are no caption of these word for word (new)",
    )
    add(
        "--meteor",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="run METEOR too, which takes Java most of the time",
    )
