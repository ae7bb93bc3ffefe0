import contextlib
import threading
import time

import numpy as np
import pytest
import torch
from PIL import ImageOps

from captioner import feature_files
from captioner.errors import DataError, ImageError
from captioner.feature_files import LOCK, cached_features
from captioner.features import CachedFeatures, LiveFeatures, open_features
from captioner.images import load_image
from captioner.pixels import read_pixels
from captioner.world import World


def compute(model, paths, folder, dtype=torch.float32):
    return cached_features(model.encoder, paths, folder, dtype=dtype, label="test")


def test_features_are_those_of_the_encoder_in_order(tiny_model, drawn_pictures, tmp_path):
    paths = sorted(tmp_path.glob("*.png"))
    features = compute(tiny_model, paths, tmp_path / "cache")
    assert features.dtype == np.float16 and features.shape == (8, 4, 256)
    assert isinstance(features, np.memmap)
    for path, own in zip(paths, features, strict=True):
        pixels, _ = tiny_model.encoder.preprocessing(load_image(path))
        expected = tiny_model.encoder.look(torch.from_numpy(pixels)[None])[0].numpy()
        np.testing.assert_allclose(own, expected, atol=2e-3 * abs(expected).max())


def test_mirrored_features_are_those_of_the_mirrored_picture(tiny_model, drawn_pictures, tmp_path):
    paths = sorted(tmp_path.glob("*.png"))[:3]
    options = {"dtype": torch.float32, "label": "test"}
    found = cached_features(tiny_model.encoder, paths, tmp_path / "c", mirrored=True, **options)
    for path in paths:
        ImageOps.mirror(load_image(path)).save(path)
    expected = cached_features(tiny_model.encoder, paths, tmp_path / "c", **options)
    assert np.array_equal(found, expected)


def test_what_an_unfrozen_encoder_keeps_is_what_stands_before_the_border(
    tiny_model, drawn_pictures, tmp_path
):
    paths, encoder = sorted(tmp_path.glob("*.png")), tiny_model.encoder
    pixels = read_pixels(encoder.preprocessing, paths, [False] * 8)
    with torch.no_grad():
        whole = encoder(pixels)
        encoder.unfreeze(3)
        kept = compute(tiny_model, paths, tmp_path / "cache")
        assert kept.shape[1:] == (32, 12, 12)  # 64 pixels and the margin at stride 8
        again = encoder.annotate(torch.from_numpy(kept.astype(np.float32)))
    torch.testing.assert_close(again, whole, atol=2e-3, rtol=2e-3)
    encoder.backbone.network.blocks[-1][0].conv_pwl.weight.data.mul_(2)
    compute(tiny_model, paths, tmp_path / "cache")  # what is trained does not change the file
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 1


def test_they_are_computed_once_for_one_making(tiny_model, drawn_pictures, tmp_path, monkeypatch):
    paths, cache = sorted(tmp_path.glob("*.png")), tmp_path / "cache"
    compute(tiny_model, paths, cache)
    made = []
    encode = type(tiny_model.encoder).look
    monkeypatch.setattr(type(tiny_model.encoder), "look", lambda *a: made.append(1) or encode(*a))
    compute(tiny_model, paths, cache)
    assert not made
    compute(tiny_model, paths[::-1], cache)
    compute(tiny_model, paths, cache, torch.bfloat16)
    with torch.no_grad():
        next(tiny_model.encoder.backbone.parameters()).mul_(2)
    compute(tiny_model, paths, cache)
    assert len(made) == 3 and len(list(cache.glob("*.npy"))) == 4


def test_a_changed_picture_is_computed_again(tiny_model, drawn_pictures, tmp_path):
    paths = sorted(tmp_path.glob("*.png"))
    before = compute(tiny_model, paths, tmp_path / "cache")[0].copy()
    load_image(paths[-1]).resize((91, 71)).save(paths[0])
    assert not np.array_equal(before, compute(tiny_model, paths, tmp_path / "cache")[0])


