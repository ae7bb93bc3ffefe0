import json

import numpy as np
import pytest
import torch
from conftest import add_boxes

from captioner.data import read_dataset
from captioner.evaluation import looks
from captioner.examples import Examples
from captioner.vocabulary import Vocabulary

WORDS = Vocabulary("a red green blue white circle square in the grey left".split())


@pytest.fixture
def dataset(drawn_pictures):
    """The drawn pictures; their second and third word are boxed, and one caption names a side."""
    file, folder, _ = drawn_pictures
    content = json.loads(file.read_text())
    content["annotations"][7]["caption"] = "a white square on the left"
    add_boxes(content, 1, 3, [0, 0, 30, 70])
    content["regions"][0]["kind"] = "scene"
    content["annotations"].append({"id": 99, "image_id": 2, "caption": "a square"})
    file.write_text(json.dumps(content))
    return read_dataset(file, folder)


def test_the_looks_of_a_batch_are_those_that_evaluation_takes(tiny_model, dataset):
    model = tiny_model
    examples = Examples(dataset, model.vocabulary, model.encoder.preprocessing)
    chosen = [1, 4, 0]
    batch = examples.batch(chosen, "0")
    assert batch.inputs.shape == (3 * 2, 7) and batch.mirrored == [False] * 3
    pictures = [dataset.pictures[i] for i in chosen]
    annotations, geometries = model.look([picture.path for picture in pictures])
    with torch.inference_mode():
        forced = model.decoder(model.decoder.remember(annotations), batch.inputs)
    expected = [look for look in looks(model, annotations, geometries, pictures)]
    expected = [look for look in expected if look.kinds != ("scene",)]
    alphas = forced.alphas[batch.rows, batch.steps].numpy()
    assert len(alphas) == len(expected) == 4
    for alpha, covered, look in zip(alphas, batch.covered, expected, strict=True):
        np.testing.assert_allclose(alpha, look.alpha.ravel(), atol=1e-5)
        np.testing.assert_allclose(covered, look.covered.ravel(), atol=1e-6)


def test_half_of_the_pictures_are_mirrored_with_their_boxes_but_none_that_names_a_side(
    tiny_model, dataset
):
    preprocessing = tiny_model.encoder.preprocessing
    examples = Examples(dataset, WORDS, preprocessing, mirror=True)
    batches = [examples.batch(range(8), str(seed)) for seed in range(50)]
    share = np.mean([batch.mirrored for batch in batches], axis=0)
    assert share[7] == 0 and all(0.3 < s < 0.7 for s in share[:7])
    for batch in batches[:5]:
        assert batch.mirrored == examples.batch(range(8), batch_seed(batches, batch)).mirrored
        for place, turned in enumerate(batch.mirrored):
            own = batch.covered[(batch.rows // 2) == place]
            for covered in own.view(-1, 2, 2):
                # The box is the left third of the picture; a cell is its half.
                left, right = covered[:, 0], covered[:, 1]
                assert ((right > left) if turned else (left > right)).all()


def batch_seed(batches, batch):
    return str(next(i for i, other in enumerate(batches) if other is batch))


def test_heads_are_words_with_the_cells_of_their_things(tiny_model, dataset):
    examples = Examples(dataset, WORDS, tiny_model.encoder.preprocessing)
    assert examples.heads[1].keys() == {"square"} and not examples.heads[0]  # a scene
    np.testing.assert_allclose(examples.heads[1]["square"], [2 / 3, 0, 2 / 3, 0], atol=1e-6)


def test_data_without_boxes_has_nothing_to_look_at(tiny_model, drawn_pictures):
    dataset = read_dataset(*drawn_pictures[:2])
    batch = Examples(dataset, WORDS, tiny_model.encoder.preprocessing).batch([0, 1], "0")
    assert len(batch.rows) == 0 and batch.covered.shape == (0, 4)
