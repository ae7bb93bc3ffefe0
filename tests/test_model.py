from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import TINY, WORDS
from PIL import Image

from captioner.assembly import new_model
from captioner.errors import ImageError
from captioner.model import ModelConfig
from captioner.options import DecodingOptions
from captioner.vocabulary import Vocabulary


@pytest.fixture
def photo():
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (60, 90, 3), np.uint8))


def test_a_caption_has_a_map_that_sums_to_one_for_each_word(tiny_model, photo):
    caption = tiny_model.caption(photo, beam_size=3)
    assert caption.words and caption.text == " ".join(word.text for word in caption.words)
    assert caption.grid == (2, 2) and caption.geometry.size == (90, 60)
    for word in caption.words:
        assert word.alpha.shape == (2, 2) and word.alpha.sum() == pytest.approx(1, abs=1e-5)
        assert 0 < word.probability <= 1 and 0 <= word.gate <= 1
        assert len(word.alternatives) == 5 and word.text not in dict(word.alternatives)
        chances = [p for _, p in word.alternatives]
        assert chances == sorted(chances, reverse=True)
        assert not {"<pad>", "<start>", "<end>", "<unk>"} & dict(word.alternatives).keys()


def test_the_other_beams_have_maps_of_their_own(tiny_model, photo):
    caption = tiny_model.caption(photo, beam_size=4)
    texts = [caption.text, *(other.text for other in caption.alternatives)]
    assert len(texts) == 4 == len(set(texts))
    for other in caption.alternatives:
        assert all(word.alpha.shape == (2, 2) for word in other.words)


def test_explaining_its_own_caption_gives_the_same_maps_and_probabilities(tiny_model, photo):
    caption = tiny_model.caption(photo, beam_size=3)
    for one in (caption, *caption.alternatives):
        read = tiny_model.explain(photo, one.text)
        assert read.text == one.text
        assert read.log_prob == pytest.approx(one.log_prob, abs=1e-4)
        for own, other in zip(read.words, one.words, strict=True):
            np.testing.assert_allclose(own.alpha, other.alpha, atol=1e-5)
            assert own.probability == pytest.approx(other.probability, rel=1e-4)
            assert own.gate == pytest.approx(other.gate, rel=1e-4)
            assert [w for w, _ in own.alternatives] == [w for w, _ in other.alternatives]


def test_a_word_it_does_not_know_is_marked_and_kept(tiny_model, photo):
    read = tiny_model.explain(photo, "A red Zeppelin.")
    assert read.text == "a red zeppelin"
    assert [word.known for word in read.words] == [True, True, False]


def test_a_picture_gets_the_same_caption_alone_and_among_others(tiny_model, photo):
    others = [photo.rotate(90, expand=True), photo.resize((33, 200)), photo]
    together = tiny_model.caption(others, beam_size=3)
    for picture, caption in zip(others, together, strict=True):
        alone = tiny_model.caption(picture, beam_size=3)
        assert alone.text == caption.text
        assert alone.log_prob == pytest.approx(caption.log_prob, abs=1e-4)
        np.testing.assert_allclose(alone.words[0].alpha, caption.words[0].alpha, atol=1e-5)


def test_more_pictures_than_a_batch_come_back_in_order(tiny_model, photo):
    pictures = [photo.rotate(10 * i) for i in range(20)]
    captions = tiny_model.caption(pictures, beam_size=1)
    assert len(captions) == 20
    last = tiny_model.caption(pictures[-1], beam_size=1)
    assert captions[-1].log_prob == pytest.approx(last.log_prob, abs=1e-4)


def test_unk_is_never_said_however_likely(tiny_model, photo):
    with torch.no_grad():
        tiny_model.decoder.output.bias[Vocabulary.unk] = 50.0
    assert "<unk>" not in tiny_model.caption(photo).text


def test_locked_words_open_the_caption(tiny_model, photo):
    caption = tiny_model.caption(photo, prefix="Two dog", beam_size=3)
    assert all(c.text.startswith("two dog") for c in (caption, *caption.alternatives))
    with pytest.raises(ValueError, match="does not know the word 'zeppelin' of the prefix"):
        tiny_model.caption(photo, prefix="a zeppelin")


