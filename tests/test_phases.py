"""Which phases a training has, and how fast each learns."""

import pytest

from captioner.phases import plan, rate
from captioner.settings import TrainingConfig


def test_the_rate_goes_up_in_a_line_and_down_half_a_cosine():
    rates = [rate(done, 100, 0.1) for done in range(100)]
    assert rates[:3] == pytest.approx([0.1, 0.2, 0.3]) and rates[9] == rates[10] == 1
    assert rates[55] == pytest.approx((1 + 0.01) / 2)
    assert 0.01 < rates[-1] < 0.012
    assert all(one >= two for one, two in zip(rates[9:], rates[10:]))


def test_a_constant_rate_stays_where_it_came_up_to():
    assert [rate(done, 100, 0.02, "constant") for done in (0, 1, 2, 99)] == [0.5, 1, 1, 1]
    assert rate(0, 100, 0.0, "constant") == 1


def test_phases_without_an_epoch_are_none():
    config = TrainingConfig(epochs=2, self_critical_epochs=3, finetune_stage=2)
    frozen, drawn = plan(config)
    assert (frozen.name, frozen.objective, frozen.epochs) == ("frozen", "cross-entropy", 2)
    assert (drawn.name, drawn.objective, drawn.epochs) == ("self-critical", "self-critical", 3)
    assert frozen.stage is None and drawn.stage is None
    (tuned,) = plan(TrainingConfig(epochs=0, finetune_epochs=1, finetune_stage=2))
    assert (tuned.name, tuned.stage) == ("fine-tuned", 2)
    assert tuned.encoder_learning_rate == config.encoder_learning_rate
