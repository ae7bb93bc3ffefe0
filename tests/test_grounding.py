import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import add_boxes

from captioner.data import Picture, Region, read_dataset
from captioner.decoding import Hypothesis
from captioner.errors import DataError
from captioner.evaluation import evaluate, looks, looks_of_own
from captioner.geometry import RESIZES, Geometry, fit_image
from captioner.images import load_image
from captioner.metrics.grounding import Look, summarise
from captioner.options import DecodingOptions
from captioner.regions import regions_by_head, token_places

GRID = (4, 5)


def look(alpha, covered, kinds=("people",)):
    return Look(alpha, covered, covered > 0.5, kinds)


def test_a_map_that_is_the_box_scores_100_and_a_flat_one_the_boxs_area():
    covered = np.zeros(GRID)
    covered[1:3, 2:4] = 1
    on_box = summarise([look(covered / covered.sum(), covered)])
    assert (on_box.mass, on_box.pointing) == pytest.approx((100, 100))
    flat = summarise([look(np.full(GRID, 1 / 20), covered)])
    assert [flat.mass, flat.mass_uniform, flat.mass_center] == pytest.approx([20] * 3)
    beside = np.zeros(GRID)
    beside[0, 0] = 1
    missed = summarise([look(beside, covered)])
    assert (missed.mass, missed.pointing) == (0, 0)


def test_the_mean_map_is_a_control_of_its_own():
    one, other = np.zeros(GRID), np.zeros(GRID)
    one[0, 0] = other[3, 4] = 1
    result = summarise([look(one, one), look(other, other), look(other, other)])
    assert result.mass == 100 and result.mass_center == pytest.approx(100 * (1 + 2 * 2) / 9)
    assert result.pointing == 100 and result.pointing_center == pytest.approx(100 * 2 / 3)


def test_scenes_are_apart_and_two_kinds_count_for_both():
    box = np.zeros(GRID)
    box[0, 0] = 1
    found = [look(box, box), look(1 - box, box, ("scene",)), look(box, box, ("animals", "people"))]
    result = summarise(found)
    assert result.words == 2 and result.mass == 100
    assert {kind: part.words for kind, part in result.by_kind.items()} == {
        "animals": 1,
        "people": 2,
        "scene": 1,
    }
    assert summarise(found[1:2]) is None and summarise([]) is None


@pytest.mark.parametrize("resize", RESIZES)
def test_boxes_go_through_the_geometry_of_the_picture(resize, tmp_path):
    from PIL import Image

    _, geometry = fit_image(Image.new("RGB", (101, 67)), (80, 64), resize)
    boxes = [(10, 20, 30.5, 25), (30, 5, 20, 40), (90, 60, 50, 50)]
    # Brute force: many points of each cell, taken back to the original one by one.
    covered, centred = np.zeros(GRID), np.zeros(GRID, bool)
    fine = 40
    for row in range(GRID[0]):
        for column in range(GRID[1]):
            hits = 0
            for i in range(fine):
                for j in range(fine):
                    x = (column + (j + 0.5) / fine) * 80 / GRID[1]
                    y = (row + (i + 0.5) / fine) * 64 / GRID[0]
                    hits += inside(geometry, boxes, x, y)
            covered[row, column] = hits / fine**2
            x, y = (column + 0.5) * 80 / GRID[1], (row + 0.5) * 64 / GRID[0]
            centred[row, column] = inside(geometry, boxes, x, y)
    np.testing.assert_allclose(geometry.cover(boxes, GRID), covered, atol=0.03)
    np.testing.assert_array_equal(geometry.holds_centre(boxes, GRID), centred)


def inside(geometry, boxes, x, y):
    x = (x - geometry.offset[0]) / geometry.scale[0]
    y = (y - geometry.offset[1]) / geometry.scale[1]
    return any(a <= x < a + w and b <= y < b + h for a, b, w, h in boxes)


def test_a_box_of_the_whole_picture_covers_everything():
    geometry = Geometry((30, 20), (1.0, 1.0), (0.0, 0.0), (30, 20))
    np.testing.assert_allclose(geometry.cover([(0, 0, 30, 20)] * 2, GRID), 1)
    assert geometry.holds_centre([(0, 0, 30, 20)], GRID).all()
    hair = np.nextafter(30, 0)  # ends a rounding error before the edge
    np.testing.assert_allclose(geometry.cover([(0, 0, hair, 20)], GRID), 1)


def test_words_of_a_region_are_found_among_the_tokens():
    caption = "A man , who isn't tall , throws the dog's ball ."
    tokens = "a man who is n't tall throws the dog 's ball".split()
    for start, end, said in [
        (0, 2, "a man"),
        (3, 6, "who is n't tall"),
        (8, 11, "the dog 's ball"),
    ]:
        places = token_places(caption, Region(0, start, end, (), "people"))
        assert [tokens[place] for place in places] == said.split()


