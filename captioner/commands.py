"""What caption, explain, walk, download and prepare do; `score_commands` has the other commands.

Results go to stdout, everything else to stderr. What loads torch is imported only where a command
needs it, so that the others answer at once.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.errors import CaptionerError, ImageError
from captioner.options import DecodingOptions, from_arguments

if TYPE_CHECKING:
    from captioner.caption import Caption
    from captioner.model import Captioner

DONE, FAILED, WRONG_USAGE = 0, 1, 2
# Pictures that are read, captioned and printed together: large enough for the encoder's batch,
# small enough that the first caption is soon there.
CHUNK = 16


def caption(arguments: argparse.Namespace) -> int:
    """`captioner caption`: prints a caption for each picture, and for each failure why."""
    # Wrong usage is said before torch takes seconds to load.
    options = decoding_options(arguments)

    from captioner.checkpoint import load
    from captioner.images import find_images
    from captioner.report import MapFolder, Report

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


def explain(arguments: argparse.Namespace) -> int:
    """`captioner explain`: says whether the maps of a caption's words are true."""
    options = _asked(arguments)

    from captioner.checkpoint import load
    from captioner.explain import examine
    from captioner.verdict import told

    model = load(arguments.model)
    caption, places = _chosen_words(model, arguments, options)
    found = examine(model, arguments.image, caption, places, progress=True)
    if arguments.json:
        words = [one.as_dict() for one in found]
        print(json.dumps({"image": arguments.image, "caption": caption.text, "words": words}))
        return DONE
    print(f"{caption.text}\n\n{told(found)}")
    return DONE


def walk(arguments: argparse.Namespace) -> int:
    """`captioner walk`: prints the numbers that were computed on the way to a word."""
    options = _asked(arguments)
    if arguments.json and (arguments.layer is not None or arguments.head is not None):
        arguments.refuse("--json has every layer and head: leave out --layer and --head")

    from captioner.checkpoint import load
    from captioner.walk import told
    from captioner.walk import walk as run

    model = load(arguments.model)
    caption, places = _chosen_words(model, arguments, options)
    walks = [run(model, arguments.image, caption, place) for place in places]
    if arguments.json:
        words = [one.as_dict() for one in walks]
        print(json.dumps({"image": arguments.image, "caption": caption.text, "words": words}))
        return DONE
    try:
        texts = [told(one, layer=arguments.layer, head=arguments.head) for one in walks]
    except ValueError as error:
        raise CaptionerError(str(error)) from error
    print("\n\n".join([caption.text, *texts]))
    return DONE


def _asked(arguments: argparse.Namespace) -> DecodingOptions:
    """The decoding options of a command that takes `--word`; an empty one is wrong usage."""
    if arguments.word is not None and not arguments.word.strip():
        arguments.refuse("--word is empty: give a word of the caption, or leave it out for all")
    return decoding_options(arguments)


def _chosen_words(
    model: "Captioner", arguments: argparse.Namespace, options: DecodingOptions
) -> "tuple[Caption, list[int]]":
    """The caption that is asked about, `--text` or the model's own, and the places of `--word`.

    Raises:
        CaptionerError: there is no word in the text, or the word is not in the caption.
    """
    if arguments.text is not None:
        try:
            caption = model.explain(arguments.image, arguments.text)
        except ValueError as error:
            raise CaptionerError(str(error)) from error
        if strange := [repr(word.text) for word in caption.words if not word.known]:
            told = f"captioner: the model does not know {', '.join(strange)} and reads <unk> there"
            print(told, file=sys.stderr)
    else:
        caption = model.caption(arguments.image, options=options)
    places = list(range(len(caption.words)))
    if arguments.word is not None:
        places = [i for i in places if caption.words[i].text == arguments.word.strip().lower()]
        if not places:
            raise CaptionerError(f"the caption has no word {arguments.word!r}: {caption.text}")
    return caption, places


def download(arguments: argparse.Namespace) -> int:
    """`captioner download`: fetches a data set, says what it takes first, and checks it."""
    from captioner.archives import DOWNLOADS
    from captioner.download import download as run

    try:
        run(DOWNLOADS[arguments.name], arguments.output, keep_archives=arguments.keep_archives)
    except KeyboardInterrupt:
        print("stopped; the same command goes on with what is there", file=sys.stderr)
        raise
    print(arguments.output)
    return DONE


def prepare(arguments: argparse.Namespace) -> int:
    """`captioner prepare`: turns a data set as distributed into COCO captions JSON."""
    from captioner.prepare import prepare as run

    try:
        prepared = run(
            arguments.layout,
            arguments.source,
            arguments.output,
            entities=arguments.entities,
            images=arguments.images,
        )
    except ValueError as error:
        return refuse(error, WRONG_USAGE)
    for note in prepared.notes:
        print(note, file=sys.stderr)
    for name, split in prepared.splits.items():
        path = Path(arguments.output) / f"captions_{name}.json"
        print(f"{path}\t{len(split['images'])} pictures\t{len(split['annotations'])} captions")
    print(f"give --images {prepared.images} with these files", file=sys.stderr)
    return DONE


def decoding_options(arguments: argparse.Namespace) -> DecodingOptions:
    """The options of a command line; wrong ones end it as wrong usage."""
    try:
        return from_arguments(DecodingOptions, arguments)
    except ValueError as error:
        arguments.refuse(str(error))


def _print_failure(path: Any, error: Exception, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"image": str(path), "error": str(error)}), flush=True)
    else:
        refuse(error)


def refuse(error: Exception, code: int = FAILED) -> int:
    """Says on stderr what is wrong, in one sentence; gives the exit code."""
    print(f"captioner: {error}", file=sys.stderr)
    return code
