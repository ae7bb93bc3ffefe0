import pytest
import torch
from torch import nn

from captioner.averaging import Averaged


def test_the_average_is_the_one_of_the_formula():
    parameter = nn.Parameter(torch.tensor([1.0]))
    average, expected = Averaged([parameter], 0.5), 1.0
    for done, value in enumerate((3.0, 5.0, 2.0)):
        parameter.data.fill_(value)
        average.update(done)
        decay = min(0.5, (1 + done) / (10 + done))
        expected = decay * expected + (1 - decay) * value
    assert average.values[0].item() == pytest.approx(expected)


def test_no_decay_is_no_average():
    parameter = nn.Parameter(torch.randn(4))
    average = Averaged([parameter], 0.0)
    parameter.data.add_(1)
    average.update(1000)
    assert torch.equal(average.values[0], parameter)


def test_the_averaged_weights_are_in_place_only_inside(tiny_model):
    parameters = list(tiny_model.decoder.parameters())
    average = Averaged(parameters, 0.9)
    first = [p.detach().clone() for p in parameters]
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(1)
    with average.in_place():
        assert all(torch.equal(p, f) for p, f in zip(parameters, first, strict=True))
    assert all(torch.equal(p, f + 1) for p, f in zip(parameters, first, strict=True))
    assert all(map(torch.equal, average.values, first))
