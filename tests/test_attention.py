import itertools
import math

import pytest
import torch
from torch.nn import functional as F

from captioner.attention import (
    ATTENTIONS,
    DotAttention,
    MultiHeadAttention,
    build_attention,
    needs_recurrence,
)
from captioner.decoders import build_decoder
from captioner.hard import HardAttention
from captioner.looking import SoftAttention

SIZES = {
    "annotation_dim": 6,
    "query_dim": 5,
    "attention_dim": 4,
    "heads": 2,
    "grid": (2, 3),
    "cell_dim": 3,
}
LOCATIONS = 6
DECODER = {
    "vocabulary_size": 8,
    "annotation_dim": 6,
    "embedding_dim": 4,
    "hidden_dim": 5,
    "attention_dim": 4,
    "attention": "hard",
    "heads": 2,
    "grid": (1, 2),
    "word_query": True,
    "dropout": 0.0,
}


def make(kind, seed=0):
    torch.manual_seed(seed)
    return build_attention(kind, **SIZES).double().eval()


def inputs(pictures=2, rows=6, seed=1):
    torch.manual_seed(seed)
    annotations = torch.randn(pictures, LOCATIONS, 6, dtype=torch.double)
    query = torch.randn(rows, 5, dtype=torch.double)
    return annotations, query, torch.randn(rows, 3, dtype=torch.double)


@pytest.fixture(params=ATTENTIONS)
def attention(request):
    return make(request.param)


def test_every_map_sums_to_one(attention):
    annotations, query, cell = inputs()  # three rows a picture
    look = attention(query, attention.remember(annotations), cell)
    assert look.alpha.shape == (6, LOCATIONS) and look.context.shape == (6, 6)
    for weights in (look.alpha, look.selection, look.heads):
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    torch.testing.assert_close(look.heads.mean(1), look.alpha)
    torch.testing.assert_close(torch.softmax(look.energies, -1), look.heads)
    assert ((look.seen >= 0) & (look.seen <= 1)).all()


