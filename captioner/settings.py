"""How a captioner is trained: every setting is a field here, a flag of `train.py`, and an entry of
the run's `run.json`."""

from dataclasses import dataclass

from captioner.options import option

PRECISIONS = ("auto", "fp32", "bf16")
# Fields by what they may be.
_AT_LEAST_ONE = ("batch_size", "accumulate")
_ABOVE_ZERO = (
    "learning_rate",
    "finetune_learning_rate",
    "encoder_learning_rate",
    "self_critical_learning_rate",
    "gradient_clip",
    "self_critical_clip",
)
_AT_LEAST_ZERO = (
    "epochs",
    "finetune_epochs",
    "self_critical_epochs",
    "finetune_stage",
    "doubly_stochastic_weight",
    "grounding_weight",
    "reward_cider",
    "reward_bleu",
    "reward_grounding",
    "patience",
    "save_every_steps",
    "save_every_minutes",
)
_SHARES = (
    "warm_up",
    "label_smoothing",
    "word_dropout",
    "scheduled_sampling",
    "average_decay",
    "max_bad_images",
)


@dataclass(frozen=True)
class TrainingConfig:
    """How a captioner is trained."""

    output: str = option("runs/captioner", "folder for the checkpoint and what resuming needs")
    epochs: int = option(10, "passes over human captions with the backbone frozen")
    finetune_epochs: int = option(0, "then passes that train the backbone's last stages too")
    self_critical_epochs: int = option(0, "then passes over drawn captions, by their reward")
    finetune_stage: int = option(4, "first stage of the backbone that is fine-tuned")
    batch_size: int = option(32, "pictures in a step, each with all of its captions")
    accumulate: int = option(1, "parts that a step's pictures are taken in, one after another")

    learning_rate: float = option(1e-3, "highest learning rate of Adam, backbone frozen")
    finetune_learning_rate: float = option(3e-4, "the same while the backbone is fine-tuned")
    encoder_learning_rate: float = option(1e-4, "of the backbone's own layers, fine-tuned")
    self_critical_learning_rate: float = option(3e-5, "highest one of self-critical training")
    warm_up: float = option(0.05, "share of a phase's steps until the learning rate is highest")
    gradient_clip: float = option(1.0, "largest norm of the gradient")
    self_critical_clip: float = option(0.25, "the same in self-critical training")
    average_decay: float = option(0.998, "what a step keeps of the averaged weights; 0: no average")

    label_smoothing: float = option(0.0, "share of probability spread over all words")
    word_dropout: float = option(0.0, "share of words read as unknown ones")
    scheduled_sampling: float = option(0.0, "share of words read that the model drew itself")
    mirror: bool = option(True, "exchange left and right, unless a caption names a side")
    # The paper's 1 is for 196 cells. On 64 it keeps the maps flat: in the second epoch their
    # entropy was about 4.1 of at most 4.16 nats, with 0.1 it was 4.0.
    doubly_stochastic_weight: float = option(0.0, "weight of looking everywhere once; paper: 1")
    grounding_weight: float = option(0.3, "weight of looking at the boxes of a word, if it has any")

    samples: int = option(5, "captions drawn for each picture in self-critical training")
    reward_cider: float = option(1.0, "what a caption's CIDEr-D counts, 0-10")
    reward_bleu: float = option(0.0, "what its BLEU-4 counts, 0-1")
    reward_grounding: float = option(0.0, "what its attention inside the boxes counts, 0-1")

    patience: int = option(0, "epochs of a phase without a better CIDEr until it ends; 0: all")
    precision: str = option("auto", "of the products in training", PRECISIONS)
    seed: int = option(0, "of the weights, the order of the pictures and the dropout")
    save_every_steps: int = option(0, "steps between saved states, besides after each epoch")
    save_every_minutes: float = option(10.0, "minutes between saved states; 0: by steps alone")
    cache: str = option("~/.cache/captioner", "folder for what the frozen layers give")
    max_bad_images: float = option(0.01, "largest share of pictures that may be unreadable")
    tensorboard: bool = option(False, "write what people watch for TensorBoard too")

    def __post_init__(self) -> None:
        for names, least in ((_AT_LEAST_ONE, 1), (_AT_LEAST_ZERO, 0), (("samples",), 2)):
            for name in names:
                if not getattr(self, name) >= least:
                    raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")
        for name in _ABOVE_ZERO:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in _SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be from 0 to below 1, not {getattr(self, name)}")
        if not self.epochs + self.finetune_epochs + self.self_critical_epochs:
            raise ValueError("there is no epoch to train: give --epochs at least 1")
