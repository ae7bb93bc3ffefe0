import pytest
import torch
from torch.nn import functional as F

from captioner.attention import ATTENTIONS, needs_recurrence
from captioner.decoders import DECODERS, build_decoder
from captioner.looking import SoftAttention
from captioner.vocabulary import Vocabulary

OPTIONS = {
    "vocabulary_size": 11,
    "annotation_dim": 6,
    "embedding_dim": 7,
    "hidden_dim": 8,
    "attention_dim": 4,
    "attention": "soft",
    "heads": 2,
    "grid": (3, 3),
    "decoder_layers": 2,
    "word_query": True,
    "dropout": 0.5,
}
PAD, START = Vocabulary.pad, Vocabulary.start
PAIRS = [
    (decoder, attention)
    for decoder in DECODERS
    for attention, kind in ATTENTIONS.items()
    if decoder == "lstm" or not needs_recurrence(kind)
]


@pytest.fixture(params=PAIRS, ids="-".join)
def decoder(request):
    torch.manual_seed(0)
    kind, attention = request.param
    return build_decoder(kind, **{**OPTIONS, "attention": attention}).eval()


def test_teacher_forced_probabilities_equal_stepped_ones(decoder):
    annotations = torch.randn(2, 9, 6)
    words = torch.tensor([[START, 5, 6, 7], [START, 8, 9, 10], [START, 4, 4, 4], [START, 7, 5, 9]])
    memory = decoder.remember(annotations)
    forced = decoder(memory, words)
    logits = forced.logits.view(4, 4, -1)
    state = decoder.start(memory, rows_per_picture=2)
    for t in range(4):
        log_probs, state, glance = decoder.step(memory, words[:, t], state)
        torch.testing.assert_close(log_probs, logits[:, t].log_softmax(-1), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(glance.alpha, forced.alphas[:, t])
        torch.testing.assert_close(glance.gate[:, 0], forced.gates[:, t])
        torch.testing.assert_close(glance.heads[:, -1].mean(1), glance.alpha)
        torch.testing.assert_close(glance.energies.softmax(-1), glance.heads)
        assert glance.context.shape == (4, 6)


def test_without_maps_the_words_are_the_same(decoder):
    words = torch.tensor([[START, 5, 6, 7], [START, 8, 9, PAD]])
    memory = decoder.remember(torch.randn(1, 9, 6))
    with_maps, without = decoder(memory, words), decoder(memory, words, maps=False)
    torch.testing.assert_close(with_maps.logits, without.logits, atol=1e-5, rtol=0)


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


def test_the_gate_lies_between_zero_and_one_and_scales_what_is_seen():
    torch.manual_seed(0)
    decoder = build_decoder("lstm", **OPTIONS).eval()
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
    forced = decoder(decoder.remember(torch.randn(1, 9, 6)), torch.tensor([[START, 5, 6]]))
    # A drawn location has no gradient through the words: its energies have one through the map.
    (forced.logits.sum() + forced.alphas.square().sum()).backward()
    without = {name for name, p in decoder.named_parameters() if p.grad is None}
    # The mean annotation needs no query.
    assert not without or (
        decoder.layers[0].cross_attention.__class__ is ATTENTIONS["none"]
        and all("cross_norm" in name for name in without)
    )


def lstm_by_the_paper(decoder, annotations, words):
    """The paper's equations 1 to 9 and 13, and the word in the query, for one caption in loops."""

    def linear(layer, x):
        rows = [sum(w * v for w, v in zip(row, x)) for row in layer.weight]
        bias = [0.0] * len(rows) if layer.bias is None else layer.bias
        return torch.stack([r + b for r, b in zip(rows, bias)])

    def initial(layers, x):
        return linear(layers[2], linear(layers[0], x).tanh()).tanh()

    attention, lstm = decoder.attention, decoder.lstm
    mean = sum(annotations) / len(annotations)
    hidden, cell = initial(decoder.init_hidden, mean), initial(decoder.init_cell, mean)
    logits, alphas, gates = [], [], []
    for word in words:
        embedding = decoder.embedding.weight[word]
        query = torch.cat([hidden, embedding])
        energies = torch.stack(
            [
                sum(
                    v * (k + q).tanh()
                    for v, k, q in zip(
                        attention.energy.weight[0],
                        linear(attention.key, a),
                        linear(attention.query, query),
                    )
                )
                for a in annotations
            ]
        )
        alpha = energies.exp() / energies.exp().sum()
        if decoder.attention.__class__ is ATTENTIONS["hard"]:
            seen = annotations[alpha.argmax()]
        else:
            seen = sum(w * a for w, a in zip(alpha, annotations))
        gate = torch.sigmoid(linear(decoder.gate, hidden))
        context = gate * seen
        gates_in = linear_pair(lstm, torch.cat([embedding, context]), hidden)
        i, f, g, o = gates_in.chunk(4)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
        deep = embedding + linear(decoder.output_hidden, hidden)
        deep = (deep + linear(decoder.output_context, context)).tanh()
        logits.append(linear(decoder.output, deep))
        alphas.append(alpha)
        gates.append(gate)
    return torch.stack(logits), torch.stack(alphas), torch.cat(gates)


def linear_pair(lstm, x, hidden):
    weights = zip(lstm.weight_ih, lstm.weight_hh, lstm.bias_ih + lstm.bias_hh)
    return torch.stack([(a * x).sum() + (b * hidden).sum() + c for a, b, c in weights])


@pytest.mark.parametrize("attention", ["soft", "hard"])
def test_the_lstm_decoder_is_the_papers_equations(attention):
    torch.manual_seed(0)
    decoder = build_decoder("lstm", **{**OPTIONS, "attention": attention}).double().eval()
    annotations = torch.randn(1, 9, 6, dtype=torch.double)
    words = [START, 5, 6, 4]
    logits, alphas, gates = lstm_by_the_paper(decoder, annotations[0], words)
    forced = decoder(decoder.remember(annotations), torch.tensor([words]))
    torch.testing.assert_close(forced.logits, logits, atol=1e-6, rtol=0)
    torch.testing.assert_close(forced.alphas[0], alphas, atol=1e-6, rtol=0)
    torch.testing.assert_close(forced.gates[0], gates, atol=1e-6, rtol=0)


@pytest.mark.parametrize("attention", ["soft", "hard"])
def test_the_decoders_gradients_are_those_of_its_numbers(attention):
    torch.manual_seed(0)
    decoder = build_decoder("lstm", **{**OPTIONS, "attention": attention}).double().eval()
    annotations = torch.randn(1, 9, 6, dtype=torch.double, requires_grad=True)
    words = torch.tensor([[START, 5, 6]])

    def function(annotations):
        forced = decoder(decoder.remember(annotations), words)
        return forced.logits, forced.alphas, forced.gates

    assert torch.autograd.gradcheck(function, annotations)


@pytest.mark.parametrize("attention", [k for k, v in ATTENTIONS.items() if needs_recurrence(v)])
def test_a_pair_that_makes_no_sense_is_refused_with_the_reason(attention):
    reason = needs_recurrence(ATTENTIONS[attention])
    fit = ", ".join(name for name, kind in ATTENTIONS.items() if not needs_recurrence(kind))
    choice = f"choose one of {fit}, or give --decoder lstm"
    with pytest.raises(
        ValueError, match=f"{attention!r} needs the lstm decoder: {reason}; {choice}$"
    ):
        build_decoder("transformer", **{**OPTIONS, "attention": attention})


def test_an_odd_vector_size_is_refused_by_the_transformer():
    options = {**OPTIONS, "hidden_dim": 9, "heads": 3}
    with pytest.raises(ValueError, match="position codes need an even hidden_dim, not 9"):
        build_decoder("transformer", **options)


def test_the_transformer_tells_the_order_of_words():
    torch.manual_seed(0)
    decoder = build_decoder("transformer", **{**OPTIONS, "attention": "dot"}).eval()
    memory = decoder.remember(torch.randn(1, 9, 6))
    words = torch.tensor([[START, 5, 6, 7], [START, 6, 5, 7]])
    one, other = decoder(memory, words).logits.view(2, 4, -1)[:, -1]
    assert not torch.allclose(one, other, atol=1e-3)


def test_the_transformer_does_not_see_words_to_come():
    torch.manual_seed(0)
    decoder = build_decoder("transformer", **{**OPTIONS, "attention": "dot"}).eval()
    memory = decoder.remember(torch.randn(1, 9, 6))
    words = torch.tensor([[START, 5, 6, 7], [START, 5, 8, 9]])
    one, other = decoder(memory, words).logits.view(2, 4, -1)
    torch.testing.assert_close(one[:2], other[:2])
    assert not torch.allclose(one[2], other[2], atol=1e-3)


def test_an_unknown_decoder_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown decoder 'gru'; choose one of lstm"):
        build_decoder("gru", **OPTIONS)


def test_a_mechanism_with_a_loss_of_its_own_is_refused_by_the_transformer(monkeypatch):
    class Costly(SoftAttention):
        def extra_loss(self, logits, targets, alphas, selections, real):
            return alphas.square().sum()

    monkeypatch.setitem(ATTENTIONS, "costly", Costly)
    with pytest.raises(ValueError, match="'costly' needs the lstm decoder: it has a loss of its"):
        build_decoder("transformer", **{**OPTIONS, "attention": "costly"})


@pytest.mark.parametrize("maps", [True, False])
def test_half_precision_training_gives_finite_gradients_and_maps_that_sum_to_one(decoder, maps):
    decoder.train()
    words = torch.tensor([[START, 5, 6], [START, 7, PAD]])
    with torch.autocast("cpu", torch.bfloat16):
        forced = decoder(decoder.remember(torch.randn(1, 9, 6)), words, maps=maps)
        real = words != PAD
        loss = F.cross_entropy(forced.logits.float(), torch.tensor([5, 6, 2, 7, 2]))
        if maps:
            loss = loss + decoder.attention_loss(forced, torch.tensor([5, 6, 2, 7, 2]), real)
            torch.testing.assert_close(forced.alphas.sum(-1), torch.ones(2, 3))
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in decoder.parameters())
