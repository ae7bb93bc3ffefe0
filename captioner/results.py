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
    lines = [
        f"{name:13} {shown}"
        + (f"   95 %: {interval}" if interval else "")
        + (f"   {compared}" if compared else "")
        for name, shown, interval, compared in _plain(values)
    ]
    for name in _GROUNDINGS:
        for kind, part in _kinds(values, name):
            shown = ", ".join(f"{n} {part[n]:.1f}" for n in _GROUNDING_COLUMNS[1:])
            lines.append(f"{kind:13} {shown} ({part['words']} words)")
    if faithfulness := values.get("faithfulness"):
        pictures, words = faithfulness["pictures"], faithfulness["words"]
        lines.append(f"faithfulness of the maps of {words} words in {pictures} pictures")
        lines += [
            f"  {order:11} deletion {areas['deletion']:.1f}, insertion {areas['insertion']:.1f}"
            for order, areas in _orders(values)
        ]
        shown = faithfulness["correlation"]
        lines.append(f"  {'correlation':11} {shown:+.2f} of alpha with occlusion")
    return "\n".join(lines)


def results_page(
    title: str, values: Mapping[str, Any], best: Sequence[Example], worst: Sequence[Example]
) -> str:
    """One HTML page that needs no other file.

    Args:
        title: what was scored, and when.
        values: see `Scores.as_dict`, with `intervals` and perhaps `against` and `faithfulness`.
        best, worst: pictures from either end by CIDEr, the extreme first.
    """
    rows = [row for row in _plain(values) if row[0] != "signature"]
    width = 4 if values.get("against") else 3
    columns = ("score", "", "95 % of resampled data sets", "against B")
    parts = [
        page_head("Scores, and where the model looked"),
        f"<p>{html.escape(title)}. BLEU, METEOR and ROUGE-L are 0-100, CIDEr can go above.</p>",
        _table(columns[:width], (row[:width] for row in rows)),
        f"<p>Signature: <code>{html.escape(values.get('signature', ''))}</code></p>",
        *_grounding_parts(values),
        *_faithfulness_parts(values),
    ]
    for heading, examples in (("Best", best), ("Worst", worst)):
        if examples:
            parts += [f"<h2>{heading} by CIDEr</h2>", *map(_article, examples)]
    return "\n".join([*parts, "</html>\n"])


def _grounding_parts(values: Mapping[str, Any]) -> Iterator[str]:
    groundings = [(title, _kinds(values, name)) for name, title in _GROUNDINGS.items()]
    if any(rows for _, rows in groundings):
        yield f"<h2>Do the maps agree with people's boxes?</h2><p>{_CENTER_NOTE}</p>"
    for title, rows in groundings:
        if rows:
            named = ((kind, part["words"], *_rounded(part)) for kind, part in rows)
            columns = ("", *(name.replace("_", " ") for name in _GROUNDING_COLUMNS))
            yield f"<h3>{title.capitalize()}</h3>"
            yield _table(columns, named)


def _faithfulness_parts(values: Mapping[str, Any]) -> Iterator[str]:
    if found := values.get("faithfulness"):
        rows = (
            (name, f"{areas['deletion']:.1f}", f"{areas['insertion']:.1f}")
            for name, areas in _orders(values)
        )
        yield f"<h2>Do the words hang on what was looked at?</h2><p>{_FAITHFULNESS_NOTE}</p>"
        yield _table(("order", "deletion", "insertion"), rows)
        yield (
            f"<p>Rank correlation of attention with occlusion: {found['correlation']:+.2f}; means "
            f"over {found['words']} words in {found['pictures']} pictures.</p>"
        )


def _plain(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Each score that is one number or text: name, value, interval and comparison as shown."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            continue
        shown = f"{value:.2f}" if isinstance(value, float) else "-" if value is None else str(value)
        ends = values.get("intervals", {}).get(name)
        one = values.get("against", {}).get(name)
        compared = one and (
            f"B: {one['other']:.2f}, {one['difference']:+.2f} ({one['low']:+.2f} to "
            f"{one['high']:+.2f}), better in {one['better']:.1%} of rounds"
        )
        yield name, shown, f"{ends[0]:.2f} to {ends[1]:.2f}" if ends else "", compared or ""


def _kinds(values: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
    """A grounding as named rows: all words, then each kind."""
    if name not in values:
        return []
    whole = values[name]
    kinds = whole.get("by_kind", {}).items()
    return [(name, whole), *((f"  {kind}", part) for kind, part in kinds)]


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
    # The words that were scored: captioned alone, a picture may get others in the last digit.
    text = html.escape(sentence(example.scores["caption"]))
    image = embedded_sheet(example.picture.path, example.caption, text)
    scores = ", ".join(
        f"{name} {value:.1f}"
        for name, value in example.scores.items()
        if name not in ("image_id", "caption")
    )
    people = "".join(f"<li>{html.escape(said)}</li>" for said in example.picture.captions)
    return (
        f"<article><h3>{text}</h3>{image}<p>{html.escape(example.picture.path.name)}: {scores}</p>"
        f"<p>People said:</p><ul>{people}</ul></article>"
    )