def test_what_fails_half_way_leaves_no_file(tiny_model, drawn_pictures, tmp_path):
    paths = sorted(tmp_path.glob("*.png"))
    paths[-1].write_text("no picture")
    with pytest.raises(ImageError, match="white-square.png"):
        compute(tiny_model, paths, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [LOCK]


def test_two_that_want_the_same_features_make_them_once(
    tiny_model, drawn_pictures, tmp_path, monkeypatch, capsys
):
    paths, begun, made = sorted(tmp_path.glob("*.png")), threading.Event(), []

    def slow(encoder, paths, part, *rest):
        made.append(part)
        begun.set()
        time.sleep(0.3)  # long enough for the other to want them too
        make(encoder, paths, part, *rest)

    make = feature_files._compute
    monkeypatch.setattr("captioner.feature_files._compute", slow)
    found = [None, None]

    def want(turn):
        found[turn] = compute(tiny_model, paths, tmp_path / "cache")

    first, second = (threading.Thread(target=want, args=(turn,)) for turn in (0, 1))
    first.start()
    assert begun.wait(10)
    second.start()
    first.join(10)
    second.join(10)
    assert len(made) == 1 and np.array_equal(*found) and found[0].any()
    assert "waiting: features are being made in" in capsys.readouterr().err


def test_a_full_disk_is_said_before_the_work(tiny_model, drawn_pictures, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("captioner.feature_files.shutil.disk_usage", lambda folder: usage)
    with pytest.raises(
        DataError, match="the features take 16 kB, but .* has 1 kB free; give another"
    ):
        compute(tiny_model, sorted(tmp_path.glob("*.png")), tmp_path / "cache")


@pytest.mark.parametrize("stage", [None, 3, 0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_live_features_are_those_of_the_cache(tiny_model, drawn_pictures, tmp_path, stage, dtype):
    paths, encoder = sorted(tmp_path.glob("*.png")), tiny_model.encoder
    encoder.unfreeze(stage)
    requests = [([3, 0, 7], [False, True, False]), ([5], [True]), ([6, 2], [True, True])]
    options = {"dtype": dtype, "label": "test", "mirrored": True, "world": World()}
    kept = open_features(encoder, paths, tmp_path / "cache", **options)
    live = open_features(encoder, paths, None, **options)
    assert isinstance(kept, CachedFeatures) and isinstance(live, LiveFeatures)
    answers = zip(kept.stream(requests), live.stream(requests), strict=True)
    for (one, places), (other, own) in answers:
        assert places == own == list(range(len(one)))
        assert one.dtype == other.dtype == torch.float32
        # The cache rounds to half precision; bfloat16 also rounds otherwise in other batches.
        share = 1e-3 if dtype == torch.float32 else 2e-2
        torch.testing.assert_close(one, other, atol=share * float(one.abs().max()), rtol=0)


def test_features_are_on_the_encoder_s_device_wherever_that_is(
    tiny_model, drawn_pictures, tmp_path, monkeypatch
):
    # "meta" is a device that any machine has: what stayed on the processor would not go with it.
    paths, requests = sorted(tmp_path.glob("*.png")), [([3, 0], [False, True])]
    options = {"dtype": torch.float32, "label": "test", "mirrored": True, "world": World()}
    files = [
        compute(tiny_model, paths, tmp_path / "cache"),
        compute(tiny_model, paths[::-1], tmp_path / "cache"),
    ]
    ((kept, _),) = CachedFeatures(files, torch.device("meta")).stream(requests)
    monkeypatch.setattr("torch.autocast", lambda *arguments, **options: contextlib.nullcontext())
    encoder = tiny_model.to("meta").encoder
    ((live, _),) = open_features(encoder, paths, None, **options).stream(requests)
    assert kept.device.type == live.device.type == "meta" and kept.shape == live.shape
