import pytest
import torch

from captioner.averaging import Averaged
from captioner.devices import random_state
from captioner.errors import CheckpointError
from captioner.resuming import (
    BEFORE,
    STATE,
    Position,
    check_state,
    has_state,
    put_back_model,
    put_back_rest,
    read_state,
    store,
)

CPU = torch.device("cpu")


@pytest.fixture
def parts(tiny_model):
    parameters = list(tiny_model.decoder.parameters())
    return tiny_model, torch.optim.Adam(parameters), Averaged(parameters, 0.9)


def write(folder, parts, position):
    store(folder, position, "8 pictures", *parts, [random_state(CPU)])


def test_a_state_that_is_missing_broken_or_of_another_model_is_refused(parts, tmp_path):
    with pytest.raises(CheckpointError, match="there is no state to resume from"):
        read_state(tmp_path, "8 pictures")
    write(tmp_path, parts, Position())
    state = read_state(tmp_path, "8 pictures")
    with pytest.raises(CheckpointError, match="belongs to another model"):
        put_back_model(state, parts[0].decoder)
    with pytest.raises(CheckpointError, match="is of a run with other settings"):
        put_back_rest(state, parts[1], parts[2], CPU, rank=1)
    with pytest.raises(CheckpointError, match="made from 8 pictures, and this would .* 7 pict"):
        read_state(tmp_path, "7 pictures")
    path = tmp_path / STATE
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CheckpointError, match="state.safetensors' is broken"):
        read_state(tmp_path, "8 pictures")
    # Nothing is better: it stays, and the next try is told the same.
    with pytest.raises(CheckpointError, match="is broken: .*; begin again in another --output"):
        check_state(tmp_path, "8 pictures", parts[0])
    assert has_state(tmp_path)


def test_what_a_state_lacks_is_said_without_reading_it(parts, tmp_path):
    model = parts[0]
    write(tmp_path, parts, Position())
    check_state(tmp_path, "8 pictures", model)
    with pytest.raises(CheckpointError, match="from 8 pictures, and this would go on from 7 pict"):
        check_state(tmp_path, "7 pictures", model)
    there = r"another model: decoder.output.bias is \(\d+,\) there and \(9,\) here; resume it with"
    model.decoder.output.bias = torch.nn.Parameter(torch.zeros(9))
    with pytest.raises(CheckpointError, match=there):
        check_state(tmp_path, "8 pictures", model)


def test_a_trained_run_without_a_state_is_never_begun_again(parts, tmp_path):
    folder = tmp_path / "training"
    assert not has_state(folder)
    write(folder, parts, Position())
    assert has_state(folder)
    (folder / STATE).unlink()
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(CheckpointError, match="are gone, and it has model.safetensors already; "):
        has_state(folder)


def test_a_full_disk_leaves_no_part_and_says_how_to_go_on(parts, tmp_path, monkeypatch):
    def full(tensors, path, about):
        path.write_text("half")
        raise OSError("No space left on device")

    monkeypatch.setattr("captioner.resuming.write_tensors", full)
    with pytest.raises(OSError, match="No space left on device; make room, then go on with --res"):
        write(tmp_path, parts, Position())
    assert not list(tmp_path.iterdir())


def first_moments(optimizer):
    state = optimizer.state_dict()["state"]
    return [state[index]["exp_avg"] for index in sorted(state)]


@pytest.mark.parametrize("fault", ["cut", "empty", "gone"])
def test_the_state_before_is_read_where_the_last_is_not_whole(parts, tmp_path, fault):
    write(tmp_path, parts, Position(step=1))
    write(tmp_path, parts, Position(step=2))
    assert (
        read_state(tmp_path, "8 pictures").position.step == 2
        and not read_state(tmp_path, "8 pictures").note
    )
    last = tmp_path / STATE
    whole = last.read_bytes()
    last.unlink()
    if fault != "gone":  # killed between the two renames
        last.write_bytes(whole[: 5000 * (fault == "cut")])
    state = read_state(tmp_path, "8 pictures")
    assert state.position.step == 1 and state.path.name == BEFORE
    assert "going on from the one before it" in state.note
    assert ("was not written to its end" in state.note) == (fault == "gone")
    assert not last.exists()  # it stands in nobody's way


def test_everything_comes_back_as_it_was(parts, tmp_path):
    model, optimizer, average = parts
    for parameter in model.decoder.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    average.update(5)
    position = Position(phase=1, epoch=2, step=3, best=44.5, waited=1)
    write(tmp_path, parts, position)
    drawn = torch.rand(3)
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    values = [value.clone() for value in average.values]
    moments = [m.clone() for m in first_moments(optimizer)]
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.add_(1)
    optimizer.step()
    average.update(6)
    state = read_state(tmp_path, "8 pictures")
    put_back_model(state, model)
    put_back_rest(state, optimizer, average, CPU)
    assert state.position == position and torch.equal(torch.rand(3), drawn)
    assert all(torch.equal(kept[name], tensor) for name, tensor in model.state_dict().items())
    assert all(map(torch.equal, values, average.values))
    assert all(map(torch.equal, moments, first_moments(optimizer)))


def test_positions_move_on():
    position = Position().after_step().after_epoch(10.0)
    assert position == Position(0, 1, 0, 10.0, 0)
    worse = position.after_epoch(9.0)
    assert (worse.best, worse.waited, worse.epoch) == (10.0, 1, 2)
    assert worse.after_phase() == Position(1, 0, 0, 10.0, 0)
