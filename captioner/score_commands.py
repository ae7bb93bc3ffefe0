"""What the commands do that score: `captioner evaluate` and `captioner score`."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.commands import DONE, decoding_options

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
    _check_paths(arguments, writes=("results", "per_image", "report"))

    from captioner.checkpoint import load
    from captioner.data import read_dataset
    from captioner.evaluation import answer, describe, score_answers
    from captioner.explain import sample

    dataset = read_dataset(arguments.annotations, arguments.images)
    model = load(arguments.model)
    answers = answer(model, dataset, options)
    if arguments.results:
        results = [{"image_id": key, "caption": text} for key, text in answers.captions.items()]
        arguments.results.write_text(json.dumps(results) + "\n")
    scores = score_answers(answers, dataset.references(), describe(model, options))
    more = {}
    if arguments.faithfulness:
        more["faithfulness"] = sample(model, dataset, arguments.faithfulness, options)
    values = _values(arguments, scores, answers.captions, dataset.references()) | more
    _tell(arguments, values)
    if arguments.report:
        _report(arguments.report, model, dataset, options, scores, values)
    return DONE


def score(arguments: argparse.Namespace) -> int:
    """`captioner score`: scores captions of any model."""
    _check_paths(arguments, writes=("per_image",))

    from captioner.data import read_references, read_results
    from captioner.scoring import name_captions
    from captioner.scoring import score as run

    references = read_references(arguments.annotations)
    captions = read_results(arguments.results, references)
    scores = run(captions, references, name_captions(captions), with_meteor=True)
    _tell(arguments, _values(arguments, scores, captions, references))
    return DONE


def _check_paths(arguments: argparse.Namespace, writes: Sequence[str]) -> None:
    """Refuses what can be known to fail before minutes of work."""
    for name in ("against", "train_annotations"):
        path = getattr(arguments, name)
        if path and not path.is_file():
            arguments.refuse(f"there is no file {str(path)!r}")
    for name in writes:
        path = getattr(arguments, name)
        if path and not path.parent.is_dir():
            arguments.refuse(
                f"there is no folder {str(path.parent)!r} for --{name.replace('_', '-')}"
            )
        if path and path.is_dir():
            arguments.refuse(f"{str(path)!r} is a folder, --{name.replace('_', '-')} is a file")


def _values(
    arguments: argparse.Namespace,
    scores: "Scores",
    captions: Mapping[int | str, str],
    references: Mapping[int | str, list[str]],
) -> dict:
    """The scores as JSON values, with what the score options ask for."""
    from captioner.data import read_references, read_results
    from captioner.scoring import name_captions, share_new
    from captioner.scoring import score as run

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
    return values


def _tell(arguments: argparse.Namespace, values: dict) -> None:
    from captioner.results import score_table

    print(json.dumps(values) if arguments.json else score_table(values))


def _report(
    path: Path,
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
    chosen = [rows[:size], rows[size:][-size:][::-1]]
    best, worst = (
        [
            Example(
                picture=pictures[row["image_id"]],
                caption=model.caption(pictures[row["image_id"]].path, options=options),
                scores=row,
            )
            for row in end
        ]
        for end in chosen
    )
    path.write_text(results_page(values, best, worst), encoding="utf-8")
