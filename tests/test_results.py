import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from captioner.data import Picture
from captioner.errors import ImageError
from captioner.results import Example, results_page, score_table

PART = {
    "words": 7,
    "mass": 51.93,
    "mass_uniform": 26.2,
    "mass_center": 36.2,
    "pointing": 59.7,
    "pointing_center": 49.8,
}
VALUES = {
    "BLEU-4": 21.004,
    "METEOR": None,
    "images": 12,
    "signature": "a|b",
    "grounding": {**PART, "by_kind": {"animals": {**PART, "words": 3}}},
    "grounding_own": {**PART, "pointing": 61.0, "by_kind": {}},
    "faithfulness": {
        "pictures": 4,
        "words": 9,
        "correlation": 0.3,
        "attention": {"deletion": 30.9, "insertion": 50.0},
        "random": {"deletion": 32.5, "insertion": 40.0},
    },
    "intervals": {"BLEU-4": [19.5, 22.25]},
    "against": {
        "BLEU-4": {
            "other": 22.5,
            "difference": -1.5,
            "low": -2,
            "high": -1,
            "better": 0.031,
        }
    },
}


def test_the_table_has_every_number_once():
    lines = [line.split() for line in score_table(VALUES).splitlines()]
    assert lines[0] == (
        "BLEU-4 21.00 95 %: 19.50 to 22.25 "
        "B: 22.50, -1.50 (-2.00 to -1.00), better in 3.1% of rounds".split()
    )
    assert ["METEOR", "-"] in lines and ["images", "12"] in lines and ["signature", "a|b"] in lines
    firsts = [line[0] for line in lines]
    after = "grounding animals grounding_own faithfulness attention random correlation"
    assert firsts[4:] == after.split()
    assert "deletion 30.9, insertion 50.0" in score_table(VALUES)
    assert "(3 words)" in score_table(VALUES) and "+0.30 of alpha" in score_table(VALUES)


def test_a_table_of_captions_alone_has_no_maps():
    values = {"BLEU-4": 21.0, "intervals": {}}
    assert score_table(values).split() == ["BLEU-4", "21.00"]
    page = results_page("dev", values, [], [])
    assert "boxes" not in page and "deletion" not in page


@pytest.fixture
def example(tiny_model, tmp_path):
    path = tmp_path / "a<b>.png"
    Image.new("RGB", (80, 50), (10, 120, 200)).save(path)
    picture = Picture(id=4, path=path, captions=("A <i>dog</i> & a cat .",))
    caption = tiny_model.caption(path, beam_size=1)
    return Example(
        picture, caption, {"image_id": 4, "caption": caption.text, "BLEU-4": 0.0, "CIDEr": 12.34}
    )


def test_the_page_is_one_file_with_scores_examples_and_maps(example):
    page = results_page("dev & 2026", VALUES, [example], [example])
    assert re.findall(r"<td>(.*?)</td>", page)[:3] == ["BLEU-4", "21.00", "19.50 to 22.25"]
    assert "B: 22.50, -1.50" in page and "dev &amp; 2026" in page and "in 4 pictures" in page
    rows = re.findall(r"<tr><td>(.*?)</td></tr>", page)
    rows = [row.split("</td><td>") for row in rows]
    assert ["  animals", "3", "51.9", "36.2", "26.2", "59.7", "49.8"] in rows
    assert ["attention", "30.9", "50.0"] in rows
    assert page.index("Best by CIDEr") < page.index("<article>") < page.index("Worst by CIDEr")
    assert page.count("<article>") == 2 and page.count("data:image/jpeg;base64,") == 2
    assert "CIDEr 12.3" in page and "http" not in page and page.rstrip().endswith("</html>")


def test_text_stays_text(example):
    page = results_page("<u>", {**VALUES, "signature": "<script>"}, [example], [])
    assert "<script>" not in page and "<i>" not in page and "<u>" not in page and "<b>" not in page
    assert "A &lt;i&gt;dog&lt;/i&gt; &amp; a cat ." in page and "a&lt;b&gt;.png" in page


def test_a_picture_that_is_gone_is_an_error_with_its_name(example):
    gone = replace(example, picture=replace(example.picture, path=Path("gone.jpg")))
    with pytest.raises(ImageError, match="gone.jpg"):
        results_page("dev", VALUES, [gone], [])
