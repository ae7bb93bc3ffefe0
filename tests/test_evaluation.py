import json

from captioner.checkpoint import load, save
from captioner.data import read_dataset
from captioner.evaluation import answer, describe, evaluate
from captioner.options import DecodingOptions
from captioner.scoring import score


def test_every_picture_is_captioned_once(tiny_model, drawn_pictures):
    file, folder, _ = drawn_pictures
    dataset = read_dataset(file, folder)
    options = DecodingOptions(beam_size=2)
    answers = answer(tiny_model, dataset, options)
    captions = answers.captions
    assert answers.grounding is None and answers.grounding_own is None  # no boxes in the data
    assert list(captions) == list(range(1, 9))
    assert captions[4] == tiny_model.caption(dataset.pictures[3].path, options=options).text
    scores = evaluate(tiny_model, dataset, options, with_meteor=False)
    assert scores == score(captions, dataset.references(), describe(tiny_model, options))
    assert json.loads(json.dumps(scores.as_dict()))["images"] == 8


def test_evaluation_is_repeatable_to_the_bit(tiny_model, drawn_pictures):
    dataset = read_dataset(*drawn_pictures[:2])
    first, second = (evaluate(tiny_model, dataset, with_meteor=False) for _ in range(2))
    assert first == second


def test_a_model_and_its_saved_copy_have_one_name(tiny_model, tmp_path):
    save(tiny_model, tmp_path / "model")
    options = DecodingOptions()
    assert describe(tiny_model, options) == describe(load(tmp_path / "model"), options)


def test_the_signature_names_the_weights_and_the_decoding(tiny_model):
    options = DecodingOptions(beam_size=3)
    before = describe(tiny_model, options)
    assert "beam:3" in before and before == describe(tiny_model, options)
    tiny_model.decoder.gate.bias.data += 1
    assert describe(tiny_model, options) != before