@pytest.fixture
def boxed(drawn_pictures):
    """The drawn pictures, with a box for the last words of each caption."""
    file, folder, _ = drawn_pictures
    content = json.loads(file.read_text())
    add_boxes(content, 4, 6, [0, 0, 45, 70])
    file.write_text(json.dumps(content))
    return file, folder, content


def test_looks_are_the_maps_of_reading_the_caption(tiny_model, boxed):
    dataset = read_dataset(*boxed[:2])
    pictures = dataset.pictures[:3]
    annotations, geometries = tiny_model.look([picture.path for picture in pictures])
    found = looks(tiny_model, annotations, geometries, pictures)
    assert len(found) == 3 * 2
    for number, picture in enumerate(pictures):
        read = tiny_model.explain(load_image(picture.path), picture.captions[0])
        for word, own in zip(read.words[4:6], found[2 * number : 2 * number + 2], strict=True):
            np.testing.assert_allclose(own.alpha, word.alpha, atol=1e-5)
            np.testing.assert_allclose(own.covered, [[1, 0], [1, 0]])


def test_own_words_are_looked_up_among_the_heads_of_phrases(tiny_model):
    geometry = Geometry((40, 20), (1.0, 1.0), (0.0, 0.0), (40, 20))
    left, right = (0.0, 0.0, 20.0, 20.0), (20.0, 0.0, 20.0, 20.0)
    picture = Picture(
        id=1,
        path=Path("x.jpg"),
        captions=("A red dog runs .", "two circle , a blue dog"),
        regions=(
            Region(0, 0, 3, (left,), "animals"),
            Region(1, 3, 6, (right,), "animals"),
            Region(1, 0, 3, (right,), "other"),  # ends in a comma: its head is "circle"
        ),
    )
    words = "the red dog runs circle".split()
    tokens = tuple(tiny_model.vocabulary.encode(words))
    alphas = torch.eye(4)[[0, 1, 0, 3, 1]]  # "dog" looks to the upper left, "circle" to its right
    said = Hypothesis(tokens, 0.0, (0.0,) * 5, (alphas, None), (), 0.0)
    dog, circle = looks_of_own(tiny_model, said, geometry, picture)
    assert dog.covered.all() and dog.kinds == ("animals",)  # both phrases speak of dogs
    np.testing.assert_array_equal(dog.alpha, [[1, 0], [0, 0]])
    np.testing.assert_array_equal(circle.covered, [[0, 1], [0, 1]])
    assert circle.kinds == ("other",) and summarise([circle]).pointing == 100


def test_grounding_is_among_the_scores_where_there_are_boxes(tiny_model, boxed):
    file, folder, content = boxed
    for region in content["regions"]:
        region.update(start=1, end=3)
    file.write_text(json.dumps(content))
    dataset = read_dataset(file, folder)
    with torch.no_grad():  # it says "square", the head of half the phrases, and nothing else
        tiny_model.decoder.output.bias[tiny_model.vocabulary.encode(["square"])] = 30.0
    options = DecodingOptions(beam_size=1, max_length=3)
    scores = evaluate(tiny_model, dataset, options, with_meteor=False)
    assert scores.grounding_own.words == 4 * 3 and "grounding_own" in scores.as_dict()
    grounding = scores.grounding
    assert grounding.words == 16 and grounding.mass_uniform == pytest.approx(50)
    shape = grounding.as_dict()
    assert shape["by_kind"].keys() == {"other"} and "by_kind" not in shape["by_kind"]["other"]


@pytest.mark.parametrize(
    "change",
    [
        {"boxes": []},
        {"boxes": [[0, 0, 5]]},
        {"boxes": [[0, 0, float("nan"), 5]]},
        {"boxes": [[0, 0, -1, 5]]},
        {"start": 5, "end": 5},
        {"start": -1},
        {"start": 0.5},
        {"end": 99},
        {"annotation_id": 1},
        {"annotation_id": 99},
        {"image_id": 99},
        {"kind": None, "boxes": None},
    ],
)
def test_wrong_regions_are_refused_by_number(boxed, change):
    file, folder, content = boxed
    content["regions"][3].update(change)
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match="has 1 wrong region .counted from 1.: 4; each needs"):
        read_dataset(file, folder)


def test_two_captions_with_one_id_have_no_regions(boxed):
    file, folder, content = boxed
    content["annotations"][1]["id"] = 1
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match="has 1 caption id used twice: 1"):
        read_dataset(file, folder)


def test_a_head_is_a_noun_and_a_thing_before_a_scene():
    regions = (
        Region(0, 0, 2, ((0, 0, 1, 1),), "people"),
        Region(0, 2, 3, ((0, 0, 2, 2),), "clothing"),
        Region(1, 0, 2, ((0, 0, 9, 9),), "scene"),
        Region(2, 0, 2, ((0, 0, 3, 3),), "other"),
    )
    picture = Picture(1, Path("x"), ("a man red", "the park", "a park"), regions)
    heads = regions_by_head(picture)
    assert heads == {"man": [regions[0]], "park": [regions[3]]}
