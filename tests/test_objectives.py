import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import TINY, WORDS

from captioner.assembly import new_model
from captioner.batches import next_words
from captioner.data import Region, read_dataset
from captioner.examples import Examples
from captioner.objectives import OBJECTIVES, CrossEntropy, SelfCritical
from captioner.pixels import read_pixels
from captioner.settings import TrainingConfig
from captioner.vocabulary import Vocabulary


@pytest.fixture
def dataset(drawn_pictures):
    dataset = read_dataset(*drawn_pictures[:2])
    box = Region(0, 1, 3, ((0.0, 0.0, 45.0, 70.0),), "other")  # the left half
    pictures = tuple(replace(picture, regions=(box,)) for picture in dataset.pictures)
    return replace(dataset, pictures=pictures)


@pytest.fixture
def taught(tiny_model, dataset):
    """Says what an objective makes of all eight pictures."""
    examples = Examples(dataset, tiny_model.vocabulary, tiny_model.encoder.preprocessing)
    pixels = read_pixels(
        tiny_model.encoder.preprocessing, [p.path for p in dataset.pictures], [False] * 8
    )

    def run(objective, model=tiny_model, **settings):
        config = TrainingConfig(**settings)
        made = objective(config, examples, dataset)
        return made(model, model.encoder(pixels), examples.batch(range(8), "0"))

    return run


def made_of(**settings):
    torch.manual_seed(0)
    return new_model(replace(TINY, **settings), Vocabulary(WORDS), pretrained=False)


def test_cross_entropy_is_the_sum_over_words_and_grounding_is_added(taught):
    plain = taught(CrossEntropy, grounding_weight=0.0)
    assert plain.words == 8 * 7  # six words and the end
    total, count = plain.figures["loss"]
    assert plain.total.item() == pytest.approx(total) and count == plain.words
    assert "mass" not in plain.figures
    grounded = taught(CrossEntropy, grounding_weight=0.5)
    mass, words = grounded.figures["mass"]
    assert words == 16 and 0 < mass / words < 100
    # A look is about flat: its mass is about that of the half that the box covers.
    assert grounded.total.item() - total == pytest.approx(0.5 * 16 * math.log(2), rel=0.1)
    entropy, words = plain.figures["entropy"]
    assert entropy / words == pytest.approx(math.log(4), abs=0.05)


def test_hard_attention_adds_reinforce_and_follows_its_baseline(taught):
    model = made_of(attention="hard")
    model.train()
    attention = model.decoder.attention
    attention.semi_sampling, attention.entropy_weight = 0.0, 0.0
    first = taught(CrossEntropy, model, grounding_weight=0.0)
    assert attention.baseline.item() == pytest.approx(-0.1 * math.log(16), rel=0.1)  # a word
    # The energies learn from REINFORCE alone: a drawn location has no gradient.
    first.total.backward()
    assert attention.energy.weight.grad.abs().sum() > 0
    attention.reinforce_weight = 0.0
    model.zero_grad()
    taught(CrossEntropy, model, grounding_weight=0.0).total.backward()
    assert attention.energy.weight.grad.abs().sum() == 0


def test_maps_are_made_only_where_something_asks_for_them(taught):
    model = made_of(decoder="transformer", attention="multihead")
    quiet = taught(CrossEntropy, model, grounding_weight=0.0)
    asked = taught(CrossEntropy, model, grounding_weight=0.3)
    assert "entropy" not in quiet.figures and "entropy" in asked.figures
    assert quiet.figures["loss"][0] == pytest.approx(asked.figures["loss"][0], rel=1e-5)


def test_doubly_stochastic_weight_adds_its_penalty(taught):
    less, more = (taught(CrossEntropy, doubly_stochastic_weight=w).total.item() for w in (0.0, 1.0))
    assert more > less


