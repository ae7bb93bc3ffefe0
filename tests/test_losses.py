import math

import pytest
import torch

from captioner.losses import (
    caption_loss,
    doubly_stochastic_penalty,
    grounding_loss,
    mean_entropy,
    self_critical_loss,
)


def test_the_loss_is_the_summed_negative_log_probability_of_the_words():
    logits, targets = torch.randn(5, 7), torch.tensor([0, 3, 6, 2, 2])
    expected = -sum(logits.log_softmax(-1)[i, t] for i, t in enumerate(targets))
    torch.testing.assert_close(caption_loss(logits, targets), expected)


def test_label_smoothing_spreads_the_target():
    logits, targets = torch.randn(5, 7), torch.tensor([0, 3, 6, 2, 2])
    log_probs = logits.log_softmax(-1)
    expected = -(0.9 * log_probs[range(5), targets] + 0.1 * log_probs.mean(-1)).sum()
    torch.testing.assert_close(caption_loss(logits, targets, label_smoothing=0.1), expected)


def test_looking_everywhere_once_costs_nothing():
    alphas = torch.eye(4)[None]  # four steps, four locations
    assert doubly_stochastic_penalty(alphas, torch.ones(1, 4, dtype=bool)).item() == 0


def test_the_penalty_is_summed_over_locations_and_captions():
    alphas = torch.rand(3, 5, 4)
    real = torch.ones(3, 5, dtype=bool)
    expected = 0.0
    for caption in alphas:
        for location in range(4):
            expected += (1 - sum(step[location] for step in caption)) ** 2
    torch.testing.assert_close(doubly_stochastic_penalty(alphas, real), expected)


def test_padding_does_not_look_and_an_empty_row_is_no_caption():
    alphas = torch.rand(1, 3, 4)
    padded = torch.cat([alphas, torch.rand(1, 2, 4)], dim=1)
    padded = torch.cat([padded, torch.rand(1, 5, 4)])  # a second row of padding alone
    real = torch.tensor([[True] * 3 + [False] * 2, [False] * 5])
    alone = doubly_stochastic_penalty(alphas, torch.ones(1, 3, dtype=bool))
    torch.testing.assert_close(doubly_stochastic_penalty(padded, real), alone)


def test_a_map_inside_its_boxes_costs_nothing_and_one_beside_them_much():
    assert grounding_loss(torch.tensor([1.0, 1.0])).item() == 0
    half = grounding_loss(torch.tensor([0.5, 0.25])).item()
    assert half == pytest.approx(math.log(2) + math.log(4))
    assert math.isfinite(grounding_loss(torch.tensor([0.0])).item())


def test_each_sample_is_compared_with_the_mean_of_the_others():
    log_probs = torch.randn(6, 4, requires_grad=True)
    rewards = torch.tensor([[1.0, 2.0, 6.0], [3.0, 3.0, 3.0]])
    real = torch.ones(6, 4, dtype=bool)
    real[0, 2:] = False
    self_critical_loss(log_probs, rewards, real).backward()
    expected = -torch.tensor([1 - 4.0, 2 - 3.5, 6 - 1.5, 0, 0, 0])[:, None] * real
    torch.testing.assert_close(log_probs.grad, expected)


@pytest.mark.parametrize(("alpha", "nats"), [([0.25] * 4, math.log(4)), ([1.0, 0, 0, 0], 0.0)])
def test_entropy_of_flat_and_sharp_maps(alpha, nats):
    alphas = torch.tensor([[alpha, [0.7, 0.1, 0.1, 0.1]]])
    real = torch.tensor([[True, False]])
    assert mean_entropy(alphas, real).item() == pytest.approx(nats, abs=1e-5)
