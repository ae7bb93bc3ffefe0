"""Times our scores beside the official programs: `python benchmarks/scores.py captions.json`.

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

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from captioner.data import read_references
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

    given = dict(islice(read_references(arguments.annotations).items(), arguments.captions))
    said = {key: captions[0] for key, captions in given.items()}
    references = {key: captions[1:] for key, captions in given.items()}
    wanted, ours = _timed(lambda: {k: list(map(tokenize, own)) for k, own in references.items()})
    spoken, more = _timed(lambda: {key: tokenize(text) for key, text in said.items()})
    (coco_wanted, coco_spoken), official = _timed(
        lambda: (
            PTBTokenizer().tokenize({k: [_row(c) for c in own] for k, own in references.items()}),
            PTBTokenizer().tokenize({key: [_row(text)] for key, text in said.items()}),
        )
    )
    rows = [("tokens", ours + more, official)]
    pairs = list(wanted.values()), list(spoken.values())
    for name, own, scorer in (
        ("BLEU-1 to 4", lambda: bleu(*pairs), Bleu(4)),
        ("ROUGE-L", lambda: list(map(rouge_l, *pairs)), Rouge()),
        ("CIDEr-D", lambda: CiderD(wanted).scores(spoken.keys(), spoken.values()), Cider()),
    ):
        _, ours = _timed(own)
        _, official = _timed(lambda scorer=scorer: scorer.compute_score(coco_wanted, coco_spoken))
        rows.append((name, ours, official))
    _, everything = _timed(lambda: score(said, references, "benchmark").intervals())
    rows.append(("all, ours with intervals", everything, sum(official for *_, official in rows)))

    print(f"{len(said)} captions, {sum(map(len, references.values()))} references\n")
    print("| | captioner | pycocoevalcap | times |\n|---|---|---|---|")
    for name, ours, official in rows:
        print(f"| {name} | {ours:.2f} s | {official:.2f} s | {official / ours:.1f} |")
    reward, known = CiderD(wanted), list(spoken)
    # Captions of neighbours: about as much in common as samples have, five for each picture.
    sampled = [spoken[known[i - k]] for i in range(len(known)) for k in range(5)]
    keys = [key for key in known for _ in range(5)]
    _, seconds = _timed(lambda: reward.scores(keys, sampled))
    print(f"\nCIDEr-D as a reward: {len(keys) / seconds:,.0f} captions a second on one core")


def _row(caption: str) -> dict[str, str]:
    return {"caption": caption}


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        result = work()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    main()
