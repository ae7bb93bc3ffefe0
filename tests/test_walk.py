import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import TINY, WORDS
from PIL import Image

from captioner.assembly import new_model
from captioner.attention import ATTENTIONS
from captioner.checkpoint import save
from captioner.cli import main
from captioner.vocabulary import Vocabulary
from captioner.walk import told, walk

CAPTION = "a red dog".split()


@pytest.fixture
def photo():
    noise = np.random.default_rng(0).integers(0, 255, (70, 90, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def model(**settings):
    torch.manual_seed(0)
    return new_model(replace(TINY, **settings), Vocabulary(WORDS), pretrained=False)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_the_numbers_follow_from_each_other(attention, photo):
    captioner = model(attention=attention)
    one = walk(captioner, photo, CAPTION, 2)
    assert one.word == "dog" and one.before == ("a", "red")
    energies = np.exp(one.energies - one.energies.max(axis=(2, 3), keepdims=True))
    expected = energies / energies.sum(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(one.heads, expected, atol=1e-6)
    np.testing.assert_allclose(one.alpha, one.heads[-1].mean(0), atol=1e-6)
    assert one.plain == (attention != "multihead")
    if one.plain and not one.sentinel:
        np.testing.assert_allclose(one.context, one.gate * one.weighted_sum, atol=1e-4)
    hard = attention == "hard"
    assert (one.selection.max() == 1) == hard and one.selection.argmax() == one.alpha.argmax()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"attention": "adaptive"},
        {"attention": "hard"},
        {"decoder": "transformer", "attention": "multihead"},
    ],
    ids=lambda settings: "-".join(settings.values()) or "soft",
)
def test_it_is_what_the_model_said(settings, photo):
    captioner = model(**settings)
    caption = captioner.caption(photo, prefix="a red")
    one = walk(captioner, photo, caption, 1)
    word = caption.words[1]
    np.testing.assert_allclose(one.alpha, word.alpha, atol=1e-5)
    assert one.gate == (word.gate and pytest.approx(word.gate, abs=1e-5))
    # The likeliest: the word itself and its alternatives, which leave out the end alone.
    told_before = dict([(word.text, word.probability), *word.alternatives])
    compared = [text for text, _ in one.likeliest if text != "<end>"]
    assert len(compared) >= 4 and set(compared) <= told_before.keys()
    for text, chance in one.likeliest:
        if text != "<end>":
            assert chance == pytest.approx(told_before[text], abs=1e-5)
    values = [p for _, p in one.likeliest]
    assert len(values) == 5 and values == sorted(values, reverse=True)


def test_what_is_told_is_what_was_done(photo):
    def text(**settings):
        return told(walk(model(**settings), photo, CAPTION, 2))

    soft, adaptive = text(), text(attention="adaptive")
    assert "a(" in soft and "5. Gate: " in soft and "of it is let in" in soft
    assert "of what it remembers" in adaptive and "let in" not in adaptive
    hard, drawn = text(attention="hard"), "cell is taken when captioning; in training one is drawn"
    assert "4. Weighted sum: 1.000 a(" in hard and drawn in hard and drawn not in soft
    assert all("depends only on the words before" in each for each in (soft, adaptive, hard))
    many = text(decoder="transformer", attention="multihead", heads=2)
    assert "values that it makes of the annotations itself" in many and "no gate" in many


def test_a_transformer_is_walked_by_layer_and_head(photo):
    captioner = model(decoder="transformer", attention="multihead", decoder_layers=3, heads=4)
    one = walk(captioner, photo, CAPTION, 0)
    assert one.energies.shape == (3, 4, 2, 2)

    def first_row(shares):
        return f"{100 * shares[0, 0]:6.2f}{100 * shares[0, 1]:6.2f}"

    # What is drawn, unless another is asked for.
    assert "layer 3 of 3, mean of the 4 heads" in told(one) and first_row(one.alpha) in told(one)
    text = told(one, layer=2)
    assert "layer 2 of 3, mean of the 4 heads" in text
    assert first_row(one.heads[1].mean(0)) in text and "4. Weighted sums, last layer: " in text
    text = told(one, layer=1, head=4)
    assert "layer 1 of 3, head 4 of 4" in text and first_row(one.heads[0, 3]) in text
    energies = one.energies[0, 3]
    assert f"{energies[0, 0]:6.2f}{energies[0, 1]:6.2f}" in text


def test_one_layer_with_one_head_is_not_numbered(tiny_model, photo):
    one = walk(tiny_model, photo, CAPTION, 0)
    assert "layer" not in told(one) and "head" not in told(one)
    assert told(one, layer=1, head=1) == told(one)


