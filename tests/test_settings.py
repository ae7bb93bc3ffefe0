from dataclasses import replace

import pytest

from captioner.phases import plan, rate
from captioner.settings import TrainingConfig


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "there is no epoch to train"),
        ({"epochs": -1}, "epochs must be at least 0, not -1"),
        ({"batch_size": -1}, "batch_size must be at least 1, not -1"),
        ({"samples": 1}, "samples must be at least 2, not 1"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, not 0.0"),
        ({"gradient_clip": float("nan")}, "gradient_clip must be above 0, not nan"),
        ({"save_every_steps": -1}, "save_every_steps must be at least 0, not -1"),
        ({"doubly_stochastic_weight": -1.0}, "doubly_stochastic_weight must be at least 0"),
        ({"warm_up": 1.0}, "warm_up must be from 0 to below 1, not 1.0"),
        ({"label_smoothing": 1.5}, "label_smoothing must be from 0 to below 1, not 1.5"),
    ],
)
def test_impossible_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**change)


def test_only_phases_with_epochs_are_planned_and_only_fine_tuning_moves_the_backbone():
    config = TrainingConfig(epochs=2, finetune_epochs=3, self_critical_epochs=1, finetune_stage=3)
    frozen, tuned, critical = plan(config)
    assert (frozen.stage, tuned.stage, critical.stage) == (None, 3, None)
    assert critical.objective == "self-critical" and not critical.mirror
    assert plan(replace(config, epochs=0, self_critical_epochs=0)) == (tuned,)


def test_the_rate_warms_up_and_then_falls():
    rates = [rate(done, 100, 0.1) for done in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == rates[10] == max(rates) == 1.0
    assert all(a >= b for a, b in zip(rates[10:], rates[11:])) and 0.01 <= rates[-1] < 0.02
