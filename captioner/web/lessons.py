"""What the page teaches about one word, ready for JSON: the test of its map, and the numbers."""

from typing import Any

import numpy as np

from captioner.doubt import Doubt, Trial
from captioner.errors import counted
from captioner.report import sentence
from captioner.walk import Walk
from captioner.web.wording import HARD, percent

# Cells whose vectors are shown, and numbers of each.
VECTORS = 3
PARTS = 5

SUM = "Then it adds up what is in the cells, each as much as it was attended to."


def doubt_value(found: Doubt) -> dict[str, Any]:
    """The test of a map: a verdict, and a picture for each way of hiding."""
    trials = {"As it is": found.whole, "Hidden where it looked": found.looked}
    if found.elsewhere:
        trials["The same patch elsewhere"] = found.elsewhere[0]
    return {
        "word": found.word.text,
        "verdict": verdict(found),
        "trials": [trial_value(title, trial) for title, trial in trials.items()],
    }


def trial_value(title: str, trial: Trial) -> dict[str, Any]:
    """One way of hiding, and what became of it."""
    return {
        "title": title,
        "caption": sentence(trial.caption),
        "probability": trial.probability,
        "percent": percent(trial.probability),
        "hidden": [[int(row), int(column)] for row, column in zip(*trial.hidden.nonzero())],
    }


def no_verdict(word: str) -> str:
    """Why a flat map is not put to the test."""
    return (
        f"For “{word}” it looked everywhere alike, so there is no place to hide: this map says "
        "nothing about where the word comes from."
    )


def verdict(found: Doubt) -> str:
    """What to make of the test of a map."""
    count = len(found.elsewhere)
    hidden = (
        f"Hiding where it looked takes “{found.word.text}” from {percent(found.whole.probability)} "
        f"to {percent(found.looked.probability)}"
    )
    if not count:
        return (
            f"{hidden}; the same patch fits nowhere else, so there is nothing to compare it with."
        )
    if found.beaten == count:
        reading = "So this word did hang on what it looked at."
    elif found.beaten > count / 2:
        reading = "So this map is a fair hint, and no more."
    else:
        reading = "So for this word the map is a poor hint."
    return (
        f"{hidden}; the same patch in {counted(count, 'other place')} leaves "
        f"{percent(found.chance)} on average. It hurts more than {found.beaten} of these {count}. "
        f"{reading}"
    )


def walk_value(walk: Walk) -> dict[str, Any]:
    """The numbers of the last layer, in which each head has energies and shares of its own."""
    rows, columns, size = walk.annotations.shape
    vectors = walk.annotations.reshape(-1, size)
    weights = walk.selection.ravel()
    summed = [cell for cell in np.argsort(-weights, kind="stable")[:VECTORS] if weights[cell] > 0]
    lines = [
        {
            "name": f"{percent(float(weights[cell]))} of cell "
            f"({cell // columns + 1}, {cell % columns + 1})",
            "values": _rounded(vectors[cell][:PARTS]),
        }
        for cell in summed
    ]
    if walk.plain:
        lines.append({"name": "the sum", "values": _rounded(walk.weighted_sum[:PARTS])})
    name = "what the decoder gets"
    lines.append({"name": name, "values": _rounded(walk.context[:PARTS])})
    return {
        "word": walk.word,
        "before": list(walk.before),
        "size": size,
        "columns": columns,
        "sum": HARD if _takes_one(walk) else SUM,
        "energies": [_rounded(head.ravel()) for head in walk.energies[-1]],
        "shares": [_rounded(head.ravel()) for head in walk.heads[-1]],
        "vectors": lines,
        "gate": _gate(walk),
        "likeliest": [
            {"text": text, "probability": probability, "percent": percent(probability)}
            for text, probability in walk.likeliest
        ],
    }


def _takes_one(walk: Walk) -> bool:
    """Whether one cell has all the weight though it has not all the attention."""
    return walk.selection.max() == 1 and walk.alpha.max() < 1


def _gate(walk: Walk) -> str:
    sums = "" if walk.plain else "Each head sums values that it makes of the cells itself. "
    if walk.gate is None:
        return f"{sums}All of it goes to the decoder."
    if walk.sentinel:
        return (
            f"{sums}{percent(walk.gate)} of what the decoder gets is this sum, and the rest is "
            "what it remembers: it may look away."
        )
    return f"{sums}A gate lets in {percent(walk.gate)} of it."


def _rounded(values: np.ndarray) -> list[float]:
    return values.astype(float).round(6).tolist()
