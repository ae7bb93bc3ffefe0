"""How a captioner is trained: every setting is a field here, a flag of `train.py`, and an entry of
the run's `run.json`."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

from captioner.options import check_bounds, option

PRECISIONS = ("auto", "fp32", "bf16")
DEVICES = ("auto", "cpu", "cuda")
SCHEDULES = ("constant", "cosine")
FEATURE_CACHES = ("auto", "on", "off")


@dataclass(frozen=True)
class TrainingConfig:
    """How a captioner is trained."""

    output: str = option("runs/captioner", "folder for the checkpoint and what resuming needs")
    epochs: int = option(10, "passes over human captions with the backbone frozen", least=0)
    finetune_epochs: int = option(
        0, "then passes that train the backbone's last stages too", least=0
    )
    self_critical_epochs: int = option(
        0, "then passes over drawn captions, by their reward", least=0
    )
    finetune_stage: int = option(4, "first stage of the backbone that is fine-tuned", least=0)
    batch_size: int = option(32, "pictures in a step, each with all of its captions", least=1)
    accumulate: int = option(
        1, "parts that a step's pictures are taken in, one after another", least=1
    )

    learning_rate: float = option(1e-3, "highest learning rate of Adam, backbone frozen", above=0)
    finetune_learning_rate: float = option(
        3e-4, "the same while the backbone is fine-tuned", above=0
    )
    encoder_learning_rate: float = option(1e-4, "of the backbone's own layers, fine-tuned", above=0)
    self_critical_learning_rate: float = option(
        3e-5, "highest one of self-critical training", above=0
    )
    warm_up: float = option(
        0.05, "share of a phase's steps until the learning rate is highest", least=0, below=1
    )
    schedule: str = option(
        "cosine", "what the learning rate does after that: falls, or stays", SCHEDULES
    )
    gradient_clip: float = option(1.0, "largest norm of the gradient", above=0)
    self_critical_clip: float = option(0.25, "the same in self-critical training", above=0)
    average_decay: float = option(
        0.998, "what a step keeps of the averaged weights; 0: no average", least=0, below=1
    )

    label_smoothing: float = option(
        0.0, "share of probability spread over all words", least=0, below=1
    )
    word_dropout: float = option(0.0, "share of words read as unknown ones", least=0, below=1)
    scheduled_sampling: float = option(
        0.0, "share of words read that the model drew itself", least=0, below=1
    )
    mirror: bool = option(True, "exchange left and right, unless a caption names a side")
    # The paper's 1 is for 196 cells. On 64 it keeps the maps flat: in the second epoch their
    # entropy was about 4.1 of at most 4.16 nats, with 0.1 it was 4.0.
    doubly_stochastic_weight: float = option(
        0.0, "weight of looking everywhere once; paper: 1", least=0
    )
    grounding_weight: float = option(
        0.3, "weight of looking at the boxes of a word, if it has any", least=0
    )

    samples: int = option(5, "captions drawn for each picture in self-critical training", least=2)
    reward_cider: float = option(1.0, "what a caption's CIDEr-D counts, 0-10", least=0)
    reward_bleu: float = option(0.0, "what its BLEU-4 counts, 0-1", least=0)
    reward_meteor: float = option(0.0, "what its METEOR by words and stems counts, 0-1", least=0)
    reward_grounding: float = option(
        0.0, "what its attention inside the boxes counts, 0-1", least=0
    )

    patience: int = option(
        0, "epochs of a phase without a better CIDEr until it ends; 0: all", least=0
    )
    device: str = option("auto", "where it is computed; auto: cuda if there is a GPU", DEVICES)
    precision: str = option("auto", "of the products in training", PRECISIONS)
    compile: bool = option(False, "compile what is heavy with torch.compile")
    seed: int = option(0, "of the weights, the order of the pictures and the dropout")
    save_every_steps: int = option(
        0, "steps between saved states, besides after each epoch", least=0
    )
    save_every_minutes: float = option(
        10.0, "minutes between saved states; 0: by steps alone", least=0
    )
    cache: str = option("~/.cache/captioner", "folder for what the frozen layers give")
    feature_cache: str = option(
        "auto", "keep it there, or make it anew for every batch; auto: by the room", FEATURE_CACHES
    )
    max_bad_images: float = option(
        0.01, "largest share of pictures that may be unreadable", least=0, below=1
    )
    tensorboard: bool = option(False, "write what people watch for TensorBoard too")

    def __post_init__(self) -> None:
        check_bounds(self)
        rewards = [getattr(self, item.name) for item in fields(self) if "reward_" in item.name]
        if self.self_critical_epochs and not any(rewards):
            raise ValueError("self-critical training needs a reward: give one above 0")
        if not self.epochs + self.finetune_epochs + self.self_critical_epochs:
            raise ValueError("there is no epoch to train: give --epochs at least 1")

    def anywhere(self) -> "TrainingConfig":
        """The same with whole paths: a run can be resumed from another folder."""
        return replace(self, cache=str(Path(self.cache).expanduser().resolve()))
