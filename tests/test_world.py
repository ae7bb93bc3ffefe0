import pytest
import torch
from together import LEARNT, PHASES, ROOT, learn, torchrun
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
    torchrun(2, script)


# The mean of the processes' means, or a process that is not heard, is off by 1e-3 and more.
@pytest.mark.slow
def test_two_processes_take_the_very_steps_of_one(uneven, drawn_pictures, tmp_path):
    place = (*drawn_pictures[:2], tmp_path)
    alone = learn(*place, World())
    torchrun(2, ROOT / "tests" / "together.py", *place)
    both = torch.load(tmp_path / LEARNT)
    assert list(both) == list(alone) == list(PHASES)
    for phase, steps in alone.items():
        assert len(both[phase]) == len(steps) == 3
        for (one, expected), (two, found) in zip(steps, both[phase], strict=True):
            assert two == pytest.approx(one, rel=1e-6)
            assert one["gradient"] > 0.01
            torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)


def test_one_process_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    world = join(torch.device("cpu"))
    assert world == World() and list(world.share(range(3))) == [0, 1, 2]
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    assert world.add_up([parameter], 7) == 7 and torch.equal(parameter.grad, torch.ones(2))
    assert world.gather(3) == [3] and world.any(True) and not world.any(False)
