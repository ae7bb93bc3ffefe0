import json

import numpy as np
import pytest
import torch
from PIL import Image

from captioner.checkpoint import save
from captioner.cli import main
from captioner.data import read_dataset
from captioner.errors import CaptionerError
from captioner.explain import View, examine, rank_correlation, sample, summarise
from captioner.options import DecodingOptions

CELLS = 4  # of the tiny model


@pytest.fixture
def photo():
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (60, 90, 3), np.uint8))


def planted(monkeypatch, weights):
    """Makes every word exactly as likely as the weight of the cells that are not hidden."""
    share = torch.tensor(weights) / sum(weights)

    def probabilities(view, hidden):
        seen = ((~hidden).float() * share).sum(dim=1, keepdim=True)
        return seen.expand(-1, len(view.said))

    monkeypatch.setattr(View, "probabilities", probabilities)


def test_hiding_the_cell_that_counts_first_is_best_and_last_is_worst(
    tiny_model, photo, monkeypatch
):
    planted(monkeypatch, [0.0, 1.0, 0.0, 0.0])
    caption = tiny_model.explain(photo, "a red dog")
    view = View(tiny_model, photo, caption)
    first, last = np.array([1, 0, 2, 3]), np.array([0, 2, 3, 1])
    # From 0 to 8 eighths of four cells: 0 0 1 2 2 2 3 4 4 hidden. The one that counts is gone
    # from the third value on, or in the last two alone.
    assert view.curves(first, 0).deletion == pytest.approx(100 * 1.5 / 8)
    assert view.curves(last, 0).deletion == pytest.approx(100 * 6.5 / 8)
    assert view.curves(first, 0).insertion == pytest.approx(100 * 6.5 / 8)
    assert view.curves(last, 0).insertion == pytest.approx(100 * 1.5 / 8)


def test_orders_at_random_have_the_area_of_chance(tiny_model, photo, monkeypatch):
    planted(monkeypatch, [1.0, 2.0, 3.0, 4.0])
    caption = tiny_model.explain(photo, "a red dog")
    view = View(tiny_model, photo, caption)
    draw = np.random.default_rng(0)
    found = [view.curves(draw.permutation(CELLS), 0) for _ in range(400)]
    assert np.mean([one.deletion for one in found]) == pytest.approx(50, abs=1.5)
    assert np.mean([one.insertion for one in found]) == pytest.approx(50, abs=1.5)


def test_occlusion_finds_what_counts_and_is_compared_by_rank(tiny_model, photo, monkeypatch):
    planted(monkeypatch, [0.4, 0.1, 0.3, 0.2])
    caption = tiny_model.explain(photo, "a red dog")
    for word in caption.words:
        word.alpha[:] = [[0.7, 0.05], [0.2, 0.05 + 1e-3]]  # the same order
    (one,) = examine(tiny_model, photo, caption, [2])
    np.testing.assert_allclose(one.occlusion_map, [[0.4, 0.1], [0.3, 0.2]], atol=1e-6)
    assert one.correlation == pytest.approx(1) and one.word.text == "dog"
    assert one.attention == one.occlusion and one.occlusion.deletion <= one.random.deletion


def test_hiding_nothing_changes_nothing_and_hiding_all_leaves_no_picture(tiny_model, photo):
    caption = tiny_model.explain(photo, "a red dog")
    view = View(tiny_model, photo, caption)
    everything = torch.tensor([[False] * CELLS, [True] * CELLS])
    seen, blind = view.probabilities(everything)
    expected = [word.probability for word in caption.words]
    assert seen.tolist() == pytest.approx(expected, rel=1e-4)
    assert blind.tolist() != pytest.approx(expected, rel=1e-4)


def test_only_the_hidden_cell_is_blurred(tiny_model, photo, monkeypatch):
    caption = tiny_model.explain(photo, "a dog")
    view = View(tiny_model, photo, caption)
    given = []
    encode = type(tiny_model.encoder).forward
    monkeypatch.setattr(
        type(tiny_model.encoder), "forward", lambda e, p: given.append(p) or encode(e, p)
    )
    view.probabilities(torch.tensor([[False, True, False, False]]))
    changed = (given[0] != view.pixels).any(dim=1)[0]
    before, _ = tiny_model.encoder.preprocessing.margin
    middle = before + 32  # of a picture of 64 pixels
    assert changed[:middle, middle:].float().mean() > 0.99
    assert not changed[middle:].any() and not changed[:, :middle].any()