def test_words_are_forgotten_or_replaced_only_where_they_are_read(taught, tiny_model, monkeypatch):
    read = []
    forward = type(tiny_model.decoder).forward
    monkeypatch.setattr(
        type(tiny_model.decoder), "forward", lambda *a, **kw: read.append(a[2]) or forward(*a, **kw)
    )
    torch.manual_seed(0)
    taught(CrossEntropy)
    (human,) = read
    read.clear()
    forgot = taught(CrossEntropy, word_dropout=0.5)
    changed = read[-1] != human
    assert 0.2 < changed[:, 1:].float().mean() < 0.8 and not changed[:, 0].any()
    assert (read[-1][changed] == Vocabulary.unk).all() and forgot.words == 56
    read.clear()
    taught(CrossEntropy, scheduled_sampling=0.5)
    changed = read[-1] != human
    assert len(read) == 2 and changed.any() and not changed[:, 0].any()
    assert (read[-1][changed] > Vocabulary.unk).all()  # its own words, none of them special


def test_drawn_words_have_the_very_probability_they_were_drawn_with(
    taught, tiny_model, dataset, monkeypatch
):
    drawn = {}
    find = SelfCritical._log_probs

    def note(self, logits, inputs):
        drawn["inputs"], drawn["found"] = inputs, find(self, logits, inputs)
        return drawn["found"]

    monkeypatch.setattr(SelfCritical, "_log_probs", note)
    torch.manual_seed(0)
    outcome = taught(SelfCritical, samples=3)
    inputs, (log_probs, real) = drawn["inputs"], drawn["found"]
    assert len(inputs) == 24 and outcome.words == int(real.sum())
    targets = torch.full_like(inputs, Vocabulary.pad)
    targets[inputs != Vocabulary.pad] = next_words(inputs)
    annotations, _ = tiny_model.look([picture.path for picture in dataset.pictures])
    with torch.inference_mode():
        decoder = tiny_model.decoder.eval()
        memory = decoder.remember(annotations)
        state = decoder.start(memory, 3)
        for t in range(inputs.shape[1]):
            found, state, _ = decoder.step(memory, inputs[:, t], state)
            banned = [Vocabulary.pad, Vocabulary.start, Vocabulary.unk]
            found[:, banned + [Vocabulary.end] * (t == 0)] = -math.inf
            own = found.log_softmax(-1).gather(1, targets[:, t : t + 1]).squeeze(1)
            torch.testing.assert_close(
                log_probs[real[:, t], t], own[real[:, t]], atol=1e-4, rtol=1e-4
            )


def test_rewards_raise_what_is_rewarded(tiny_model, dataset):
    examples = Examples(dataset, tiny_model.vocabulary, tiny_model.encoder.preprocessing)
    pixels = read_pixels(
        tiny_model.encoder.preprocessing, [p.path for p in dataset.pictures], [False] * 8
    )
    looked = tiny_model.encoder.look(pixels)
    config = TrainingConfig(samples=5, grounding_weight=0.0)
    objective = SelfCritical(config, examples, dataset)
    optimizer = torch.optim.Adam(tiny_model.decoder.parameters(), lr=0.01)
    torch.manual_seed(0)
    rewards = []
    for _ in range(120):
        annotations = tiny_model.encoder.annotate(looked).detach()
        outcome = objective(tiny_model, annotations, examples.batch(range(8), "0"))
        optimizer.zero_grad()
        (outcome.total / outcome.words).backward()
        optimizer.step()
        total, count = outcome.figures["reward"]
        rewards.append(total / count)
    assert np.mean(rewards[-5:]) > 1.5 * np.mean(rewards[:5]) > 0


def test_a_named_thing_is_grounded_and_rewarded(taught, tiny_model):
    with torch.no_grad():  # it says "square" and nothing else
        tiny_model.decoder.output.bias[tiny_model.vocabulary.encode(["square"])] = 30.0
    outcome = taught(SelfCritical, samples=2, reward_cider=0.0, reward_grounding=1.0)
    mass, words = outcome.figures["mass"]
    length, captions = outcome.figures["length"]
    assert words == 4 * 2 * length / captions  # four of the pictures show a square
    total, count = outcome.figures["reward"]
    assert count == 16 and total == pytest.approx(mass / 100 / (length / captions), rel=1e-4)


def test_every_objective_has_a_gradient_for_the_decoder(taught, tiny_model):
    for objective in OBJECTIVES.values():
        tiny_model.zero_grad()
        taught(objective).total.backward()
        assert all(p.grad is not None for p in tiny_model.decoder.parameters())