@pytest.mark.parametrize("kind", [k for k in ATTENTIONS if k not in ("multihead", "adaptive")])
def test_the_context_is_the_weighted_sum_of_the_annotations(kind):
    attention, (annotations, query, cell) = make(kind), inputs()
    look = attention(query, attention.remember(annotations), cell)
    for row in range(6):
        expected = sum(w * a for w, a in zip(look.selection[row], annotations[row // 3]))
        torch.testing.assert_close(look.context[row], expected)


def test_each_row_looks_at_its_own_picture(attention):
    annotations, query, cell = inputs(pictures=3)
    look = attention(query, attention.remember(annotations), cell)
    for row in range(6):
        alone = attention.remember(annotations[row // 2 : row // 2 + 1])
        one = attention(query[row : row + 1], alone, cell[row : row + 1])
        for mine, other in zip(look, one, strict=True):
            torch.testing.assert_close(other[0], mine[row])


@pytest.mark.parametrize("kind", [k for k, v in ATTENTIONS.items() if not needs_recurrence(v)])
def test_the_fast_road_without_maps_gives_the_same_context(kind):
    attention, (annotations, query, _) = make(kind), inputs()
    memory = attention.remember(annotations)
    look = attention(query, memory)
    torch.testing.assert_close(attention.context(query, memory), look.context, atol=1e-9, rtol=0)


def test_gradients_are_those_of_the_formula(attention):
    annotations, query, cell = inputs(pictures=1, rows=2)
    # A selection jumps: the gradient of hard attention is that of its energies.
    fields = ("energies",) if isinstance(attention, HardAttention) else ("context", "energies")

    def function(annotations, query, cell):
        look = attention(query, attention.remember(annotations), cell)
        return tuple(getattr(look, field) for field in fields)

    leaves = [x.requires_grad_() for x in (annotations, query, cell)]
    if not function(*leaves)[-1].requires_grad:  # energies that depend on nothing
        fields = ("context",)
    assert torch.autograd.gradcheck(function, leaves)


def additive_energies(attention, annotations, query):
    """e_i = v . tanh(W_a a_i + b + W_q q), location by location."""
    found = []
    for a in annotations:
        inner = attention.key.weight @ a + attention.key.bias + attention.query.weight @ query
        found.append((attention.energy.weight[0] * inner.tanh()).sum())
    return found


def softmax(energies):
    total = sum(e.exp() for e in energies)
    return [e.exp() / total for e in energies]


def weighted_sum(weights, annotations):
    return sum(w * a for w, a in zip(weights, annotations, strict=True))


FORMULAS = ("soft", "hard", "local", "dot", "multihead", "adaptive", "none")


def test_every_mechanism_has_its_formula_tested():
    assert set(FORMULAS) == set(ATTENTIONS)


@pytest.mark.parametrize("kind", FORMULAS)
def test_the_numbers_are_those_of_the_formula(kind):
    attention, (annotations, query, cell) = make(kind), inputs(pictures=1, rows=1)
    look = attention(query, attention.remember(annotations), cell)
    (annotations,), (query,), (cell,) = annotations, query, cell
    seen = torch.ones(1, dtype=torch.double)
    if kind == "none":
        alpha = [torch.tensor(1 / LOCATIONS, dtype=torch.double)] * LOCATIONS
        context = weighted_sum(alpha, annotations)
    elif kind == "dot":
        keys = [attention.key.weight @ a for a in annotations]
        alpha = softmax([(attention.query.weight @ query) @ k / math.sqrt(4) for k in keys])
        context = weighted_sum(alpha, annotations)
    elif kind == "multihead":
        maps, parts = [], []
        for n in range(2):
            q = attention.query.weight[2 * n : 2 * n + 2] @ query
            keys = [attention.key.weight[2 * n : 2 * n + 2] @ a for a in annotations]
            maps.append(softmax([q @ k / math.sqrt(2) for k in keys]))
            values = [attention.value.weight[3 * n : 3 * n + 3] @ a for a in annotations]
            parts.append(weighted_sum(maps[-1], values))
        context = attention.output.weight @ torch.cat(parts)
        alpha = [(a + b) / 2 for a, b in zip(*maps)]
    else:
        energies = additive_energies(attention, annotations, query)
        if kind == "local":
            row, column = torch.sigmoid(attention.place(query))
            for i, (r, c) in enumerate(itertools.product((0.25, 0.75), (1 / 6, 0.5, 5 / 6))):
                energies[i] = energies[i] - ((r - row) ** 2 + (c - column) ** 2) / (2 * 0.2**2)
        alpha = softmax(energies)
        context = weighted_sum(alpha, annotations)
        if kind == "hard":
            context = annotations[max(range(LOCATIONS), key=lambda i: alpha[i].item())]
        elif kind == "adaptive":
            gate = torch.sigmoid(attention.sentinel_gate(query))
            sentinel = attention.sentinel(gate * cell.tanh())
            inner = attention.sentinel_key(sentinel) + attention.query.weight @ query
            *_, beta = softmax([*energies, (attention.energy.weight[0] * inner.tanh()).sum()])
            context, seen = beta * sentinel + (1 - beta) * context, (1 - beta)[None]
    torch.testing.assert_close(look.alpha[0], torch.stack(alpha), atol=1e-6, rtol=0)
    torch.testing.assert_close(look.context[0], context, atol=1e-6, rtol=0)
    torch.testing.assert_close(look.seen[0], seen, atol=1e-6, rtol=0)


def test_a_planted_annotation_gets_all_the_weight():
    attention = SoftAttention(annotation_dim=2, query_dim=1, attention_dim=1)
    with torch.no_grad():
        attention.key.weight.copy_(torch.tensor([[0.0, 5.0]]))
        attention.key.bias.zero_()
        attention.query.weight.zero_()
        attention.energy.weight.fill_(50.0)
    annotations = torch.zeros(1, 9, 2)
    annotations[0, 4] = torch.tensor([3.0, 1.0])
    look = attention(torch.zeros(1, 1), attention.remember(annotations))
    assert look.alpha[0].argmax() == 4 and look.alpha[0, 4] > 0.999
    torch.testing.assert_close(look.context[0], annotations[0, 4])


def test_one_head_is_the_dot_product_seen_through_two_matrices():
    sizes = {**SIZES, "heads": 1}
    torch.manual_seed(0)
    many, one = MultiHeadAttention(**sizes).double(), DotAttention(**sizes).double()
    one.load_state_dict({k: many.state_dict()[k] for k in ("key.weight", "query.weight")})
    annotations, query, _ = inputs()
    wide, plain = (a(query, a.remember(annotations)) for a in (many, one))
    torch.testing.assert_close(wide.alpha, plain.alpha)
    torch.testing.assert_close(wide.context, many.output(many.value(plain.context)))


def test_heads_start_with_a_context_about_as_large_as_an_annotation():
    torch.manual_seed(0)
    attention = MultiHeadAttention(annotation_dim=64, query_dim=32, attention_dim=64, heads=8)
    annotations = torch.randn(1, 1, 64).expand(4, 9, 64)  # every cell alike: no averaging out
    look = attention(torch.randn(4, 32), attention.remember(annotations))
    assert 0.7 < look.context.std() / annotations.std() < 1.4


def test_local_attention_looks_where_it_foresees():
    attention = make("local")
    with torch.no_grad():
        attention.energy.weight.zero_()  # no content: the place alone decides
        attention.place[2].weight.zero_()
        attention.place[2].bias.copy_(torch.tensor([-20.0, 20.0]))  # top right
    annotations, query, _ = inputs()
    alpha = attention(query, attention.remember(annotations)).alpha
    assert (alpha.argmax(1) == 2).all()


def test_the_sentinel_takes_over_when_nothing_in_the_picture_suits():
    attention, (annotations, query, cell) = make("adaptive"), inputs()
    with torch.no_grad():
        attention.energy.weight.fill_(30.0)
        attention.key.bias.fill_(-50.0)
        attention.sentinel_key.bias.fill_(50.0)
    look = attention(query, attention.remember(annotations), cell)
    assert (look.seen < 1e-6).all()
    torch.testing.assert_close(look.alpha.sum(1), torch.ones(6, dtype=torch.double))


def test_hard_attention_draws_locations_as_often_as_alpha_says():
    attention = make("hard").train()
    attention.semi_sampling = 0.0
    alpha = torch.tensor([0.5, 0.3, 0.2], dtype=torch.double)
    drawn = attention.select(alpha.expand(1, 20_000, 3))
    assert ((drawn == 0) | (drawn == 1)).all() and (drawn.sum(-1) == 1).all()
    torch.testing.assert_close(drawn.mean(1)[0], alpha, atol=0.02, rtol=0)
    attention.semi_sampling = 1.0
    assert torch.equal(attention.select(alpha.expand(1, 2, 3)), alpha.expand(1, 2, 3))


def test_reinforce_is_the_gradient_of_what_captions_are_worth_on_average():
    """A caption of two words and its end on two cells: all eight ways to look, by their odds.

    Where it looks first changes where it looks next, so the whole decoder is run for each way.
    """
    torch.manual_seed(3)
    decoder = build_decoder("lstm", **DECODER).double()
    attention = decoder.attention.train()
    attention.entropy_weight = 0.0
    annotations = torch.randn(1, 2, 6, dtype=torch.double)
    words = torch.tensor([[1, 5, 6, 0]])  # start, two words, padding
    targets, real = torch.tensor([5, 6, 2]), words != 0
    weights = [p for n, p in decoder.named_parameters() if "output" not in n]

    def look(way):
        steps = iter([*way, 0])
        attention.select = lambda alpha: torch.eye(2, dtype=torch.double)[next(steps)].view(1, 1, 2)
        forced = decoder(decoder.remember(annotations), words)
        chance = math.prod(forced.alphas[0, t, s] for t, s in enumerate(way))
        worth = -F.cross_entropy(forced.logits, targets).detach()  # nats a word
        return forced, chance, worth

    ways = list(itertools.product(range(2), repeat=3))
    expected = sum(chance * worth for _, chance, worth in map(look, ways))
    exact = torch.autograd.grad(expected, weights, allow_unused=True)

    for baseline in (0.0, -2.5):  # the baseline moves no expectation
        found = [torch.zeros_like(weight) for weight in weights]
        for way in ways:
            attention.baseline.fill_(baseline)
            attention.baseline_weight.fill_(1.0)
            forced, chance, _ = look(way)
            loss = decoder.attention_loss(forced, targets, real)
            gradients = torch.autograd.grad(loss, weights, allow_unused=True)
            for total, gradient in zip(found, gradients, strict=True):
                total -= 0.0 if gradient is None else chance.detach() * gradient
        assert sum(g is not None and g.abs().max() > 1e-6 for g in exact) > 5
        for one, other in zip(found, exact, strict=True):
            other = torch.zeros_like(one) if other is None else other
            torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-6)


def extra_loss(attention, alphas, log_probs, real):
    """Of captions whose words all have these log probabilities; the sum was taken with alpha."""
    count = int(real.sum())
    logits = torch.zeros(count, 2, dtype=torch.double)
    said = torch.tensor(log_probs, dtype=torch.double)[real.nonzero()[:, 0]].exp()
    logits[:, 0], logits[:, 1] = said.log(), (1 - said).log()
    targets = torch.zeros(count, dtype=torch.long)
    return attention.extra_loss(logits, targets, alphas, alphas, real)


def test_a_look_with_alpha_itself_adds_no_reinforce_gradient():
    attention = make("hard").train()
    attention.entropy_weight = 0.0
    attention.baseline_weight.fill_(1.0)
    logits = torch.randn(1, 2, 3, dtype=torch.double, requires_grad=True)
    loss = extra_loss(attention, logits.softmax(-1), [-7.0], torch.ones(1, 2).bool())
    gradient = torch.autograd.grad(loss, logits)[0]
    torch.testing.assert_close(gradient, torch.zeros_like(gradient))


def test_the_entropy_bonus_and_the_baseline_leave_padding_out():
    attention = make("hard").train()
    attention.reinforce_weight = 0.0
    alphas = torch.full((2, 2, 4), 0.25, dtype=torch.double)
    real = torch.tensor([[True, False], [False, False]])  # the second caption is padding alone
    loss = extra_loss(attention, alphas, [-8.0, 0.0], real)
    assert loss.item() == pytest.approx(-0.002 * math.log(4))
    assert attention.baseline / attention.baseline_weight == pytest.approx(-8.0)
    extra_loss(attention, alphas, [-16.0, 0.0], real)
    # b_k = 0.9 b_(k-1) + 0.1 log p, begun with the first batch
    expected = (0.9 * 0.1 * -8 + 0.1 * -16) / (0.9 * 0.1 + 0.1)
    assert attention.baseline / attention.baseline_weight == pytest.approx(expected)
    before = attention.baseline.clone()
    assert extra_loss(attention, alphas, [0.0, 0.0], torch.zeros(2, 2).bool()) == 0
    assert attention.baseline == before  # nobody said anything


def test_a_broken_map_does_not_end_the_draw():
    attention = make("hard").train()
    drawn = attention.select(torch.full((1, 2, 3), math.nan, dtype=torch.double))
    assert drawn.shape == (1, 2, 3)


def test_a_mechanism_of_ones_own_is_one_class_and_one_line(monkeypatch):
    class Corner(SoftAttention):
        """Looks at the first cell."""

        def energies(self, query, memory):
            energies = super().energies(query, memory)
            return energies - 1e3 * (torch.arange(energies.shape[-1]) > 0)

    monkeypatch.setitem(ATTENTIONS, "corner", Corner)
    annotations, query, _ = inputs()
    attention = make("corner")
    look = attention(query, attention.remember(annotations))
    torch.testing.assert_close(look.context, annotations[:, 0].repeat_interleave(3, 0))


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown attention 'sharp'; choose one of soft"):
        build_attention("sharp", **SIZES)


@pytest.mark.parametrize("name", ["attention_dim", "annotation_dim"])
def test_heads_that_do_not_divide_a_size_are_refused(name):
    said = {"attention_dim": "attention_dim 5", "annotation_dim": "annotation size 5"}[name]
    with pytest.raises(ValueError, match=f"heads must divide the {said}, and 2 do not"):
        build_attention("multihead", **{**SIZES, name: 5})
