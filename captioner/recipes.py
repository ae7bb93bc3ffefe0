"""Recipes: settings that go together, by name. A flag that is given counts more than the recipe."""

# One layer that looks once before each word, with one head: its map is all that the decoder saw of
# the picture.
_ONE_LOOK: dict[str, object] = {
    "decoder": "transformer",
    "decoder_layers": 1,
    "attention_dim": 256,
    "dropout": 0.3,
    "batch_size": 16,
    "average_decay": 0.995,
    "label_smoothing": 0.1,
    "reward_meteor": 3.0,
    "reward_bleu": 1.0,
}

ABOUT = {
    "flickr8k": "the model in the package",
    "laptop": "under an hour on two cores",
    "coco": "ResNet-101 at 448 pixels, fine-tuned, then self-critical",
    "paper": "Xu et al. 2015: VGG-19, soft attention",
}

RECIPES: dict[str, dict[str, object]] = {
    # Xu et al. 2015 and the authors' code, soft attention: VGG-19 conv5_4, nothing fine-tuned.
    "paper": {
        "backbone": "vgg19",
        "stage": 4,
        "image_size": 224,
        "annotation_dim": 0,
        "hidden_dim": 1800,
        "word_query": False,
        "epochs": 20,
        "batch_size": 13,  # pictures of five captions: about the 64 captions of the paper
        "learning_rate": 2e-4,
        "warm_up": 0.0,
        "schedule": "constant",
        "doubly_stochastic_weight": 1.0,
        "grounding_weight": 0.0,
        "average_decay": 0.0,
        "mirror": False,
        "patience": 5,
    },
    # What the literature's 33 to 37 BLEU-4 are made of: a ResNet-101 at full resolution,
    # fine-tuned, then self-critical training.
    "coco": {
        "backbone": "resnet101",
        "image_size": 448,
        "epochs": 10,
        "finetune_epochs": 10,
        "self_critical_epochs": 15,
        "learning_rate": 5e-4,
        "encoder_learning_rate": 1e-5,
        "self_critical_learning_rate": 5e-5,
        "batch_size": 32,
    },
    # What the model in the package was made with, in one run.
    "flickr8k": _ONE_LOOK | {"epochs": 6, "finetune_epochs": 7, "self_critical_epochs": 3},
    # Under one hour on two cores: the same without fine-tuning.
    "laptop": _ONE_LOOK | {"epochs": 6, "self_critical_epochs": 2},
}
