"""The scores of one model on one data set, for people: a text table, and one self-contained page.

Both take the JSON values that the commands print, so that no number is told in two ways.
"""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from captioner.caption import Caption
from captioner.data import Picture
from captioner.report import embedded_sheet, page_head, sentence

_CENTER_NOTE = (
    "Mass is the share of attention inside the boxes, pointing how often the brightest cell is; "
    "both 0-100, beside a flat map and the mean map of all words, which finds what photographers "
    "put in the middle. A scene's box is about the whole picture: scenes count for their own kind "
    "alone."
)
_GROUNDINGS = {
    "grounding": "words of human captions, read by the model",
    "grounding_own": "words of its own captions that name a boxed thing",
}
_GROUNDING_COLUMNS = ("words", "mass", "mass_center", "mass_uniform", "pointing", "pointing_center")
_FAITHFULNESS_NOTE = (
    "The area under the word's probability while cells are hidden (deletion, lower is better) or "
    "shown (insertion, higher is better) in three orders, 0-100. The order of occlusion, each cell "
    "hidden alone, is about the best that an order can do; attention should come near it and stay "
    "clear of random."
)


@dataclass(frozen=True)
class Example:
    """One picture of the page.

    Attributes:
        scores: of the caption, as `ImageScores.as_list` gives them.
    """

    picture: Picture
    caption: Caption
    scores: Mapping[str, Any]


def score_table(values: Mapping[str, Any]) -> str:
    """The scores as lines of text, see `Scores.as_dict`."""
    compared = values.get("against", {})
    lines = []
    for name, shown, interval in _plain(values):
        line = f"{name:13} {shown}"
        if interval:
            line += f"   95 %: {interval}"
        if name in compared:
            one = compared[name]
            line += f"   against: {one['difference']:+.2f}, better in {one['better']:.1%} of rounds"
        lines.append(line)
    for name in _GROUNDINGS:
        for kind, part in _kinds(values, name):
            shown = ", ".join(f"{n} {part[n]:.1f}" for n in _GROUNDING_COLUMNS[1:])
            lines.append(f"{kind:13} {shown} ({part['words']} words)")
    for order, areas in _orders(values):
        lines.append(
            f"{order:13} deletion {areas['deletion']:.1f}, insertion {areas['insertion']:.1f}"
        )
    if faithfulness := values.get("faithfulness"):
        shown, words = faithfulness["correlation"], faithfulness["words"]
        lines.append(f"{'correlation':13} {shown:+.2f} of alpha with occlusion ({words} words)")
    return "\n".join(lines)


def results_page(
    values: Mapping[str, Any], best: Sequence[Example], worst: Sequence[Example]
) -> str:
    """One HTML page that needs no other file.

    Args:
        values: see `Scores.as_dict`, with `intervals` and perhaps `faithfulness`.
        best, worst: pictures from either end by CIDEr, the extreme first.
    """
    parts = [
        page_head("Scores, and where the model looked"),
        "<p>BLEU, METEOR and ROUGE-L are 0-100, CIDEr can go above; an interval holds 95 % of the "
        "scores of resampled pictures.</p>",
        _table(("score", "", "95 %"), _plain(values)),
    ]
    groundings = [(title, _kinds(values, name)) for name, title in _GROUNDINGS.items()]
    if any(rows for _, rows in groundings):
        parts.append(f"<h2>Do the maps agree with people's boxes?</h2><p>{_CENTER_NOTE}</p>")
    for title, rows in groundings:
        if rows:
            named = ((kind, part["words"], *_rounded(part)) for kind, part in rows)
            columns = ("", *(name.replace("_", " ") for name in _GROUNDING_COLUMNS))
            parts += [f"<h3>{title.capitalize()}</h3>", _table(columns, named)]
    if orders := list(_orders(values)):
        rows = ((name, f"{a['deletion']:.1f}", f"{a['insertion']:.1f}") for name, a in orders)
        found = values["faithfulness"]
        parts += [
            f"<h2>Do the words hang on what was looked at?</h2><p>{_FAITHFULNESS_NOTE}</p>",
            _table(("order", "deletion", "insertion"), rows),
            f"<p>Rank correlation of attention with occlusion: {found['correlation']:+.2f}, mean "
            f"over {found['words']} words.</p>",
        ]
    for title, examples in (("Best", best), ("Worst", worst)):
        parts.append(f"<h2>{title} by CIDEr</h2>")
        parts += map(_article, examples)
    return "\n".join([*parts, "</html>\n"])


def _plain(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Each score that is one number or text: name, value and interval as they are shown."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            continue
        shown = f"{value:.2f}" if isinstance(value, float) else "-" if value is None else str(value)
        ends = values.get("intervals", {}).get(name)
        yield name, shown, f"{ends[0]:.2f} to {ends[1]:.2f}" if ends else ""


def _kinds(values: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
    """A grounding as named rows: all words, then each kind."""
    if name not in values:
        return []
    whole = values[name]
    return [(name.replace("_", " "), whole), *whole.get("by_kind", {}).items()]


def _orders(values: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    found = values.get("faithfulness", {})
    yield from ((name, areas) for name, areas in found.items() if isinstance(areas, Mapping))


def _rounded(part: Mapping[str, float]) -> Iterator[str]:
    return (f"{part[name]:.1f}" for name in _GROUNDING_COLUMNS[1:])


def _table(columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _article(example: Example) -> str:
    text = html.escape(sentence(example.caption.text))
    image = embedded_sheet(example.picture.path, example.caption, text)
    scores = ", ".join(
        f"{name} {value:.1f}" for name, value in example.scores.items() if name != "image_id"
    )
    people = "".join(f"<li>{html.escape(said)}</li>" for said in example.picture.captions)
    return (
        f"<article><h3>{text}</h3>{image}<p>{html.escape(example.picture.path.name)}: {scores}</p>"
        f"<p>People said:</p><ul>{people}</ul></article>"
    )
