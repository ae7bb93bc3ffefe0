"""The commands: `captioner caption | evaluate | score | prepare`.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 some input failed or the
command was refused, 2 wrong usage. What loads torch is imported only where a command needs it.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.errors import CaptionerError, ImageError
from captioner.options import DecodingOptions, add_options, from_arguments

if TYPE_CHECKING:
    from captioner.caption import Caption
    from captioner.metrics.grounding import Grounding
    from captioner.model import Captioner

DONE, FAILED, WRONG_USAGE = 0, 1, 2
# Pictures that are read, captioned and printed together: large enough for the encoder's batch,
# small enough that the first caption is soon there.
CHUNK = 16


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except BrokenPipeError:
        # Whoever reads has had enough, as `head` does; Python must not complain at exit either.
        sys.stdout = None
        return DONE
    except (CaptionerError, OSError) as error:
        return _refuse(error)
    except KeyboardInterrupt:
        return 130


def caption(arguments: argparse.Namespace) -> int:
    """`captioner caption`: prints a caption for each picture, and for each failure why."""
    from captioner.checkpoint import load
    from captioner.images import find_images
    from captioner.report import MapFolder, Report

    options = _decoding_options(arguments)
    paths, failed = [], False
    for path in arguments.images:
        try:
            paths += find_images([path])
        except ImageError as error:
            failed = True
            _print_failure(path, error, arguments.json)
    model = load(arguments.model)
    outputs = [MapFolder(arguments.maps)] if arguments.maps else []
    outputs += [Report(arguments.report)] if arguments.report else []
    for path, answer in caption_files(model, paths, options):
        if isinstance(answer, ImageError):
            failed = True
            _print_failure(path, answer, arguments.json)
            continue
        if arguments.json:
            print(json.dumps({"image": str(path), **answer.as_dict()}), flush=True)
        else:
            print(f"{path}\t{answer.text}", flush=True)
        for output in outputs:
            output.add(path, answer)
    for output in outputs:
        output.close()
    return FAILED if failed else DONE


def caption_files(
    model: "Captioner", paths: Sequence[Any], options: DecodingOptions
) -> Iterator[tuple[Any, "Caption | ImageError"]]:
    """Captions files in batches; a picture that can't be read gives its error and no more.

    Yields:
        Each path with its caption or with what is wrong with it, in order.
    """
    from captioner.images import load_image

    for first in range(0, len(paths), CHUNK):
        chunk = paths[first : first + CHUNK]
        answers: dict[int, Any] = {}
        pictures = {}
        for place, path in enumerate(chunk):
            try:
                pictures[place] = load_image(path)
            except ImageError as error:
                answers[place] = error
        if pictures:
            answers |= zip(pictures, model.caption(list(pictures.values()), options=options))
        yield from ((path, answers[place]) for place, path in enumerate(chunk))


def evaluate(arguments: argparse.Namespace) -> int:
    """`captioner evaluate`: captions a data set and prints its scores."""
    from captioner.checkpoint import load
    from captioner.data import read_dataset
    from captioner.evaluation import caption_dataset, describe

    options = _decoding_options(arguments)
    if arguments.results and not arguments.results.parent.is_dir():
        arguments.refuse(f"there is no folder {str(arguments.results.parent)!r} for the results")
    dataset = read_dataset(arguments.annotations, arguments.images)
    model = load(arguments.model)
    captions, grounding = caption_dataset(model, dataset, options)
    if arguments.results:
        results = [{"image_id": key, "caption": text} for key, text in captions.items()]
        arguments.results.write_text(json.dumps(results) + "\n")
    made_by = describe(model, options)
    _score(arguments, captions, dataset.references(), made_by, grounding)
    return DONE


def score(arguments: argparse.Namespace) -> int:
    """`captioner score`: scores captions of any model."""
    from captioner.data import read_references, read_results
    from captioner.scoring import name_captions

    references = read_references(arguments.annotations)
    captions = read_results(arguments.results, references)
    _score(arguments, captions, references, name_captions(captions))
    return DONE


def prepare(arguments: argparse.Namespace) -> int:
    """`captioner prepare`: turns a data set as distributed into COCO captions JSON."""
    from captioner.prepare import prepare as run

    try:
        prepared = run(
            arguments.layout, arguments.source, arguments.output, entities=arguments.entities
        )
    except ValueError as error:
        return _refuse(error, WRONG_USAGE)
    for note in prepared.notes:
        print(note, file=sys.stderr)
    for name, split in prepared.splits.items():
        path = Path(arguments.output) / f"captions_{name}.json"
        print(f"{path}\t{len(split['images'])} pictures\t{len(split['annotations'])} captions")
    print(f"give --images {prepared.images} with these files", file=sys.stderr)
    return DONE


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="captioner", description="Captions pictures and shows where it looked for each word."
    )
    top.add_argument("--version", action="version", version=f"captioner {version('captioner')}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    parser, add = _command(commands, "caption", caption, "caption pictures")
    add("images", nargs="+", metavar="IMAGE|FOLDER", help="picture files, or folders of them")
    _model_options(parser)
    add("--json", action="store_true", help="print one JSON object a line, with words and maps")
    add("--maps", type=Path, metavar="DIR", help="write a sheet of overlays for each picture here")
    add("--report", type=Path, metavar="HTML", help="write one page with captions and maps")

    parser, add = _command(commands, "evaluate", evaluate, "caption a data set and score it")
    add("--annotations", type=Path, required=True, help="COCO captions JSON")
    add("--images", type=Path, required=True, metavar="DIR", help="folder of its pictures")
    _model_options(parser)
    add("--results", type=Path, metavar="FILE", help="write the captions here, COCO results format")
    _score_options(parser)

    parser, add = _command(commands, "score", score, "score captions of any model")
    add("--annotations", type=Path, required=True, help="COCO captions JSON")
    add("--results", type=Path, required=True, help="its captions, COCO results format")
    _score_options(parser)

    _, add = _command(commands, "prepare", prepare, "turn a data set into COCO captions JSON")
    add("layout", help="how the data set is laid out: flickr8k or coco")
    add("source", help="folder of the data set as it is distributed")
    add("--output", required=True, metavar="DIR", help="folder for captions_train.json and others")
    add("--entities", metavar="DIR", help="folder of Flickr30k Entities, for boxes")
    return top


def _command(
    commands: Any, name: str, run: Callable, help: str
) -> tuple[argparse.ArgumentParser, Callable]:
    parser = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
    parser.set_defaults(run=run, refuse=parser.error)
    return parser, parser.add_argument


def _model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="DIR", help="a model; without it, that of the package")
    add_options(parser, DecodingOptions, "decoding")


def _score_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--json", action="store_true", help="print the scores as one JSON object")
    add("--against", type=Path, metavar="FILE", help="other results, compared by paired bootstrap")
    add("--per-image", type=Path, metavar="FILE", help="write the scores of each picture here")
    add("--train-annotations", type=Path, metavar="FILE", help="count captions not found in these")


def _decoding_options(arguments: argparse.Namespace) -> DecodingOptions:
    try:
        return from_arguments(DecodingOptions, arguments)
    except ValueError as error:
        arguments.refuse(str(error))


def _score(
    arguments: argparse.Namespace,
    captions: dict[int, str],
    references: dict[int, list[str]],
    made_by: str,
    grounding: "Grounding | None" = None,
) -> None:
    """Scores captions and prints what `_score_options` ask for."""
    from captioner.data import read_references, read_results
    from captioner.scoring import name_captions, share_new
    from captioner.scoring import score as run

    scores = replace(run(captions, references, made_by, with_meteor=True), grounding=grounding)
    values = scores.as_dict()
    if arguments.train_annotations:
        training = chain(*read_references(arguments.train_annotations).values())
        values["new"] = share_new(captions.values(), training)
    values["intervals"] = {name: list(ends) for name, ends in scores.intervals().items()}
    if arguments.against:
        others = read_results(arguments.against, references)
        compared = scores.against(run(others, references, name_captions(others)))
        values["against"] = {name: asdict(one) for name, one in compared.items()}
    if arguments.per_image:
        arguments.per_image.write_text(json.dumps(scores.per_image.as_list()) + "\n")
    print(json.dumps(values) if arguments.json else _score_table(values))


def _score_table(values: dict) -> str:
    intervals, compared = values.pop("intervals"), values.pop("against", {})
    grounding = values.pop("grounding", {})
    by_kind = grounding.pop("by_kind", {})
    lines = []
    for name, value in values.items():
        shown = f"{value:.2f}" if isinstance(value, float) else "-" if value is None else value
        line = f"{name:13} {shown}"
        if name in intervals:
            low, high = intervals[name]
            line += f"   95 %: {low:.2f} to {high:.2f}"
        if name in compared:
            one = compared[name]
            line += f"   against: {one['difference']:+.2f}, better in {one['better']:.1%} of rounds"
        lines.append(line)
    for kind, part in {"grounding": grounding, **by_kind}.items():
        shown = ", ".join(f"{name} {value:.1f}" for name, value in part.items() if name != "words")
        lines += [f"{kind:13} {shown} ({part['words']} words)"] if part else []
    return "\n".join(lines)


def _print_failure(path: Any, error: Exception, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"image": str(path), "error": str(error)}), flush=True)
    else:
        _refuse(error)


def _refuse(error: Exception, code: int = FAILED) -> int:
    print(f"captioner: {error}", file=sys.stderr)
    return code