def test_the_caption_as_json_has_the_documented_shape(tiny_model, photo):
    caption = tiny_model.caption(photo, beam_size=2)
    shape = caption.as_dict()
    assert shape.keys() == {"caption", "log_prob", "score", "grid", "words", "alternatives"}
    assert shape["grid"] == [2, 2]
    word = shape["words"][0]
    assert word.keys() == {"word", "probability", "gate", "alpha", "alternatives"}
    assert sum(map(sum, word["alpha"])) == pytest.approx(1, abs=1e-4)
    assert shape["alternatives"][0].keys() == {"caption", "log_prob", "score"}


def test_captions_stand_in_the_order_of_their_scores(tiny_model, photo):
    options = DecodingOptions(beam_size=6, length_penalty=1.5)
    caption = tiny_model.caption(photo, options=options)
    for each in (caption, *caption.alternatives):
        expected = each.log_prob / (len(each.words) + 1) ** 1.5
        assert each.score == pytest.approx(expected)
    shape = caption.as_dict()
    scores = [shape["score"], *(other["score"] for other in shape["alternatives"])]
    assert len(scores) == 6 and scores == sorted(scores, reverse=True)


def test_a_caption_that_was_read_has_no_score(tiny_model, photo):
    caption = tiny_model.explain(photo, "a red dog")
    assert caption.score is None and "score" not in caption.as_dict()


def test_all_decoding_options_reach_the_search(tiny_model, photo):
    caption = tiny_model.caption(
        photo, options=DecodingOptions(beam_size=2, max_length=3, considered=2)
    )
    assert len(caption.words) <= 3 and len(caption.alternatives) <= 1
    assert all(len(word.alternatives) == 2 for word in caption.words)


def test_bad_questions_are_refused(tiny_model, photo, tmp_path):
    with pytest.raises(ImageError, match="absent.jpg"):
        tiny_model.caption(tmp_path / "absent.jpg")
    with pytest.raises(ValueError, match="there is no word in ' . '"):
        tiny_model.explain(photo, " . ")
    with pytest.raises(ValueError, match="beam_size must be from 1 to 1000, not 0"):
        tiny_model.caption(photo, beam_size=0)


def test_the_backbone_starts_as_it_will_be_saved(tiny_model):
    for parameter in tiny_model.encoder.backbone.parameters():
        if parameter.ndim > 1:
            assert torch.equal(parameter, parameter.half().float())


def test_the_seed_decides_the_weights():
    built = []
    for _ in range(2):
        torch.manual_seed(3)
        built.append(new_model(TINY, Vocabulary(WORDS), pretrained=False).state_dict())
    assert all(torch.equal(built[0][k], built[1][k]) for k in built[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_dim": -1}, "hidden_dim must be at least 1, not -1"),
        ({"image_size": 0}, "image_size must be at least 1, not 0"),
        ({"stage": -9}, "stage must be at least -1, not -9"),
        ({"annotation_dim": -5}, "annotation_dim must be at least 0, not -5"),
        ({"dropout": 1.0}, "dropout must be from 0 to below 1, not 1.0"),
    ],
)
def test_impossible_sizes_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(**change)


def test_an_impossible_config_is_refused():
    with pytest.raises(ValueError, match="unknown decoder 'x'"):
        new_model(
            ModelConfig(backbone="test_resnet", image_size=64, decoder="x"),
            Vocabulary(["a"]),
            pretrained=False,
        )


def test_cell_maps_have_the_shape_of_the_grid_twice(photo):
    torch.manual_seed(0)
    config = replace(TINY, encoder_layers=2, heads=4)
    maps = new_model(config, Vocabulary(WORDS), pretrained=False).cell_maps(photo)
    assert maps.shape == (2, 4, 2, 2, 2, 2)
    np.testing.assert_allclose(maps.sum((-2, -1)), 1, atol=1e-5)


def test_a_transformer_searches_like_it_reads(photo):
    torch.manual_seed(0)
    config = replace(TINY, decoder="transformer", attention="multihead", heads=2)
    model = new_model(config, Vocabulary(WORDS), pretrained=False)
    for one in model.caption(photo, beam_size=3).alternatives:
        read = model.explain(photo, one.text)
        assert read.log_prob == pytest.approx(one.log_prob, abs=1e-4)
        for own, other in zip(read.words, one.words, strict=True):
            assert own.heads.shape == (2, 2, 2, 2)
            np.testing.assert_allclose(own.heads, other.heads, atol=1e-5)
            assert "heads" in own.as_dict()
