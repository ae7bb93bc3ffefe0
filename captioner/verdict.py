"""What the numbers of `explain` say of a caption's maps: a table for a terminal, and a sentence."""

import math
from collections.abc import Sequence

from captioner.attended import is_flat
from captioner.errors import counted
from captioner.explain import Faithfulness


def told(found: Sequence[Faithfulness]) -> str:
    """A row for each word, what the columns are, and the verdict."""
    agreement = agreement_from(found[0].word.alpha.size)
    lines = [f"{'':14}  probability  correlation  deletion (random)  insertion (random)"]
    for one in found:
        known = "" if one.word.known else "   the model does not know this word"
        lines.append(
            f"{one.word.text:14}  {one.word.probability:11.0%}  {one.correlation:+11.2f}  "
            f"{one.attention.deletion:8.1f} ({one.random.deletion:6.1f})  "
            f"{one.attention.insertion:9.1f} ({one.random.insertion:6.1f}){known}"
        )
    lines.append(
        "\nHow likely the word stays (0-100) while cells are hidden in order of attention\n"
        "(deletion: lower is better) or shown in that order (insertion: higher is better); in\n"
        "brackets for a random order. Correlation: of attention with occlusion, how much hiding\n"
        f"each cell alone hurts; they agree from {agreement:+.2f} on.\n\n"
        f"Verdict: {verdict(found)}."
    )
    return "\n".join(lines)


def agreement_from(cells: int) -> float:
    """From what rank correlation on two maps are said to agree.

    Without any relation, of a hundred pairs about 98 stay below: two standard deviations.
    """
    return 2 / math.sqrt(max(1, cells - 1))


def verdict(found: Sequence[Faithfulness]) -> str:
    """Whether the maps of some words are better than chance, and agree with occlusion.

    A flat map has no order, and a word that the model does not know no probability of its own:
    both are left out. There is one random order a word: of meaningless maps half would beat it.
    """
    judged = [one for one in found if one.word.known and not is_flat(one.word.alpha)]
    if not judged:
        return "nothing can be said: each map is flat, or the model does not know the word"
    passed = {
        "better than a random order at deletion": [
            one.attention.deletion < one.random.deletion for one in judged
        ],
        "better than a random order at insertion": [
            one.attention.insertion > one.random.insertion for one in judged
        ],
        "in agreement with occlusion": [
            one.correlation >= agreement_from(one.word.alpha.size) for one in judged
        ],
    }
    if len(judged) == 1:
        subject = f"the map of {judged[0].word.text!r} is"
        parts = [what if all(held) else f"not {what}" for what, held in passed.items()]
    else:
        subject = f"of the maps of {len(judged)} words,"
        parts = [f"{sum(held)} {_verb(held)} {what}" for what, held in passed.items()]
    out = len(found) - len(judged)
    left = f" ({counted(out, 'word')} left out: the map is flat or the word unknown)" * (out > 0)
    return f"{subject} {', '.join(parts[:-1])}, and {parts[-1]}{left}"


def _verb(held: list[bool]) -> str:
    return "is" if sum(held) == 1 else "are"
