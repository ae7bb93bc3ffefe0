import subprocess
import sys

import pytest
import torch
from torch import nn

from captioner.world import World, join

SCRIPT = """
import torch
from torch import nn
from captioner.world import join

world = join(torch.device("cpu"))
one, two = nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.zeros(4))
one.grad = torch.full((2, 3), world.rank + 1.0)
if world.rank:  # the first process had no picture for it
    two.grad = torch.arange(4.0)
assert world.add_up([one, two], 2 + 5 * world.rank) == 2 + 7
assert torch.equal(one.grad, torch.full((2, 3), 3.0)) and torch.equal(two.grad, torch.arange(4.0))
assert list(world.share(range(5))) == [[0, 2, 4], [1, 3]][world.rank]
assert world.gather(f"of {world.rank}") == ["of 0", "of 1"]
assert world.any(world.rank == 1) and not world.any(False)
world.wait()
"""


@pytest.mark.slow
def test_two_processes_add_up_and_agree(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_one_process_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    world = join(torch.device("cpu"))
    assert world == World() and list(world.share(range(3))) == [0, 1, 2]
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    assert world.add_up([parameter], 7) == 7 and torch.equal(parameter.grad, torch.ones(2))
    assert world.gather(3) == [3] and world.any(True) and not world.any(False)
