import pytest

from captioner.attention import ATTENTIONS
from captioner.idle import idle_settings
from captioner.looking import SoftAttention
from captioner.model import ModelConfig

ALL = ("word_query", "decoder_layers", "attention_dim", "heads", "attention", "dropout")


def named(given=ALL, **settings):
    return [told.split()[0] for told in idle_settings(ModelConfig(**settings), given)]


@pytest.mark.parametrize(
    ("settings", "idle"),
    [
        ({}, ["--decoder-layers", "--heads"]),
        ({"encoder_layers": 1}, ["--decoder-layers"]),
        ({"attention": "multihead"}, ["--decoder-layers"]),
        ({"attention": "hard"}, ["--decoder-layers", "--heads"]),
        ({"attention": "none"}, ["--decoder-layers", "--attention-dim", "--heads"]),
        ({"decoder": "transformer"}, ["--word-query"]),
        ({"decoder": "transformer", "word_query": False}, ["--no-word-query"]),
        ({"decoder": "transformer", "attention": "none"}, ["--word-query", "--attention-dim"]),
    ],
    ids=str,
)
def test_what_no_part_takes_is_named(settings, idle):
    assert named(**settings) == idle
    assert named(given=(), **settings) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"decoder": "transformer"}, "--word-query does nothing with --decoder transformer: it is"),
        ({}, "--decoder-layers does nothing with --decoder lstm: it is for the transformer"),
        (
            {"attention": "none"},
            "--attention-dim does nothing with --attention none, which takes",
        ),
        ({}, "--heads does nothing with --attention soft: heads are for --attention multihead, "),
    ],
)
def test_the_sentence_says_why(settings, said):
    assert any(told.startswith(said) for told in idle_settings(ModelConfig(**settings), ALL))


def test_a_mechanism_of_ones_own_takes_what_it_names(monkeypatch):
    class Own(SoftAttention):
        def __init__(self, *, heads, **sizes):
            super().__init__(**sizes)

    monkeypatch.setitem(ATTENTIONS, "own", Own)
    assert named(attention="own") == ["--decoder-layers"]
