"""What the benchmarks share that train a model for each row of a table: data, finished rows."""

import argparse
import json
from pathlib import Path

from captioner.data import CaptionDataset
from captioner.errors import CaptionerError
from captioner.splits import DataConfig, read_splits

ROW = "row.json"


def parser(description: str, output: str) -> argparse.ArgumentParser:
    """A parser that asks for the data.

    Args:
        output: default folder of the rows' runs.
    """
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--train-annotations", required=True, metavar="FILE")
    made.add_argument("--validation-annotations", required=True, metavar="FILE")
    made.add_argument("--images", required=True, metavar="DIR")
    made.add_argument("--output", type=Path, default=Path(output), help="folder of the rows' runs")
    return made


def read_data(
    asked: argparse.ArgumentParser, arguments: argparse.Namespace
) -> tuple[DataConfig, tuple[CaptionDataset, CaptionDataset]]:
    """The data that was asked for, with its training and validation split; ends if it is broken."""
    data = DataConfig(
        train_annotations=arguments.train_annotations,
        validation_annotations=arguments.validation_annotations,
        images=arguments.images,
    )
    try:
        return data, read_splits(data)
    except CaptionerError as error:
        asked.error(str(error))


def read_row(folder: Path) -> dict | None:
    """What was measured of a row that is done."""
    path = folder / ROW
    return json.loads(path.read_text()) if path.exists() else None


def write_row(folder: Path, row: dict) -> None:
    """Keeps a row."""
    (folder / ROW).write_text(json.dumps(row) + "\n")
