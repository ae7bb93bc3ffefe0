"""What learns in one phase, and how: the optimiser, the averaged weights, and one step of both.

Knows nothing of epochs, files or scores. Letters: P pictures, D annotation size, L locations.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from captioner.averaging import Averaged
from captioner.data import CaptionDataset
from captioner.examples import Examples
from captioner.journal import Tally
from captioner.model import Captioner
from captioner.objectives import OBJECTIVES
from captioner.phases import Phase, rate
from captioner.pixels import Request
from captioner.settings import TrainingConfig
from captioner.world import World


class Learner:
    """Makes the steps of a phase.

    Args:
        model: where it shall compute; the layers that the phase trains are unfrozen here.
        steps: of the whole phase.
        dtype: of the products, float32 or bfloat16.
    """

    def __init__(
        self,
        model: Captioner,
        dataset: CaptionDataset,
        phase: Phase,
        config: TrainingConfig,
        *,
        steps: int,
        dtype: torch.dtype,
        world: World,
    ) -> None:
        self.model, self._phase, self._config = model, phase, config
        self._steps, self._dtype, self._world = steps, dtype, world
        model.encoder.unfreeze(phase.stage)
        tuned = [p for p in model.encoder.backbone.parameters() if p.requires_grad]
        known = set(map(id, tuned))
        others = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
        self.trained = others + tuned
        rates = ((others, phase.learning_rate), (tuned, phase.encoder_learning_rate))
        groups = [{"params": part, "lr": lr, "highest": lr} for part, lr in rates if part]
        self.optimizer = torch.optim.Adam(groups)
        self.average = Averaged(self.trained, config.average_decay)
        self.examples = Examples(
            dataset, model.vocabulary, model.encoder.preprocessing, mirror=phase.mirror
        )
        self._objective = OBJECTIVES[phase.objective](config, self.examples, dataset)

    def requests(self, batches: Sequence[Sequence[int]], seed: str) -> Iterator[Request]:
        """What this process will have to see in steps with these pictures, in order.

        Args:
            seed: see `Examples.mirrored`.
        """
        for pictures in batches:
            for part in self._parts(pictures):
                yield part, self.examples.mirrored(part, seed)

    def step(
        self,
        pictures: Sequence[int],
        looks: Iterator[tuple[Tensor, list[int]]],
        seed: str,
        done: int,
    ) -> dict[str, tuple[float, float]] | None:
        """Makes one update.

        Args:
            pictures: indices, of all processes together.
            looks: what the frozen layers make of this process's pictures, as it was asked for in
                `requests`, see `Features.stream`.
            done: steps of this phase before.

        Returns:
            Its figures, each a sum with its count; nothing, and no update, if its gradient is no
            number.
        """
        phase, config, words, tally = self._phase, self._config, 0, Tally()
        for group in self.optimizer.param_groups:
            group["lr"] = group["highest"] * rate(
                done, self._steps, config.warm_up, config.schedule
            )
        self.optimizer.zero_grad(set_to_none=True)
        broken = False
        for asked in self._parts(pictures):
            looked, places = next(looks)
            part = [asked[place] for place in places]
            if not part:
                continue
            # Tuned layers stay in float32: bf16 took 2.3 times as long backwards through depthwise
            # convolutions (EfficientNet-Lite2 from stage 4 on, 32 pictures: 3.3 s against 1.4 s).
            annotations = self.model.encoder.annotate(looked)  # (P, L, D)
            if broken := not annotations.isfinite().all():
                break
            batch = self.examples.batch(part, seed)
            lower = self._dtype != torch.float32
            with torch.autocast(annotations.device.type, self._dtype, enabled=lower):
                outcome = self._objective(self.model, annotations, batch)
            # Sums: the mean is taken below, over the words of all parts and all processes.
            (outcome.total / config.batch_size).backward()
            words += outcome.words
            tally.add(outcome.figures)
        if self._world.any(broken):
            return None
        # What a decoder notes while it trains, as hard attention its baseline, is one for all.
        self._world.level(self.model.decoder.buffers())
        words = self._world.add_up(self.trained, words)
        for parameter in self.trained:
            if parameter.grad is not None:
                parameter.grad.mul_(config.batch_size / max(words, 1))
        norm = torch.nn.utils.clip_grad_norm_(self.trained, phase.clip).item()
        if not math.isfinite(norm):
            return None
        self.optimizer.step()
        self.average.update(done)
        names = ("learning rate", "encoder learning rate")
        rates = {name: (group["lr"], 1) for name, group in zip(names, self.optimizer.param_groups)}
        return {**tally.sums(), "gradient": (norm, 1), **rates}

    def captions(self, pictures: Sequence[int]) -> int:
        """How many captions a step with these pictures learns from."""
        return self._objective.captions(pictures)

    def _parts(self, pictures: Sequence[int]) -> list[Sequence[int]]:
        """This process's share of a step's pictures, in the parts that it takes them in."""
        share = self._world.share(pictures)
        size = math.ceil(len(share) / self._config.accumulate) if share else 1
        return [share[first : first + size] for first in range(0, len(share), size)]
