import pytest
import torch

from captioner import devices, world
from captioner.devices import choose_device, random_state, set_random_state
from captioner.errors import TrainingError

GPU = torch.device("cuda", 0)


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(TrainingError, match="PyTorch finds no GPU here; give --device cpu"):
        choose_device("cuda")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert choose_device("auto") == choose_device("cuda") == GPU
    assert choose_device("cpu") == torch.device("cpu")


def test_each_process_of_a_host_takes_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device("auto") == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(TrainingError, match="no GPU for process 3 of this host, which has 2; give"):
        choose_device("auto")


def test_processes_with_gpus_sum_gradients_over_nccl_and_agree_over_gloo(monkeypatch):
    begun = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(world.distributed, "is_initialized", lambda: False)
    monkeypatch.setattr(world.distributed, "init_process_group", lambda b, **_: begun.append(b))
    monkeypatch.setattr("torch.cuda.set_device", begun.append)
    world.join(GPU)
    world.join(torch.device("cpu"))
    assert begun == [GPU, "cpu:gloo,cuda:nccl", "gloo"]


def test_the_gpu_s_random_numbers_are_kept_beside_the_processor_s(monkeypatch):
    drawn, given = torch.arange(16, dtype=torch.uint8), []
    monkeypatch.setattr("torch.cuda.get_rng_state", lambda device: drawn)
    monkeypatch.setattr("torch.cuda.set_rng_state", lambda *state: given.append(state))
    state = devices.random_state(GPU)
    assert state["cuda"] is drawn and random_state(torch.device("cpu")).keys() == {"cpu"}
    expected = torch.rand(3)
    set_random_state(state, GPU)
    assert torch.equal(torch.rand(3), expected) and given == [(drawn, GPU)]
