"""Our scores beside the official ones, and their time: `python benchmarks/scores.py captions.json`.

The first caption of each picture is scored against its others, from raw text, on `--captions`
pictures (Flickr8k's training split has 5,977). The official METEOR is left out: ours is it.
The reward is what self-critical training asks for: single captions of known pictures.
"""

import argparse
import contextlib
import io
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from captioner.data import read_references
from captioner.errors import DataError
from captioner.metrics.bleu import bleu
from captioner.metrics.cider import CiderD
from captioner.metrics.rouge import rouge_l
from captioner.scoring import score
from captioner.tokenizer import tokenize


def main() -> None:
    parser = argparse.ArgumentParser(description="Time our scores beside the official programs.")
    parser.add_argument("annotations", type=Path, help="COCO captions JSON")
    parser.add_argument("--captions", type=int, default=5000, help="pictures to score")
    arguments = parser.parse_args()
    try:
        given = read_references(arguments.annotations)
    except DataError as error:
        parser.error(str(error))
    several = ((key, captions) for key, captions in given.items() if len(captions) > 1)
    chosen = dict(islice(several, max(0, arguments.captions)))
    if not chosen:
        parser.error("there is no picture with two captions among those asked for")
    hypotheses = {key: captions[0] for key, captions in chosen.items()}
    references = {key: captions[1:] for key, captions in chosen.items()}
    compare(hypotheses, references)
    reward(hypotheses, references)


def compare(hypotheses: dict, references: dict) -> None:
    """Prints each score as both programs give it from raw text, and what it took them."""
    wanted, ours = _timed(lambda: {k: list(map(tokenize, own)) for k, own in references.items()})
    said, more = _timed(lambda: {key: tokenize(text) for key, text in hypotheses.items()})
    (coco_wanted, coco_said), official = _timed(
        lambda: (
            PTBTokenizer().tokenize({k: [_row(c) for c in own] for k, own in references.items()}),
            PTBTokenizer().tokenize({key: [_row(text)] for key, text in hypotheses.items()}),
        )
    )
    rows = [("tokens", "", "", ours + more, official)]
    pairs = list(wanted.values()), list(said.values())
    for name, own, scorer in (
        ("BLEU-4", lambda: bleu(*pairs).values[3], Bleu(4)),
        ("ROUGE-L", lambda: np.mean(list(map(rouge_l, *pairs))), Rouge()),
        ("CIDEr-D", lambda: CiderD(wanted).scores(said.keys(), said.values()).mean(), Cider()),
    ):
        value, ours = _timed(own)
        (found, _), official = _timed(lambda s=scorer: s.compute_score(coco_wanted, coco_said))
        official_value = 100 * float(np.ravel(found)[-1])
        rows.append((name, f"{value:.6f}", f"{official_value:.6f}", ours, official))
    _, everything = _timed(lambda: score(hypotheses, references, "benchmark").intervals())
    rows.append(("all, ours with intervals", "", "", everything, sum(row[-1] for row in rows)))
    print(f"{len(hypotheses)} captions, {sum(map(len, references.values()))} references\n")
    print("| | captioner | pycocoevalcap | captioner | pycocoevalcap | times |")
    print("|---|---|---|---|---|---|")
    for name, value, official_value, ours, official in rows:
        print(
            f"| {name} | {value} | {official_value} | {ours:.2f} s | {official:.2f} s "
            f"| {official / ours:.1f} |"
        )


def reward(hypotheses: dict, references: dict) -> None:
    """Prints how many captions a second CIDEr-D scores when the references are prepared."""
    prepared = CiderD({key: list(map(tokenize, own)) for key, own in references.items()})
    said, keys = [tokenize(text) for text in hypotheses.values()], list(hypotheses)
    # Captions of neighbours: about as much in common as samples have, five for each picture.
    sampled = [said[i - k] for i in range(len(said)) for k in range(5)]
    _, seconds = _timed(lambda: prepared.scores([key for key in keys for _ in range(5)], sampled))
    print(f"\nCIDEr-D as a reward: {len(sampled) / seconds:,.0f} captions a second on one core")


def _row(caption: str) -> dict[str, str]:
    return {"caption": caption}


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        result = work()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    main()
