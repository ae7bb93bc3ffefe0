"""The models of the page, and what is told about them."""

import pytest

from captioner.errors import CheckpointError
from captioner.web.models import LoadedModel, load_models, read_card


def test_models_are_named_after_their_folders_and_never_alike(tiny_folder, other_folder):
    models = load_models([str(tiny_folder), str(other_folder), str(tiny_folder)])
    assert list(models) == ["tiny", "other", "tiny (2)"]
    assert models["tiny"].card.startswith("# A tiny model")


def test_without_a_name_the_model_of_the_package_is_taken():
    assert list(load_models(None)) == ["The model of the package"]


def test_an_absent_model_is_told(tiny_folder):
    with pytest.raises(CheckpointError, match="there is no model directory 'nowhere'"):
        load_models([str(tiny_folder), "nowhere"])


def test_a_card_is_read_without_the_hubs_settings(tmp_path):
    assert read_card(tmp_path) == ""
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n# Mine\n\n---\nEnd")
    assert read_card(tmp_path) == "# Mine\n\n---\nEnd"


def test_programs_are_told_which_of_several_models_answers():
    pytest.importorskip("gradio")
    from captioner.web.about import reading

    assert "and its map.\n" in reading(["one"])
    assert "and its map, by the first of the models here: &lt;b>.\n" in reading(["<b>", "two"])


def test_someone_elses_card_calls_no_other_server():
    pytest.importorskip("gradio")
    from captioner.web.about import harmless

    card = "\n# Title\n<img src=http://x.org/a> ![pixel](http://x.org/b) **bold** [a](http://c)"
    shown = harmless(card)
    assert "<" not in shown and "![" not in shown
    for picture in (
        "![![x]](http://x.org/p)",
        "!!![x](http://x.org/p)",
        "![![![x]]][p]\n[p]: http://x",
    ):
        assert "![" not in harmless(picture)
    assert shown.startswith("## Title\n") and "**bold** [a](http://c)" in shown


def test_the_page_says_first_what_a_model_can_not_do():
    pytest.importorskip("gradio")
    from captioner.web.about import limit
    from captioner.web.page import introduction

    cards = {
        "# Mine\n\n## Limits\n\nIt knows cats\nand 2.5 dogs, no <b>more. It is young.\n": (
            "It knows cats and 2.5 dogs, no &lt;b>more."
        ),
        "# Mine\n\nLimits are for others.\n": "",
        "": "",
    }
    assert {card: limit(card) for card in cards} == cards
    one = {"mine": LoadedModel(model=None, card=next(iter(cards)))}
    assert introduction(one).endswith("for every word. It knows cats and 2.5 dogs, no &lt;b>more.")
    assert introduction({**one, "yours": one["mine"]}).endswith("for every word.")
    assert introduction({"mine": LoadedModel(None, "")}).endswith("for every word.")
