import pytest
import torch

from captioner.decoder import DECODERS, build_decoder
from captioner.vocabulary import Vocabulary

OPTIONS = {
    "vocabulary_size": 11,
    "annotation_dim": 6,
    "embedding_dim": 7,
    "hidden_dim": 8,
    "attention_dim": 5,
    "attention": "soft",
    "word_query": True,
    "dropout": 0.5,
}
PAD, START = Vocabulary.pad, Vocabulary.start


@pytest.fixture(params=DECODERS)
def decoder(request):
    torch.manual_seed(0)
    return build_decoder(request.param, **OPTIONS).eval()


def test_teacher_forced_probabilities_equal_stepped_ones(decoder):
    annotations = torch.randn(2, 9, 6)
    words = torch.tensor([[START, 5, 6, 7], [START, 8, 9, 10], [START, 4, 4, 4], [START, 7, 5, 9]])
    memory = decoder.remember(annotations)
    forced = decoder(memory, words)
    logits = forced.logits.view(4, 4, -1)
    state = decoder.start(memory, rows_per_picture=2)
    for t in range(4):
        log_probs, state, glance = decoder.step(memory, words[:, t], state)
        torch.testing.assert_close(log_probs, logits[:, t].log_softmax(-1))
        torch.testing.assert_close(glance.alpha, forced.alphas[:, t])
        torch.testing.assert_close(glance.gate[:, 0], forced.gates[:, t])


def test_padding_gets_no_logits_and_changes_none(decoder):
    memory = decoder.remember(torch.randn(1, 9, 6))
    short = decoder(memory, torch.tensor([[START, 5]]))
    padded = decoder(memory, torch.tensor([[START, 5, PAD, PAD], [START, 6, 7, 8]]))
    assert len(padded.logits) == 6
    torch.testing.assert_close(padded.logits[:2], short.logits)


def test_rows_of_one_picture_do_not_touch_each_other(decoder):
    memory = decoder.remember(torch.randn(1, 9, 6))
    one = decoder(memory, torch.tensor([[START, 5, 6]]))
    both = decoder(memory, torch.tensor([[START, 5, 6], [START, 9, 9]]))
    torch.testing.assert_close(both.logits[:3], one.logits)


def test_the_gate_lies_between_zero_and_one_and_scales_what_is_seen(decoder):
    memory = decoder.remember(torch.randn(1, 9, 6))
    words = torch.tensor([START])
    with torch.no_grad():
        decoder.gate.weight.zero_()
        decoder.gate.bias.fill_(-100.0)  # shut: the picture reaches the state no more
    state = decoder.start(memory)
    log_probs, _, glance = decoder.step(memory, words, state)
    elsewhere = decoder.remember(torch.randn(1, 9, 6))
    other, _, _ = decoder.step(elsewhere, words, state)
    assert glance.gate.item() == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(log_probs, other)


@pytest.mark.parametrize("word_query", [True, False])
def test_the_word_before_moves_the_look_only_where_it_is_asked_for(word_query):
    torch.manual_seed(0)
    decoder = build_decoder("lstm", **{**OPTIONS, "word_query": word_query}).eval()
    memory = decoder.remember(torch.randn(1, 9, 6))
    state = decoder.start(memory)
    one, other = (decoder.step(memory, torch.tensor([w]), state)[2].alpha for w in (5, 6))
    assert torch.equal(one, other) != word_query


def test_dropout_moves_in_training_only(decoder):
    memory = decoder.remember(torch.randn(1, 9, 6))
    words = torch.tensor([[START, 5, 6]])
    assert torch.equal(decoder(memory, words).logits, decoder(memory, words).logits)
    decoder.train()
    assert not torch.equal(decoder(memory, words).logits, decoder(memory, words).logits)


def test_every_weight_gets_a_gradient(decoder):
    decoder(
        decoder.remember(torch.randn(1, 9, 6)), torch.tensor([[START, 5, 6]])
    ).logits.sum().backward()
    without = [name for name, p in decoder.named_parameters() if p.grad is None]
    assert not without


def test_an_unknown_decoder_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown decoder 'gru'; choose one of lstm"):
        build_decoder("gru", **OPTIONS)