@pytest.mark.parametrize("number", [0, -1, 9])
def test_a_layer_or_head_that_is_not_there_is_refused(number, photo):
    settings = {"decoder": "transformer", "attention": "multihead", "heads": 4}
    one = walk(model(**settings), photo, CAPTION, 0)
    with pytest.raises(ValueError, match=f"looks in 2 layers: there is no layer {number}$"):
        told(one, layer=number)
    with pytest.raises(ValueError, match=f"looks with 4 heads: there is no head {number}$"):
        told(one, head=number)


def test_the_word_itself_has_a_probability_and_a_rank_however_unlikely(tiny_model, photo):
    with torch.no_grad():
        for word, bias in (("the", 60), ("two", 50), ("<unk>", 45), ("dog", 40)):
            tiny_model.decoder.output.bias[tiny_model.vocabulary.encode([word])] = bias
    one = walk(tiny_model, photo, CAPTION, 2, likeliest=1)
    assert [word for word, _ in one.likeliest] == ["the"]
    assert one.rank == 3  # nobody says <unk>
    assert one.probability == pytest.approx(np.exp(-20), rel=1)
    assert told(one).endswith("   'dog' itself: under 0.01%, rank 3")
    first = walk(tiny_model, photo, ["the"], 0)
    assert told(first).endswith(f"   'the' itself: {first.probability:.2%}, rank 1")
    assert first.as_dict()["rank"] == 1 and first.as_dict()["probability"] == first.likeliest[0][1]


def test_a_word_that_the_model_does_not_know_has_no_rank(tiny_model, photo):
    one = walk(tiny_model, photo, ["a", "zebu"], 1)
    assert one.probability is None and one.rank is None
    assert "'zebu' is read as <unk>: the model does not know it" in told(one)


@pytest.mark.parametrize("decoder", ["lstm", "transformer"])
def test_the_map_of_a_word_depends_on_the_words_before_alone(decoder, photo):
    captioner = model(decoder=decoder)
    maps = [
        walk(captioner, photo, [*words, "runs"], 2).alpha
        for words in (("a", "red", "dog"), ("a", "red", "square"), ("a", "green", "dog"))
    ]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert np.abs(maps[0] - maps[2]).max() > 1e-7


def test_there_is_no_word_beyond_the_last(tiny_model, photo):
    with pytest.raises(ValueError, match="the caption has 3 words: there is no word 4"):
        walk(tiny_model, photo, CAPTION, 3)


def test_the_command_prints_the_numbers_of_the_word(tiny_model, photo, tmp_path, capsys):
    save(tiny_model, tmp_path / "model")
    photo.save(tmp_path / "dog.png")
    words = ["walk", str(tmp_path / "dog.png"), "--model", str(tmp_path / "model")]
    words += ["--text", "a red dog", "--word", "dog"]
    assert main(words) == 0
    text = capsys.readouterr().out
    one = walk(tiny_model, photo, CAPTION, 2)
    assert f"{100 * one.alpha[0, 0]:6.2f}{100 * one.alpha[0, 1]:6.2f}" in text
    assert f"{one.gate:.3f} of it is let in" in text
    assert f"{one.likeliest[0][0]:16} {one.likeliest[0][1]:7.2%}" in text
    assert main([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["words"][0]["word"] == "dog"
    np.testing.assert_allclose(answer["words"][0]["alpha"], one.alpha, atol=1e-3)
    assert main([*words[:-1], "cat"]) == 1
    assert "the caption has no word 'cat': a red dog" in capsys.readouterr().err


def test_the_command_warns_of_unknown_words_and_refuses_what_is_not_there(
    tiny_model, photo, tmp_path, capsys
):
    save(tiny_model, tmp_path / "model")
    photo.save(tmp_path / "dog.png")
    words = ["walk", str(tmp_path / "dog.png"), "--model", str(tmp_path / "model")]
    assert main([*words, "--text", "a zebu and a gnu", "--word", "zebu"]) == 0
    captured = capsys.readouterr()
    said = "captioner: the model does not know 'zebu', 'and', 'gnu' and reads <unk> there\n"
    assert captured.err == said and "'zebu' is read as <unk>" in captured.out
    words += ["--text", "a red dog"]
    assert main([*words, "--head", "2"]) == 1
    assert capsys.readouterr() == (
        "",
        "captioner: the model looks with 1 head: there is no head 2\n",
    )
    assert main([*words, "--layer", "0"]) == 1
    assert "the model looks in 1 layer: there is no layer 0" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([*words, "--json", "--layer", "1"])
    assert "--json has every layer and head: leave out --layer and" in capsys.readouterr().err