def test_rank_correlation_is_that_of_ranks():
    assert rank_correlation(np.array([1.0, 5, 2]), np.array([10.0, 99, 11])) == pytest.approx(1)
    assert rank_correlation(np.array([1.0, 5, 2]), np.array([3.0, 1, 2])) == pytest.approx(-1)
    # Ties share their mean rank: 1, 2.5, 2.5, 4 beside 1, 2, 3, 4.
    tied = rank_correlation(np.array([1.0, 2, 2, 3]), np.array([1.0, 2, 3, 4]))
    assert tied == pytest.approx(np.corrcoef([1, 2.5, 2.5, 4], [1, 2, 3, 4])[0, 1])
    assert rank_correlation(np.ones(3), np.array([1.0, 2, 3])) == 0


def test_the_progress_counts_every_view(tiny_model, photo, capsys):
    caption = tiny_model.explain(photo, "a red dog")
    examine(tiny_model, photo, caption, [1, 2])
    assert not capsys.readouterr().err
    examine(tiny_model, photo, caption, [1, 2], progress=True)
    # The whole picture, each cell alone, and for each word two curves of nine values in each of
    # three orders.
    total = 1 + CELLS + 2 * 3 * 2 * 9
    assert "hiding cells: 100%" in (err := capsys.readouterr().err) and f"{total}/{total}" in err


def test_means_over_words_are_json_ready(tiny_model, photo):
    caption = tiny_model.explain(photo, "a red dog")
    found = examine(tiny_model, photo, caption, [1, 2])
    means = json.loads(json.dumps(summarise(found)))
    assert means["words"] == 2 and {"attention", "random", "occlusion"} <= means.keys()
    expected = np.mean([one.attention.deletion for one in found])
    assert means["attention"]["deletion"] == pytest.approx(expected)


def test_a_sample_of_a_data_set_is_tested(tiny_model, drawn_pictures, monkeypatch):
    dataset = read_dataset(*drawn_pictures[:2])
    options = DecodingOptions(beam_size=1, max_length=3)
    with torch.no_grad():
        tiny_model.decoder.output.bias[tiny_model.vocabulary.encode(["dog"])] = 30.0
    means = sample(tiny_model, dataset, 2, options)
    assert means["pictures"] == 2 and means["words"] == 2 * 3  # "dog dog dog" of each
    assert means == sample(tiny_model, dataset, 2, options)
    monkeypatch.setattr("captioner.explain.content_words", lambda caption: [])
    with pytest.raises(CaptionerError, match="no caption of 2 pictures names anything"):
        sample(tiny_model, dataset, 2, options)


def test_the_command_tests_the_words_it_is_asked_for(tiny_model, photo, tmp_path, capsys):
    save(tiny_model, tmp_path / "model")
    photo.save(tmp_path / "dog.png")
    words = ["explain", str(tmp_path / "dog.png"), "--model", str(tmp_path / "model")]
    assert main([*words, "--text", "a red dog", "--word", "dog", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["caption"] == "a red dog" and [w["word"] for w in answer["words"]] == ["dog"]
    assert np.shape(answer["words"][0]["occlusion_map"]) == (2, 2)
    assert main(words) == 0
    captured = capsys.readouterr()
    assert "deletion" in captured.out and "\n\nVerdict: " in captured.out
    assert "hiding cells: 100%" in captured.err
    assert main([*words, "--text", "a red dog", "--word", "cat"]) == 1
    assert "the caption has no word 'cat': a red dog" in capsys.readouterr().err
    assert main([*words, "--text", " . "]) == 1
    assert "there is no word in ' . '" in capsys.readouterr().err
    for command in ("explain", "walk"):
        for empty in ("", " "):
            with pytest.raises(SystemExit, match="2"):
                main([command, *words[1:], "--word", empty])
            assert "--word is empty: give a word of the caption, or" in capsys.readouterr().err
    assert main(["explain", "absent.jpg", "--model", str(tmp_path / "model")]) == 1
    assert "absent.jpg" in capsys.readouterr().err
