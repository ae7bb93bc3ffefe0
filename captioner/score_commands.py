"""What the commands do that score: `captioner evaluate` and `captioner score`."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.commands import DONE, decoding_options
from captioner.errors import CaptionerError

if TYPE_CHECKING:
    from captioner.data import CaptionDataset
    from captioner.model import Captioner
    from captioner.options import DecodingOptions
    from captioner.scoring import Scores

# Pictures at each end of a results page.
EXAMPLES = 8


def evaluate(arguments: argparse.Namespace) -> int:
    """`captioner evaluate`: captions a data set and prints its scores."""
    options = decoding_options(arguments)
    if arguments.faithfulness < 0:
        arguments.refuse(f"--faithfulness must be at least 0, not {arguments.faithfulness}")
    check_paths(arguments, writes=("results", "per_image", "report"))

    from captioner.checkpoint import load
    from captioner.data import read_dataset
    from captioner.evaluation import answer, describe, score_answers
    from captioner.explain import sample

    dataset = read_dataset(arguments.annotations, arguments.images)
    references = dataset.references()
    beside = _read_beside(arguments, references)
    model = load(arguments.model)
    answers = answer(model, dataset, options)
    if arguments.results:
        results = [{"image_id": key, "caption": text} for key, text in answers.captions.items()]
        write(arguments.results, json.dumps(results) + "\n")
    made_by = describe(model, options)
    scores = score_answers(answers, references, made_by, with_meteor=arguments.meteor)
    values = _values(arguments, scores, answers.captions, references, beside)
    if arguments.faithfulness:
        values["faithfulness"] = sample(model, dataset, arguments.faithfulness, options)
    _tell(arguments, values)
    if arguments.report:
        _report(arguments, model, dataset, options, scores, values)
    return DONE


def score(arguments: argparse.Namespace) -> int:
    """`captioner score`: scores captions of any model."""
    check_paths(arguments, writes=("per_image",))

    from captioner.data import read_references, read_results
    from captioner.scoring import name_captions
    from captioner.scoring import score as run

    references = read_references(arguments.annotations)
    captions = read_results(arguments.results, references, subset=arguments.subset)
    if len(captions) < len(references):
        told = f"scoring the {len(captions)} pictures of {len(references)} that have a result"
        print(told, file=sys.stderr)
        references = {key: references[key] for key in references if key in captions}
    beside = _read_beside(arguments, references)
    made_by = name_captions(captions)
    scores = run(captions, references, made_by, with_meteor=arguments.meteor)
    _tell(arguments, _values(arguments, scores, captions, references, beside))
    return DONE


def check_paths(arguments: argparse.Namespace, writes: Sequence[str]) -> None:
    """Refuses paths that can be known to fail, or to destroy an input, before minutes of work.

    Args:
        writes: names of the options whose files are written.
    """
    given = {name: value for name, value in vars(arguments).items() if isinstance(value, Path)}
    outputs = [(name, given.pop(name)) for name in writes if name in given]
    for name in ("against", "train_annotations"):
        if name in given and not given[name].is_file():
            arguments.refuse(f"there is no file {str(given[name])!r} for {_flag(name)}")
    for name, path in outputs:
        if not path.parent.is_dir():
            arguments.refuse(f"there is no folder {str(path.parent)!r} for {_flag(name)}")
        if path.is_dir():
            arguments.refuse(f"{str(path)!r} is a folder, {_flag(name)} is a file")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            arguments.refuse(f"{str(path)!r} can't be written, which {_flag(name)} asks for")
        for other, used in given.items():
            if used.resolve() == path.resolve():
                arguments.refuse(f"{_flag(name)} would overwrite the file of {_flag(other)}")
        given[name] = path


def write(path: Path, text: str) -> None:
    """Writes a file that was asked for.

    Raises:
        CaptionerError: it can't be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CaptionerError(f"can't write {str(path)!r}: {error.strerror}") from error


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _read_beside(
    arguments: argparse.Namespace, references: Mapping[int | str, list[str]]
) -> tuple[dict[int | str, str] | None, list[str] | None]:
    """What the captions are set beside: those of `--against`, and the training captions."""
    from captioner.data import read_references, read_results

    others, training = None, None
    if arguments.against:
        others = read_results(arguments.against, references)
    if arguments.train_annotations:
        training = list(chain(*read_references(arguments.train_annotations).values()))
    return others, training


def _values(
    arguments: argparse.Namespace,
    scores: "Scores",
    captions: Mapping[int | str, str],
    references: Mapping[int | str, list[str]],
    beside: tuple[dict[int | str, str] | None, list[str] | None],
) -> dict:
    """The scores as JSON values, with what the score options ask for."""
    from captioner.scoring import name_captions, share_new
    from captioner.scoring import score as run

    others, training = beside
    values = scores.as_dict()
    if training is not None:
        values["new"] = share_new(captions.values(), training)
    values["intervals"] = {name: list(ends) for name, ends in scores.intervals().items()}
    if others is not None:
        compared = scores.against(run(others, references, name_captions(others)))
        values["against"] = {name: asdict(one) for name, one in compared.items()}
    if arguments.per_image:
        write(arguments.per_image, json.dumps(scores.per_image.as_list()) + "\n")
    return values


def _tell(arguments: argparse.Namespace, values: dict) -> None:
    from captioner.results import score_table

    print(json.dumps(values) if arguments.json else score_table(values))


def _report(
    arguments: argparse.Namespace,
    model: "Captioner",
    dataset: "CaptionDataset",
    options: "DecodingOptions",
    scores: "Scores",
    values: dict,
) -> None:
    """Writes the results page with the best and the worst pictures, captioned again for maps."""
    from captioner.results import Example, results_page

    pictures = {picture.id: picture for picture in dataset.pictures}
    rows = sorted(scores.per_image.as_list(), key=lambda row: -row["CIDEr"])
    size = min(EXAMPLES, (len(rows) + 1) // 2)
    best, worst = (
        [
            Example(
                picture=pictures[row["image_id"]],
                caption=model.caption(pictures[row["image_id"]].path, options=options),
                scores=row,
            )
            for row in end
        ]
        for end in (rows[:size], rows[size:][-size:][::-1])
    )
    title = f"{arguments.annotations.name}, {datetime.now():%Y-%m-%d}"
    write(arguments.report, results_page(title, values, best, worst))
