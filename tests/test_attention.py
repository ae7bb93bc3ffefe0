import pytest
import torch

from captioner.attention import ATTENTIONS, SoftAttention, build_attention

SIZES = {"annotation_dim": 6, "query_dim": 5, "attention_dim": 4}


@pytest.fixture(params=ATTENTIONS)
def attention(request):
    torch.manual_seed(0)
    return build_attention(request.param, **SIZES).eval()


def test_weights_sum_to_one_and_the_context_is_the_weighted_sum(attention):
    annotations, hidden = torch.randn(2, 7, 6), torch.randn(6, 5)  # three rows a picture
    context, alpha = attention(hidden, attention.remember(annotations))
    assert alpha.shape == (6, 7) and (alpha >= 0).all()
    torch.testing.assert_close(alpha.sum(1), torch.ones(6))
    for row in range(6):
        expected = (alpha[row][:, None] * annotations[row // 3]).sum(0)
        torch.testing.assert_close(context[row], expected)


def test_each_row_looks_at_its_own_picture(attention):
    annotations, hidden = torch.randn(3, 7, 6), torch.randn(6, 5)
    context, alpha = attention(hidden, attention.remember(annotations))
    for row in range(6):
        picture = row // 2
        alone = attention.remember(annotations[picture : picture + 1])
        one_context, one_alpha = attention(hidden[row : row + 1], alone)
        torch.testing.assert_close(one_context[0], context[row])
        torch.testing.assert_close(one_alpha[0], alpha[row])


def test_soft_attention_is_the_formula_of_the_paper():
    torch.manual_seed(1)
    attention = SoftAttention(**SIZES).double()
    annotations, hidden = torch.randn(1, 4, 6).double(), torch.randn(1, 5).double()
    energies = []
    for a in annotations[0]:
        inner = attention.key.weight @ a + attention.key.bias + attention.query.weight @ hidden[0]
        energies.append((attention.energy.weight[0] * inner.tanh()).sum())
    weights = torch.stack(energies).exp()
    context, alpha = attention(hidden, attention.remember(annotations))
    torch.testing.assert_close(alpha[0].double(), weights / weights.sum(), atol=1e-6, rtol=0)
    expected = (weights[:, None] * annotations[0]).sum(0) / weights.sum()
    torch.testing.assert_close(context[0], expected, atol=1e-6, rtol=0)


def test_a_planted_annotation_gets_all_the_weight():
    attention = SoftAttention(annotation_dim=2, query_dim=1, attention_dim=1)
    with torch.no_grad():
        attention.key.weight.copy_(torch.tensor([[0.0, 5.0]]))
        attention.key.bias.zero_()
        attention.query.weight.zero_()
        attention.energy.weight.fill_(50.0)
    annotations = torch.zeros(1, 9, 2)
    annotations[0, 4] = torch.tensor([3.0, 1.0])
    context, alpha = attention(torch.zeros(1, 1), attention.remember(annotations))
    assert alpha[0].argmax() == 4 and alpha[0, 4] > 0.999
    torch.testing.assert_close(context[0], annotations[0, 4])


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown attention 'sharp'; choose one of soft"):
        build_attention("sharp", **SIZES)
