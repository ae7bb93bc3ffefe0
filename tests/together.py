"""Processes that train together: how they are started, and what their first steps teach.

As a script it is one of them: `together.py CAPTIONS IMAGES FOLDER` writes what `learn` gives.
"""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import torch
from conftest import TINY

from captioner.assembly import new_model
from captioner.averaging import Averaged
from captioner.data import read_dataset
from captioner.journal import Tally
from captioner.objectives import OBJECTIVES, SelfCritical
from captioner.settings import TrainingConfig
from captioner.tokenizer import tokenize
from captioner.training import Run
from captioner.vocabulary import SPECIAL, build_vocabulary
from captioner.world import join

ROOT = Path(__file__).resolve().parents[1]
LEARNT = "learnt.pt"
PHASES = ("epochs", "finetune_epochs", "self_critical_epochs")


def torchrun(size, *command):
    """Runs a Python script as so many processes, as its users do."""
    agent = ["-m", "torch.distributed.run", "--nproc-per-node", str(size)]
    agent += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    done = subprocess.run(
        [sys.executable, *agent, *map(str, command)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done


def start(size, *command):
    """Starts a Python script as so many processes, with nobody above them who could end them."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    alike = {"WORLD_SIZE": str(size), "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    alike |= {"OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, *map(str, command)],
            cwd=ROOT,
            env={**os.environ, **alike, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(size)
    ]


def learn(captions, images, folder, world):
    """Makes the steps of an epoch in each phase, in float64, with nothing left to chance.

    Returns:
        For each phase a list with a pair for each step: what people watch, over all processes, and
        the gradients by name.
    """
    dataset = read_dataset(captions, images)
    # In batches of three the last has one picture: nothing for a second process.
    dataset = replace(dataset, pictures=dataset.pictures[:7])
    with patch.dict(OBJECTIVES, {"self-critical": Planted}):
        return {phase: _steps(phase, dataset, folder, world) for phase in PHASES}


class Planted(SelfCritical):
    """Says for each picture what follows from its number, and draws nothing."""

    def __call__(self, model, annotations, batch):
        self._pictures = batch.pictures
        return super().__call__(model, annotations, batch)

    def _draw(self, model, memory, rows):
        words = range(len(SPECIAL), len(model.vocabulary))
        return [
            [words[(5 * i + k + n) % len(words)] for n in range(1 + (3 * i + k) % 7)]
            for i in self._pictures
            for k in range(self._config.samples)
        ]


def _steps(phase, dataset, folder, world):
    settings = TrainingConfig(
        **{**dict.fromkeys(PHASES, 0), phase: 1},
        output=str(folder / "run"),
        cache=str(folder / "cache"),
        batch_size=3,
        precision="fp32",
        finetune_stage=3,
        mirror=False,
        feature_cache="on",
        gradient_clip=1e9,  # else the size of the gradient would not show
        self_critical_clip=1e9,
        doubly_stochastic_weight=1.0,
    )
    torch.manual_seed(0)
    texts = (tokenize(text) for picture in dataset.pictures for text in picture.captions)
    model = new_model(TINY, build_vocabulary(texts, min_count=1), pretrained=False)
    run = Run(model, dataset, dataset, settings, world)
    run._begin()
    learner = run.learner
    model.double().train()
    learner.average = Averaged(learner.trained, 0.5)
    batches = learner.examples.batches(settings.batch_size, "0")
    looks = run.features.stream(learner.requests(batches, "0"))
    looks = ((looked.double(), places) for looked, places in looks)
    found = []
    for done, batch in enumerate(batches):
        figures = Tally()
        figures.add(learner.step(batch, looks, "0", done))
        means = Tally.of(world.gather(figures.sums())).means()
        named = model.named_parameters()
        found.append((means, {n: p.grad.clone() for n, p in named if p.grad is not None}))
    return found


if __name__ == "__main__":
    captions, images, folder = map(Path, sys.argv[1:])
    world = join(torch.device("cpu"))
    learnt = learn(captions, images, folder, world)
    if not world.rank:
        torch.save(learnt, folder / LEARNT)
