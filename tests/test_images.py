import os
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from captioner.errors import ImageError
from captioner.geometry import INTERPOLATIONS, PAD_COLOUR, RESIZES, Geometry, fit_image
from captioner.images import MAX_PIXELS, TOO_LARGE, find_images, load_image
from captioner.layouts.files import upright_size

ORIENTATION = 0x0112
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)

# How each EXIF orientation stores an upright array, from the words of the EXIF standard: which
# side of the scene the stored rows and columns start at.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: upright.swapaxes(0, 1)[::-1],
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: upright.swapaxes(0, 1)[:, ::-1],
}


def noise(width, height, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def saved_with_orientation(upright, orientation, path):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(np.ascontiguousarray(STORED[orientation](upright))).save(path, exif=exif)
    return path


def open_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("orientation", STORED)
def test_exif_orientation_is_undone_for_paths_and_for_pil_images(tmp_path, orientation):
    upright = noise(7, 5)
    path = saved_with_orientation(upright, orientation, tmp_path / "photo.png")
    with Image.open(path) as image:
        from_image = load_image(image)
    for loaded in (load_image(path), load_image(str(path)), from_image, load_image(from_image)):
        assert loaded.mode == "RGB"
        assert np.array_equal(np.asarray(loaded), upright)


BROKEN_EXIF = [b"nonsense", b"MM\0*\0\0", b"II*\0\x08\0\0\0\xff\xff\x12\x01\x03"]


@pytest.mark.parametrize("exif", BROKEN_EXIF)
def test_a_broken_exif_block_shows_the_photo_as_stored(tmp_path, exif):
    path = tmp_path / "photo.png"
    Image.fromarray(noise(7, 5)).save(path, exif=exif)
    assert np.array_equal(np.asarray(load_image(path)), noise(7, 5))
    jpeg = tmp_path / "photo.jpg"
    Image.new("RGB", (7, 5), RED).save(jpeg, exif=b"Exif\0\0" + exif)
    assert upright_size(path) == upright_size(jpeg) == (7, 5)
    assert load_image(jpeg).size == (7, 5)


def test_a_pil_image_given_is_left_as_it_was():
    image = Image.new("RGBA", (3, 2), (255, 0, 0, 0))
    load_image(image)
    assert image.mode == "RGBA" and image.getpixel((0, 0)) == (255, 0, 0, 0)
    rgb = Image.new("RGB", (3, 2))
    load_image(rgb).putpixel((0, 0), RED)
    assert rgb.getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize("name", ["deep.png", "deep.tif", "deep.pgm"])
def test_sixteen_bit_files_are_scaled_and_keep_their_order(tmp_path, name):
    samples = np.arange(0, 65536, 15, dtype=np.uint16).reshape(46, 95)
    Image.fromarray(samples).save(tmp_path / name)
    loaded = np.asarray(load_image(tmp_path / name))
    assert np.array_equal(loaded[..., 0], np.rint(samples / 257))
    assert (np.diff(loaded[..., 0].ravel().astype(int)) >= 0).all() and loaded.max() == 255
    assert np.array_equal(loaded[..., 0], loaded[..., 2])


@pytest.mark.parametrize(
    ("mode", "samples", "shown"),
    [
        ("I", [0, 100, 255], [0, 100, 255]),
        ("I", [0, 257, 65535], [0, 1, 255]),
        ("I", [-100, 100, 155], [0, 200, 255]),
        ("I", [0, 0, 2**31 - 1], [0, 0, 255]),
        ("F", [0, 0.2, 1], [0, 51, 255]),
        ("F", [0, 51, 255], [0, 51, 255]),
        ("F", [0, 257, 65535], [0, 1, 255]),
        ("F", [-3e38, 0, 3e38], [0, 128, 255]),
        ("F", [float("nan"), 0.2, float("inf")], [0, 51, 0]),
        ("F", [-7, -7, -7], [0, 0, 0]),
    ],
)
def test_deep_samples_without_a_range_of_their_own(mode, samples, shown):
    dtype = np.int32 if mode == "I" else np.float32
    image = Image.fromarray(np.array([samples], dtype=dtype))
    assert image.mode == mode
    assert np.asarray(load_image(image))[0, :, 0].tolist() == shown


def test_cmyk_is_converted(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "print.tif")
    assert load_image(tmp_path / "print.tif").getpixel((4, 4)) == RED


def test_transparency_is_laid_over_white(tmp_path):
    rgba = Image.new("RGBA", (3, 1), (255, 0, 0, 255))
    rgba.putpixel((1, 0), (255, 0, 0, 0))
    rgba.putpixel((2, 0), (0, 0, 0, 128))
    rgba.save(tmp_path / "rgba.png")
    loaded = load_image(tmp_path / "rgba.png")
    assert [loaded.getpixel((x, 0)) for x in range(3)] == [RED, WHITE, (127, 127, 127)]

    palette = Image.new("P", (2, 1))
    palette.putpalette([*RED, *BLUE])
    palette.putpixel((1, 0), 1)
    for number, transparency in enumerate((1, b"\xff\x00")):
        path = tmp_path / f"palette{number}.png"
        palette.save(path, transparency=transparency)
        loaded = load_image(path)
        assert [loaded.getpixel((x, 0)) for x in range(2)] == [RED, WHITE]

    grey = Image.new("LA", (1, 1), (9, 0))
    assert load_image(grey).getpixel((0, 0)) == WHITE


def test_the_first_frame_of_an_animation_is_shown(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in (GREEN, RED, BLUE)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert load_image(tmp_path / "moving.gif").getpixel((1, 1)) == GREEN


@pytest.mark.parametrize("name", ["one.png", 'my "best"  dog\'s photo.png', "日本 ünï.png"])
def test_one_pixel_and_any_file_name(tmp_path, name):
    Image.new("1", (1, 1), 1).save(tmp_path / name)
    assert load_image(tmp_path / name).getpixel((0, 0)) == WHITE


@pytest.mark.parametrize(
    ("array", "pixel"),
    [
        (np.full((2, 3), 7, np.uint8), (7, 7, 7)),
        (np.full((2, 3, 1), 7, np.uint8), (7, 7, 7)),
        (np.full((2, 3, 3), [1, 2, 3], np.uint8), (1, 2, 3)),
        (np.full((2, 3, 4), [1, 2, 3, 0], np.uint8), WHITE),
        (np.ones((2, 3), bool), WHITE),
        (np.full((2, 3, 3), [0, 257, 65535], np.uint16), (0, 1, 255)),
        (np.full((2, 3), 257, ">u2"), (1, 1, 1)),
        (np.full((2, 3, 3), [0, 0.2, 1.0]), (0, 51, 255)),
        (np.zeros((2, 3), np.float16), (0, 0, 0)),
        (np.full((4, 6, 3), [1, 2, 3], np.uint8)[::2, ::-2], (1, 2, 3)),
    ],
)
def test_arrays_of_every_kind(array, pixel):
    class Holder:
        def __array__(self, dtype=None, copy=None):
            return array

    for source in (array, Holder()):
        loaded = load_image(source)
        assert loaded.size == (3, 2) and loaded.getpixel((0, 0)) == pixel


def refusal(source):
    with pytest.raises(ImageError) as caught:
        load_image(source)
    return str(caught.value)


def test_each_unreadable_file_is_named_with_its_reason(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not a picture at all, just words")
    (tmp_path / "folder.jpg").mkdir()
    program = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n"
    (tmp_path / "program.jpg").write_text(program)
    os.mkfifo(tmp_path / "pipe.jpg")
    Image.fromarray(noise(64, 64)).save(tmp_path / "cut.jpg")
    data = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    reasons = {
        "absent.jpg": "there is no such file",
        "empty.jpg": "the file is empty",
        "text.jpg": "it is not a picture that can be recognised",
        "folder.jpg": "it is a folder",
        "program.jpg": "it is PostScript, not a picture",
        "pipe.jpg": "it is not a regular file",
        "cut.jpg": "it is cut short",
        "text.jpg/inside.jpg": "Not a directory",
        "null\0.jpg": "embedded null byte",
    }
    for name, reason in reasons.items():
        assert refusal(tmp_path / name) == f"cannot read {tmp_path / name}: {reason}"
        assert refusal(f"{tmp_path}/{name}") == f"cannot read {tmp_path}/{name}: {reason}"


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    Image.new("RGB", (1, 1)).save(tmp_path / "private.png")

    def locked(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", locked)
    assert refusal(tmp_path / "private.png").endswith(": there is no permission to read it")


def test_a_cut_pil_image_is_named_by_its_file(tmp_path):
    path = tmp_path / "cut.png"
    Image.fromarray(noise(64, 64)).save(path)
    path.write_bytes(path.read_bytes()[:5000])
    with Image.open(path) as image:
        assert refusal(image) == f"cannot read {path}: it is cut short"


@pytest.mark.parametrize(("side", "large"), [(12_000, False), (30_000, True)])
def test_too_many_pixels_are_refused_from_the_header(tmp_path, side, large):
    # One row of data is enough of a file: the header alone decides.
    path = tmp_path / "bomb.pgm"
    path.write_bytes(b"P5 %d %d 255\n" % (side, side) + b"\0" * side)
    reason = TOO_LARGE if large else "it is cut short"
    assert refusal(path) == f"cannot read {path}: {reason}"


def test_a_png_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    path = tmp_path / "bomb.png"
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(30_000 * (1 + 30_000 // 8)), 1)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows)
    path.write_bytes(png + chunk(b"IEND", b""))

    def decoded(_):
        raise AssertionError("the pixels were decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    for limit in (Image.MAX_IMAGE_PIXELS, None):  # Pillow's own check, then this package's
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert refusal(path) == f"cannot read {path}: it has more than 178,956,970 pixels"


def test_a_picture_above_pillows_warning_is_read_without_one(tmp_path):
    code = (
        "import sys; from PIL import Image; from captioner.images import load_image\n"
        "Image.MAX_IMAGE_PIXELS = 10\n"
        "Image.new('1', (5, 3)).save(sys.argv[1])\n"
        "print(load_image(sys.argv[1]).size)\n"
    )
    command = [sys.executable, "-W", "always", "-c", code, tmp_path / "large.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(5, 3)\n", "")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (np.zeros((3, 4, 5, 1), np.uint8), r"its shape is \(3, 4, 5, 1\), not \(height, width\)"),
        (np.zeros((3, 4, 2), np.uint8), r"its shape is \(3, 4, 2\)"),
        (np.uint8(3), r"its shape is \(\)"),
        (np.zeros((3, 4), np.int64), "its dtype is int64, not uint8, bool, uint16 or float"),
        (np.zeros((3, 4), object), "its dtype is object"),
        (np.full((3, 4), 200.0), "its floats run from 200 to 200, not within 0-1"),
        (np.full((3, 4), np.nan), "its floats run from nan to nan"),
        (np.zeros((0, 4), np.uint8), "cannot read the array: it has no pixels"),
        (np.broadcast_to(np.uint8(0), (MAX_PIXELS, 2)), TOO_LARGE),
        (Image.new("RGB", (0, 4)), "cannot read the picture: it has no pixels"),
        ([[1, 2]], "cannot read a picture from list; give a path, a PIL image or an array"),
        (None, "from NoneType"),
    ],
)
def test_what_is_no_picture_is_refused(source, sentence):
    with pytest.raises(ImageError, match=sentence):
        load_image(source)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO"])
def test_damaged_bytes_end_in_a_sentence_and_no_open_file(tmp_path, kind):
    rng = np.random.default_rng(0)
    path = tmp_path / f"photo.{kind.lower()}"
    Image.fromarray(noise(17, 17)).save(path, kind)
    whole = path.read_bytes()
    load_image(path)
    before = open_files()
    for trial in range(40):
        data = bytearray(whole)
        if trial % 2:
            data = data[: rng.integers(1, len(data))]
        for position in rng.integers(0, min(len(data), 120), 3):
            data[position] = rng.integers(256)
        path.write_bytes(data)
        try:
            assert load_image(path).mode == "RGB"
        except ImageError as error:
            assert str(error).startswith(f"cannot read {path}: ")
            assert "\n" not in str(error)
    assert open_files() == before


def test_folders_become_their_pictures_and_files_stay(tmp_path):
    names = ["b.JPG", "a/z.png", "a/y/x.webp", ".hidden.png", ".git/c.png", "notes.txt", "c.gif"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    inside = [tmp_path / name for name in ("a/y/x.webp", "a/z.png", "b.JPG", "c.gif")]
    assert find_images(["absent.txt", str(tmp_path), "b.jpg"]) == ["absent.txt", *inside, "b.jpg"]
    assert find_images(tmp_path) == inside
    assert find_images("one.jpg") == ["one.jpg"]
    assert find_images([]) == []


def test_a_folder_without_pictures_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ImageError, match=f"no pictures in {tmp_path}; looked for .avif .bmp"):
        find_images([tmp_path])


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    def locked(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", locked)
    with pytest.raises(ImageError, match=f"cannot list {tmp_path}: Permission denied"):
        find_images([tmp_path])


def brute_force_spread(alpha, size, scale, offset, frame, smooth):
    """The definition, pixel by pixel."""
    rows, columns = alpha.shape
    drawn = np.zeros((size[1], size[0]))
    for y in range(size[1]):
        for x in range(size[0]):
            across = ((x + 0.5) * scale[0] + offset[0]) / frame[0]
            down = ((y + 0.5) * scale[1] + offset[1]) / frame[1]
            if not (0 <= across < 1 and 0 <= down < 1):
                continue
            if not smooth:
                drawn[y, x] = alpha[int(down * rows), int(across * columns)]
                continue
            column = min(max(across * columns - 0.5, 0), columns - 1)
            row = min(max(down * rows - 0.5, 0), rows - 1)
            left, top = int(column), int(row)
            right, bottom = min(left + 1, columns - 1), min(top + 1, rows - 1)
            across, down = column - left, row - top
            upper = alpha[top, left] * (1 - across) + alpha[top, right] * across
            lower = alpha[bottom, left] * (1 - across) + alpha[bottom, right] * across
            drawn[y, x] = upper * (1 - down) + lower * down
    return drawn


def expected_placement(resize, size, frame):
    """(scale, offset) by each resize's definition, worked out apart from the code."""
    ratios = [f / s for f, s in zip(frame, size, strict=True)]
    if resize == "squash":
        return ratios, (0, 0)
    if resize == "crop":
        ratio = max(ratios)
        seen = [max(f / ratio, 1) for f in frame]
        scale = [f / s for f, s in zip(frame, seen, strict=True)]
        return scale, [(s - w) / 2 * r for s, w, r in zip(seen, size, scale, strict=True)]
    drawn = [max(1, round(s * min(ratios))) for s in size]
    scale = [d / s for d, s in zip(drawn, size, strict=True)]
    return scale, [(f - d) // 2 for f, d in zip(frame, drawn, strict=True)]


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("size", [(101, 75), (77, 101), (37, 3), (2, 61), (1, 1), (56, 42)])
@pytest.mark.parametrize("resize", RESIZES)
def test_spread_is_the_placement_pixel_by_pixel(resize, size, smooth):
    # Sizes at which no pixel's centre lies on the edge of a cell, where rounding would decide.
    frame, alpha = (56, 40), np.random.default_rng(1).random((3, 5), dtype=np.float32)
    fitted, geometry = fit_image(Image.new("RGB", size), frame, resize)
    scale, offset = expected_placement(resize, size, frame)
    assert fitted.size == geometry.frame == frame and geometry.size == size
    assert geometry.scale == pytest.approx(scale) and geometry.offset == pytest.approx(offset)
    drawn = geometry.spread(alpha, smooth)
    expected = brute_force_spread(alpha, size, scale, offset, frame, smooth)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn, expected, atol=1e-5)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("resize", RESIZES)
def test_the_cell_that_sees_a_mark_is_drawn_back_on_the_mark(tmp_path, resize, orientation):
    # The encoder is played by the fitted picture itself: whichever cell is reddest is attended.
    upright = np.zeros((299, 401, 3), np.uint8)
    upright[150:190, 225:270] = RED
    path = saved_with_orientation(upright, orientation, tmp_path / "photo.png")
    fitted, geometry = fit_image(load_image(path), (224, 224), resize)
    redness = np.asarray(fitted)[..., 0].astype(float) - np.asarray(fitted)[..., 1]
    cells = redness.reshape(7, 32, 7, 32).mean((1, 3))
    alpha = (cells == cells.max()).astype(np.float32)
    drawn = geometry.spread(alpha, smooth=False)
    assert drawn.shape == (299, 401) and alpha.sum() == 1
    assert drawn[170, 247] == 1
    lit_rows, lit_columns = drawn.any(1).sum(), drawn.any(0).sum()
    assert lit_columns == pytest.approx(32 / geometry.scale[0], abs=1)
    assert lit_rows == pytest.approx(32 / geometry.scale[1], abs=1)


@pytest.mark.parametrize("resize", RESIZES)
def test_the_fitted_picture_shows_each_point_where_the_geometry_says(resize):
    # A picture whose colours are its coordinates: what is seen at a frame pixel tells its origin.
    y, x = np.mgrid[:150, :200]
    image = Image.fromarray(np.stack([x, y, np.zeros_like(x)], -1).astype(np.uint8))
    fitted, geometry = fit_image(image, (96, 96), resize, "bilinear")
    seen = np.asarray(fitted).astype(float)
    inside = ~(seen == PAD_COLOUR).all(-1)
    for axis, positions in ((0, np.mgrid[:96, :96][1]), (1, np.mgrid[:96, :96][0])):
        origin = (positions + 0.5 - geometry.offset[axis]) / geometry.scale[axis] - 0.5
        off = np.abs(seen[..., axis] - origin)[inside]
        # One step of rounding, and a little more in the outermost averages.
        assert off.max() < 1.6 and off.mean() < 0.4


def test_crop_leaves_what_no_cell_saw_dark():
    _, geometry = fit_image(Image.new("RGB", (300, 100)), (64, 64), "crop")
    for smooth in (True, False):
        drawn = geometry.spread(np.ones((2, 2)), smooth)
        assert (drawn[:, 100:200] == 1).all()
        assert (drawn[:, :100] == 0).all() and (drawn[:, 200:] == 0).all()


def test_pad_fills_with_grey_around_the_picture():
    fitted, geometry = fit_image(Image.new("RGB", (400, 3), RED), (224, 224), "pad")
    pixels = np.asarray(fitted)
    red = (pixels == RED).all(-1)
    assert red.any(1).nonzero()[0].tolist() == [111, 112] and red[111].all()
    assert (pixels[~red] == PAD_COLOUR).all()
    assert geometry.offset == (0, 111) and geometry.scale == (224 / 400, 2 / 3)


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("size", [(400, 3), (3, 400), (1, 1), (1, 2000), (1999, 1)])
def test_extreme_shapes_are_placed(resize, size):
    fitted, geometry = fit_image(Image.new("RGB", size, RED), (224, 160), resize)
    assert fitted.size == (224, 160) and RED in {colour for _, colour in fitted.getcolors()}
    drawn = geometry.spread(np.ones((5, 7)))
    assert drawn.shape == size[::-1] and drawn.max() == 1


def test_a_uniform_map_stays_uniform():
    geometry = fit_image(Image.new("RGB", (401, 299)), (224, 224), "pad")[1]
    drawn = geometry.spread(np.full((14, 14), 1 / 196))
    np.testing.assert_allclose(drawn, 1 / 196, rtol=1e-6)


def test_resized_geometry_draws_the_same_map_smaller():
    geometry = fit_image(Image.new("RGB", (400, 300)), (224, 224), "crop")[1]
    alpha = np.random.default_rng(0).random((7, 7))
    small = geometry.resized((200, 150))
    assert small.size == (200, 150) and small.frame == (224, 224)
    halved = geometry.spread(alpha).reshape(150, 2, 200, 2).mean((1, 3))
    assert np.abs(small.spread(alpha) - halved).mean() < 0.002


def test_every_interpolation_is_offered():
    image = Image.fromarray(noise(9, 9))
    fitted = [fit_image(image, (5, 5), "squash", name)[0].tobytes() for name in INTERPOLATIONS]
    assert len(set(fitted)) == len(INTERPOLATIONS)


def test_unknown_names_are_refused_with_what_is_allowed():
    image = Image.new("RGB", (2, 2))
    with pytest.raises(ValueError, match="unknown resize 'fold'; choose one of squash, pad, crop"):
        fit_image(image, (4, 4), "fold")
    with pytest.raises(ValueError, match="unknown interpolation 'best'; choose one of nearest, "):
        fit_image(image, (4, 4), interpolation="best")


def test_a_map_that_is_not_a_grid_is_refused():
    geometry = Geometry((4, 4), (1.0, 1.0), (0.0, 0.0), (4, 4))
    with pytest.raises(ValueError, match=r"must be \(rows, columns\), but its shape is \(4,\)"):
        geometry.spread(np.ones(4))
