"""The phases of a training: which layers learn, from what, how fast and for how long."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from captioner.settings import TrainingConfig


@dataclass(frozen=True)
class Phase:
    """A part of a training with an optimiser of its own.

    Attributes:
        name: for people and logs.
        objective: a name in `objectives.OBJECTIVES`.
        epochs: passes over the training pictures.
        stage: first stage of the backbone that learns; none if it is frozen.
        learning_rate: the highest, of everything but the backbone.
        encoder_learning_rate: the highest, of the backbone's layers.
        clip: largest norm of the gradient.
        mirror: exchange left and right in some pictures.
    """

    name: str
    objective: str
    epochs: int
    stage: int | None
    learning_rate: float
    encoder_learning_rate: float
    clip: float
    mirror: bool


def plan(config: TrainingConfig) -> tuple[Phase, ...]:
    """The phases that have any epochs, in order: frozen, fine-tuned, self-critical."""
    phases = (
        Phase(
            name="frozen",
            objective="cross-entropy",
            epochs=config.epochs,
            stage=None,
            learning_rate=config.learning_rate,
            encoder_learning_rate=0.0,
            clip=config.gradient_clip,
            mirror=config.mirror,
        ),
        Phase(
            name="fine-tuned",
            objective="cross-entropy",
            epochs=config.finetune_epochs,
            stage=config.finetune_stage,
            learning_rate=config.finetune_learning_rate,
            encoder_learning_rate=config.encoder_learning_rate,
            clip=config.gradient_clip,
            mirror=config.mirror,
        ),
        Phase(
            name="self-critical",
            objective="self-critical",
            epochs=config.self_critical_epochs,
            stage=None,
            learning_rate=config.self_critical_learning_rate,
            encoder_learning_rate=0.0,
            clip=config.self_critical_clip,
            mirror=False,  # it gained nothing there (benchmarks/recipe.md)
        ),
    )
    return tuple(phase for phase in phases if phase.epochs)


def finished(phases: Sequence[Phase], number: int, epoch: int) -> list[tuple[str, int]]:
    """The name and number, from 1, of every epoch before `epoch` of the phase `number`."""
    return [
        (phase.name, past + 1)
        for place, phase in enumerate(phases[: number + 1])
        for past in range(phase.epochs if place < number else epoch)
    ]


def rate(done: int, steps: int, warm_up: float, schedule: str = "cosine") -> float:
    """The share of the highest learning rate: up in a straight line, then by the schedule.

    Args:
        done: finished steps of the phase.
        steps: of the whole phase.
        warm_up: share of the steps until the highest.
        schedule: "cosine", down half a cosine to a hundredth, or "constant".
    """
    warm = max(1, round(warm_up * steps))
    if done < warm:
        return (done + 1) / warm
    if schedule == "constant":
        return 1.0
    share = (done - warm) / max(1, steps - warm)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2
