import math

import pytest
import torch

from captioner.self_attention import EncoderLayer, SelfAttention, grid_waves, waves


def test_self_attention_is_torchs_own_with_the_same_weights():
    torch.manual_seed(0)
    mine, vectors = SelfAttention(size=8, heads=2).eval(), torch.randn(3, 5, 8)
    other = torch.nn.MultiheadAttention(8, 2, batch_first=True).eval()
    with torch.no_grad():
        layers = (mine.query, mine.key, mine.value)
        other.in_proj_weight.copy_(torch.cat([layer.weight for layer in layers]))
        other.in_proj_bias.copy_(torch.cat([layer.bias for layer in layers]))
        other.out_proj.load_state_dict(mine.output.state_dict())
    for causal in (False, True):
        mask = torch.nn.Transformer.generate_square_subsequent_mask(5) if causal else None
        expected, maps = other(
            vectors, vectors, vectors, attn_mask=mask, average_attn_weights=False
        )
        found = mine(vectors, *mine.remember(vectors), causal=causal)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    _, maps = other(vectors, vectors, vectors, average_attn_weights=False)
    torch.testing.assert_close(mine.maps(vectors, mine.key(vectors)), maps)


def test_the_maps_of_a_layer_are_those_it_looks_with():
    torch.manual_seed(0)
    layer, vectors = EncoderLayer(size=8, heads=2).eval(), torch.randn(2, 5, 8)
    maps = layer.maps(vectors)
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 2, 5))
    inner = layer.attention_norm(vectors)
    values = layer.attention.value(inner).unflatten(-1, (2, 4)).transpose(1, 2)
    seen = layer.attention.output((maps @ values).transpose(1, 2).flatten(2))
    after = vectors + seen
    after = after + layer.feed_forward(layer.forward_norm(after))
    torch.testing.assert_close(layer(vectors), after, atol=1e-6, rtol=1e-5)


def test_position_codes_are_waves():
    codes = waves(torch.arange(4), 6)
    assert codes[3, 0] == pytest.approx(math.sin(3)) and codes[3, 1] == pytest.approx(math.cos(3))
    assert codes[3, 5] == pytest.approx(math.cos(3 / 10_000 ** (4 / 6)))


def test_every_cell_has_a_code_of_its_own_half_row_half_column():
    codes = grid_waves((2, 3), 8)
    assert codes.shape == (6, 8) and len(set(map(tuple, codes.tolist()))) == 6
    assert torch.equal(codes[0, :4], codes[2, :4])  # the same row
    assert torch.equal(codes[1, 4:], codes[4, 4:])  # the same column


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="heads must divide the vector size 8, and 3 do not"):
        SelfAttention(size=8, heads=3)
    with pytest.raises(ValueError, match="vector size divisible by 4, and 6 is not"):
        grid_waves((2, 2), 6)
